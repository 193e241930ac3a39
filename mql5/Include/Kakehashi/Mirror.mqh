//+------------------------------------------------------------------+
//| Mirror.mqh: what the EA tells of the terminal's state: whether it|
//| may be believed, SNAP, DELTA and the heartbeat's sums.           |
//|                                                                  |
//| State is lossy by design: nothing is queued. A DELTA is the      |
//| difference between what was told last and what is there now      |
//| (R11, R12, R13, R17).                                            |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_MIRROR_MQH
#define KAKEHASHI_MIRROR_MQH

#include <Kakehashi/Crc32.mqh>
#include <Kakehashi/Frames.mqh>
#include <Kakehashi/Packer.mqh>

#define CONNECTED_MS 5000
#define READS_APART_MS 1000
#define FULL_SYNC_MS 300000
// More changes than these are told as a SNAP; rows of one part of it stay below 64 KiB, whatever the symbols are called.
#define DELTA_ROWS 200
#define PART_ROWS 100

// The places of rows in order of their tickets' numbers. Nearly sorted as terminals give them: insertion is quick.
void ByTicket(const string &tickets[], int &order[])
  {
   int count = ArraySize(tickets);
   ArrayResize(order, count);
   for(int i = 0; i < count; i++)
     {
      int at = i;
      while(at > 0 && TicketBelow(tickets[i], tickets[order[at - 1]]))
        {
         order[at] = order[at - 1];
         at--;
        }
      order[at] = i;
     }
  }

// The text whose CRC32 is the sync version of positions (R12).
string PositionLines(const PositionRow &rows[])
  {
   string tickets[], text = "";
   int order[], count = ArraySize(rows);
   ArrayResize(tickets, count);
   for(int i = 0; i < count; i++)
      tickets[i] = rows[i].ticket;
   ByTicket(tickets, order);
   for(int k = 0; k < count; k++)
     {
      int i = order[k];
      text = text + ((k > 0) ? "\n" : "") + rows[i].ticket + "|" + rows[i].symbol + "|" + rows[i].side + "|"
             + ScaledText(rows[i].volume) + "|" + ScaledText(rows[i].open) + "|" + ScaledText(rows[i].sl) + "|"
             + ScaledText(rows[i].tp) + "|" + rows[i].magic;
     }
   return text;
  }

string OrderLines(const OrderRow &rows[])
  {
   string tickets[], text = "";
   int order[], count = ArraySize(rows);
   ArrayResize(tickets, count);
   for(int i = 0; i < count; i++)
      tickets[i] = rows[i].ticket;
   ByTicket(tickets, order);
   for(int k = 0; k < count; k++)
     {
      int i = order[k];
      text = text + ((k > 0) ? "\n" : "") + rows[i].ticket + "|" + rows[i].symbol + "|" + rows[i].type + "|"
             + ScaledText(rows[i].volume) + "|" + ScaledText(rows[i].price) + "|" + ScaledText(rows[i].sl) + "|"
             + ScaledText(rows[i].tp) + "|" + rows[i].magic;
     }
   return text;
  }

long PositionSum(const PositionRow &rows[])
  {
   return (long)Crc32Text(PositionLines(rows));
  }

long OrderSum(const OrderRow &rows[])
  {
   return (long)Crc32Text(OrderLines(rows));
  }

// Whether the terminal shows the account as the broker has it (R13): connected for 5 s, on the right account, and two
// reads at least 1 s apart were the same. Right after a start it shows no positions for a while.
class CSynced
  {
private:
   string            m_account;
   string            m_server;
   long              m_connected;
   long              m_read;
   long              m_sum;
   long              m_osum;
   bool              m_same;

public:
   long              since; // since when without break; NEVER: not synced

                     CSynced(void)
     {
      m_account = "";
      m_server = "";
      Broken();
     }

   void              Home(const string account, const string server)
     {
      m_account = account;
      m_server = server;
     }

   void              Read(const View &view, const long now)
     {
      if(!view.connected || view.login != m_account || view.server != m_server)
        {
         Broken();
         return;
        }
      if(m_connected == NEVER)
         m_connected = now;
      if(since != NEVER)
         return;
      long sum = PositionSum(view.positions), osum = OrderSum(view.orders);
      if(m_read == NEVER || (!m_same && (m_sum != sum || m_osum != osum)))
        {
         m_read = now;
         m_sum = sum;
         m_osum = osum;
        }
      m_same = m_same || now >= m_read + READS_APART_MS;
      if(m_same && now >= m_connected + CONNECTED_MS)
         since = now;
     }

   // The connection to the broker went, or the machine slept: begin anew.
   void              Broken(void)
     {
      m_connected = NEVER;
      m_read = NEVER;
      since = NEVER;
      m_same = false;
      m_sum = 0;
      m_osum = 0;
     }
  };

