//+------------------------------------------------------------------+
//| Link.mqh: the session with the hub: connection, identity,        |
//| heartbeat, commands, state (R4, R5, R9, R20, R21).               |
//|                                                                  |
//| What happened is brought in by the Take... methods, each with the|
//| monotonic and the wall clock; what is to be done about it comes  |
//| out in `pen.frames`, `acts.trades`, `acts.looks` and `drop`, and |
//| is carried out before the next event is brought in. Notes are on |
//| disk by then.                                                    |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_LINK_MQH
#define KAKEHASHI_LINK_MQH

#include <Kakehashi/Executions.mqh>
#include <Kakehashi/Hello.mqh>
#include <Kakehashi/Lease.mqh>
#include <Kakehashi/Mirror.mqh>
#include <Kakehashi/Outbox.mqh>
#include <Kakehashi/Packer.mqh>

#define HELLO_MS 5000
#define AFTER_CHANGE_MS 500
#define RETRY_LEAST_MS 250
#define RETRY_MOST_MS 5000

enum ENUM_PHASE
  {
   PHASE_DOWN,
   PHASE_GREETING, // HELLO is out
   PHASE_UP
  };

class CLink
  {
private:
   Identity          m_who;
   string            m_token;
   CMemory          *m_mind;
   CSynced           m_synced;
   CLease            m_lease;
   bool              m_renew;
   long              m_hb_ms;
   long              m_dead_ms;
   long              m_heard;
   bool              m_snap_asked;
   COutbox           m_outbox;
   long              m_n;
   long              m_beat_at;
   long              m_changed;
   long              m_retry_ms;
   string            m_syms[]; // SYMS as they were read last

public:
   CPen              pen;
   CExecutions       acts;
   CMirror           mirror;
   ENUM_PHASE        phase;
   string            drop;     // close the connection, for this reason; empty: keep it
   long              wait_ms;  // when to connect again, before jitter
   bool              watch;    // the symbols whose quotes are wanted changed

                     CLink(void)
     {
      m_mind = NULL;
      m_token = "";
      drop = "";
      phase = PHASE_DOWN;
      m_renew = false;
      m_hb_ms = 5000;
      m_dead_ms = 12000;
      m_heard = 0;
      m_snap_asked = false;
      m_n = 0;
      m_beat_at = NEVER;
      m_changed = NEVER;
      m_retry_ms = RETRY_LEAST_MS;
      wait_ms = RETRY_LEAST_MS;
      watch = false;
     }

   void              Init(const Identity &who, const string token, CJournal *book, CMemory *mind, CChecks *rules)
     {
      m_who = who;
      m_token = token;
      m_mind = mind;
      m_renew = !mind.clean;
      m_synced.Home(who.account, who.server);
      pen.Take(book);
      m_outbox.Init(GetPointer(pen), mind);
      acts.Init(GetPointer(pen), mind, rules, who.netting);
     }

   bool              Synced(void) const { return m_synced.since != NEVER; }
   bool              MayStart(void) const { return m_lease.MayStart(); }

   //--- the shell's side. `fresh`: a random id, taken as the instance if the journal cannot vouch for the old one (R2)

   void              TakeStart(const string fresh, const long now, const long wall)
     {
      Clocks(now, wall);
      Boot(fresh);
      acts.Start(now);
      watch = (ArraySize(m_mind.control.symbols) > 0);
     }

   void              TakeConnected(const string fresh, const long now, const long wall)
     {
      Clocks(now, wall);
      if(m_renew)
        {
         Boot(fresh);
         mirror.Forget();
        }
      phase = PHASE_GREETING;
      m_lease.greeted = now;
      m_heard = now;
      drop = "";
      pen.up = true;
      pen.Say(HelloText(m_who, m_token, m_mind, acts.view.broker_time));
      pen.up = false;
      Turn(now, wall);
     }

   void              TakeDisconnected(const long now, const long wall)
     {
      Clocks(now, wall);
      Down();
      Turn(now, wall);
     }

   // BYE is a planned stop; CLEAN the last line, so that the next start may keep the instance.
   void              TakeStopping(const long now, const long wall)
     {
      Clocks(now, wall);
      acts.LeaseLost();
      if(phase == PHASE_UP)
         m_outbox.Tell(now);
      pen.Say(ByeText("STOP"));
      pen.Note(CleanNote());
      phase = PHASE_DOWN;
      pen.up = false;
     }

   // The terminal was read into acts.view.
   void              TakeRead(const long now, const long wall)
     {
      Clocks(now, wall);
      bool was_synced = Synced();
      m_synced.Read(acts.view, now);
      if(was_synced && !Synced())
         m_beat_at = NEVER; // the hub calls the mirror fresh until it hears otherwise
      acts.viewed = now;
      acts.synced_since = m_synced.since;
      if(acts.view.connected)
        {
         if(m_mind.deal_hi == "" && m_mind.deals_since == 0 && acts.view.broker_time > 0)
            pen.Note(DealsNote("0", MathMax(1, acts.view.broker_time - DAY_MS)));
         acts.TakeDeals(now);
        }
      Turn(now, wall);
     }

   // All specifications, read at start and on change; SYMS in frames that fit.
   void              TakeSymbols(const SymbolRow &rows[], const long now, const long wall)
     {
      Clocks(now, wall);
      CPacker packer;
      string frames[];
      for(int i = 0; i < ArraySize(rows); i++)
         packer.Add(SymbolText(rows[i]));
      packer.Close();
      for(int i = 0; i < ArraySize(packer.lists); i++)
         AddText(frames, SymsText(packer.lists[i]));
      if(ArraySize(frames) == 0)
         AddText(frames, SymsText(""));
      acts.Specify(rows);
      bool changed = (ArraySize(frames) != ArraySize(m_syms));
      for(int i = 0; !changed && i < ArraySize(frames); i++)
         changed = (frames[i] != m_syms[i]);
      ArrayResize(m_syms, ArraySize(frames));
      for(int i = 0; i < ArraySize(frames); i++)
        {
         m_syms[i] = frames[i];
         if(changed)
            pen.Say(frames[i]);
        }
      Turn(now, wall);
     }

   // The newest quotes of the watched symbols, in frames that fit. Latest wins: nothing is kept.
   void              TakeQuotes(const QuoteRow &rows[], const long now, const long wall)
     {
      Clocks(now, wall);
      CPacker packer;
      for(int i = 0; i < ArraySize(rows); i++)
         packer.Add(QuoteText(rows[i]));
      packer.Close();
      for(int i = 0; i < ArraySize(packer.lists); i++)
         pen.Say(PriceText(packer.lists[i]));
      Turn(now, wall);
     }

   void              TakeAnswered(const Answered &answer, const long now, const long wall)
     {
      Clocks(now, wall);
      acts.TakeAnswer(answer, now);
      Turn(now, wall);
     }

   void              TakeSeen(const Seen &seen, const long now, const long wall)
     {
      Clocks(now, wall);
      acts.TakeSeen(seen, now);
      Turn(now, wall);
     }

   // The hub sent what is no frame.
   void              TakeGarbled(const string code, const long now, const long wall)
     {
      Clocks(now, wall);
      pen.Say(ErrText(code, ""));
      Turn(now, wall);
     }

   // Nothing but time. At least every 250 ms: a longer silence than 1 s is a gap (R9).
   void              TakeTime(const long now, const long wall)
     {
      Clocks(now, wall);
      Turn(now, wall);
     }

   //--- the hub's side

   void              TakeFrame(const FromHub &frame, const long now, const long wall)
     {
      Clocks(now, wall);
      if(phase != PHASE_DOWN)
        {
         m_heard = now;
         if(frame.t == "WELCOME")
            Welcome(frame);
         else if(frame.t == "REFUSE")
           {
            m_renew = m_renew || frame.reason == "JOURNAL_BACK" || frame.reason == "INSTANCE_CLONED";
            Leave(frame.reason, frame.retry_ms);
           }
         else if(frame.t == "TEST" && !frame.re)
            pen.Say(TestText(frame.id, true));
         else if(frame.t == "BYE")
            Leave("BYE", 0);
         else if(phase == PHASE_UP)
            InSession(frame, now);
        }
      Turn(now, wall);
     }

private:
   // A boot number of its own; after anything but a clean stop a new instance too (R2).
   void              Boot(const string fresh)
     {
      string instance = m_renew ? fresh : m_mind.instance;
      string prev = m_renew ? m_mind.holder : m_mind.prev;
      m_renew = false;
      pen.Note(BootNote(instance, prev, m_mind.boot + 1));
     }

   void              Down(void)
     {
      phase = PHASE_DOWN;
      pen.up = false;
      m_retry_ms = MathMin(m_retry_ms * 2, RETRY_MOST_MS);
      wait_ms = m_retry_ms;
      if(!m_lease.Runs()) // no heartbeat of ours was ever answered: what was acked has no lease to wait for
         acts.LeaseLost();
     }

   // `wait`: 0: as ever.
   void              Leave(const string reason, const long wait)
     {
      drop = reason;
      long pause = (wait > 0) ? wait : m_retry_ms;
      Down();
      wait_ms = pause;
     }

   // The lease is offered; it begins with the first answered heartbeat (R5). Both outboxes are told at once (R4).
   void              Welcome(const FromHub &frame)
     {
      pen.up = true;
      if(frame.ep < m_mind.ep) // a hub put back from an old copy (R20)
        {
         pen.Say(ErrText("EPOCH_BACK", "epoch " + IntegerToString(frame.ep) + " is below " + IntegerToString(m_mind.ep)));
         Leave("EPOCH_BACK", RETRY_MOST_MS);
         return;
        }
      if(frame.ep > m_mind.ep)
        {
         acts.LeaseLost();
         m_lease.End();
         pen.Note(EpochNote(frame.ep));
        }
      phase = PHASE_UP;
      m_lease.ms = frame.lease_ms;
      m_hb_ms = frame.hb_ms;
      m_dead_ms = frame.dead_ms;
      m_retry_ms = RETRY_LEAST_MS;
      acts.lease_ms = frame.lease_ms;
      m_outbox.Begin();
      m_outbox.Acked(frame.evt_ack);
      m_beat_at = NEVER;
      m_snap_asked = true;
      for(int i = 0; i < ArraySize(m_syms); i++)
         pen.Say(m_syms[i]);
      watch = (ArraySize(m_mind.control.symbols) > 0);
     }

   void              InSession(const FromHub &frame, const long now)
     {
      if(frame.t == "HBA")
         BeatAnswered(frame);
      else if(frame.t == "CMD")
         Command(frame.cmd, now);
      else if(frame.t == "EVTA")
         m_outbox.Acked(frame.n);
      else if(frame.t == "RESEND")
         m_outbox.TellAgain(frame.start);
      else if(frame.t == "QUERY")
         acts.TakeQuery(frame.id, frame.position, frame.magic);
      else if(frame.t == "REQ_SNAP")
         m_snap_asked = true;
      else if(frame.t == "HALT" || frame.t == "RESUME" || frame.t == "SET")
         TakeControl(frame, now);
     }

   // Only under the epoch we hold, and only if its age can be told (R5, R9).
   void              Command(const Cmd &cmd, const long now)
     {
      long sent = m_lease.SentAt(cmd.hn);
      string ep = IntegerToString(cmd.ep), ours = IntegerToString(m_mind.ep);
      bool numbers = IsDigits(cmd.magic) && (cmd.target == "" || IsDigits(cmd.target)) && cmd.seq > 0;
      if(cmd.ep != m_mind.ep)
         pen.Say(ErrText("EPOCH", cmd.id + " is of epoch " + ep + ", ours is " + ours));
      else if(sent == NEVER)
         pen.Say(ErrText("STAMP", cmd.id + " counts from heartbeat " + IntegerToString(cmd.hn) + ", which is not known"));
      else if(!numbers)
         pen.Say(ErrText("BAD_FRAME", cmd.id + ": magic and target are numbers, seq is positive"));
      else
        {
         long age = MathMax(cmd.age_ms + (now - sent) - cmd.hn_ago_ms, cmd.age_ms);
         int work = acts.TakeCommand(cmd, now - age);
         if(work >= 0 && m_mind.works[work].told) // told again, by the outbox's rules
           {
            long n = m_mind.works[work].evt.n;
            m_outbox.Unsay(n);
            if(m_mind.IsAcked(n))
               pen.Say(EvtText(m_mind.works[work].evt));
           }
        }
     }

   // A growing gen; an equal or lower one changes nothing. HB's echo ends the hub's resending (R21).
   void              TakeControl(const FromHub &frame, const long now)
     {
      m_changed = now;
      if(frame.gen <= m_mind.control.gen)
         return;
      bool set = (frame.t == "SET"), cancel = set ? frame.cancel_pending : m_mind.control.cancel_pending;
      bool halted = set ? m_mind.control.halted : (frame.t == "HALT");
      if(set)
         pen.Note(ControlNote(frame.gen, halted, cancel, frame.symbols));
      else
         pen.Note(ControlNote(frame.gen, halted, cancel, m_mind.control.symbols));
      if(frame.t == "HALT" && cancel)
         acts.CancelPending(frame.gen, now);
      watch = watch || set;
     }

   // What is seen before and after a pause is not told apart: the picture has to settle again.
   void              Clocks(const long now, const long wall)
     {
      Pause pause;
      m_lease.Read(now, wall, pause);
      if(pause.gap)
         m_beat_at = NEVER;
      acts.Age(pause.older);
      if(pause.slept)
        {
         m_synced.Broken();
         acts.synced_since = NEVER;
        }
     }

   void              BeatAnswered(const FromHub &frame)
     {
      m_outbox.Acked(frame.evt_ack);
      if(frame.ep == m_mind.ep)
         m_lease.BeatAnswered(frame.n);
     }

   //--- what is due

   void              Turn(const long now, const long wall)
     {
      CheckPeer(now);
      if(m_lease.IsOver(now))
        {
         m_lease.End();
         acts.LeaseLost();
        }
      acts.Turn(MayStart(), now, wall);
      if(phase != PHASE_UP)
         return;
      Beat(now);
      TellState(now);
      m_outbox.Tell(now);
     }

   void              CheckPeer(const long now)
     {
      if(phase == PHASE_GREETING && now >= m_lease.greeted + HELLO_MS)
         Leave("NO_WELCOME", 0);
      else if(phase == PHASE_UP && now >= m_heard + m_dead_ms)
         Leave("DEAD", 0);
     }

   // Every hb_ms, 0.5 s after the last change, at once after WELCOME, after a gap and when sync is lost.
   void              Beat(const long now)
     {
      bool due = (m_beat_at == NEVER || now >= m_beat_at + m_hb_ms);
      if(!due && (m_changed == NEVER || now < m_changed + AFTER_CHANGE_MS))
         return;
      m_n++;
      m_beat_at = now;
      m_changed = NEVER;
      m_lease.Beaten(m_n, now);
      string text = Opened("HB") + PairLong("n", m_n) + PairLong("boot", m_mind.boot) + PairLong("sseq", mirror.sseq);
      text = text + PairLong("crc", mirror.crc) + PairLong("ocrc", mirror.ocrc) + PairLong("npos", mirror.count);
      text = text + PairLong("gen", m_mind.control.gen) + PairBool("synced", Synced());
      text = text + PairOrNull("balance", acts.view.balance) + PairOrNull("equity", acts.view.equity);
      text = text + Pair("credit", acts.view.credit) + Pair("margin", acts.view.margin);
      text = text + PairBool("trade_allowed", acts.view.trade_allowed) + PairLong("inflight", acts.InFlight());
      pen.Say(text + "}");
     }

   // A SNAP where one is due; else, once the terminal may be believed, what changed (R11).
   void              TellState(const long now)
     {
      if(!acts.view.there)
         return;
      bool synced = Synced(), collapsed = false;
      string delta = "";
      if(!m_snap_asked && !mirror.SnapDue(synced, now))
        {
         if(!synced)
            return;
         delta = mirror.Delta(acts.view, m_mind.boot, collapsed);
         if(delta == "" && !collapsed)
            return;
        }
      if(delta != "")
         pen.Say(delta);
      else
        {
         string frames[];
         m_snap_asked = false;
         mirror.Snap(acts.view, m_mind.boot, synced, now, frames);
         for(int i = 0; i < ArraySize(frames); i++)
            pen.Say(frames[i]);
        }
      m_changed = now;
     }
  };

#endif
