//+------------------------------------------------------------------+
//| Text.mqh: amounts, tickets and bytes as text.                    |
//|                                                                  |
//| Amounts come and go as decimal text and are compared, added and  |
//| scaled as text or as whole units of 1E-8; a double is turned into|
//| text once, where the terminal gives it, and never multiplied.    |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_TEXT_MQH
#define KAKEHASHI_TEXT_MQH

// Most digits of an amount's whole part: it may be at most 10^12.
#define WHOLE_DIGITS 13

bool IsDigits(const string text)
  {
   int len = StringLen(text);
   for(int i = 0; i < len; i++)
     {
      ushort c = StringGetCharacter(text, i);
      if(c < '0' || c > '9')
         return false;
     }
   return len > 0;
  }

// Whether the text is a decimal amount: sign, digits, one point. No exponent.
bool IsAmount(const string text)
  {
   int len = StringLen(text), digits = 0, points = 0;
   for(int i = 0; i < len; i++)
     {
      ushort c = StringGetCharacter(text, i);
      if(c >= '0' && c <= '9')
         digits++;
      else if(c == '.')
         points++;
      else if(i > 0 || (c != '-' && c != '+'))
         return false;
     }
   return digits > 0 && points <= 1;
  }

// The whole part without leading zeros, empty for 0; `fraction` what stands behind the point.
string SplitAmount(const string text, bool &negative, string &fraction)
  {
   int start = 0, len = StringLen(text);
   negative = false;
   if(len > 0 && (StringGetCharacter(text, 0) == '-' || StringGetCharacter(text, 0) == '+'))
     {
      negative = (StringGetCharacter(text, 0) == '-');
      start = 1;
     }
   int point = StringFind(text, ".", start);
   int end = (point < 0) ? len : point;
   fraction = (point < 0) ? "" : StringSubstr(text, point + 1);
   while(start < end && StringGetCharacter(text, start) == '0')
      start++;
   return (end > start) ? StringSubstr(text, start, end - start) : "";
  }

// The amount times 10^8 as a whole number's text; what is finer is cut off (R12).
string ScaledText(const string amount)
  {
   bool negative = false;
   string fraction = "";
   string digits = SplitAmount(amount, negative, fraction);
   digits = digits + StringSubstr(fraction + "00000000", 0, 8);
   int start = 0, len = StringLen(digits);
   while(start < len && StringGetCharacter(digits, start) == '0')
      start++;
   if(start == len)
      return "0";
   return (negative ? "-" : "") + StringSubstr(digits, start);
  }

// The same as a number; for volumes, which stay far below 9 * 10^10.
long Units(const string amount)
  {
   return StringToInteger(ScaledText(amount));
  }

// Units of 1E-8 as an amount, with at least two digits behind the point.
string UnitsText(const long units)
  {
   if(units == 0)
      return "0";
   string digits = IntegerToString(units < 0 ? -units : units);
   while(StringLen(digits) < 9)
      digits = "0" + digits;
   int len = StringLen(digits), keep = len;
   while(keep > len - 6 && StringGetCharacter(digits, keep - 1) == '0')
      keep--;
   string text = StringSubstr(digits, 0, len - 8) + "." + StringSubstr(digits, len - 8, keep - (len - 8));
   return (units < 0 ? "-" : "") + text;
  }

// One way of writing for each value: equal amounts are equal texts.
string Plain(const string amount)
  {
   bool negative = false;
   string fraction = "";
   string whole = SplitAmount(amount, negative, fraction);
   int keep = StringLen(fraction);
   while(keep > 0 && StringGetCharacter(fraction, keep - 1) == '0')
      keep--;
   if(whole == "" && keep == 0)
      return "0";
   string text = (whole == "") ? "0" : whole;
   if(keep > 0)
      text = text + "." + StringSubstr(fraction, 0, keep);
   return (negative ? "-" : "") + text;
  }

bool SameAmount(const string a, const string b)
  {
   return Plain(a) == Plain(b);
  }

bool IsZero(const string amount)
  {
   return Plain(amount) == "0";
  }

// -1, 0 or 1. Both are at most 10^12 and are compared to the eighth digit.
int CompareAmounts(const string a, const string b)
  {
   string x = ScaledText(a), y = ScaledText(b);
   bool below = (StringGetCharacter(x, 0) == '-'), other = (StringGetCharacter(y, 0) == '-');
   if(below != other)
      return below ? -1 : 1;
   int order = StringLen(x) - StringLen(y);
   if(order == 0)
      order = StringCompare(x, y);
   if(order == 0)
      return 0;
   return ((order < 0) != below) ? -1 : 1;
  }

