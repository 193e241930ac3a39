//+------------------------------------------------------------------+
//| Pen.mqh: what comes out of the commands' life: notes, frames,    |
//| trades.                                                          |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_PEN_MQH
#define KAKEHASHI_PEN_MQH

#include <Kakehashi/Acts.mqh>
#include <Kakehashi/Journal.mqh>

#define OUTBOX_CAP 10000
// Deals of one frame: below 64 KiB, whatever the symbols are called.
#define FRAME_DEALS 100

// What comes out, in order; and the only hand that writes the journal.
class CPen
  {
private:
   CJournal         *m_book;

public:
   bool              up; // the hub has welcomed us: nothing is said before
   string            frames[];

                     CPen(void)
     {
      m_book = NULL;
      up = false;
     }

   void              Take(CJournal *book) { m_book = book; }

   void              Note(const string body) { m_book.Append(body); }

   void              Say(const string frame)
     {
      if(!up)
         return;
      int count = ArraySize(frames);
      ArrayResize(frames, count + 1, 64);
      frames[count] = frame;
     }
  };

// A trade to be sent, once.
struct Trade
  {
   string            id;
   Plan              plan;

                     Trade(void)
     {
      id = "";
     }
  };

#endif
