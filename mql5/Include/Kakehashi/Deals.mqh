//+------------------------------------------------------------------+
//| Deals.mqh: lists of deals, their sum and their mean price.       |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_DEALS_MQH
#define KAKEHASHI_DEALS_MQH

#include <Kakehashi/Words.mqh>

void AddDeal(DealRow &rows[], const DealRow &row)
  {
   int count = ArraySize(rows);
   ArrayResize(rows, count + 1, 16);
   rows[count] = row;
  }

void CopyDeals(const DealRow &from[], DealRow &to[])
  {
   int count = ArraySize(from);
   ArrayResize(to, count);
   for(int i = 0; i < count; i++)
      to[i] = from[i];
  }

string DealVolume(const DealRow &rows[])
  {
   long sum = 0;
   for(int i = 0; i < ArraySize(rows); i++)
      sum += Units(rows[i].volume);
   return UnitsText(sum);
  }

// Volume-weighted price of the deals, empty without any. Counted from the first one's price, in whole units, so that
// nothing overflows: the differences are small.
string DealPrice(const DealRow &rows[])
  {
   int count = ArraySize(rows);
   if(count == 0)
      return "";
   long first = Units(rows[0].price), lots = 0, worth = 0;
   bool same = true;
   for(int i = 0; i < count; i++)
      if(!SameAmount(rows[i].price, rows[0].price))
         same = false;
   if(same)
      return rows[0].price;
   for(int i = 0; i < count; i++)
     {
      long part = Units(rows[i].volume) / 10000; // lots to the fourth digit: no broker has finer ones
      lots += part;
      worth += part * (Units(rows[i].price) - first);
     }
   if(lots == 0)
      return rows[0].price;
   long mean = worth / lots, rest = worth % lots;
   if(rest < 0)
     {
      rest += lots;
      mean--;
     }
   if(rest * 2 > lots || (rest * 2 == lots && ((first + mean) & 1) != 0))
      mean++;
   return Plain(UnitsText(first + mean));
  }

#endif
