// The link's rules, on a clock and a terminal that the test moves: nothing is sent anywhere.
#include "Desk.mqh"

void Lives(void)
  {
   Fresh("lives");
   CDesk d;
   d.Ready("lives");
   d.Order(1, "");
   Check("it is taken and sent", d.Said("\"ACK\"") == 1 && d.sent == 1);
   d.Order(1, "");
   Check("again: acknowledged, not sent", d.Said("\"ACK\"") == 2 && d.sent == 1);
   d.Order(1, ",\"sl\":\"1.0\"");
   Check("other content: refused", d.Said("SAME_ID") == 1 && d.sent == 1);
   Answered answer;
   answer.id = "c-1";
   answer.retcode = 10009;
   answer.order = "3001";
   AddDeal(answer.deals, DealOf(1, "0.10"));
   d.link.TakeAnswered(answer, d.now, d.now);
   d.Collect();
   Check("its end is told", d.Said("\"st\":\"FILLED\",\"retcode\":10009") == 1);
   d.Wait(2250, true);
   Check("and again until it is acked", d.Said("\"st\":\"FILLED\"") == 2);
   d.Hear("{\"t\":\"EVTA\",\"n\":1}");
   d.Clear();
   d.Wait(2250, true);
   Check("then no more", d.Said("\"EVT\"") == 0);
   d.Hear("{\"t\":\"RESEND\",\"from\":1}");
   Check("but on request", d.Said("\"st\":\"FILLED\"") == 1);
   d.Clear();
   d.Hear("{\"t\":\"QUERY\",\"id\":\"c-1\",\"magic\":\"1\"}");
   Check("the journal knows it", d.Said("\"jst\":\"FILLED\"") == 1);
   d.Hear("{\"t\":\"TEST\",\"id\":\"a\"}");
   Check("it is there", d.Said("\"re\":true") == 1);
  }

void Refusals(void)
  {
   Fresh("refusals");
   CDesk d;
   d.Ready("refusals");
   d.Order(1, ",\"age_ms\":700000");
   Check("too old", d.Said("\"st\":\"EXPIRED\"") == 1 && d.Said("\"reason\":\"TTL\"") == 1);
   d.Order(2, ",\"hn\":999");
   Check("an age that cannot be told", d.Said("STAMP") == 1);
   d.Hear("{\"t\":\"HALT\",\"gen\":1}");
   d.Order(3, "");
   Check("halted", d.Said("HALTED") == 1 && d.sent == 0);
   d.Hear("{\"t\":\"RESUME\",\"gen\":1}");
   d.Order(4, "");
   Check("an equal gen changes nothing", d.Said("HALTED") == 2);
   d.Hear("{\"t\":\"RESUME\",\"gen\":2}");
   d.Order(6, "");
   Check("resumed", d.sent == 1);
   d.Hear("{\"t\":\"CMD\",\"id\":\"x\",\"seq\":9,\"op\":\"CLOSE\",\"sym\":\"EURUSD\",\"side\":\"B\",\"magic\":\"9\",\"ep\":5,\"ttl_ms\":0,\"target\":\"1\"}");
   d.Wait(4750, true);
   Check("perhaps its position is not shown yet", d.Said("ALREADY_FLAT") == 0);
   d.Wait(250, true);
   Check("nothing to close", d.Said("ALREADY_FLAT") == 1);
   d.Hear("{\"t\":\"CMD\",\"id\":\"y\",\"seq\":8,\"op\":\"MODIFY\",\"sym\":\"EURUSD\",\"magic\":\"9\",\"ep\":5,\"ttl_ms\":0,\"target\":\"1\"}");
   Check("an older one on that target", d.Said("SUPERSEDED") == 1);
   d.Hear("{\"t\":\"CMD\",\"id\":\"z\",\"seq\":10,\"op\":\"OPEN\",\"sym\":\"EURUSD\",\"magic\":\"10\",\"ep\":4,\"ttl_ms\":0}");
   Check("another epoch", d.Said("\"EPOCH\"") == 1);
  }

