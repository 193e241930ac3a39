//+------------------------------------------------------------------+
//| Desk.mqh: an EA's link without a terminal and without a hub: the |
//| test moves the clock, shows the account and types in the frames. |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_TEST_DESK_MQH
#define KAKEHASHI_TEST_DESK_MQH

#include <Kakehashi/Link.mqh>
#include "Check.mqh"

#define HUB_EP 5
const long BROKER = 1790000000000;

// Lets everything through: there is no terminal here.
class CNoChecks : public CChecks
  {
public:
   virtual string    Refuse(const Plan &plan, long &retcode) const
     {
      retcode = -1;
      return "";
     }
  };

// One EA: a link, its journal, and the time.
class CDesk
  {
public:
   CJournal          journal;
   CNoChecks         checks_of;
   CLink             link;
   View              shown;
   string            said[]; // frames since Clear
   int               sent;   // trades since Clear
   Trade             traded; // the last of them
   bool              netting;
   long              now;
   long              ahead; // of `now`: the wall clock

                     CDesk(void) { netting = false; }

   string            Open(const string name)
     {
      string why = journal.Open("Test", name, 1);
      Identity who;
      who.account = "77";
      who.server = "Demo";
      who.netting = netting;
      link.Init(who, "", GetPointer(journal), GetPointer(journal.memory), GetPointer(checks_of));
      shown.there = true;
      shown.connected = true;
      shown.login = "77";
      shown.server = "Demo";
      shown.broker_time = BROKER;
      now = 1000000;
      ahead = 0;
      sent = 0;
      link.TakeStart("i-" + IntegerToString(journal.memory.line), now, now);
      return why;
     }

   void              Collect(void)
     {
      for(int i = 0; i < ArraySize(link.pen.frames); i++)
        {
         int count = ArraySize(said);
         ArrayResize(said, count + 1);
         said[count] = link.pen.frames[i];
        }
      ArrayResize(link.pen.frames, 0);
      int count = ArraySize(link.acts.trades);
      sent += count;
      if(count > 0)
         traded = link.acts.trades[count - 1];
      ArrayResize(link.acts.trades, 0);
     }

   void              Clear(void)
     {
      ArrayResize(said, 0);
      sent = 0;
     }

   // How many of what was said hold this text.
   int               Said(const string part) const
     {
      int count = 0;
      for(int i = 0; i < ArraySize(said); i++)
         if(StringFind(said[i], part) >= 0)
            count++;
      return count;
     }

   void              Hear(const string text)
     {
      CJson json;
      FromHub frame;
      Same("the test's own frame", ReadFrame(json, text, frame), "");
      link.TakeFrame(frame, now, now + ahead);
      Collect();
     }

   // The terminal is read.
   void              ReadTerminal(void)
     {
      link.acts.view = shown;
      link.TakeRead(now, now + ahead);
      Collect();
     }

   // Time passes in turns of 250 ms, each with a read of the terminal; the hub answers heartbeats.
   void              Wait(const int ms, const bool answering)
     {
      for(int passed = 0; passed < ms; passed += 250)
        {
         now += 250;
         link.TakeTime(now, now + ahead);
         ReadTerminal();
         if(answering)
            Answer();
        }
     }

   // The number of the last heartbeat since Clear; 0: there was none.
   long              LastBeat(void) const
     {
      for(int i = ArraySize(said) - 1; i >= 0; i--)
         if(StringFind(said[i], "{\"t\":\"HB\"") == 0)
            return StringToInteger(StringSubstr(said[i], StringFind(said[i], "\"n\":") + 4));
      return 0;
     }

   void              Answer(void)
     {
      long beat = LastBeat();
      if(beat > 0)
         Hear("{\"t\":\"HBA\",\"n\":" + IntegerToString(beat) + ",\"ep\":" + IntegerToString(HUB_EP) + "}");
     }

   void              Connect(const int ep)
     {
      link.TakeConnected("c-" + IntegerToString(journal.memory.line), now, now);
      Collect();
      Hear("{\"t\":\"WELCOME\",\"ep\":" + IntegerToString(ep) + ",\"lease_ms\":15000,\"hb_ms\":5000,\"stale_ms\":6500,\"dead_ms\":12000}");
     }

   void              Ready(const string name)
     {
      Same(name + " opens", Open(name), "");
      Connect(HUB_EP);
      Answer();
      Wait(7000, true);
      Clear();
     }

   void              Order(const int number, const string more)
     {
      string id = IntegerToString(number);
      Hear("{\"t\":\"CMD\",\"id\":\"c-" + id + "\",\"seq\":" + id + ",\"op\":\"OPEN\",\"sym\":\"EURUSD\",\"side\":\"B\",\"vol\":\"0.10\",\"magic\":\""
           + IntegerToString(((long)4660 << 48) | number) + "\",\"ep\":" + IntegerToString(HUB_EP) + ",\"ttl_ms\":600000" + more + "}");
     }

   void              See(Seen &seen)
     {
      int last = ArraySize(link.acts.looks.rows) - 1;
      Check("a look was asked for", last >= 0);
      if(last < 0)
         return;
      seen.id = link.acts.looks.rows[last].id;
      seen.n = link.acts.looks.rows[last].n;
      ArrayResize(link.acts.looks.rows, 0);
      link.TakeSeen(seen, now, now);
      Collect();
     }
  };

void Fresh(const string name)
  {
   FileDelete("Kakehashi\\Test-" + name + ".journal", FILE_COMMON);
  }

DealRow DealOf(const int number, const string volume)
  {
   DealRow row;
   row.ticket = IntegerToString(5000 + number);
   row.order = IntegerToString(3000 + number);
   row.position = row.order;
   row.symbol = "EURUSD";
   row.side = "B";
   row.entry = "IN";
   row.volume = volume;
   row.price = "1.10000";
   row.time = BROKER;
   row.reason = "EXPERT";
   row.magic = IntegerToString(((long)4660 << 48) | number);
   return row;
  }

#endif
