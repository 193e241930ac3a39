// Positions, orders, history, and sending: the picture is read, the broker decides.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <thread>

#include "json.h"
#include "terminal.h"

namespace mql {

using namespace runner;

// -- what is open ---------------------------------------------------------------------------------------------------------------

namespace {
// What was selected is a copy, as in the terminal: it does not change while it is looked at.
struct Selected {
    Position position;
    bool has_position = false;
    Order order;
    bool has_order = false;
    std::vector<Deal> deals;
    std::vector<Order> orders;
} selected __attribute__((init_priority(110)));

std::vector<Position> positions() { return shows_nothing() ? std::vector<Position>{} : picture()->positions; }
std::vector<Order> orders() { return shows_nothing() ? std::vector<Order>{} : picture()->orders; }
bool select(const Position& p) { selected.position = p; return selected.has_position = true; }
bool select(const Order& o) { selected.order = o; return selected.has_order = true; }
}  // namespace

int PositionsTotal() { return int(positions().size()); }
ulong PositionGetTicket(int at) {
    auto all = positions();
    if (at < 0 || size_t(at) >= all.size()) { fail(ERR_TRADE_POSITION_NOT_FOUND); return 0; }
    select(all[size_t(at)]);
    return all[size_t(at)].ticket;
}
string PositionGetSymbol(int at) { return PositionGetTicket(at) ? utf8(selected.position.symbol) : string(u""); }
bool PositionSelectByTicket(ulong ticket) {
    for (auto& p : positions()) if (p.ticket == ticket) return select(p);
    return fails(ERR_TRADE_POSITION_NOT_FOUND);
}
bool PositionSelect(const string& symbol) {  // on a hedging account only the one with the lowest ticket is found
    const Position* best = nullptr;
    auto all = positions();
    std::string wanted = symbol.utf8();
    for (auto& p : all) if (p.symbol == wanted && (!best || p.ticket < best->ticket)) best = &p;
    return best ? select(*best) : fails(ERR_TRADE_POSITION_NOT_FOUND);
}
bool PositionGetInteger(ENUM_POSITION_PROPERTY_INTEGER property, int64& v) {
    v = 0;
    if (!selected.has_position) return fails(ERR_TRADE_POSITION_NOT_FOUND);
    const Position& p = selected.position;
    switch (property) {
        case POSITION_TICKET: v = int64(p.ticket); break;
        case POSITION_IDENTIFIER: v = int64(p.identifier); break;
        case POSITION_MAGIC: v = int64(p.magic); break;
        case POSITION_TYPE: v = p.type; break;
        case POSITION_TIME: case POSITION_TIME_UPDATE: v = server_time(p.time) / 1000; break;
        case POSITION_TIME_MSC: case POSITION_TIME_UPDATE_MSC: v = server_time(p.time); break;
        case POSITION_REASON: v = p.reason; break;
    }
    return true;
}
bool PositionGetDouble(ENUM_POSITION_PROPERTY_DOUBLE property, double& v) {
    v = 0;
    if (!selected.has_position) return fails(ERR_TRADE_POSITION_NOT_FOUND);
    const Position& p = selected.position;
    switch (property) {
        case POSITION_VOLUME: v = p.volume; break;
        case POSITION_PRICE_OPEN: v = p.open; break;
        case POSITION_PRICE_CURRENT: v = p.current; break;
        case POSITION_SL: v = p.sl; break;
        case POSITION_TP: v = p.tp; break;
        case POSITION_SWAP: v = p.swap; break;
        case POSITION_PROFIT: v = p.profit; break;
    }
    return true;
}
bool PositionGetString(ENUM_POSITION_PROPERTY_STRING property, string& v) {
    v = string(u"");
    if (!selected.has_position) return fails(ERR_TRADE_POSITION_NOT_FOUND);
    if (property == POSITION_SYMBOL) v = utf8(selected.position.symbol);
    else if (property == POSITION_COMMENT) v = utf8(selected.position.comment);
    return true;
}
int64 PositionGetInteger(ENUM_POSITION_PROPERTY_INTEGER p) { int64 v; PositionGetInteger(p, v); return v; }
double PositionGetDouble(ENUM_POSITION_PROPERTY_DOUBLE p) { double v; PositionGetDouble(p, v); return v; }
string PositionGetString(ENUM_POSITION_PROPERTY_STRING p) { string v; PositionGetString(p, v); return v; }

static int64 integer_of(const Order& o, ENUM_ORDER_PROPERTY_INTEGER property) {
    switch (property) {
        case ORDER_TICKET: return int64(o.ticket);
        case ORDER_TIME_SETUP: return server_time(o.setup) / 1000;
        case ORDER_TIME_SETUP_MSC: return server_time(o.setup);
        case ORDER_TIME_DONE: return o.done ? server_time(o.done) / 1000 : 0;
        case ORDER_TIME_DONE_MSC: return o.done ? server_time(o.done) : 0;
        case ORDER_TIME_EXPIRATION: return o.expiration ? server_time(o.expiration) / 1000 : 0;
        case ORDER_TYPE: return o.type;
        case ORDER_TYPE_FILLING: return o.type <= ORDER_TYPE_SELL ? ORDER_FILLING_FOK : ORDER_FILLING_RETURN;
        case ORDER_TYPE_TIME: return o.time_type;
        case ORDER_MAGIC: return int64(o.magic);
        case ORDER_STATE: return o.state;
        case ORDER_POSITION_ID: return int64(o.position);
        case ORDER_POSITION_BY_ID: return 0;
        case ORDER_REASON: return o.reason;
    }
    return 0;
}
static double double_of(const Order& o, ENUM_ORDER_PROPERTY_DOUBLE property) {
    switch (property) {
        case ORDER_VOLUME_INITIAL: return o.initial;
        case ORDER_VOLUME_CURRENT: return o.current;
        case ORDER_PRICE_OPEN: case ORDER_PRICE_CURRENT: return o.price;
        case ORDER_PRICE_STOPLIMIT: return o.stoplimit;
        case ORDER_SL: return o.sl;
        case ORDER_TP: return o.tp;
    }
    return 0;
}
static string text_of(const Order& o, ENUM_ORDER_PROPERTY_STRING property) {
    return property == ORDER_SYMBOL ? utf8(o.symbol) : property == ORDER_COMMENT ? utf8(o.comment) : string(u"");
}
int OrdersTotal() { return int(orders().size()); }
ulong OrderGetTicket(int at) {
    auto all = orders();
    if (at < 0 || size_t(at) >= all.size()) { fail(ERR_TRADE_ORDER_NOT_FOUND); return 0; }
    select(all[size_t(at)]);
    return all[size_t(at)].ticket;
}
bool OrderSelect(ulong ticket) {
    for (auto& o : orders()) if (o.ticket == ticket) return select(o);
    return fails(ERR_TRADE_ORDER_NOT_FOUND);
}
int64 OrderGetInteger(ENUM_ORDER_PROPERTY_INTEGER p) { if (selected.has_order) return integer_of(selected.order, p); fail(ERR_TRADE_ORDER_NOT_FOUND); return 0; }
double OrderGetDouble(ENUM_ORDER_PROPERTY_DOUBLE p) { if (selected.has_order) return double_of(selected.order, p); fail(ERR_TRADE_ORDER_NOT_FOUND); return 0; }
string OrderGetString(ENUM_ORDER_PROPERTY_STRING p) { if (selected.has_order) return text_of(selected.order, p); fail(ERR_TRADE_ORDER_NOT_FOUND); return string(u""); }

// -- history: in server time; what was selected stays as it was ---------------------------------------------------------------------

bool HistorySelect(datetime from, datetime to) {
    if (to < from) return fails(ERR_INVALID_PARAMETER);
    Base& b = base();
    std::lock_guard hold(b.guard);
    selected.deals.clear();
    selected.orders.clear();
    auto in = [&](long long ms) { return server_time(ms) / 1000 >= from && server_time(ms) / 1000 <= to; };
    for (auto& d : b.deals) if (in(d.time)) selected.deals.push_back(d);
    for (auto& o : b.done) if (in(o.done) || in(o.setup)) selected.orders.push_back(o);
    return true;
}
bool HistorySelectByPosition(int64 position) {
    Base& b = base();
    std::lock_guard hold(b.guard);
    selected.deals.clear();
    selected.orders.clear();
    for (auto& d : b.deals) if (int64(d.position) == position) selected.deals.push_back(d);
    for (auto& o : b.done) if (int64(o.position) == position) selected.orders.push_back(o);
    return true;
}
int HistoryDealsTotal() { return int(selected.deals.size()); }
int HistoryOrdersTotal() { return int(selected.orders.size()); }
ulong HistoryDealGetTicket(int at) {
    if (at >= 0 && size_t(at) < selected.deals.size()) return selected.deals[size_t(at)].ticket;
    fail(ERR_TRADE_DEAL_NOT_FOUND);
    return 0;
}
ulong HistoryOrderGetTicket(int at) {
    if (at >= 0 && size_t(at) < selected.orders.size()) return selected.orders[size_t(at)].ticket;
    fail(ERR_TRADE_ORDER_NOT_FOUND);
    return 0;
}
static bool find_deal(ulong ticket, Deal& found) {
    Base& b = base();
    std::lock_guard hold(b.guard);
    auto it = b.deal_at.find(ticket);
    if (it == b.deal_at.end()) return fails(ERR_TRADE_DEAL_NOT_FOUND);
    found = b.deals[it->second];
    return true;
}
static bool find_done(ulong ticket, Order& found) {
    Base& b = base();
    std::lock_guard hold(b.guard);
    auto it = b.done_at.find(ticket);
    if (it == b.done_at.end()) return fails(ERR_TRADE_ORDER_NOT_FOUND);
    found = b.done[it->second];
    return true;
}
bool HistoryDealSelect(ulong ticket) { Deal d; if (!find_deal(ticket, d)) return false; selected.deals = {d}; return true; }
bool HistoryOrderSelect(ulong ticket) { Order o; if (!find_done(ticket, o)) return false; selected.orders = {o}; return true; }

template <class T>
static const T* among(const std::vector<T>& all, ulong ticket, int error) {
    for (auto& row : all) if (row.ticket == ticket) return &row;
    fail(error);
    return nullptr;
}
int64 HistoryOrderGetInteger(ulong t, ENUM_ORDER_PROPERTY_INTEGER p) { auto o = among(selected.orders, t, ERR_TRADE_ORDER_NOT_FOUND); return o ? integer_of(*o, p) : 0; }
double HistoryOrderGetDouble(ulong t, ENUM_ORDER_PROPERTY_DOUBLE p) { auto o = among(selected.orders, t, ERR_TRADE_ORDER_NOT_FOUND); return o ? double_of(*o, p) : 0; }
string HistoryOrderGetString(ulong t, ENUM_ORDER_PROPERTY_STRING p) { auto o = among(selected.orders, t, ERR_TRADE_ORDER_NOT_FOUND); return o ? text_of(*o, p) : string(u""); }
bool HistoryDealGetInteger(ulong ticket, ENUM_DEAL_PROPERTY_INTEGER property, int64& v) {
    v = 0;
    auto d = among(selected.deals, ticket, ERR_TRADE_DEAL_NOT_FOUND);
    if (!d) return false;
    switch (property) {
        case DEAL_TICKET: v = int64(d->ticket); break;
        case DEAL_ORDER: v = int64(d->order); break;
        case DEAL_TIME: v = server_time(d->time) / 1000; break;
        case DEAL_TIME_MSC: v = server_time(d->time); break;
        case DEAL_TYPE: v = d->type; break;
        case DEAL_ENTRY: v = d->entry; break;
        case DEAL_MAGIC: v = int64(d->magic); break;
        case DEAL_POSITION_ID: v = int64(d->position); break;
        case DEAL_REASON: v = d->reason; break;
    }
    return true;
}
bool HistoryDealGetDouble(ulong ticket, ENUM_DEAL_PROPERTY_DOUBLE property, double& v) {
    v = 0;
    auto d = among(selected.deals, ticket, ERR_TRADE_DEAL_NOT_FOUND);
    if (!d) return false;
    switch (property) {
        case DEAL_VOLUME: v = d->volume; break;
        case DEAL_PRICE: v = d->price; break;
        case DEAL_COMMISSION: v = d->commission; break;
        case DEAL_SWAP: v = d->swap; break;
        case DEAL_PROFIT: v = d->profit; break;
        case DEAL_FEE: case DEAL_SL: case DEAL_TP: break;
    }
    return true;
}
bool HistoryDealGetString(ulong ticket, ENUM_DEAL_PROPERTY_STRING property, string& v) {
    v = string(u"");
    auto d = among(selected.deals, ticket, ERR_TRADE_DEAL_NOT_FOUND);
    if (!d) return false;
    if (property == DEAL_SYMBOL) v = utf8(d->symbol);
    else if (property == DEAL_COMMENT) v = utf8(d->comment);
    return true;
}
int64 HistoryDealGetInteger(ulong t, ENUM_DEAL_PROPERTY_INTEGER p) { int64 v; HistoryDealGetInteger(t, p, v); return v; }
double HistoryDealGetDouble(ulong t, ENUM_DEAL_PROPERTY_DOUBLE p) { double v; HistoryDealGetDouble(t, p, v); return v; }
string HistoryDealGetString(ulong t, ENUM_DEAL_PROPERTY_STRING p) { string v; HistoryDealGetString(t, p, v); return v; }

// -- sending ------------------------------------------------------------------------------------------------------------------------

namespace {

constexpr int ANSWER_MS = 60000;

std::string amount(double v) {
    char buffer[64];
    int n = std::snprintf(buffer, sizeof buffer, "%.10g", v);
    return "\"" + std::string(buffer, size_t(n)) + "\"";
}
std::string request_json(const MqlTradeRequest& r) {
    static const std::map<int, const char*> ACTIONS = {{1, "DEAL"}, {5, "PENDING"}, {6, "SLTP"}, {7, "MODIFY"}, {8, "REMOVE"}, {10, "CLOSE_BY"}};
    static const char* const TYPES[] = {"BUY", "SELL", "BUY_LIMIT", "SELL_LIMIT", "BUY_STOP", "SELL_STOP", "BUY_STOP_LIMIT", "SELL_STOP_LIMIT", "CLOSE_BY"};
    static const char* const FILLINGS[] = {"FOK", "IOC", "RETURN"};
    static const char* const TIMES[] = {"GTC", "DAY", "SPECIFIED", "SPECIFIED_DAY"};
    auto action = ACTIONS.find(r.action);
    if (action == ACTIONS.end() || unsigned(r.type) > 8 || unsigned(r.type_filling) > 2 || unsigned(r.type_time) > 3) return "";
    std::string j = std::string("{\"action\":\"") + action->second + "\",\"symbol\":" + Json::quoted(r.symbol.utf8()) + ",\"type\":\"" + TYPES[r.type] + "\"";
    j += ",\"volume\":" + amount(r.volume) + ",\"price\":" + amount(r.price) + ",\"stoplimit\":" + amount(r.stoplimit) + ",\"sl\":" + amount(r.sl) + ",\"tp\":" + amount(r.tp);
    j += ",\"position\":" + std::to_string(r.position) + ",\"position_by\":" + std::to_string(r.position_by) + ",\"order\":" + std::to_string(r.order);
    if (r.action == TRADE_ACTION_DEAL || r.action == TRADE_ACTION_PENDING) j += std::string(",\"filling\":\"") + FILLINGS[r.type_filling] + "\"";
    if (r.action == TRADE_ACTION_PENDING || r.action == TRADE_ACTION_MODIFY) j += std::string(",\"type_time\":\"") + TIMES[r.type_time] + "\"";
    if (r.expiration) j += ",\"expiration\":" + std::to_string((r.expiration - options.server_offset_s) * 1000);
    return j + ",\"magic\":" + std::to_string(r.magic) + ",\"comment\":" + Json::quoted(StringSubstr(r.comment, 0, 31).utf8()) + "}";
}

// What the terminal refuses by itself, before anything is sent.
uint refusal(const MqlTradeRequest& r) {
    if (!switched("algo", 1) || !switched("chart_algo", 1)) return TRADE_RETCODE_CLIENT_DISABLES_AT;
    if (!switched("trade_expert", 1)) return TRADE_RETCODE_SERVER_DISABLES_AT;
    if (!switched("trade_allowed", 1)) return TRADE_RETCODE_TRADE_DISABLED;
    if (request_json(r).empty()) return TRADE_RETCODE_INVALID;
    bool trades = r.action == TRADE_ACTION_DEAL || r.action == TRADE_ACTION_PENDING;
    if (trades && !(r.volume > 0)) return TRADE_RETCODE_INVALID_VOLUME;
    for (double v : {r.price, r.stoplimit, r.sl, r.tp, r.volume}) if (!std::isfinite(v) || v < 0) return TRADE_RETCODE_INVALID_PRICE;
    if (!picture()->connected) return TRADE_RETCODE_CONNECTION;
    return 0;
}

// Connections for trade requests: one for each that is under way, kept for the next.
auto& idle_guard = *new std::mutex;
auto& idle = *new std::vector<std::unique_ptr<Wire>>;

void carry_out(const MqlTradeRequest& r, MqlTradeResult& result) {
    std::unique_ptr<Wire> wire;
    {
        std::lock_guard hold(idle_guard);
        if (!idle.empty()) { wire = std::move(idle.back()); idle.pop_back(); }
    }
    if (!wire) wire = std::make_unique<Wire>();
    Json answer;
    auto outcome = wire->call("order_send", "{\"account\":" + Json::quoted(options.account) + ",\"request\":" + request_json(r) + "}", answer, ANSWER_MS);
    if (outcome == Wire::ANSWERED) {
        result.retcode = uint(answer["retcode"].integer());
        result.deal = answer["deal"].natural();
        result.order = answer["order"].natural();
        result.volume = answer["volume"].real();
        result.price = answer["price"].real();
        result.bid = answer["bid"].real();
        result.ask = answer["ask"].real();
        result.comment = utf8(answer["comment"].text);
    } else if (outcome == Wire::REFUSED) {
        result.retcode = TRADE_RETCODE_INVALID;
        result.comment = utf8(answer["message"].text);
    } else {
        result.retcode = outcome == Wire::NOT_SENT ? TRADE_RETCODE_CONNECTION : TRADE_RETCODE_TIMEOUT;
        result.comment = string(outcome == Wire::NOT_SENT ? std::u16string(u"no connection to the trade server") : std::u16string(u"the trade server did not answer"));
    }
    std::lock_guard hold(idle_guard);
    idle.push_back(std::move(wire));
}
bool is_done(uint retcode) { return retcode == TRADE_RETCODE_DONE || retcode == TRADE_RETCODE_DONE_PARTIAL || retcode == TRADE_RETCODE_PLACED; }
uint next_request() { static uint last = 0; return ++last; }  // begins at 1 with every start

bool refused(const MqlTradeRequest& request, MqlTradeResult& result) {
    result = MqlTradeResult{};
    result.retcode = refusal(request);
    return result.retcode != 0;
}
void tell_answer(const MqlTradeRequest& request, const MqlTradeResult& result) {
    if (result.retcode == TRADE_RETCODE_TIMEOUT && switched("silent", 0)) return;  // a terminal may never say what became of it
    MqlTradeTransaction t;
    t.type = TRADE_TRANSACTION_REQUEST;
    queue_transaction({t, request, result});
}

}  // namespace

bool OrderSend(const MqlTradeRequest& request, MqlTradeResult& result) {
    if (refused(request, result)) return fails(ERR_TRADE_SEND_FAILED);
    result.request_id = next_request();
    carry_out(request, result);
    fated("send", "");
    tell_answer(request, result);
    return is_done(result.retcode) ? true : fails(ERR_TRADE_SEND_FAILED);
}

// Its answer comes as OnTradeTransaction, TRADE_TRANSACTION_REQUEST; other events about the same order may come before.
bool OrderSendAsync(const MqlTradeRequest& request, MqlTradeResult& result) {
    if (refused(request, result)) return fails(ERR_TRADE_SEND_FAILED);
    result.request_id = next_request();
    result.retcode = TRADE_RETCODE_PLACED;
    MqlTradeResult answer;
    answer.request_id = result.request_id;
    std::thread([request, answer]() mutable {
        carry_out(request, answer);
        fated("send", "");
        tell_answer(request, answer);
    }).detach();
    return true;
}

bool OrderCalcMargin(ENUM_ORDER_TYPE, const string& symbol, double volume, double, double& margin) {
    // The symbol's base currency in account currency, by the quotes that the account has.
    auto p = picture();
    std::string base_currency = SymbolInfoString(symbol, SYMBOL_CURRENCY_BASE).utf8();
    double rate = base_currency == p->currency ? 1 : 0;
    for (auto& [name, q] : p->quotes) {
        if (name.rfind(base_currency + p->currency, 0) == 0) rate = (q.bid + q.ask) / 2;
        if (name.rfind(p->currency + base_currency, 0) == 0) rate = 2 / (q.bid + q.ask);
    }
    margin = volume * SymbolInfoDouble(symbol, SYMBOL_TRADE_CONTRACT_SIZE) * rate / (p->leverage > 0 ? p->leverage : 1);
    return rate > 0 ? true : fails(ERR_TRADE_CALC_FAILED);
}
bool OrderCalcProfit(ENUM_ORDER_TYPE type, const string& symbol, double volume, double open, double close, double& profit) {
    double size = SymbolInfoDouble(symbol, SYMBOL_TRADE_TICK_SIZE);
    if (size <= 0) return fails(ERR_TRADE_CALC_FAILED);
    profit = (close - open) * (type % 2 == 0 ? 1 : -1) / size * SymbolInfoDouble(symbol, SYMBOL_TRADE_TICK_VALUE) * volume;
    return true;
}
bool OrderCheck(const MqlTradeRequest& request, MqlTradeCheckResult& result) {
    result = MqlTradeCheckResult{};
    auto p = picture();
    result.balance = p->balance;
    result.equity = p->equity;
    result.profit = p->profit;
    result.retcode = refusal(request);
    double margin = 0, low = SymbolInfoDouble(request.symbol, SYMBOL_VOLUME_MIN), high = SymbolInfoDouble(request.symbol, SYMBOL_VOLUME_MAX);
    if (!result.retcode && request.action == TRADE_ACTION_DEAL) {
        if (request.volume < low || request.volume > high) result.retcode = TRADE_RETCODE_INVALID_VOLUME;
        else if (request.position == 0) {
            OrderCalcMargin(request.type, request.symbol, request.volume, request.price, margin);
            if (margin > p->margin_free) result.retcode = TRADE_RETCODE_NO_MONEY;
        }
    }
    result.margin = p->margin + margin;
    result.margin_free = p->equity - result.margin;
    result.margin_level = result.margin > 0 ? p->equity / result.margin * 100 : 0;
    return result.retcode == 0 ? true : fails(ERR_TRADE_SEND_FAILED);
}

}  // namespace mql