void Exits(void)
  {
   Fresh("exits");
   CDesk d;
   ArrayResize(d.shown.positions, 1);
   d.shown.positions[0].ticket = "1001";
   d.shown.positions[0].ident = "1001";
   d.shown.positions[0].symbol = "EURUSD";
   d.shown.positions[0].side = "B";
   d.shown.positions[0].volume = "0.10";
   d.shown.positions[0].open = "1.08000";
   d.shown.positions[0].sl = "1.07000";
   d.Ready("exits");
   string head = "{\"t\":\"CMD\",\"sym\":\"EURUSD\",\"magic\":\"9\",\"ep\":5,\"ttl_ms\":0,\"target\":\"1001\",";
   d.Hear(head + "\"id\":\"a\",\"seq\":1,\"op\":\"CLOSE_PARTIAL\",\"vol\":\"0.05\",\"expect_vol\":\"0.20\"}");
   Check("another volume than expected", d.Said("PRECOND") == 1 && d.sent == 0);
   d.Hear(head + "\"id\":\"b\",\"seq\":2,\"op\":\"MODIFY\",\"sl\":\"1.070\",\"tp\":\"0\"}");
   Check("nothing to change", d.Said("NO_CHANGES") == 1);
   d.Hear("{\"t\":\"HALT\",\"gen\":1}");
   d.Hear(head + "\"id\":\"c\",\"seq\":3,\"op\":\"MODIFY\",\"sl\":\"1.06\",\"tp\":\"0\"}");
   Check("halted: no looser stop", d.Said("HALTED") == 1 && d.sent == 0);
   d.Hear(head + "\"id\":\"d\",\"seq\":4,\"op\":\"MODIFY\",\"sl\":\"1.075\",\"tp\":\"0\"}");
   Check("a tighter one goes", d.sent == 1);
   d.Hear(head + "\"id\":\"e\",\"seq\":5,\"op\":\"CLOSE\",\"expect_vol\":\"0.10\"}");
   Check("one at a time per target", d.sent == 1);
   d.Wait(5250, true);
   d.shown.positions[0].sl = "1.07500";
   d.ReadTerminal();
   Seen seen;
   d.See(seen);
   Check("the levels tell that it was done", d.Said("\"id\":\"d\",\"j\":14,\"st\":\"DONE\"") == 1);
   d.Wait(250, true);
   Check("then the next one goes", d.sent == 2);
  }

DealRow Sold(const int number, const string entry, const string position)
  {
   DealRow row = DealOf(number, "0.10");
   row.side = "S";
   row.entry = entry;
   row.position = position;
   return row;
  }

void Show(CDesk &d, const string ticket, const string ident, const string side, const string volume)
  {
   ArrayResize(d.shown.positions, 1);
   d.shown.positions[0].ticket = ticket;
   d.shown.positions[0].ident = ident;
   d.shown.positions[0].symbol = "EURUSD";
   d.shown.positions[0].side = side;
   d.shown.positions[0].volume = volume;
   d.ReadTerminal();
  }

// CLOSE 0.10 of position 1001 on a netting account; a person was faster, and its deal comes back as this one.
void Overtaken(CDesk &d, const DealRow &deal)
  {
   Show(d, "1001", "1001", "B", "0.10");
   d.Hear("{\"t\":\"CMD\",\"sym\":\"EURUSD\",\"magic\":\"" + deal.magic + "\",\"ep\":5,\"ttl_ms\":0,\"target\":\"1001\",\"id\":\"c-1\",\"seq\":1,"
          + "\"op\":\"CLOSE\",\"side\":\"B\",\"expect_vol\":\"0.10\"}");
   Check("the exit goes", d.sent == 1);
   Answered answer;
   answer.id = "c-1";
   answer.retcode = 10009;
   answer.order = deal.order;
   AddDeal(answer.deals, deal);
   ArrayResize(d.shown.positions, 0);
   d.Clear();
   d.link.TakeAnswered(answer, d.now, d.now);
   d.Collect();
  }

