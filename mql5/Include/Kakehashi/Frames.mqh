//+------------------------------------------------------------------+
//| Frames.mqh: the frames of klink/1, written and read.             |
//|                                                                  |
//| What the EA says is written with all fields in the order of the  |
//| contract; what the hub says is read into FromHub, or refused.    |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_FRAMES_MQH
#define KAKEHASHI_FRAMES_MQH

#include <Kakehashi/Deals.mqh>
#include <Kakehashi/Json.mqh>

string TextList(const string &texts[])
  {
   string list = "";
   for(int i = 0; i < ArraySize(texts); i++)
      list = list + ((i > 0) ? "," : "") + CJson::Quoted(texts[i]);
   return "[" + list + "]";
  }

string BoolText(const bool value)
  {
   return value ? "true" : "false";
  }

string Pair(const string key, const string text)
  {
   return ",\"" + key + "\":" + CJson::Quoted(text);
  }

string PairLong(const string key, const long value)
  {
   return ",\"" + key + "\":" + IntegerToString(value);
  }

string PairBool(const string key, const bool value)
  {
   return ",\"" + key + "\":" + BoolText(value);
  }

// A text, or null where it is empty.
string PairOrNull(const string key, const string text)
  {
   return ",\"" + key + "\":" + ((text == "") ? "null" : CJson::Quoted(text));
  }

string PairList(const string key, const string list)
  {
   return ",\"" + key + "\":[" + list + "]";
  }

string Opened(const string type)
  {
   return "{\"t\":\"" + type + "\",\"v\":1";
  }

//--- rows

string PositionText(const PositionRow &row)
  {
   string text = "{\"ticket\":" + CJson::Quoted(row.ticket) + Pair("symbol", row.symbol) + Pair("side", row.side);
   text = text + Pair("volume", row.volume) + Pair("open", row.open) + Pair("ident", row.ident) + Pair("sl", row.sl);
   text = text + Pair("tp", row.tp) + Pair("magic", row.magic) + PairLong("opened", row.opened);
   return text + Pair("profit", row.profit) + Pair("swap", row.swap) + "}";
  }

string OrderText(const OrderRow &row)
  {
   string text = "{\"ticket\":" + CJson::Quoted(row.ticket) + Pair("symbol", row.symbol) + Pair("type", row.type);
   text = text + Pair("volume", row.volume) + Pair("price", row.price) + Pair("sl", row.sl) + Pair("tp", row.tp);
   return text + Pair("magic", row.magic) + "}";
  }

string DealText(const DealRow &row)
  {
   string text = "{\"ticket\":" + CJson::Quoted(row.ticket) + Pair("symbol", row.symbol) + Pair("side", row.side);
   text = text + Pair("entry", row.entry) + Pair("volume", row.volume) + Pair("price", row.price);
   text = text + PairLong("time", row.time) + Pair("order", row.order) + Pair("position", row.position);
   text = text + Pair("profit", row.profit) + Pair("swap", row.swap) + Pair("commission", row.commission);
   return text + Pair("fee", row.fee) + Pair("reason", row.reason) + Pair("magic", row.magic) + "}";
  }

string DealsText(const DealRow &rows[], const int from, const int count)
  {
   string list = "";
   for(int i = from; i < from + count; i++)
      list = list + ((i > from) ? "," : "") + DealText(rows[i]);
   return list;
  }

string SymbolText(const SymbolRow &row)
  {
   string text = "{\"symbol\":" + CJson::Quoted(row.symbol) + PairLong("digits", row.digits) + PairOrNull("point", row.point);
   text = text + PairOrNull("tick_size", row.tick_size) + PairOrNull("tick_value", row.tick_value);
   text = text + PairOrNull("contract_size", row.contract_size) + PairOrNull("vol_min", row.vol_min);
   text = text + PairOrNull("vol_max", row.vol_max) + PairOrNull("vol_step", row.vol_step);
   text = text + PairLong("stops_level", row.stops_level) + Pair("filling", row.filling);
   return text + Pair("profit_currency", row.profit_currency) + Pair("trade_mode", row.trade_mode) + "}";
  }

//--- frames of the EA

