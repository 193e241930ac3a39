//+------------------------------------------------------------------+
//| Fresh.mqh: ids that were never used before.                      |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_FRESH_MQH
#define KAKEHASHI_FRESH_MQH

#include <Kakehashi/Text.mqh>

// 128 random bits. MathRand alone repeats after a restart within one millisecond: clocks, account and chart go in too.
string FreshId(const string salt)
  {
   static uint counter = 0;
   counter++;
   string seed = salt + "|" + IntegerToString((long)GetMicrosecondCount()) + "|" + IntegerToString((long)GetTickCount64());
   seed = seed + "|" + IntegerToString((long)TimeLocal()) + "|" + IntegerToString((long)ChartID());
   seed = seed + "|" + IntegerToString((long)counter);
   for(int i = 0; i < 8; i++)
      seed = seed + "|" + IntegerToString(MathRand());
   uchar data[], key[], hash[];
   ToBytes(seed, data);
   ArrayResize(key, 0);
   CryptEncode(CRYPT_HASH_SHA256, data, key, hash);
   ArrayResize(hash, 16);
   return Hex(hash);
  }

#endif
