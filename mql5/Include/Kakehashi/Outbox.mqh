//+------------------------------------------------------------------+
//| Outbox.mqh: the events that the hub has not acknowledged are told|
//| until it has (R4).                                               |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_OUTBOX_MQH
#define KAKEHASHI_OUTBOX_MQH

#include <Kakehashi/Pen.mqh>

#define RESEND_MS 2000
#define EVENTS_IN_FLIGHT 100

// A heartbeat and when it was sent; an event and when it was said.
struct Stamp
  {
   long              n;
   long              at;
  };

void AddStamp(Stamp &stamps[], const long n, const long at)
  {
   int count = ArraySize(stamps);
   ArrayResize(stamps, count + 1, 128);
   stamps[count].n = n;
   stamps[count].at = at;
  }

void ForgetOld(Stamp &stamps[], const long before)
  {
   int left = 0;
   for(int i = 0; i < ArraySize(stamps); i++)
      if(stamps[i].at > before)
        {
         stamps[left] = stamps[i];
         left++;
        }
   ArrayResize(stamps, left, 128);
  }

class COutbox
  {
private:
   CPen             *m_pen;
   CMemory          *m_memory;
   Stamp             m_said[];

public:
                     COutbox(void)
     {
      m_pen = NULL;
      m_memory = NULL;
     }

   void              Init(CPen *hand, CMemory *mind)
     {
      m_pen = hand;
      m_memory = mind;
     }

   // Nothing of it was said on this connection.
   void              Begin(void) { ArrayResize(m_said, 0); }

   // As if the event had not been said: it is due.
   void              Unsay(const long n)
     {
      int at = SaidAt(n);
      if(at >= 0)
         m_said[at].at = NEVER;
     }

   // Oldest first, none before those ahead of it; again every 2 s until acked (R4).
   void              Tell(const long now)
     {
      int count = MathMin(ArraySize(m_memory.outbox), EVENTS_IN_FLIGHT);
      for(int i = 0; i < count; i++)
        {
         long n = m_memory.outbox[i].evt.n;
         int at = SaidAt(n);
         if(at >= 0 && m_said[at].at != NEVER && now < m_said[at].at + RESEND_MS)
            continue;
         if(at < 0)
            AddStamp(m_said, n, now);
         else
            m_said[at].at = now;
         m_pen.Say(EvtText(m_memory.outbox[i].evt));
        }
     }

   void              Acked(const long n)
     {
      if(ArraySize(m_memory.outbox) == 0 || m_memory.outbox[0].evt.n > n)
         return;
      m_pen.Note(AckedNote(MathMin(n, m_memory.evt_hi)));
      int left = 0;
      for(int i = 0; i < ArraySize(m_said); i++)
         if(m_said[i].n > n)
           {
            m_said[left] = m_said[i];
            left++;
           }
      ArrayResize(m_said, left, 128);
     }

   void              TellAgain(const long start)
     {
      for(int i = 0; i < ArraySize(m_memory.acked); i++)
         if(m_memory.acked[i].evt.n >= start)
            m_pen.Say(EvtText(m_memory.acked[i].evt));
      for(int i = 0; i < ArraySize(m_said); i++)
         if(m_said[i].n >= start)
            m_said[i].at = NEVER;
     }

private:
   int               SaidAt(const long n) const
     {
      for(int i = 0; i < ArraySize(m_said); i++)
         if(m_said[i].n == n)
            return i;
      return -1;
     }
  };

#endif
