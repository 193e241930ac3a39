//+------------------------------------------------------------------+
//| Acts.mqh: what a command means on this account now: one trade    |
//| request, or the reason why there is none (R10, R18, R21).        |
//|                                                                  |
//| An exit is judged here, where the positions are: it goes out only|
//| against an open position that matches.                           |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_ACTS_MQH
#define KAKEHASHI_ACTS_MQH

#include <Kakehashi/Words.mqh>

enum ENUM_DECISION
  {
   DECIDED_NOTHING, // not yet
   DECIDED_PLAN,
   DECIDED_VERDICT
  };

struct Decision
  {
   ENUM_DECISION     kind;
   Plan              plan;
   Verdict           verdict;

                     Decision(void) { kind = DECIDED_NOTHING; }
  };

bool IsEntry(const string op)
  {
   return op == "OPEN" || op == "PENDING";
  }

bool IsExit(const string op)
  {
   return op == "CLOSE" || op == "CLOSE_PARTIAL";
  }

// Whether two commands of one id are the same (R3).
bool SameContent(const Cmd &a, const Cmd &b)
  {
   return a.op == b.op && a.sym == b.sym && a.side == b.side && SameAmount(a.vol, b.vol) && SameAmount(a.price, b.price)
          && SameAmount(a.sl, b.sl) && SameAmount(a.tp, b.tp) && a.target == b.target
          && SameAmount(a.expect_vol, b.expect_vol) && a.magic == b.magic && a.ttl_ms == b.ttl_ms;
  }

// Whether two commands may not be under way at once: one target; on netting, exits of one symbol (R19, R10).
bool Conflict(const Cmd &a, const Cmd &b, const bool netting)
  {
   if(a.target != "" && a.target == b.target)
      return true;
   bool nameless = (a.target == "" || b.target == "");
   return IsExit(a.op) && IsExit(b.op) && a.sym == b.sym && (netting || nameless);
  }

void Decide(Decision &d, const string st, const string reason, const long retcode)
  {
   d.kind = DECIDED_VERDICT;
   d.verdict.st = st;
   d.verdict.reason = reason;
   d.verdict.retcode = retcode;
  }

void Reject(Decision &d, const string reason)
  {
   Decide(d, "REJECTED", reason, -1);
  }

bool IsBuyType(const long type)
  {
   return type == ORDER_TYPE_BUY || type == ORDER_TYPE_BUY_LIMIT || type == ORDER_TYPE_BUY_STOP
          || type == ORDER_TYPE_BUY_STOP_LIMIT;
  }

// The type's name without its prefix, e.g. BUY_LIMIT.
string TypeName(const long type)
  {
   string kind = "";
   if(type == ORDER_TYPE_BUY_LIMIT || type == ORDER_TYPE_SELL_LIMIT)
      kind = "_LIMIT";
   else if(type == ORDER_TYPE_BUY_STOP || type == ORDER_TYPE_SELL_STOP)
      kind = "_STOP";
   else if(type == ORDER_TYPE_BUY_STOP_LIMIT || type == ORDER_TYPE_SELL_STOP_LIMIT)
      kind = "_STOP_LIMIT";
   else if(type == ORDER_TYPE_CLOSE_BY)
      return "CLOSE_BY";
   return (IsBuyType(type) ? "BUY" : "SELL") + kind;
  }

ENUM_ORDER_TYPE OrderTypeOf(const string name)
  {
   for(int type = (int)ORDER_TYPE_BUY; type <= (int)ORDER_TYPE_SELL_STOP_LIMIT; type++)
      if(TypeName(type) == name)
         return (ENUM_ORDER_TYPE)type;
   return ORDER_TYPE_BUY;
  }

bool PendingType(const string side, const string kind, ENUM_ORDER_TYPE &type)
  {
   bool buys = (StringSubstr(side, 0, 1) == "B");
   if(!buys && StringSubstr(side, 0, 1) != "S")
      return false;
   if(kind == "LIMIT")
      type = buys ? ORDER_TYPE_BUY_LIMIT : ORDER_TYPE_SELL_LIMIT;
   else if(kind == "STOP")
      type = buys ? ORDER_TYPE_BUY_STOP : ORDER_TYPE_SELL_STOP;
   else if(kind == "STOP_LIMIT")
      type = buys ? ORDER_TYPE_BUY_STOP_LIMIT : ORDER_TYPE_SELL_STOP_LIMIT;
   else
      return false;
   return true;
  }

