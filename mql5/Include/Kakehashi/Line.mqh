//+------------------------------------------------------------------+
//| Line.mqh: one connection to the hub, on either transport.        |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_LINE_MQH
#define KAKEHASHI_LINE_MQH

#include <Kakehashi/Text.mqh>

// Where the hub is.
struct Address
  {
   bool              secure;
   string            host;
   int               port;
   string            path;

                     Address(void)
     {
      secure = false;
      host = "";
      port = 0;
      path = "";
     }

   // Reads ws://, wss://, http:// or https://; false: it is no such address.
   bool              Parse(const string url)
     {
      int colon = StringFind(url, "://");
      string scheme = (colon > 0) ? StringSubstr(url, 0, colon) : "";
      if(scheme != "ws" && scheme != "wss" && scheme != "http" && scheme != "https")
         return false;
      secure = (scheme == "wss" || scheme == "https");
      string rest = StringSubstr(url, colon + 3);
      int slash = StringFind(rest, "/");
      path = (slash < 0) ? "" : StringSubstr(rest, slash);
      host = (slash < 0) ? rest : StringSubstr(rest, 0, slash);
      int at = StringFind(host, ":");
      port = secure ? 443 : 80;
      if(at >= 0)
        {
         port = (int)StringToInteger(StringSubstr(host, at + 1));
         host = StringSubstr(host, 0, at);
        }
      if(path == "" || path == "/")
         path = "/ea/v1";
      return host != "" && port > 0 && port < 65536;
     }
  };

class CLine
  {
private:
   string            m_frames[]; // that came and were not taken
   int               m_taken;

protected:
   bool              m_alive;

public:
   string            error; // why it could not be opened, or is gone

                     CLine(void)
     {
      m_taken = 0;
      m_alive = false;
      error = "";
     }

   virtual          ~CLine(void) {}

   // Whether the connection is there. `session`: a random id, never used before.
   virtual bool      Open(const string session) { return false; }
   // Puts a frame on its way, or drops it if the connection is gone.
   virtual void      Send(const string frame) {}
   // Sends and reads what there is; waits for more at most so long.
   virtual void      Exchange(const int wait_ms) {}
   // Sends what is left, if that goes quickly, and hangs up.
   virtual void      Close(const int code, const string reason) {}

   bool              Alive(void) const { return m_alive; }

   // The next frame that came; false: there is none.
   bool              Receive(string &frame)
     {
      if(m_taken >= ArraySize(m_frames))
        {
         ArrayResize(m_frames, 0, 64);
         m_taken = 0;
         return false;
        }
      frame = m_frames[m_taken];
      m_taken++;
      return true;
     }

protected:
   void              Came(const string frame)
     {
      int count = ArraySize(m_frames);
      ArrayResize(m_frames, count + 1, 64);
      m_frames[count] = frame;
     }

   void              Lost(const string why)
     {
      m_alive = false;
      if(error == "")
         error = why;
     }
  };

#endif
