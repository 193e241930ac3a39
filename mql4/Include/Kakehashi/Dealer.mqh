//+------------------------------------------------------------------+
//| Dealer.mqh: one command of the mailbox, carried out on the       |
//| account of a MetaTrader 4 terminal.                              |
//|                                                                  |
//| An entry is sent once: what became of one without an answer is   |
//| looked for by its tag. An exit closes named tickets, and a ticket|
//| can be closed once, also in part: what is left gets a new one.   |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_DEALER_MQH
#define KAKEHASHI_DEALER_MQH

#include <Kakehashi/Book.mqh>

// An entry that left no trace for so long after it was sent has not been executed.
#define NO_TRACE_MS 180000
#define ANY_TYPE -1
// Codes of MetaTrader 5 where the hub knows no other word for it.
#define CODE_EXPIRED 10022
#define CODE_GONE 10036
#define CODE_NO_SUCH_ORDER 10035
#define CODE_UNKNOWN_COMMAND 10013

// A command as the mailbox has it.
struct Item
  {
   string            id;
   string            key;
   string            symbol;
   string            op;
   int               type;   // OP_BUY, OP_SELL or ANY_TYPE
   string            kind;   // of a pending order: LIMIT, STOP or STOP_LIMIT
   string            price;
   string            magic;
   string            ticket; // the hub's name of a position, or empty
   string            comment;
   string            sl;     // empty: not given
   string            tp;
   long              units;  // lots in 1E-8; 0: not given
   long              most;   // an exit closes no more than this; 0: anything
   double            ratio;  // of an exit in part; 0: not given
   long              expires;
   long              before; // an exit without ticket touches nothing younger, ms UTC; 0: anything
  };

long UnitsOf(const double lots)
  {
   return Units(DoubleToString(lots, 8));
  }

double LotsOf(const long units)
  {
   return StringToDouble(UnitsText(units));
  }

string Result(const string status, const string ticket, const long units, const string price, const long code, const string why)
  {
   string text = ",\"status\":\"" + status + "\",\"ticket\":" + CJson::Quoted(ticket);
   if(units > 0)
      text = text + ",\"volume\":" + UnitsText(units) + ",\"price\":" + price;
   return text + ",\"retcode\":" + IntegerToString(code) + ",\"message\":" + CJson::Quoted(why) + "}";
  }

string Refused(const long code, const string why)
  {
   return Result("rejected", "", 0, "0", code, why);
  }

// Whether nobody can say what became of a request that failed like this: no result, common error, no connection, time-out.
bool IsUnknown(const int error)
  {
   return error <= 2 || error == 6 || error == 7 || error == 64 || error == 128 || error == 141 || error == 142 || error == 143;
  }

