// Spoilt texts and spoilt bytes for the EA's readers: none may end the program, and what is read must be read the same again.
// Each input depends on Seed and its number alone: First and Count repeat any one of them.
#include <Kakehashi/Crc32.mqh>
#include <Kakehashi/Frames.mqh>
#include <Kakehashi/WebSocket.mqh>
#include "Check.mqh"

input int Seed = 1;
input int First = 1;
input int Count = 20000;

#define MOST_FAILURES 20
#define SHOWN_BYTES 2000

// A few thousand numbers that look like chance, the same on every machine (xorshift64).
class CChance
  {
private:
   ulong             m_state;

public:
                     CChance(void) { m_state = 1; }

   void              Begin(const long seed, const long number)
     {
      m_state = (ulong)(seed * 1000003 + number) * 2654435761 + 88172645463325252;
      for(int i = 0; i < 4; i++)
         Below(2);
     }

   int               Below(const int limit)
     {
      m_state = m_state ^ (m_state << 13);
      m_state = m_state ^ (m_state >> 7);
      m_state = m_state ^ (m_state << 17);
      return (int)((m_state >> 20) % (ulong)limit);
     }

   bool              Once(const int in) { return Below(in) == 0; }
  };

struct Sample
  {
   uchar             bytes[];
  };

CChance chance;
Sample samples[];
string words[];
long readable = 0, refused = 0, messages = 0, faults = 0;

//--- what is spoilt

void AddSample(const string text)
  {
   int count = ArraySize(samples);
   ArrayResize(samples, count + 1, 64);
   ToBytes(text, samples[count].bytes);
  }

bool Collect(void)
  {
   string names[] = {"from_hub.json", "from_ea.json", "refused.json"};
   CJson json;
   for(int k = 0; k < 3; k++)
     {
      if(!Golden(names[k], json))
         return false;
      for(int i = json.First(json.Field(0, "list")); i >= 0; i = json.Next(i))
         if(json.Text(i, "wire", "") != "")
            AddSample(json.Text(i, "wire", ""));
     }
   string all = "\"|\\|\\u0000|\\u001f|\\ud83d|\\ud83d\\ude00|\\uDC00|{|}|[|]|:|,|true|false|null|NaN|-Infinity|-|0|-0|00|1e999|1E-5|.5|1.|9007199254740993|"
                + "1000000000000.01|-1000000000000|123456789012345678901234567890|\"t\":|\"CMD\"|\"v\":1|\"v\":2|\"t\":\"CMD\",| |\t|\"\"|[[[[[[[[|{\"a\":";
   return StringSplit(all, '|', words) > 30;
  }

void Splice(uchar &bytes[], const int at, const int gone, const uchar &more[], const int from, const int count)
  {
   uchar rest[];
   int size = ArraySize(bytes), tail = size - at - gone;
   ArrayResize(rest, at + count + tail);
   for(int i = 0; i < at; i++)
      rest[i] = bytes[i];
   for(int i = 0; i < count; i++)
      rest[at + i] = more[from + i];
   for(int i = 0; i < tail; i++)
      rest[at + count + i] = bytes[at + gone + i];
   ArrayResize(bytes, at + count + tail);
   for(int i = 0; i < at + count + tail; i++)
      bytes[i] = rest[i];
  }

