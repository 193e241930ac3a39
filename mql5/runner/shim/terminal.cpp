#include "terminal.h"
namespace mql {
using namespace runner;
void runner::start_terminal() {}
string Symbol() { return utf8(options.symbol); }
datetime TimeCurrent() { return TimeGMT(); }
datetime TimeTradeServer() { return TimeGMT(); }
}
