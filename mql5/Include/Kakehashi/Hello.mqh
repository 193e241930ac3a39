//+------------------------------------------------------------------+
//| Hello.mqh: the first frame of a connection.                       |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_HELLO_MQH
#define KAKEHASHI_HELLO_MQH

#include <Kakehashi/Checks.mqh>
#include <Kakehashi/Memory.mqh>

// HELLO: who the EA is, and how far its journal and its events reach.
string HelloText(const Identity &who, const string token, CMemory *mind, const long broker_time)
  {
   Permissions p = ReadPermissions();
   string text = Opened("HELLO") + Pair("account", who.account) + Pair("instance", mind.instance);
   text = text + Pair("server", who.server) + PairOrNull("prev", mind.prev) + PairLong("boot", mind.boot);
   text = text + PairLong("jhi", mind.line) + PairLong("jchain", (long)mind.chain);
   text = text + PairLong("evt_hi", mind.evt_hi) + PairLong("evt_acked", mind.evt_acked);
   text = text + Pair("deal_hi", mind.deal_hi) + PairLong("cmd_hi", mind.cmd_hi) + PairLong("ep", mind.ep);
   text = text + ",\"caps\":[\"mt5\",\"journal\"]" + Pair("ver", EA_VERSION) + PairLong("build", who.build);
   text = text + Pair("currency", who.currency) + PairLong("leverage", who.leverage);
   text = text + Pair("margin_mode", who.netting ? "netting" : "hedging") + Pair("trade_mode", who.trade_mode);
   text = text + ",\"perms\":{\"terminal\":" + BoolText(p.terminal) + PairBool("expert", p.expert);
   text = text + PairBool("account", p.account) + PairBool("server", p.server) + "}";
   text = text + PairLong("broker_time", broker_time);
   return text + Pair("token", token) + "}";
  }

#endif
