//+------------------------------------------------------------------+
//| Pen.mqh: what comes out of the commands' life, and what stands   |
//| between a command and its end.                                   |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_PEN_MQH
#define KAKEHASHI_PEN_MQH

#include <Kakehashi/Doubt.mqh>
#include <Kakehashi/Journal.mqh>

#define OUTBOX_CAP 10000
// SENT without an answer for this long is looked for.
#define SETTLE_MS 5000
#define LOOK_SOON_MS 1000
#define ANSWER_SOON_MS 100
#define LOOK_LATER_MS 5000
#define LOOK_WORKING_MS 30000
// How long an exit waits for its target to appear: a deal is often told before the terminal has its position.
#define UNSEEN_MS 5000
// Deals of one frame: below 64 KiB, whatever the symbols are called.
#define FRAME_DEALS 100
// How far back is read for a command that the journal does not know: nobody here can say when it was sent.
const long UNKNOWN_MS = 2592000000;

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

#endif
