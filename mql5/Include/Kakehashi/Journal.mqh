//+------------------------------------------------------------------+
//| Journal.mqh: the lines on disk, and the chain that proves them.  |
//|                                                                  |
//| A line is `number length crc body`: `length` the body's bytes,   |
//| `crc` the CRC32 of `previous number length body`, so a line that |
//| is torn, missing, changed or put back from elsewhere breaks the  |
//| chain (R2). One file for each server and login, in the folder    |
//| that all terminals of the machine share, opened without sharing  |
//| for the EA's whole life. FileFlush is no fsync: after a start    |
//| without CLEAN the EA takes a new instance id.                    |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_JOURNAL_MQH
#define KAKEHASHI_JOURNAL_MQH

#include <Kakehashi/Crc32.mqh>
#include <Kakehashi/Memory.mqh>

// A journal that is larger at the start is rewritten: what is over and acknowledged for 30 days goes.
#define REWRITE_BYTES 4194304

// Reads lines until the first that is torn or off the chain.
class CLines
  {
public:
   int               kept; // bytes up to the end of the last good line

                     CLines(void) { kept = 0; }

   void              Read(const uchar &raw[], CMemory &into)
     {
      int size = ArraySize(raw), start = 0;
      for(int i = 0; i < size; i++)
        {
         if(raw[i] != 10)
            continue;
         if(!ReadLine(raw, start, i, into))
            break;
         start = i + 1;
        }
      kept = start;
      into.clean = (into.clean && kept == size);
     }

   // The line of the next note; the memory has it already. `previous` and `number` as of the line before.
   static string     Line(const uint previous, const long number, const string body, uint &crc)
     {
      string head = IntegerToString(number) + " " + IntegerToString(ByteCount(body)) + " ";
      crc = Crc32Text(IntegerToString((long)previous) + " " + head + body);
      return head + IntegerToString((long)crc) + " " + body;
     }

private:
   bool              ReadLine(const uchar &raw[], const int start, const int end, CMemory &into)
     {
      if(!IsUtf8(raw, start, end - start))
         return false;
      string text = FromBytes(raw, start, end - start);
      int body_at = Behind(text, 3);
      if(body_at < 0)
         return false;
      string body = StringSubstr(text, body_at);
      long number = into.line + 1;
      uint previous = into.chain, crc = 0;
      if(into.line == 0 && StringFind(body, "{\"k\":\"BASE\"") == 0)
        {
         number = StringToInteger(text);
         previous = (uint)StringToInteger(StringSubstr(body, StringFind(body, "\"after\":") + 8));
        }
      if(text != Line(previous, number, body, crc))
         return false;
      long before = into.line;
      into.line = number;
      if(!into.Fold(body))
        {
         into.line = before;
         return false;
        }
      into.chain = crc;
      return true;
     }

   // Where the text behind so many blanks begins; -1: there are fewer.
   static int        Behind(const string text, const int blanks)
     {
      int at = -1;
      for(int i = 0; i < blanks; i++)
        {
         at = StringFind(text, " ", at + 1);
         if(at < 0)
            return -1;
        }
      return at + 1;
     }
  };