class CDealer
  {
private:
   CBook            *m_book;
   int               m_slippage;
   int               m_tickets[]; // of the last Targets()
   int               m_ended[];   // works of the last Rested()
   long              m_standing;
   long              m_offset;    // of the trade server's clock against UTC, ms

public:
                     CDealer(void)
     {
      m_book = NULL;
      m_slippage = 20;
      m_standing = 0;
      m_offset = 0;
     }

   void              Take(CBook *book, const int slippage)
     {
      m_book = book;
      m_slippage = slippage;
     }

   // The server's clock as of a quote that has just come; whole quarters of an hour.
   void              Clock(void) { m_offset = (long)MathRound((double)(TimeCurrent() - TimeGMT()) / 900.0) * 900000; }

   long              Utc(const datetime server) const { return (long)server * 1000 - m_offset; }

   // The hub's name of the selected order: its first ticket, whatever partial closes made of it.
   string            Ident(void) const
     {
      int work = m_book.FindTag(OrderMagicNumber());
      return (work >= 0 && m_book.works[work].first != "") ? m_book.works[work].first : IntegerToString(OrderTicket());
     }

   string            Magic(void) const
     {
      int work = (OrderMagicNumber() != 0) ? m_book.FindTag(OrderMagicNumber()) : -1;
      return (work >= 0) ? m_book.works[work].magic : IntegerToString(OrderMagicNumber());
     }

   // What the hub is told of a command; empty: it is not known yet, ask again later.
   string            Carry(const Item &item)
     {
      int work = m_book.Find(item.id);
      if(work >= 0 && m_book.works[work].result != "")
         return m_book.works[work].result;
      string first = "", result = "";
      if(work < 0 && item.expires > 0 && UtcMs() >= item.expires)
         result = Refused(CODE_EXPIRED, "EXPIRED before it was executed");
      else if(item.op == "OPEN" || item.op == "PENDING")
         result = Enter(item, work, first);
      else if(item.op == "CLOSE" || item.op == "CLOSE_PARTIAL")
         result = Exit(item, work);
      else if(item.op == "MODIFY")
         result = Modify(item);
      else if(item.op == "CANCEL")
         result = Cancel(item);
      else
         result = Refused(CODE_UNKNOWN_COMMAND, item.op + " is not known to the EA for MetaTrader 4");
      if(result != "")
         m_book.Ended(item.id, result, first);
      return result;
     }

   // Finds entries that were sent before the EA's last end: their first ticket is the hub's name of the position, also where
   // nobody asks again.
   void              Recover(void)
     {
      string first = "";
      for(int i = 0; i < ArraySize(m_book.works); i++)
         if(m_book.works[i].result == "" && m_book.works[i].legs == "" && SelectTag(m_book.works[i].tag))
           {
            string result = Entered(first);
            m_book.Ended(m_book.works[i].id, result, first);
           }
     }

   // Results of orders that rested and do not any more: filled, deleted by somebody, expired. RestedTold() once the hub has
   // them; until then they are told again.
   string            Rested(void)
     {
      string results = "", first = "";
      ArrayResize(m_ended, 0, 16);
      for(int i = 0; i < ArraySize(m_book.works); i++)
         if(m_book.works[i].rests && OrderSelect((int)StringToInteger(m_book.works[i].first), SELECT_BY_TICKET)
            && (OrderType() <= OP_SELL || OrderCloseTime() != 0))
           {
            int at = ArraySize(m_ended);
            ArrayResize(m_ended, at + 1, 16);
            m_ended[at] = i;
            results = results + ((results == "") ? "" : ",") + "{\"key\":" + CJson::Quoted(m_book.works[i].key) + Entered(first);
           }
      return results;
     }

   void              RestedTold(void)
     {
      string first = "";
      for(int i = 0; i < ArraySize(m_ended); i++)
        {
         Work work = m_book.works[m_ended[i]];
         if(OrderSelect((int)StringToInteger(work.first), SELECT_BY_TICKET))
           {
            string result = Entered(first);
            m_book.Ended(work.id, result, first);
           }
        }
     }

   // The magic of the exit that closed the selected order; 0: somebody or something else did.
   string            ClosedBy(void) const
     {
      int work = m_book.FindLeg(OrderTicket());
      return (work >= 0) ? m_book.works[work].magic : "0";
     }

private:
   //--- entries

   // At the market, or to rest there: a pending order that is filled keeps its ticket and its tag.
   string            Enter(const Item &item, const int known, string &first)
     {
      long tag = TagOf(item.magic);
      int type = (item.op == "PENDING") ? PendingType(item) : item.type;
      if(tag == 0 || type == ANY_TYPE || item.units <= 0)
         return Refused(CODE_UNKNOWN_COMMAND, "an entry needs a side, a volume and a magic; one that rests is LIMIT or STOP and has a price");
      if(SelectTag(tag))
         return Entered(first);
      if(known >= 0)
         return (UtcMs() - m_book.works[known].sent < NO_TRACE_MS) ? "" : Refused(1, "no trace of it after it was sent");
      if(m_book.FindTag(tag) >= 0)
         return Refused(CODE_UNKNOWN_COMMAND, "its tag is another order's");
      if(m_book.Sent(item.id, item.key, item.magic, "") < 0)
         return "";
      RefreshRates();
      ResetLastError();
      double price = SymbolInfoDouble(item.symbol, (type == OP_BUY) ? SYMBOL_ASK : SYMBOL_BID);
      if(type > OP_SELL)
         price = NormalizeDouble(StringToDouble(item.price), (int)SymbolInfoInteger(item.symbol, SYMBOL_DIGITS));
      int ticket = OrderSend(item.symbol, type, LotsOf(item.units), price, m_slippage, StringToDouble(item.sl),
                             StringToDouble(item.tp), item.comment, (int)tag, 0);
      int error = (ticket > 0) ? 0 : GetLastError();
      if(ticket > 0 && OrderSelect(ticket, SELECT_BY_TICKET))
         return Entered(first);
      return (ticket > 0 || IsUnknown(error)) ? "" : Refused(error, "MetaTrader 4 error " + IntegerToString(error));
     }

   // MetaTrader 4 has no STOP_LIMIT.
   static int        PendingType(const Item &item)
     {
      if(item.type == ANY_TYPE || StringToDouble(item.price) <= 0)
         return ANY_TYPE;
      if(item.kind == "LIMIT")
         return (item.type == OP_BUY) ? OP_BUYLIMIT : OP_SELLLIMIT;
      if(item.kind == "STOP")
         return (item.type == OP_BUY) ? OP_BUYSTOP : OP_SELLSTOP;
      return ANY_TYPE;
     }

   // Among what is open, then among what was closed: the first of that tag, which has the whole volume or what was closed of it.
   bool              SelectTag(const long tag) const
     {
      for(int i = OrdersTotal() - 1; i >= 0; i--)
         if(OrderSelect(i, SELECT_BY_POS, MODE_TRADES) && OrderMagicNumber() == tag)
            return true;
      for(int i = 0; i < OrdersHistoryTotal(); i++)
         if(OrderSelect(i, SELECT_BY_POS, MODE_HISTORY) && OrderMagicNumber() == tag)
            return true;
      return false;
     }

   // What the selected order of an entry tells of it.
   static string     Entered(string &first)
     {
      first = IntegerToString(OrderTicket());
      if(OrderType() > OP_SELL)
         return (OrderCloseTime() == 0) ? Result("placed", first, 0, "0", 0, "") : Refused(CODE_NO_SUCH_ORDER, "the order was deleted, or has expired");
      return Result("filled", first, UnitsOf(OrderLots()), DoubleToString(OrderOpenPrice(), 8), 0, "");
     }

   //--- exits

   string            Exit(const Item &item, const int known)
     {
      int work = known;
      if(work < 0)
        {
         Targets(item, false);
         string legs = Legs(Wanted(item));
         if(legs == "")
            return Refused(CODE_GONE, "nothing to close");
         work = m_book.Sent(item.id, item.key, item.magic, legs);
         if(work < 0)
            return "";
        }
      return CloseLegs(item, m_book.works[work].legs);
     }

   // Lots that an exit means; a rest below the smallest lot is closed with it.
   long              Wanted(const Item &item) const
     {
      long wanted = m_standing, step = UnitsOf(SymbolInfoDouble(item.symbol, SYMBOL_VOLUME_STEP));
      long least = UnitsOf(SymbolInfoDouble(item.symbol, SYMBOL_VOLUME_MIN));
      if(item.op == "CLOSE_PARTIAL" && item.units > 0)
         wanted = item.units;
      else if(item.op == "CLOSE_PARTIAL" && item.ratio > 0)
         wanted = UnitsOf(LotsOf(m_standing) * item.ratio);
      if(item.most > 0)
         wanted = MathMin(wanted, item.most);
      wanted = MathMin(wanted, m_standing);
      if(item.op == "CLOSE_PARTIAL" && step > 0)
         wanted = MathMin(MathMax(wanted / step * step, least), m_standing);
      return (m_standing - wanted < least) ? m_standing : wanted;
     }

   string            Legs(const long wanted) const
     {
      string legs = "";
      long left = wanted;
      for(int i = 0; i < ArraySize(m_tickets) && left > 0; i++)
         if(OrderSelect(m_tickets[i], SELECT_BY_TICKET))
           {
            long part = MathMin(left, UnitsOf(OrderLots()));
            legs = legs + IntegerToString(m_tickets[i]) + ":" + IntegerToString(part) + ";";
            left -= part;
           }
      return legs;
     }

   // Closes what is still open of the legs. A ticket that was closed, in part or whole, is not open any more: none is closed twice.
   string            CloseLegs(const Item &item, const string legs)
     {
      string parts[], pair[];
      long closed = 0;
      double worth = 0;
      int error = 0, count = StringSplit(legs, ';', parts);
      for(int i = 0; i < count && error == 0; i++)
        {
         if(StringSplit(parts[i], ':', pair) != 2)
            continue;
         int ticket = (int)StringToInteger(pair[0]);
         if(!OrderSelect(ticket, SELECT_BY_TICKET))
            return ""; // the terminal does not show its history yet
         if(OrderCloseTime() == 0 && !CloseOne(ticket, StringToInteger(pair[1]), error) && IsUnknown(error))
            return "";
         if(OrderSelect(ticket, SELECT_BY_TICKET) && OrderCloseTime() != 0)
           {
            closed += UnitsOf(OrderLots());
            worth += OrderLots() * OrderClosePrice();
           }
        }
      if(closed == 0)
         return Refused(error, "MetaTrader 4 error " + IntegerToString(error));
      return Result("filled", item.ticket, closed, DoubleToString(worth / LotsOf(closed), 8), error, "");
     }

   bool              CloseOne(const int ticket, const long units, int &error)
     {
      RefreshRates();
      ResetLastError();
      double price = SymbolInfoDouble(OrderSymbol(), (OrderType() == OP_BUY) ? SYMBOL_BID : SYMBOL_ASK);
      bool done = OrderClose(ticket, LotsOf(units), price, m_slippage);
      error = done ? 0 : GetLastError();
      return done;
     }

   //--- levels

   string            Modify(const Item &item)
     {
      Targets(item, false);
      for(int i = 0; i < ArraySize(m_tickets); i++)
        {
         if(!OrderSelect(m_tickets[i], SELECT_BY_TICKET))
            continue;
         double sl = (item.sl == "") ? OrderStopLoss() : StringToDouble(item.sl);
         double tp = (item.tp == "") ? OrderTakeProfit() : StringToDouble(item.tp);
         ResetLastError();
         int error = OrderModify(m_tickets[i], OrderOpenPrice(), sl, tp, 0) ? 0 : GetLastError();
         if(error > 1) // 1: nothing to change
            return Refused(error, "MetaTrader 4 error " + IntegerToString(error));
        }
      return (ArraySize(m_tickets) > 0) ? Result("done", item.ticket, 0, "0", 0, "") : Refused(CODE_GONE, "nothing to change");
     }

   //--- orders that rest

   // Deleting what is gone already is harmless: it needs no line in the book.
   string            Cancel(const Item &item)
     {
      Targets(item, true);
      for(int i = 0; i < ArraySize(m_tickets); i++)
        {
         ResetLastError();
         int error = OrderDelete(m_tickets[i]) ? 0 : GetLastError();
         if(error != 0 && OrderSelect(m_tickets[i], SELECT_BY_TICKET) && OrderCloseTime() == 0)
            return IsUnknown(error) ? "" : Refused(error, "MetaTrader 4 error " + IntegerToString(error));
         int work = m_book.FindFirst(IntegerToString(m_tickets[i]));
         if(error == 0 && work >= 0) // the hub knows what became of it
            m_book.Ended(m_book.works[work].id, Refused(CODE_NO_SUCH_ORDER, "cancelled"), m_book.works[work].first);
        }
      if(ArraySize(m_tickets) > 0 || item.ticket == "")
         return Result("done", item.ticket, 0, "0", 0, "");
      bool ended = OrderSelect((int)StringToInteger(item.ticket), SELECT_BY_TICKET) && OrderType() > OP_SELL && OrderCloseTime() != 0;
      return ended ? Result("done", item.ticket, 0, "0", 0, "") : Refused(CODE_NO_SUCH_ORDER, "no such order rests");
     }

   //--- what a command means

   // The hub's orders that a command means, open or `resting`, oldest first, into m_tickets; their lots into m_standing.
   void              Targets(const Item &item, const bool resting)
     {
      m_standing = 0;
      ArrayResize(m_tickets, 0, 64);
      for(int i = 0; i < OrdersTotal(); i++)
        {
         if(!OrderSelect(i, SELECT_BY_POS, MODE_TRADES) || (OrderType() > OP_SELL) != resting || !Meant(item))
            continue;
         int at = ArraySize(m_tickets);
         ArrayResize(m_tickets, at + 1, 64);
         for(; at > 0 && m_tickets[at - 1] > OrderTicket(); at--)
            m_tickets[at] = m_tickets[at - 1];
         m_tickets[at] = OrderTicket();
         m_standing += UnitsOf(OrderLots());
        }
     }

   bool              Meant(const Item &item) const
     {
      if(item.ticket != "")
         return Ident() == item.ticket || IntegerToString(OrderTicket()) == item.ticket;
      bool ours = (OrderMagicNumber() != 0 && m_book.FindTag(OrderMagicNumber()) >= 0 && PrefixOf(Magic()) == PrefixOf(item.magic));
      bool side = (item.type == ANY_TYPE || OrderType() % 2 == item.type); // sells are the odd ones
      return ours && side && OrderSymbol() == item.symbol && (item.before == 0 || Utc(OrderOpenTime()) <= item.before);
     }
  };

#endif
