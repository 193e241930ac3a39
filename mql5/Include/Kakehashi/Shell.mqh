//+------------------------------------------------------------------+
//| Shell.mqh: the link and the world around it: terminal, journal,  |
//| connection, clocks, panel.                                       |
//|                                                                  |
//| The link decides; the shell brings in what happened, one event   |
//| after the other, and carries out what comes of each before the   |
//| next. What a broker answers waits until then too.                |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_SHELL_MQH
#define KAKEHASHI_SHELL_MQH

#include <Kakehashi/Fresh.mqh>
#include <Kakehashi/Link.mqh>
#include <Kakehashi/Panel.mqh>
#include <Kakehashi/Poll.mqh>
#include <Kakehashi/Terminal.mqh>
#include <Kakehashi/WebSocket.mqh>

#define PULSE_MS 200
// News that no command waits for is read at most so often.
#define NEWS_MS 20
#define SYMBOLS_MS 60000
#define PANEL_MS 500
// So many WebSockets that could not be opened, one after the other, and polling is tried.
#define FALLBACK_AFTER 3
// ERR_FUNCTION_NOT_ALLOWED: the address is not in the terminal's list.
#define NOT_ALLOWED 4014

enum ENUM_TRANSPORT
  {
   TRANSPORT_AUTO,      // WebSocket, polling where it cannot be had
   TRANSPORT_WEBSOCKET, // WebSocket only
   TRANSPORT_POLL       // polling only
  };

// What a person set.
struct Settings
  {
   string            url;
   string            token;
   ENUM_TRANSPORT    transport;
   int               wait_ms;
   int               poll_wait_ms;
   int               max_spread;
   bool              panel;
   ENUM_LANGUAGE     language;
  };