string EvtText(const Evt &evt)
  {
   string text = Opened("EVT") + PairLong("n", evt.n) + Pair("id", evt.id) + PairLong("j", evt.j) + Pair("st", evt.st);
   text = text + ",\"retcode\":" + ((evt.retcode < 0) ? "null" : IntegerToString(evt.retcode)) + Pair("order", evt.order);
   text = text + PairList("deals", DealsText(evt.deals, 0, ArraySize(evt.deals))) + Pair("vol", evt.vol);
   return text + PairOrNull("price", evt.price) + Pair("reason", evt.reason) + "}";
  }

string AckText(const string id, const long j)
  {
   return Opened("ACK") + Pair("id", id) + PairLong("j", j) + "}";
  }

string ErrText(const string code, const string message)
  {
   return Opened("ERR") + Pair("code", code) + Pair("message", message) + "}";
  }

string ByeText(const string reason)
  {
   return Opened("BYE") + Pair("reason", reason) + "}";
  }

string TestText(const string id, const bool re)
  {
   return Opened("TEST") + Pair("id", id) + PairBool("re", re) + "}";
  }

string SymsText(const string list)
  {
   return Opened("SYMS") + PairList("rows", list) + "}";
  }

string PriceText(const string list)
  {
   return Opened("PRICE") + PairList("q", list) + "}";
  }

string QuoteText(const QuoteRow &row)
  {
   return "[" + CJson::Quoted(row.symbol) + "," + CJson::Quoted(row.bid) + "," + CJson::Quoted(row.ask) + ","
          + IntegerToString(row.time) + "]";
  }

string QresText(const string id, const string position, const string magic, const string jst, const string found,
                const bool synced, const long since, const bool working)
  {
   string text = Opened("QRES") + Pair("id", id) + Pair("position", position) + Pair("magic", magic) + Pair("jst", jst);
   return text + PairList("found", found) + PairBool("synced", synced) + PairLong("hist_from", since)
          + PairBool("working", working) + "}";
  }

string SnapText(const long boot, const long sseq, const int part, const int of, const string positions,
                const string orders, const long crc, const long ocrc, const bool synced)
  {
   string text = Opened("SNAP") + PairLong("boot", boot) + PairLong("sseq", sseq) + PairLong("part", part);
   text = text + PairLong("of", of) + PairList("positions", positions) + PairList("orders", orders);
   return text + PairLong("crc", crc) + PairLong("ocrc", ocrc) + PairBool("synced", synced) + "}";
  }

string DeltaText(const long boot, const long sseq, const string rows, const string orders, const string reason)
  {
   string text = Opened("DELTA") + PairLong("boot", boot) + PairLong("sseq", sseq) + PairList("rows", rows);
   return text + PairList("orders", orders) + Pair("reason", reason) + "}";
  }

// A command with all of its fields, as the journal keeps it.
string CmdText(const Cmd &c)
  {
   string text = Opened("CMD") + Pair("id", c.id) + PairLong("seq", c.seq) + Pair("op", c.op) + Pair("sym", c.sym);
   text = text + Pair("magic", c.magic) + PairLong("ep", c.ep) + PairLong("ttl_ms", c.ttl_ms) + Pair("kind", c.kind);
   text = text + Pair("side", c.side) + Pair("vol", c.vol) + Pair("price", c.price) + Pair("stoplimit", c.stoplimit);
   text = text + Pair("sl", c.sl) + Pair("tp", c.tp) + PairLong("deviation", c.deviation);
   text = text + PairLong("expiry_ms", c.expiry_ms) + Pair("target", c.target) + Pair("expect_vol", c.expect_vol);
   text = text + PairLong("opened_before", c.opened_before) + PairLong("age_ms", c.age_ms);
   return text + PairLong("hn", c.hn) + PairLong("hn_ago_ms", c.hn_ago_ms) + "}";
  }

//--- reading