// One change at a place that chance chooses.
void Spoil(uchar &bytes[])
  {
   uchar more[];
   int size = ArraySize(bytes), at = chance.Below(size + 1), kind = chance.Below(8);
   int length = MathMin(chance.Below(chance.Once(4) ? 200 : 8), size - at);
   if(kind == 0 && at < size)
      bytes[at] = (uchar)(bytes[at] ^ (1 << chance.Below(8)));
   else if(kind == 1 && at < size)
      bytes[at] = (uchar)chance.Below(256);
   else if(kind == 2)
      Splice(bytes, at, length, more, 0, 0);
   else if(kind == 3)
     {
      ArrayResize(more, length);
      for(int i = 0; i < length; i++)
         more[i] = bytes[at + i];
      at = chance.Below(size + 1);
      Splice(bytes, at, 0, more, 0, length);
     }
   else if(kind == 4)
     {
      int other = chance.Below(ArraySize(samples));
      int from = chance.Below(ArraySize(samples[other].bytes) + 1);
      Splice(bytes, at, length, samples[other].bytes, from, ArraySize(samples[other].bytes) - from);
     }
   else if(kind == 5 && chance.Once(20))
      ArrayResize(bytes, at);
   else
     {
      int count = ToBytes(words[chance.Below(ArraySize(words))], more);
      Splice(bytes, at, chance.Once(2) ? length : 0, more, 0, count);
     }
  }

string Shown(const uchar &bytes[])
  {
   uchar some[];
   int size = MathMin(ArraySize(bytes), SHOWN_BYTES);
   ArrayResize(some, size);
   for(int i = 0; i < size; i++)
      some[i] = bytes[i];
   return Hex(some) + ((size < ArraySize(bytes)) ? "..." : "");
  }

// A rule that an input broke, with what it takes to see it again.
void Broken(const long number, const string rule, const uchar &bytes[])
  {
   Check("input " + IntegerToString(number) + " of seed " + IntegerToString(Seed) + ": " + rule + ": " + Shown(bytes), false);
  }

//--- texts: the JSON reader and the frames of the hub

bool IsCode(const string code)
  {
   return code == "" || code == "BAD_JSON" || code == "BAD_CHARACTER" || code == "DUPLICATE_FIELD" || code == "NUMBER_OUT_OF_RANGE"
          || code == "TOO_LARGE" || code == "UNKNOWN_FRAME" || code == "BAD_FRAME";
  }

void OneText(const long number, CJson &json, CJson &again)
  {
   uchar bytes[];
   int which = chance.Below(ArraySize(samples)), times = chance.Below(6);
   ArrayCopy(bytes, samples[which].bytes);
   for(int i = 0; i < times; i++)
      Spoil(bytes);
   int size = ArraySize(bytes);
   FromHub frame;
   string text = IsUtf8(bytes, 0, size) ? FromBytes(bytes, 0, size) : "";
   string code = ReadFrame(json, text, frame);
   if(!IsCode(code))
      Broken(number, "refused for " + code, bytes);
   if(code == "" && frame.t == "CMD")
     {
      FromHub second;
      if(ReadFrame(again, CmdText(frame.cmd), second) != "" || CmdText(second.cmd) != CmdText(frame.cmd))
         Broken(number, "a command is another one when it is written and read", bytes);
     }
   if(json.Parse(text) != "")
     {
      refused++;
      return;
     }
   readable++;
   string whole = json.Write(0);
   if(again.Parse(whole) != "" || again.Write(0) != whole)
      Broken(number, "JSON is another when it is written and read", bytes);
  }

//--- bytes: the reader of WebSocket frames

void AddByte(uchar &bytes[], const int value)
  {
   int size = ArraySize(bytes);
   ArrayResize(bytes, size + 1, 4096);
   bytes[size] = (uchar)value;
  }

// A server's frame; its length in more bytes than it needs, now and then.
void AddFrame(uchar &bytes[], const int first, const uchar &data[], const int from, const int count)
  {
   int form = (count < 126) ? 0 : (count < 65536) ? 1 : 2;
   if(chance.Once(10))
      form = MathMin(form + 1, 2);
   AddByte(bytes, first);
   AddByte(bytes, (form == 0) ? count : (form == 1) ? 126 : 127);
   for(int i = ((form == 1) ? 2 : (form == 2) ? 8 : 0) - 1; i >= 0; i--)
      AddByte(bytes, (int)(((long)count >> (8 * i)) & 0xFF));
   for(int i = 0; i < count; i++)
      AddByte(bytes, data[from + i]);
  }

