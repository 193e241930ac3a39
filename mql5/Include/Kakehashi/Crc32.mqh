//+------------------------------------------------------------------+
//| Crc32.mqh: CRC32 as zlib has it (polynomial 0xEDB88320).         |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_CRC32_MQH
#define KAKEHASHI_CRC32_MQH

#include <Kakehashi/Text.mqh>

uint Crc32(const uchar &bytes[], const int start, const int count)
  {
   static uint table[];
   if(ArraySize(table) == 0)
     {
      ArrayResize(table, 256);
      for(uint n = 0; n < 256; n++)
        {
         uint c = n;
         for(int bit = 0; bit < 8; bit++)
            c = ((c & 1) != 0) ? (0xEDB88320 ^ (c >> 1)) : (c >> 1);
         table[n] = c;
        }
     }
   uint crc = 0xFFFFFFFF;
   for(int i = start; i < start + count; i++)
      crc = table[(crc ^ bytes[i]) & 0xFF] ^ (crc >> 8);
   return crc ^ 0xFFFFFFFF;
  }

uint Crc32Text(const string text)
  {
   uchar bytes[];
   int count = ToBytes(text, bytes);
   return Crc32(bytes, 0, count);
  }

#endif