class CJournal
  {
private:
   string            m_name;
   int               m_file;
   bool              m_failed;

public:
   CMemory           memory;

                     CJournal(void)
     {
      m_name = "";
      m_file = INVALID_HANDLE;
      m_failed = false;
     }

                    ~CJournal(void) { Close(); }

   // Empty, or why it cannot be used: JOURNAL_HELD: another EA runs on this account; JOURNAL_FAILED.
   string            Open(const string server, const string login, const long wall)
     {
      m_name = "Kakehashi\\" + FileSafe(server) + "-" + login + ".journal";
      FolderCreate("Kakehashi", FILE_COMMON);
      uchar raw[];
      if(!OpenFile())
         return FileIsExist(m_name, FILE_COMMON) ? "JOURNAL_HELD" : "JOURNAL_FAILED";
      if(!ReadFile(raw))
         return "JOURNAL_FAILED";
      if(ArraySize(raw) > 0 && (raw[0] < '0' || raw[0] > '9'))
         return "NOT_A_JOURNAL";
      CLines lines;
      lines.Read(raw, memory);
      if(lines.kept < ArraySize(raw) && !Cut(raw, lines.kept))
         return "JOURNAL_FAILED";
      if(lines.kept > REWRITE_BYTES && !Rewrite(wall))
         return "JOURNAL_FAILED";
      FileSeek(m_file, 0, SEEK_END);
      return "";
     }

   // Whether it can no longer be written: what is not written down must not be done.
   bool              Failed(void) const { return m_failed; }

   // Written and flushed when it returns.
   void              Append(const string body)
     {
      if(m_failed)
         return;
      uint crc = 0;
      uchar bytes[];
      int count = ToBytes(CLines::Line(memory.chain, memory.line + 1, body, crc) + "\n", bytes);
      memory.line++;
      memory.chain = crc;
      memory.Fold(body);
      if(m_file == INVALID_HANDLE || FileWriteArray(m_file, bytes, 0, count) != (uint)count)
        {
         m_failed = true;
         Print("Kakehashi: the journal cannot be written: error ", GetLastError());
         return;
        }
      FileFlush(m_file);
     }

   void              Close(void)
     {
      if(m_file != INVALID_HANDLE)
         FileClose(m_file);
      m_file = INVALID_HANDLE;
     }

   static string     FileSafe(const string name)
     {
      string safe = name;
      for(int i = 0; i < StringLen(safe); i++)
        {
         ushort c = StringGetCharacter(safe, i);
         bool good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_';
         if(!good)
            StringSetCharacter(safe, i, '_');
        }
      return safe;
     }

private:
   bool              OpenFile(void)
     {
      m_file = FileOpen(m_name, FILE_READ | FILE_WRITE | FILE_BIN | FILE_COMMON);
      return m_file != INVALID_HANDLE;
     }

   bool              ReadFile(uchar &raw[])
     {
      int size = (int)FileSize(m_file);
      ArrayResize(raw, size);
      FileSeek(m_file, 0, SEEK_SET);
      return size == 0 || FileReadArray(m_file, raw, 0, size) == (uint)size;
     }

   // Takes off what lies beyond the last good line, and keeps a copy of it. MQL5 cannot shorten a file: a new one takes
   // its place.
   bool              Cut(const uchar &raw[], const int size)
     {
      int torn = FileOpen(m_name + ".torn", FILE_READ | FILE_WRITE | FILE_BIN | FILE_COMMON);
      if(torn == INVALID_HANDLE)
         return false;
      uchar end[] = {10};
      FileSeek(torn, 0, SEEK_END);
      FileWriteArray(torn, raw, size, ArraySize(raw) - size);
      FileWriteArray(torn, end, 0, 1);
      FileClose(torn);
      return Replace(raw, size);
     }

   bool              Replace(const uchar &raw[], const int size)
     {
      int file = FileOpen(m_name + ".new", FILE_WRITE | FILE_BIN | FILE_COMMON);
      if(file == INVALID_HANDLE)
         return false;
      bool whole = (size == 0 || FileWriteArray(file, raw, 0, size) == (uint)size);
      FileFlush(file);
      FileClose(file);
      Close();
      return whole && FileMove(m_name + ".new", FILE_COMMON, m_name, FILE_COMMON | FILE_REWRITE) && OpenFile();
     }

   // Begins the file anew with what has to be known. The chain goes on: the first line stands on the last one before.
   bool              Rewrite(const long wall)
     {
      bool was_clean = memory.clean;
      string notes[];
      memory.Summary(wall, notes);
      uchar raw[], bytes[];
      int used = 0;
      uint chain = memory.chain, crc = 0;
      for(int i = 0; i < ArraySize(notes); i++)
        {
         int count = ToBytes(CLines::Line(chain, memory.line + 1 + i, notes[i], crc) + "\n", bytes);
         ArrayResize(raw, used + count, 1048576);
         ArrayCopy(raw, bytes, used, 0, count);
         used += count;
         chain = crc;
        }
      if(!Replace(raw, used))
         return false;
      memory.line += ArraySize(notes);
      memory.chain = chain;
      memory.clean = was_clean;
      return true;
     }
  };

#endif
