//+------------------------------------------------------------------+
//| Json.mqh: one JSON object from a stranger, read strictly; and    |
//| the few words needed to write one.                               |
//|                                                                  |
//| A document is a flat list of nodes; a node is its number, -1 is  |
//| "not there". What is wrong with a text is a reason code, the same|
//| as the hub gives.                                                |
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_JSON_MQH
#define KAKEHASHI_JSON_MQH

#include <Kakehashi/Text.mqh>

#define JSON_DEPTH 32
// Counters, times and check sums are at most 2^53.
const long MAX_INTEGER = 9007199254740992;

enum ENUM_JSON
  {
   JSON_NULL,
   JSON_BOOL,
   JSON_NUMBER,
   JSON_TEXT,
   JSON_ARRAY,
   JSON_OBJECT
  };

struct JsonNode
  {
   ENUM_JSON         type;
   string            key;
   string            text;   // of a number as it was written, of a text unescaped, "true" or "false"
   int               first;  // of an array or object
   int               next;
  };

class CJson
  {
private:
   JsonNode          m_nodes[];
   int               m_count;
   ushort            m_text[];
   int               m_len;
   int               m_pos;
   string            m_error;
   string            m_later; // the text is JSON, but holds what cannot be used
   string            m_wrong; // a field is not what was asked for

public:
                     CJson(void)
     {
      m_count = 0;
      m_len = 0;
      m_pos = 0;
      m_error = "";
      m_later = "";
      m_wrong = "";
     }

   // Empty, or BAD_JSON, BAD_CHARACTER, DUPLICATE_FIELD, NUMBER_OUT_OF_RANGE. The object is node 0.
   string            Parse(const string text)
     {
      m_count = 0;
      m_pos = 0;
      m_error = "";
      m_later = "";
      m_wrong = "";
      m_len = StringLen(text);
      if(m_len > 0)
         StringToShortArray(text, m_text, 0, m_len);
      int root = Value(0, "");
      Blank();
      if(m_error == "" && m_pos < m_len)
         m_error = "BAD_JSON";
      if(m_error == "" && m_later != "")
         m_error = m_later;
      if(m_error == "" && m_nodes[root].type != JSON_OBJECT)
         m_error = "BAD_JSON";
      return m_error;
     }

   // What reading the fields brought up: empty, BAD_FRAME or NUMBER_OUT_OF_RANGE.
   string            Wrong(void) const { return m_wrong; }

   ENUM_JSON         Type(const int node) const { return m_nodes[node].type; }
   string            Key(const int node) const { return m_nodes[node].key; }
   string            Raw(const int node) const { return m_nodes[node].text; }
   int               First(const int node) const { return (node < 0) ? -1 : m_nodes[node].first; }
   int               Next(const int node) const { return m_nodes[node].next; }

   int               Field(const int node, const string key) const
     {
      if(node < 0 || m_nodes[node].type != JSON_OBJECT)
         return -1;
      for(int i = m_nodes[node].first; i >= 0; i = m_nodes[i].next)
         if(m_nodes[i].key == key)
            return i;
      return -1;
     }

   bool              Has(const int node, const string key) const { return Field(node, key) >= 0; }

   // A field that must be there.
   void              Need(const int node, const string key)
     {
      if(Field(node, key) < 0)
         Fault("BAD_FRAME");
     }

   string            Text(const int node, const string key, const string otherwise)
     {
      int field = Field(node, key);
      if(field < 0)
         return otherwise;
      if(m_nodes[field].type != JSON_TEXT)
         Fault("BAD_FRAME");
      return m_nodes[field].text;
     }

   // A text, or null, which is read as empty.
   string            TextOrNull(const int node, const string key)
     {
      int field = Field(node, key);
      return (field < 0 || m_nodes[field].type == JSON_NULL) ? "" : Text(node, key, "");
     }

   long              Long(const int node, const string key, const long otherwise)
     {
      int field = Field(node, key);
      if(field < 0)
         return otherwise;
      string text = m_nodes[field].text;
      bool negative = (StringLen(text) > 0 && StringGetCharacter(text, 0) == '-');
      string digits = negative ? StringSubstr(text, 1) : text;
      bool number = (m_nodes[field].type == JSON_NUMBER || m_nodes[field].type == JSON_TEXT);
      if(!number || !IsDigits(digits))
         Fault("BAD_FRAME");
      else if(StringLen(digits) > 16 || StringToInteger(digits) > MAX_INTEGER)
         Fault("NUMBER_OUT_OF_RANGE");
      else
         return StringToInteger(text);
      return otherwise;
     }

   bool              Bool(const int node, const string key, const bool otherwise)
     {
      int field = Field(node, key);
      if(field < 0)
         return otherwise;
      if(m_nodes[field].type != JSON_BOOL)
         Fault("BAD_FRAME");
      return m_nodes[field].text == "true";
     }

   // A decimal, written as text or as a number; null only where `otherwise` is empty.
   string            Amount(const int node, const string key, const string otherwise)
     {
      int field = Field(node, key);
      if(field < 0 || (m_nodes[field].type == JSON_NULL && otherwise == ""))
         return otherwise;
      string text = m_nodes[field].text;
      if(m_nodes[field].type != JSON_TEXT && m_nodes[field].type != JSON_NUMBER)
         Fault("BAD_FRAME");
      else if(!IsAmount(text))
         Fault(Endless(text) ? "NUMBER_OUT_OF_RANGE" : "BAD_FRAME");
      else if(TooMuch(text))
         Fault("NUMBER_OUT_OF_RANGE");
      else
         return text;
      return "0";
     }

   // The node as JSON again, without blanks.
   string            Write(const int node) const
     {
      ENUM_JSON type = m_nodes[node].type;
      if(type == JSON_TEXT)
         return Quoted(m_nodes[node].text);
      if(type != JSON_ARRAY && type != JSON_OBJECT)
         return (type == JSON_NULL) ? "null" : m_nodes[node].text;
      string text = "";
      for(int i = m_nodes[node].first; i >= 0; i = m_nodes[i].next)
        {
         if(text != "")
            text = text + ",";
         if(type == JSON_OBJECT)
            text = text + Quoted(m_nodes[i].key) + ":";
         text = text + Write(i);
        }
      return (type == JSON_OBJECT) ? "{" + text + "}" : "[" + text + "]";
     }

   // A text with quotes, escaped as the hub does it.
   static string     Quoted(const string text)
     {
      string out = "\"";
      int len = StringLen(text), from = 0;
      for(int i = 0; i < len; i++)
        {
         ushort c = StringGetCharacter(text, i);
         if(c >= 0x20 && c != '"' && c != '\\')
            continue;
         if(i > from)
            out = out + StringSubstr(text, from, i - from);
         out = out + Escape(c);
         from = i + 1;
        }
      if(from < len)
         out = out + StringSubstr(text, from, len - from);
      return out + "\"";
     }

private:
   static string     Escape(const ushort c)
     {
      if(c == '"')
         return "\\\"";
      if(c == '\\')
         return "\\\\";
      if(c == 8)
         return "\\b";
      if(c == 9)
         return "\\t";
      if(c == 10)
         return "\\n";
      if(c == 12)
         return "\\f";
      if(c == 13)
         return "\\r";
      return StringFormat("\\u%04x", c);
     }

   void              Fault(const string code)
     {
      if(m_wrong == "")
         m_wrong = code;
     }

   static bool       Endless(const string text)
     {
      string low = text;
      StringToLower(low);
      StringReplace(low, "-", "");
      StringReplace(low, "+", "");
      return low == "nan" || low == "inf" || low == "infinity" || low == "snan";
     }

   static bool       TooMuch(const string text)
     {
      bool negative = false;
      string fraction = "";
      string whole = SplitAmount(text, negative, fraction);
      if(StringLen(whole) != WHOLE_DIGITS)
         return StringLen(whole) > WHOLE_DIGITS;
      return Plain(negative ? StringSubstr(text, 1) : text) != "1000000000000";
     }

   int               Add(const ENUM_JSON type, const string key, const string text)
     {
      if(m_count >= ArraySize(m_nodes))
         ArrayResize(m_nodes, m_count + 64, 4096);
      m_nodes[m_count].type = type;
      m_nodes[m_count].key = key;
      m_nodes[m_count].text = text;
      m_nodes[m_count].first = -1;
      m_nodes[m_count].next = -1;
      m_count++;
      return m_count - 1;
     }

   int               Bad(const string code)
     {
      if(m_error == "")
         m_error = code;
      return 0;
     }

   void              Blank(void)
     {
      while(m_pos < m_len && (m_text[m_pos] == ' ' || m_text[m_pos] == 9 || m_text[m_pos] == 10 || m_text[m_pos] == 13))
         m_pos++;
     }

   bool              Take(const ushort c)
     {
      if(m_pos >= m_len || m_text[m_pos] != c)
         return false;
      m_pos++;
      return true;
     }

   bool              Word(const string word)
     {
      int len = StringLen(word);
      if(m_pos + len > m_len)
         return false;
      for(int i = 0; i < len; i++)
         if(m_text[m_pos + i] != StringGetCharacter(word, i))
            return false;
      m_pos += len;
      return true;
     }

   int               Value(const int depth, const string key)
     {
      Blank();
      if(m_pos >= m_len || depth > JSON_DEPTH)
         return Bad("BAD_JSON");
      ushort c = m_text[m_pos];
      if(c == '{' || c == '[')
         return Branch(c == '{', depth, key);
      if(c == '"')
         return Add(JSON_TEXT, key, Quote());
      if(Word("true"))
         return Add(JSON_BOOL, key, "true");
      if(Word("false"))
         return Add(JSON_BOOL, key, "false");
      if(Word("null"))
         return Add(JSON_NULL, key, "");
      if(Word("NaN") || Word("Infinity") || Word("-Infinity"))
         return Bad("NUMBER_OUT_OF_RANGE");
      return Number(key);
     }

   int               Branch(const bool object, const int depth, const string key)
     {
      int node = Add(object ? JSON_OBJECT : JSON_ARRAY, key, ""), last = -1;
      ushort end = object ? (ushort)'}' : (ushort)']';
      m_pos++;
      Blank();
      if(Take(end))
         return node;
      while(m_error == "")
        {
         string name = "";
         if(object)
           {
            Blank();
            if(m_pos >= m_len || m_text[m_pos] != '"')
               return Bad("BAD_JSON");
            name = Quote();
            Blank();
            if(!Take(':'))
               return Bad("BAD_JSON");
           }
         int child = Value(depth + 1, name);
         if(m_error != "")
            return 0;
         if(last < 0)
            m_nodes[node].first = child;
         else
            m_nodes[last].next = child;
         last = child;
         Blank();
         if(Take(end))
            return (object && Twice(node)) ? Bad("DUPLICATE_FIELD") : node;
         if(!Take(','))
            return Bad("BAD_JSON");
        }
      return 0;
     }

   bool              Twice(const int node) const
     {
      for(int i = m_nodes[node].first; i >= 0; i = m_nodes[i].next)
         for(int k = m_nodes[i].next; k >= 0; k = m_nodes[k].next)
            if(m_nodes[i].key == m_nodes[k].key)
               return true;
      return false;
     }

   int               Digits(void)
     {
      int start = m_pos;
      while(m_pos < m_len && m_text[m_pos] >= '0' && m_text[m_pos] <= '9')
         m_pos++;
      return m_pos - start;
     }

   int               Number(const string key)
     {
      int start = m_pos;
      Take('-');
      bool zero = (m_pos < m_len && m_text[m_pos] == '0');
      int whole = Digits();
      if(whole == 0 || (zero && whole > 1))
         return Bad("BAD_JSON");
      if(Take('.') && Digits() == 0)
         return Bad("BAD_JSON");
      if(Take('e') || Take('E'))
        {
         if(!Take('+'))
            Take('-');
         if(Digits() == 0)
            return Bad("BAD_JSON");
        }
      return Add(JSON_NUMBER, key, ShortArrayToString(m_text, start, m_pos - start));
     }

   int               HexDigits(void)
     {
      int value = 0;
      for(int i = 0; i < 4; i++)
        {
         int c = (m_pos < m_len) ? m_text[m_pos] : 0;
         int digit = (c >= '0' && c <= '9') ? c - '0' : (c >= 'a' && c <= 'f') ? c - 'a' + 10 : (c >= 'A' && c <= 'F') ? c - 'A' + 10 : -1;
         if(digit < 0)
            return -1;
         value = value * 16 + digit;
         m_pos++;
        }
      return value;
     }

   // A quoted text; the position is behind its last quote.
   string            Quote(void)
     {
      ushort out[];
      int used = 0, from = m_pos + 1;
      bool escaped = false;
      m_pos++;
      while(m_pos < m_len)
        {
         ushort c = m_text[m_pos];
         if(c == '"')
           {
            m_pos++;
            if(!escaped)
               return (m_pos - 1 > from) ? ShortArrayToString(m_text, from, m_pos - 1 - from) : "";
            Pairs(out, used);
            return (used > 0) ? ShortArrayToString(out, 0, used) : "";
           }
         if(c < 0x20)
            break;
         if(c == '\\' && !escaped)
           {
            escaped = true;
            used = m_pos - from;
            ArrayResize(out, used + 256, 4096);
            for(int i = 0; i < used; i++)
               out[i] = m_text[from + i];
           }
         m_pos++;
         if(c == '\\')
           {
            int code = Unescape();
            if(code < 0)
               break;
            c = (ushort)code;
           }
         if(escaped)
           {
            if(used >= ArraySize(out))
               ArrayResize(out, used + 256, 4096);
            out[used] = c;
            used++;
           }
        }
      Bad("BAD_JSON");
      return "";
     }

   // What stands behind a backslash; -1: no escape.
   int               Unescape(void)
     {
      if(m_pos >= m_len)
         return -1;
      ushort c = m_text[m_pos];
      m_pos++;
      if(c == 'u')
        {
         int code = HexDigits();
         if(code == 0)
            m_later = "BAD_CHARACTER";
         return (code == 0) ? 0xFFFD : code;
        }
      if(c == '"' || c == '\\' || c == '/')
         return c;
      return (c == 'b') ? 8 : (c == 'f') ? 12 : (c == 'n') ? 10 : (c == 'r') ? 13 : (c == 't') ? 9 : -1;
     }

   // Half of a surrogate pair could be neither answered nor stored.
   void              Pairs(const ushort &out[], const int used)
     {
      for(int i = 0; i < used; i++)
        {
         if(out[i] < 0xD800 || out[i] > 0xDFFF)
            continue;
         bool pair = (out[i] < 0xDC00 && i + 1 < used && out[i + 1] >= 0xDC00 && out[i + 1] <= 0xDFFF);
         if(!pair)
            m_later = "BAD_CHARACTER";
         else
            i++;
        }
     }
  };

#endif
