//+------------------------------------------------------------------+
//| KakehashiMT4.mq4: carries out, on a MetaTrader 4 account, what   |
//| the hub's mailbox holds for it. One terminal, one chart.         |
//|                                                                  |
//| MetaTrader 4 has no sockets: the EA asks by WebRequest, and holds|
//| its thread until the hub answers. The hub's address has to be in |
//| Tools > Options > Expert Advisors > "Allow WebRequest", and the  |
//| tab "Account History" has to show "All History".                 |
//+------------------------------------------------------------------+
#property copyright "kakehashi"
#property version   "1.00"
#property strict

#include <Kakehashi/Mailbox.mqh>

//ja ハブのアドレス: http://host:port（TLS は https://）
input string HubUrl = "http://127.0.0.1:7800"; // Address of the hub: http://host:port, https:// with TLS
//ja ハブでの口座名
input string Account = "demo"; // The account's name at the hub
//ja この口座の EA トークン（kakehashi token create --scope ea で作成）
input string Token = ""; // The account's EA token (kakehashi token create --scope ea)
//ja 問い合わせの間隔（ミリ秒）
input int    PollMs = 1000; // How often it asks, ms
//ja 口座の状態を報告する間隔（秒）
input int    ReportS = 5; // How often it reports the account, seconds
//ja 許容スリッページ（ポイント）
input int    Slippage = 20; // Largest slippage, points

CBook    book;
CDealer  dealer;
CMailbox mailbox;
Item     waiting[];          // taken, and not known yet what became of them
string   untold = "";        // results that the hub has not taken yet
datetime quoted = 0;
ulong    report_due = 0;
bool     traded = false;

int OnInit(void)
  {
   if(Token == "" || StringFind(HubUrl, "http") != 0)
     {
      Print("Kakehashi: HubUrl is http://host:port, Token is the account's EA token");
      return INIT_PARAMETERS_INCORRECT;
     }
   string name = AccountInfoString(ACCOUNT_SERVER) + "-" + IntegerToString(AccountInfoInteger(ACCOUNT_LOGIN));
   if(!book.Open("Kakehashi\\" + name + ".mt4.journal"))
     {
      Print("Kakehashi: JOURNAL_HELD: another EA works on this account");
      return INIT_FAILED;
     }
   dealer.Take(GetPointer(book), Slippage);
   mailbox.To(HubUrl, Account, Token);
   EventSetMillisecondTimer(MathMax(PollMs, 50));
   Print("Kakehashi: account ", name, ", MetaTrader 4");
   return INIT_SUCCEEDED;
  }

void OnDeinit(const int reason)
  {
   EventKillTimer();
   book.Close();
   Comment("");
  }

void Carry(const Item &item)
  {
   string result = dealer.Carry(item);
   if(result == "")
     {
      int count = ArraySize(waiting);
      ArrayResize(waiting, count + 1, 16);
      waiting[count] = item;
      return;
     }
   traded = true;
   untold = untold + ((untold == "") ? "" : ",") + "{\"key\":" + CJson::Quoted(item.key) + result;
  }

// What was not known the last time, unless the hub has just asked for it again.
void CarryWaiting(const Item &fresh[])
  {
   Item old[];
   int count = ArraySize(waiting);
   ArrayResize(old, count);
   for(int i = 0; i < count; i++)
      old[i] = waiting[i];
   ArrayResize(waiting, 0, 16);
   for(int i = 0; i < count; i++)
     {
      bool again = false;
      for(int k = 0; k < ArraySize(fresh); k++)
         again = again || fresh[k].id == old[i].id;
      if(!again)
         Carry(old[i]);
     }
  }

void OnTimer(void)
  {
   if(quoted != 0 && TimeCurrent() != quoted) // a quote has just come; at a weekend the clock of the last one stands still
      dealer.Clock();
   quoted = TimeCurrent();
   if(!IsConnected() || !IsTradeAllowed())
     {
      Comment("Kakehashi: ", IsConnected() ? "algo trading is switched off" : "no connection to the broker");
      return; // nothing is taken that could not be done
     }
   dealer.Recover();
   Item fresh[];
   int count = mailbox.Poll(fresh);
   CarryWaiting(fresh);
   for(int i = 0; i < count; i++)
      Carry(fresh[i]);
   if(untold != "" && mailbox.Ack(untold))
      untold = "";
   string rested = dealer.Rested();
   if(rested != "" && mailbox.Ack(rested))
     {
      dealer.RestedTold();
      traded = true;
     }
   ulong now = GetMicrosecondCount() / 1000;
   if((traded || now >= report_due) && mailbox.Report(dealer, book))
     {
      report_due = now + (ulong)ReportS * 1000;
      traded = false;
     }
   Comment("Kakehashi: ", (mailbox.error == "") ? "connected" : mailbox.error, "\ncommands not known yet: ", ArraySize(waiting));
  }
