// Clocks and calendar. The trade server's clocks come from the terminal's picture (terminal.cpp).
#include <ctime>

#include "runner.h"

namespace mql {

using namespace runner;
using std::chrono::steady_clock;
using std::chrono::system_clock;

namespace runner {
static steady_clock::time_point started = steady_clock::now();
static long long began_wall = 0, began = 0;
long long wall_ms() { return std::chrono::duration_cast<std::chrono::milliseconds>(system_clock::now().time_since_epoch()).count(); }
long long monotonic_us() { return std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now().time_since_epoch()).count(); }
void begin_clock() {
    started = steady_clock::now();
    began_wall = wall_ms();
    began = monotonic_us();
}
}  // namespace runner

// Of the machine, as in the terminal: it goes on while the program sleeps, and is the same for all programs.
ulong GetTickCount64() {
    timespec t{};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return ulong((double(t.tv_sec) * 1000 + double(t.tv_nsec) / 1e6) * options.pace);
}
uint GetTickCount() { return uint(GetTickCount64()); }
ulong GetMicrosecondCount() { return ulong(std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - started).count()); }

datetime TimeGMT() {
    return datetime((began_wall + (long long)(double(monotonic_us() - began) * options.pace / 1000)) / 1000);
}
datetime TimeLocal() {
    std::time_t now = std::time_t(TimeGMT());
    std::tm parts{};
    localtime_r(&now, &parts);
    return datetime(now + parts.tm_gmtoff);
}
int TimeGMTOffset() { return int(TimeGMT() - TimeLocal()); }
int TimeDaylightSavings() { return 0; }

static long days_of(long y, long m, long d) {  // days since 1970-01-01, proleptic Gregorian
    y -= m <= 2;
    long era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400, doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}
bool TimeToStruct(datetime at, MqlDateTime& p) {
    long days = at / 86400, rest = at % 86400;
    if (rest < 0) { rest += 86400; --days; }
    long z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    long yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    p.day = int(doy - (153 * mp + 2) / 5 + 1);
    p.mon = int(mp < 10 ? mp + 3 : mp - 9);
    p.year = int(yoe + era * 400 + (p.mon <= 2));
    p.hour = int(rest / 3600);
    p.min = int(rest / 60 % 60);
    p.sec = int(rest % 60);
    p.day_of_week = int(((days + 4) % 7 + 7) % 7);
    p.day_of_year = int(days - days_of(p.year, 1, 1));
    return true;
}
datetime StructToTime(const MqlDateTime& p) { return days_of(p.year, p.mon, p.day) * 86400 + p.hour * 3600 + p.min * 60 + p.sec; }
string TimeToString(datetime at, int flags) {
    MqlDateTime p{};
    TimeToStruct(at, p);
    std::string s;
    char buffer[64];
    if (flags & TIME_DATE || !(flags & (TIME_MINUTES | TIME_SECONDS))) {
        std::snprintf(buffer, sizeof buffer, "%04d.%02d.%02d", p.year, p.mon, p.day);
        s = buffer;
    }
    if (flags & (TIME_MINUTES | TIME_SECONDS)) {
        std::snprintf(buffer, sizeof buffer, flags & TIME_SECONDS ? "%s%02d:%02d:%02d" : "%s%02d:%02d", s.empty() ? "" : " ", p.hour, p.min, p.sec);
        s += buffer;
    }
    return utf8(s);
}
datetime StringToTime(const string& text) {
    MqlDateTime p{};
    char a = 0, b = 0;
    int n = std::sscanf(text.utf8().c_str(), "%d%c%d%c%d %d:%d:%d", &p.year, &a, &p.mon, &b, &p.day, &p.hour, &p.min, &p.sec);
    if (n >= 5 && p.mon >= 1 && p.mon <= 12) return StructToTime(p);
    fail(ERR_WRONG_STRING_DATE);
    return 0;
}
datetime TimeLocal(MqlDateTime& p) { datetime t = TimeLocal(); TimeToStruct(t, p); return t; }
datetime TimeGMT(MqlDateTime& p) { datetime t = TimeGMT(); TimeToStruct(t, p); return t; }
datetime TimeCurrent(MqlDateTime& p) { datetime t = TimeCurrent(); TimeToStruct(t, p); return t; }
datetime TimeTradeServer(MqlDateTime& p) { datetime t = TimeTradeServer(); TimeToStruct(t, p); return t; }

}  // namespace mql
