//+------------------------------------------------------------------+
//| Checks.mqh: the last look before OrderSend: the right account,   |
//| the permissions, the symbol's rules. What would fail is answered |
//| with a reason and the code that a trade server gives for it.     |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_CHECKS_MQH
#define KAKEHASHI_CHECKS_MQH

#include <Kakehashi/Acts.mqh>

Permissions ReadPermissions(void)
  {
   Permissions p;
   p.terminal = (TerminalInfoInteger(TERMINAL_TRADE_ALLOWED) != 0);
   p.expert = (MQLInfoInteger(MQL_TRADE_ALLOWED) != 0);
   p.account = (AccountInfoInteger(ACCOUNT_TRADE_ALLOWED) != 0);
   p.server = (AccountInfoInteger(ACCOUNT_TRADE_EXPERT) != 0);
   return p;
  }

bool MayTrade(const Permissions &p)
  {
   return p.terminal && p.expert && p.account && p.server;
  }

// How the order may be filled. Market orders: part or nothing of the rest (IOC), else all or nothing (FOK), else by the
// book (RETURN, never in Market execution). Pending orders rest: RETURN. false: the symbol allows none.
bool ChooseFilling(const Plan &plan, ENUM_ORDER_TYPE_FILLING &filling)
  {
   filling = ORDER_FILLING_RETURN;
   if(plan.action != TRADE_ACTION_DEAL)
      return true;
   long flags = SymbolInfoInteger(plan.symbol, SYMBOL_FILLING_MODE);
   long mode = SymbolInfoInteger(plan.symbol, SYMBOL_TRADE_EXEMODE);
   bool free = (mode == SYMBOL_TRADE_EXECUTION_REQUEST || mode == SYMBOL_TRADE_EXECUTION_INSTANT);
   if((flags & SYMBOL_FILLING_IOC) != 0)
      filling = ORDER_FILLING_IOC;
   else if(free || (flags & SYMBOL_FILLING_FOK) != 0)
      filling = ORDER_FILLING_FOK;
   else if(mode == SYMBOL_TRADE_EXECUTION_MARKET)
      return false;
   return true;
  }

