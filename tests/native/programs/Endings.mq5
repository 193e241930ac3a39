// The ways in which a program can go wrong.
input int Which = 0;
class CThing { public: int n; CThing(void) { n = 1; } };
struct Holder { int values[2]; };
int zero = 0;
void OnStart(void)
  {
   int list[3];
   CThing *thing = NULL;
   Holder holder;
   int i = 3;
   if(Which == 1)
      list[i] = 1;
   if(Which == 2)
      Print(thing.n);
   if(Which == 3)
     {
      thing = new CThing;
      delete thing;
      Print(thing.n);
     }
   if(Which == 4)
      Print(7 / zero);
   if(Which == 5)
      holder.values[-1 + zero] = 2;
   if(Which == 6)
      thing = new CThing();
   Print("the end");
  }