void Corrects(void)
  {
   Fresh("corrects");
   CDesk d;
   d.netting = true;
   d.Ready("corrects");
   DealRow deal = Sold(1, "IN", "3001");
   Overtaken(d, deal);
   d.Hear("{\"t\":\"CMD\",\"sym\":\"EURUSD\",\"magic\":\"9\",\"ep\":5,\"ttl_ms\":0,\"target\":\"3001\",\"id\":\"c-2\",\"seq\":2,\"op\":\"CLOSE\",\"side\":\"S\"}");
   Show(d, "3001", "3001", "S", "0.10");
   Check("the next exit waits for the correction", d.sent == 0);
   Seen seen;
   AddDeal(seen.deals, deal);
   d.See(seen);
   d.Wait(250, true);
   string magic = IntegerToString(((long)4660 << 48) | ((long)1 << 40) | 1);
   Check("what was opened is taken back", d.sent == 1 && d.traded.id == "fix1-c-1" && d.traded.plan.type == ORDER_TYPE_BUY);
   Check("all of it, of that position", SameAmount(d.traded.plan.volume, "0.10") && d.traded.plan.position == "3001");
   Same("under a magic of its own", d.traded.plan.magic, magic);
   Answered refused;
   refused.id = "fix1-c-1";
   refused.retcode = 10004;
   d.Clear();
   d.link.TakeAnswered(refused, d.now, d.now);
   d.Collect();
   Check("its end is told", d.Said("\"id\":\"fix1-c-1\"") == 1 && d.Said("\"st\":\"REJECTED\"") == 1);
   d.Wait(1750, true);
   Check("refused, it waits", d.sent == 0);
   d.Wait(500, true);
   Check("and is tried again under another name", d.sent == 1 && d.traded.id == "fix2-c-1");
   Answered done;
   done.id = "fix2-c-1";
   done.retcode = 10009;
   done.order = "3002";
   DealRow back = DealOf(2, "0.10");
   back.entry = "OUT";
   back.position = "3001";
   AddDeal(done.deals, back);
   d.Clear();
   d.link.TakeAnswered(done, d.now, d.now);
   d.Collect();
   ArrayResize(d.shown.positions, 0);
   d.Wait(20000, true);
   Check("then it is over", d.sent == 0 && d.Said("\"id\":\"c-2\"") > 0);
  }

// A reversal opened only what the position before it did not have; and nothing is sent where somebody has closed it.
void Reverses(void)
  {
   Fresh("reverses");
   CDesk d;
   d.netting = true;
   d.Ready("reverses");
   DealRow deal = Sold(1, "INOUT", "1001"), first = DealOf(90, "0.10"), hand = Sold(95, "OUT", "1001");
   deal.ticket = "6000";
   first.position = "1001";
   hand.volume = "0.06";
   hand.magic = "0";
   Overtaken(d, deal);
   Show(d, "3001", "1001", "S", "0.06");
   Seen late, seen;
   AddDeal(late.deals, deal);
   d.See(late);
   Check("history does not say what was before", d.sent == 0);
   d.Wait(1000, true);
   AddDeal(seen.deals, hand);
   AddDeal(seen.deals, deal);
   AddDeal(seen.deals, first);
   d.See(seen);
   d.Wait(250, true);
   Check("only what it opened is taken back", d.sent == 1 && SameAmount(d.traded.plan.volume, "0.06"));
   string id = d.journal.memory.instance;
   d.journal.Close();
   CDesk next;
   next.netting = true;
   next.Ready("reverses");
   next.Wait(20000, true);
   Check("after a death it is looked for, not sent again", next.sent == 0 && next.journal.memory.instance != id);
   next.journal.Close();
   Fresh("flat");
   CDesk f;
   f.netting = true;
   f.Ready("flat");
   DealRow plain = Sold(1, "IN", "3001");
   Overtaken(f, plain);
   Seen whole;
   AddDeal(whole.deals, plain);
   f.See(whole);
   f.Wait(4000, true);
   Check("perhaps it is only not shown yet", f.Said("ALREADY_FLAT") == 0);
   f.Wait(1500, true);
   Check("what somebody has closed is left alone", f.sent == 0 && f.Said("\"reason\":\"ALREADY_FLAT\"") == 1);
  }