string Told(const int kind, const uchar &data[], const int size)
  {
   return IntegerToString(kind) + ":" + IntegerToString(size) + ":" + IntegerToString(Crc32(data, 0, size)) + " ";
  }

// A message in one frame or several, with pings between them. Returns what a reader has to make of it.
string AddMessage(uchar &bytes[])
  {
   uchar ping[], data[];
   string told = "";
   ArrayCopy(data, samples[chance.Below(ArraySize(samples))].bytes);
   if(chance.Once(400))
      ArrayResize(data, MAX_MESSAGE + chance.Below(3) - 2);
   int size = ArraySize(data), op = chance.Once(5) ? OP_BINARY : OP_TEXT, from = 0, kind = op;
   while(from < size && chance.Once(2))
     {
      int part = chance.Below(size - from);
      AddFrame(bytes, op, data, from, part);
      from += part;
      op = OP_MORE;
      if(!chance.Once(2))
         continue;
      ArrayResize(ping, chance.Below(126));
      for(int i = 0; i < ArraySize(ping); i++)
         ping[i] = (uchar)chance.Below(256);
      AddFrame(bytes, 0x80 | OP_PING, ping, 0, ArraySize(ping));
      told = told + Told(OP_PING, ping, ArraySize(ping));
     }
   AddFrame(bytes, 0x80 | op, data, from, size - from);
   return told + Told(kind, data, size);
  }

// What a reader makes of the bytes, given in pieces of at most so many.
string ReadAll(CFrameReader &reader, const uchar &bytes[], const int most)
  {
   uchar piece[], data[];
   string told = "";
   int size = ArraySize(bytes);
   reader.Reset();
   for(int from = 0; from < size && reader.fault == 0;)
     {
      int count = MathMin(1 + ((most > 1) ? chance.Below(most) : 0), size - from);
      ArrayResize(piece, count);
      for(int i = 0; i < count; i++)
         piece[i] = bytes[from + i];
      reader.Add(piece, count);
      from += count;
      for(int kind = reader.Next(data); kind != 0; kind = reader.Next(data))
        {
         messages++;
         told = told + Told(kind, data, ArraySize(data));
        }
     }
   return told + "fault " + IntegerToString(reader.fault);
  }

void OneStream(const long number, CFrameReader &reader)
  {
   uchar bytes[];
   string wanted = "";
   int count = 1 + chance.Below(4), times = chance.Below(5);
   for(int i = 0; i < count; i++)
      wanted = wanted + AddMessage(bytes);
   for(int i = 0; i < times; i++)
      Spoil(bytes);
   string got = ReadAll(reader, bytes, MathMax(ArraySize(bytes), 1));
   if(reader.fault != 0)
      faults++;
   if(reader.fault != 0 && reader.fault != 1002 && reader.fault != 1009)
      Broken(number, "closed for " + IntegerToString(reader.fault), bytes);
   if(times == 0 && got != wanted + "fault 0")
      Broken(number, "got " + got + ", wanted " + wanted, bytes);
   string pieces = ReadAll(reader, bytes, 1 + chance.Below(40));
   if(pieces != got)
      Broken(number, "in pieces " + pieces + ", at once " + got, bytes);
  }

void OnStart(void)
  {
   if(!Collect())
      return;
   CJson json, again;
   CFrameReader reader;
   for(int i = 0; i < Count && failed < MOST_FAILURES; i++)
     {
      long number = (long)First + i;
      chance.Begin(Seed, number);
      if(chance.Once(4))
         OneStream(number, reader);
      else
         OneText(number, json, again);
      if((i + 1) % 20000 == 0)
         Print(i + 1, " of ", Count, " inputs");
     }
   Print(readable, " texts read, ", refused, " refused; ", messages, " messages read, ", faults, " streams ended by a fault");
   Check("something was read", Count < 1000 || (readable > 0 && refused > 0 && messages > 0 && faults > 0));
   Done();
  }
