//+------------------------------------------------------------------+
//| WebSocket.mqh: a client of RFC 6455 over the terminal's sockets. |
//|                                                                  |
//| Reads wait for a moment inside the timer event: a command is seen|
//| when it arrives, not at the next tick of the timer. The sockets' |
//| habits: SocketIsReadable may say 1 for nothing, SocketRead says -1|
//| for "nothing came" as for "broken", and a time limit of 0 is two |
//| minutes; at port 443 TLS begins by itself.                       |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_WEBSOCKET_MQH
#define KAKEHASHI_WEBSOCKET_MQH

#include <Kakehashi/Fresh.mqh>
#include <Kakehashi/Line.mqh>

#define CONNECT_MS 5000
#define IO_MS 3000
#define MAX_HEAD 8192
#define MAX_MESSAGE 65536
#define OP_MORE 0
#define OP_TEXT 1
#define OP_BINARY 2
#define OP_CLOSE 8
#define OP_PING 9
#define OP_PONG 10

string Base64(const uchar &data[])
  {
   uchar key[], out[];
   ArrayResize(key, 0);
   int count = CryptEncode(CRYPT_BASE64, data, key, out);
   string text = (count > 0) ? CharArrayToString(out, 0, count, CP_UTF8) : "";
   StringReplace(text, "\r", "");
   StringReplace(text, "\n", "");
   return text;
  }

// What the server has to answer to a key (RFC 6455, 4.2.2).
string AcceptOf(const string key)
  {
   uchar data[], none[], hash[];
   ToBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", data);
   ArrayResize(none, 0);
   CryptEncode(CRYPT_HASH_SHA1, data, none, hash);
   return Base64(hash);
  }

// One frame of a client, masked. The mask is no secret: it only keeps what is sent from looking like HTTP to a proxy.
void ClientFrame(const int op, const uchar &data[], const int size, const uint mask, uchar &out[])
  {
   int head = (size < 126) ? 6 : (size < 65536) ? 8 : 14;
   ArrayResize(out, head + size);
   out[0] = (uchar)(0x80 | op);
   if(size < 126)
      out[1] = (uchar)(0x80 | size);
   else if(size < 65536)
     {
      out[1] = 0x80 | 126;
      out[2] = (uchar)(size >> 8);
      out[3] = (uchar)(size & 0xFF);
     }
   else
     {
      out[1] = 0x80 | 127;
      for(int i = 0; i < 8; i++)
         out[2 + i] = (uchar)(((long)size >> (56 - 8 * i)) & 0xFF);
     }
   uchar keys[];
   ArrayResize(keys, 4);
   for(int i = 0; i < 4; i++)
     {
      keys[i] = (uchar)((mask >> (24 - 8 * i)) & 0xFF);
      out[head - 4 + i] = keys[i];
     }
   for(int i = 0; i < size; i++)
      out[head + i] = (uchar)(data[i] ^ keys[i & 3]);
  }

// Bytes of the server in, messages out. Frames may come in any pieces, messages in any frames.
class CFrameReader
  {
private:
   uchar             m_in[];
   int               m_start;
   int               m_end;
   uchar             m_message[];
   int               m_size;
   int               m_kind; // of the message that is being put together; 0: none

public:
   int               fault;  // a close code; 0: none

                     CFrameReader(void) { Reset(); }

   void              Reset(void)
     {
      m_start = 0;
      m_end = 0;
      m_size = 0;
      m_kind = 0;
      fault = 0;
     }

   void              Add(const uchar &bytes[], const int count)
     {
      if(m_start > 0)
        {
         for(int i = m_start; i < m_end; i++)
            m_in[i - m_start] = m_in[i];
         m_end -= m_start;
         m_start = 0;
        }
      if(m_end + count > ArraySize(m_in))
         ArrayResize(m_in, m_end + count, 65536);
      for(int i = 0; i < count; i++)
         m_in[m_end + i] = bytes[i];
      m_end += count;
     }

   // The next message or control frame: its kind, with its bytes in `data`; 0: not yet, or a fault.
   int               Next(uchar &data[])
     {
      while(fault == 0)
        {
         int head = 2, have = m_end - m_start;
         if(have < head)
            return 0;
         int first = m_in[m_start], second = m_in[m_start + 1], op = first & 0x0F;
         long size = second & 0x7F;
         head += (size == 126) ? 2 : (size == 127) ? 8 : 0;
         if(have < head)
            return 0;
         if(size >= 126)
           {
            size = 0;
            for(int i = 2; i < head; i++)
               size = (size << 8) | m_in[m_start + i];
           }
         fault = Fault(first, second, size);
         if(fault != 0 || have < head + size)
            return 0;
         bool whole = ((first & 0x80) != 0);
         int kind = TakePayload(op, whole, m_start + head, (int)size, data);
         m_start += head + (int)size;
         if(kind != 0)
            return kind;
        }
      return 0;
     }

private:
   int               Fault(const int first, const int second, const long size) const
     {
      int op = first & 0x0F;
      bool control = (op >= 8), whole = ((first & 0x80) != 0);
      if((first & 0x70) != 0 || (second & 0x80) != 0 || op > OP_PONG || (op > OP_BINARY && op < OP_CLOSE))
         return 1002;
      if(control && (!whole || size > 125))
         return 1002;
      if(!control && (op == OP_MORE) != (m_kind != 0))
         return 1002;
      if(size < 0 || size > MAX_MESSAGE || (!control && m_size + size > MAX_MESSAGE))
         return 1009;
      return 0;
     }

   int               TakePayload(const int op, const bool whole, const int from, const int size, uchar &data[])
     {
      if(op >= OP_CLOSE)
        {
         ArrayResize(data, size);
         for(int i = 0; i < size; i++)
            data[i] = m_in[from + i];
         return op;
        }
      if(op != OP_MORE)
         m_kind = op;
      ArrayResize(m_message, m_size + size, 65536);
      for(int i = 0; i < size; i++)
         m_message[m_size + i] = m_in[from + i];
      m_size += size;
      if(!whole)
         return 0;
      int kind = m_kind, count = m_size;
      m_kind = 0;
      m_size = 0;
      ArrayResize(data, count);
      for(int i = 0; i < count; i++)
         data[i] = m_message[i];
      return kind;
     }
  };

