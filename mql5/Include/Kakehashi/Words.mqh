//+------------------------------------------------------------------+
//| Words.mqh: the link's words as values.                           |
//|                                                                  |
//| Amounts are decimal text, tickets and magic are text, times are  |
//| ms: `now` monotonic, `wall` the computer's clock, everything else|
//| the broker's time (R16). docs/en/ea-link.md says what each means.|
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_WORDS_MQH
#define KAKEHASHI_WORDS_MQH

#include <Kakehashi/Text.mqh>

#define EA_VERSION "1.0.0"
#define MAX_FRAME 65536
// "Not at any time": for moments that may not have come.
#define NEVER (-1)

const long DAY_MS = 86400000;

struct PositionRow
  {
   string            ticket;
   string            symbol;
   string            side;
   string            volume;
   string            open;
   string            ident;
   string            sl;
   string            tp;
   string            magic;
   long              opened;
   string            profit;
   string            swap;

                     PositionRow(void)
     {
      ticket = "";
      symbol = "";
      side = "";
      volume = "0";
      open = "0";
      ident = "";
      sl = "0";
      tp = "0";
      magic = "0";
      opened = 0;
      profit = "0";
      swap = "0";
     }
  };

struct OrderRow
  {
   string            ticket;
   string            symbol;
   string            type;
   string            volume;
   string            price;
   string            sl;
   string            tp;
   string            magic;

                     OrderRow(void)
     {
      ticket = "";
      symbol = "";
      type = "";
      volume = "0";
      price = "0";
      sl = "0";
      tp = "0";
      magic = "0";
     }
  };

struct DealRow
  {
   string            ticket;
   string            symbol;
   string            side;
   string            entry;
   string            volume;
   string            price;
   long              time;
   string            order;
   string            position;
   string            profit;
   string            swap;
   string            commission;
   string            fee;
   string            reason;
   string            magic;

                     DealRow(void)
     {
      ticket = "";
      symbol = "";
      side = "";
      entry = "";
      volume = "0";
      price = "0";
      time = 0;
      order = "";
      position = "";
      profit = "0";
      swap = "0";
      commission = "0";
      fee = "0";
      reason = "";
      magic = "0";
     }
  };

struct SymbolRow
  {
   string            symbol;
   int               digits;
   string            point;
   string            tick_size;
   string            tick_value;
   string            contract_size;
   string            vol_min;
   string            vol_max;
   string            vol_step;
   int               stops_level;
   string            filling;
   string            profit_currency;
   string            trade_mode;

                     SymbolRow(void)
     {
      symbol = "";
      digits = 0;
      point = "";
      tick_size = "";
      tick_value = "";
      contract_size = "";
      vol_min = "";
      vol_max = "";
      vol_step = "";
      stops_level = 0;
      filling = "";
      profit_currency = "";
      trade_mode = "";
     }
  };

struct QuoteRow
  {
   string            symbol;
   string            bid;
   string            ask;
   long              time;

                     QuoteRow(void)
     {
      symbol = "";
      bid = "";
      ask = "";
      time = 0;
     }
  };

// An order, resting or in history; `state` as MQL5 names it, without its prefix.
struct HistoryOrder
  {
   string            ticket;
   string            state;
   string            volume_initial;
   string            volume_current;
   string            magic;
   string            reason;

                     HistoryOrder(void)
     {
      ticket = "";
      state = "";
      volume_initial = "0";
      volume_current = "0";
      magic = "0";
      reason = "";
     }
  };

struct Cmd
  {
   string            id;
   long              seq;
   string            op;
   string            sym;
   string            magic;
   long              ep;
   long              ttl_ms;
   string            kind;
   string            side;
   string            vol;
   string            price;
   string            stoplimit;
   string            sl;
   string            tp;
   long              deviation;
   long              expiry_ms;
   string            target;
   string            expect_vol;
   long              opened_before;
   long              age_ms;
   long              hn;
   long              hn_ago_ms;

                     Cmd(void)
     {
      id = "";
      op = "";
      sym = "";
      magic = "";
      side = "";
      target = "";
      seq = 0;
      ep = 0;
      ttl_ms = 0;
      kind = "MARKET";
      vol = "0";
      price = "0";
      stoplimit = "0";
      sl = "0";
      tp = "0";
      deviation = 20;
      expiry_ms = 0;
      expect_vol = "0";
      opened_before = 0;
      age_ms = 0;
      hn = 0;
      hn_ago_ms = 0;
     }
  };

