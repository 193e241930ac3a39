//+------------------------------------------------------------------+
//| Corrections.mqh: what an exit opened by mistake, and the order   |
//| that takes it back (R10).                                        |
//|                                                                  |
//| On a netting account an exit is an opposite deal. A trade by     |
//| hand, a stop or a target may overtake it: its deal then comes    |
//| back IN, or INOUT, and a position is there that nobody wanted.   |
//| What is to be corrected follows from the journal alone: an exit  |
//| that ended with such a deal, and no correction that was begun    |
//| after it. A correction is an exit like any other, with a line    |
//| INTENT, SENT and TOLD of its own; it may be overtaken as well,   |
//| and is then corrected in its turn.                               |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_CORRECTIONS_MQH
#define KAKEHASHI_CORRECTIONS_MQH

#include <Kakehashi/Acts.mqh>
#include <Kakehashi/Looks.mqh>
#include <Kakehashi/Memory.mqh>

// How often one exit is corrected; then it is left to the person who has been told of it.
#define FIXES_MOST 9
// How often history is read for what was traded before an opening deal.
#define FIX_LOOKS 12
// How long the terminal has to show a position that a deal has told of.
#define FIX_SHOWN_MS 5000
// Below these bits a magic has the exit's own number; the eight above count its corrections (R18).
#define FIX_TAG_BITS 40

// A correction that is to be made. `work`: the exit, or a correction of it, that is to be corrected.
struct Owed
  {
   int               work;
   bool              counted; // whether it is known how much was opened: `cmd` is the correction
   Cmd               cmd;
   long              pause;   // ms to wait first
   long              next;    // monotonic ms before which nothing is done; NEVER: not begun
   int               looks;
   long              n;       // number of the look that is out
   long              since;   // when the terminal was first seen not to show what is to be closed; NEVER

                     Owed(void)
     {
      work = -1;
      counted = false;
      pause = 0;
      next = NEVER;
      looks = 0;
      n = 0;
      since = NEVER;
     }
  };

bool OpensSome(const string entry)
  {
   return entry == "IN" || entry == "INOUT";
  }

// The exit that a correction belongs to, or the command itself: fix2-c-7 is the second correction of c-7.
string RootOf(const string id)
  {
   int dash = StringFind(id, "-");
   if(StringFind(id, "fix") != 0 || dash < 4 || !IsDigits(StringSubstr(id, 3, dash - 3)))
      return id;
   return StringSubstr(id, dash + 1);
  }

string FixName(const string first, const int number)
  {
   return "fix" + IntegerToString(number) + "-" + first;
  }

// How many corrections an exit has had; `last_line`: where the last of them was begun.
int FixesOf(CMemory *memory, const string first, long &last_line)
  {
   int count = 0;
   last_line = 0;
   for(int k = 1; k <= FIXES_MOST; k++)
     {
      int work = memory.Find(FixName(first, k));
      if(work < 0)
         continue;
      count++;
      last_line = MathMax(last_line, memory.works[work].j);
     }
   return count;
  }

// The last deal of a result that opened something; -1: none.
int OpeningDeal(const Evt &evt)
  {
   for(int i = ArraySize(evt.deals) - 1; i >= 0; i--)
      if(OpensSome(evt.deals[i].entry))
         return i;
   return -1;
  }

// The exit that takes back what another one opened. `side`: of the position that nobody wanted.
void CorrectionOf(CMemory *memory, const int work, const string side, const string volume, const string position, Cmd &cmd)
  {
   long line = 0;
   string first = RootOf(memory.works[work].cmd.id);
   int number = FixesOf(memory, first, line) + 1;
   long tags = (long)255 << FIX_TAG_BITS, magic = StringToInteger(memory.works[work].cmd.magic);
   cmd.id = FixName(first, number);
   cmd.seq = memory.works[work].cmd.seq;
   cmd.op = "CLOSE";
   cmd.sym = memory.works[work].cmd.sym;
   cmd.side = StringSubstr(side, 0, 1);
   cmd.vol = volume;
   cmd.expect_vol = volume;
   cmd.target = position;
   cmd.magic = IntegerToString((magic & ~tags) | ((long)number << FIX_TAG_BITS));
   cmd.deviation = memory.works[work].cmd.deviation;
  }

// What is still to be corrected of a command that has ended; false: nothing, or it was begun already.
bool IsOwed(CMemory *memory, const int work, Owed &due)
  {
   string id = memory.works[work].cmd.id, st = memory.works[work].evt.st;
   if(!memory.works[work].told || !memory.works[work].final || !IsExit(memory.works[work].cmd.op))
      return false;
   long line = 0;
   int before = FixesOf(memory, RootOf(id), line);
   if(before >= FIXES_MOST || line > memory.works[work].evt.j)
      return false;
   due.work = work;
   if(OpeningDeal(memory.works[work].evt) >= 0)
      return true;
   long left = Units(memory.works[work].cmd.expect_vol) - Units(memory.works[work].evt.vol);
   bool failed = (st == "REJECTED" || st == "NOT_EXECUTED" || st == "CANCELLED");
   if(RootOf(id) == id || !failed || left <= 0)
      return false;
   CorrectionOf(memory, work, memory.works[work].cmd.side, UnitsText(left), memory.works[work].cmd.target, due.cmd);
   due.counted = true;
   due.pause = (long)1000 << before;
   return true;
  }

