// One connection from beginning to end, and what the terminal says to each step.
input int Port = 0;
input bool Tls = false;
input bool Dead = false;
void Say(const string what, const long n) { Print(what, " ", n, " ", GetLastError()); ResetLastError(); }
void OnStart(void)
  {
   uchar data[], out[];
   int s = SocketCreate();
   ResetLastError();
   if(!SocketConnect(s, "127.0.0.1", Port, 2000))
     {
      Say("connect", 0);
      return;
     }
   if(Tls)
     {
      if(!SocketTlsHandshake(s, "localhost"))
        {
         Say("handshake", 0);
         return;
        }
      SocketTimeouts(s, 300, 300);
      Say("nothing available", SocketTlsReadAvailable(s, data, 10));
     }
   else
     {
      Say("first readable", SocketIsReadable(s));
      Say("then", SocketIsReadable(s));
      Say("timeout", SocketRead(s, data, 10, 50));
     }
   Say("connected", SocketIsConnected(s));
   int n = StringToCharArray("hello", out, 0, 5);
   Say("sent", Tls ? SocketTlsSend(s, out, n) : SocketSend(s, out, n));
   Say("read", Tls ? SocketTlsRead(s, data, 3) : SocketRead(s, data, 3, 2000));
   Print(CharArrayToString(data, 0, 3));
   ulong t0 = GetTickCount64();
   Say("more", Tls ? SocketTlsRead(s, data, 9) : SocketRead(s, data, 9, 2000));
   Print(Tls && GetTickCount64() - t0 < 250 ? "did not wait" : CharArrayToString(data));
   StringToCharArray("bye", out, 0, 3);
   Say("last", Tls ? SocketTlsSend(s, out, 3) : SocketSend(s, out, 3));
   for(int i = 0; i < 100 && SocketIsConnected(s); i++)
      Sleep(10);
   Say("after the end", SocketIsConnected(s));
   Say("read after it", Tls ? SocketTlsReadAvailable(s, data, 9) : SocketRead(s, data, 9, 2000));
   SocketClose(s);
   Say("closed", SocketIsConnected(s));
  }