// A deal is told before the terminal shows its position: what is meant has 5 s to appear.
void Unseen(void)
  {
   Fresh("unseen");
   CDesk d;
   d.Ready("unseen");
   string head = "{\"t\":\"CMD\",\"sym\":\"EURUSD\",\"ep\":5,\"ttl_ms\":0,";
   d.Hear(head + "\"id\":\"a\",\"seq\":1,\"op\":\"CLOSE\",\"magic\":\"1\",\"target\":\"1001\"}");
   d.Hear(head + "\"id\":\"b\",\"seq\":2,\"op\":\"CLOSE_PARTIAL\",\"magic\":\"2\",\"target\":\"1002\",\"vol\":\"0.05\",\"expect_vol\":\"0.1\"}");
   d.Hear(head + "\"id\":\"c\",\"seq\":3,\"op\":\"CANCEL\",\"magic\":\"3\",\"target\":\"1003\"}");
   d.Wait(3000, true);
   Check("nothing is called gone yet", d.Said("\"EVT\"") == 0 && d.sent == 0);
   ArrayResize(d.shown.positions, 1);
   d.shown.positions[0].ticket = "1001";
   d.shown.positions[0].symbol = "EURUSD";
   d.shown.positions[0].side = "B";
   d.shown.positions[0].volume = "0.10";
   d.Wait(250, true);
   Check("the position that came is closed", d.sent == 1 && d.Said("ALREADY_FLAT") == 0);
   d.Wait(1500, true);
   Check("the others still have time", d.Said("PRECOND") == 0 && d.Said("GONE") == 0);
   d.Wait(250, true);
   Check("then they are gone", d.Said("PRECOND") == 1 && d.Said("GONE") == 1 && d.sent == 1);
  }

// A virtual machine is paused: its timer stands still, the wall clock does not.
void Pauses(void)
  {
   Fresh("pauses");
   CDesk d;
   d.Ready("pauses");
   d.now += 1500; // a gap: what comes now is held
   d.Order(1, ",\"age_ms\":550000");
   Check("it waits", d.sent == 0 && d.Said("\"ACK\"") == 1 && d.Said("\"st\"") == 0);
   d.ahead += 60000;
   d.Wait(250, false);
   Check("it is as old as the wall clock says", d.Said("\"reason\":\"TTL\"") == 1 && d.sent == 0);
   d.Wait(7000, true);
   d.Order(2, ",\"age_ms\":550000,\"hn\":" + IntegerToString(d.LastBeat()));
   Check("what is counted from after the pause is younger", d.sent == 1);
   long beat = d.LastBeat();
   d.Hear("{\"t\":\"EVTA\",\"n\":1}");
   d.Clear();
   d.ahead += 60000;
   d.Order(3, ",\"age_ms\":550000,\"hn\":" + IntegerToString(beat));
   Check("what is counted from before the next one is not", d.Said("\"reason\":\"TTL\"") == 1);
   d.Hear("{\"t\":\"EVTA\",\"n\":2}");
   d.Wait(7000, true);
   beat = d.LastBeat();
   d.Clear();
   d.ahead -= 3600000;
   d.Order(4, ",\"age_ms\":550000,\"hn\":" + IntegerToString(beat));
   d.Answer();
   Check("a wall clock that is set back may hide a pause: an entry is too old", d.sent == 0 && d.Said("\"reason\":\"TTL\"") == 1);
   d.Hear("{\"t\":\"EVTA\",\"n\":3}");
   d.Wait(7000, true);
   beat = d.LastBeat();
   d.Clear();
   d.Order(5, ",\"age_ms\":550000,\"hn\":" + IntegerToString(beat));
   Check("what is counted from after it is not", d.Said("\"reason\":\"TTL\"") == 0);
  }

