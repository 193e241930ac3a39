// Stays in its first timer event until it is told to end, and longer where it is deaf.
input bool Deaf = false;

int OnInit(void)
  {
   EventSetMillisecondTimer(20);
   Print("init");
   return INIT_SUCCEEDED;
  }

void OnTimer(void)
  {
   Print("timer");
   while(Deaf || !IsStopped())
      Sleep(5);
  }

void OnDeinit(const int reason)
  {
   Print("deinit ", reason);
  }