class CChecks
  {
private:
   string            m_account;
   string            m_server;
   int               m_max_spread; // points, for entries; 0: any

public:
                     CChecks(void)
     {
      m_account = "";
      m_server = "";
      m_max_spread = 0;
     }

   virtual          ~CChecks(void) {}

   void              Home(const string account, const string server, const int max_spread)
     {
      m_account = account;
      m_server = server;
      m_max_spread = max_spread;
     }

   // Why the plan must not be sent, empty: it may be. `retcode`: what a trade server answers to it, -1: nothing.
   virtual string    Refuse(const Plan &plan, long &retcode) const
     {
      retcode = -1;
      bool home = (IntegerToString(AccountInfoInteger(ACCOUNT_LOGIN)) == m_account
                   && AccountInfoString(ACCOUNT_SERVER) == m_server);
      if(!home)
         return "WRONG_ACCOUNT";
      string reason = NoPermission(retcode);
      if(reason != "" || plan.action == TRADE_ACTION_REMOVE)
         return reason;
      if(!SymbolSelect(plan.symbol, true))
         return Say("NO_SPEC", -1, retcode);
      if(plan.entry)
         reason = ClosedToEntries(plan, retcode);
      if(reason == "" && plan.entry)
         reason = WrongVolume(plan, retcode);
      if(reason == "" && !(plan.action == TRADE_ACTION_DEAL && !plan.entry))
         reason = TooClose(plan, retcode);
      ENUM_ORDER_TYPE_FILLING filling;
      if(reason == "" && !ChooseFilling(plan, filling))
         return Say("NO_FILLING", 10030, retcode);
      return reason;
     }

private:
   static string     Say(const string reason, const long code, long &retcode)
     {
      retcode = code;
      return reason;
     }

   static string     NoPermission(long &retcode)
     {
      Permissions p = ReadPermissions();
      if(!p.terminal || !p.expert)
         return Say("TRADE_NOT_ALLOWED", 10027, retcode);
      if(!p.server)
         return Say("TRADE_NOT_ALLOWED", 10026, retcode);
      return p.account ? "" : Say("TRADE_NOT_ALLOWED", 10017, retcode);
     }

   string            ClosedToEntries(const Plan &plan, long &retcode) const
     {
      long mode = SymbolInfoInteger(plan.symbol, SYMBOL_TRADE_MODE);
      bool buys = IsBuyType(plan.type);
      if(mode == SYMBOL_TRADE_MODE_DISABLED)
         return Say("SYMBOL_CLOSED", 10017, retcode);
      if(mode == SYMBOL_TRADE_MODE_CLOSEONLY)
         return Say("SYMBOL_CLOSED", 10044, retcode);
      if(mode == SYMBOL_TRADE_MODE_LONGONLY && !buys)
         return Say("SYMBOL_CLOSED", 10042, retcode);
      if(mode == SYMBOL_TRADE_MODE_SHORTONLY && buys)
         return Say("SYMBOL_CLOSED", 10043, retcode);
      if(m_max_spread > 0 && SymbolInfoInteger(plan.symbol, SYMBOL_SPREAD) > m_max_spread)
         return Say("SPREAD_TOO_WIDE", -1, retcode);
      return "";
     }

   // In whole units of 1E-8: a double of 0.3 is no multiple of one of 0.1.
   static string     WrongVolume(const Plan &plan, long &retcode)
     {
      long volume = Units(plan.volume);
      long least = Units(AmountText(SymbolInfoDouble(plan.symbol, SYMBOL_VOLUME_MIN), 2));
      long most = Units(AmountText(SymbolInfoDouble(plan.symbol, SYMBOL_VOLUME_MAX), 2));
      long pace = Units(AmountText(SymbolInfoDouble(plan.symbol, SYMBOL_VOLUME_STEP), 2));
      bool small = (volume < least), large = (most > 0 && volume > most);
      if(small || large || (pace > 0 && volume % pace != 0))
         return Say("VOLUME_RULES", 10014, retcode);
      return "";
     }

   // Stops, and the price of a pending order, keep the symbol's distance from the market. Half a point is let pass:
   // prices are doubles here, and the server decides.
   static string     TooClose(const Plan &plan, long &retcode)
     {
      long level = SymbolInfoInteger(plan.symbol, SYMBOL_TRADE_STOPS_LEVEL);
      double point = SymbolInfoDouble(plan.symbol, SYMBOL_POINT);
      double bid = SymbolInfoDouble(plan.symbol, SYMBOL_BID), ask = SymbolInfoDouble(plan.symbol, SYMBOL_ASK);
      if(bid <= 0.0 || ask <= 0.0 || point <= 0.0)
         return plan.entry ? Say("NO_QUOTE", 10021, retcode) : "";
      bool buys = IsBuyType(plan.type);
      bool rests = (plan.type != ORDER_TYPE_BUY && plan.type != ORDER_TYPE_SELL);
      double room = ((double)level - 0.5) * point, price = StringToDouble(plan.price);
      double from = rests ? price : buys ? bid : ask;
      if(rests && StringToDouble(plan.stoplimit) > 0.0)
         from = StringToDouble(plan.stoplimit);
      double sl = StringToDouble(plan.sl), tp = StringToDouble(plan.tp);
      double below = buys ? sl : tp, above = buys ? tp : sl;
      if((below > 0.0 && from - below < room) || (above > 0.0 && above - from < room))
         return Say("STOPS_TOO_CLOSE", 10016, retcode);
      if(rests && level > 0 && MathAbs(price - (buys ? ask : bid)) < room)
         return Say("PRICE_TOO_CLOSE", 10015, retcode);
      return "";
     }
  };

#endif