void PlanOpen(Decision &d, const Cmd &cmd)
  {
   string side = StringSubstr(cmd.side, 0, 1);
   if((side != "B" && side != "S") || !IsPositive(cmd.vol))
     {
      Reject(d, "BAD_COMMAND");
      return;
     }
   d.kind = DECIDED_PLAN;
   d.plan.type = (side == "B") ? ORDER_TYPE_BUY : ORDER_TYPE_SELL;
   d.plan.volume = cmd.vol;
   d.plan.price = cmd.price;
   d.plan.sl = cmd.sl;
   d.plan.tp = cmd.tp;
   d.plan.entry = true;
  }

void PlanPending(Decision &d, const Cmd &cmd)
  {
   ENUM_ORDER_TYPE type = ORDER_TYPE_BUY_LIMIT;
   if(!PendingType(cmd.side, cmd.kind, type) || !IsPositive(cmd.vol) || !IsPositive(cmd.price))
     {
      Reject(d, "BAD_COMMAND");
      return;
     }
   PlanOpen(d, cmd);
   d.plan.action = TRADE_ACTION_PENDING;
   d.plan.type = type;
   d.plan.stoplimit = cmd.stoplimit;
   d.plan.expiry_ms = cmd.expiry_ms;
  }

string IdentOf(const PositionRow &row)
  {
   return (row.ident != "") ? row.ident : row.ticket;
  }

// The named position; else the oldest of ours on the symbol that is no younger than `opened_before`. -1: none.
int Meant(const Cmd &cmd, const View &view)
  {
   int best = -1;
   string side = StringSubstr(cmd.side, 0, 1);
   for(int i = 0; i < ArraySize(view.positions); i++)
     {
      if(cmd.target != "")
        {
         if(IdentOf(view.positions[i]) == cmd.target)
            return i;
         continue;
        }
      bool same = (view.positions[i].symbol == cmd.sym && (side == "" || view.positions[i].side == side));
      bool old = (view.positions[i].opened > 0 && view.positions[i].opened <= cmd.opened_before);
      long prefix = PrefixOf(view.positions[i].magic);
      if(!same || !old || prefix == 0 || prefix != PrefixOf(cmd.magic))
         continue;
      if(best < 0 || view.positions[i].opened < view.positions[best].opened
         || (view.positions[i].opened == view.positions[best].opened && TicketBelow(view.positions[i].ticket, view.positions[best].ticket)))
         best = i;
     }
   return best;
  }

void PlanExit(Decision &d, const Cmd &cmd, const View &view)
  {
   bool part = (cmd.op == "CLOSE_PARTIAL");
   int at = Meant(cmd, view);
   bool fits = (at >= 0 && (cmd.side == "" || view.positions[at].side == StringSubstr(cmd.side, 0, 1))
                && view.positions[at].symbol == cmd.sym);
   if(!fits)
     {
      Decide(d, part ? "REJECTED" : "DONE", part ? "PRECOND" : "ALREADY_FLAT", -1);
      return;
     }
   string held = view.positions[at].volume, volume = held;
   if(!IsZero(cmd.expect_vol) && CompareAmounts(cmd.expect_vol, held) < 0)
      volume = cmd.expect_vol;
   if(part)
     {
      if(!SameAmount(cmd.expect_vol, held) || !IsPositive(cmd.vol) || CompareAmounts(cmd.vol, held) > 0)
        {
         Reject(d, "PRECOND");
         return;
        }
      volume = cmd.vol;
     }
   d.kind = DECIDED_PLAN;
   d.plan.symbol = view.positions[at].symbol;
   d.plan.type = (view.positions[at].side == "B") ? ORDER_TYPE_SELL : ORDER_TYPE_BUY;
   d.plan.volume = volume;
   d.plan.position = view.positions[at].ticket;
  }

// Whether the stop moves so that more can be lost.
bool Loosens(const string old, const string fresh, const bool buys)
  {
   if(IsZero(old))
      return false;
   return IsZero(fresh) || CompareAmounts(fresh, old) == (buys ? -1 : 1);
  }

