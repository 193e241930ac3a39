// Buys and closes on the broker; what it says is read by the tests.
#property script_show_inputs
input bool Async = false;

bool Wait(const int deals)
  {
   for(int i = 0; i < 200 && !IsStopped(); i++)
     {
      HistorySelect(0, TimeTradeServer() + 60);
      if(HistoryDealsTotal() == deals)
         return true;
      Sleep(10);
     }
   return false;
  }

void OnStart(void)
  {
   Print(AccountInfoInteger(ACCOUNT_LOGIN), " ", AccountInfoString(ACCOUNT_SERVER), " ", TerminalInfoInteger(TERMINAL_CONNECTED), " ", SymbolsTotal(true), " ", _Symbol, " ", _Digits);
   MqlTradeRequest request = {};
   MqlTradeResult result = {};
   request.action = TRADE_ACTION_DEAL;
   request.symbol = _Symbol;
   request.type = ORDER_TYPE_BUY;
   request.volume = 0.1;
   request.magic = 9007199254740993;
   request.comment = "日本 \"x\"";
   request.type_filling = ORDER_FILLING_IOC;
   request.price = SymbolInfoDouble(_Symbol, SYMBOL_ASK);
   ulong t0 = GetMicrosecondCount();
   bool sent = OrderSend(request, result);
   Print("sent ", sent, " ", result.retcode, " ", result.volume, " in us ", GetMicrosecondCount() - t0);
   Print("waited ", Wait(1), " positions ", PositionsTotal());
   Print("position ", PositionGetTicket(0) == result.order, " ", PositionGetInteger(POSITION_MAGIC), " ", PositionGetString(POSITION_COMMENT), " ", PositionGetDouble(POSITION_VOLUME));
   ulong deal = HistoryDealGetTicket(0);
   Print("deal ", deal == result.deal, " ", EnumToString((ENUM_DEAL_ENTRY)HistoryDealGetInteger(deal, DEAL_ENTRY)), " ", HistoryDealGetString(deal, DEAL_SYMBOL));
   request.position = PositionGetInteger(POSITION_TICKET);
   request.type = ORDER_TYPE_SELL;
   request.type_filling = ORDER_FILLING_RETURN;
   Print("refused ", OrderSend(request, result), " ", result.retcode, " ", GetLastError());
   request.type_filling = ORDER_FILLING_FOK;
   Print("closed ", OrderSend(request, result), " ", result.retcode);
   Print("waited ", Wait(2), " positions ", PositionsTotal());
  }
