// Says what the terminal shows whenever that changes: ten times connected, plus the number of positions.
int last = -1;

int OnInit(void)
  {
   EventSetMillisecondTimer(16);
   Print("ready ", PositionsTotal(), " ", TerminalInfoInteger(TERMINAL_CONNECTED));
   return INIT_SUCCEEDED;
  }

void OnTimer(void)
  {
   int now = (int)TerminalInfoInteger(TERMINAL_CONNECTED) * 10 + PositionsTotal();
   if(now != last)
      Print("sees ", now);
   last = now;
  }

void OnTradeTransaction(const MqlTradeTransaction &t, const MqlTradeRequest &asked, const MqlTradeResult &result)
  {
   Print(EnumToString(t.type));
  }
