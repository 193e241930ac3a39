//+------------------------------------------------------------------+
//| Results.mqh: what became of a command, and each deal, written as |
//| an event: result and outbox row are one line (R4, R22).          |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_RESULTS_MQH
#define KAKEHASHI_RESULTS_MQH

#include <Kakehashi/Pen.mqh>

class CResults
  {
private:
   CPen             *m_pen;
   CMemory          *m_memory;

public:
   long              wall; // the clock that the events are dated by

                     CResults(void)
     {
      m_pen = NULL;
      m_memory = NULL;
      wall = 0;
     }

   void              Init(CPen *hand, CMemory *mind)
     {
      m_pen = hand;
      m_memory = mind;
     }

   // Nothing where the same was written before. The link sends the outbox.
   void              Write(const int work, const Verdict &v)
     {
      string volume = DealVolume(v.deals);
      bool told = m_memory.works[work].told, moved = (m_memory.works[work].evt.st != v.st);
      if(told && !v.final && !moved && SameAmount(m_memory.works[work].evt.vol, volume))
         return;
      Evt evt;
      int from = WriteSurplus(v.deals);
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
      m_pen.Note(ToldNote(evt, v.final, wall));
     }

   void              WriteDeal(const DealRow &deal)
     {
      Evt evt;
      AddDeal(evt.deals, deal);
      NoteDeals(evt);
     }

private:
   // More deals than a frame holds go ahead of the result, as deals. Returns where the result's own begin.
   int               WriteSurplus(const DealRow &deals[])
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
      m_pen.Note(ToldNote(evt, true, wall));
     }
  };

#endif
