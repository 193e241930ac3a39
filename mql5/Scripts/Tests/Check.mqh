//+------------------------------------------------------------------+
//| Check.mqh: what the tests say. The last line is "all N checks    |
//| hold" or "M of N checks failed"; each that failed has a line.    |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_CHECK_MQH
#define KAKEHASHI_CHECK_MQH

#include <Kakehashi/Json.mqh>

int checks = 0;
int failed = 0;

void Check(const string what, const bool holds)
  {
   checks++;
   if(holds)
      return;
   failed++;
   Print("FAILED: ", what);
  }

void Same(const string what, const string got, const string wanted)
  {
   Check(what + ": got " + got + ", wanted " + wanted, got == wanted);
  }

void SameLong(const string what, const long got, const long wanted)
  {
   Same(what, IntegerToString(got), IntegerToString(wanted));
  }

void Done(void)
  {
   if(failed == 0)
      Print("all ", checks, " checks hold");
   else
      Print(failed, " of ", checks, " checks failed");
  }

// A file of contracts/golden, which lies in MQL5/Files/golden; node 0 has it as the field "list".
bool Golden(const string name, CJson &json)
  {
   uchar bytes[];
   int file = FileOpen("golden\\" + name, FILE_READ | FILE_BIN);
   if(file == INVALID_HANDLE)
     {
      Print("golden\\", name, " is not in MQL5/Files: not checked");
      return false;
     }
   int size = (int)FileSize(file);
   ArrayResize(bytes, size);
   FileReadArray(file, bytes, 0, size);
   FileClose(file);
   Same(name + " is JSON", json.Parse("{\"list\":" + FromBytes(bytes, 0, size) + "}"), "");
   return true;
  }

#endif