// The hub calls the mirror fresh until it hears otherwise.
void Unsynced(void)
  {
   Fresh("unsynced");
   CDesk d;
   d.Ready("unsynced");
   d.Wait(1000, true);
   d.Clear();
   d.shown.connected = false;
   d.Wait(250, false);
   Check("it says at once that it is not synced", d.Said("\"HB\"") == 1 && d.Said("\"synced\":false") == 1);
   d.Wait(1000, false);
   Check("once", d.Said("\"HB\"") == 1);
  }

void Clocks(void)
  {
   Fresh("clocks");
   CDesk d;
   d.Ready("clocks");
   d.now += 1500;
   d.Order(1, "");
   Check("after a pause nothing starts", d.sent == 0 && d.Said("\"ACK\"") == 1);
   d.Answer();
   Check("before an answer to a heartbeat of after it", d.sent == 1);
   d.Wait(12000, false);
   Same("a silent hub is left", d.link.drop, "DEAD");
   d.link.drop = "";
   d.link.TakeDisconnected(d.now, d.now);
   d.Wait(4000, false);
   Check("its lease ends", !d.link.MayStart());
   d.Clear();
   d.Connect(4);
   Same("a hub of an older epoch is left", d.link.drop, "EPOCH_BACK");
   d.Connect(HUB_EP);
   d.Hear("{\"t\":\"REFUSE\",\"reason\":\"JOURNAL_BACK\",\"retry_ms\":0}");
   string before = d.journal.memory.instance;
   d.link.TakeConnected("another", d.now, d.now);
   Same("a new instance is taken", d.journal.memory.instance, "another");
   Same("that names the one before", d.journal.memory.prev, before);
  }

void Doubts(void)
  {
   Fresh("doubts");
   CDesk d;
   d.Ready("doubts");
   d.Order(1, "");
   Answered answer;
   answer.id = "c-1";
   answer.retcode = 10012;
   d.link.TakeAnswered(answer, d.now, d.now);
   d.Collect();
   Seen none;
   int told = 0;
   for(int i = 0; i < 40 && told == 0; i++)
     {
      d.Wait(5000, true);
      if(ArraySize(d.link.acts.looks.rows) > 0)
         d.See(none);
      told = d.Said("NOT_EXECUTED");
     }
   Check("absence is proof", told == 1 && d.sent == 1);
   Check("after 180 s and two reads", d.now >= 1007000 + 180000 + 5000 && d.now < 1007000 + 200000);
   ArrayResize(d.shown.deals, 1);
   d.shown.deals[0] = DealOf(1, "0.10");
   d.ReadTerminal();
   Check("a deal corrects it", d.Said("\"reason\":\"LATE\"") == 1);
   d.Clear();
   d.Order(2, "");
   Answered fatal;
   fatal.id = "c-2";
   fatal.retcode = 10019;
   d.link.TakeAnswered(fatal, d.now, d.now);
   d.Collect();
   Check("a refusal is one", d.Said("\"st\":\"REJECTED\",\"retcode\":10019") == 1);
   d.Order(3, "");
   d.Wait(5250, true);
   Seen many;
   ArrayResize(many.ended, 1);
   many.ended[0].ticket = "3003";
   many.ended[0].state = "FILLED";
   many.ended[0].volume_initial = "2.50"; // of 0.10 commanded: more than enough
   many.ended[0].magic = IntegerToString(((long)4660 << 48) | 3);
   ArrayResize(many.deals, 250);
   for(int i = 0; i < 250; i++)
     {
      many.deals[i] = DealOf(3, "0.01");
      many.deals[i].ticket = IntegerToString(7000 + i);
     }
   d.Clear();
   d.See(many);
   Check("more deals than a frame holds go ahead", d.Said("\"st\":\"DEAL\"") == 2 && d.Said("\"st\":\"FILLED\"") == 1);
   Check("their sum is told", d.Said("\"vol\":\"2.50\"") == 1);
   bool fits = true;
   for(int i = 0; i < ArraySize(d.said); i++)
      fits = fits && ByteCount(d.said[i]) <= MAX_FRAME;
   Check("no frame is too large", fits);
  }

