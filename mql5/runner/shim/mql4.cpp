// MQL4's one list of orders, made of the positions, orders and deals that the broker keeps. What is left of a position that was
// closed in part has a new ticket, as in MetaTrader 4: the closing order's, so that it is the same after every start.
#include <algorithm>
#include <thread>

#include "terminal.h"
#include "mql4.h"

namespace mql::four {

using namespace runner;

namespace {

struct Row {
    ulong ticket = 0, position = 0, magic = 0;
    int type = 0;
    std::string symbol, comment;
    double lots = 0, open = 0, close = 0, sl = 0, tp = 0, profit = 0, swap = 0, commission = 0;
    long long opened = 0, closed = 0;  // the server's ms; 0: still open
};
Row row __attribute__((init_priority(110)));
bool has_row = false;

std::vector<Deal> deals_of(ulong position) {
    Base& b = base();
    std::lock_guard hold(b.guard);
    std::vector<Deal> found;
    for (auto& d : b.deals) if (d.position == position) found.push_back(d);
    return found;
}
std::string from(ulong ticket) { return "from #" + std::to_string(ticket); }

Row resting(const Order& o) {
    Row r;
    r.ticket = o.ticket;
    r.magic = o.magic;
    r.type = o.type;
    r.symbol = o.symbol;
    r.comment = o.comment;
    r.lots = o.current;
    r.open = o.price;
    r.sl = o.sl;
    r.tp = o.tp;
    r.opened = o.setup;
    r.closed = o.done;
    return r;
}

std::vector<Row> open_rows() {
    std::vector<Row> all;
    if (shows_nothing()) return all;
    auto p = picture();
    for (auto& position : p->positions) {
        Row r;
        r.ticket = r.position = position.identifier;
        r.comment = position.comment;
        for (auto& d : deals_of(position.identifier)) {
            if (d.entry == DEAL_ENTRY_IN) { r.commission += d.commission; continue; }
            r.comment = from(r.ticket);
            r.ticket = d.order;
        }
        r.magic = position.magic;
        r.type = position.type;
        r.symbol = position.symbol;
        r.lots = position.volume;
        r.open = position.open;
        r.close = position.current;
        r.sl = position.sl;
        r.tp = position.tp;
        r.profit = position.profit;
        r.swap = position.swap;
        r.opened = position.time;
        all.push_back(r);
    }
    for (auto& o : p->orders) {
        if (o.type < ORDER_TYPE_BUY_LIMIT || o.type > ORDER_TYPE_SELL_STOP) continue;
        all.push_back(resting(o));
    }
    return all;
}

std::vector<Row> closed_rows() {
    std::vector<Deal> all;
    std::vector<Row> rows;
    {
        Base& b = base();
        std::lock_guard hold(b.guard);
        all = b.deals;
        for (auto& o : b.done) {  // one that was filled is a position's row
            bool ended = o.state == ORDER_STATE_CANCELED || o.state == ORDER_STATE_EXPIRED;
            if (ended && o.type >= ORDER_TYPE_BUY_LIMIT && o.type <= ORDER_TYPE_SELL_STOP) rows.push_back(resting(o));
        }
    }
    std::map<ulong, Row> standing;
    for (auto& d : all) {
        if (d.type != DEAL_TYPE_BUY && d.type != DEAL_TYPE_SELL) continue;
        if (d.entry == DEAL_ENTRY_IN) {
            Row& r = standing[d.position];
            r.ticket = r.position = d.position;
            r.magic = d.magic;
            r.type = d.type;
            r.symbol = d.symbol;
            r.comment = d.comment;
            r.open = d.price;
            r.opened = d.time;
            r.commission = d.commission;
            continue;
        }
        Row& left = standing[d.position];
        Row r = left;
        r.lots = d.volume;
        r.close = d.price;
        r.closed = d.time;
        r.profit = d.profit;
        r.swap = d.swap;
        if (d.reason == DEAL_REASON_SL) r.comment += "[sl]";
        if (d.reason == DEAL_REASON_TP) r.comment += "[tp]";
        if (d.reason == DEAL_REASON_SO) r.comment = "so: " + r.comment;
        rows.push_back(r);
        left.comment = from(left.ticket);
        left.ticket = d.order;
        left.commission = 0;
    }
    return rows;
}

const Row* find(const std::vector<Row>& rows, ulong ticket) {
    auto it = std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.ticket == ticket; });
    return it == rows.end() ? nullptr : &*it;
}
datetime seconds(long long ms) { return ms ? server_time(ms) / 1000 : 0; }

