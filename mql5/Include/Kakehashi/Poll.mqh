//+------------------------------------------------------------------+
//| Poll.mqh: a connection by polling, where sockets are not to be   |
//| had: POST /ea/v1/poll by WebRequest, frames up in the body, frames|
//| down in the answer.                                              |
//|                                                                  |
//| WebRequest holds the EA's only thread: the hub may keep a request|
//| for PollWaitMs at most, and for a moment only while something is |
//| going on. A request that fails ends the connection: nobody can say|
//| which of its frames arrived.                                     |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_POLL_MQH
#define KAKEHASHI_POLL_MQH

#include <Kakehashi/Json.mqh>
#include <Kakehashi/Line.mqh>
#include <Kakehashi/Text.mqh>

#define POLL_ANSWER_MS 5000
// Bytes of one body: what the hub reads is bounded.
#define POLL_BYTES 196608
// Between polls that brought nothing.
#define POLL_PAUSE_MS 100
#define POLL_LIVELY_MS 500
#define POLL_SHORT_MS 50

class CPoll : public CLine
  {
private:
   string            m_url;
   string            m_headers;
   int               m_wait_ms;
   string            m_session;
   string            m_up[];
   ulong             m_next;
   ulong             m_lively;
   CJson             m_json;

public:
                     CPoll(void)
     {
      m_url = "";
      m_headers = "";
      m_session = "";
      m_wait_ms = 250;
      m_next = 0;
      m_lively = 0;
     }

   void              To(const Address &where, const string token, const int wait_ms)
     {
      string scheme = where.secure ? "https" : "http", port = "";
      if(where.port != (where.secure ? 443 : 80))
         port = ":" + IntegerToString(where.port);
      m_url = scheme + "://" + where.host + port + where.path + "/poll";
      m_headers = "Authorization: Bearer " + token + "\r\nContent-Type: application/json\r\n";
      m_wait_ms = MathMin(MathMax(wait_ms, 0), 750);
     }

   virtual bool      Open(const string session)
     {
      m_session = session;
      m_alive = true;
      m_next = 0;
      error = "";
      ArrayResize(m_up, 0);
      return true;
     }

   virtual void      Send(const string frame)
     {
      int count = ArraySize(m_up);
      ArrayResize(m_up, count + 1, 64);
      m_up[count] = frame;
     }

   virtual void      Exchange(const int wait_ms)
     {
      ulong now = GetTickCount64();
      if(!m_alive || (ArraySize(m_up) == 0 && now < m_next))
         return;
      bool brought = Request((now < m_lively) ? MathMin(POLL_SHORT_MS, m_wait_ms) : m_wait_ms);
      now = GetTickCount64();
      if(brought)
         m_lively = now + POLL_LIVELY_MS;
      m_next = brought ? now : now + POLL_PAUSE_MS;
     }

   // What is left is sent with one last request.
   virtual void      Close(const int code, const string reason)
     {
      if(m_alive && ArraySize(m_up) > 0)
         Request(0);
      m_alive = false;
     }

private:
   // The frames that fit into one body.
   string            Batch(void)
     {
      string body = "";
      int taken = 0, count = ArraySize(m_up), size = 0;
      while(taken < count && (taken == 0 || size + ByteCount(m_up[taken]) < POLL_BYTES))
        {
         size += ByteCount(m_up[taken]) + 1;
         body = body + ((taken > 0) ? "," : "") + m_up[taken];
         taken++;
        }
      for(int i = taken; i < count; i++)
         m_up[i - taken] = m_up[i];
      ArrayResize(m_up, count - taken, 64);
      return "[" + body + "]";
     }

   // One request; whether it brought anything.
   bool              Request(const int hold_ms)
     {
      char body[], answer[];
      string head = "";
      ToChars(Batch(), body);
      string url = m_url + "?wait_ms=" + IntegerToString(hold_ms) + "&session=" + m_session;
      ResetLastError();
      int status = WebRequest("POST", url, m_headers, hold_ms + POLL_ANSWER_MS, body, answer, head);
      if(status != 200)
        {
         Lost("poll: status " + IntegerToString(status) + ", error " + IntegerToString(GetLastError()));
         return false;
        }
      string text = FromChars(answer);
      if(m_json.Parse("{\"down\":" + text + "}") != "")
        {
         Came(text); // whoever reads frames will say what is wrong with it
         return true;
        }
      bool brought = false;
      for(int i = m_json.First(m_json.Field(0, "down")); i >= 0; i = m_json.Next(i))
        {
         Came(m_json.Write(i));
         brought = true;
        }
      return brought;
     }
  };

#endif