class CShell
  {
private:
   Settings          m_set;
   Address           m_where;
   CJournal          m_journal;
   CChecks           m_rules;
   CLink             m_link;
   CTerminal         m_terminal;
   CWebSocket        m_websocket;
   CPoll             m_poll;
   CLine            *m_line;
   CPanel            m_panel;
   bool              m_polling; // the line is m_poll
   bool              m_started;
   int               m_failures;
   long              m_connect_at;
   long              m_viewed_at;
   long              m_specified_at;
   long              m_quoted_at;
   long              m_shown_at;
   long              m_turned_at;
   string            m_quotes;
   string            m_trouble;
   Answered          m_answers[];
   Look              m_asked[];

public:
                     CShell(void)
     {
      m_line = NULL;
      m_started = false;
      m_failures = 0;
      m_connect_at = 0;
      m_viewed_at = NEVER;
      m_specified_at = NEVER;
      m_quoted_at = NEVER;
      m_shown_at = NEVER;
      m_turned_at = NEVER;
      m_polling = false;
      m_quotes = "";
      m_trouble = "";
     }

   // False: the settings cannot be used.
   bool              Configure(const Settings &set)
     {
      m_set = set;
      m_panel.Open(set.panel, set.language);
      if(!m_where.Parse(set.url) || set.token == "")
        {
         Print("Kakehashi: HubUrl is ws://, wss://, http:// or https:// and a host; Token is the account's EA token");
         return false;
        }
      m_websocket.To(m_where, set.token);
      m_poll.To(m_where, set.token, set.poll_wait_ms);
      return true;
     }

   bool              Started(void) const { return m_started; }
   bool              Failed(void) const { return m_journal.Failed(); }

   // Begins once the terminal is logged in. Empty, or why the EA cannot run here at all.
   string            Start(void)
     {
      Identity who;
      if(AccountInfoInteger(ACCOUNT_LOGIN) == 0 || AccountInfoString(ACCOUNT_SERVER) == "")
         return "";
      ReadIdentity(who);
      string why = m_journal.Open(who.server, who.account, Wall());
      if(why != "")
         return why;
      m_rules.Home(who.account, who.server, m_set.max_spread);
      m_link.Init(who, m_set.token, GetPointer(m_journal), GetPointer(m_journal.memory), GetPointer(m_rules));
      m_link.TakeStart(FreshId(who.account), Now(), Wall());
      m_started = true;
      CarryOut();
      ReadView();
      Print("Kakehashi: account ", who.account, " on ", who.server, ", boot ", m_journal.memory.boot);
      return "";
     }

   // One event of the timer.
   void              Timer(void)
     {
      int before = m_link.acts.InFlight();
      if(m_line == NULL && Now() >= m_connect_at)
         Connect();
      Talk();
      long now = Now();
      if(m_viewed_at == NEVER || now >= m_viewed_at + PULSE_MS)
         ReadView();
      if(m_specified_at == NEVER || now >= m_specified_at + SYMBOLS_MS)
         ReadSymbols();
      if(m_quoted_at == NEVER || now >= m_quoted_at + PULSE_MS)
         ReadQuotes();
      if(m_turned_at == NEVER || now >= m_turned_at + PULSE_MS)
        {
         m_turned_at = now;
         m_link.TakeTime(Now(), Wall());
         CarryOut();
        }
      Settle();
      if(before > 0 && m_link.acts.InFlight() == 0)
         Talk();
      if(m_shown_at == NEVER || now >= m_shown_at + PANEL_MS)
         ShowPanel();
     }

   // Something happened on the account.
   void              Transaction(const MqlTradeTransaction &trans, const MqlTradeResult &result)
     {
      Answered answer;
      int before = m_link.acts.InFlight();
      if(m_terminal.Answer(trans, result, answer))
         Remember(answer);
      else
         m_link.acts.Hasten(Now());
      bool moved = (trans.type == TRADE_TRANSACTION_DEAL_ADD || trans.type == TRADE_TRANSACTION_HISTORY_ADD
                    || trans.type == TRADE_TRANSACTION_POSITION || trans.type == TRADE_TRANSACTION_ORDER_UPDATE
                    || trans.type == TRADE_TRANSACTION_ORDER_DELETE);
      if(moved && (before > 0 || Now() >= m_viewed_at + NEWS_MS))
         ReadView();
      Settle();
      if(before > 0 && m_link.acts.InFlight() == 0) // the next command may be here before the timer is
         Talk();
     }

   // A clean end: BYE is said, CLEAN is written.
   void              Stop(void)
     {
      if(!m_started)
         return;
      m_link.TakeStopping(Now(), Wall());
      Say();
      if(m_line != NULL)
         m_line.Close(1000, "STOP");
      m_line = NULL;
      m_journal.Close();
      m_started = false;
     }

private:
   static long       Now(void) { return (long)GetTickCount64(); }
   static long       Wall(void) { return (long)TimeGMT() * 1000; }

   static void       ReadIdentity(Identity &who)
     {
      who.account = IntegerToString(AccountInfoInteger(ACCOUNT_LOGIN));
      who.server = AccountInfoString(ACCOUNT_SERVER);
      who.build = TerminalInfoInteger(TERMINAL_BUILD);
      who.currency = AccountInfoString(ACCOUNT_CURRENCY);
      who.leverage = AccountInfoInteger(ACCOUNT_LEVERAGE);
      who.netting = (AccountInfoInteger(ACCOUNT_MARGIN_MODE) != ACCOUNT_MARGIN_MODE_RETAIL_HEDGING);
      long mode = AccountInfoInteger(ACCOUNT_TRADE_MODE);
      who.trade_mode = (mode == ACCOUNT_TRADE_MODE_REAL) ? "real" : (mode == ACCOUNT_TRADE_MODE_CONTEST) ? "contest" : "demo";
     }

   //--- the connection

   bool              ByPoll(void) const
     {
      if(m_set.transport != TRANSPORT_AUTO)
         return m_set.transport == TRANSPORT_POLL;
      return m_failures >= FALLBACK_AFTER && (m_failures % 2) != 0;
     }

   void              Connect(void)
     {
      bool polls = ByPoll(), open = false;
      string session = FreshId("session");
      if(polls)
         open = m_poll.Open(session);
      else
         open = m_websocket.Open(session);
      m_failures = (open && !polls) ? 0 : m_failures + 1;
      if(!open)
        {
         Complain(m_websocket.error);
         if(m_websocket.last_error == NOT_ALLOWED)
            Complain("add the hub's address to Tools > Options > Expert Advisors > Allow WebRequest for listed URL");
         m_link.TakeDisconnected(Now(), Wall());
         CarryOut();
         Pause();
         return;
        }
      m_polling = polls;
      if(polls)
         m_line = GetPointer(m_poll);
      else
         m_line = GetPointer(m_websocket);
      m_link.TakeConnected(FreshId("instance"), Now(), Wall());
      CarryOut();
     }

   void              Complain(const string trouble)
     {
      if(trouble != m_trouble)
         Print("Kakehashi: ", trouble);
      m_trouble = trouble;
     }

   void              Pause(void)
     {
      m_connect_at = Now() + m_link.wait_ms / 2 + m_link.wait_ms * MathRand() / 32768;
     }

   // Frames out and in. While a command is under way nothing is waited for: what becomes of it comes by events of their own.
   void              Talk(void)
     {
      if(m_line == NULL)
         return;
      string text = "";
      long until = Now() + m_set.wait_ms;
      while(m_line != NULL && m_line.Alive())
        {
         bool busy = (m_link.acts.InFlight() > 0);
         m_line.Exchange(busy ? 0 : (int)MathMax(until - Now(), 0));
         while(m_line != NULL && m_line.Receive(text))
            Hear(text);
         if(busy || m_polling || Now() >= until)
            break;
        }
      if(m_line != NULL && !m_line.Alive())
        {
         Complain(m_line.error);
         m_line = NULL;
         m_link.TakeDisconnected(Now(), Wall());
         CarryOut();
         Pause();
        }
     }

   void              Hear(const string text)
     {
      CJson json;
      FromHub frame;
      string code = ReadFrame(json, text, frame);
      if(code != "")
         m_link.TakeGarbled(code, Now(), Wall());
      else
         m_link.TakeFrame(frame, Now(), Wall());
      if(code == "" && frame.t == "WELCOME" && m_link.phase == PHASE_UP)
         m_trouble = "";
      CarryOut();
      Settle();
     }

   //--- carrying out

   void              CarryOut(void)
     {
      if(m_journal.Failed())
         return;
      for(int i = 0; i < ArraySize(m_link.acts.trades); i++)
        {
         Answered answer;
         if(m_terminal.Send(m_link.acts.trades[i], answer))
            Remember(answer);
        }
      ArrayResize(m_link.acts.trades, 0);
      Say();
      for(int i = 0; i < ArraySize(m_link.acts.looks.rows); i++)
        {
         int count = ArraySize(m_asked);
         ArrayResize(m_asked, count + 1, 16);
         m_asked[count] = m_link.acts.looks.rows[i];
        }
      ArrayResize(m_link.acts.looks.rows, 0);
      if(m_link.watch)
        {
         m_link.watch = false;
         m_quotes = "";
        }
      if(m_link.drop != "")
         HangUp();
     }

   void              Say(void)
     {
      for(int i = 0; i < ArraySize(m_link.pen.frames) && m_line != NULL; i++)
         m_line.Send(m_link.pen.frames[i]);
      ArrayResize(m_link.pen.frames, 0, 64);
     }

   void              HangUp(void)
     {
      Complain("left the hub: " + m_link.drop);
      m_link.drop = "";
      if(m_line == NULL)
         return;
      m_line.Close(1000, "");
      m_line = NULL;
      Pause();
     }

   void              Remember(const Answered &answer)
     {
      int count = ArraySize(m_answers);
      ArrayResize(m_answers, count + 1, 8);
      m_answers[count] = answer;
     }

   // What answers and looks bring, each with a view that is as young.
   void              Settle(void)
     {
      for(int turn = 0; turn < 64 && !m_journal.Failed(); turn++)
        {
         if(ArraySize(m_answers) > 0)
           {
            Answered answer = m_answers[0];
            int last = ArraySize(m_answers) - 1;
            for(int i = 0; i < last; i++)
               m_answers[i] = m_answers[i + 1];
            ArrayResize(m_answers, last, 8);
            ReadView();
            m_link.TakeAnswered(answer, Now(), Wall());
            CarryOut();
           }
         else if(ArraySize(m_asked) > 0)
           {
            Look look = m_asked[0];
            int last = ArraySize(m_asked) - 1;
            for(int i = 0; i < last; i++)
               m_asked[i] = m_asked[i + 1];
            ArrayResize(m_asked, last, 16);
            Seen seen;
            if(!m_terminal.LookAt(look, seen))
               continue;
            ReadView();
            m_link.TakeSeen(seen, Now(), Wall());
            CarryOut();
           }
         else
            return;
        }
     }

   //--- the terminal

   void              ReadView(void)
     {
      m_viewed_at = Now();
      m_terminal.Read(m_link.acts.view, m_journal.memory.deal_hi, m_journal.memory.deals_since, m_viewed_at);
      m_link.TakeRead(Now(), Wall());
      CarryOut();
     }

   void              ReadSymbols(void)
     {
      SymbolRow rows[];
      if(TerminalInfoInteger(TERMINAL_CONNECTED) == 0)
         return;
      m_terminal.ReadSymbols(rows);
      if(ArraySize(rows) == 0)
         return;
      m_specified_at = Now();
      m_link.TakeSymbols(rows, Now(), Wall());
      CarryOut();
     }

   void              ReadQuotes(void)
     {
      m_quoted_at = Now();
      if(m_line == NULL || m_link.phase != PHASE_UP || ArraySize(m_journal.memory.control.symbols) == 0)
         return;
      QuoteRow rows[];
      string all = "";
      m_terminal.ReadQuotes(m_journal.memory.control.symbols, rows);
      for(int i = 0; i < ArraySize(rows); i++)
         all = all + QuoteText(rows[i]);
      if(all == m_quotes || all == "")
         return;
      m_quotes = all;
      m_link.TakeQuotes(rows, Now(), Wall());
      CarryOut();
     }

   //--- the panel

   void              ShowPanel(void)
     {
      m_shown_at = Now();
      PanelState state;
      bool up = (m_link.phase == PHASE_UP), may = m_link.acts.view.trade_allowed, halted = m_journal.memory.control.halted;
      state.link = up ? m_panel.Say("connected", "63A57D9A6E08307F") : m_panel.Say("not connected", "672A63A57D9A"); // setsuzoku zumi, mi-setsuzoku
      if(up)
         state.link = state.link + (m_polling ? " (poll)" : "") + (m_link.MayStart() ? "" : " ...");
      else if(m_trouble != "")
         state.link = state.link + ": " + StringSubstr(m_trouble, 0, 80);
      bool netting = (AccountInfoInteger(ACCOUNT_MARGIN_MODE) != ACCOUNT_MARGIN_MODE_RETAIL_HEDGING);
      state.account = IntegerToString(AccountInfoInteger(ACCOUNT_LOGIN)) + " " + (netting ? "netting" : "hedging")
                      + (m_link.Synced() ? "" : " (sync)");
      state.command = (m_link.acts.last_id != "") ? m_link.acts.last_id + " " + m_link.acts.last_word : "-";
      state.trading = may ? m_panel.Say("allowed", "8A3153EF") : m_panel.Say("NOT allowed", "4E0D8A3153EF"); // kyoka, fu-kyoka
      state.control = halted ? m_panel.Say("HALTED", "505C6B624E2D") : m_panel.Say("no", "306A3057"); // teishi-chuu, nashi
      state.alarm = !up || !may || halted;
      m_panel.Show(state);
     }
  };

#endif
