// The smallest program with everything in it: inputs, strings, arrays, objects by pointer, files, a timer.
#property version "1.00"

enum Mood { MOOD_CALM, MOOD_LOUD = 5 };

input group "Greeting"
input string Greeting = "hello"; // what it says
input int    Times    = 3;       // how often
input Mood   Tone     = MOOD_CALM;
input long   Big      = 5000000000;

struct Point2
  {
   double x, y;
   string name;
  };

class CBase
  {
protected:
   int m_n;
public:
   CBase(void) : m_n(0) {}
   virtual ~CBase(void) {}
   virtual string Name(void) const { return "base"; }
   int Count(void) const { return m_n; }
   CBase *Next(void) { m_n++; return GetPointer(this); }
  };

class CChild : public CBase
  {
   CBase *m_parent;
   uchar m_bytes[4];
public:
   CChild(CBase *parent) : m_parent(parent) { ArrayInitialize(m_bytes, 7); }
   virtual string Name(void) const override { return "child of " + m_parent.Name() + " " + (string)m_bytes[3]; }
  };

template<typename T>
T Largest(const T &values[])
  {
   T best = values[0];
   for(int i = 1; i < ArraySize(values); i++)
      if(values[i] > best)
         best = values[i];
   return best;
  }

int counted = 0;
const uint Table[4] = {1, 0xFFFFFFFF, 3, 4};

int OnInit(void)
  {
   Print(Greeting, " ", Times, " ", EnumToString(Tone), " ", Big, " ", __FUNCTION__);
   int numbers[], other = 4;
   double d[3];
   ArrayResize(numbers, 3);
   for(int i = 0; i < 3; i++) { numbers[i] = i * other; d[i] = i / 2.0; }
   Print("largest ", Largest(numbers), " ", Largest(d), " ", Table[1]);
   CBase base;
   CBase *child = new CChild(&base);
   Print(child.Name(), " ", child.Next().Next().Count(), " ", child == NULL);
   delete child;
   Point2 p = {1.5, 2, "p"};
   Point2 points[];
   ArrayResize(points, 2);
   points[1] = p;
   points[1].name += "!";
   Print(points[1].name, " ", points[1].x + points[1].y, " ", p.name);
   Print(StringFormat("%05d|%-6s|%.2f|%I64d|%x|%c", 42, "ab", 2.345, Big, 255, 'z'), "\t日本語 ", 'a');
   string parts[];
   int n = StringSplit("a,b,,c", ',', parts);
   Print(n, parts[3], " ", D'2026.01.31 12:30' , " ", TimeToString(D'2026.01.31 12:30'), " ", NULL);
   uchar bytes[];
   int handle = FileOpen("folder\\hello.bin", FILE_READ | FILE_WRITE | FILE_BIN);
   StringToCharArray("héllo\n", bytes, 0, -1, CP_UTF8);
   FileWriteArray(handle, bytes, 0, ArraySize(bytes) - 1);
   FileFlush(handle);
   Print(FileSize(handle), " ", FileOpen("folder\\hello.bin", FILE_READ | FILE_BIN), " ", GetLastError());
   FileClose(handle);
   EventSetMillisecondTimer(20);
   return INIT_SUCCEEDED;
  }

void OnTimer(void)
  {
   Print("timer ", ++counted);
   if(counted >= Times)
      ExpertRemove();
  }

void OnDeinit(const int reason)
  {
   EventKillTimer();
   Print("goodbye ", reason);
  }
