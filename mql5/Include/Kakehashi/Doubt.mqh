//+------------------------------------------------------------------+
//| Doubt.mqh: what became of a command that was sent: the answer's  |
//| class, the terminal's evidence, and when absence is proof (R7).  |
//|                                                                  |
//| Nothing here acts. A verdict follows from what was seen; without |
//| enough of it there is none yet.                                  |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_DOUBT_MQH
#define KAKEHASHI_DOUBT_MQH

#include <Kakehashi/Acts.mqh>
#include <Kakehashi/Memory.mqh>

#define SETTLED_MS 10000
#define APART_MS 5000
#define IN_FLIGHT_MS 10000
// A dealer may hold an order for 120 s. (Tests whose broker holds none define less.)
#ifndef LONG_IN_FLIGHT_MS
#define LONG_IN_FLIGHT_MS 180000
#endif

enum ENUM_FINDING
  {
   FOUND_VERDICT,
   FOUND_TRACE,  // there is a trace, it just does not say the end yet
   FOUND_NOTHING // proof only under the conditions of Absence
  };

// Definite, if there is neither a deal nor an order of ours.
bool IsRefusal(const long retcode)
  {
   long c = retcode;
   return c == 10004 || c == 10006 || c == 10007 || (c >= 10013 && c <= 10022) || c == 10024 || c == 10026 || c == 10027
          || c == 10029 || c == 10030 || (c >= 10032 && c <= 10035) || c == 10038 || (c >= 10040 && c <= 10046);
  }

// The server closed by itself: its deals and orders carry our magic or none, they are not the command's.
bool IsServers(const string reason)
  {
   return reason == "SL" || reason == "TP" || reason == "SO";
  }

// How long after the call the broker may still act. No answer: -1 or 0.
long WindowMs(const long retcode, const bool other_instance, const long lease_ms)
  {
   bool late = (retcode <= 0 || retcode == 10012 || retcode == 10031);
   return (late ? LONG_IN_FLIGHT_MS : IN_FLIGHT_MS) + (other_instance ? lease_ms : 0);
  }

bool IsOurDeal(const Cmd &cmd, const string order, const DealRow &deal)
  {
   if(order != "" && deal.order == order)
      return true;
   return deal.magic == cmd.magic && cmd.magic != "0" && !IsServers(deal.reason);
  }

// The deals this command made, each once, by their tickets.
void OurDeals(const Cmd &cmd, const string order, const DealRow &deals[], DealRow &mine[])
  {
   ArrayResize(mine, 0);
   for(int i = 0; i < ArraySize(deals); i++)
     {
      if(!IsOurDeal(cmd, order, deals[i]))
         continue;
      int at = ArraySize(mine);
      while(at > 0 && TicketBelow(deals[i].ticket, mine[at - 1].ticket))
         at--;
      if(at > 0 && mine[at - 1].ticket == deals[i].ticket)
         continue;
      AddDeal(mine, deals[i]);
      for(int k = ArraySize(mine) - 1; k > at; k--)
         mine[k] = mine[k - 1];
      mine[at] = deals[i];
     }
  }

bool Reached(const DealRow &deals[], const string planned)
  {
   return ArraySize(deals) > 0 && IsPositive(planned) && CompareAmounts(DealVolume(deals), planned) >= 0;
  }

// What OrderSend's answer alone decides; false: look. "Done" decides nothing by itself: FILLED takes the deals' sum.
bool ByAnswer(const Work &work, const Answered &answer, Verdict &v)
  {
   DealRow mine[];
   OurDeals(work.cmd, answer.order, answer.deals, mine);
   bool trades = (work.cmd.op == "OPEN" || IsExit(work.cmd.op));
   v.retcode = answer.retcode;
   if(trades && work.sent && Reached(mine, work.sent_volume))
     {
      v.st = "FILLED";
      v.order = answer.order;
      CopyDeals(mine, v.deals);
      return true;
     }
   if(answer.retcode == 10025 && work.cmd.op == "MODIFY")
     {
      v.st = "DONE";
      v.reason = "NO_CHANGES";
      return true;
     }
   if(IsRefusal(answer.retcode) && answer.deal == "" && answer.order == "")
     {
      v.st = "REJECTED";
      v.reason = "BROKER";
      return true;
     }
   return false;
  }

