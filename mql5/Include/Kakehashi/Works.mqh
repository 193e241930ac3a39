//+------------------------------------------------------------------+
//| Works.mqh: a command's life, an event's letter, what is in force:|
//| what memory consists of.                                         |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_WORKS_MQH
#define KAKEHASHI_WORKS_MQH

#include <Kakehashi/Frames.mqh>

// How long acked events are kept for RESEND (R20).
const long KEEP_MS = 2592000000;

// One command's life as the journal has it.
struct Work
  {
   Cmd               cmd;
   long              j;        // the line of its INTENT
   long              at;       // broker time
   string            instance; // which of our instances took it
   bool              sent;     // OrderSend was about to be called
   string            sent_volume;
   bool              told;
   bool              final;
   Evt               evt;      // the last result, if there is one

                     Work(void)
     {
      instance = "";
      j = 0;
      at = 0;
      sent = false;
      sent_volume = "0";
      told = false;
      final = false;
     }
  };

// An event in the outbox, or acked and kept for RESEND; `wall` is when it was written.
struct Letter
  {
   Evt               evt;
   long              wall;

                     Letter(void)
     {
      wall = 0;
     }
  };

struct Control
  {
   long              gen;
   bool              halted;
   bool              cancel_pending;
   string            symbols[];

                     Control(void)
     {
      gen = 0;
      halted = false;
      cancel_pending = true;
     }
  };

#endif