void ReadCmd(CJson &json, const int node, Cmd &c)
  {
   json.Need(node, "id");
   json.Need(node, "seq");
   json.Need(node, "op");
   json.Need(node, "sym");
   json.Need(node, "magic");
   json.Need(node, "ep");
   json.Need(node, "ttl_ms");
   c.id = json.Text(node, "id", "");
   c.seq = json.Long(node, "seq", 0);
   c.op = json.Text(node, "op", "");
   c.sym = json.Text(node, "sym", "");
   c.magic = json.Text(node, "magic", "");
   c.ep = json.Long(node, "ep", 0);
   c.ttl_ms = json.Long(node, "ttl_ms", 0);
   c.kind = json.Text(node, "kind", "MARKET");
   c.side = json.Text(node, "side", "");
   c.vol = json.Amount(node, "vol", "0");
   c.price = json.Amount(node, "price", "0");
   c.stoplimit = json.Amount(node, "stoplimit", "0");
   c.sl = json.Amount(node, "sl", "0");
   c.tp = json.Amount(node, "tp", "0");
   c.deviation = json.Long(node, "deviation", 20);
   c.expiry_ms = json.Long(node, "expiry_ms", 0);
   c.target = json.Text(node, "target", "");
   c.expect_vol = json.Amount(node, "expect_vol", "0");
   c.opened_before = json.Long(node, "opened_before", 0);
   c.age_ms = json.Long(node, "age_ms", 0);
   c.hn = json.Long(node, "hn", 0);
   c.hn_ago_ms = json.Long(node, "hn_ago_ms", 0);
  }

void ReadDeal(CJson &json, const int node, DealRow &d)
  {
   json.Need(node, "ticket");
   d.ticket = json.Text(node, "ticket", "");
   d.symbol = json.Text(node, "symbol", "");
   d.side = json.Text(node, "side", "");
   d.entry = json.Text(node, "entry", "");
   d.volume = json.Amount(node, "volume", "0");
   d.price = json.Amount(node, "price", "0");
   d.time = json.Long(node, "time", 0);
   d.order = json.Text(node, "order", "");
   d.position = json.Text(node, "position", "");
   d.profit = json.Amount(node, "profit", "0");
   d.swap = json.Amount(node, "swap", "0");
   d.commission = json.Amount(node, "commission", "0");
   d.fee = json.Amount(node, "fee", "0");
   d.reason = json.Text(node, "reason", "");
   d.magic = json.Text(node, "magic", "0");
  }

void ReadEvt(CJson &json, const int node, Evt &e)
  {
   json.Need(node, "n");
   json.Need(node, "st");
   e.n = json.Long(node, "n", 0);
   e.id = json.Text(node, "id", "");
   e.j = json.Long(node, "j", 0);
   e.st = json.Text(node, "st", "");
   int code = json.Field(node, "retcode");
   e.retcode = (code < 0 || json.Type(code) == JSON_NULL) ? -1 : json.Long(node, "retcode", -1);
   e.order = json.Text(node, "order", "");
   ArrayResize(e.deals, 0);
   for(int i = json.First(json.Field(node, "deals")); i >= 0; i = json.Next(i))
     {
      DealRow row;
      ReadDeal(json, i, row);
      AddDeal(e.deals, row);
     }
   e.vol = json.Amount(node, "vol", "0");
   e.price = json.Amount(node, "price", "");
   e.reason = json.Text(node, "reason", "");
  }

void ReadTexts(CJson &json, const int node, const string key, string &texts[])
  {
   ArrayResize(texts, 0);
   for(int i = json.First(json.Field(node, key)); i >= 0; i = json.Next(i))
     {
      int count = ArraySize(texts);
      ArrayResize(texts, count + 1, 16);
      texts[count] = json.Raw(i);
     }
  }

// What the hub said: `t` is its type; of the others only those that belong to it are filled.
struct FromHub
  {
   string            t;
   Cmd               cmd;
   string            id;
   string            position;
   string            magic;
   string            reason;
   long              n;
   long              ep;
   long              evt_ack;
   long              gen;
   long              lease_ms;
   long              hb_ms;
   long              stale_ms;
   long              dead_ms;
   long              retry_ms;
   long              start;
   bool              re;
   bool              cancel_pending;
   string            symbols[];

                     FromHub(void)
     {
      t = "";
      id = "";
      position = "";
      magic = "";
      reason = "";
      n = 0;
      ep = 0;
      evt_ack = 0;
      gen = 0;
      lease_ms = 0;
      hb_ms = 0;
      stale_ms = 0;
      dead_ms = 0;
      retry_ms = 0;
      start = 0;
      re = false;
      cancel_pending = false;
     }
  };

