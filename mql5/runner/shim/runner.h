// What the parts of the shim know of each other. Programs do not see it.
#pragma once
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "mql.h"

namespace mql::runner {

// From the command line; see `usage` in main.cpp.
struct Options {
    std::string account, number, currency = "USD", margin_mode = "hedging", balance = "10000", suffix, leverage = "100";
    std::string broker, data = ".", common, symbol = "EURUSD", ca, panel, tape;
    std::map<std::string, std::string> inputs;
    std::vector<std::string> allowed;
    bool allow_all = true;
    int timer_floor_ms = 16;
    int empty_ms = 0;
    int chart = 1;
    long long server_offset_s = 0;
    double pace = 1;  // how fast the machine's clocks go
    std::vector<std::string> dies;  // WHERE:TEXT:NTH, see usage
    std::map<std::string, long long> switches;
};
extern Options options;

// A switch of the terminal that the user could flip, by `--switch NAME=VALUE` or the file `switches` in the data folder.
long long switched(const char* name, long long otherwise);

void fail(int code);                      // sets the error that GetLastError gives
bool fails(int code);                     // the same, and false
void fated(const char* where, const std::string& what);  // may end the process, as kill -9 does
void begin_clock();
long long wall_ms();
long long monotonic_us();
void load_switches();
void stop_for(int reason);                // ends the event loop
void wake();                              // there is something to do for the event loop
[[noreturn]] void leave(int code);        // flushes what is to be seen, and ends the process without destructors
void report_leaks();
void dump_panel();

// Events for the program, in order; more than the terminal keeps are lost.
struct Transaction { MqlTradeTransaction event; MqlTradeRequest request; MqlTradeResult result; };
void queue_transaction(Transaction t);
void queue_tick();
bool chart_click(const std::string& object);

}  // namespace mql::runner