bool IsOurOrder(const Cmd &cmd, const string order, const HistoryOrder &o)
  {
   if(order != "")
      return o.ticket == order;
   return cmd.magic != "0" && o.magic == cmd.magic && !IsServers(o.reason);
  }

// It leaves no deal with our magic: only the levels tell.
ENUM_FINDING Modified(const Cmd &cmd, const View &view, Verdict &v)
  {
   bool same = false;
   for(int i = 0; i < ArraySize(view.positions); i++)
      if(cmd.target == view.positions[i].ident || cmd.target == view.positions[i].ticket)
        {
         same = SameAmount(view.positions[i].sl, cmd.sl) && SameAmount(view.positions[i].tp, cmd.tp);
         v.st = "DONE";
         return same ? FOUND_VERDICT : FOUND_NOTHING;
        }
   for(int i = 0; i < ArraySize(view.orders); i++)
      if(cmd.target == view.orders[i].ticket)
        {
         same = SameAmount(view.orders[i].sl, cmd.sl) && SameAmount(view.orders[i].tp, cmd.tp)
                && (IsZero(cmd.price) || SameAmount(view.orders[i].price, cmd.price));
         v.st = "DONE";
         return same ? FOUND_VERDICT : FOUND_NOTHING;
        }
   return FOUND_NOTHING;
  }

ENUM_FINDING Cancelled(const Cmd &cmd, const Seen &seen, const View &view, Verdict &v)
  {
   for(int i = 0; i < ArraySize(view.orders); i++)
      if(view.orders[i].ticket == cmd.target)
         return FOUND_NOTHING; // of a cancellation there is no trace: the order is there
   for(int i = 0; i < ArraySize(seen.working); i++)
      if(seen.working[i].ticket == cmd.target)
         return FOUND_NOTHING;
   for(int i = 0; i < ArraySize(seen.ended); i++)
      if(seen.ended[i].ticket == cmd.target)
        {
         bool filled = (seen.ended[i].state == "FILLED");
         v.st = filled ? "REJECTED" : "DONE";
         v.reason = seen.ended[i].state;
         v.order = cmd.target;
         return FOUND_VERDICT;
        }
   return FOUND_TRACE;
  }

// The orders of the command among those that were read.
void OurOrders(const Cmd &cmd, const string order, const HistoryOrder &all[], HistoryOrder &mine[])
  {
   ArrayResize(mine, 0);
   for(int i = 0; i < ArraySize(all); i++)
      if(IsOurOrder(cmd, order, all[i]))
        {
         int count = ArraySize(mine);
         ArrayResize(mine, count + 1);
         mine[count] = all[i];
        }
  }

// An order that ended short. With deals its rest is cancelled (the volume says what was filled); without any it never was
// a trade, unless it rested first. One that is filled asked for less than its command: an exit of a position that had become
// smaller, whose SENT was lost with the power.
string EndedAs(const string state, const bool pending, const bool dealt)
  {
   if(state == "FILLED")
      return "FILLED";
   if(pending && state == "EXPIRED")
      return "EXPIRED";
   return (dealt || (pending && state == "CANCELED")) ? "CANCELLED" : "REJECTED";
  }

ENUM_FINDING ByWorking(const HistoryOrder &working[], const bool pending, Verdict &v)
  {
   bool placed = false;
   for(int i = 0; i < ArraySize(working); i++)
      placed = placed || working[i].state == "PLACED" || working[i].state == "PARTIAL";
   v.st = (ArraySize(v.deals) > 0) ? "PARTIAL" : (pending && placed) ? "PLACED" : "";
   v.final = false;
   return (v.st != "") ? FOUND_VERDICT : FOUND_TRACE;
  }

