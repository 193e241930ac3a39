//+------------------------------------------------------------------+
//| Looks.mqh: what is to be read of the terminal's history, each    |
//| wish with a number that its answer brings back.                  |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_LOOKS_MQH
#define KAKEHASHI_LOOKS_MQH

#include <Kakehashi/Words.mqh>

#define LOOK_SOON_MS 1000
#define LOOK_LATER_MS 5000

class CLooks
  {
private:
   long              m_last;

public:
   Look              rows[]; // to be made

                     CLooks(void) { m_last = 0; }

   // Returns the look's number. `id`: what the answer is to be known by.
   long              Ask(const string id, const string magic, const string order, const string position, const long since)
     {
      m_last++;
      int count = ArraySize(rows);
      ArrayResize(rows, count + 1, 16);
      rows[count].id = id;
      rows[count].n = m_last;
      rows[count].magic = magic;
      rows[count].order = order;
      rows[count].position = position;
      rows[count].since = MathMax(since, 0);
      return m_last;
     }
  };

#endif