int error_of(uint retcode) {
    switch (retcode) {
        case TRADE_RETCODE_REQUOTE: return ERR_REQUOTE;
        case TRADE_RETCODE_PRICE_CHANGED: return ERR_PRICE_CHANGED;
        case TRADE_RETCODE_PRICE_OFF: return ERR_OFF_QUOTES;
        case TRADE_RETCODE_TIMEOUT: return ERR_TRADE_TIMEOUT;
        case TRADE_RETCODE_INVALID_VOLUME: case TRADE_RETCODE_INVALID_CLOSE_VOLUME: return ERR_INVALID_TRADE_VOLUME;
        case TRADE_RETCODE_INVALID_PRICE: return ERR_INVALID_PRICE;
        case TRADE_RETCODE_INVALID_STOPS: return ERR_INVALID_STOPS;
        case TRADE_RETCODE_TRADE_DISABLED: return ERR_TRADE_DISABLED;
        case TRADE_RETCODE_MARKET_CLOSED: return ERR_MARKET_CLOSED;
        case TRADE_RETCODE_NO_MONEY: return ERR_NOT_ENOUGH_MONEY;
        case TRADE_RETCODE_NO_CHANGES: return ERR_NO_RESULT;
        case TRADE_RETCODE_TOO_MANY_REQUESTS: return ERR_SERVER_BUSY;
        case TRADE_RETCODE_CLIENT_DISABLES_AT: case TRADE_RETCODE_SERVER_DISABLES_AT: return ERR_TRADE_NOT_ALLOWED;
        case TRADE_RETCODE_CONNECTION: return ERR_NO_CONNECTION;
        case TRADE_RETCODE_LIMIT_ORDERS: case TRADE_RETCODE_LIMIT_VOLUME: return ERR_TRADE_TOO_MANY_ORDERS;
        case TRADE_RETCODE_POSITION_CLOSED: case TRADE_RETCODE_INVALID_ORDER: return ERR_INVALID_TICKET;
        default: return ERR_COMMON_ERROR;
    }
}

