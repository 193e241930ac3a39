// The connection to the simulated broker, and the account's picture that follows from it.
#include "terminal.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "json.h"

namespace mql::runner {

// -- the wire ------------------------------------------------------------------------------------------------------------

void Wire::drop() { if (fd_ >= 0) close(fd_); fd_ = -1; rest_.clear(); }

bool Wire::connect() {
    if (fd_ >= 0) {
        pollfd p{fd_, POLLIN, 0};
        if (poll(&p, 1, 0) == 0) return true;
        drop();  // nothing is asked, so what can be read is the end: the broker went away meanwhile
    }
    const std::string& where = options.broker;
    size_t colon = where.rfind(':');
    bool tcp = where.find('/') == std::string::npos && colon != std::string::npos;
    fd_ = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int made = -1;
    if (tcp) {
        addrinfo hints{}, *found = nullptr;
        hints.ai_family = AF_INET;
        std::string host = colon ? where.substr(0, colon) : "127.0.0.1";
        if (getaddrinfo(host.c_str(), where.c_str() + colon + 1, &hints, &found) == 0) { made = ::connect(fd_, found->ai_addr, found->ai_addrlen); freeaddrinfo(found); }
        int one = 1;
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    } else {
        sockaddr_un a{};
        a.sun_family = AF_UNIX;
        if (where.size() < sizeof a.sun_path) { std::memcpy(a.sun_path, where.c_str(), where.size()); made = ::connect(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a); }
    }
    if (made != 0) drop();
    return fd_ >= 0;
}

Wire::Outcome Wire::call(const std::string& method, const std::string& params, Json& result, int timeout_ms) {
    if (!connect()) return NOT_SENT;
    std::string line = "{\"id\":" + std::to_string(++last_id_) + ",\"method\":\"" + method + "\",\"params\":" + params + "}\n";
    if (send(fd_, line.data(), line.size(), MSG_NOSIGNAL) != ssize_t(line.size())) {  // a dead connection; or part of it has left
        drop();
        return NO_ANSWER;
    }
    long long until = monotonic_us() + timeout_ms * 1000LL;
    for (char buffer[65536];;) {
        size_t end = rest_.find('\n');
        if (end != std::string::npos) {
            Json answer = Json::read(rest_.substr(0, end));
            rest_.erase(0, end + 1);
            bool refused = bool(answer["error"]);
            result = refused ? answer["error"] : answer["result"];
            return refused ? REFUSED : ANSWERED;
        }
        long long left_ms = (until - monotonic_us()) / 1000;
        pollfd p{fd_, POLLIN, 0};
        ssize_t n = left_ms > 0 && poll(&p, 1, int(left_ms)) > 0 ? recv(fd_, buffer, sizeof buffer, 0) : 0;
        if (n <= 0) { drop(); return NO_ANSWER; }
        rest_.append(buffer, size_t(n));
    }
}

// -- words of the wire ----------------------------------------------------------------------------------------------------

template <size_t N>
static int index_of(const char* const (&names)[N], const std::string& name) {
    for (size_t i = 0; i < N; ++i) if (name == names[i]) return int(i);
    return 0;
}
static const char* const ORDER_TYPES[] = {"BUY", "SELL", "BUY_LIMIT", "SELL_LIMIT", "BUY_STOP", "SELL_STOP", "BUY_STOP_LIMIT", "SELL_STOP_LIMIT", "CLOSE_BY"};
static const char* const STATES[] = {"STARTED", "PLACED", "CANCELED", "PARTIAL", "FILLED", "REJECTED", "EXPIRED"};
static const char* const TIMES[] = {"GTC", "DAY", "SPECIFIED", "SPECIFIED_DAY"};
static const char* const REASONS[] = {"CLIENT", "MOBILE", "WEB", "EXPERT", "SL", "TP", "SO"};
static const char* const ENTRIES[] = {"IN", "OUT", "INOUT", "OUT_BY"};

static Position position_of(const Json& j) {
    Position p;
    p.ticket = j["ticket"].natural(); p.identifier = j["identifier"].natural(); p.magic = j["magic"].natural();
    p.symbol = j["symbol"].text; p.comment = j["comment"].text;
    p.type = j["side"].text == "BUY" ? POSITION_TYPE_BUY : POSITION_TYPE_SELL;
    p.volume = j["volume"].real(); p.open = j["price_open"].real(); p.sl = j["sl"].real(); p.tp = j["tp"].real();
    p.swap = j["swap"].real(); p.profit = j["profit"].real(); p.current = j["price_current"].real();
    p.time = j["time"].integer(); p.reason = index_of(REASONS, j["reason"].text);
    return p;
}
static Order order_of(const Json& j) {
    Order o;
    o.ticket = j["ticket"].natural(); o.position = j["position_id"].natural(); o.magic = j["magic"].natural();
    o.symbol = j["symbol"].text; o.comment = j["comment"].text;
    o.type = ENUM_ORDER_TYPE(index_of(ORDER_TYPES, j["type"].text)); o.state = ENUM_ORDER_STATE(index_of(STATES, j["state"].text));
    o.time_type = ENUM_ORDER_TYPE_TIME(index_of(TIMES, j["type_time"].text));
    o.initial = j["volume_initial"].real(); o.current = j["volume_current"].real(); o.price = j["price_open"].real();
    o.stoplimit = j["stoplimit"].real(); o.sl = j["sl"].real(); o.tp = j["tp"].real();
    o.setup = j["time_setup"].integer(); o.done = j["time_done"].integer(); o.expiration = j["expiration"].integer();
    o.reason = index_of(REASONS, j["reason"].text);
    return o;
}
static Deal deal_of(const Json& j) {
    Deal d;
    d.ticket = j["ticket"].natural(); d.order = j["order"].natural(); d.position = j["position"].natural(); d.magic = j["magic"].natural();
    d.symbol = j["symbol"].text; d.comment = j["comment"].text;
    d.type = j["side"].text == "BUY" ? DEAL_TYPE_BUY : DEAL_TYPE_SELL; d.entry = ENUM_DEAL_ENTRY(index_of(ENTRIES, j["entry"].text));
    d.volume = j["volume"].real(); d.price = j["price"].real(); d.profit = j["profit"].real(); d.swap = j["swap"].real();
    d.commission = j["commission"].real(); d.time = j["time"].integer(); d.reason = index_of(REASONS, j["reason"].text);
    return d;
}
static SymbolFacts symbol_of(const Json& j) {
    SymbolFacts s;
    s.name = j["symbol"].text; s.base = j["base"].text; s.profit = j["profit_currency"].text;
    s.digits = int(j["digits"].integer()); s.stops_level = int(j["stops_level"].integer()); s.freeze_level = int(j["freeze_level"].integer());
    for (auto& f : j["fillings"].list) s.fillings |= f.text == "FOK" ? SYMBOL_FILLING_FOK : f.text == "IOC" ? SYMBOL_FILLING_IOC : 0;
    s.point = j["point"].real(); s.tick_value = j["tick_value"].real(); s.tick_size = j["tick_size"].real(); s.contract_size = j["contract_size"].real();
    s.vol_min = j["vol_min"].real(); s.vol_max = j["vol_max"].real(); s.vol_step = j["vol_step"].real(); s.volume_limit = j["volume_limit"].real();
    s.margin_hedged = j["margin_hedged"].real(); s.swap_long = j["swap_long"].real(); s.swap_short = j["swap_short"].real();
    return s;
}

// -- the picture -----------------------------------------------------------------------------------------------------------

// Never destroyed: the threads that use them outlive the program.
static auto& picture_guard = *new std::mutex;
static auto& shown = *new std::shared_ptr<const Picture>(new Picture);
static std::atomic<long long> round_trip_us{0};
static long long started_us = 0;

Base& base() { static auto* b = new Base; return *b; }
std::shared_ptr<const Picture> picture() { std::lock_guard hold(picture_guard); return shown; }
bool shows_nothing() { return monotonic_us() - started_us < options.empty_ms * 1000LL; }
long long server_time(long long utc_ms) { return utc_ms + options.server_offset_s * 1000; }
long long ping_us() { return round_trip_us; }

static std::shared_ptr<Picture> picture_of(const Json& j) {
    auto p = std::make_shared<Picture>();
    const Json& f = j["facts"];
    p->connected = true;
    p->at = j["at"].integer();
    p->read_at_us = monotonic_us();
    p->login = f["login"].text; p->server = f["server"].text; p->currency = f["currency"].text; p->trade_mode = f["trade_mode"].text;
    p->margin_mode = f["margin_mode"].text; p->leverage = int(f["leverage"].integer()); p->limit_orders = int(j["limit_orders"].integer());
    p->balance = f["balance"].real(); p->equity = f["equity"].real(); p->profit = f["profit"].real(); p->margin = f["margin"].real();
    p->margin_free = f["margin_free"].real(); p->margin_level = f["margin_level"].real(); p->credit = f["credit"].real();
    p->so_call = j["so_call"].real(); p->so_so = j["so_so"].real();
    for (auto& row : j["positions"].list) p->positions.push_back(position_of(row));
    ulong under_way = 1ULL << 52;  // the broker has received it and gives it a ticket later
    for (auto& row : j["orders"].list) {
        p->orders.push_back(order_of(row));
        if (!p->orders.back().ticket) p->orders.back().ticket = under_way++;
    }
    for (auto& row : j["quotes"].list) p->quotes[row["symbol"].text] = {row["bid"].real(), row["ask"].real(), row["at"].integer()};
    return p;
}

static MqlTradeTransaction event_of(ENUM_TRADE_TRANSACTION_TYPE type, const Order& o) {
    MqlTradeTransaction t;
    t.type = type; t.order = o.ticket; t.symbol = utf8(o.symbol); t.order_type = o.type; t.order_state = o.state; t.time_type = o.time_type;
    t.time_expiration = datetime(o.expiration ? server_time(o.expiration) / 1000 : 0);
    t.price = o.price; t.price_trigger = o.stoplimit; t.price_sl = o.sl; t.price_tp = o.tp; t.volume = o.current; t.position = o.position;
    return t;
}
static MqlTradeTransaction event_of(const Deal& d) {
    MqlTradeTransaction t;
    t.type = TRADE_TRANSACTION_DEAL_ADD; t.deal = d.ticket; t.order = d.order; t.symbol = utf8(d.symbol); t.deal_type = d.type;
    t.price = d.price; t.volume = d.volume; t.position = d.position;
    return t;
}
static void tell(MqlTradeTransaction t) { queue_transaction({std::move(t), {}, {}}); }

static void tell_changes(const Picture& old, const Picture& now, const std::vector<Deal>& deals, const std::vector<Order>& done) {
    auto by_ticket = [](const std::vector<Order>& all, ulong ticket) { return std::find_if(all.begin(), all.end(), [&](auto& o) { return o.ticket == ticket; }); };
    for (auto& o : now.orders) {
        auto was = by_ticket(old.orders, o.ticket);
        if (was == old.orders.end()) tell(event_of(TRADE_TRANSACTION_ORDER_ADD, o));
        else if (was->state != o.state || was->current != o.current || was->price != o.price || was->sl != o.sl || was->tp != o.tp) tell(event_of(TRADE_TRANSACTION_ORDER_UPDATE, o));
    }
    for (auto& d : deals) tell(event_of(d));
    for (auto& o : old.orders) if (by_ticket(now.orders, o.ticket) == now.orders.end()) tell(event_of(TRADE_TRANSACTION_ORDER_DELETE, o));
    for (auto& o : done) tell(event_of(TRADE_TRANSACTION_HISTORY_ADD, o));
    for (auto& p : now.positions) {
        auto was = std::find_if(old.positions.begin(), old.positions.end(), [&](auto& q) { return q.ticket == p.ticket; });
        if (was == old.positions.end() || (was->sl == p.sl && was->tp == p.tp)) continue;
        MqlTradeTransaction t;
        t.type = TRADE_TRANSACTION_POSITION; t.symbol = utf8(p.symbol); t.position = p.ticket; t.price = p.open; t.volume = p.volume; t.price_sl = p.sl; t.price_tp = p.tp;
        tell(t);
    }
}

static void show(std::shared_ptr<const Picture> p) { std::lock_guard hold(picture_guard); shown = std::move(p); }

static void take(const Json& answer, bool first) {
    auto next = picture_of(answer);
    std::vector<Deal> deals;
    std::vector<Order> done;
    for (auto& row : answer["deals"].list) deals.push_back(deal_of(row));
    for (auto& row : answer["done"].list) done.push_back(order_of(row));
    {
        Base& b = base();
        std::lock_guard hold(b.guard);
        if (first) { b.deals.clear(); b.done.clear(); b.deal_at.clear(); b.done_at.clear(); }
        for (auto& d : deals) { b.deal_at[d.ticket] = b.deals.size(); b.deals.push_back(d); }
        for (auto& o : done) { b.done_at[o.ticket] = b.done.size(); b.done.push_back(o); }
    }
    auto old = picture();
    show(next);
    if (!first) tell_changes(*old, *next, deals, done);
    auto was = old->quotes.find(options.symbol), is = std::as_const(next->quotes).find(options.symbol);
    if (is != next->quotes.end() && (was == old->quotes.end() || was->second.at != is->second.at)) queue_tick();
}

static std::string login_params() {
    auto field = [](const char* name, const std::string& v) { return std::string(",\"") + name + "\":" + Json::quoted(v); };
    return "{\"account\":" + Json::quoted(options.account) + field("number", options.number) + field("currency", options.currency) + field("margin_mode", options.margin_mode) +
           field("balance", options.balance) + field("suffix", options.suffix) + field("leverage", options.leverage) + "}";
}

// One connection, from login to its loss.
static void follow(Wire& wire) {
    Json answer;
    Wire::Outcome outcome = wire.call("login", login_params(), answer, 10000);
    if (outcome == Wire::REFUSED) std::fprintf(stderr, "the broker refuses the login: %s\n", answer["message"].text.c_str());
    if (outcome != Wire::ANSWERED) return;
    std::string account = "{\"account\":" + Json::quoted(options.account);
    if (wire.call("terminal_symbols", account + "}", answer, 10000) != Wire::ANSWERED) return;
    {
        Base& b = base();
        std::lock_guard hold(b.guard);
        std::vector<SymbolFacts> symbols;
        for (auto& row : answer.list) {
            symbols.push_back(symbol_of(row));
            for (auto& old : b.symbols) if (old.name == symbols.back().name) symbols.back().selected = old.selected;
        }
        b.symbols = symbols;
    }
    long long turn = -1;
    for (bool first = true; switched("connected", 1); first = false) {
        size_t deals = 0, done = 0;
        if (!first) { Base& b = base(); std::lock_guard hold(b.guard); deals = b.deals.size(); done = b.done.size(); }
        std::string params = account + ",\"turn\":" + std::to_string(turn) + ",\"deals\":" + std::to_string(deals) + ",\"done\":" + std::to_string(done) + ",\"wait_ms\":1000}";
        long long begin = monotonic_us();
        if (wire.call("follow", params, answer, 10000) != Wire::ANSWERED) return;
        if (first) round_trip_us = monotonic_us() - begin;
        turn = answer["turn"].integer();
        take(answer, first);
    }
}

static void follow_for_ever() {
    for (Wire wire;;) {
        if (switched("connected", 1)) follow(wire);
        wire.drop();
        auto lost = std::make_shared<Picture>(*picture());
        lost->connected = false;
        show(lost);
        wake();
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

void start_terminal() {
    started_us = monotonic_us();
    if (options.broker.empty()) return;
    std::thread(follow_for_ever).detach();
    // A terminal has its account and its symbols from the last time, before it is connected.
    for (int i = 0; i < 200 && !picture()->at; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

}  // namespace mql::runner
