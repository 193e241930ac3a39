// The language: strings, numbers as text, arrays, objects, templates. To be run in a real terminal, too.
#include "Expect.mqh"

#define TWICE(x) ((x) * 2)
#define NAME "a name"

enum Color { COLOR_RED = 1, COLOR_BLUE = 4 };

class CShape
  {
protected:
   int               m_sides;
   CShape           *m_next;
public:
                     CShape(const int sides) : m_sides(sides) { m_next = NULL; }
   virtual          ~CShape(void) { destroyed++; }
   virtual string    Name(void) const { return "shape " + (string)m_sides; }
   int               Sides(void) const { return m_sides; }
   CShape           *Next(void) { return m_next; }
   void              Chain(CShape *next) { m_next = next; }
   static int        destroyed;
  };
int CShape::destroyed = 0;

class CSquare : public CShape
  {
public:
                     CSquare(void) : CShape(4) {}
   virtual string    Name(void) const override { return "square"; }
   void              Grow(void) { this.m_sides++; }
  };

struct Row
  {
   string            name;
   double            values[2];
   int               list[];
  };

template<typename T>
int IndexOf(const T &values[], const T what)
  {
   for(int i = 0; i < ArraySize(values); i++)
      if(values[i] == what)
         return i;
   return -1;
  }

void Change(Row &row, int &list[])
  {
   row.name += "!";
   row.values[1] = 7;
   ArrayResize(list, 2);
   list[1] = 5;
  }

void Strings(void)
  {
   string s = "Grüße 日本", empty, other = NULL;
   ExpectLong("length in characters", StringLen(s), 8);
   ExpectLong("a character", StringGetCharacter(s, 6), 0x65E5);
   Expect("part", StringSubstr(s, 2, 3), "üße");
   Expect("rest", StringSubstr(s, 6), "日本");
   ExpectLong("found", StringFind(s, "本"), 7);
   ExpectLong("not found", StringFind(s, "x"), -1);
   ExpectTrue("NULL", empty == NULL && other == NULL && StringLen(empty) == 0);
   ExpectTrue("empty is not NULL", "" != NULL);
   Expect("numbers are appended as text", "n" + 5 + 'A' + 1.5 + true, "n5651.5true");
   Expect("a whole double has its point", (string)2.0, "2.0");
   Expect("an unsigned", (string)(ulong)18446744073709551615, "18446744073709551615");
   string t = "a,b,a";
   ExpectLong("replaced", StringReplace(t, "a", "xx"), 2);
   Expect("by", t, "xx,b,xx");
   string parts[];
   ExpectLong("split", StringSplit("x;;y", ';', parts), 3);
   Expect("part of it", parts[1] + "|" + parts[2], "|y");
   t = "  in  ";
   StringTrimLeft(t);
   StringTrimRight(t);
   Expect("trimmed", t, "in");
   StringToUpper(t);
   Expect("upper", t, "IN");
   ExpectTrue("order", "a" < "b" && "B" < "a" && StringCompare("b", "B", false) == 0);
   Expect("macro", NAME + " " + (string)TWICE(4), "a name 8");
   Expect("joined literals", "one "
          "two", "one two");
  }

void Bytes(void)
  {
   uchar bytes[];
   ExpectLong("UTF-8 with its zero", StringToCharArray("é日", bytes, 0, WHOLE_ARRAY, CP_UTF8), 6);
   ExpectLong("the zero", bytes[5], 0);
   ExpectLong("counted", StringToCharArray("abc", bytes, 0, 2, CP_UTF8), 2);
   ArrayResize(bytes, 2);
   Expect("back", CharArrayToString(bytes, 0, WHOLE_ARRAY, CP_UTF8), "ab");
   StringToCharArray("😀", bytes, 0, WHOLE_ARRAY, CP_UTF8);
   ExpectLong("four bytes", bytes[0], 0xF0);
   Expect("a pair of units", CharArrayToString(bytes, 0, 4, CP_UTF8), "😀");
  }

void Formats(void)
  {
   Expect("integer", StringFormat("%d|%5d|%-5d|%05d|%+d", 42, 42, 42, 42, 42), "42|   42|42   |00042|+42");
   Expect("64 bits", StringFormat("%I64d %I64u %lld", -9000000000, (ulong)18446744073709551615, (long)5), "-9000000000 18446744073709551615 5");
   Expect("32 bits of 64", StringFormat("%d", 4294967297), "1");
   Expect("doubles", StringFormat("%.2f|%8.3f|%g|%e", 1.005, 3.14159, 0.0001, 12345.678), "1.00|   3.142|0.0001|1.234568e+04");
   Expect("text", StringFormat("%s|%5s|%-5s|%.2s|%%", "ab", "ab", "ab", "abcd"), "ab|   ab|ab   |ab|%");
   Expect("hex and character", StringFormat("%x %X %04x %c", 255, 255, 10, 'z'), "ff FF 000a z");
   Expect("digits", DoubleToString(1.10005, 5) + " " + DoubleToString(2.5, 0) + " " + IntegerToString(7, 3, '0'), "1.10005 2 007");
   Expect("rounded", DoubleToString(NormalizeDouble(1.23456789, 5), 8), "1.23457000");
   ExpectTrue("read", StringToDouble("1.5x") == 1.5 && StringToInteger("-12abc") == -12 && StringToInteger("") == 0);
   Expect("time", TimeToString(D'2026.01.31 12:30:05', TIME_DATE | TIME_SECONDS), "2026.01.31 12:30:05");
   ExpectLong("time from text", (long)StringToTime("2026.01.31 12:30"), 1769862600);
   MqlDateTime parts;
   TimeToStruct(D'2024.02.29 23:59:58', parts);
   Expect("parts", (string)parts.year + " " + (string)parts.mon + " " + (string)parts.day + " " + (string)parts.day_of_week + " " + (string)parts.day_of_year, "2024 2 29 4 59");
   ExpectLong("and back", (long)StructToTime(parts), (long)D'2024.02.29 23:59:58');
   Expect("enumeration", EnumToString(COLOR_BLUE) + " " + EnumToString(ORDER_TYPE_BUY_STOP) + " " + EnumToString((Color)1), "COLOR_BLUE ORDER_TYPE_BUY_STOP COLOR_RED");
  }

