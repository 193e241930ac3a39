// The terminal as the program sees it: connected to the simulated broker, with the account's picture.
#pragma once
#include <memory>

#include "runner.h"

namespace mql::runner {

struct Quote { double bid = 0, ask = 0; long long at = 0; };

struct SymbolFacts {
    std::string name, base, profit;
    int digits = 5, stops_level = 0, freeze_level = 0, fillings = 0;
    double point = 0, tick_value = 0, tick_size = 0, contract_size = 0, vol_min = 0, vol_max = 0, vol_step = 0, volume_limit = 0;
    double margin_hedged = 0, swap_long = 0, swap_short = 0;
    bool selected = true;
};

struct Position {
    ulong ticket = 0, identifier = 0, magic = 0;
    std::string symbol, comment;
    ENUM_POSITION_TYPE type{};
    double volume = 0, open = 0, sl = 0, tp = 0, swap = 0, profit = 0, current = 0;
    long long time = 0;
    int reason = 0;
};

struct Order {
    ulong ticket = 0, position = 0, magic = 0;
    std::string symbol, comment;
    ENUM_ORDER_TYPE type{};
    ENUM_ORDER_STATE state{};
    ENUM_ORDER_TYPE_TIME time_type{};
    double initial = 0, current = 0, price = 0, stoplimit = 0, sl = 0, tp = 0;
    long long setup = 0, done = 0, expiration = 0;
    int reason = 0;
};

struct Deal {
    ulong ticket = 0, order = 0, position = 0, magic = 0;
    std::string symbol, comment;
    ENUM_DEAL_TYPE type{};
    ENUM_DEAL_ENTRY entry{};
    double volume = 0, price = 0, profit = 0, swap = 0, commission = 0;
    long long time = 0;
    int reason = 0;
};

// One read of the broker; never changed once it is shown.
struct Picture {
    bool connected = false;
    long long at = 0, read_at_us = 0;  // the server's time; when it came, on our own clock
    std::string login, server, currency, trade_mode, margin_mode;
    int leverage = 0, limit_orders = 0;
    double balance = 0, equity = 0, profit = 0, margin = 0, margin_free = 0, margin_level = 0, credit = 0, so_call = 0, so_so = 0;
    std::vector<Position> positions;
    std::vector<Order> orders;
    std::map<std::string, Quote> quotes;
};

void start_terminal();
std::shared_ptr<const Picture> picture();
bool shows_nothing();                      // right after a start, on request
long long server_time(long long utc_ms);   // as the account's times are given
long long ping_us();

// What grows: symbols, deals, ended orders. Locked by the caller for as long as it looks.
struct Base {
    std::mutex guard;
    std::vector<SymbolFacts> symbols;
    std::vector<Deal> deals;
    std::vector<Order> done;
    std::map<ulong, size_t> deal_at, done_at;
};
Base& base();

class Wire {  // one connection to the broker, one request in flight
public:
    enum Outcome { ANSWERED, REFUSED, NOT_SENT, NO_ANSWER };
    ~Wire() { drop(); }
    // REFUSED: the broker did not understand it, `result` says why.
    Outcome call(const std::string& method, const std::string& params, class Json& result, int timeout_ms);
    bool connect();
    void drop();

private:
    int fd_ = -1;
    long long last_id_ = 0;
    std::string rest_;
};

}  // namespace mql::runner