void ReadWelcome(CJson &json, FromHub &frame)
  {
   json.Need(0, "ep");
   json.Need(0, "lease_ms");
   json.Need(0, "hb_ms");
   json.Need(0, "stale_ms");
   json.Need(0, "dead_ms");
   frame.ep = json.Long(0, "ep", 0);
   frame.lease_ms = json.Long(0, "lease_ms", 0);
   frame.hb_ms = json.Long(0, "hb_ms", 0);
   frame.stale_ms = json.Long(0, "stale_ms", 0);
   frame.dead_ms = json.Long(0, "dead_ms", 0);
   frame.evt_ack = json.Long(0, "evt_ack", 0);
   frame.gen = json.Long(0, "gen", 0);
  }

void ReadControl(CJson &json, FromHub &frame)
  {
   json.Need(0, "gen");
   frame.gen = json.Long(0, "gen", 0);
   frame.cancel_pending = json.Bool(0, "cancel_pending_on_halt", true);
   ReadTexts(json, 0, "symbols", frame.symbols);
  }

// The fields of a known type; false: the hub says no such thing.
bool ReadFields(CJson &json, FromHub &frame)
  {
   string t = frame.t;
   if(t == "CMD")
      ReadCmd(json, 0, frame.cmd);
   else if(t == "WELCOME")
      ReadWelcome(json, frame);
   else if(t == "HALT" || t == "RESUME" || t == "SET")
      ReadControl(json, frame);
   else if(t == "HBA")
     {
      json.Need(0, "n");
      json.Need(0, "ep");
      frame.n = json.Long(0, "n", 0);
      frame.ep = json.Long(0, "ep", 0);
      frame.evt_ack = json.Long(0, "evt_ack", 0);
     }
   else if(t == "EVTA")
     {
      json.Need(0, "n");
      frame.n = json.Long(0, "n", 0);
     }
   else if(t == "RESEND")
     {
      json.Need(0, "from");
      frame.start = json.Long(0, "from", 0);
     }
   else if(t == "REFUSE")
     {
      json.Need(0, "reason");
      frame.reason = json.Text(0, "reason", "");
      frame.retry_ms = json.Long(0, "retry_ms", 5000);
     }
   else if(t == "QUERY")
     {
      frame.id = json.Text(0, "id", "");
      frame.position = json.Text(0, "position", "");
      frame.magic = json.Text(0, "magic", "");
     }
   else if(t == "TEST")
     {
      json.Need(0, "id");
      frame.id = json.Text(0, "id", "");
      frame.re = json.Bool(0, "re", false);
     }
   else if(t == "BYE" || t == "REQ_SNAP")
      frame.reason = json.Text(0, "reason", "");
   else if(t == "ERR")
     {
      json.Need(0, "code");
      frame.id = json.Text(0, "code", "");
      frame.reason = json.Text(0, "message", "");
     }
   else
      return false;
   return true;
  }

// Reads a frame of the hub. Empty, or the code that says why nothing of it may be used.
string ReadFrame(CJson &json, const string text, FromHub &frame)
  {
   if(StringLen(text) > MAX_FRAME || ByteCount(text) > MAX_FRAME)
      return "TOO_LARGE";
   string error = json.Parse(text);
   if(error != "")
      return error;
   int type = json.Field(0, "t");
   if(type < 0 || json.Type(type) != JSON_TEXT)
      return "UNKNOWN_FRAME";
   frame.t = json.Raw(type);
   if(frame.t == "REQUEST_FULL_SYNC")
      frame.t = "REQ_SNAP";
   if(json.Has(0, "v") && json.Raw(json.Field(0, "v")) != "1")
      return "BAD_FRAME";
   if(!ReadFields(json, frame))
      return "UNKNOWN_FRAME";
   return json.Wrong();
  }

#endif
