// Something to be seen on the chart.
void OnStart(void)
  {
   ObjectCreate(0, "kk.state", OBJ_LABEL, 0, 0, 0);
   ObjectSetString(0, "kk.state", OBJPROP_TEXT, "接続中");
   ObjectSetInteger(0, "kk.state", OBJPROP_COLOR, clrRed);
   ChartRedraw();
   Comment("two\nlines");
  }