// MetaTrader 4 answers when its own lists show what was done; at most for this long.
constexpr int SHOWN_MS = 3000;
template <class Shown> void wait_for(Shown shown) {
    for (int i = 0; i < SHOWN_MS && !shown(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

bool sent(const MqlTradeRequest& request, MqlTradeResult& result) {
    if (mql::OrderSend(request, result)) return true;
    return fails(error_of(result.retcode));
}
bool has_deal(ulong order) {
    Base& b = base();
    std::lock_guard hold(b.guard);
    return std::any_of(b.deals.begin(), b.deals.end(), [&](const Deal& d) { return d.order == order; });
}
// The row of something open; 0: there is none, and the error is set.
bool opened(int ticket, Row& found) {
    auto rows = open_rows();
    const Row* r = ticket > 0 ? find(rows, ulong(ticket)) : nullptr;
    if (!r) return fails(ERR_INVALID_TICKET);
    found = *r;
    return true;
}

}  // namespace

int OrdersTotal() { return int(open_rows().size()); }
int OrdersHistoryTotal() { return int(closed_rows().size()); }
bool OrderSelect(int index, int how, int pool) {  // by ticket the pool does not matter: what is open is looked at first
    auto rows = how == SELECT_BY_POS && pool == MODE_HISTORY ? closed_rows() : open_rows();
    const Row* r = nullptr;
    if (how == SELECT_BY_POS) r = index >= 0 && size_t(index) < rows.size() ? &rows[size_t(index)] : nullptr;
    else if (!(r = find(rows, ulong(index)))) { rows = closed_rows(); r = find(rows, ulong(index)); }
    if (!r) return fails(ERR_INVALID_TICKET);
    row = *r;
    return has_row = true;
}
int OrderTicket() { return int(row.ticket); }
int OrderType() { return row.type; }
int OrderMagicNumber() { return int(row.magic); }  // 32 bits
double OrderLots() { return row.lots; }
double OrderOpenPrice() { return row.open; }
double OrderClosePrice() { return row.close; }
double OrderStopLoss() { return row.sl; }
double OrderTakeProfit() { return row.tp; }
double OrderProfit() { return row.profit; }
double OrderSwap() { return row.swap; }
double OrderCommission() { return row.commission; }
datetime OrderOpenTime() { return seconds(row.opened); }
datetime OrderCloseTime() { return seconds(row.closed); }
string OrderSymbol() { return utf8(row.symbol); }
string OrderComment() { return utf8(row.comment); }

int OrderSend(const string& symbol, int type, double volume, double price, int slippage, double stoploss, double takeprofit, const string& comment,
              int magic, datetime expiration, color) {
    MqlTradeRequest request;
    MqlTradeResult result;
    if (type < OP_BUY || type > OP_SELLSTOP || magic < 0) { fail(ERR_INVALID_PARAMETER); return -1; }
    request.action = type <= OP_SELL ? TRADE_ACTION_DEAL : TRADE_ACTION_PENDING;
    request.symbol = symbol;
    request.type = ENUM_ORDER_TYPE(type);
    request.volume = volume;
    request.price = price;
    request.deviation = ulong(std::max(slippage, 0));
    request.sl = stoploss;
    request.tp = takeprofit;
    request.comment = comment.is_null() ? string(u"") : comment;
    request.magic = ulong(magic);
    request.type_filling = type <= OP_SELL ? ORDER_FILLING_FOK : ORDER_FILLING_RETURN;  // all of it or nothing
    if (expiration) { request.type_time = ORDER_TIME_SPECIFIED; request.expiration = expiration; }
    if (!sent(request, result)) return -1;
    wait_for([&] { auto rows = open_rows(); return find(rows, result.order) != nullptr; });
    return int(result.order);
}
bool OrderClose(int ticket, double lots, double price, int slippage, color) {
    Row target;
    if (!opened(ticket, target)) return false;
    if (target.type > OP_SELL) return fails(ERR_INVALID_TICKET);
    MqlTradeRequest request;
    MqlTradeResult result;
    request.action = TRADE_ACTION_DEAL;
    request.symbol = utf8(target.symbol);
    request.type = target.type == OP_BUY ? ORDER_TYPE_SELL : ORDER_TYPE_BUY;
    request.volume = lots;
    request.price = price;
    request.deviation = ulong(std::max(slippage, 0));
    request.position = target.position;
    request.type_filling = ORDER_FILLING_FOK;
    if (!sent(request, result)) return false;
    wait_for([&] { return has_deal(result.order) && !find(open_rows(), ulong(ticket)); });
    return true;
}
bool OrderModify(int ticket, double price, double stoploss, double takeprofit, datetime expiration, color) {
    Row target;
    if (!opened(ticket, target)) return false;
    MqlTradeRequest request;
    MqlTradeResult result;
    bool rests = target.type > OP_SELL;
    request.action = rests ? TRADE_ACTION_MODIFY : TRADE_ACTION_SLTP;
    request.symbol = utf8(target.symbol);
    request.type = ENUM_ORDER_TYPE(target.type);
    request.position = rests ? 0 : target.position;
    request.order = rests ? target.ticket : 0;
    request.price = rests ? price : 0;
    request.sl = stoploss;
    request.tp = takeprofit;
    if (rests && expiration) { request.type_time = ORDER_TIME_SPECIFIED; request.expiration = expiration; }
    return sent(request, result);
}
bool OrderDelete(int ticket, color) {
    Row target;
    if (!opened(ticket, target)) return false;
    if (target.type <= OP_SELL) return fails(ERR_INVALID_TICKET);
    MqlTradeRequest request;
    MqlTradeResult result;
    request.action = TRADE_ACTION_REMOVE;
    request.symbol = utf8(target.symbol);
    request.type = ENUM_ORDER_TYPE(target.type);
    request.order = target.ticket;
    if (!sent(request, result)) return false;
    wait_for([&] { return !find(open_rows(), ulong(ticket)); });
    return true;
}
bool RefreshRates() { return true; }
bool IsConnected() { return picture()->connected; }
bool IsTradeAllowed() { return switched("algo", 1) && switched("chart_algo", 1) && switched("trade_expert", 1) && switched("trade_allowed", 1); }

}  // namespace mql::four
