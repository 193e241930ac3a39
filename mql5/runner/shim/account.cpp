// What a program reads of terminal, account and symbols.
#include <unistd.h>

#include <algorithm>

#include "terminal.h"

namespace mql {

using namespace runner;

// -- program and terminal ---------------------------------------------------------------------------------------------------

int64 MQLInfoInteger(ENUM_MQL_INFO_INTEGER property) {
    switch (property) {
        case MQL_PROGRAM_TYPE: return program_events.start ? PROGRAM_SCRIPT : PROGRAM_EXPERT;
        case MQL_TRADE_ALLOWED: return switched("algo", 1) && switched("chart_algo", 1);
        case MQL_LICENSE_TYPE: return LICENSE_FREE;
        case MQL_MEMORY_LIMIT: return 16384;
        default: return 0;
    }
}
string MQLInfoString(ENUM_MQL_INFO_STRING property) {
    string name = utf8(program_facts.name);
    return property == MQL_PROGRAM_NAME ? name : string(u"MQL5\\Experts\\") + name + string(u".ex5");
}
int64 TerminalInfoInteger(ENUM_TERMINAL_INFO_INTEGER property) {
    switch (property) {
        case TERMINAL_BUILD: return 5000;
        case TERMINAL_CONNECTED: return picture()->connected;
        case TERMINAL_TRADE_ALLOWED: return switched("algo", 1);
        case TERMINAL_PING_LAST: return ping_us();
        case TERMINAL_MAXBARS: return 100000;
        case TERMINAL_CODEPAGE: return 65001;
        case TERMINAL_CPU_CORES: return sysconf(_SC_NPROCESSORS_ONLN);
        case TERMINAL_X64: return 1;
        case TERMINAL_SCREEN_DPI: return 96;
        default: return 0;
    }
}
double TerminalInfoDouble(ENUM_TERMINAL_INFO_DOUBLE) { return 0; }
string TerminalInfoString(ENUM_TERMINAL_INFO_STRING property) {
    switch (property) {
        case TERMINAL_NAME: return string(u"kakehashi runner");
        case TERMINAL_COMPANY: return string(u"kakehashi");
        case TERMINAL_LANGUAGE: return string(u"English");
        case TERMINAL_COMMONDATA_PATH: return utf8(options.common);
        default: return utf8(options.data);
    }
}

// -- account ------------------------------------------------------------------------------------------------------------------

int64 AccountInfoInteger(ENUM_ACCOUNT_INFO_INTEGER property) {
    auto p = picture();
    switch (property) {
        case ACCOUNT_LOGIN: return StringToInteger(utf8(p->login));
        case ACCOUNT_TRADE_MODE: return p->trade_mode == "real" ? ACCOUNT_TRADE_MODE_REAL : p->trade_mode == "contest" ? ACCOUNT_TRADE_MODE_CONTEST : ACCOUNT_TRADE_MODE_DEMO;
        case ACCOUNT_LEVERAGE: return p->leverage;
        case ACCOUNT_LIMIT_ORDERS: return p->limit_orders;
        case ACCOUNT_TRADE_ALLOWED: return switched("trade_allowed", 1);
        case ACCOUNT_TRADE_EXPERT: return switched("trade_expert", 1);
        case ACCOUNT_MARGIN_MODE:
            if (p->margin_mode == "exchange") return ACCOUNT_MARGIN_MODE_EXCHANGE;
            return p->margin_mode == "netting" ? ACCOUNT_MARGIN_MODE_RETAIL_NETTING : ACCOUNT_MARGIN_MODE_RETAIL_HEDGING;
        case ACCOUNT_CURRENCY_DIGITS: return p->currency == "JPY" ? 0 : 2;
        case ACCOUNT_HEDGE_ALLOWED: return 1;
        default: return 0;
    }
}
double AccountInfoDouble(ENUM_ACCOUNT_INFO_DOUBLE property) {
    auto p = picture();
    switch (property) {
        case ACCOUNT_BALANCE: return p->balance;
        case ACCOUNT_CREDIT: return p->credit;
        case ACCOUNT_PROFIT: return p->profit;
        case ACCOUNT_EQUITY: return p->equity;
        case ACCOUNT_MARGIN: return p->margin;
        case ACCOUNT_MARGIN_FREE: return p->margin_free;
        case ACCOUNT_MARGIN_LEVEL: return p->margin_level;
        case ACCOUNT_MARGIN_SO_CALL: return p->so_call;
        case ACCOUNT_MARGIN_SO_SO: return p->so_so;
        default: return 0;
    }
}
string AccountInfoString(ENUM_ACCOUNT_INFO_STRING property) {
    auto p = picture();
    switch (property) {
        case ACCOUNT_NAME: return utf8(options.account);
        case ACCOUNT_COMPANY: return string(u"kakehashi");
        case ACCOUNT_SERVER: return utf8(p->server);
        case ACCOUNT_CURRENCY: return utf8(p->currency);
    }
    return {};
}

// -- symbols ------------------------------------------------------------------------------------------------------------------

static bool facts_of(const string& name, SymbolFacts& facts) {
    std::string wanted = name.is_null() || name.text().empty() ? options.symbol : name.utf8();
    Base& b = base();
    std::lock_guard hold(b.guard);
    for (auto& s : b.symbols) if (s.name == wanted) { facts = s; return true; }
    return fails(ERR_MARKET_UNKNOWN_SYMBOL);
}
static Quote quote_of(const std::string& name) {
    auto p = picture();
    auto it = p->quotes.find(name);
    return it == p->quotes.end() ? Quote{} : it->second;
}

string Symbol() { return utf8(options.symbol); }
int Digits() { SymbolFacts s; return facts_of(Symbol(), s) ? s.digits : 0; }
double Point() { SymbolFacts s; return facts_of(Symbol(), s) ? s.point : 0; }
int SymbolsTotal(bool selected) {
    Base& b = base();
    std::lock_guard hold(b.guard);
    return int(std::count_if(b.symbols.begin(), b.symbols.end(), [&](auto& s) { return s.selected || !selected; }));
}
string SymbolName(int at, bool selected) {
    Base& b = base();
    std::lock_guard hold(b.guard);
    for (auto& s : b.symbols) if ((s.selected || !selected) && at-- == 0) return utf8(s.name);
    return string(u"");
}
bool SymbolSelect(const string& name, bool select) {
    Base& b = base();
    auto p = picture();
    std::string wanted = name.utf8();
    std::lock_guard hold(b.guard);
    for (auto& s : b.symbols) {
        if (s.name != wanted) continue;
        bool used = std::any_of(p->positions.begin(), p->positions.end(), [&](auto& q) { return q.symbol == wanted; }) || wanted == options.symbol;
        if (!select && used) return fails(ERR_MARKET_SELECT_ERROR);  // a symbol with positions or a chart cannot be hidden
        s.selected = select;
        return true;
    }
    return fails(ERR_MARKET_UNKNOWN_SYMBOL);
}
bool SymbolExist(const string& name, bool& custom) { SymbolFacts s; custom = false; return facts_of(name, s); }
bool SymbolIsSynchronized(const string& name) { SymbolFacts s; return facts_of(name, s) && picture()->connected; }

bool SymbolInfoInteger(const string& name, ENUM_SYMBOL_INFO_INTEGER property, int64& value) {
    SymbolFacts s;
    value = 0;
    if (!facts_of(name, s)) return false;
    Quote q = quote_of(s.name);
    switch (property) {
        case SYMBOL_SELECT: case SYMBOL_VISIBLE: value = s.selected; break;
        case SYMBOL_EXIST: value = 1; break;
        case SYMBOL_TIME: value = server_time(q.at) / 1000; break;
        case SYMBOL_TIME_MSC: value = server_time(q.at); break;
        case SYMBOL_DIGITS: value = s.digits; break;
        case SYMBOL_SPREAD: value = s.point > 0 ? std::llround((q.ask - q.bid) / s.point) : 0; break;
        case SYMBOL_SPREAD_FLOAT: value = 1; break;
        case SYMBOL_TRADE_CALC_MODE: value = SYMBOL_CALC_MODE_FOREX; break;
        case SYMBOL_TRADE_MODE: value = switched(("trade_mode." + s.name).c_str(), SYMBOL_TRADE_MODE_FULL); break;
        case SYMBOL_TRADE_STOPS_LEVEL: value = s.stops_level; break;
        case SYMBOL_TRADE_FREEZE_LEVEL: value = s.freeze_level; break;
        case SYMBOL_TRADE_EXEMODE: value = SYMBOL_TRADE_EXECUTION_MARKET; break;
        case SYMBOL_SWAP_MODE: value = 1; break;
        case SYMBOL_SWAP_ROLLOVER3DAYS: value = WEDNESDAY; break;
        case SYMBOL_EXPIRATION_MODE: value = 15; break;
        case SYMBOL_FILLING_MODE: value = s.fillings; break;
        case SYMBOL_ORDER_MODE: value = 127; break;
        case SYMBOL_ORDER_GTC_MODE: case SYMBOL_CUSTOM: break;
    }
    return true;
}
bool SymbolInfoDouble(const string& name, ENUM_SYMBOL_INFO_DOUBLE property, double& value) {
    SymbolFacts s;
    value = 0;
    if (!facts_of(name, s)) return false;
    Quote q = quote_of(s.name);
    switch (property) {
        case SYMBOL_BID: case SYMBOL_BIDLOW: case SYMBOL_BIDHIGH: value = q.bid; break;
        case SYMBOL_ASK: case SYMBOL_ASKLOW: case SYMBOL_ASKHIGH: value = q.ask; break;
        case SYMBOL_POINT: value = s.point; break;
        case SYMBOL_TRADE_TICK_VALUE: case SYMBOL_TRADE_TICK_VALUE_PROFIT: case SYMBOL_TRADE_TICK_VALUE_LOSS: value = s.tick_value; break;
        case SYMBOL_TRADE_TICK_SIZE: value = s.tick_size; break;
        case SYMBOL_TRADE_CONTRACT_SIZE: value = s.contract_size; break;
        case SYMBOL_VOLUME_MIN: value = s.vol_min; break;
        case SYMBOL_VOLUME_MAX: value = s.vol_max; break;
        case SYMBOL_VOLUME_STEP: value = s.vol_step; break;
        case SYMBOL_VOLUME_LIMIT: value = s.volume_limit; break;
        case SYMBOL_SWAP_LONG: value = s.swap_long; break;
        case SYMBOL_SWAP_SHORT: value = s.swap_short; break;
        case SYMBOL_MARGIN_HEDGED: value = s.margin_hedged; break;
        case SYMBOL_LAST: case SYMBOL_MARGIN_INITIAL: case SYMBOL_MARGIN_MAINTENANCE: break;
    }
    return true;
}
bool SymbolInfoString(const string& name, ENUM_SYMBOL_INFO_STRING property, string& value) {
    SymbolFacts s;
    value = string(u"");
    if (!facts_of(name, s)) return false;
    switch (property) {
        case SYMBOL_CURRENCY_BASE: case SYMBOL_CURRENCY_MARGIN: value = utf8(s.base); break;
        case SYMBOL_CURRENCY_PROFIT: value = utf8(s.profit); break;
        case SYMBOL_DESCRIPTION: value = utf8(s.base + " / " + s.profit); break;
        case SYMBOL_PATH: value = utf8("Simulated\\" + s.name); break;
        default: break;
    }
    return true;
}
int64 SymbolInfoInteger(const string& name, ENUM_SYMBOL_INFO_INTEGER property) { int64 v; SymbolInfoInteger(name, property, v); return v; }
double SymbolInfoDouble(const string& name, ENUM_SYMBOL_INFO_DOUBLE property) { double v; SymbolInfoDouble(name, property, v); return v; }
string SymbolInfoString(const string& name, ENUM_SYMBOL_INFO_STRING property) { string v; SymbolInfoString(name, property, v); return v; }
bool SymbolInfoTick(const string& name, MqlTick& tick) {
    SymbolFacts s;
    tick = MqlTick{};
    if (!facts_of(name, s)) return false;
    if (!s.selected) return fails(ERR_MARKET_NOT_SELECTED);
    Quote q = quote_of(s.name);
    if (!q.at) return fails(ERR_MARKET_LASTTIME_UNKNOWN);
    tick.time_msc = server_time(q.at);
    tick.time = datetime(tick.time_msc / 1000);
    tick.bid = q.bid;
    tick.ask = q.ask;
    tick.flags = TICK_FLAG_BID | TICK_FLAG_ASK;
    return true;
}
bool SymbolInfoSessionTrade(const string& name, ENUM_DAY_OF_WEEK, uint session, datetime& from, datetime& to) {
    SymbolFacts s;
    from = 0;
    to = 86400;
    return session == 0 && facts_of(name, s);
}

// -- the trade server's clocks -------------------------------------------------------------------------------------------------

datetime TimeCurrent() {  // of the last quote: it stands still while the market is closed
    auto p = picture();
    long long last = 0;
    Base& b = base();
    std::lock_guard hold(b.guard);
    for (auto& s : b.symbols) {
        auto q = p->quotes.find(s.name);
        if (s.selected && q != p->quotes.end()) last = std::max(last, q->second.at);
    }
    return last ? datetime(server_time(last) / 1000) : 0;
}
datetime TimeTradeServer() {
    auto p = picture();
    if (!p->at) return TimeLocal();
    return datetime(server_time(p->at + (monotonic_us() - p->read_at_us) / 1000) / 1000);
}

}  // namespace mql
