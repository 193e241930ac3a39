//+------------------------------------------------------------------+
//| KakehashiEA.mq5: carries out the hub's commands on this account  |
//| and tells what happens on it. Events only; what they mean stands |
//| in Include/Kakehashi. Reference of the inputs: install-ea.md.    |
//+------------------------------------------------------------------+
#property copyright "kakehashi"
#property version   "1.00"
#property description "Connects this account with your kakehashi hub (klink/1)."

#include <Kakehashi/Shell.mqh>

// Each input: what it is in English, as the terminal's dialog shows it, and above it in Japanese, for the documents.

//ja ハブのアドレス。ws://ホスト:ポート/ea/v1、TLS を使う場合は wss://
input string         HubUrl = "ws://127.0.0.1:7800/ea/v1"; // Address of the hub: ws://host:port/ea/v1, wss:// with TLS
//ja この口座の EA トークン（kakehashi token create --scope ea で作成）
input string         Token = ""; // The account's EA token (kakehashi token create --scope ea)
//ja 接続方式。AUTO は WebSocket、つながらない場合はポーリング
input ENUM_TRANSPORT Transport = TRANSPORT_AUTO; // WebSocket, polling, or AUTO: polling where a WebSocket cannot be had
//ja タイマー 1 回で命令を待つ時間（ミリ秒）。EA 専用チャートでは 100 まで
input int            WaitMs = 14; // How long one timer event may wait for commands, ms; up to 100 on a chart of its own
//ja ポーリング時、ハブが応答を保留してよい時間（ミリ秒、最大 750）
input int            PollWaitMs = 250; // Polling: how long the hub may hold a request, ms; at most 750
//ja この値（ポイント）を超えるスプレッドでは新規注文を拒否。0 は制限なし
input int            MaxSpreadPoints = 0; // Entries are refused above this spread, points; 0: any spread
//ja チャートに状態パネルを表示する
input bool           ShowPanel = true; // Show the status panel on the chart
//ja パネルの言語
input ENUM_LANGUAGE  Language = LANGUAGE_EN; // Language of the panel

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
