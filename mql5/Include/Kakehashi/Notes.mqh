//+------------------------------------------------------------------+
//| Notes.mqh: what the journal's lines say. Memory.mqh reads them.  |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_NOTES_MQH
#define KAKEHASHI_NOTES_MQH

#include <Kakehashi/Frames.mqh>

string BootNote(const string instance, const string prev, const long boot)
  {
   return "{\"k\":\"BOOT\"" + Pair("instance", instance) + PairOrNull("prev", prev) + PairLong("boot", boot) + "}";
  }

string IntentNote(const Cmd &cmd, const long at)
  {
   return "{\"k\":\"INTENT\",\"cmd\":" + CmdText(cmd) + PairLong("at", at) + "}";
  }

// `target`: ticket of the position or order it acts on, as it is known in the terminal now.
string SentNote(const string id, const string volume, const string target)
  {
   string text = "{\"k\":\"SENT\"" + Pair("id", id);
   if(!IsZero(volume))
      text = text + Pair("volume", volume);
   if(target != "")
      text = text + Pair("target", target);
   return text + "}";
  }

// A result and its outbox row, one line: neither is ever there without the other.
string ToldNote(const Evt &evt, const bool final, const long wall)
  {
   string text = "{\"k\":\"TOLD\",\"evt\":" + EvtText(evt);
   if(!final)
      text = text + PairBool("final", false);
   if(wall != 0)
      text = text + PairLong("wall", wall);
   return text + "}";
  }

string AckedNote(const long n)
  {
   return "{\"k\":\"EVTA\"" + PairLong("n", n) + "}";
  }

// Every deal up to this ticket has been told; "0": none, those made since `since` will be.
string DealsNote(const string ticket, const long since)
  {
   string text = "{\"k\":\"DEALS\",\"ticket\":" + ticket;
   if(since != 0)
      text = text + PairLong("since", since);
   return text + "}";
  }

string EpochNote(const long ep)
  {
   return "{\"k\":\"EP\"" + PairLong("ep", ep) + "}";
  }

string ControlNote(const long gen, const bool halted, const bool cancel_pending, const string &symbols[])
  {
   string text = "{\"k\":\"CONTROL\"" + PairLong("gen", gen) + PairBool("halted", halted);
   if(!cancel_pending)
      text = text + PairBool("cancel_pending", false);
   if(ArraySize(symbols) > 0)
      text = text + ",\"symbols\":" + TextList(symbols);
   return text + "}";
  }

string CleanNote(void)
  {
   return "{\"k\":\"CLEAN\"}";
  }

#endif
