//+------------------------------------------------------------------+
//| Names.mqh: the terminal's numbers in the link's words.           |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_NAMES_MQH
#define KAKEHASHI_NAMES_MQH

#include <Kakehashi/Words.mqh>

string TicketText(const ulong ticket)
  {
   return (ticket > 0) ? IntegerToString((long)ticket) : "";
  }

string ReasonName(const long reason)
  {
   if(reason == DEAL_REASON_EXPERT)
      return "EXPERT";
   if(reason == DEAL_REASON_SL)
      return "SL";
   if(reason == DEAL_REASON_TP)
      return "TP";
   if(reason == DEAL_REASON_SO)
      return "SO";
   if(reason == DEAL_REASON_ROLLOVER)
      return "ROLLOVER";
   if(reason == DEAL_REASON_VMARGIN)
      return "VMARGIN";
   if(reason == DEAL_REASON_SPLIT)
      return "SPLIT";
   return "CLIENT"; // by hand, from the desktop, a phone or the web
  }

string StateName(const long state)
  {
   if(state == ORDER_STATE_PLACED || state == ORDER_STATE_REQUEST_MODIFY || state == ORDER_STATE_REQUEST_CANCEL)
      return "PLACED";
   if(state == ORDER_STATE_CANCELED)
      return "CANCELED";
   if(state == ORDER_STATE_PARTIAL)
      return "PARTIAL";
   if(state == ORDER_STATE_FILLED)
      return "FILLED";
   if(state == ORDER_STATE_REJECTED)
      return "REJECTED";
   return (state == ORDER_STATE_EXPIRED) ? "EXPIRED" : "STARTED";
  }

string EntryName(const long entry)
  {
   if(entry == DEAL_ENTRY_IN)
      return "IN";
   if(entry == DEAL_ENTRY_INOUT)
      return "INOUT";
   return (entry == DEAL_ENTRY_OUT_BY) ? "OUT_BY" : "OUT";
  }

string TradeModeName(const long mode)
  {
   if(mode == SYMBOL_TRADE_MODE_DISABLED)
      return "DISABLED";
   if(mode == SYMBOL_TRADE_MODE_LONGONLY)
      return "LONGONLY";
   if(mode == SYMBOL_TRADE_MODE_SHORTONLY)
      return "SHORTONLY";
   return (mode == SYMBOL_TRADE_MODE_CLOSEONLY) ? "CLOSEONLY" : "FULL";
  }

// An amount that has to be above 0 to mean anything; empty: it was not given.
string Known(const double value, const int least)
  {
   return (value > 0.0) ? AmountText(value, least) : "";
  }

// The deal that is selected, or a trade it is not.
bool ReadDealNow(const ulong ticket, DealRow &row)
  {
   long type = HistoryDealGetInteger(ticket, DEAL_TYPE);
   if(type != DEAL_TYPE_BUY && type != DEAL_TYPE_SELL)
      return false;
   row.ticket = TicketText(ticket);
   row.symbol = HistoryDealGetString(ticket, DEAL_SYMBOL);
   row.side = (type == DEAL_TYPE_BUY) ? "B" : "S";
   row.entry = EntryName(HistoryDealGetInteger(ticket, DEAL_ENTRY));
   row.volume = AmountText(HistoryDealGetDouble(ticket, DEAL_VOLUME), 2);
   row.price = AmountText(HistoryDealGetDouble(ticket, DEAL_PRICE), (int)SymbolInfoInteger(row.symbol, SYMBOL_DIGITS));
   row.time = HistoryDealGetInteger(ticket, DEAL_TIME_MSC);
   row.order = TicketText((ulong)HistoryDealGetInteger(ticket, DEAL_ORDER));
   row.position = TicketText((ulong)HistoryDealGetInteger(ticket, DEAL_POSITION_ID));
   row.profit = AmountText(HistoryDealGetDouble(ticket, DEAL_PROFIT), 2);
   row.swap = AmountText(HistoryDealGetDouble(ticket, DEAL_SWAP), 2);
   row.commission = AmountText(HistoryDealGetDouble(ticket, DEAL_COMMISSION), 2);
   row.fee = AmountText(HistoryDealGetDouble(ticket, DEAL_FEE), 2);
   row.reason = ReasonName(HistoryDealGetInteger(ticket, DEAL_REASON));
   row.magic = IntegerToString(HistoryDealGetInteger(ticket, DEAL_MAGIC));
   return true;
  }

#endif
