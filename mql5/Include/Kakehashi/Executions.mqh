//+------------------------------------------------------------------+
//| Executions.mqh: the commands' life in the EA: taken, started     |
//| once, pursued until their end is known and told.                 |
//|                                                                  |
//| CMD -> INTENT -> (held: no lease, not synced, target busy)       |
//|     -> SENT -> answer or evidence -> result                      |
//|     -> EXPIRED, REJECTED, NOT_EXECUTED, DONE: nothing was sent   |
//|                                                                  |
//| There is one way to OrderSend, Begin: the line SENT is its first |
//| act, and no command has two (R2, R3, R7, R9, R10, R17, R19, R22).|
//| An exit that opened something is followed by a correction.       |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_EXECUTIONS_MQH
#define KAKEHASHI_EXECUTIONS_MQH

#include <Kakehashi/Checks.mqh>
#include <Kakehashi/Corrections.mqh>
#include <Kakehashi/Pursuits.mqh>
#include <Kakehashi/Queries.mqh>
#include <Kakehashi/Results.mqh>

// SENT without an answer for this long is looked for.
#define SETTLE_MS 5000
// How long an exit waits for its target to appear: a deal is often told before the terminal has its position.
#define UNSEEN_MS 5000

// A command not started yet. `born`: monotonic ms at which it was zero old (R9); `unseen`: since when its target is not
// shown, NEVER: it was, or nobody looked.
struct Held
  {
   int               work;
   long              seq;
   long              ep;
   long              born;
   long              unseen;

                     Held(void)
     {
      work = 0;
      seq = 0;
      ep = 0;
      born = 0;
      unseen = NEVER;
     }
  };