// A result, or a deal that no command asked for. `retcode` -1 and `price` empty: none.
struct Evt
  {
   long              n;
   string            id;
   long              j;
   string            st;
   long              retcode;
   string            order;
   DealRow           deals[];
   string            vol;
   string            price;
   string            reason;

                     Evt(void)
     {
      id = "";
      st = "";
      order = "";
      price = "";
      reason = "";
      n = 0;
      j = 0;
      retcode = -1;
      vol = "0";
     }
  };

// Who this EA is and on which account it must be; HELLO's fixed part.
struct Identity
  {
   string            account;
   string            server;
   long              build;
   string            currency;
   long              leverage;
   bool              netting;
   string            trade_mode;

                     Identity(void)
     {
      account = "";
      server = "";
      build = 0;
      currency = "";
      leverage = 0;
      netting = false;
      trade_mode = "";
     }
  };

// The four permissions to trade, as the terminal and the server give them now.
struct Permissions
  {
   bool              terminal;
   bool              expert;
   bool              account;
   bool              server;

                     Permissions(void)
     {
      terminal = false;
      expert = false;
      account = false;
      server = false;
     }
  };

// One read of the terminal: positions, pending orders and account of the same moment, and the deals not told yet.
struct View
  {
   bool              there;    // one was read
   long              revision; // another one: positions or orders changed, but for profit and swap; 0: nobody counts
   bool              connected;
   string            login;
   string            server;
   long              broker_time;
   PositionRow       positions[];
   OrderRow          orders[];
   DealRow           deals[];
   string            balance;
   string            equity;
   string            credit;
   string            margin;
   bool              trade_allowed;

                     View(void)
     {
      login = "";
      server = "";
      balance = "";
      equity = "";
      there = false;
      revision = 0;
      connected = false;
      broker_time = 0;
      credit = "0";
      margin = "0";
      trade_allowed = false;
     }
  };

// Read orders and history from `since` on: what carries the magic, belongs to the order or to the position.
struct Look
  {
   string            id;
   long              n;
   string            magic;
   string            order;
   string            position;
   long              since;

                     Look(void)
     {
      id = "";
      n = 0;
      magic = "";
      order = "";
      position = "";
      since = 0;
     }
  };

// What a look brought.
struct Seen
  {
   string            id;
   long              n;
   HistoryOrder      working[];
   HistoryOrder      ended[];
   DealRow           deals[];

                     Seen(void)
     {
      id = "";
      n = 0;
     }
  };

// OrderSend's answer; `retcode` -1: it ended without one.
struct Answered
  {
   string            id;
   long              retcode;
   string            order;
   string            deal;
   DealRow           deals[];

                     Answered(void)
     {
      id = "";
      retcode = -1;
      order = "";
      deal = "";
     }
  };

// A result as EVT will tell it. `final` false: the order works on.
struct Verdict
  {
   string            st;
   string            reason;
   long              retcode;
   string            order;
   DealRow           deals[];
   bool              final;

                     Verdict(void)
     {
      st = "";
      reason = "";
      order = "";
      retcode = -1;
      final = true;
     }
  };

// What is to be sent to the broker. `volume`: lots that it trades, 0 for changes and cancels.
struct Plan
  {
   ENUM_TRADE_REQUEST_ACTIONS action;
   ENUM_ORDER_TYPE   type;
   string            symbol;
   string            volume;
   string            price;
   string            stoplimit;
   string            sl;
   string            tp;
   string            position;
   string            order;
   string            magic;
   string            comment;
   long              expiry_ms;
   long              deviation;
   bool              entry; // it adds risk

                     Plan(void)
     {
      symbol = "";
      comment = "";
      action = TRADE_ACTION_DEAL;
      type = ORDER_TYPE_BUY;
      volume = "0";
      price = "0";
      stoplimit = "0";
      sl = "0";
      tp = "0";
      position = "";
      order = "";
      magic = "0";
      expiry_ms = 0;
      deviation = 20;
      entry = false;
     }
  };

#endif
