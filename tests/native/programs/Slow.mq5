// Its first timer event takes ten periods; what comes then must not come all at once.
ulong times[];

int OnInit(void)
  {
   return EventSetMillisecondTimer(20) ? INIT_SUCCEEDED : INIT_FAILED;
  }

void OnTimer(void)
  {
   int count = ArraySize(times);
   ArrayResize(times, count + 1);
   times[count] = GetMicrosecondCount() / 1000;
   if(count == 0)
      Sleep(200);
   if(count < 4)
      return;
   Print("four events in ms ", times[4] - times[1]);
   ExpertRemove();
  }