void State(void)
  {
   Fresh("state");
   CDesk d;
   d.Open("state");
   d.Connect(HUB_EP);
   d.Wait(2000, true);
   Check("at first it is not synced", d.Said("\"synced\":true") == 0 && d.Said("\"SNAP\"") >= 1);
   d.Wait(5000, true);
   Check("then it is", d.Said("\"SNAP\",\"v\":1,\"boot\":1,\"sseq\":2") == 1 && d.Said("\"synced\":true") > 0);
   d.Clear();
   ArrayResize(d.shown.positions, 250);
   for(int i = 0; i < 250; i++)
     {
      d.shown.positions[i].ticket = IntegerToString(1000 + i);
      d.shown.positions[i].symbol = "EURUSD";
      d.shown.positions[i].side = "B";
      d.shown.positions[i].volume = "0.01";
      d.shown.positions[i].open = "1.1";
     }
   d.Wait(250, true);
   Check("many changes are a SNAP in parts", d.Said("\"of\":3") == 3 && d.Said("\"DELTA\"") == 0);
   d.Clear();
   d.shown.positions[7].sl = "1.05";
   ArrayResize(d.shown.positions, 249);
   d.Wait(250, true);
   Check("few are a DELTA", d.Said("\"DELTA\"") == 1 && d.Said("\"ticket\":\"1249\",\"row\":null") == 1);
   SymbolRow rows[];
   ArrayResize(rows, 1000);
   for(int i = 0; i < 1000; i++)
      rows[i].symbol = "A_NAME_AS_LONG_AS_SOME_BROKERS_" + IntegerToString(i);
   d.Clear();
   d.link.TakeSymbols(rows, d.now, d.now);
   d.Collect();
   bool fits = true;
   for(int i = 0; i < ArraySize(d.said); i++)
      fits = fits && ByteCount(d.said[i]) <= MAX_FRAME;
   Check("a thousand symbols fit", fits && d.Said("\"SYMS\"") > 3);
   d.Order(1, "");
   Check("a symbol without a specification", d.Said("NO_SPEC") == 1);
   d.shown.login = "78";
   d.Wait(250, true);
   Check("another account is not believed", !d.link.Synced());
  }

void Restarts(void)
  {
   Fresh("restarts");
   CDesk first;
   first.Ready("restarts");
   first.Order(1, "");
   first.link.TakeStopping(first.now, first.now);
   first.Collect();
   Check("it says goodbye", first.Said("\"BYE\"") == 1);
   string instance = first.journal.memory.instance;
   first.journal.Close();
   CDesk second;
   second.Ready("restarts");
   Same("a clean stop keeps the instance", second.journal.memory.instance, instance);
   SameLong("and counts its starts", second.journal.memory.boot, 2);
   second.Order(1, "");
   Check("what was sent is not sent again", second.sent == 0 && second.Said("\"ACK\"") == 1);
   second.journal.Close();
   CDesk third;
   third.Open("restarts");
   Check("a crash does not", third.journal.memory.instance != instance && third.journal.memory.prev == instance);
  }

void OnStart(void)
  {
   Lives();
   Refusals();
   Exits();
   Corrects();
   Reverses();
   Unseen();
   Pauses();
   Unsynced();
   Clocks();
   Doubts();
   State();
   Restarts();
   Done();
  }
