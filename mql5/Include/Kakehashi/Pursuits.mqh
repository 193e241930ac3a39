//+------------------------------------------------------------------+
//| Pursuits.mqh: the commands that were sent, each looked for until |
//| an answer or the terminal's evidence tells its end (R7, R22).    |
//|                                                                  |
//| Nothing here is told: a verdict goes back to whoever asked.      |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_PURSUITS_MQH
#define KAKEHASHI_PURSUITS_MQH

#include <Kakehashi/Doubt.mqh>
#include <Kakehashi/Looks.mqh>

#define LOOK_WORKING_MS 30000
#define ANSWER_SOON_MS 100

// A command that was sent, and what is known on the way to its end.
struct Pursuit
  {
   int               work;
   long              since;
   long              next;
   Absence           absence;
   long              retcode;
   string            order;
   long              asked; // when the look that is out began; NEVER
   long              n;
   string            row;   // the order as it stood at the last look

                     Pursuit(void)
     {
      work = 0;
      since = 0;
      next = 0;
      retcode = -1;
      order = "";
      asked = NEVER;
      n = 0;
      row = "";
     }
  };

class CPursuits
  {
private:
   CMemory          *m_memory;
   CLooks           *m_looks;
   Pursuit           m_rows[];

public:
                     CPursuits(void)
     {
      m_memory = NULL;
      m_looks = NULL;
     }

   void              Init(CMemory *mind, CLooks *wishes)
     {
      m_memory = mind;
      m_looks = wishes;
     }

   // Those of which nothing was told yet.
   int               Untold(void) const
     {
      int count = 0;
      for(int i = 0; i < ArraySize(m_rows); i++)
         if(!m_memory.works[m_rows[i].work].told)
            count++;
      return count;
     }

   int               At(const int work) const
     {
      if(work < 0)
         return -1;
      for(int i = 0; i < ArraySize(m_rows); i++)
         if(m_rows[i].work == work)
            return i;
      return -1;
     }

   // Whether one of them keeps this command from starting.
   bool              Hinder(const Cmd &cmd, const bool netting) const
     {
      for(int i = 0; i < ArraySize(m_rows); i++)
         if(Conflict(cmd, m_memory.works[m_rows[i].work].cmd, netting))
            return true;
      return false;
     }

   // Whose deal it is: a work, or -1.
   int               OwnerOf(const DealRow &deal) const
     {
      for(int i = 0; i < ArraySize(m_rows); i++)
         if(m_rows[i].order != "" && deal.order == m_rows[i].order)
            return m_rows[i].work;
      int work = m_memory.FindMagic(deal.magic);
      return (work >= 0 && IsOurDeal(m_memory.works[work].cmd, "", deal)) ? work : -1;
     }

   void              Begin(const int work, const long first_look, const long since, const long lease_ms)
     {
      bool other = (m_memory.works[work].instance != m_memory.instance);
      int count = ArraySize(m_rows);
      ArrayResize(m_rows, count + 1, 64);
      m_rows[count].work = work;
      m_rows[count].since = since;
      m_rows[count].next = first_look;
      m_rows[count].absence.until = since + WindowMs(-1, other, lease_ms);
      m_rows[count].absence.first = NEVER;
      m_rows[count].retcode = -1;
      m_rows[count].order = m_memory.works[work].told ? m_memory.works[work].evt.order : "";
      m_rows[count].asked = NEVER;
      m_rows[count].n = 0;
      m_rows[count].row = "";
     }

   void              Drop(const int work)
     {
      int at = At(work), last = ArraySize(m_rows) - 1;
      if(at < 0)
         return;
      for(int i = at; i < last; i++)
         m_rows[i] = m_rows[i + 1];
      ArrayResize(m_rows, last, 64);
     }

   //--- what was heard. Each returns the work whose end, or a step on the way to it, `v` says; -1: none yet

   // OrderSend returned; unless that settles it, evidence is looked for at once.
   int               TakeAnswer(const Answered &answer, const long now, Verdict &v)
     {
      int work = m_memory.Find(answer.id), at = At(work);
      if(at < 0 || m_memory.works[work].told)
         return -1;
      m_rows[at].next = now;
      if(answer.retcode < 0)
         return -1;
      m_rows[at].retcode = answer.retcode;
      m_rows[at].order = answer.order;
      m_rows[at].absence.until = m_rows[at].since + WindowMs(answer.retcode, false, 0);
      return ByAnswer(m_memory.works[work], answer, v) ? work : -1;
     }

   // What a look brought: the end, a step on the way, or one of the two reads that prove absence (R7).
   int               TakeSeen(const Seen &seen, const View &view, const long viewed, const long now, const long synced_since,
                              Verdict &v)
     {
      int work = m_memory.Find(seen.id), at = At(work);
      if(at < 0 || m_rows[at].asked == NEVER || m_rows[at].n != seen.n || !view.there)
         return -1;
      long asked = MathMin(m_rows[at].asked, viewed); // both parts of the evidence have to be as young
      m_rows[at].asked = NEVER;
      ENUM_FINDING finding = ByEvidence(m_memory.works[work], m_rows[at].order, seen, view, m_rows[at].retcode, v);
      if(finding == FOUND_NOTHING && m_rows[at].absence.Proves(asked, now, synced_since))
        {
         Verdict absent;
         absent.st = "NOT_EXECUTED";
         absent.reason = "ABSENT";
         absent.retcode = m_rows[at].retcode;
         absent.order = m_rows[at].order;
         v = absent;
         return work;
        }
      if(finding == FOUND_VERDICT && m_rows[at].order == "")
         m_rows[at].order = v.order;
      if(finding != FOUND_NOTHING)
         m_rows[at].absence.first = NEVER;
      return (finding == FOUND_VERDICT) ? work : -1;
     }

   // The terminal said that something moved: a change or cancellation that was answered and is not explained yet is looked
   // at again now. What trades is told by its deals.
   void              Hasten(const long now)
     {
      for(int i = 0; i < ArraySize(m_rows); i++)
        {
         int work = m_rows[i].work;
         bool trades = (m_memory.works[work].cmd.op == "OPEN" || IsExit(m_memory.works[work].cmd.op));
         if(!trades && !m_memory.works[work].told && m_rows[i].retcode >= 0)
            m_rows[i].next = MathMin(m_rows[i].next, now);
        }
     }

   // A deal of it was shown: its answer, with the retcode, comes in a moment.
   void              Dealt(const int work, const long now)
     {
      int at = At(work);
      if(at >= 0 && m_rows[at].asked == NEVER)
         m_rows[at].next = MathMin(m_rows[at].next, (m_rows[at].retcode >= 0) ? now : now + ANSWER_SOON_MS);
     }

   //--- looking

   void              LookForAll(const View &view, const long now)
     {
      for(int i = 0; i < ArraySize(m_rows); i++)
         LookFor(i, view, now);
     }

private:
   string            RowOf(const View &view, const string order) const
     {
      for(int i = 0; i < ArraySize(view.orders); i++)
         if(view.orders[i].ticket == order)
            return OrderText(view.orders[i]);
      return "";
     }

   void              LookFor(const int at, const View &view, const long now)
     {
      int work = m_rows[at].work;
      bool told = m_memory.works[work].told;
      if(told && view.there) // it works on: look when its row moves
        {
         string row = RowOf(view, m_rows[at].order);
         if(row != m_rows[at].row)
           {
            m_rows[at].row = row;
            m_rows[at].next = now;
           }
        }
      if(now < m_rows[at].next || !view.there || !view.connected)
         return;
      bool young = (now < m_rows[at].since + IN_FLIGHT_MS);
      long pause = told ? LOOK_WORKING_MS : young ? LOOK_SOON_MS : LOOK_LATER_MS;
      m_rows[at].asked = now;
      m_rows[at].next = now + pause;
      bool cancel = (m_memory.works[work].cmd.op == "CANCEL");
      string ticket = cancel ? m_memory.works[work].cmd.target : m_rows[at].order;
      m_rows[at].n = m_looks.Ask(m_memory.works[work].cmd.id, m_memory.works[work].cmd.magic, ticket, "",
                                 HistoryFrom(m_memory.works[work]));
     }
  };

#endif
