// The golden messages: what the hub says is read, what is refused is refused, what the EA says is written byte for byte.
#include <Kakehashi/Frames.mqh>
#include "Check.mqh"

// A frame of the hub, written as the hub does: only tests need this.
string Written(const FromHub &f)
  {
   string t = f.t, text = Opened(t);
   if(t == "CMD")
      return CmdText(f.cmd);
   if(t == "WELCOME")
      return text + PairLong("ep", f.ep) + PairLong("lease_ms", f.lease_ms) + PairLong("hb_ms", f.hb_ms)
             + PairLong("stale_ms", f.stale_ms) + PairLong("dead_ms", f.dead_ms) + PairLong("evt_ack", f.evt_ack)
             + PairLong("gen", f.gen);
   if(t == "REFUSE")
      return text + Pair("reason", f.reason) + PairLong("retry_ms", f.retry_ms) + "}";
   if(t == "HBA")
      return text + PairLong("n", f.n) + PairLong("ep", f.ep) + PairLong("evt_ack", f.evt_ack) + "}";
   if(t == "EVTA")
      return text + PairLong("n", f.n) + "}";
   if(t == "RESEND")
      return text + PairLong("from", f.start) + "}";
   if(t == "QUERY")
      return text + Pair("id", f.id) + Pair("position", f.position) + Pair("magic", f.magic) + "}";
   if(t == "REQ_SNAP" || t == "BYE")
      return text + Pair("reason", f.reason) + "}";
   if(t == "TEST")
      return text + Pair("id", f.id) + PairBool("re", f.re) + "}";
   if(t == "ERR")
      return text + Pair("code", f.id) + Pair("message", f.reason) + "}";
   if(t == "SET")
      return text + PairLong("gen", f.gen) + ",\"symbols\":" + TextList(f.symbols) + PairBool("cancel_pending_on_halt", f.cancel_pending) + "}";
   return text + PairLong("gen", f.gen) + "}";
  }

void FromTheHub(void)
  {
   CJson json, reader;
   if(!Golden("from_hub.json", json))
      return;
   for(int i = json.First(json.Field(0, "list")); i >= 0; i = json.Next(i))
     {
      FromHub frame;
      string name = json.Text(i, "name", ""), wanted = json.Write(json.Field(i, "frame"));
      Same(name, ReadFrame(reader, json.Text(i, "wire", ""), frame), "");
      string got = Written(frame);
      if(frame.t == "WELCOME") // limits are the hub's own affair
         wanted = StringSubstr(wanted, 0, StringLen(got));
      Same(name, got, wanted);
     }
  }

void Refused(void)
  {
   CJson json, reader;
   if(!Golden("refused.json", json))
      return;
   for(int i = json.First(json.Field(0, "list")); i >= 0; i = json.Next(i))
     {
      string text = json.Text(i, "wire", ""), code = json.Text(i, "code", ""), name = json.Text(i, "name", "");
      int repeat = json.Field(i, "repeat");
      bool bytes = json.Has(i, "hex");
      if(repeat >= 0)
        {
         string part = json.Raw(json.First(repeat));
         int times = (int)StringToInteger(json.Raw(json.Next(json.First(repeat))));
         StringInit(text, times * StringLen(part), StringGetCharacter(part, 0));
        }
      FromHub frame;
      string got = ReadFrame(reader, text, frame);
      bool theirs = (code == "UNKNOWN_FRAME" || code == "BAD_FRAME");
      // What only one side says is refused by its reader; JSON itself is refused by both.
      if(!bytes && (json.Text(i, "from", "") == "hub" || !theirs))
         Check(name + ": got " + got + ", wanted " + code, got == code || (code == "NUMBER_OUT_OF_RANGE" && got != ""));
     }
   FromHub frame;
   Same("an amount that is endless", ReadFrame(reader, "{\"t\":\"CMD\",\"id\":\"c\",\"seq\":1,\"op\":\"OPEN\",\"sym\":\"X\",\"magic\":\"1\",\"ep\":1,\"ttl_ms\":1,\"vol\":\"NaN\"}", frame), "NUMBER_OUT_OF_RANGE");
   Same("an amount that is too large", ReadFrame(reader, "{\"t\":\"CMD\",\"id\":\"c\",\"seq\":1,\"op\":\"OPEN\",\"sym\":\"X\",\"magic\":\"1\",\"ep\":1,\"ttl_ms\":1,\"vol\":\"1000000000000.01\"}", frame), "NUMBER_OUT_OF_RANGE");
   Same("a number beyond 2^53", ReadFrame(reader, "{\"t\":\"EVTA\",\"n\":9007199254740993}", frame), "NUMBER_OUT_OF_RANGE");
   Same("2^53 itself", ReadFrame(reader, "{\"t\":\"EVTA\",\"n\":9007199254740992}", frame), "");
   Same("a required field is missing", ReadFrame(reader, "{\"t\":\"EVTA\"}", frame), "BAD_FRAME");
   Same("a text where a number belongs", ReadFrame(reader, "{\"t\":\"EVTA\",\"n\":\"x\"}", frame), "BAD_FRAME");
   Same("another version", ReadFrame(reader, "{\"t\":\"EVTA\",\"n\":1,\"v\":2}", frame), "BAD_FRAME");
  }