void Numbers(void)
  {
   uchar small = (uchar)300;
   ushort two = (ushort)-1;
   uint four = (uint)-1;
   int wrapped = INT_MAX;
   wrapped++;
   ExpectTrue("widths", small == 44 && two == 65535 && four == 4294967295 && wrapped == INT_MIN);
   ExpectTrue("sizes", sizeof(long) == 8 && sizeof(int) == 4 && sizeof(datetime) == 8 && sizeof(ushort) == 2);
   ExpectTrue("whole division", 7 / 2 == 3 && -7 / 2 == -3 && -7 % 3 == -1 && 7 / 2.0 == 3.5);
   ExpectTrue("extremes", MathMax(2, 7) == 7 && MathMin(-1.5, 2) == -1.5 && MathAbs(-3) == 3 && LONG_MAX == 9223372036854775807);
   ExpectTrue("floor and round", MathFloor(-1.5) == -2 && MathRound(2.5) == 3 && MathCeil(1.2) == 2);
   uint crc = 0xFFFFFFFF;
   crc = (crc >> 8) ^ 0xEDB88320;
   ExpectLong("shifts", crc, 0xED477CDF);
   ulong big = ((ulong)0x7A31 << 48) | 5;
   ExpectTrue("a tag of 64 bits", (big >> 48) == 0x7A31 && (long)big > 0);
   MathSrand(7);
   int first = MathRand();
   MathSrand(7);
   ExpectTrue("random numbers", first == MathRand() && first >= 0 && first <= 32767);
  }

void Arrays(void)
  {
   int a[] = {5, 3, 9}, b[], fixed[4];
   ArrayInitialize(fixed, 2);
   ExpectLong("copied", ArrayCopy(b, a), 3);
   ArrayResize(b, 5);
   ExpectLong("kept", b[2], 9);
   ExpectLong("within itself", ArrayCopy(b, b, 1, 0, 3), 3);
   Expect("moved", (string)b[0] + (string)b[1] + (string)b[2] + (string)b[3], "5539");
   ArrayRemove(b, 0, 2);
   ExpectLong("removed", b[0], 3);
   ArraySort(a);
   ExpectTrue("sorted", a[0] == 3 && a[2] == 9 && ArrayBsearch(a, 5) == 1 && ArrayMaximum(a) == 2);
   ExpectTrue("fixed", !ArrayIsDynamic(fixed) && ArrayIsDynamic(a) && ArrayResize(fixed, 9) == -1 && ArraySize(fixed) == 4);
   string names[] = {"x", "y"};
   ExpectTrue("templates", IndexOf(names, "y") == 1 && IndexOf(a, 4) == -1);
   Row row = {}, copy;
   row.name = "r";
   Change(row, row.list);
   copy = row;
   copy.list[1] = 6;
   Row rows[];
   ArrayResize(rows, 2);
   rows[1] = copy;
   Expect("structures are copied", rows[1].name + (string)rows[1].values[1] + (string)rows[1].list[1] + (string)row.list[1], "r!7.065");
   ArrayFree(b);
   ExpectLong("freed", ArraySize(b), 0);
  }

void Objects(void)
  {
   CSquare automatic;
   CShape *square = new CSquare(), *five = new CShape(5);
   square.Chain(five);
   five.Chain(GetPointer(automatic));
   automatic.Grow();
   Expect("virtual", square.Name() + ", " + square.Next().Name(), "square, shape 5");
   ExpectLong("through three", square.Next().Next().Sides(), 5);
   CSquare *down = dynamic_cast<CSquare *>(square);
   ExpectTrue("down the tree", down != NULL && dynamic_cast<CSquare *>(five) == NULL);
   ExpectTrue("kinds", CheckPointer(square) == POINTER_DYNAMIC && CheckPointer(five.Next()) == POINTER_AUTOMATIC);
   CShape *shapes[];
   ArrayResize(shapes, 2);
   shapes[0] = square;
   shapes[1] = five;
   ExpectLong("in an array", shapes[1].Sides(), 5);
   delete square;
   delete five;
   ExpectTrue("deleted", CheckPointer(shapes[0]) == POINTER_INVALID && CShape::destroyed == 2);
  }

void OnStart(void)
  {
   Strings();
   Bytes();
   Formats();
   Numbers();
   Arrays();
   Objects();
   Conclude();
  }
