//+------------------------------------------------------------------+
//| Lease.mqh: how long this EA may trade, and whether its clocks can|
//| be trusted (R5, R9).                                             |
//|                                                                  |
//| The lease runs from when an answered heartbeat was sent. After a |
//| pause nothing is started before an answer to one sent after it.  |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_LEASE_MQH
#define KAKEHASHI_LEASE_MQH

#include <Kakehashi/Outbox.mqh>

#define GAP_MS 1000
#define SKEW_MS 2000
// A gap after which the terminal's picture is as doubtful as after a start.
#define SLEPT_MS 5000
#define STAMPS_MS 120000
// Counted for a pause of unknown length: longer than an entry lives, shorter than an exit.
#define PAUSE_UNKNOWN_MS 3600000

// What a look at the clocks tells. `older`: ms that whatever age is counted from lies further back.
struct Pause
  {
   bool              gap;
   bool              slept;
   long              older;

                     Pause(void)
     {
      gap = false;
      slept = false;
      older = 0;
     }
  };

class CLease
  {
private:
   Stamp             m_beats[];
   long              m_end;
   bool              m_clocked;
   long              m_last_now;
   long              m_last_wall;
   long              m_gap_at;

public:
   long              ms;      // its length
   long              greeted; // when HELLO was sent

                     CLease(void)
     {
      m_end = NEVER;
      m_clocked = false;
      m_last_now = 0;
      m_last_wall = 0;
      m_gap_at = NEVER;
      ms = 15000;
      greeted = 0;
     }

   bool              Runs(void) const { return m_end != NEVER; }
   bool              MayStart(void) const { return Runs() && m_gap_at == NEVER; }
   bool              IsOver(const long now) const { return Runs() && now >= m_end; }
   void              End(void) { m_end = NEVER; }

   // A paused machine's timer stood still: whatever age is counted from lies that much further back (R9).
   void              Read(const long now, const long wall, Pause &p)
     {
      if(m_clocked)
        {
         long passed = now - m_last_now, walked = wall - m_last_wall;
         p.gap = (passed > GAP_MS || MathAbs(walked - passed) > SKEW_MS);
         p.slept = (MathMax(passed, walked) > SLEPT_MS);
         if(walked - passed > SKEW_MS)
            p.older = walked - passed;
         else if(passed - walked > SKEW_MS) // set back, perhaps while the machine was paused: for how long nobody knows
            p.older = PAUSE_UNKNOWN_MS;
        }
      if(p.gap)
         m_gap_at = now;
      greeted -= p.older;
      for(int i = 0; i < ArraySize(m_beats); i++)
         m_beats[i].at -= p.older;
      m_clocked = true;
      m_last_now = now;
      m_last_wall = wall;
     }

   void              Beaten(const long n, const long now)
     {
      ForgetOld(m_beats, now - STAMPS_MS);
      AddStamp(m_beats, n, now);
     }

   // When heartbeat `n` was sent; 0: HELLO; NEVER: it is not known.
   long              SentAt(const long n) const
     {
      if(n == 0)
         return greeted;
      for(int i = ArraySize(m_beats) - 1; i >= 0; i--)
         if(m_beats[i].n == n)
            return m_beats[i].at;
      return NEVER;
     }

   // Heartbeat `n` was answered.
   void              BeatAnswered(const long n)
     {
      long sent = (n == 0) ? NEVER : SentAt(n);
      if(sent == NEVER)
         return;
      m_end = MathMax(m_end, sent + ms);
      if(m_gap_at != NEVER && sent >= m_gap_at)
         m_gap_at = NEVER;
     }
  };

#endif
