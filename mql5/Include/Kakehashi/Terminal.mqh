//+------------------------------------------------------------------+
//| Terminal.mqh: the account as this terminal shows it, in the      |
//| link's words; and the one place where OrderSendAsync is called.  |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_TERMINAL_MQH
#define KAKEHASHI_TERMINAL_MQH

#include <Kakehashi/Checks.mqh>
#include <Kakehashi/Executions.mqh>
#include <Kakehashi/Names.mqh>

// Deals are read when one was announced, and this often in any case.
#define DEALS_MS 2000
// How often profit and swap are read: they are told with snapshots only.
#define VALUES_MS 1000
// The end of history: later than anything a broker's clock will show.
const datetime FAR_FUTURE = 4102444800;

// A request that was sent and is not answered.
struct OpenRequest
  {
   uint              request_id;
   string            id;

                     OpenRequest(void)
     {
      request_id = 0;
      id = "";
     }
  };

// A position or order as the terminal has it, as far as its row may change.
struct RawRow
  {
   ulong             ticket;
   double            volume;
   double            price;
   double            sl;
   double            tp;
  };

class CTerminal
  {
private:
   OpenRequest       m_open[];
   long              m_magic; // of the look that is made
   long              m_order;
   long              m_position;
   bool              m_deals_due;
   long              m_deals_read;
   RawRow            m_held[];    // what the view's rows were written from
   RawRow            m_resting[];
   long              m_valued;    // when profit and swap were read

public:
                     CTerminal(void)
     {
      m_magic = 0;
      m_order = 0;
      m_position = 0;
      m_deals_due = true;
      m_deals_read = NEVER;
      m_valued = NEVER;
     }

   // One read. `told`: the newest deal that was told; empty: none, those made since `since` (broker time, ms) are.
   void              Read(View &view, const string told, const long since, const long now)
     {
      view.there = true;
      view.connected = (TerminalInfoInteger(TERMINAL_CONNECTED) != 0);
      view.login = IntegerToString(AccountInfoInteger(ACCOUNT_LOGIN));
      view.server = AccountInfoString(ACCOUNT_SERVER);
      view.broker_time = (long)TimeTradeServer() * 1000;
      int digits = (int)AccountInfoInteger(ACCOUNT_CURRENCY_DIGITS);
      view.balance = AmountText(AccountInfoDouble(ACCOUNT_BALANCE), digits);
      view.equity = AmountText(AccountInfoDouble(ACCOUNT_EQUITY), digits);
      view.credit = AmountText(AccountInfoDouble(ACCOUNT_CREDIT), digits);
      view.margin = AmountText(AccountInfoDouble(ACCOUNT_MARGIN), digits);
      view.trade_allowed = MayTrade(ReadPermissions());
      bool valued = (m_valued == NEVER || now >= m_valued + VALUES_MS);
      if(valued)
         m_valued = now;
      view.revision = MathMax(view.revision, 1);
      ReadPositions(view, valued);
      ReadOrders(view);
      ArrayResize(view.deals, 0);
      if(view.connected && (m_deals_due || m_deals_read == NEVER || now >= m_deals_read + DEALS_MS))
        {
         ReadDeals(view, told, since);
         m_deals_due = false;
         m_deals_read = now;
        }
     }

   // What the broker shows of a command, a tag or a position; false: history could not be read.
   bool              LookAt(const Look &look, Seen &seen)
     {
      seen.id = look.id;
      seen.n = look.n;
      m_magic = StringToInteger(look.magic);
      m_order = StringToInteger(look.order);
      m_position = StringToInteger(look.position);
      if(!HistorySelect((datetime)(look.since / 1000), FAR_FUTURE))
         return false;
      for(int i = 0; i < OrdersTotal(); i++)
        {
         ulong ticket = OrderGetTicket(i);
         if(ticket > 0 && IsMeant(OrderGetInteger(ORDER_MAGIC), (long)ticket, OrderGetInteger(ORDER_POSITION_ID)))
            AddWorking(seen, ticket);
        }
      for(int i = 0; i < HistoryOrdersTotal(); i++)
        {
         ulong ticket = HistoryOrderGetTicket(i);
         if(ticket > 0 && IsMeant(HistoryOrderGetInteger(ticket, ORDER_MAGIC), (long)ticket,
                                  HistoryOrderGetInteger(ticket, ORDER_POSITION_ID)))
            AddEnded(seen, ticket);
        }
      for(int i = 0; i < HistoryDealsTotal(); i++)
        {
         ulong ticket = HistoryDealGetTicket(i);
         DealRow row;
         if(ticket > 0 && IsMeant(HistoryDealGetInteger(ticket, DEAL_MAGIC), HistoryDealGetInteger(ticket, DEAL_ORDER),
                                  HistoryDealGetInteger(ticket, DEAL_POSITION_ID)) && ReadDealNow(ticket, row))
            AddDeal(seen.deals, row);
        }
      return true;
     }

   // All symbols of the Market Watch.
   void              ReadSymbols(SymbolRow &rows[])
     {
      int total = SymbolsTotal(true);
      ArrayResize(rows, total);
      for(int i = 0; i < total; i++)
        {
         string name = SymbolName(i, true);
         rows[i].symbol = name;
         rows[i].digits = (int)SymbolInfoInteger(name, SYMBOL_DIGITS);
         rows[i].point = Known(SymbolInfoDouble(name, SYMBOL_POINT), 0);
         rows[i].tick_size = Known(SymbolInfoDouble(name, SYMBOL_TRADE_TICK_SIZE), 0);
         rows[i].tick_value = Known(SymbolInfoDouble(name, SYMBOL_TRADE_TICK_VALUE), 0);
         rows[i].contract_size = Known(SymbolInfoDouble(name, SYMBOL_TRADE_CONTRACT_SIZE), 0);
         rows[i].vol_min = Known(SymbolInfoDouble(name, SYMBOL_VOLUME_MIN), 2);
         rows[i].vol_max = Known(SymbolInfoDouble(name, SYMBOL_VOLUME_MAX), 0);
         rows[i].vol_step = Known(SymbolInfoDouble(name, SYMBOL_VOLUME_STEP), 2);
         rows[i].stops_level = (int)SymbolInfoInteger(name, SYMBOL_TRADE_STOPS_LEVEL);
         long filling = SymbolInfoInteger(name, SYMBOL_FILLING_MODE);
         bool fok = ((filling & SYMBOL_FILLING_FOK) != 0), ioc = ((filling & SYMBOL_FILLING_IOC) != 0);
         rows[i].filling = fok ? (ioc ? "FOK,IOC" : "FOK") : (ioc ? "IOC" : "");
         rows[i].profit_currency = SymbolInfoString(name, SYMBOL_CURRENCY_PROFIT);
         rows[i].trade_mode = TradeModeName(SymbolInfoInteger(name, SYMBOL_TRADE_MODE));
        }
     }

   // The newest quotes of the symbols that the account has.
   void              ReadQuotes(const string &symbols[], QuoteRow &rows[])
     {
      ArrayResize(rows, 0);
      for(int i = 0; i < ArraySize(symbols); i++)
        {
         MqlTick tick;
         if(!SymbolSelect(symbols[i], true) || !SymbolInfoTick(symbols[i], tick) || tick.bid <= 0.0)
            continue;
         int count = ArraySize(rows), digits = (int)SymbolInfoInteger(symbols[i], SYMBOL_DIGITS);
         ArrayResize(rows, count + 1, 32);
         rows[count].symbol = symbols[i];
         rows[count].bid = AmountText(tick.bid, digits);
         rows[count].ask = AmountText(tick.ask, digits);
         rows[count].time = (long)tick.time_msc;
        }
     }

   // Calls OrderSendAsync, once. True: it did not go out, `answer` says why.
   bool              Send(const Trade &trade, Answered &answer)
     {
      MqlTradeRequest request = {};
      MqlTradeResult result = {};
      Fill(trade.plan, request);
      ResetLastError();
      if(OrderSendAsync(request, result))
        {
         int count = ArraySize(m_open);
         ArrayResize(m_open, count + 1, 16);
         m_open[count].request_id = result.request_id;
         m_open[count].id = trade.id;
         return false;
        }
      Print("Kakehashi: ", trade.id, ": OrderSendAsync: code ", result.retcode, ", error ", GetLastError());
      answer.id = trade.id;
      answer.retcode = (result.retcode > 0) ? (long)result.retcode : -1;
      answer.order = TicketText(result.order);
      answer.deal = TicketText(result.deal);
      return true;
     }

   // Whether this transaction is the answer to a request of ours.
   bool              Answer(const MqlTradeTransaction &trans, const MqlTradeResult &result, Answered &answer)
     {
      m_deals_due = true;
      if(trans.type != TRADE_TRANSACTION_REQUEST)
         return false;
      for(int i = 0; i < ArraySize(m_open); i++)
        {
         if(m_open[i].request_id != result.request_id)
            continue;
         answer.id = m_open[i].id;
         answer.retcode = (long)result.retcode;
         answer.order = TicketText(result.order);
         answer.deal = TicketText(result.deal);
         int last = ArraySize(m_open) - 1;
         for(int k = i; k < last; k++)
            m_open[k] = m_open[k + 1];
         ArrayResize(m_open, last, 16);
         DealRow row;
         if(result.deal > 0 && HistoryDealSelect(result.deal) && ReadDealNow(result.deal, row))
            AddDeal(answer.deals, row);
         return true;
        }
      return false;
     }

private:
   // By numbers: a history is long, and text is slow.
   bool              IsMeant(const long magic, const long order, const long position) const
     {
      return (magic != 0 && magic == m_magic) || (order != 0 && order == m_order) || (position != 0 && position == m_position);
     }

   // Whether the row has to be written anew. The terminal is read often and seldom changes: text is made once.
   static bool       Moved(RawRow &raw, const ulong ticket, const double volume, const double price, const double sl, const double tp)
     {
      bool same = (raw.ticket == ticket && raw.volume == volume && raw.price == price && raw.sl == sl && raw.tp == tp);
      raw.ticket = ticket;
      raw.volume = volume;
      raw.price = price;
      raw.sl = sl;
      raw.tp = tp;
      return !same;
     }

   // `valued`: profit and swap are to be read, too.
   void              ReadPositions(View &view, const bool valued)
     {
      int total = PositionsTotal(), used = 0, before = ArraySize(m_held);
      ArrayResize(view.positions, total, 64);
      ArrayResize(m_held, total, 64);
      for(int i = before; i < total; i++)
         m_held[i].ticket = 0;
      for(int i = 0; i < total; i++)
        {
         ulong ticket = PositionGetTicket(i);
         if(ticket == 0)
            continue;
         bool moved = Moved(m_held[used], ticket, PositionGetDouble(POSITION_VOLUME), PositionGetDouble(POSITION_PRICE_OPEN),
                            PositionGetDouble(POSITION_SL), PositionGetDouble(POSITION_TP));
         if(moved)
            WritePosition(view.positions[used], ticket);
         if(moved || valued)
           {
            view.positions[used].profit = AmountText(PositionGetDouble(POSITION_PROFIT), 2);
            view.positions[used].swap = AmountText(PositionGetDouble(POSITION_SWAP), 2);
           }
         view.revision += (moved ? 1 : 0);
         used++;
        }
      view.revision += (used != before) ? 1 : 0;
      ArrayResize(view.positions, used, 64);
      ArrayResize(m_held, used, 64);
     }

   static void       WritePosition(PositionRow &row, const ulong ticket)
     {
      row.symbol = PositionGetString(POSITION_SYMBOL);
      int digits = (int)SymbolInfoInteger(row.symbol, SYMBOL_DIGITS);
      row.ticket = TicketText(ticket);
      row.side = (PositionGetInteger(POSITION_TYPE) == POSITION_TYPE_BUY) ? "B" : "S";
      row.volume = AmountText(PositionGetDouble(POSITION_VOLUME), 2);
      row.open = AmountText(PositionGetDouble(POSITION_PRICE_OPEN), digits);
      row.ident = TicketText((ulong)PositionGetInteger(POSITION_IDENTIFIER));
      row.sl = AmountText(PositionGetDouble(POSITION_SL), digits);
      row.tp = AmountText(PositionGetDouble(POSITION_TP), digits);
      row.magic = IntegerToString(PositionGetInteger(POSITION_MAGIC));
      row.opened = PositionGetInteger(POSITION_TIME_MSC);
     }

   void              ReadOrders(View &view)
     {
      int total = OrdersTotal(), used = 0, before = ArraySize(m_resting);
      ArrayResize(view.orders, total, 64);
      ArrayResize(m_resting, total, 64);
      for(int i = before; i < total; i++)
         m_resting[i].ticket = 0;
      for(int i = 0; i < total; i++)
        {
         ulong ticket = OrderGetTicket(i);
         long type = OrderGetInteger(ORDER_TYPE);
         if(ticket == 0 || type == ORDER_TYPE_BUY || type == ORDER_TYPE_SELL || type == ORDER_TYPE_CLOSE_BY)
            continue; // market orders under way are no pending orders
         if(Moved(m_resting[used], ticket, OrderGetDouble(ORDER_VOLUME_CURRENT), OrderGetDouble(ORDER_PRICE_OPEN),
                  OrderGetDouble(ORDER_SL), OrderGetDouble(ORDER_TP)))
           {
            WriteOrder(view.orders[used], ticket, type);
            view.revision++;
           }
         used++;
        }
      view.revision += (used != before) ? 1 : 0;
      ArrayResize(view.orders, used, 64);
      ArrayResize(m_resting, used, 64);
     }

   static void       WriteOrder(OrderRow &row, const ulong ticket, const long type)
     {
      row.symbol = OrderGetString(ORDER_SYMBOL);
      int digits = (int)SymbolInfoInteger(row.symbol, SYMBOL_DIGITS);
      row.ticket = TicketText(ticket);
      row.type = TypeName(type);
      row.volume = AmountText(OrderGetDouble(ORDER_VOLUME_CURRENT), 2);
      row.price = AmountText(OrderGetDouble(ORDER_PRICE_OPEN), digits);
      row.sl = AmountText(OrderGetDouble(ORDER_SL), digits);
      row.tp = AmountText(OrderGetDouble(ORDER_TP), digits);
      row.magic = IntegerToString(OrderGetInteger(ORDER_MAGIC));
     }

   // Deals beyond `told`, in order of their tickets.
   void              ReadDeals(View &view, const string told, const long since)
     {
      long from = (since > 0) ? since : MathMax(0, view.broker_time - DAY_MS);
      ulong after = (ulong)StringToInteger(told);
      if(told != "")
         from = HistoryDealSelect(after) ? MathMax(0, HistoryDealGetInteger(after, DEAL_TIME_MSC) - DAY_MS) : 0;
      if(!HistorySelect((datetime)(from / 1000), FAR_FUTURE))
        {
         m_deals_due = true;
         return;
        }
      for(int i = 0; i < HistoryDealsTotal(); i++)
        {
         ulong ticket = HistoryDealGetTicket(i);
         DealRow row;
         if(ticket <= after || !ReadDealNow(ticket, row) || (told == "" && row.time < from))
            continue;
         AddDeal(view.deals, row);
         for(int k = ArraySize(view.deals) - 1; k > 0 && TicketBelow(row.ticket, view.deals[k - 1].ticket); k--)
           {
            view.deals[k] = view.deals[k - 1];
            view.deals[k - 1] = row;
           }
        }
     }

   static void       AddWorking(Seen &seen, const ulong ticket)
     {
      int count = ArraySize(seen.working);
      ArrayResize(seen.working, count + 1);
      seen.working[count].ticket = TicketText(ticket);
      seen.working[count].state = StateName(OrderGetInteger(ORDER_STATE));
      seen.working[count].volume_initial = AmountText(OrderGetDouble(ORDER_VOLUME_INITIAL), 2);
      seen.working[count].volume_current = AmountText(OrderGetDouble(ORDER_VOLUME_CURRENT), 2);
      seen.working[count].magic = IntegerToString(OrderGetInteger(ORDER_MAGIC));
      seen.working[count].reason = OrderReason(OrderGetInteger(ORDER_REASON));
     }

   static void       AddEnded(Seen &seen, const ulong ticket)
     {
      int count = ArraySize(seen.ended);
      ArrayResize(seen.ended, count + 1);
      seen.ended[count].ticket = TicketText(ticket);
      seen.ended[count].state = StateName(HistoryOrderGetInteger(ticket, ORDER_STATE));
      seen.ended[count].volume_initial = AmountText(HistoryOrderGetDouble(ticket, ORDER_VOLUME_INITIAL), 2);
      seen.ended[count].volume_current = AmountText(HistoryOrderGetDouble(ticket, ORDER_VOLUME_CURRENT), 2);
      seen.ended[count].magic = IntegerToString(HistoryOrderGetInteger(ticket, ORDER_MAGIC));
      seen.ended[count].reason = OrderReason(HistoryOrderGetInteger(ticket, ORDER_REASON));
     }

   static string     OrderReason(const long reason)
     {
      if(reason == ORDER_REASON_SL)
         return "SL";
      if(reason == ORDER_REASON_TP)
         return "TP";
      if(reason == ORDER_REASON_SO)
         return "SO";
      return (reason == ORDER_REASON_EXPERT) ? "EXPERT" : "CLIENT";
     }

   static double     Price(const string symbol, const string text)
     {
      return NormalizeDouble(StringToDouble(text), (int)SymbolInfoInteger(symbol, SYMBOL_DIGITS));
     }

   static void       Fill(const Plan &plan, MqlTradeRequest &request)
     {
      ENUM_ORDER_TYPE_FILLING filling = ORDER_FILLING_RETURN;
      ChooseFilling(plan, filling);
      request.action = plan.action;
      request.symbol = plan.symbol;
      request.type = plan.type;
      request.type_filling = filling;
      request.volume = StringToDouble(plan.volume);
      request.price = Price(plan.symbol, plan.price);
      if(plan.action == TRADE_ACTION_DEAL) // what the market gives now
         request.price = SymbolInfoDouble(plan.symbol, IsBuyType(plan.type) ? SYMBOL_ASK : SYMBOL_BID);
      request.stoplimit = Price(plan.symbol, plan.stoplimit);
      request.sl = Price(plan.symbol, plan.sl);
      request.tp = Price(plan.symbol, plan.tp);
      request.deviation = (ulong)plan.deviation;
      request.position = (ulong)StringToInteger(plan.position);
      request.order = (ulong)StringToInteger(plan.order);
      request.magic = (ulong)StringToInteger(plan.magic);
      request.comment = plan.comment;
      request.type_time = (plan.expiry_ms > 0) ? ORDER_TIME_SPECIFIED : ORDER_TIME_GTC;
      request.expiration = (datetime)(plan.expiry_ms / 1000);
     }
  };

#endif
