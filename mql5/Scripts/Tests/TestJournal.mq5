// The journal: the golden chains, and files that were torn, rewritten, or belong to somebody else.
#include <Kakehashi/Journal.mqh>
#include "Check.mqh"

void Chain(CJson &json, const int list)
  {
   for(int i = json.First(list); i >= 0; i = json.Next(i))
     {
      uint crc = 0;
      string line = CLines::Line((uint)json.Long(i, "previous", 0), json.Long(i, "number", 0), json.Text(i, "body", ""), crc);
      Same("line", line, json.Text(i, "line", ""));
      SameLong("crc", (long)crc, json.Long(i, "crc", -1));
     }
  }

void Compare(CJson &json, const int wanted, const CMemory &memory, const string name)
  {
   Same(name + ": instance", memory.instance, json.Text(wanted, "instance", ""));
   Same(name + ": prev", memory.prev, json.TextOrNull(wanted, "prev"));
   Same(name + ": holder", memory.holder, json.Text(wanted, "holder", ""));
   SameLong(name + ": boot", memory.boot, json.Long(wanted, "boot", 0));
   SameLong(name + ": ep", memory.ep, json.Long(wanted, "ep", 0));
   SameLong(name + ": cmd_hi", memory.cmd_hi, json.Long(wanted, "cmd_hi", 0));
   SameLong(name + ": evt_hi", memory.evt_hi, json.Long(wanted, "evt_hi", 0));
   SameLong(name + ": evt_acked", memory.evt_acked, json.Long(wanted, "evt_acked", 0));
   SameLong(name + ": deal_hi", StringToInteger(memory.deal_hi), json.Long(wanted, "deal_hi", 0));
   SameLong(name + ": gen", memory.control.gen, json.Long(wanted, "gen", 0));
   Check(name + ": halted", memory.control.halted == json.Bool(wanted, "halted", false));
   Same(name + ": symbols", TextList(memory.control.symbols), json.Write(json.Field(wanted, "symbols")));
   string outbox = "", unfinished = "";
   for(int i = 0; i < ArraySize(memory.outbox); i++)
      outbox = outbox + ((i > 0) ? "," : "") + IntegerToString(memory.outbox[i].evt.n);
   Same(name + ": outbox", "[" + outbox + "]", json.Write(json.Field(wanted, "outbox")));
   for(int i = json.First(json.Field(wanted, "commands")); i >= 0; i = json.Next(i))
     {
      int work = memory.Find(json.Key(i));
      Check(name + ": " + json.Key(i) + " is known", work >= 0);
      if(work >= 0)
         Same(name + ": " + json.Key(i), memory.State(work), json.Raw(i));
     }
   for(int i = 0; i < ArraySize(memory.works); i++)
      if(!memory.works[i].final)
         unfinished = unfinished + ((unfinished == "") ? "" : ",") + CJson::Quoted(memory.works[i].cmd.id);
   Same(name + ": unfinished", "[" + unfinished + "]", json.Write(json.Field(wanted, "unfinished")));
  }

void Journals(CJson &json, const int list)
  {
   for(int i = json.First(list); i >= 0; i = json.Next(i))
     {
      CMemory memory;
      CLines lines;
      uchar raw[];
      string name = json.Text(i, "name", "");
      ToBytes(json.Text(i, "text", ""), raw);
      lines.Read(raw, memory);
      SameLong(name + ": last line", memory.line, json.Long(i, "last_line", -1));
      SameLong(name + ": chain", (long)memory.chain, json.Long(i, "chain", -1));
      SameLong(name + ": kept", lines.kept, json.Long(i, "kept_bytes", -1));
      Check(name + ": clean", memory.clean == json.Bool(i, "clean", false));
      Compare(json, json.Field(i, "memory"), memory, name);
     }
  }

Cmd Order(const int number)
  {
   Cmd cmd;
   cmd.id = "c-" + IntegerToString(number);
   cmd.seq = number;
   cmd.op = "OPEN";
   cmd.sym = "EURUSD";
   cmd.magic = IntegerToString(((long)12250 << 48) | number);
   cmd.target = IntegerToString(number);
   return cmd;
  }

Evt Result(const CMemory &memory, const int number)
  {
   Evt evt;
   evt.n = memory.evt_hi + 1;
   evt.id = "c-" + IntegerToString(number);
   evt.j = memory.line + 1;
   evt.st = "FILLED";
   return evt;
  }

void Damage(const string name, const string more)
  {
   uchar bytes[];
   int count = ToBytes(more, bytes), file = FileOpen(name, FILE_READ | FILE_WRITE | FILE_BIN | FILE_COMMON);
   FileSeek(file, 0, SEEK_END);
   FileWriteArray(file, bytes, 0, count);
   FileClose(file);
  }