class CExecutions
  {
private:
   CPen             *m_pen;
   CMemory          *m_memory;
   CChecks          *m_checks;
   bool              m_netting;
   Held              m_held[];
   CPursuits         m_pursuits;
   CQueries          m_queries;
   CDebts            m_debts;
   CResults          m_results;
   long              m_exited; // when the terminal was read last before the last exit ended, on a netting account; NEVER
   CIndex            m_specs;
   bool              m_specified;

public:
   View              view;
   long              viewed;       // when it was read
   long              synced_since; // NEVER: not synced
   long              lease_ms;
   CLooks            looks;
   Trade             trades[];     // to be sent
   string            last_id;      // for the panel
   string            last_word;

                     CExecutions(void)
     {
      m_pen = NULL;
      m_memory = NULL;
      m_checks = NULL;
      m_netting = false;
      m_exited = NEVER;
      m_specified = false;
      viewed = 0;
      last_id = "";
      last_word = "";
      synced_since = NEVER;
      lease_ms = 15000;
     }

   void              Init(CPen *hand, CMemory *mind, CChecks *rules, const bool netting)
     {
      m_pen = hand;
      m_memory = mind;
      m_checks = rules;
      m_netting = netting;
      m_results.Init(hand, mind);
      m_debts.Init(mind, GetPointer(looks));
      m_pursuits.Init(mind, GetPointer(looks));
      m_queries.Init(hand, mind, GetPointer(looks));
     }

   int               InFlight(void) const
     {
      return ArraySize(m_held) + ArraySize(m_debts.rows) + m_pursuits.Untold();
     }

   // After a start: everything unfinished may have been sent, also an INTENT whose SENT was lost with the power.
   void              Start(const long now)
     {
      for(int i = 0; i < ArraySize(m_memory.works); i++)
        {
         if(m_netting)
            m_debts.Owe(i);
         if(!m_memory.works[i].final)
            m_pursuits.Begin(i, now, now, lease_ms);
        }
     }

   // The symbols that have a specification.
   void              Specify(const SymbolRow &rows[])
     {
      m_specs.Clear();
      m_specified = (ArraySize(rows) > 0);
      for(int i = 0; i < ArraySize(rows); i++)
         m_specs.Put(rows[i].symbol, i);
     }

   //--- taking

   // A CMD of the right epoch: INTENT, then ACK. A known id is answered from memory, never executed again (R3).
   // Returns its place in the memory; -1: it was refused.
   int               TakeCommand(const Cmd &cmd, const long born)
     {
      int work = m_memory.Find(cmd.id);
      if(work >= 0 && !SameContent(m_memory.works[work].cmd, cmd))
        {
         m_pen.Say(ErrText("SAME_ID", cmd.id + " is known with other content"));
         return -1;
        }
      if(work < 0 && cmd.seq <= m_memory.forgotten)
        {
         m_pen.Say(ErrText("SAME_ID", cmd.id + " is older than what the journal remembers"));
         return -1;
        }
      int held = HeldAt(work);
      if(work < 0)
        {
         work = Intend(cmd);
         int count = ArraySize(m_held);
         ArrayResize(m_held, count + 1, 64);
         m_held[count].work = work;
         m_held[count].seq = cmd.seq;
         m_held[count].ep = cmd.ep;
         m_held[count].born = born;
         m_held[count].unseen = NEVER;
        }
      else if(held >= 0) // stamped anew: the age only grows
        {
         m_held[held].ep = cmd.ep;
         m_held[held].born = MathMin(born, m_held[held].born);
        }
      m_pen.Say(AckText(cmd.id, m_memory.works[work].j));
      return work;
     }

   // HALT: our pending orders go; each by a command of our own (R21).
   void              CancelPending(const long gen, const long now)
     {
      if(!view.there)
         return;
      for(int i = 0; i < ArraySize(view.orders); i++)
        {
         if(!m_memory.IsOurs(view.orders[i].magic))
            continue;
         Cmd cmd;
         cmd.id = "halt-" + IntegerToString(gen) + "-" + view.orders[i].ticket;
         cmd.op = "CANCEL";
         cmd.sym = view.orders[i].symbol;
         cmd.magic = "0";
         cmd.target = view.orders[i].ticket;
         Decision d;
         long retcode = -1;
         DecideCommand(d, cmd, view, false, true);
         if(m_memory.Find(cmd.id) < 0 && d.kind == DECIDED_PLAN && m_checks.Refuse(d.plan, retcode) == "")
            Begin(Intend(cmd), d.plan, now);
        }
     }

   // What waits to be started is older than the timer says.
   void              Age(const long ms)
     {
      for(int i = 0; i < ArraySize(m_held); i++)
         m_held[i].born -= ms;
     }

   // What was acked and not started never will be (R5).
   void              LeaseLost(void)
     {
      while(ArraySize(m_held) > 0)
        {
         Verdict v;
         v.st = "NOT_EXECUTED";
         v.reason = "LEASE";
         Tell(m_held[0].work, v);
        }
     }

   //--- starting

   // Starts what may start, looks for what is due. `may_start`: the lease holds and the clocks can be trusted (R5, R9).
   void              Turn(const bool may_start, const long now, const long wall)
     {
      m_results.wall = wall;
      bool sees = (view.there && synced_since != NEVER);
      if(may_start && sees)
         for(int i = ArraySize(m_debts.rows) - 1; i >= 0; i--)
            Correct(i, now);
      int order[];
      SortHeld(order);
      for(int k = 0; k < ArraySize(order); k++)
        {
         int held = HeldAt(order[k]);
         Decision d;
         if(held < 0)
            continue;
         Before(held, now, d);
         int work = m_held[held].work;
         if(d.kind == DECIDED_NOTHING && may_start && sees && m_held[held].ep == m_memory.ep && Free(m_memory.works[work].cmd)
            && !m_debts.Hinder(m_memory.works[work].cmd))
           {
            Judge(m_memory.works[work].cmd, d);
            if(d.kind == DECIDED_VERDICT && PerhapsNew(held, now))
               continue;
           }
         if(d.kind == DECIDED_PLAN)
            Begin(work, d.plan, now);
         else if(d.kind == DECIDED_VERDICT)
            Tell(work, d.verdict);
        }
      m_pursuits.LookForAll(view, now);
     }

   //--- pursuing

   void              TakeAnswer(const Answered &answer, const long now)
     {
      Verdict v;
      int work = m_pursuits.TakeAnswer(answer, now, v);
      if(work >= 0)
         Tell(work, v);
     }

   void              Hasten(const long now) { m_pursuits.Hasten(now); }

   void              TakeSeen(const Seen &seen, const long now)
     {
      if(StringFind(seen.id, "query:") == 0)
         m_queries.Found(seen, synced_since != NEVER);
      else if(StringFind(seen.id, "fix:") == 0)
         m_debts.Hear(seen, now);
      else
        {
         Verdict v;
         int work = m_pursuits.TakeSeen(seen, view, viewed, now, synced_since, v);
         if(work >= 0)
            Tell(work, v);
        }
     }

   // Each deal once, by its ticket; those of an unfinished command come with its result (R22). In order of tickets.
   void              TakeDeals(const long now)
     {
      string high = m_memory.deal_hi;
      bool whole = true;
      for(int i = 0; i < ArraySize(view.deals); i++)
        {
         string ticket = view.deals[i].ticket;
         if(m_memory.deal_hi != "" && !TicketBelow(m_memory.deal_hi, ticket))
            continue;
         if(!m_memory.WasTold(ticket))
           {
            int owner = m_pursuits.OwnerOf(view.deals[i]);
            if(owner >= 0 && !m_memory.works[owner].final)
              {
               whole = false;
               m_pursuits.Dealt(owner, now);
               continue;
              }
            TellDeal(view.deals[i], owner);
           }
         if(whole)
            high = ticket;
        }
      if(high != m_memory.deal_hi)
         m_pen.Note(DealsNote(high, 0));
     }

   void              TakeQuery(const string id, const string position, const string magic)
     {
      m_queries.Take(id, position, magic, view, synced_since != NEVER);
     }

private:
   int               HeldAt(const int work) const
     {
      for(int i = 0; i < ArraySize(m_held); i++)
         if(m_held[i].work == work)
            return i;
      return -1;
     }

   // The held commands' works, by number.
   void              SortHeld(int &order[]) const
     {
      int count = ArraySize(m_held);
      ArrayResize(order, count);
      for(int i = 0; i < count; i++)
        {
         int at = i;
         while(at > 0 && m_memory.works[order[at - 1]].cmd.seq > m_held[i].seq)
           {
            order[at] = order[at - 1];
            at--;
           }
         order[at] = m_held[i].work;
        }
     }

   int               Intend(const Cmd &cmd)
     {
      m_pen.Note(IntentNote(cmd, view.broker_time));
      return m_memory.Find(cmd.id);
     }

   void              Before(const int held, const long now, Decision &d) const
     {
      int work = m_held[held].work;
      long ttl = m_memory.works[work].cmd.ttl_ms;
      bool entry = IsEntry(m_memory.works[work].cmd.op);
      if(ttl > 0 && now - m_held[held].born > ttl)
         Decide(d, "EXPIRED", "TTL", -1);
      else if(m_held[held].seq < m_memory.Started(m_memory.works[work].cmd.target))
         Reject(d, "SUPERSEDED");
      else if(entry && m_memory.control.halted)
         Reject(d, "HALTED");
      else if(entry && m_memory.Outstanding() >= OUTBOX_CAP)
         Reject(d, "OUTBOX_FULL");
     }

   // At most one unfinished command per target, and one live exit per symbol on netting (R19, R10): none is judged by what
   // the terminal showed before the last one ended.
   bool              Free(const Cmd &cmd) const
     {
      return !(IsExit(cmd.op) && viewed <= m_exited) && !m_pursuits.Hinder(cmd, m_netting);
     }

   // Whether what it means may only not be shown yet. It has some seconds to appear; then it is gone.
   bool              PerhapsNew(const int held, const long now)
     {
      int work = m_held[held].work;
      bool exit = IsExit(m_memory.works[work].cmd.op);
      string side = exit ? StringSubstr(m_memory.works[work].cmd.side, 0, 1) : "";
      if(IsEntry(m_memory.works[work].cmd.op) || Shows(m_memory.works[work].cmd.target, side))
         return false;
      if(m_held[held].unseen == NEVER)
         m_held[held].unseen = now;
      return now < m_held[held].unseen + UNSEEN_MS;
     }

   // Whether the terminal has a position or an order of this name. A netting reversal keeps a position's name and changes
   // its side; empty: either.
   bool              Shows(const string target, const string side) const
     {
      for(int i = 0; i < ArraySize(view.positions); i++)
         if(IdentOf(view.positions[i]) == target && (side == "" || view.positions[i].side == side))
            return true;
      for(int i = 0; i < ArraySize(view.orders); i++)
         if(view.orders[i].ticket == target)
            return true;
      return false;
     }

   // What it means now, as far as the account allows it.
   void              Judge(const Cmd &cmd, Decision &d) const
     {
      DecideCommand(d, cmd, view, m_memory.control.halted, !m_specified || m_specs.Find(cmd.sym) >= 0);
      if(d.kind != DECIDED_PLAN)
         return;
      long retcode = -1;
      string reason = m_checks.Refuse(d.plan, retcode);
      if(reason != "")
         Decide(d, "REJECTED", reason, retcode);
     }

   // SENT on disk, then the call (R2).
   void              Begin(const int work, const Plan &plan, const long now)
     {
      string id = m_memory.works[work].cmd.id;
      Release(work);
      m_pen.Note(SentNote(id, plan.volume, (plan.position != "") ? plan.position : plan.order));
      int count = ArraySize(trades);
      ArrayResize(trades, count + 1);
      trades[count].id = id;
      trades[count].plan = plan;
      m_pursuits.Begin(work, now + SETTLE_MS, now, lease_ms);
      last_id = id;
      last_word = "SENT";
     }

   // Takes back what an exit opened, as soon as it is known how much and the terminal shows it (R10).
   void              Correct(const int at, const long now)
     {
      if(m_debts.rows[at].next == NEVER)
         m_debts.rows[at].next = now + m_debts.rows[at].pause;
      if(now < m_debts.rows[at].next)
         return;
      if(!m_debts.rows[at].counted)
        {
         m_debts.Ask(at, now);
         return;
        }
      if(!Free(m_debts.rows[at].cmd))
         return;
      if(m_debts.rows[at].since == NEVER)
         m_debts.rows[at].since = now;
      Decision d;
      Judge(m_debts.rows[at].cmd, d);
      bool flat = (d.kind == DECIDED_VERDICT && d.verdict.st == "DONE");
      if(flat && now < m_debts.rows[at].since + FIX_SHOWN_MS)
         return;
      // begun once before, perhaps, and the lines were lost with the power
      bool doubtful = (m_memory.works[m_debts.rows[at].work].instance != m_memory.instance);
      Cmd cmd = m_debts.rows[at].cmd;
      m_debts.Forgive(at);
      int work = Intend(cmd);
      if(doubtful)
         m_pursuits.Begin(work, now, now + lease_ms, lease_ms);
      else if(d.kind == DECIDED_PLAN)
         Begin(work, d.plan, now);
      else
         Tell(work, d.verdict);
     }

   void              Release(const int work)
     {
      int at = HeldAt(work), last = ArraySize(m_held) - 1;
      if(at < 0)
         return;
      for(int i = at; i < last; i++)
         m_held[i] = m_held[i + 1];
      ArrayResize(m_held, last, 64);
     }

   //--- telling

   void              Tell(const int work, const Verdict &v)
     {
      last_id = m_memory.works[work].cmd.id;
      last_word = v.st + ((v.reason != "") ? " " + v.reason : "");
      m_results.Write(work, v);
      if(!v.final)
         return;
      if(m_netting && IsExit(m_memory.works[work].cmd.op) && m_pursuits.At(work) >= 0)
         m_exited = viewed;
      Release(work);
      m_pursuits.Drop(work);
      if(m_netting)
         m_debts.Owe(work);
     }

   // By itself; only what was called NOT_EXECUTED is corrected by it, the one change of an ended command.
   void              TellDeal(const DealRow &deal, const int owner)
     {
      if(owner < 0 || !m_memory.works[owner].told || m_memory.works[owner].evt.n <= 0
         || m_memory.works[owner].evt.st != "NOT_EXECUTED")
        {
         m_results.WriteDeal(deal);
         return;
        }
      Verdict late;
      late.st = "FILLED";
      late.reason = "LATE";
      late.order = deal.order;
      CopyDeals(m_memory.works[owner].evt.deals, late.deals);
      AddDeal(late.deals, deal);
      Tell(owner, late);
     }
  };

#endif