bool IsPositive(const string amount)
  {
   return CompareAmounts(amount, "0") > 0;
  }

// A double of the terminal as text: as many digits as a double surely has, at most 8 behind the point, at least `least`.
string AmountText(const double value, const int least)
  {
   int digits = 8;
   for(double size = MathAbs(value); size >= 10000000.0 && digits > 2; size = size / 10.0)
      digits--;
   string text = DoubleToString(value, MathMax(digits, least));
   int point = StringFind(text, ".");
   if(point < 0)
      return text;
   int len = StringLen(text), keep = len;
   while(keep > point + 1 + least && StringGetCharacter(text, keep - 1) == '0')
      keep--;
   if(keep == point + 1)
      keep = point;
   text = StringSubstr(text, 0, keep);
   return IsZero(text) ? "0" : text;
  }

// Whether ticket `a` is the lower number; tickets are written without leading zeros.
bool TicketBelow(const string a, const string b)
  {
   int order = StringLen(a) - StringLen(b);
   return order < 0 || (order == 0 && StringCompare(a, b) < 0);
  }

// The first `count` bits of a magic: the installation that gave it (R18).
long PrefixOf(const string magic)
  {
   return IsDigits(magic) ? (StringToInteger(magic) >> 48) : 0;
  }

// UTF-8, without the zero byte that StringToCharArray adds. Returns the number of bytes.
int ToBytes(const string text, uchar &bytes[])
  {
   ArrayResize(bytes, 0);
   if(StringLen(text) == 0)
      return 0;
   int count = StringToCharArray(text, bytes, 0, WHOLE_ARRAY, CP_UTF8);
   if(count > 0 && bytes[count - 1] == 0)
      count--;
   ArrayResize(bytes, count);
   return count;
  }

string FromBytes(const uchar &bytes[], const int start, const int count)
  {
   return (count > 0) ? CharArrayToString(bytes, start, count, CP_UTF8) : "";
  }

// Whether the bytes are UTF-8: the terminal's own reading replaces what is not, and says nothing.
bool IsUtf8(const uchar &bytes[], const int start, const int count)
  {
   int more = 0;
   uchar least = 0x80, most = 0xBF;
   for(int i = start; i < start + count; i++)
     {
      uchar b = bytes[i];
      if(more > 0)
        {
         if(b < least || b > most)
            return false;
         least = 0x80;
         most = 0xBF;
         more--;
        }
      else if(b >= 0x80)
        {
         if(b < 0xC2 || b > 0xF4)
            return false;
         more = (b < 0xE0) ? 1 : (b < 0xF0) ? 2 : 3;
         if(b == 0xE0)
            least = 0xA0;
         if(b == 0xED)
            most = 0x9F;
         if(b == 0xF0)
            least = 0x90;
         if(b == 0xF4)
            most = 0x8F;
        }
     }
   return more == 0;
  }

// The same for WebRequest, which takes and gives char[]: MetaEditor does not take one kind of array for the other.
void ToChars(const string text, char &chars[])
  {
   uchar bytes[];
   int size = ToBytes(text, bytes);
   ArrayResize(chars, size);
   for(int i = 0; i < size; i++)
      chars[i] = (char)bytes[i];
  }

// Empty where the bytes are not UTF-8.
string FromChars(const char &chars[])
  {
   uchar bytes[];
   int size = ArraySize(chars);
   ArrayResize(bytes, size);
   for(int i = 0; i < size; i++)
      bytes[i] = (uchar)chars[i];
   return IsUtf8(bytes, 0, size) ? FromBytes(bytes, 0, size) : "";
  }

// Bytes that its UTF-8 has, without making it.
int ByteCount(const string text)
  {
   int count = 0, len = StringLen(text);
   for(int i = 0; i < len; i++)
     {
      ushort c = StringGetCharacter(text, i);
      count += (c < 0x80) ? 1 : (c < 0x800 || (c >= 0xD800 && c <= 0xDFFF)) ? 2 : 3;
     }
   return count;
  }

string Hex(const uchar &bytes[])
  {
   string text = "";
   for(int i = 0; i < ArraySize(bytes); i++)
      text = text + StringFormat("%02x", bytes[i]);
   return text;
  }

#endif
