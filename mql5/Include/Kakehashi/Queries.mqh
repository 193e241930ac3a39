//+------------------------------------------------------------------+
//| Queries.mqh: the hub's questions: from the journal; what it does |
//| not know is looked for at the venue, as is why a position is gone|
//| (R8, R14).                                                       |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_QUERIES_MQH
#define KAKEHASHI_QUERIES_MQH

#include <Kakehashi/Doubt.mqh>
#include <Kakehashi/Looks.mqh>
#include <Kakehashi/Pen.mqh>

// How far back is read for a command that the journal does not know: nobody here can say when it was sent.
const long UNKNOWN_MS = 2592000000;

struct OpenQuery
  {
   string            look;
   string            id;
   string            position;
   string            magic;
   long              since;

                     OpenQuery(void)
     {
      look = "";
      id = "";
      position = "";
      magic = "";
      since = 0;
     }
  };

class CQueries
  {
private:
   CPen             *m_pen;
   CMemory          *m_memory;
   CLooks           *m_looks;
   OpenQuery         m_open[];

public:
                     CQueries(void)
     {
      m_pen = NULL;
      m_memory = NULL;
      m_looks = NULL;
     }

   void              Init(CPen *hand, CMemory *mind, CLooks *wishes)
     {
      m_pen = hand;
      m_memory = mind;
      m_looks = wishes;
     }

   void              Take(const string id, const string position, const string magic, const View &view, const bool synced)
     {
      DealRow none[];
      int work = (position != "") ? -1 : m_memory.Find(id);
      if(work >= 0)
        {
         Answer(id, position, magic, m_memory.State(work), m_memory.works[work].evt.deals, synced, 0, false);
         return;
        }
      string wanted = (position != "") ? position : "0", tag = (position != "") ? "0" : magic;
      if(!view.there || !view.connected || !IsDigits(tag) || !IsDigits(wanted))
        {
         Answer(id, position, magic, "", none, synced, 0, false);
         return;
        }
      int count = ArraySize(m_open);
      ArrayResize(m_open, count + 1);
      m_open[count].look = "query:" + position + ":" + id;
      m_open[count].id = id;
      m_open[count].position = position;
      m_open[count].magic = magic;
      m_open[count].since = MathMax(view.broker_time - UNKNOWN_MS, 1);
      m_looks.Ask(m_open[count].look, tag, "", position, m_open[count].since);
     }

   void              Found(const Seen &seen, const bool synced)
     {
      for(int q = 0; q < ArraySize(m_open); q++)
        {
         if(m_open[q].look != seen.id)
            continue;
         OpenQuery query = m_open[q];
         int last = ArraySize(m_open) - 1;
         for(int i = q; i < last; i++)
            m_open[i] = m_open[i + 1];
         ArrayResize(m_open, last);
         DealRow found[];
         for(int i = 0; i < ArraySize(seen.deals); i++)
            if(query.position != "" || (seen.deals[i].magic == query.magic && !IsServers(seen.deals[i].reason)))
               AddDeal(found, seen.deals[i]);
         bool working = false;
         for(int i = 0; i < ArraySize(seen.working); i++)
            working = working || seen.working[i].magic == query.magic;
         Answer(query.id, query.position, query.magic, "", found, synced, query.since, working);
         return;
        }
     }

private:
   // In frames that fit: only the last one counts as a read of history.
   void              Answer(const string id, const string position, const string magic, const string jst,
                            const DealRow &found[], const bool synced, const long since, const bool working)
     {
      int count = ArraySize(found), from = 0;
      while(count - from > FRAME_DEALS)
        {
         m_pen.Say(QresText(id, position, magic, "", DealsText(found, from, FRAME_DEALS), false, 0, false));
         from += FRAME_DEALS;
        }
      m_pen.Say(QresText(id, position, magic, jst, DealsText(found, from, count - from), synced, since, working));
     }
  };

#endif
