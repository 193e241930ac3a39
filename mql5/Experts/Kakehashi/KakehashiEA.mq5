//+------------------------------------------------------------------+
//| KakehashiEA.mq5: carries out the hub's commands on this account   |
//| and tells what happens on it. Events only; what they mean stands   |
//| in Include/Kakehashi. Reference of the inputs: install-ea.md.      |
//+------------------------------------------------------------------+
#property copyright "kakehashi"
#property version   "1.00"
#property description "Connects this account with your kakehashi hub (klink/1)."

#include <Kakehashi/Shell.mqh>

input string        HubUrl = "ws://127.0.0.1:7800/ea/v1"; // Address of the hub: ws://host:port/ea/v1, wss:// with TLS
input string        Token = "";                           // The account's EA token (kakehashi token new --role ea ...)
input ENUM_TRANSPORT Transport = TRANSPORT_AUTO;          // WebSocket, polling, or whichever can be had
input int           WaitMs = 14;                          // How long one timer event may wait for commands, ms; up to 100 on a chart of its own
input int           PollWaitMs = 250;                     // Polling: how long the hub may hold a request, ms; at most 750
input int           MaxSpreadPoints = 0;                  // Entries are refused above this spread, points; 0: any spread
input bool          ShowPanel = true;                     // Show the status panel on the chart
input ENUM_LANGUAGE Language = LANGUAGE_EN;               // Language of the panel

CShell *shell = NULL;

int OnInit(void)
  {
   MathSrand((int)(GetMicrosecondCount() & 0x7FFFFFFF));
   Settings set;
   set.url = HubUrl;
   set.token = Token;
   set.transport = Transport;
   set.wait_ms = MathMin(MathMax(WaitMs, 0), 100);
   set.poll_wait_ms = PollWaitMs;
   set.max_spread = MaxSpreadPoints;
   set.panel = ShowPanel;
   set.language = Language;
   shell = new CShell();
   if(!shell.Configure(set))
      return INIT_PARAMETERS_INCORRECT;
   string why = shell.Start();
   if(why != "")
     {
      Print("Kakehashi: ", why, ": another EA runs on this account, or its journal in Common/Files/Kakehashi cannot be used");
      return INIT_FAILED;
     }
   return EventSetMillisecondTimer(16) ? INIT_SUCCEEDED : INIT_FAILED;
  }

void OnDeinit(const int reason)
  {
   EventKillTimer();
   if(shell == NULL)
      return;
   shell.Stop();
   delete shell;
   shell = NULL;
  }

void OnTimer(void)
  {
   if(!shell.Started())
     {
      string why = shell.Start();
      if(why != "")
        {
         Print("Kakehashi: ", why);
         ExpertRemove();
        }
     }
   else
      shell.Timer();
   if(shell.Failed())
     {
      Print("Kakehashi: stops: what is not written down must not be done");
      ExpertRemove();
     }
  }

void OnTradeTransaction(const MqlTradeTransaction &trans, const MqlTradeRequest &request, const MqlTradeResult &result)
  {
   if(shell != NULL && shell.Started())
      shell.Transaction(trans, result);
  }
