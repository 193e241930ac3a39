//+------------------------------------------------------------------+
//| Expect.mqh: what the tests of the runner say. They hold in a real |
//| terminal as well, or the runner is wrong. The last line is        |
//| "all N checks hold" or "M of N checks failed".                     |
//+------------------------------------------------------------------+
#ifndef EXPECT_MQH
#define EXPECT_MQH

int expected = 0;
int missed = 0;

void Expect(const string what, const string got, const string wanted)
  {
   expected++;
   if(got == wanted)
      return;
   missed++;
   Print("FAILED: ", what, ": got [", got, "], wanted [", wanted, "]");
  }

void ExpectLong(const string what, const long got, const long wanted)
  {
   Expect(what, IntegerToString(got), IntegerToString(wanted));
  }

void ExpectTrue(const string what, const bool holds)
  {
   Expect(what, holds ? "true" : "false", "true");
  }

void Conclude(void)
  {
   if(missed == 0)
      Print("all ", expected, " checks hold");
   else
      Print(missed, " of ", expected, " checks failed");
  }

#endif
