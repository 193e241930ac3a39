//+------------------------------------------------------------------+
//| Executions.mqh: the commands' life in the EA: taken, started     |
//| once, pursued until their end is known.                          |
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
#include <Kakehashi/Pen.mqh>

class CExecutions
  {
private:
   CPen             *m_pen;
   CMemory          *m_memory;
   CChecks          *m_checks;
   bool              m_netting;
   Held              m_held[];
   Pursuit           m_pursuits[];
   OpenQuery         m_queries[];
   Owed              m_owed[];
   long              m_exited; // when the terminal was read last before the last exit ended, on a netting account; NEVER
   long              m_looks;
   long              m_wall;
   CIndex            m_specs;
   bool              m_specified;

public:
   View              view;
   long              viewed;       // when it was read
   long              synced_since; // NEVER: not synced
   long              lease_ms;
   Look              looks[];      // to be made
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
      m_looks = 0;
      m_wall = 0;
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
     }

   int               InFlight(void) const
     {
      int count = ArraySize(m_held) + ArraySize(m_owed);
      for(int i = 0; i < ArraySize(m_pursuits); i++)
         if(!m_memory.works[m_pursuits[i].work].told)
            count++;
      return count;
     }

   // After a start: everything unfinished may have been sent, also an INTENT whose SENT was lost with the power.
   void              Start(const long now)
     {
      for(int i = 0; i < ArraySize(m_memory.works); i++)
        {
         Owe(i);
         if(!m_memory.works[i].final)
            Pursue(i, now, now);
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
      m_wall = wall;
      if(may_start && view.there && synced_since != NEVER)
         for(int i = ArraySize(m_owed) - 1; i >= 0; i--)
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
         bool sees = (view.there && synced_since != NEVER);
         int work = m_held[held].work;
         if(d.kind == DECIDED_NOTHING && may_start && sees && m_held[held].ep == m_memory.ep && Free(m_memory.works[work].cmd)
            && !Owes(m_memory.works[work].cmd))
           {
            Judge(work, d);
            if(d.kind == DECIDED_VERDICT && PerhapsNew(held, now))
               continue;
           }
         if(d.kind == DECIDED_PLAN)
            Begin(work, d.plan, now);
         else if(d.kind == DECIDED_VERDICT)
            Tell(work, d.verdict);
        }
      for(int i = 0; i < ArraySize(m_pursuits); i++)
         LookFor(i, now);
     }

   //--- pursuing

   // OrderSend returned; unless that settles it, evidence is looked for at once.
   void              TakeAnswer(const Answered &answer, const long now)
     {
      int work = m_memory.Find(answer.id), at = PursuitAt(work);
      if(at < 0 || m_memory.works[work].told)
         return;
      m_pursuits[at].next = now;
      if(answer.retcode < 0)
         return;
      m_pursuits[at].retcode = answer.retcode;
      m_pursuits[at].order = answer.order;
      m_pursuits[at].absence.until = m_pursuits[at].since + WindowMs(answer.retcode, false, 0);
      Verdict v;
      if(ByAnswer(m_memory.works[work], answer, v))
         Tell(work, v);
     }

   // The terminal said that something moved: a change or cancellation that was answered and is not explained yet is looked
   // at again now. What trades is told by its deals.
   void              Hasten(const long now)
     {
      for(int i = 0; i < ArraySize(m_pursuits); i++)
        {
         int work = m_pursuits[i].work;
         bool trades = (m_memory.works[work].cmd.op == "OPEN" || IsExit(m_memory.works[work].cmd.op));
         if(!trades && !m_memory.works[work].told && m_pursuits[i].retcode >= 0)
            m_pursuits[i].next = MathMin(m_pursuits[i].next, now);
        }
     }

   // What a look brought: the end, a step on the way, or one of the two reads that prove absence (R7).
   void              TakeSeen(const Seen &seen, const long now)
     {
      if(StringFind(seen.id, "query:") == 0)
        {
         Found(seen);
         return;
        }
      if(StringFind(seen.id, "fix:") == 0)
        {
         HearWhatWasOpened(seen, now);
         return;
        }
      int work = m_memory.Find(seen.id), at = PursuitAt(work);
      if(at < 0 || m_pursuits[at].asked == NEVER || m_pursuits[at].n != seen.n || !view.there)
         return;
      long asked = MathMin(m_pursuits[at].asked, viewed); // both parts of the evidence have to be as young
      m_pursuits[at].asked = NEVER;
      Verdict v;
      ENUM_FINDING finding = ByEvidence(m_memory.works[work], m_pursuits[at].order, seen, view, m_pursuits[at].retcode, v);
      if(finding == FOUND_VERDICT)
        {
         if(m_pursuits[at].order == "")
            m_pursuits[at].order = v.order;
         m_pursuits[at].absence.first = NEVER;
         Tell(work, v);
        }
      else if(finding == FOUND_TRACE)
         m_pursuits[at].absence.first = NEVER;
      else if(m_pursuits[at].absence.Proves(asked, now, synced_since))
        {
         Verdict absent;
         absent.st = "NOT_EXECUTED";
         absent.reason = "ABSENT";
         absent.retcode = m_pursuits[at].retcode;
         absent.order = m_pursuits[at].order;
         Tell(work, absent);
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
            int owner = OwnerOf(view.deals[i]);
            if(owner >= 0 && !m_memory.works[owner].final)
              {
               whole = false;
               int at = PursuitAt(owner);
               if(at >= 0 && m_pursuits[at].asked == NEVER) // its answer, with the retcode, comes in a moment
                  m_pursuits[at].next = MathMin(m_pursuits[at].next, (m_pursuits[at].retcode >= 0) ? now : now + ANSWER_SOON_MS);
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

   //--- answering the hub's questions

   // From the journal; what it does not know is looked for at the venue, as is why a position is gone (R8, R14).
   void              TakeQuery(const string id, const string position, const string magic)
     {
      DealRow none[];
      int work = (position != "") ? -1 : m_memory.Find(id);
      if(work >= 0)
        {
         Answer(id, position, magic, m_memory.State(work), m_memory.works[work].evt.deals, 0, false);
         return;
        }
      string wanted = (position != "") ? position : "0", tag = (position != "") ? "0" : magic;
      if(!view.there || !view.connected || !IsDigits(tag) || !IsDigits(wanted))
        {
         Answer(id, position, magic, "", none, 0, false);
         return;
        }
      int count = ArraySize(m_queries);
      ArrayResize(m_queries, count + 1);
      m_queries[count].look = "query:" + position + ":" + id;
      m_queries[count].id = id;
      m_queries[count].position = position;
      m_queries[count].magic = magic;
      m_queries[count].since = MathMax(view.broker_time - UNKNOWN_MS, 1);
      Ask(m_queries[count].look, tag, "", position, m_queries[count].since);
     }

private:
   int               HeldAt(const int work) const
     {
      for(int i = 0; i < ArraySize(m_held); i++)
         if(m_held[i].work == work)
            return i;
      return -1;
     }

   int               PursuitAt(const int work) const
     {
      if(work < 0)
         return -1;
      for(int i = 0; i < ArraySize(m_pursuits); i++)
         if(m_pursuits[i].work == work)
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
      if(IsExit(cmd.op) && viewed <= m_exited)
         return false;
      for(int i = 0; i < ArraySize(m_pursuits); i++)
         if(Conflict(cmd, m_memory.works[m_pursuits[i].work].cmd, m_netting))
            return false;
      return true;
     }

   // Whether an exit of the symbol has to be corrected first (R10).
   bool              Owes(const Cmd &cmd) const
     {
      for(int i = 0; i < ArraySize(m_owed); i++)
         if(Conflict(cmd, m_memory.works[m_owed[i].work].cmd, true))
            return true;
      return false;
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

   void              Judge(const int work, Decision &d) const
     {
      JudgeCommand(m_memory.works[work].cmd, d);
     }

   void              JudgeCommand(const Cmd &cmd, Decision &d) const
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
      Pursue(work, now + SETTLE_MS, now);
      last_id = id;
      last_word = "SENT";
     }

   //--- correcting (R10)

   void              Owe(const int work)
     {
      Owed due;
      if(!m_netting || !IsOwed(m_memory, work, due))
         return;
      int at = 0, count = ArraySize(m_owed);
      while(at < count && m_owed[at].work != work)
         at++;
      if(at == count)
         ArrayResize(m_owed, count + 1);
      m_owed[at] = due;
     }

   void              Forgive(const int at)
     {
      int last = ArraySize(m_owed) - 1;
      for(int i = at; i < last; i++)
         m_owed[i] = m_owed[i + 1];
      ArrayResize(m_owed, last);
     }

   // Takes back what an exit opened, as soon as it is known how much and the terminal shows it.
   void              Correct(const int at, const long now)
     {
      if(m_owed[at].next == NEVER)
         m_owed[at].next = now + m_owed[at].pause;
      if(now < m_owed[at].next)
         return;
      if(!m_owed[at].counted)
        {
         AskWhatWasOpened(at, now);
         return;
        }
      if(!Free(m_owed[at].cmd))
         return;
      if(m_owed[at].since == NEVER)
         m_owed[at].since = now;
      Decision d;
      JudgeCommand(m_owed[at].cmd, d);
      bool flat = (d.kind == DECIDED_VERDICT && d.verdict.st == "DONE");
      if(flat && now < m_owed[at].since + FIX_SHOWN_MS)
         return;
      // begun once before, perhaps, and the lines were lost with the power
      bool doubtful = (m_memory.works[m_owed[at].work].instance != m_memory.instance);
      Cmd cmd = m_owed[at].cmd;
      Forgive(at);
      int work = Intend(cmd);
      if(doubtful)
         Pursue(work, now, now + lease_ms);
      else if(d.kind == DECIDED_PLAN)
         Begin(work, d.plan, now);
      else
         Tell(work, d.verdict);
     }

   void              AskWhatWasOpened(const int at, const long now)
     {
      int work = m_owed[at].work, deal = OpeningDeal(m_memory.works[work].evt);
      if(deal < 0 || m_owed[at].looks >= FIX_LOOKS)
        {
         Forgive(at);
         return;
        }
      m_owed[at].looks++;
      m_owed[at].n = m_looks + 1;
      m_owed[at].next = now + ((m_owed[at].looks <= 3) ? LOOK_SOON_MS : LOOK_LATER_MS);
      Ask("fix:" + m_memory.works[work].cmd.id, "", "", m_memory.works[work].evt.deals[deal].position, 1);
     }

   void              HearWhatWasOpened(const Seen &seen, const long now)
     {
      for(int i = 0; i < ArraySize(m_owed); i++)
        {
         int work = m_owed[i].work, deal = OpeningDeal(m_memory.works[work].evt);
         if(m_owed[i].n != seen.n || deal < 0 || m_owed[i].counted)
            continue;
         long opened = OpenedUnits(m_memory.works[work].evt, seen.deals);
         if(opened <= 0)
            return;
         string side = m_memory.works[work].evt.deals[deal].side, position = m_memory.works[work].evt.deals[deal].position;
         CorrectionOf(m_memory, work, side, UnitsText(opened), position, m_owed[i].cmd);
         m_owed[i].counted = true;
         m_owed[i].next = now;
         return;
        }
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

   void              Pursue(const int work, const long first_look, const long since)
     {
      bool other = (m_memory.works[work].instance != m_memory.instance);
      int count = ArraySize(m_pursuits);
      ArrayResize(m_pursuits, count + 1, 64);
      m_pursuits[count].work = work;
      m_pursuits[count].since = since;
      m_pursuits[count].next = first_look;
      m_pursuits[count].absence.until = since + WindowMs(-1, other, lease_ms);
      m_pursuits[count].absence.first = NEVER;
      m_pursuits[count].retcode = -1;
      m_pursuits[count].order = m_memory.works[work].told ? m_memory.works[work].evt.order : "";
      m_pursuits[count].asked = NEVER;
      m_pursuits[count].n = 0;
      m_pursuits[count].row = "";
     }

   string            RowOf(const string order) const
     {
      for(int i = 0; i < ArraySize(view.orders); i++)
         if(view.orders[i].ticket == order)
            return OrderText(view.orders[i]);
      return "";
     }

   void              LookFor(const int at, const long now)
     {
      int work = m_pursuits[at].work;
      bool told = m_memory.works[work].told;
      if(told && view.there) // it works on: look when its row moves
        {
         string row = RowOf(m_pursuits[at].order);
         if(row != m_pursuits[at].row)
           {
            m_pursuits[at].row = row;
            m_pursuits[at].next = now;
           }
        }
      if(now < m_pursuits[at].next || !view.there || !view.connected)
         return;
      bool young = (now < m_pursuits[at].since + IN_FLIGHT_MS);
      long pause = told ? LOOK_WORKING_MS : young ? LOOK_SOON_MS : LOOK_LATER_MS;
      m_pursuits[at].asked = now;
      m_pursuits[at].n = m_looks + 1;
      m_pursuits[at].next = now + pause;
      bool cancel = (m_memory.works[work].cmd.op == "CANCEL");
      string ticket = cancel ? m_memory.works[work].cmd.target : m_pursuits[at].order;
      Ask(m_memory.works[work].cmd.id, m_memory.works[work].cmd.magic, ticket, "", HistoryFrom(m_memory.works[work]));
     }

   void              Ask(const string id, const string magic, const string order, const string position, const long since)
     {
      m_looks++;
      int count = ArraySize(looks);
      ArrayResize(looks, count + 1, 16);
      looks[count].id = id;
      looks[count].n = m_looks;
      looks[count].magic = magic;
      looks[count].order = order;
      looks[count].position = position;
      looks[count].since = MathMax(since, 0);
     }

   //--- telling

   // Result and outbox row in one line; the link sends the outbox.
   void              Tell(const int work, const Verdict &v)
     {
      Evt old = m_memory.works[work].evt;
      bool told = m_memory.works[work].told;
      string volume = DealVolume(v.deals);
      last_id = m_memory.works[work].cmd.id;
      last_word = v.st + ((v.reason != "") ? " " + v.reason : "");
      if(!told || v.final || old.st != v.st || !SameAmount(old.vol, volume))
        {
         Evt evt;
         int from = TellSurplus(v.deals);
         bool numbered = (m_memory.works[work].cmd.seq > 0);
         evt.n = numbered ? m_memory.evt_hi + 1 : 0;
         evt.id = m_memory.works[work].cmd.id;
         evt.j = m_memory.line + 1;
         evt.st = v.st;
         evt.retcode = v.retcode;
         evt.order = v.order;
         for(int i = from; i < ArraySize(v.deals); i++)
            AddDeal(evt.deals, v.deals[i]);
         evt.vol = volume;
         evt.price = (Units(volume) > 0) ? DealPrice(v.deals) : "";
         evt.reason = v.reason;
         m_pen.Note(ToldNote(evt, v.final, m_wall));
        }
      if(v.final)
        {
         if(m_netting && IsExit(m_memory.works[work].cmd.op) && PursuitAt(work) >= 0)
            m_exited = viewed;
         Release(work);
         Drop(work);
         Owe(work);
        }
     }

   // More deals than a frame holds go ahead of the result, as deals. Returns where the result's own begin.
   int               TellSurplus(const DealRow &deals[])
     {
      int surplus = MathMax(0, ArraySize(deals) - FRAME_DEALS);
      Evt evt;
      for(int i = 0; i < surplus; i++)
        {
         if(!m_memory.WasTold(deals[i].ticket))
            AddDeal(evt.deals, deals[i]);
         bool full = (ArraySize(evt.deals) == FRAME_DEALS || i == surplus - 1);
         if(!full || ArraySize(evt.deals) == 0)
            continue;
         NoteDeals(evt);
         ArrayResize(evt.deals, 0);
        }
      return surplus;
     }

   void              NoteDeals(Evt &evt)
     {
      evt.n = m_memory.evt_hi + 1;
      evt.j = m_memory.line + 1;
      evt.st = "DEAL";
      evt.order = evt.deals[0].order;
      evt.vol = DealVolume(evt.deals);
      m_pen.Note(ToldNote(evt, true, m_wall));
     }

   void              Drop(const int work)
     {
      int at = PursuitAt(work), last = ArraySize(m_pursuits) - 1;
      if(at < 0)
         return;
      for(int i = at; i < last; i++)
         m_pursuits[i] = m_pursuits[i + 1];
      ArrayResize(m_pursuits, last, 64);
     }

   int               OwnerOf(const DealRow &deal) const
     {
      for(int i = 0; i < ArraySize(m_pursuits); i++)
         if(m_pursuits[i].order != "" && deal.order == m_pursuits[i].order)
            return m_pursuits[i].work;
      int work = m_memory.FindMagic(deal.magic);
      return (work >= 0 && IsOurDeal(m_memory.works[work].cmd, "", deal)) ? work : -1;
     }

   // By itself; only what was called NOT_EXECUTED is corrected by it, the one change of an ended command.
   void              TellDeal(const DealRow &deal, const int owner)
     {
      if(owner >= 0 && m_memory.works[owner].told && m_memory.works[owner].evt.n > 0
         && m_memory.works[owner].evt.st == "NOT_EXECUTED")
        {
         Verdict late;
         late.st = "FILLED";
         late.reason = "LATE";
         late.order = deal.order;
         CopyDeals(m_memory.works[owner].evt.deals, late.deals);
         AddDeal(late.deals, deal);
         Tell(owner, late);
         return;
        }
      Evt evt;
      AddDeal(evt.deals, deal);
      NoteDeals(evt);
     }

   void              Found(const Seen &seen)
     {
      for(int q = 0; q < ArraySize(m_queries); q++)
        {
         if(m_queries[q].look != seen.id)
            continue;
         OpenQuery query = m_queries[q];
         int last = ArraySize(m_queries) - 1;
         for(int i = q; i < last; i++)
            m_queries[i] = m_queries[i + 1];
         ArrayResize(m_queries, last);
         DealRow found[];
         for(int i = 0; i < ArraySize(seen.deals); i++)
            if(query.position != "" || (seen.deals[i].magic == query.magic && !IsServers(seen.deals[i].reason)))
               AddDeal(found, seen.deals[i]);
         bool working = false;
         for(int i = 0; i < ArraySize(seen.working); i++)
            working = working || seen.working[i].magic == query.magic;
         Answer(query.id, query.position, query.magic, "", found, query.since, working);
         return;
        }
     }

   // In frames that fit: only the last one counts as a read of history.
   void              Answer(const string id, const string position, const string magic, const string jst,
                            const DealRow &found[], const long since, const bool working)
     {
      int count = ArraySize(found), from = 0;
      while(count - from > FRAME_DEALS)
        {
         m_pen.Say(QresText(id, position, magic, "", DealsText(found, from, FRAME_DEALS), false, 0, false));
         from += FRAME_DEALS;
        }
      m_pen.Say(QresText(id, position, magic, jst, DealsText(found, from, count - from), synced_since != NEVER, since,
                         working));
     }
  };

#endif