bool HasTicket(const DealRow &rows[], const string ticket)
  {
   for(int i = 0; i < ArraySize(rows); i++)
      if(rows[i].ticket == ticket)
         return true;
   return false;
  }

// Each once, by their tickets.
void InsertByTicket(DealRow &rows[], const DealRow &row)
  {
   int at = ArraySize(rows);
   while(at > 0 && TicketBelow(row.ticket, rows[at - 1].ticket))
      at--;
   if(at > 0 && rows[at - 1].ticket == row.ticket)
      return;
   AddDeal(rows, row);
   for(int k = ArraySize(rows) - 1; k > at; k--)
      rows[k] = rows[k - 1];
   rows[at] = row;
  }

// Lots that an exit has opened of the position that its last opening deal left, as units; -1: history does not say yet.
// An IN deal opened all of its volume, an INOUT deal what the position before it did not have.
long OpenedUnits(const Evt &evt, const DealRow &history[])
  {
   int last = OpeningDeal(evt), mine = 0, found = 0;
   if(last < 0)
      return 0;
   string position = evt.deals[last].position;
   for(int i = 0; i < ArraySize(evt.deals); i++)
      if(evt.deals[i].position == position)
         mine++;
   DealRow rows[];
   for(int i = 0; i < ArraySize(history); i++)
      if(history[i].position == position)
         InsertByTicket(rows, history[i]);
   long held = 0, total = 0;
   for(int i = 0; i < ArraySize(rows); i++)
     {
      long volume = Units(rows[i].volume);
      if(HasTicket(evt.deals, rows[i].ticket))
        {
         found++;
         if(OpensSome(rows[i].entry))
            total += volume - ((rows[i].entry == "INOUT") ? MathMin(MathAbs(held), volume) : 0);
        }
      held += (StringSubstr(rows[i].side, 0, 1) == "B") ? volume : -volume;
     }
   return (found < mine || rows[0].entry != "IN") ? -1 : total;
  }

// The corrections that are to be made.
class CDebts
  {
private:
   CMemory          *m_memory;
   CLooks           *m_looks;

public:
   Owed              rows[];

                     CDebts(void)
     {
      m_memory = NULL;
      m_looks = NULL;
     }

   void              Init(CMemory *mind, CLooks *wishes)
     {
      m_memory = mind;
      m_looks = wishes;
     }

   // Takes up what is owed for a command that has ended.
   void              Owe(const int work)
     {
      Owed due;
      if(!IsOwed(m_memory, work, due))
         return;
      int at = 0, count = ArraySize(rows);
      while(at < count && rows[at].work != work)
         at++;
      if(at == count)
         ArrayResize(rows, count + 1);
      rows[at] = due;
     }

   void              Forgive(const int at)
     {
      int last = ArraySize(rows) - 1;
      for(int i = at; i < last; i++)
         rows[i] = rows[i + 1];
      ArrayResize(rows, last);
     }

   // Whether an exit of the symbol has to be corrected first (R10).
   bool              Hinder(const Cmd &cmd) const
     {
      for(int i = 0; i < ArraySize(rows); i++)
         if(Conflict(cmd, m_memory.works[rows[i].work].cmd, true))
            return true;
      return false;
     }

   // Reads history for how much was opened; what it does not say for so long is forgiven.
   void              Ask(const int at, const long now)
     {
      int work = rows[at].work, deal = OpeningDeal(m_memory.works[work].evt);
      if(deal < 0 || rows[at].looks >= FIX_LOOKS)
        {
         Forgive(at);
         return;
        }
      rows[at].looks++;
      rows[at].next = now + ((rows[at].looks <= 3) ? LOOK_SOON_MS : LOOK_LATER_MS);
      string position = m_memory.works[work].evt.deals[deal].position;
      rows[at].n = m_looks.Ask("fix:" + m_memory.works[work].cmd.id, "", "", position, 1);
     }

   void              Hear(const Seen &seen, const long now)
     {
      for(int i = 0; i < ArraySize(rows); i++)
        {
         int work = rows[i].work, deal = OpeningDeal(m_memory.works[work].evt);
         if(rows[i].n != seen.n || deal < 0 || rows[i].counted)
            continue;
         long opened = OpenedUnits(m_memory.works[work].evt, seen.deals);
         if(opened <= 0)
            return;
         string side = m_memory.works[work].evt.deals[deal].side, position = m_memory.works[work].evt.deals[deal].position;
         CorrectionOf(m_memory, work, side, UnitsText(opened), position, rows[i].cmd);
         rows[i].counted = true;
         rows[i].next = now;
         return;
        }
     }
  };

#endif
