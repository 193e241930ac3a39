//+------------------------------------------------------------------+
//| Book.mqh: what this EA was told to do and what came of it, on    |
//| disk before it is done, so that a command that comes twice is    |
//| carried out once.                                                |
//|                                                                  |
//| A magic number of MetaTrader 4 has 32 bits, the hub's 64: orders |
//| carry a tag, the hub's lower 31 bits, and the book says which    |
//| command a tag is of. Lines that a crash tore are passed over:    |
//| what they announced was never begun.                             |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_BOOK_MQH
#define KAKEHASHI_BOOK_MQH

#include <Kakehashi/Json.mqh>

struct Work
  {
   string            id;
   string            key;    // for results that come later, of an order that rested
   string            magic;  // the hub's
   bool              rests;  // the hub was told that it does
   long              tag;
   string            legs;   // of an exit: "ticket:units;" for each order that it closes
   long              sent;   // ms UTC; when it was about to be sent
   string            result; // what the hub is told, without the key; empty: not known yet
   string            first;  // of an entry: the ticket it got, which stays its name when a partial close changes it
  };

// The time for the hub, ms UTC.
long UtcMs(void)
  {
   return (long)TimeGMT() * 1000;
  }

long TagOf(const string magic)
  {
   return StringToInteger(magic) & 0x7FFFFFFF;
  }

class CBook
  {
private:
   int               m_file;
   CJson             m_json;

public:
   Work              works[];
   datetime          told; // closings up to then are known to the hub, the server's time; 0: nothing was written yet

                     CBook(void)
     {
      m_file = INVALID_HANDLE;
      told = 0;
     }
                    ~CBook(void) { Close(); }

   // Takes the file of this account; false: another EA has it, or it cannot be opened.
   bool              Open(const string name)
     {
      m_file = FileOpen(name, FILE_READ | FILE_WRITE | FILE_BIN | FILE_COMMON);
      if(m_file == INVALID_HANDLE)
         return false;
      uchar raw[];
      int size = (int)FileSize(m_file), start = 0;
      ArrayResize(raw, size);
      if(size > 0)
         FileReadArray(m_file, raw, 0, size);
      for(int i = 0; i < size; i++)
         if(raw[i] == 10)
           {
            Fold(FromBytes(raw, start, i - start));
            start = i + 1;
           }
      FileSeek(m_file, 0, SEEK_END);
      return start == size || Append("");
     }

   void              Close(void)
     {
      if(m_file != INVALID_HANDLE)
         FileClose(m_file);
      m_file = INVALID_HANDLE;
     }

   int               Find(const string id) const
     {
      for(int i = ArraySize(works) - 1; i >= 0; i--)
         if(works[i].id == id)
            return i;
      return -1;
     }

   // The entry whose orders carry this tag.
   int               FindTag(const long tag) const
     {
      for(int i = ArraySize(works) - 1; i >= 0; i--)
         if(works[i].tag == tag && works[i].legs == "")
            return i;
      return -1;
     }

   // The exit that was to close this ticket; -1: none of ours.
   int               FindLeg(const int ticket) const
     {
      string leg = ";" + IntegerToString(ticket) + ":";
      for(int i = ArraySize(works) - 1; i >= 0; i--)
         if(works[i].legs != "" && StringFind(";" + works[i].legs, leg) >= 0)
            return i;
      return -1;
     }

   // The entry that the hub knows by this ticket.
   int               FindFirst(const string ticket) const
     {
      for(int i = ArraySize(works) - 1; i >= 0; i--)
         if(works[i].first == ticket)
            return i;
      return -1;
     }

   // Before anything is sent. -1: it could not be written, nothing may be sent.
   int               Sent(const string id, const string key, const string magic, const string legs)
     {
      string line = "{\"k\":\"SENT\",\"id\":" + CJson::Quoted(id) + ",\"key\":" + CJson::Quoted(key) + ",\"magic\":" + CJson::Quoted(magic);
      line = line + ",\"legs\":" + CJson::Quoted(legs) + ",\"at\":" + IntegerToString(UtcMs()) + "}";
      return Append(line) ? Find(id) : -1;
     }

   void              Ended(const string id, const string result, const string first)
     {
      Append("{\"k\":\"RESULT\",\"id\":" + CJson::Quoted(id) + ",\"first\":" + CJson::Quoted(first)
             + ",\"text\":" + CJson::Quoted(result) + "}");
     }

   void              Told(const datetime closed)
     {
      if(closed > told)
         Append("{\"k\":\"TOLD\",\"closed\":" + IntegerToString((long)closed) + "}");
     }

private:
   bool              Append(const string line)
     {
      uchar bytes[];
      int size = ToBytes(line + "\n", bytes);
      if((int)FileWriteArray(m_file, bytes, 0, size) != size)
         return false;
      FileFlush(m_file);
      Fold(line);
      return true;
     }

   void              Fold(const string line)
     {
      if(line == "" || m_json.Parse(line) != "")
         return;
      if(m_json.Text(0, "k", "") == "TOLD")
        {
         told = (datetime)m_json.Long(0, "closed", 0);
         return;
        }
      string id = m_json.Text(0, "id", "");
      int at = Find(id);
      if(at < 0)
        {
         at = ArraySize(works);
         ArrayResize(works, at + 1, 256);
         works[at].id = id;
         works[at].key = "";
         works[at].magic = "0";
         works[at].rests = false;
         works[at].tag = 0;
         works[at].legs = "";
         works[at].sent = 0;
         works[at].result = "";
         works[at].first = "";
        }
      if(m_json.Text(0, "k", "") == "RESULT")
        {
         works[at].result = m_json.Text(0, "text", "");
         works[at].first = m_json.Text(0, "first", "");
         works[at].rests = (StringFind(works[at].result, "\"status\":\"placed\"") >= 0);
         return;
        }
      works[at].key = m_json.Text(0, "key", "");
      works[at].magic = m_json.Text(0, "magic", "0");
      works[at].tag = TagOf(works[at].magic);
      works[at].legs = m_json.Text(0, "legs", "");
      works[at].sent = m_json.Long(0, "at", 0);
     }
  };

#endif