string FieldsOf(CJson &json, const int node, const string key, const int from)
  {
   string list = json.Write(json.Field(node, key));
   return StringSubstr(list, from, StringLen(list) - 2 * from);
  }

// The frame again by the EA's writers; empty: there is none for this type alone.
string Rewritten(CJson &json, const int f)
  {
   string t = json.Text(f, "t", "");
   if(t == "EVT")
     {
      Evt evt;
      ReadEvt(json, f, evt);
      return EvtText(evt);
     }
   if(t == "ACK")
      return AckText(json.Text(f, "id", ""), json.Long(f, "j", 0));
   if(t == "TEST")
      return TestText(json.Text(f, "id", ""), json.Bool(f, "re", false));
   if(t == "BYE")
      return ByeText(json.Text(f, "reason", ""));
   if(t == "ERR")
      return ErrText(json.Text(f, "code", ""), json.Text(f, "message", ""));
   if(t == "PRICE")
      return PriceText(FieldsOf(json, f, "q", 1));
   if(t == "QRES")
     {
      DealRow found[];
      for(int i = json.First(json.Field(f, "found")); i >= 0; i = json.Next(i))
        {
         DealRow row;
         ReadDeal(json, i, row);
         AddDeal(found, row);
        }
      return QresText(json.Text(f, "id", ""), json.Text(f, "position", ""), json.Text(f, "magic", ""), json.Text(f, "jst", ""),
                      DealsText(found, 0, ArraySize(found)), json.Bool(f, "synced", false), json.Long(f, "hist_from", 0),
                      json.Bool(f, "working", false));
     }
   if(t == "SNAP")
      return SnapText(json.Long(f, "boot", 0), json.Long(f, "sseq", 0), (int)json.Long(f, "part", 1), (int)json.Long(f, "of", 1),
                      FieldsOf(json, f, "positions", 1), FieldsOf(json, f, "orders", 1), json.Long(f, "crc", 0),
                      json.Long(f, "ocrc", 0), json.Bool(f, "synced", false));
   if(t == "DELTA")
      return DeltaText(json.Long(f, "boot", 0), json.Long(f, "sseq", 0), FieldsOf(json, f, "rows", 1),
                       FieldsOf(json, f, "orders", 1), json.Text(f, "reason", ""));
   return "";
  }

void FromTheEa(void)
  {
   CJson json;
   int written = 0;
   if(!Golden("from_ea.json", json))
      return;
   for(int i = json.First(json.Field(0, "list")); i >= 0; i = json.Next(i))
     {
      if(json.Text(i, "form", "") != "canonical")
         continue;
      string text = Rewritten(json, json.Field(i, "frame"));
      if(text != "")
         written++;
      if(text != "")
         Same(json.Text(i, "name", ""), text, json.Text(i, "wire", ""));
     }
   Check("most of the EA's frames were written", written >= 15);
   SymbolRow spec;
   spec.symbol = "EURUSD";
   spec.digits = 5;
   spec.point = "0.00001";
   Same("what is not known is null", SymbolText(spec),
        "{\"symbol\":\"EURUSD\",\"digits\":5,\"point\":\"0.00001\",\"tick_size\":null,\"tick_value\":null,\"contract_size\":null,"
        + "\"vol_min\":null,\"vol_max\":null,\"vol_step\":null,\"stops_level\":0,\"filling\":\"\",\"profit_currency\":\"\",\"trade_mode\":\"\"}");
  }

void OnStart(void)
  {
   FromTheHub();
   Refused();
   FromTheEa();
   Done();
  }