void PlanLevels(Decision &d, const Cmd &cmd, const PositionRow &row, const bool halted)
  {
   if(SameAmount(row.sl, cmd.sl) && SameAmount(row.tp, cmd.tp))
      Decide(d, "DONE", "NO_CHANGES", -1);
   else if(halted && Loosens(row.sl, cmd.sl, row.side == "B"))
      Reject(d, "HALTED");
   else
     {
      d.kind = DECIDED_PLAN;
      d.plan.action = TRADE_ACTION_SLTP;
      d.plan.symbol = row.symbol;
      d.plan.type = (row.side == "B") ? ORDER_TYPE_BUY : ORDER_TYPE_SELL;
      d.plan.position = row.ticket;
      d.plan.volume = "0";
      d.plan.sl = cmd.sl;
      d.plan.tp = cmd.tp;
      d.plan.comment = "";
     }
  }

void PlanOrderChange(Decision &d, const Cmd &cmd, const OrderRow &row, const bool halted)
  {
   string price = IsZero(cmd.price) ? row.price : cmd.price;
   bool moved = !SameAmount(row.price, price);
   if(SameAmount(row.sl, cmd.sl) && SameAmount(row.tp, cmd.tp) && !moved)
      Decide(d, "DONE", "NO_CHANGES", -1);
   else if(halted && (moved || Loosens(row.sl, cmd.sl, StringFind(row.type, "BUY") == 0)))
      Reject(d, "HALTED");
   else
     {
      d.kind = DECIDED_PLAN;
      d.plan.action = TRADE_ACTION_MODIFY;
      d.plan.symbol = row.symbol;
      d.plan.type = OrderTypeOf(row.type);
      d.plan.order = row.ticket;
      d.plan.price = price;
      d.plan.stoplimit = cmd.stoplimit;
      d.plan.sl = cmd.sl;
      d.plan.tp = cmd.tp;
      d.plan.expiry_ms = cmd.expiry_ms;
      d.plan.comment = "";
     }
  }

void PlanModify(Decision &d, const Cmd &cmd, const View &view, const bool halted)
  {
   for(int i = 0; i < ArraySize(view.positions); i++)
      if(cmd.target == IdentOf(view.positions[i]))
        {
         PlanLevels(d, cmd, view.positions[i], halted);
         return;
        }
   for(int i = 0; i < ArraySize(view.orders); i++)
      if(cmd.target == view.orders[i].ticket)
        {
         PlanOrderChange(d, cmd, view.orders[i], halted);
         return;
        }
   Reject(d, "GONE");
  }

void PlanCancel(Decision &d, const Cmd &cmd, const View &view)
  {
   for(int i = 0; i < ArraySize(view.orders); i++)
      if(view.orders[i].ticket == cmd.target)
        {
         d.kind = DECIDED_PLAN;
         d.plan.action = TRADE_ACTION_REMOVE;
         d.plan.symbol = view.orders[i].symbol;
         d.plan.type = OrderTypeOf(view.orders[i].type);
         d.plan.order = view.orders[i].ticket;
         d.plan.magic = "0";
         d.plan.comment = "";
         return;
        }
   Reject(d, "GONE");
  }

// `known`: whether the symbol has a specification, or none was read yet.
void DecideCommand(Decision &d, const Cmd &cmd, const View &view, const bool halted, const bool known)
  {
   d.plan.symbol = cmd.sym;
   d.plan.magic = cmd.magic;
   d.plan.comment = StringSubstr(cmd.id, 0, 16);
   d.plan.deviation = cmd.deviation;
   bool entry = IsEntry(cmd.op);
   if(entry && halted)
      Reject(d, "HALTED");
   else if(entry && (StringToInteger(cmd.magic) <= 0 || IntegerToString(StringToInteger(cmd.magic)) != cmd.magic))
      Reject(d, "BAD_MAGIC");
   else if(entry && !known)
      Reject(d, "NO_SPEC");
   else if(cmd.op == "OPEN")
      PlanOpen(d, cmd);
   else if(cmd.op == "PENDING")
      PlanPending(d, cmd);
   else if(IsExit(cmd.op))
      PlanExit(d, cmd, view);
   else if(cmd.op == "MODIFY")
      PlanModify(d, cmd, view, halted);
   else if(cmd.op == "CANCEL")
      PlanCancel(d, cmd, view);
   else
      Reject(d, "BAD_OP");
  }

#endif