class CWebSocket : public CLine
  {
private:
   Address           m_where;
   string            m_token;
   int               m_socket;
   bool              m_tls;
   CFrameReader      m_reader;
   uchar             m_buffer[];

public:
   int               last_error; // of the terminal, where it could not be opened; 4014: the address is not allowed

                     CWebSocket(void)
     {
      m_token = "";
      m_socket = INVALID_HANDLE;
      m_tls = false;
      last_error = 0;
     }

   virtual          ~CWebSocket(void) { Shut(); }

   void              To(const Address &where, const string token)
     {
      m_where = where;
      m_token = token;
     }

   virtual bool      Open(const string session)
     {
      Shut();
      error = "";
      last_error = 0;
      m_reader.Reset();
      ResetLastError();
      m_socket = SocketCreate();
      if(m_socket == INVALID_HANDLE)
         return Failed("no socket");
      SocketTimeouts(m_socket, IO_MS, IO_MS);
      if(!SocketConnect(m_socket, m_where.host, (uint)m_where.port, CONNECT_MS))
         return Failed("cannot connect to " + m_where.host + ":" + IntegerToString(m_where.port));
      m_tls = m_where.secure;
      if(m_tls && m_where.port != 443 && !SocketTlsHandshake(m_socket, m_where.host))
         return Failed("no TLS with " + m_where.host);
      string key = Key(session);
      uchar request[];
      int size = ToBytes(Request(key), request);
      m_alive = true;
      if(!Write(request, size))
         return Failed("the request could not be sent");
      string head = Head();
      if(StringFind(head, "HTTP/1.1 101") != 0 || StringFind(head, "\r\nsec-websocket-accept: " + AcceptOf(key) + "\r\n") < 0)
         return Failed("no WebSocket: " + StringSubstr(head, 0, 60));
      return true;
     }

   virtual void      Send(const string frame)
     {
      uchar data[];
      int size = ToBytes(frame, data);
      SendFrame(OP_TEXT, data, size);
     }

   virtual void      Exchange(const int wait_ms)
     {
      ulong until = GetTickCount64() + (ulong)wait_ms;
      while(m_alive)
        {
         bool some = Pull(Left(until));
         bool came = Messages();
         if(came || (!some && GetTickCount64() >= until))
            return;
        }
     }

   virtual void      Close(const int code, const string reason)
     {
      if(m_alive)
        {
         uchar data[], text[];
         int size = ToBytes(reason, text);
         ArrayResize(data, 2 + size);
         data[0] = (uchar)(code >> 8);
         data[1] = (uchar)(code & 0xFF);
         for(int i = 0; i < size; i++)
            data[2 + i] = text[i];
         SendFrame(OP_CLOSE, data, 2 + size);
        }
      Shut();
     }

private:
   static int        Left(const ulong until)
     {
      ulong now = GetTickCount64();
      return (now < until) ? (int)(until - now) : 0;
     }

   static string     Key(const string session)
     {
      uchar bytes[];
      string fresh = FreshId(session);
      ArrayResize(bytes, 16);
      for(int i = 0; i < 16; i++)
         bytes[i] = (uchar)(StringGetCharacter(fresh, 2 * i) * 16 + StringGetCharacter(fresh, 2 * i + 1));
      return Base64(bytes);
     }

   bool              Failed(const string why)
     {
      last_error = GetLastError();
      Lost(why + " (error " + IntegerToString(last_error) + ")");
      Shut();
      return false;
     }

   void              Shut(void)
     {
      if(m_socket != INVALID_HANDLE)
         SocketClose(m_socket);
      m_socket = INVALID_HANDLE;
      m_alive = false;
     }

   string            Request(const string key) const
     {
      string host = m_where.host;
      if(m_where.port != (m_where.secure ? 443 : 80))
         host = host + ":" + IntegerToString(m_where.port);
      return "GET " + m_where.path + " HTTP/1.1\r\nHost: " + host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             + "Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: klink.1\r\n"
             + "Authorization: Bearer " + m_token + "\r\n\r\n";
     }

   // The answer's head, its header names in lower case; what follows it is left to the reader of frames.
   string            Head(void)
     {
      ulong until = GetTickCount64() + CONNECT_MS;
      uchar got[];
      int used = 0;
      while(m_alive && used < MAX_HEAD && GetTickCount64() < until)
        {
         int count = Take(50);
         if(count <= 0)
            continue;
         ArrayResize(got, used + count, MAX_HEAD);
         for(int i = 0; i < count; i++)
            got[used + i] = m_buffer[i];
         used += count;
         for(int i = 3; i < used; i++)
            if(got[i] == 10 && got[i - 1] == 13 && got[i - 2] == 10 && got[i - 3] == 13)
              {
               uchar rest[];
               ArrayResize(rest, used - i - 1);
               for(int k = i + 1; k < used; k++)
                  rest[k - i - 1] = got[k];
               m_reader.Add(rest, used - i - 1);
               return LowNames(FromBytes(got, 0, i + 1));
              }
        }
      return "";
     }

   static string     LowNames(const string head)
     {
      string lines[], out = "";
      int count = StringSplit(head, '\n', lines);
      for(int i = 0; i < count; i++)
        {
         int colon = StringFind(lines[i], ":");
         string name = (i > 0 && colon > 0) ? StringSubstr(lines[i], 0, colon) : "";
         if(name != "")
            StringToLower(name);
         out = out + name + StringSubstr(lines[i], StringLen(name)) + ((i < count - 1) ? "\n" : "");
        }
      return out;
     }

   // Reads what is there into the buffer, waiting for its first byte. Returns the bytes; 0: nothing came.
   int               Take(const int wait_ms)
     {
      ArrayResize(m_buffer, 0, 65536);
      if(m_tls)
        {
         int count = SocketTlsReadAvailable(m_socket, m_buffer, MAX_MESSAGE);
         if(count < 0 && !SocketIsConnected(m_socket))
            Lost("the connection broke");
         if(count <= 0 && wait_ms > 0)
            Sleep(1);
         return MathMax(count, 0);
        }
      uint ready = SocketIsReadable(m_socket);
      if(ready > 1)
         return Got(SocketRead(m_socket, m_buffer, MathMin(ready, MAX_MESSAGE), 1));
      return Got(SocketRead(m_socket, m_buffer, 1, (uint)MathMax(wait_ms, 1)));
     }

   int               Got(const int count)
     {
      if(count < 0 && !SocketIsConnected(m_socket))
         Lost("the connection broke");
      return MathMax(count, 0);
     }

   // Whether anything came within the time.
   bool              Pull(const int wait_ms)
     {
      int count = Take(wait_ms);
      if(count > 0)
         m_reader.Add(m_buffer, count);
      return count > 0;
     }

   // Whether a message was among what came.
   bool              Messages(void)
     {
      bool came = false;
      uchar data[];
      int kind = m_reader.Next(data);
      while(m_alive && kind != 0)
        {
         int size = ArraySize(data);
         if(kind == OP_PING)
            SendFrame(OP_PONG, data, size);
         else if(kind == OP_CLOSE)
           {
            SendFrame(OP_CLOSE, data, MathMin(size, 2));
            Lost("closed by the hub" + ((size >= 2) ? ": " + IntegerToString(data[0] * 256 + data[1]) : ""));
           }
         else if(kind == OP_TEXT && IsUtf8(data, 0, size))
           {
            Came(FromBytes(data, 0, size));
            came = true;
           }
         else if(kind != OP_PONG)
            Came("");
         kind = m_reader.Next(data);
        }
      if(m_alive && m_reader.fault != 0)
         Close(m_reader.fault, "");
      return came;
     }

   void              SendFrame(const int op, const uchar &data[], const int size)
     {
      if(!m_alive)
         return;
      uchar out[];
      uint mask = ((uint)MathRand() << 30) ^ ((uint)MathRand() << 15) ^ (uint)MathRand();
      ClientFrame(op, data, size, mask, out);
      if(!Write(out, ArraySize(out)))
         Lost("the connection broke");
     }

   bool              Write(const uchar &bytes[], const int size)
     {
      uchar rest[];
      int done = 0;
      ArrayResize(rest, size);
      for(int i = 0; i < size; i++)
         rest[i] = bytes[i];
      while(done < size)
        {
         int sent = m_tls ? SocketTlsSend(m_socket, rest, (uint)(size - done)) : SocketSend(m_socket, rest, (uint)(size - done));
         if(sent <= 0)
            return false;
         done += sent;
         for(int i = done; i < size; i++)
            rest[i - done] = bytes[i];
        }
      return true;
     }
  };

#endif
