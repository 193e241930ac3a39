//+------------------------------------------------------------------+
//| Packer.mqh: rows of SYMS and PRICE in frames that fit.           |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_PACKER_MQH
#define KAKEHASHI_PACKER_MQH

#include <Kakehashi/Text.mqh>

// What a frame may have in rows, with room for its head.
#define ROWS_BYTES 60000

void AddText(string &texts[], const string text)
  {
   int count = ArraySize(texts);
   ArrayResize(texts, count + 1, 8);
   texts[count] = text;
  }

class CPacker
  {
private:
   string            m_list;
   int               m_used;

public:
   string            lists[]; // the rows of each frame

                     CPacker(void)
     {
      m_list = "";
      m_used = 0;
     }

   void              Add(const string row)
     {
      int size = ByteCount(row) + 1;
      if(m_used + size > ROWS_BYTES)
         Close();
      m_list = m_list + ((m_list == "") ? "" : ",") + row;
      m_used += size;
     }

   // The frame is full, or nothing more comes.
   void              Close(void)
     {
      if(m_list != "")
         AddText(lists, m_list);
      m_list = "";
      m_used = 0;
     }
  };

#endif
