// Strings and numbers as text.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "runner.h"

namespace mql {

std::u16string wide(const std::string& s) {
    std::u16string out;
    out.reserve(s.size());
    for (size_t i = 0; i < s.size();) {
        unsigned char c = static_cast<unsigned char>(s[i]);
        int more = c < 0x80 ? 0 : (c >> 5) == 6 ? 1 : (c >> 4) == 14 ? 2 : (c >> 3) == 30 ? 3 : -1;
        uint32_t code = more == 0 ? c : more == 1 ? c & 31u : more == 2 ? c & 15u : c & 7u;
        bool good = more >= 0 && i + size_t(more) < s.size();
        for (int k = 1; good && k <= more; ++k) {
            unsigned char d = static_cast<unsigned char>(s[i + size_t(k)]);
            good = (d >> 6) == 2;
            code = code << 6 | (d & 63u);
        }
        static constexpr uint32_t LEAST[] = {0, 0x80, 0x800, 0x10000};
        if (good && (code < LEAST[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))) good = false;
        if (!good) { out += char16_t(0xFFFD); ++i; continue; }
        if (code < 0x10000) out += char16_t(code);
        else { code -= 0x10000; out += char16_t(0xD800 + (code >> 10)); out += char16_t(0xDC00 + (code & 0x3FF)); }
        i += size_t(more) + 1;
    }
    return out;
}

std::string narrow(const std::u16string& s) {
    std::string out;
    out.reserve(s.size());
    for (size_t i = 0; i < s.size(); ++i) {
        uint32_t c = s[i];
        if (c >= 0xD800 && c < 0xDC00 && i + 1 < s.size() && s[i + 1] >= 0xDC00 && s[i + 1] < 0xE000) c = 0x10000 + ((c - 0xD800) << 10) + (s[++i] - 0xDC00u);
        else if (c >= 0xD800 && c < 0xE000) c = 0xFFFD;
        if (c < 0x80) out += char(c);
        else if (c < 0x800) { out += char(0xC0 | c >> 6); out += char(0x80 | (c & 63)); }
        else if (c < 0x10000) { out += char(0xE0 | c >> 12); out += char(0x80 | (c >> 6 & 63)); out += char(0x80 | (c & 63)); }
        else { out += char(0xF0 | c >> 18); out += char(0x80 | (c >> 12 & 63)); out += char(0x80 | (c >> 6 & 63)); out += char(0x80 | (c & 63)); }
    }
    return out;
}

string utf8(const std::string& text) { return string(wide(text)); }

static std::string shortest(double v, bool single) {
    if (std::isnan(v)) return std::signbit(v) ? "-nan(ind)" : "nan";
    if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
    char buffer[512];
    auto end = single ? std::to_chars(buffer, buffer + sizeof buffer, float(v)) : std::to_chars(buffer, buffer + sizeof buffer, v);
    std::string s(buffer, end.ptr);
    if (s.find_first_of(".e") == std::string::npos) s += ".0";
    return s;
}

string::string(bool v) : string(v ? std::u16string(u"true") : std::u16string(u"false")) {}
string::string(double v) : string(wide(shortest(v, false))) {}
string::string(float v) : string(wide(shortest(v, true))) {}
string::string(datetime v) : string(TimeToString(v, TIME_DATE | TIME_MINUTES | TIME_SECONDS)) {}
string string::of_signed(int64 v) { return mql::utf8(std::to_string(v)); }
string string::of_unsigned(ulong v) { return mql::utf8(std::to_string(v)); }
string::operator int64() const { return StringToInteger(*this); }
string::operator ulong() const { return std::strtoull(utf8().c_str(), nullptr, 10); }
string::operator datetime() const { return StringToTime(*this); }
string::operator double() const { return StringToDouble(*this); }
string::operator bool() const { std::string s = utf8(); return s == "true" || StringToInteger(*this) != 0; }

// One conversion of printf as the terminal's library does it: %d takes 32 bits, %I64d and %lld 64.
static void convert(std::string& out, const std::string& flags, const std::string& size, char kind, const Arg& arg) {
    char buffer[1024];
    auto put = [&](const std::string& form, auto value) { int n = std::snprintf(buffer, sizeof buffer, form.c_str(), value); out.append(buffer, size_t(std::clamp(n, 0, int(sizeof buffer) - 1))); };
    bool long_ = size == "I64" || size == "ll" || size == "l";
    if (kind == 's') {
        std::string text = arg.kind == Arg::TEXT ? arg.s.utf8() : "(non-string passed)";
        if (flags.empty()) out += text;
        else { std::vector<char> big(text.size() + 4096); int n = std::snprintf(big.data(), big.size(), ("%" + flags + "s").c_str(), text.c_str()); out.append(big.data(), size_t(std::min<int>(n, int(big.size()) - 1))); }
    } else if (kind == 'c' || kind == 'C') {
        out += narrow(std::u16string(1, char16_t(arg.i)));
    } else if (std::string("diuxXop").find(kind) != std::string::npos) {
        int64 v = arg.kind == Arg::REAL ? int64(arg.d) : arg.i;
        if (kind == 'd' || kind == 'i') put("%" + flags + "lld", long_ ? v : int64(int(v)));
        else put("%" + flags + "ll" + (kind == 'p' ? 'X' : kind), long_ ? ulong(v) : ulong(uint(v)));
    } else {
        double v = arg.kind == Arg::REAL ? arg.d : arg.kind == Arg::UNSIGNED ? double(ulong(arg.i)) : double(arg.i);
        put("%" + flags + kind, v);
    }
}

string format(const string& form, const std::vector<Arg>& args) {
    std::string f = form.utf8(), out;
    size_t next = 0;
    for (size_t i = 0; i < f.size(); ++i) {
        if (f[i] != '%') { out += f[i]; continue; }
        if (i + 1 < f.size() && f[i + 1] == '%') { out += '%'; ++i; continue; }
        std::string flags, size;
        size_t k = i + 1;
        while (k < f.size() && std::string("-+ #0123456789.*").find(f[k]) != std::string::npos) {
            if (f[k] == '*') flags += next < args.size() ? std::to_string(args[next++].i) : "0";
            else flags += f[k];
            ++k;
        }
        if (f.compare(k, 3, "I64") == 0) { size = "I64"; k += 3; }
        else if (f.compare(k, 3, "I32") == 0) k += 3;
        else while (k < f.size() && (f[k] == 'l' || f[k] == 'h')) size += f[k++];
        if (k >= f.size() || std::string("diuxXopscCfFeEgGaA").find(f[k]) == std::string::npos) { out += f[i]; continue; }
        if (next < args.size()) convert(out, flags, size, f[k], args[next++]);
        else out += "(missing argument)";
        i = k;
    }
    return utf8(out);
}

// -- the functions -------------------------------------------------------------------------------------------------------

int StringLen(const string& s) { return int(s.text().size()); }
int StringBufferLen(const string& s) { return int(s.text().capacity()); }
int StringFind(const string& s, const string& what, int from) {
    if (from < 0 || what.text().empty()) return -1;
    size_t at = s.text().find(what.text(), size_t(from));
    return at == std::u16string::npos ? -1 : int(at);
}
string StringSubstr(const string& s, int from, int length) {
    if (from < 0 || from >= StringLen(s) || length == 0) return string(u"");
    return string(s.text().substr(size_t(from), length < 0 ? std::u16string::npos : size_t(length)));
}
int StringReplace(string& s, const string& what, const string& by) {
    if (what.text().empty()) return -1;
    std::u16string out;
    int n = 0;
    size_t at = 0, hit;
    while ((hit = s.text().find(what.text(), at)) != std::u16string::npos) {
        out += s.text().substr(at, hit - at) + by.text();
        at = hit + what.text().size();
        ++n;
    }
    if (n) { out += s.text().substr(at); s = string(out); }
    return n;
}
int StringSplit(const string& s, ushort separator, array<string>& parts) {
    parts.free();
    if (s.text().empty()) return 0;
    size_t at = 0;
    while (true) {
        size_t hit = s.text().find(char16_t(separator), at);
        parts.resize(parts.size() + 1, 16);
        parts[parts.size() - 1] = string(s.text().substr(at, hit == std::u16string::npos ? hit : hit - at));
        if (hit == std::u16string::npos) return parts.size();
        at = hit + 1;
    }
}
static char16_t upper(char16_t c) { return (c >= u'a' && c <= u'z') || (c >= 0xE0 && c <= 0xFE && c != 0xF7) || (c >= 0x430 && c <= 0x44F) ? char16_t(c - 32) : c; }
static char16_t lower(char16_t c) { return (c >= u'A' && c <= u'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x410 && c <= 0x42F) ? char16_t(c + 32) : c; }
bool StringToUpper(string& s) { for (auto& c : s.edit()) c = upper(c); return true; }
bool StringToLower(string& s) { for (auto& c : s.edit()) c = lower(c); return true; }
static bool blank(char16_t c) { return c == u' ' || (c >= 9 && c <= 13); }
int StringTrimLeft(string& s) {
    size_t n = 0;
    while (n < s.text().size() && blank(s.text()[n])) ++n;
    if (n) s.edit().erase(0, n);
    return int(n);
}
int StringTrimRight(string& s) {
    size_t n = 0;
    while (n < s.text().size() && blank(s.text()[s.text().size() - 1 - n])) ++n;
    if (n) s.edit().resize(s.text().size() - n);
    return int(n);
}
ushort StringGetCharacter(const string& s, int at) {
    if (at < 0 || at >= StringLen(s)) { runner::fail(5041); return 0; }
    return s[at];
}
bool StringSetCharacter(string& s, int at, ushort c) {
    if (at < 0 || at > StringLen(s)) return runner::fails(5041);
    if (at == StringLen(s)) s.edit() += char16_t(c);
    else if (c == 0) s.edit().resize(size_t(at));
    else s.edit()[size_t(at)] = char16_t(c);
    return true;
}
bool StringInit(string& s, int length, ushort c) { s = string(std::u16string(size_t(length < 0 ? 0 : length), char16_t(c))); return length >= 0; }
bool StringFill(string& s, ushort c) { for (auto& x : s.edit()) x = char16_t(c); return true; }
bool StringReserve(string& s, uint length) { s.edit().reserve(length); return true; }
bool StringSetLength(string& s, uint length) { s.edit().resize(length); return true; }
bool StringAdd(string& s, const string& more) { s += more; return true; }
int StringCompare(const string& a, const string& b, bool case_sensitive) {
    string x = a, y = b;
    if (!case_sensitive) { StringToLower(x); StringToLower(y); }
    int c = x.text().compare(y.text());
    return c < 0 ? -1 : c > 0;
}

// The trap is kept: without a count the closing zero is copied, too.
int StringToCharArray(const string& s, array<uchar>& to, int start, int count, uint codepage) {
    std::string bytes;
    if (codepage == CP_UTF8) bytes = s.utf8();
    else for (char16_t c : s.text()) bytes += c < 256 ? char(c) : '?';  // the terminal's ANSI page, taken for Latin 1
    if (count >= 0 && size_t(count) < bytes.size()) bytes.resize(size_t(count));
    else if (count < 0) bytes += '\0';
    int need = start + int(bytes.size());
    if (start < 0 || (need > to.size() && (to.is_fixed() || !to.resize(need)))) { runner::fail(ERR_ARRAY_RESIZE_ERROR); return 0; }
    copy_bytes(to.data() + start, bytes.data(), bytes.size());
    return int(bytes.size());
}
string CharArrayToString(const array<uchar>& from, int start, int count, uint codepage) {
    if (start < 0 || start >= from.size()) return string(u"");
    int n = count < 0 || start + count > from.size() ? from.size() - start : count;
    const char* begin = reinterpret_cast<const char*>(from.data()) + start;
    std::string bytes(begin, size_t(n));
    bytes.resize(std::min(bytes.size(), bytes.find('\0')));  // a string ends at its zero
    if (codepage == CP_UTF8) return utf8(bytes);
    std::u16string out;
    for (char c : bytes) out += char16_t(uchar(c));
    return string(out);
}
int StringToShortArray(const string& s, array<ushort>& to, int start, int count) {
    int n = count < 0 ? StringLen(s) + 1 : std::min(count, StringLen(s));
    if (start + n > to.size() && (to.is_fixed() || !to.resize(start + n))) return 0;
    for (int i = 0; i < n; ++i) to[start + i] = s[i];
    return n;
}
string ShortArrayToString(const array<ushort>& from, int start, int count) {
    std::u16string out;
    int end = count < 0 ? from.size() : std::min(from.size(), start + count);
    for (int i = start; i < end && from[i]; ++i) out += char16_t(from[i]);
    return string(out);
}
string CharToString(uchar c) { return c ? string(std::u16string(1, char16_t(c))) : string(u""); }
string ShortToString(ushort c) { return c ? string(std::u16string(1, char16_t(c))) : string(u""); }
string DoubleToString(double v, int digits) {
    char buffer[512];
    if (!std::isfinite(v)) return utf8(shortest(v, false));
    if (digits < 0) std::snprintf(buffer, sizeof buffer, "%.*e", std::min(-digits, 16), v);
    else std::snprintf(buffer, sizeof buffer, "%.*f", std::min(digits, 16), v);
    return utf8(buffer);
}
string IntegerToString(int64 v, int width, ushort fill) {
    std::u16string s = string(v).text();
    if (int(s.size()) < width) s.insert(0, size_t(width) - s.size(), char16_t(fill));
    return string(s);
}
double StringToDouble(const string& s) {
    std::string t = s.utf8();
    size_t n = t.find_first_not_of("+-.0123456789eE \t");
    return std::strtod(t.substr(0, n).c_str(), nullptr);  // no hexadecimal, no inf, no nan
}
int64 StringToInteger(const string& s) {
    std::string t = s.utf8();
    size_t n = t.find_first_not_of(" \t");
    if (n == std::string::npos) return 0;
    if (t.compare(n, 2, "0x") == 0 || t.compare(n, 2, "0X") == 0) return int64(std::strtoull(t.c_str() + n, nullptr, 16));
    return std::strtoll(t.c_str() + n, nullptr, 10);
}
string ColorToString(color c, bool) { return utf8(std::to_string(c & 255) + "," + std::to_string(c >> 8 & 255) + "," + std::to_string(c >> 16 & 255)); }
color StringToColor(const string& s) {
    unsigned r = 0, g = 0, b = 0;
    std::sscanf(s.utf8().c_str(), "%u,%u,%u", &r, &g, &b);
    return (r & 255) | (g & 255) << 8 | (b & 255) << 16;
}

double NormalizeDouble(double v, int digits) {
    if (!std::isfinite(v) || digits < 0) return v;
    double scale = std::pow(10.0, std::min(digits, 8)), scaled = v * scale;
    return std::fabs(scaled) > 9e15 ? v : std::floor(std::fabs(scaled) + 0.5 + std::fabs(scaled) * 1e-15) / scale * (v < 0 ? -1 : 1);
}
bool MathIsValidNumber(double v) { return std::isfinite(v); }
static uint32_t random_state = 1;
int MathRand() {  // 15 bits, as the terminal's
    random_state = random_state * 214013u + 2531011u;
    return int(random_state >> 16 & 0x7FFF);
}
void MathSrand(int seed) { random_state = uint32_t(seed); }
ushort MathSwap(ushort v) { return __builtin_bswap16(v); }
uint MathSwap(uint v) { return __builtin_bswap32(v); }
ulong MathSwap(ulong v) { return __builtin_bswap64(v); }
template <class T>
void sort_range(T* begin, T* end) { std::sort(begin, end); }
template void sort_range<int>(int*, int*);
template void sort_range<int64>(int64*, int64*);
template void sort_range<ulong>(ulong*, ulong*);
template void sort_range<double>(double*, double*);
template void sort_range<uint>(uint*, uint*);
template void sort_range<datetime>(datetime*, datetime*);

}  // namespace mql
