//+------------------------------------------------------------------+
//| Index.mqh: from a text to the place where it stands in a list.   |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_INDEX_MQH
#define KAKEHASHI_INDEX_MQH

class CIndex
  {
private:
   string            m_keys[];
   int               m_places[]; // -1: free
   int               m_count;
   int               m_size;

public:
                     CIndex(void) { Clear(); }

   void              Clear(void)
     {
      m_count = 0;
      m_size = 64;
      ArrayResize(m_keys, m_size);
      ArrayResize(m_places, m_size);
      ArrayInitialize(m_places, -1);
     }

   // -1: not there.
   int               Find(const string key) const
     {
      return m_places[Slot(key)];
     }

   void              Put(const string key, const int place)
     {
      if(m_count * 2 >= m_size)
         Grow();
      int slot = Slot(key);
      if(m_places[slot] < 0)
         m_count++;
      m_keys[slot] = key;
      m_places[slot] = place;
     }

private:
   int               Slot(const string key) const
     {
      uint hash = 2166136261;
      int len = StringLen(key);
      for(int i = 0; i < len; i++)
         hash = (hash ^ (uint)StringGetCharacter(key, i)) * 16777619;
      int slot = (int)(hash % (uint)m_size);
      while(m_places[slot] >= 0 && m_keys[slot] != key)
         slot = (slot + 1) % m_size;
      return slot;
     }

   void              Grow(void)
     {
      string keys[];
      int places[];
      int old = m_size;
      ArrayResize(keys, old);
      ArrayResize(places, old);
      for(int i = 0; i < old; i++)
        {
         keys[i] = m_keys[i];
         places[i] = m_places[i];
        }
      m_size = old * 4;
      m_count = 0;
      ArrayResize(m_keys, m_size);
      ArrayResize(m_places, m_size);
      ArrayInitialize(m_places, -1);
      for(int i = 0; i < old; i++)
         if(places[i] >= 0)
            Put(keys[i], places[i]);
     }
  };

#endif
