//+------------------------------------------------------------------+
//| Panel.mqh: what a person sees on the chart: link, account, last  |
//| command, permission to trade, halt; in English or Japanese.      |
//|                                                                  |
//| Japanese words stand here as the hexadecimal numbers of their    |
//| characters: sources stay ASCII, whatever an editor makes of them.|
//+------------------------------------------------------------------+
#ifndef KAKEHASHI_PANEL_MQH
#define KAKEHASHI_PANEL_MQH

#include <Kakehashi/Text.mqh>

#define PANEL_ROWS 6
#define PANEL_NAME "KakehashiPanel"

enum ENUM_LANGUAGE
  {
   LANGUAGE_EN, // English
   LANGUAGE_JA  // Japanese
  };

// Four hexadecimal digits a character.
string Characters(const string codes)
  {
   ushort chars[];
   int count = StringLen(codes) / 4;
   ArrayResize(chars, count);
   for(int i = 0; i < count; i++)
     {
      int value = 0;
      for(int k = 0; k < 4; k++)
        {
         int c = StringGetCharacter(codes, i * 4 + k);
         value = value * 16 + ((c <= '9') ? c - '0' : c - 'A' + 10);
        }
      chars[i] = (ushort)value;
     }
   return (count > 0) ? ShortArrayToString(chars, 0, count) : "";
  }

// What the panel shows now.
struct PanelState
  {
   string            link;
   string            account;
   string            command;
   string            trading;
   string            control;
   bool              alarm; // something keeps the EA from trading

                     PanelState(void)
     {
      link = "";
      account = "";
      command = "";
      trading = "";
      control = "";
      alarm = false;
     }
  };

class CPanel
  {
private:
   bool              m_on;
   ENUM_LANGUAGE     m_language;
   string            m_shown[];

public:
                     CPanel(void)
     {
      m_on = false;
      m_language = LANGUAGE_EN;
     }

                    ~CPanel(void) { Hide(); }

   // One of two texts, the second one as characters' numbers.
   string            Say(const string english, const string japanese) const
     {
      return (m_language == LANGUAGE_JA) ? Characters(japanese) : english;
     }

   void              Open(const bool on, const ENUM_LANGUAGE language)
     {
      m_on = on;
      m_language = language;
      ArrayResize(m_shown, PANEL_ROWS);
      for(int i = 0; m_on && i < PANEL_ROWS; i++)
        {
         string name = PANEL_NAME + IntegerToString(i);
         ObjectCreate(0, name, OBJ_LABEL, 0, 0, 0);
         ObjectSetInteger(0, name, OBJPROP_CORNER, CORNER_LEFT_UPPER);
         ObjectSetInteger(0, name, OBJPROP_XDISTANCE, 12);
         ObjectSetInteger(0, name, OBJPROP_YDISTANCE, 24 + 16 * i);
         ObjectSetInteger(0, name, OBJPROP_FONTSIZE, (i == 0) ? 10 : 9);
         ObjectSetInteger(0, name, OBJPROP_SELECTABLE, 0);
         ObjectSetInteger(0, name, OBJPROP_HIDDEN, 1);
        }
     }

   void              Hide(void)
     {
      for(int i = 0; m_on && i < PANEL_ROWS; i++)
         ObjectDelete(0, PANEL_NAME + IntegerToString(i));
      m_on = false;
     }

   void              Show(const PanelState &state)
     {
      if(!m_on)
         return;
      color tone = state.alarm ? clrTomato : clrSeaGreen;
      bool changed = Row(0, "kakehashi", tone);
      changed = Row(1, Say("Link: ", "63A57D9AFF1A") + state.link, clrSilver) || changed;          // setsuzoku
      changed = Row(2, Say("Account: ", "53E35EA7FF1A") + state.account, clrSilver) || changed;    // kouza
      changed = Row(3, Say("Last command: ", "67005F8C306E547D4EE4FF1A") + state.command, clrSilver) || changed; // last command
      changed = Row(4, Say("Trading: ", "81EA52D553D65F15FF1A") + state.trading, clrSilver) || changed; // jidou torihiki
      changed = Row(5, Say("Halt: ", "505C6B62FF1A") + state.control, tone) || changed;            // teishi
      if(changed)
         ChartRedraw(0);
     }

private:
   bool              Row(const int row, const string text, const color tone)
     {
      string name = PANEL_NAME + IntegerToString(row), whole = text + "|" + IntegerToString((long)tone);
      if(m_shown[row] == whole)
         return false;
      m_shown[row] = whole;
      ObjectSetString(0, name, OBJPROP_TEXT, text);
      ObjectSetInteger(0, name, OBJPROP_COLOR, tone);
      return true;
     }
  };

#endif
