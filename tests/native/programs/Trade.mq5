// Buys, sees the position, closes it, sees it gone.
input bool Async = false;
input double Lots = 0.1;
input int Filling = 1;
MqlTradeRequest request;
bool closing = false;
int events = 0;

void Order(const ENUM_ORDER_TYPE type)
  {
   MqlTradeResult result = {};
   ZeroMemory(request);
   request.action = TRADE_ACTION_DEAL;
   request.symbol = _Symbol;
   request.type = type;
   request.volume = Lots;
   request.magic = 9007199254740993;
   request.comment = "日本 \"x\"";
   request.type_filling = (ENUM_ORDER_TYPE_FILLING)Filling;
   request.price = SymbolInfoDouble(_Symbol, SYMBOL_ASK);
   if(closing)
      request.position = PositionGetInteger(POSITION_TICKET);
   ResetLastError();
   bool sent = Async ? OrderSendAsync(request, result) : OrderSend(request, result);
   Print(sent ? "sent " : "not sent ", result.retcode, " ", result.request_id, " ", GetLastError());
  }

int OnInit(void)
  {
   Print(AccountInfoInteger(ACCOUNT_LOGIN), " ", AccountInfoDouble(ACCOUNT_BALANCE), " ", AccountInfoString(ACCOUNT_CURRENCY), " ", SymbolsTotal(true), " ", _Digits, " ", EnumToString((ENUM_ACCOUNT_MARGIN_MODE)AccountInfoInteger(ACCOUNT_MARGIN_MODE)));
   EventSetMillisecondTimer(16);
   Order(ORDER_TYPE_BUY);
   return INIT_SUCCEEDED;
  }

void OnTradeTransaction(const MqlTradeTransaction &t, const MqlTradeRequest &asked, const MqlTradeResult &result)
  {
   if(t.type == TRADE_TRANSACTION_REQUEST)
      Print("answer ", result.request_id, " ", result.retcode, " ", asked.magic, " ", asked.volume == Lots);
   if(t.type == TRADE_TRANSACTION_DEAL_ADD)
      Print("deal ", t.symbol, " ", EnumToString(t.deal_type), " ", t.volume);
   events++;
  }

void OnTimer(void)
  {
   if(!closing && PositionsTotal() == 1 && PositionGetTicket(0) > 0)
     {
      Print("open ", PositionGetString(POSITION_SYMBOL), " ", PositionGetInteger(POSITION_MAGIC), " ", PositionGetString(POSITION_COMMENT), " ", PositionGetDouble(POSITION_VOLUME));
      closing = true;
      Order(ORDER_TYPE_SELL);
     }
   if(closing && PositionsTotal() == 0 && HistorySelect(0, TimeTradeServer() + 60) && HistoryDealsTotal() == 2 && events >= 6)
     {
      ulong deal = HistoryDealGetTicket(1);
      Print("closed ", EnumToString((ENUM_DEAL_ENTRY)HistoryDealGetInteger(deal, DEAL_ENTRY)), " ", HistoryDealGetInteger(deal, DEAL_MAGIC), " ", HistoryOrdersTotal());
      ExpertRemove();
     }
  }
