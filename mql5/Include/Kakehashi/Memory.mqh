//+------------------------------------------------------------------+
//| Memory.mqh: everything that outlives the process, and how each   |
//| line of the journal changes it.                                  |
//|                                                                  |
//| Memory changes by Fold alone, at start and in life: what the EA  |
//| knows is what is written. Each line is one note, a JSON object   |
//| whose `k` is its kind (Notes.mqh).                               |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_MEMORY_MQH
#define KAKEHASHI_MEMORY_MQH

#include <Kakehashi/Notes.mqh>
#include <Kakehashi/Works.mqh>
#include <Kakehashi/Index.mqh>

class CMemory
  {
public:
   long              line;   // number of the last line
   uint              chain;  // its CRC
   bool              clean;  // it is CLEAN and nothing follows it
   string            instance;
   string            prev;
   string            holder; // the last instance that was given an epoch
   long              boot;
   long              ep;
   Control           control;
   long              cmd_hi;
   long              evt_hi;
   long              evt_acked;
   string            deal_hi;     // empty: none was told
   long              deals_since; // where none was told: broker time from which on deals are told; 0: not known yet
   long              forgotten;   // commands up to this number may have been forgotten by a rewrite
   Work              works[];
   string            deals[];     // told beyond deal_hi
   Letter            outbox[];    // in order of their numbers
   Letter            acked[];

private:
   CIndex            m_by_id;
   CIndex            m_by_magic;
   CIndex            m_targets;
   string            m_target_names[];
   long              m_started[];
   long              m_prefixes[];
   CJson             m_json;

public:
                     CMemory(void)
     {
      instance = "";
      prev = "";
      holder = "";
      deal_hi = "";
      line = 0;
      chain = 0;
      clean = false;
      boot = 0;
      ep = 0;
      cmd_hi = 0;
      evt_hi = 0;
      evt_acked = 0;
      deals_since = 0;
      forgotten = 0;
     }

   int               Find(const string id) const { return (id == "") ? -1 : m_by_id.Find(id); }
   int               FindMagic(const string magic) const { return m_by_magic.Find(magic); }
   int               Outstanding(void) const { return ArraySize(outbox); }

   string            State(const int work) const
     {
      return works[work].told ? works[work].evt.st : works[work].sent ? "SENT" : "INTENT";
     }

   // Highest command number started on a target (R19).
   long              Started(const string target) const
     {
      int place = (target == "") ? -1 : m_targets.Find(target);
      return (place < 0) ? 0 : m_started[place];
     }

   bool              IsOurs(const string magic) const
     {
      long prefix = PrefixOf(magic);
      int count = ArraySize(m_prefixes);
      for(int i = 0; i < count; i++)
         if(m_prefixes[i] == prefix)
            return true;
      return prefix != 0 && count == 0;
     }

   bool              WasTold(const string ticket) const
     {
      if(deal_hi != "" && !TicketBelow(deal_hi, ticket))
         return true;
      for(int i = 0; i < ArraySize(deals); i++)
         if(deals[i] == ticket)
            return true;
      return false;
     }

   bool              IsAcked(const long n) const
     {
      for(int i = ArraySize(acked) - 1; i >= 0; i--)
         if(acked[i].evt.n == n)
            return true;
      return false;
     }

   // What one line changes; false: it is of a version that says what this one does not know.
   bool              Fold(const string body)
     {
      if(m_json.Parse(body) != "")
         return false;
      string kind = m_json.Text(0, "k", "");
      if(kind == "BOOT")
         FoldBoot();
      else if(kind == "INTENT")
         FoldIntent();
      else if(kind == "SENT")
         FoldSent();
      else if(kind == "TOLD")
         FoldTold();
      else if(kind == "EVTA")
         FoldAcked(m_json.Long(0, "n", 0));
      else if(kind == "DEALS")
         FoldDeals();
      else if(kind == "EP")
        {
         ep = m_json.Long(0, "ep", 0);
         holder = instance;
        }
      else if(kind == "CONTROL")
         FoldControl(0);
      else if(kind == "BASE")
         FoldBase();
      else if(kind == "WORK")
         FoldWork();
      else if(kind == "KEPT")
         FoldKept();
      else if(kind != "CLEAN")
         return false;
      clean = (kind == "CLEAN");
      return m_json.Wrong() == "";
     }

   // All that has to be known later, as the notes of a journal that begins with them. Closed commands go, unless their
   // result is in the outbox or was acked less than 30 days before `wall`.
   void              Summary(const long wall, string &notes[])
     {
      bool keep[];
      long lost = Kept(wall, keep);
      Note(notes, BaseText(lost));
      for(int i = 0; i < ArraySize(works); i++)
         if(keep[i])
            Note(notes, WorkText(works[i]));
      for(int i = 0; i < ArraySize(acked); i++)
         if(acked[i].wall >= wall - KEEP_MS)
            Note(notes, "{\"k\":\"KEPT\",\"evt\":" + EvtText(acked[i].evt) + PairBool("acked", true) + PairLong("wall", acked[i].wall) + "}");
      for(int i = 0; i < ArraySize(outbox); i++)
         Note(notes, "{\"k\":\"KEPT\",\"evt\":" + EvtText(outbox[i].evt) + PairLong("wall", outbox[i].wall) + "}");
     }

private:
   static void       Note(string &notes[], const string note)
     {
      int count = ArraySize(notes);
      ArrayResize(notes, count + 1, 256);
      notes[count] = note;
     }

   void              FoldBoot(void)
     {
      instance = m_json.Text(0, "instance", "");
      prev = m_json.TextOrNull(0, "prev");
      boot = m_json.Long(0, "boot", 0);
     }

   void              FoldIntent(void)
     {
      int place = NewWork();
      ReadCmd(m_json, m_json.Field(0, "cmd"), works[place].cmd);
      works[place].j = line;
      works[place].at = m_json.Long(0, "at", 0);
      works[place].instance = instance;
      Learn(place);
     }

   int               NewWork(void)
     {
      int place = ArraySize(works);
      ArrayResize(works, place + 1, 256);
      Work fresh;
      works[place] = fresh;
      return place;
     }

   void              Learn(const int place)
     {
      m_by_id.Put(works[place].cmd.id, place);
      m_by_magic.Put(works[place].cmd.magic, place);
      cmd_hi = MathMax(cmd_hi, works[place].cmd.seq);
      Prefix(PrefixOf(works[place].cmd.magic));
     }

   void              Prefix(const long prefix)
     {
      int count = ArraySize(m_prefixes);
      for(int i = 0; i < count; i++)
         if(m_prefixes[i] == prefix)
            return;
      if(prefix == 0)
         return;
      ArrayResize(m_prefixes, count + 1);
      m_prefixes[count] = prefix;
     }

   void              FoldSent(void)
     {
      int place = Find(m_json.Text(0, "id", ""));
      if(place < 0)
         return;
      works[place].sent = true;
      works[place].sent_volume = m_json.Amount(0, "volume", "0");
      Begun(works[place].cmd.target, works[place].cmd.seq);
     }

   void              Begun(const string target, const long seq)
     {
      if(target == "" || seq == 0)
         return;
      int place = m_targets.Find(target);
      if(place < 0)
        {
         place = ArraySize(m_started);
         ArrayResize(m_started, place + 1, 64);
         ArrayResize(m_target_names, place + 1, 64);
         m_started[place] = 0;
         m_target_names[place] = target;
         m_targets.Put(target, place);
        }
      m_started[place] = MathMax(m_started[place], seq);
     }

   void              FoldTold(void)
     {
      Letter letter;
      ReadEvt(m_json, m_json.Field(0, "evt"), letter.evt);
      letter.wall = m_json.Long(0, "wall", 0);
      bool final = m_json.Bool(0, "final", true);
      RememberDeals(letter.evt);
      if(letter.evt.n > 0)
        {
         evt_hi = letter.evt.n;
         Post(outbox, letter);
         DropOld(letter.wall);
        }
      int place = Find(letter.evt.id);
      if(place >= 0)
         Result(place, letter.evt, final);
     }

   void              Result(const int place, const Evt &evt, const bool final)
     {
      works[place].told = true;
      works[place].evt = evt;
      works[place].final = final;
      string st = evt.st;
      if(st == "DONE" || st == "FILLED" || st == "PARTIAL" || st == "PLACED" || st == "CANCELLED")
         Begun(works[place].cmd.target, works[place].cmd.seq);
     }

   void              RememberDeals(const Evt &evt)
     {
      for(int i = 0; i < ArraySize(evt.deals); i++)
         if(!WasTold(evt.deals[i].ticket))
            Note(deals, evt.deals[i].ticket);
     }

   static void       Post(Letter &box[], const Letter &letter)
     {
      int count = ArraySize(box);
      ArrayResize(box, count + 1, 256);
      box[count] = letter;
     }

   static void       Shift(Letter &box[], const int count)
     {
      int left = ArraySize(box) - count;
      for(int i = 0; i < left; i++)
         box[i] = box[i + count];
      ArrayResize(box, left, 256);
     }

   // Acked events that are older than 30 days; a few at a time are waited for, moving them all costs.
   void              DropOld(const long wall)
     {
      int count = ArraySize(acked), old = 0;
      while(old < count && acked[old].wall < wall - KEEP_MS)
         old++;
      if(old >= 64 || old * 4 > count)
         Shift(acked, old);
     }

   void              FoldAcked(const long n)
     {
      int count = 0;
      while(count < ArraySize(outbox) && outbox[count].evt.n <= n)
        {
         Post(acked, outbox[count]);
         count++;
        }
      if(count > 0)
         Shift(outbox, count);
      evt_acked = MathMax(evt_acked, n);
     }

   void              FoldDeals(void)
     {
      long ticket = m_json.Long(0, "ticket", 0);
      deals_since = m_json.Long(0, "since", 0);
      deal_hi = (ticket > 0) ? IntegerToString(ticket) : "";
      int left = 0;
      for(int i = 0; i < ArraySize(deals); i++)
         if(deal_hi == "" || TicketBelow(deal_hi, deals[i]))
           {
            deals[left] = deals[i];
            left++;
           }
      ArrayResize(deals, left, 256);
     }

   void              FoldControl(const int node)
     {
      control.gen = m_json.Long(node, "gen", 0);
      control.halted = m_json.Bool(node, "halted", false);
      control.cancel_pending = m_json.Bool(node, "cancel_pending", true);
      ReadTexts(m_json, node, "symbols", control.symbols);
     }

   //--- a journal that was rewritten

   // Which commands stay; the highest number of those that go.
   long              Kept(const long wall, bool &keep[])
     {
      long lost = forgotten;
      ArrayResize(keep, ArraySize(works));
      for(int i = 0; i < ArraySize(works); i++)
         keep[i] = !works[i].final;
      for(int i = 0; i < ArraySize(outbox); i++)
         Keep(outbox[i].evt.id, keep);
      for(int i = 0; i < ArraySize(acked); i++)
         if(acked[i].wall >= wall - KEEP_MS)
            Keep(acked[i].evt.id, keep);
      for(int i = 0; i < ArraySize(works); i++)
         if(!keep[i])
            lost = MathMax(lost, works[i].cmd.seq);
      return lost;
     }

   void              Keep(const string id, bool &keep[]) const
     {
      int place = Find(id);
      if(place >= 0)
         keep[place] = true;
     }

   string            BaseText(const long lost) const
     {
      string text = "{\"k\":\"BASE\"" + PairLong("after", chain) + Pair("instance", instance) + PairOrNull("prev", prev);
      text = text + Pair("holder", holder) + PairLong("boot", boot) + PairLong("ep", ep) + PairLong("cmd_hi", cmd_hi);
      text = text + PairLong("evt_hi", evt_hi) + PairLong("evt_acked", evt_acked);
      text = text + PairLong("deal_hi", (deal_hi == "") ? 0 : StringToInteger(deal_hi)) + PairLong("deals_since", deals_since);
      string told = "", started = "", prefixes = "";
      for(int i = 0; i < ArraySize(deals); i++)
         told = told + ((i > 0) ? "," : "") + deals[i];
      for(int i = 0; i < ArraySize(m_started); i++)
         started = started + ((i > 0) ? "," : "") + CJson::Quoted(m_target_names[i]) + ":" + IntegerToString(m_started[i]);
      for(int i = 0; i < ArraySize(m_prefixes); i++)
         prefixes = prefixes + ((i > 0) ? "," : "") + IntegerToString(m_prefixes[i]);
      text = text + PairList("deals", told) + ",\"started\":{" + started + "}" + PairList("prefixes", prefixes);
      return text + PairLong("forgotten", lost) + ",\"control\":" + ControlFields(control) + "}";
     }

   static string     ControlFields(const Control &c)
     {
      return "{\"k\":\"CONTROL\"" + PairLong("gen", c.gen) + PairBool("halted", c.halted)
             + PairBool("cancel_pending", c.cancel_pending) + ",\"symbols\":" + TextList(c.symbols) + "}";
     }

   static string     WorkText(const Work &w)
     {
      string text = "{\"k\":\"WORK\",\"cmd\":" + CmdText(w.cmd) + PairLong("j", w.j) + PairLong("at", w.at);
      text = text + Pair("instance", w.instance);
      if(w.sent)
         text = text + Pair("sent", w.sent_volume);
      if(w.told)
         text = text + ",\"told\":" + EvtText(w.evt);
      return text + PairBool("final", w.final) + "}";
     }

   // The first line of a rewritten journal; what was folded before it does not count.
   void              FoldBase(void)
     {
      FoldBoot();
      holder = m_json.Text(0, "holder", "");
      ep = m_json.Long(0, "ep", 0);
      cmd_hi = m_json.Long(0, "cmd_hi", 0);
      evt_hi = m_json.Long(0, "evt_hi", 0);
      evt_acked = m_json.Long(0, "evt_acked", 0);
      long ticket = m_json.Long(0, "deal_hi", 0);
      deal_hi = (ticket > 0) ? IntegerToString(ticket) : "";
      deals_since = m_json.Long(0, "deals_since", 0);
      forgotten = m_json.Long(0, "forgotten", 0);
      ReadTexts(m_json, 0, "deals", deals);
      for(int i = m_json.First(m_json.Field(0, "started")); i >= 0; i = m_json.Next(i))
         Begun(m_json.Key(i), StringToInteger(m_json.Raw(i)));
      for(int i = m_json.First(m_json.Field(0, "prefixes")); i >= 0; i = m_json.Next(i))
         Prefix(StringToInteger(m_json.Raw(i)));
      FoldControl(m_json.Field(0, "control"));
     }

   void              FoldWork(void)
     {
      int place = NewWork();
      ReadCmd(m_json, m_json.Field(0, "cmd"), works[place].cmd);
      works[place].j = m_json.Long(0, "j", 0);
      works[place].at = m_json.Long(0, "at", 0);
      works[place].instance = m_json.Text(0, "instance", "");
      works[place].sent = m_json.Has(0, "sent");
      works[place].sent_volume = m_json.Amount(0, "sent", "0");
      works[place].told = m_json.Has(0, "told");
      if(works[place].told)
         ReadEvt(m_json, m_json.Field(0, "told"), works[place].evt);
      works[place].final = m_json.Bool(0, "final", false);
      Learn(place);
     }

   void              FoldKept(void)
     {
      Letter letter;
      ReadEvt(m_json, m_json.Field(0, "evt"), letter.evt);
      letter.wall = m_json.Long(0, "wall", 0);
      if(m_json.Bool(0, "acked", false))
         Post(acked, letter);
      else
         Post(outbox, letter);
     }
  };

#endif