ENUM_FINDING ByEnded(const HistoryOrder &ended[], const bool pending, const bool planned, Verdict &v)
  {
   long filled = 0;
   int last = ArraySize(ended) - 1;
   bool dealt = (ArraySize(v.deals) > 0);
   for(int i = 0; i <= last; i++)
      filled += Units(ended[i].volume_initial) - Units(ended[i].volume_current);
   if(Units(DealVolume(v.deals)) < filled || (!dealt && ended[last].state == "FILLED"))
      return FOUND_TRACE; // history does not have all of its deals yet
   v.st = (dealt && !planned) ? "FILLED" : EndedAs(ended[last].state, pending, dealt);
   v.reason = ended[last].state;
   return FOUND_VERDICT;
  }

ENUM_FINDING Untraced(const Cmd &cmd, const View &view, const long retcode, Verdict &v)
  {
   bool held = false, tagged = false;
   for(int i = 0; i < ArraySize(view.positions); i++)
     {
      held = held || cmd.target == view.positions[i].ident || cmd.target == view.positions[i].ticket;
      tagged = tagged || (cmd.magic != "0" && view.positions[i].magic == cmd.magic);
     }
   if(retcode == 10036 && !held)
     {
      bool part = (cmd.op == "CLOSE_PARTIAL");
      v.st = part ? "REJECTED" : "DONE";
      v.reason = part ? "PRECOND" : "ALREADY_FLAT";
      v.order = "";
      return FOUND_VERDICT;
     }
   return (cmd.op == "OPEN" && tagged) ? FOUND_TRACE : FOUND_NOTHING;
  }

ENUM_FINDING Traded(const Work &work, const string order, const Seen &seen, const View &view, const long retcode, Verdict &v)
  {
   HistoryOrder working[], ended[];
   bool pending = (work.cmd.op == "PENDING");
   OurOrders(work.cmd, order, seen.working, working);
   OurOrders(work.cmd, order, seen.ended, ended);
   OurDeals(work.cmd, order, seen.deals, v.deals);
   bool dealt = (ArraySize(v.deals) > 0);
   v.order = order;
   if(order == "" && ArraySize(working) > 0)
      v.order = working[0].ticket;
   else if(order == "" && ArraySize(ended) > 0)
      v.order = ended[0].ticket;
   else if(order == "" && dealt)
      v.order = v.deals[0].order;
   string planned = (work.sent && !IsZero(work.sent_volume)) ? work.sent_volume
                    : !IsZero(work.cmd.vol) ? work.cmd.vol : work.cmd.expect_vol;
   v.st = "FILLED";
   v.retcode = retcode;
   if(Reached(v.deals, planned))
      return FOUND_VERDICT;
   if(ArraySize(working) > 0)
      return ByWorking(working, pending, v);
   if(ArraySize(ended) > 0)
      return ByEnded(ended, pending, !IsZero(planned), v);
   if(dealt) // history shows them before their order
      return FOUND_TRACE;
   return Untraced(work.cmd, view, retcode, v);
  }

// What the terminal shows of a command, by what its operation leaves behind. `order`: where the answer named one.
ENUM_FINDING ByEvidence(const Work &work, const string order, const Seen &seen, const View &view, const long retcode, Verdict &v)
  {
   if(work.cmd.op == "MODIFY")
      return Modified(work.cmd, view, v);
   if(work.cmd.op == "CANCEL")
      return Cancelled(work.cmd, seen, view, v);
   return Traded(work, order, seen, view, retcode, v);
  }

// When "not found" is proof: after the in-flight window, on a settled terminal, twice.
struct Absence
  {
   long              until; // monotonic ms at which the in-flight window ends
   long              first; // when the first read that counts ended; NEVER

                     Absence(void)
     {
      until = 0;
      first = NEVER;
     }

   // One more read found nothing. `asked`: when it began; `synced_since`: since when the terminal is synced (R13).
   bool              Proves(const long asked, const long now, const long synced_since)
     {
      if(synced_since == NEVER || asked < synced_since + SETTLED_MS || asked < until)
        {
         first = NEVER;
         return false;
        }
      if(first == NEVER || first < synced_since)
        {
         first = now;
         return false;
        }
      return asked - first >= APART_MS;
     }
  };

// Broker time that history has to be read from.
long HistoryFrom(const Work &work)
  {
   return work.at - DAY_MS;
  }

#endif