// The state as it was last told.
class CMirror
  {
private:
   string            m_ptickets[]; // in order of m_prows
   string            m_prows[];
   string            m_otickets[];
   string            m_orows[];
   long              m_told_at;
   bool              m_believed;
   string            m_rows;   // of the change that was looked for last
   string            m_orders;
   int               m_changes;
   bool              m_dealt;
   long              m_revision; // of the view that was told last

public:
   long              sseq;
   long              crc;
   long              ocrc;
   int               count;

                     CMirror(void) { Forget(); }

   // For a new boot.
   void              Forget(void)
     {
      ArrayResize(m_ptickets, 0);
      ArrayResize(m_prows, 0);
      ArrayResize(m_otickets, 0);
      ArrayResize(m_orows, 0);
      m_told_at = NEVER;
      m_believed = false;
      m_rows = "";
      m_orders = "";
      m_changes = 0;
      m_dealt = false;
      m_revision = 0;
      sseq = 0;
      crc = 0;
      ocrc = 0;
      count = 0;
     }

   // None was told on this boot, 300 s went by, or the terminal became synced since.
   bool              SnapDue(const bool synced, const long now) const
     {
      return m_told_at == NEVER || now >= m_told_at + FULL_SYNC_MS || (synced && !m_believed);
     }

   // All of it, in parts of one sseq.
   void              Snap(const View &view, const long boot, const bool synced, const long now, string &frames[])
     {
      sseq++;
      m_told_at = now;
      m_believed = synced;
      Keep(view);
      int positions = ArraySize(view.positions), total = positions + ArraySize(view.orders);
      int parts = MathMax(1, (total + PART_ROWS - 1) / PART_ROWS);
      ArrayResize(frames, parts);
      for(int part = 0; part < parts; part++)
        {
         string prows = "", orows = "";
         for(int i = part * PART_ROWS; i < MathMin(total, (part + 1) * PART_ROWS); i++)
           {
            if(i < positions)
               prows = prows + ((prows == "") ? "" : ",") + PositionText(view.positions[i]);
            else
               orows = orows + ((orows == "") ? "" : ",") + OrderText(view.orders[i - positions]);
           }
         frames[part] = SnapText(boot, sseq, part + 1, parts, prows, orows, crc, ocrc, synced);
        }
     }

   // What changed since; empty: nothing. `collapsed`: so much that a SNAP has to tell it.
   string            Delta(const View &view, const long boot, bool &collapsed)
     {
      collapsed = false;
      if(view.revision != 0 && view.revision == m_revision)
         return "";
      Compare(view);
      collapsed = (m_changes > DELTA_ROWS || ByteCount(m_rows) + ByteCount(m_orders) > ROWS_BYTES);
      if(m_changes == 0)
         m_revision = view.revision;
      if(m_changes == 0 || collapsed)
         return "";
      sseq++;
      Keep(view);
      return DeltaText(boot, sseq, m_rows, m_orders, m_dealt ? "DEAL" : "CHANGE");
     }

private:
   // Without what every tick changes.
   static string     Lasting(const PositionRow &row)
     {
      PositionRow lasting = row;
      lasting.profit = "0";
      lasting.swap = "0";
      return PositionText(lasting);
     }

   static int        Place(const string &tickets[], const string ticket, const int hint)
     {
      if(hint < ArraySize(tickets) && tickets[hint] == ticket)
         return hint;
      for(int i = 0; i < ArraySize(tickets); i++)
         if(tickets[i] == ticket)
            return i;
      return -1;
     }

   void              Change(string &list, const string ticket, const string row)
     {
      list = list + ((list == "") ? "" : ",") + "{\"ticket\":" + CJson::Quoted(ticket) + ",\"row\":" + row + "}";
      m_changes++;
     }

   void              Compare(const View &view)
     {
      m_rows = "";
      m_orders = "";
      m_changes = 0;
      m_dealt = false;
      int held = ArraySize(view.positions), resting = ArraySize(view.orders);
      string now_held[], now_resting[];
      ArrayResize(now_held, held);
      ArrayResize(now_resting, resting);
      for(int i = 0; i < held; i++)
         now_held[i] = view.positions[i].ticket;
      for(int i = 0; i < resting; i++)
         now_resting[i] = view.orders[i].ticket;
      for(int i = 0; i < ArraySize(m_ptickets); i++)
         if(Place(now_held, m_ptickets[i], i) < 0)
           {
            Change(m_rows, m_ptickets[i], "null");
            m_dealt = true;
           }
      for(int i = 0; i < held; i++)
        {
         int place = Place(m_ptickets, now_held[i], i);
         string row = Lasting(view.positions[i]);
         if(place < 0 || m_prows[place] != row)
            Change(m_rows, now_held[i], row);
         m_dealt = m_dealt || place < 0;
        }
      for(int i = 0; i < ArraySize(m_otickets); i++)
         if(Place(now_resting, m_otickets[i], i) < 0)
            Change(m_orders, m_otickets[i], "null");
      for(int i = 0; i < resting; i++)
        {
         int place = Place(m_otickets, now_resting[i], i);
         string row = OrderText(view.orders[i]);
         if(place < 0 || m_orows[place] != row)
            Change(m_orders, now_resting[i], row);
        }
     }

   void              Keep(const View &view)
     {
      int held = ArraySize(view.positions), resting = ArraySize(view.orders);
      ArrayResize(m_ptickets, held);
      ArrayResize(m_prows, held);
      ArrayResize(m_otickets, resting);
      ArrayResize(m_orows, resting);
      for(int i = 0; i < held; i++)
        {
         m_ptickets[i] = view.positions[i].ticket;
         m_prows[i] = Lasting(view.positions[i]);
        }
      for(int i = 0; i < resting; i++)
        {
         m_otickets[i] = view.orders[i].ticket;
         m_orows[i] = OrderText(view.orders[i]);
        }
      crc = PositionSum(view.positions);
      ocrc = OrderSum(view.orders);
      count = held;
      m_revision = view.revision;
     }
  };

#endif
