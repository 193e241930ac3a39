// Amounts, tickets, bytes and sync versions as the golden vectors have them.
#include <Kakehashi/Mirror.mqh>
#include "Check.mqh"

void Amounts(CJson &json)
  {
   for(int i = json.First(json.Field(json.Field(0, "list"), "amounts")); i >= 0; i = json.Next(i))
      Same("scaled " + json.Text(i, "text", ""), ScaledText(json.Text(i, "text", "")), json.Text(i, "e8", ""));
   for(int i = json.First(json.Field(json.Field(0, "list"), "magic")); i >= 0; i = json.Next(i))
      SameLong("prefix", PrefixOf(json.Text(i, "magic", "")), json.Long(i, "prefix", 0));
   Same("plain", Plain("-00.500"), "-0.5");
   Same("plain zero", Plain("-0.000"), "0");
   Check("0.10 is 0.1", SameAmount("0.10", "0.1"));
   SameLong("9.9 < 10.0", CompareAmounts("9.9", "10.0"), -1);
   SameLong("-1 < -0.5", CompareAmounts("-1", "-0.5"), -1);
   Same("units", UnitsText(Units("0.04") + Units("0.06")), "0.10");
   Same("a double of 0.1 + 0.2", AmountText(0.1 + 0.2, 2), "0.30");
   Same("five digits", AmountText(1.0855, 5), "1.08550");
   Same("money", AmountText(-0.001, 2), "-0.001");
   Same("nothing", AmountText(0.0, 5), "0");
   Same("a large one", AmountText(12345678901.23, 2), "12345678901.23");
   Check("tickets are numbers", TicketBelow("999", "1000") && !TicketBelow("1000", "1000"));
  }

void Bytes(void)
  {
   uchar bytes[];
   SameLong("UTF-8", ToBytes(CharToString('A') + ShortToString(0x65E5), bytes), 4);
   SameLong("counted", ByteCount("A" + ShortToString(0x65E5) + ShortToString(0xD83D) + ShortToString(0xDE00)), 8);
   Check("it is UTF-8", IsUtf8(bytes, 0, 4));
   Check("half a character is not", !IsUtf8(bytes, 0, 3));
   bytes[0] = 0xFF;
   Check("no lead byte is not", !IsUtf8(bytes, 0, 4));
   SameLong("nothing has no bytes", ToBytes("", bytes), 0);
   char chars[];
   ToChars(ShortToString(0x65E5), chars);
   Same("there and back as WebRequest has it", FromChars(chars), ShortToString(0x65E5));
   ArrayResize(chars, 2);
   Same("half a character is nothing", FromChars(chars), "");
  }

void Sums(CJson &json)
  {
   int root = json.Field(0, "list");
   for(int i = json.First(json.Field(root, "crc32")); i >= 0; i = json.Next(i))
      SameLong("CRC32 of " + json.Text(i, "text", ""), Crc32Text(json.Text(i, "text", "")), json.Long(i, "crc", -1));
   for(int i = json.First(json.Field(root, "positions")); i >= 0; i = json.Next(i))
     {
      PositionRow rows[];
      for(int k = json.First(json.Field(i, "positions")); k >= 0; k = json.Next(k))
        {
         int count = ArraySize(rows);
         ArrayResize(rows, count + 1);
         rows[count].ticket = json.Text(k, "ticket", "");
         rows[count].symbol = json.Text(k, "symbol", "");
         rows[count].side = json.Text(k, "side", "");
         rows[count].volume = json.Amount(k, "volume", "0");
         rows[count].open = json.Amount(k, "open", "0");
         rows[count].sl = json.Amount(k, "sl", "0");
         rows[count].tp = json.Amount(k, "tp", "0");
         rows[count].magic = json.Text(k, "magic", "0");
        }
      Same("positions", PositionLines(rows), json.Text(i, "text", ""));
      SameLong("positions " + json.Text(i, "name", ""), PositionSum(rows), json.Long(i, "crc", -1));
     }
   for(int i = json.First(json.Field(root, "orders")); i >= 0; i = json.Next(i))
     {
      OrderRow rows[];
      for(int k = json.First(json.Field(i, "orders")); k >= 0; k = json.Next(k))
        {
         int count = ArraySize(rows);
         ArrayResize(rows, count + 1);
         rows[count].ticket = json.Text(k, "ticket", "");
         rows[count].symbol = json.Text(k, "symbol", "");
         rows[count].type = json.Text(k, "type", "");
         rows[count].volume = json.Amount(k, "volume", "0");
         rows[count].price = json.Amount(k, "price", "0");
         rows[count].sl = json.Amount(k, "sl", "0");
         rows[count].tp = json.Amount(k, "tp", "0");
         rows[count].magic = json.Text(k, "magic", "0");
        }
      SameLong("orders " + json.Text(i, "name", ""), OrderSum(rows), json.Long(i, "crc", -1));
     }
  }

void Prices(void)
  {
   DealRow deals[];
   ArrayResize(deals, 2);
   deals[0].volume = "0.04";
   deals[0].price = "1.10000";
   deals[1].volume = "0.06";
   deals[1].price = "1.10010";
   Same("sum", DealVolume(deals), "0.10");
   Same("mean", DealPrice(deals), "1.10006");
   deals[1].volume = "0.02";
   Same("mean of thirds", DealPrice(deals), "1.10003333");
   deals[1].price = "1.10000";
   Same("as it was written", DealPrice(deals), "1.10000");
  }

void OnStart(void)
  {
   CJson json;
   if(Golden("crc.json", json))
     {
      Amounts(json);
      Sums(json);
     }
   Bytes();
   Prices();
   Done();
  }