void Files(void)
  {
   CJournal first;
   string name = "Kakehashi\\Some_Server-77.journal";
   FileDelete(name, FILE_COMMON);
   Same("a new journal opens", first.Open("Some Server", "77", 1), "");
   first.Append(BootNote("i-1", "", 1));
   first.Append(IntentNote(Order(1), 1000));
   uint chain = first.memory.chain;
   CJournal second;
   Same("a second EA does not", second.Open("Some Server", "77", 1), "JOURNAL_HELD");
   first.Close();
   Damage(name, "3 400 77 {\"k\":\"SE");
   CJournal third;
   Same("a torn journal opens", third.Open("Some Server", "77", 1), "");
   SameLong("up to its last good line", third.memory.line, 2);
   Check("and its chain goes on from there", third.memory.chain == chain && !third.memory.clean);
   Check("what was torn off is kept", FileIsExist(name + ".torn", FILE_COMMON));
   third.Append(CleanNote());
   third.Close();
   CJournal fourth;
   Same("after a clean stop it opens", fourth.Open("Some Server", "77", 1), "");
   Check("and vouches for its instance", fourth.memory.clean && fourth.memory.line == 3);
   fourth.Close();
   FileDelete(name, FILE_COMMON);
   Damage(name, "ticket,volume\n");
   CJournal other;
   Same("somebody else's file is left alone", other.Open("Some Server", "77", 1), "NOT_A_JOURNAL");
  }

void Fill(CJournal &journal)
  {
   string none[];
   journal.Append(BootNote("i-1", "i-0", 3));
   journal.Append(EpochNote(4));
   journal.Append(ControlNote(2, true, true, none));
   for(int i = 1; i <= 3000; i++)
     {
      journal.Append(IntentNote(Order(i), 1000));
      journal.Append(SentNote("c-" + IntegerToString(i), "0.10", ""));
      long wall = (i <= 2990) ? 1000 : KEEP_MS + 5000;
      if(i < 3000)
         journal.Append(ToldNote(Result(journal.memory, i), true, wall));
      if(i <= 2995)
         journal.Append(AckedNote(journal.memory.evt_hi));
     }
   for(int i = 0; i < 1200; i++) // something large
      journal.Append(DealsNote(IntegerToString(500 + i), 0) + "");
   string much = "";
   StringInit(much, 4000, 'x');
   for(int i = 0; i < 600; i++)
      journal.Append("{\"k\":\"CLEAN\",\"why\":\"" + much + "\"}");
  }

void Rewriting(void)
  {
   string name = "Kakehashi\\S-88.journal";
   FileDelete(name, FILE_COMMON);
   CJournal full;
   Same("opens", full.Open("S", "88", 1), "");
   Fill(full);
   long line = full.memory.line;
   full.Close();
   CJournal small;
   Same("a large journal opens", small.Open("S", "88", KEEP_MS + 6000), "");
   Check("its line numbers go on", small.memory.line > line);
   Check("it is still clean", small.memory.clean);
   long again = small.memory.line;
   uint chain = small.memory.chain;
   small.Close();
   int file = FileOpen(name, FILE_READ | FILE_BIN | FILE_COMMON);
   Check("it became small", FileSize(file) < 100000);
   FileClose(file);
   CJournal read;
   Same("and opens", read.Open("S", "88", KEEP_MS + 6000), "");
   Check("with the same chain", read.memory.chain == chain && read.memory.line == again);
   SameLong("unfinished and young commands are known", ArraySize(read.memory.works), 10);
   SameLong("old ones are forgotten", read.memory.forgotten, 2990);
   SameLong("the outbox is whole", ArraySize(read.memory.outbox), 4);
   SameLong("acked events of 30 days are kept", ArraySize(read.memory.acked), 5);
   SameLong("evt_hi", read.memory.evt_hi, 2999);
   SameLong("cmd_hi", read.memory.cmd_hi, 3000);
   Same("deal_hi", read.memory.deal_hi, "1699");
   SameLong("started", read.memory.Started("7"), 7);
   Check("halted", read.memory.control.halted && read.memory.control.gen == 2);
   Check("the last command was sent and has no end", read.memory.State(read.memory.Find("c-3000")) == "SENT");
   Same("who it is", read.memory.instance + read.memory.prev + read.memory.holder, "i-1i-0i-1");
   read.Close();
  }

void OnStart(void)
  {
   CJson json;
   if(Golden("journal.json", json))
     {
      Chain(json, json.Field(json.Field(0, "list"), "chain"));
      Journals(json, json.Field(json.Field(0, "list"), "journals"));
     }
   Files();
   Rewriting();
   Done();
  }
