//+------------------------------------------------------------------+
//| Mailbox.mqh: the hub's mailbox by WebRequest: poll, ack, report. |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_MAILBOX_MQH
#define KAKEHASHI_MAILBOX_MQH

#include <Kakehashi/Dealer.mqh>

#define ANSWER_MS 5000
// Closings of one report.
#define MOST_DEALS 200

class CMailbox
  {
private:
   string            m_url;
   string            m_account;
   string            m_instance;
   string            m_headers;
   CJson             m_json;

public:
   string            error; // of the last request; empty: it was answered

                     CMailbox(void)
     {
      m_url = "";
      m_account = "";
      m_instance = "";
      m_headers = "";
      error = "";
     }

   void              To(const string url, const string account, const string token)
     {
      m_url = url;
      m_account = account;
      m_instance = "mt4-" + IntegerToString(AccountInfoInteger(ACCOUNT_LOGIN));
      m_headers = "Authorization: Bearer " + token + "\r\nContent-Type: application/json\r\n";
     }

   // The commands that wait; their number, -1 where the hub did not answer.
   int               Poll(Item &items[])
     {
      string answer = "";
      ArrayResize(items, 0);
      string query = "/api/poll?account=" + m_account + "&limit=10&caps=journal&instance=" + m_instance;
      if(!Ask("GET", query, "", answer))
         return -1;
      if(m_json.Parse(answer) != "")
        {
         error = "the hub's answer cannot be read";
         return -1;
        }
      for(int node = m_json.First(m_json.Field(0, "items")); node >= 0; node = m_json.Next(node))
        {
         int at = ArraySize(items);
         ArrayResize(items, at + 1);
         Read(node, items[at]);
        }
      return ArraySize(items);
     }

   bool              Ack(const string results)
     {
      string answer = "";
      return Ask("POST", "/api/ack", Head() + ",\"results\":[" + results + "]}", answer);
     }

   bool              Report(const CDealer &dealer, CBook &book)
     {
      if(book.told == 0) // what was closed before this EA's first start is not the hub's
         book.Told(TimeCurrent());
      datetime newest = book.told;
      string deals = Deals(dealer, newest);
      string answer = "", body = Head();
      bool demo = (AccountInfoInteger(ACCOUNT_TRADE_MODE) == ACCOUNT_TRADE_MODE_DEMO);
      body = body + ",\"server\":" + CJson::Quoted(AccountInfoString(ACCOUNT_SERVER));
      body = body + ",\"login\":\"" + IntegerToString(AccountInfoInteger(ACCOUNT_LOGIN)) + "\"";
      body = body + ",\"trade_mode\":\"" + (demo ? "demo" : "real") + "\",\"margin_mode\":\"hedging\"";
      body = body + ",\"currency\":" + CJson::Quoted(AccountInfoString(ACCOUNT_CURRENCY));
      body = body + ",\"balance\":" + DoubleToString(AccountInfoDouble(ACCOUNT_BALANCE), 2);
      body = body + ",\"equity\":" + DoubleToString(AccountInfoDouble(ACCOUNT_EQUITY), 2);
      body = body + ",\"credit\":" + DoubleToString(AccountInfoDouble(ACCOUNT_CREDIT), 2);
      body = body + ",\"positions\":[" + Positions(dealer) + "],\"symbols\":[" + Symbols() + "],\"deals\":[" + deals + "]}";
      if(!Ask("POST", "/api/report", body, answer))
         return false;
      book.Told(newest);
      return true;
     }

private:
   string            Head(void) const
     {
      return "{\"account\":" + CJson::Quoted(m_account) + ",\"instance\":" + CJson::Quoted(m_instance);
     }

   bool              Ask(const string method, const string path, const string text, string &answer)
     {
      char body[], got[];
      string head = "";
      ToChars(text, body);
      ResetLastError();
      int status = WebRequest(method, m_url + path, m_headers, ANSWER_MS, body, got, head);
      answer = FromChars(got);
      error = "";
      if(status == -1)
         error = "the hub cannot be reached (error " + IntegerToString(GetLastError()) + ")";
      else if(status != 200)
         error = "the hub answered " + IntegerToString(status) + " " + StringSubstr(answer, 0, 200);
      return status == 200;
     }

   // A number or nothing; the hub writes null for nothing.
   string            Given(const int node, const string key) const
     {
      int field = m_json.Field(node, key);
      return (field < 0 || m_json.Type(field) == JSON_NULL) ? "" : m_json.Raw(field);
     }

   static long       UnitsGiven(const string text)
     {
      return (text == "") ? 0 : UnitsOf(StringToDouble(text));
     }

   void              Read(const int node, Item &item) const
     {
      string side = Given(node, "side"), action = Given(node, "action");
      item.id = Given(node, "id");
      item.key = Given(node, "key");
      item.symbol = Given(node, "symbol");
      item.op = Given(node, "op");
      if(item.op == "")
         item.op = (action == "BUY" || action == "SELL") ? "OPEN" : action;
      item.type = (side == "BUY") ? OP_BUY : (side == "SELL") ? OP_SELL : ANY_TYPE;
      item.kind = Given(node, "kind");
      item.price = Given(node, "price");
      item.magic = Given(node, "magic");
      item.ticket = Given(node, "ticket");
      item.comment = Given(node, "comment");
      item.sl = Given(node, "sl");
      item.tp = Given(node, "tp");
      item.units = UnitsGiven(Given(node, "volume"));
      item.most = UnitsGiven(Given(node, "expect_vol"));
      item.ratio = StringToDouble(Given(node, "volume_ratio"));
      item.expires = StringToInteger(Given(node, "expires_at"));
      item.before = StringToInteger(Given(node, "opened_before"));
     }

   string            Positions(const CDealer &dealer) const
     {
      string rows = "";
      for(int i = 0; i < OrdersTotal(); i++)
        {
         if(!OrderSelect(i, SELECT_BY_POS, MODE_TRADES) || OrderType() > OP_SELL)
            continue;
         string row = "{\"ticket\":\"" + IntegerToString(OrderTicket()) + "\",\"ident\":\"" + dealer.Ident() + "\"";
         row = row + ",\"symbol\":" + CJson::Quoted(OrderSymbol()) + ",\"side\":\"" + ((OrderType() == OP_BUY) ? "BUY" : "SELL") + "\"";
         row = row + ",\"volume\":" + AmountText(OrderLots(), 2) + ",\"open\":" + AmountText(OrderOpenPrice(), 2);
         row = row + ",\"sl\":" + AmountText(OrderStopLoss(), 0) + ",\"tp\":" + AmountText(OrderTakeProfit(), 0);
         row = row + ",\"magic\":\"" + dealer.Magic() + "\",\"opened\":" + IntegerToString(dealer.Utc(OrderOpenTime()));
         row = row + ",\"profit\":" + DoubleToString(OrderProfit(), 2) + "}";
         rows = rows + ((rows == "") ? "" : ",") + row;
        }
      return rows;
     }

   // Whether the selected order is a trade that was closed, at `since` or later.
   static bool       IsClosing(const datetime since)
     {
      return OrderType() <= OP_SELL && OrderCloseTime() != 0 && OrderCloseTime() >= since;
     }

   // Closings of the last one's second on, the oldest if there are many; the hub knows by their tickets which are new.
   string            Deals(const CDealer &dealer, datetime &newest) const
     {
      datetime since = newest, times[];
      int count = OrdersHistoryTotal();
      for(int i = 0; i < count; i++)
         if(OrderSelect(i, SELECT_BY_POS, MODE_HISTORY) && IsClosing(since))
           {
            int at = ArraySize(times);
            ArrayResize(times, at + 1, 256);
            times[at] = OrderCloseTime();
           }
      if(ArraySize(times) == 0)
         return "";
      ArraySort(times);
      newest = times[MathMin(ArraySize(times), MOST_DEALS) - 1];
      string rows = "";
      for(int i = 0; i < count; i++)
         if(OrderSelect(i, SELECT_BY_POS, MODE_HISTORY) && IsClosing(since) && OrderCloseTime() <= newest)
            rows = rows + ((rows == "") ? "" : ",") + Deal(dealer);
      return rows;
     }

   // The selected order's closing as a deal, which MetaTrader 4 does not have: its ticket is that of the part that was closed.
   static string     Deal(const CDealer &dealer)
     {
      string magic = dealer.ClosedBy(), ticket = IntegerToString(OrderTicket());
      string row = "{\"ticket\":\"" + ticket + "\",\"order\":\"" + ticket + "\",\"position\":\"" + dealer.Ident() + "\"";
      row = row + ",\"symbol\":" + CJson::Quoted(OrderSymbol()) + ",\"side\":\"" + ((OrderType() == OP_BUY) ? "SELL" : "BUY") + "\"";
      row = row + ",\"entry\":\"OUT\",\"volume\":" + AmountText(OrderLots(), 2) + ",\"price\":" + AmountText(OrderClosePrice(), 2);
      row = row + ",\"time\":" + IntegerToString(dealer.Utc(OrderCloseTime())) + ",\"profit\":" + DoubleToString(OrderProfit(), 2);
      row = row + ",\"swap\":" + DoubleToString(OrderSwap(), 2) + ",\"commission\":" + DoubleToString(OrderCommission(), 2);
      return row + ",\"magic\":\"" + magic + "\",\"reason\":\"" + ((magic != "0") ? "EXPERT" : Reason(OrderComment())) + "\"}";
     }

   // The terminal says it in the comment.
   static string     Reason(const string comment)
     {
      if(StringFind(comment, "[sl]") >= 0)
         return "SL";
      if(StringFind(comment, "[tp]") >= 0)
         return "TP";
      return (StringFind(comment, "so:") == 0) ? "SO" : "CLIENT";
     }

   // What the Market Watch shows.
   static string     Symbols(void)
     {
      string rows = "";
      for(int i = 0; i < SymbolsTotal(true); i++)
        {
         string name = SymbolName(i, true);
         string row = "{\"symbol\":" + CJson::Quoted(name) + ",\"digits\":" + IntegerToString(SymbolInfoInteger(name, SYMBOL_DIGITS));
         row = row + Number("point", SymbolInfoDouble(name, SYMBOL_POINT)) + Number("tick_size", SymbolInfoDouble(name, SYMBOL_TRADE_TICK_SIZE));
         row = row + Number("tick_value", SymbolInfoDouble(name, SYMBOL_TRADE_TICK_VALUE));
         row = row + Number("contract_size", SymbolInfoDouble(name, SYMBOL_TRADE_CONTRACT_SIZE));
         row = row + Number("vol_min", SymbolInfoDouble(name, SYMBOL_VOLUME_MIN)) + Number("vol_max", SymbolInfoDouble(name, SYMBOL_VOLUME_MAX));
         row = row + Number("vol_step", SymbolInfoDouble(name, SYMBOL_VOLUME_STEP));
         row = row + ",\"stops_level\":" + IntegerToString(SymbolInfoInteger(name, SYMBOL_TRADE_STOPS_LEVEL));
         row = row + ",\"profit_currency\":" + CJson::Quoted(SymbolInfoString(name, SYMBOL_CURRENCY_PROFIT));
         row = row + Number("bid", SymbolInfoDouble(name, SYMBOL_BID)) + Number("ask", SymbolInfoDouble(name, SYMBOL_ASK)) + "}";
         rows = rows + ((rows == "") ? "" : ",") + row;
        }
      return rows;
     }

   static string     Number(const string key, const double value)
     {
      return ",\"" + key + "\":" + AmountText(value, 0);
     }
  };

#endif
