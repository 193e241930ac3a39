// MQL5's functions, as far as they are built. A function that is not here does not compile: that is the message.
#pragma once
#include <vector>

#include "words.h"

namespace mql {

// -- program -----------------------------------------------------------------------------------------------------------
int GetLastError();
void ResetLastError();
void SetUserError(ushort code);
bool IsStopped();
int UninitializeReason();
void ExpertRemove();
void Sleep(int milliseconds);
int64 MQLInfoInteger(ENUM_MQL_INFO_INTEGER property);
string MQLInfoString(ENUM_MQL_INFO_STRING property);
int64 TerminalInfoInteger(ENUM_TERMINAL_INFO_INTEGER property);
double TerminalInfoDouble(ENUM_TERMINAL_INFO_DOUBLE property);
string TerminalInfoString(ENUM_TERMINAL_INFO_STRING property);
template <class T> ENUM_POINTER_TYPE CheckPointer(const ptr<T>& p) { return !p.valid() ? POINTER_INVALID : p.dynamic() ? POINTER_DYNAMIC : POINTER_AUTOMATIC; }
template <class T> void ZeroMemory(T& value) { value = T{}; }
template <class T> void ZeroMemory(array<T>& a) { for (auto& v : a) v = T{}; }
string enum_text(const std::type_info& type, int64 value);
template <class E> string EnumToString(E value) { return enum_text(typeid(E), int64(value)); }
void DebugBreak();
bool SendNotification(const string& text);
bool SendMail(const string& subject, const string& text);
bool PlaySound(const string& file);

// -- output ------------------------------------------------------------------------------------------------------------
void print_line(const string& text);
void show_comment(const string& text);
void show_alert(const string& text);
template <class... A> void Print(const A&... a) { string s(u""); ((s += a), ...); print_line(s); }
template <class... A> void Comment(const A&... a) { string s(u""); ((s += a), ...); show_comment(s); }
template <class... A> void Alert(const A&... a) { string s(u""); ((s += a), ...); show_alert(s); }

struct Arg {
    enum Kind { INTEGER, UNSIGNED, REAL, TEXT } kind;
    int64 i = 0;
    double d = 0;
    string s;
    template <class T, class = std::enable_if_t<std::is_arithmetic_v<T> || std::is_enum_v<T>>>
    Arg(T v) : kind(std::is_floating_point_v<T> ? REAL : std::is_unsigned_v<T> ? UNSIGNED : INTEGER), i(std::is_floating_point_v<T> ? 0 : int64(v)), d(double(v)) {}
    Arg(const string& v) : kind(TEXT), s(v) {}
    Arg(null_t) : kind(TEXT) {}
};
string format(const string& form, const std::vector<Arg>& args);
template <class... A> string StringFormat(const string& form, const A&... a) { return format(form, {Arg(a)...}); }
template <class... A> void PrintFormat(const string& form, const A&... a) { print_line(format(form, {Arg(a)...})); }
template <class... A> void printf(const string& form, const A&... a) { print_line(format(form, {Arg(a)...})); }

// -- text --------------------------------------------------------------------------------------------------------------
int StringLen(const string& s);
int StringBufferLen(const string& s);
int StringFind(const string& s, const string& what, int from = 0);
string StringSubstr(const string& s, int from, int length = -1);
int StringReplace(string& s, const string& what, const string& by);
int StringSplit(const string& s, ushort separator, array<string>& parts);
bool StringToUpper(string& s);
bool StringToLower(string& s);
int StringTrimLeft(string& s);
int StringTrimRight(string& s);
ushort StringGetCharacter(const string& s, int at);
bool StringSetCharacter(string& s, int at, ushort c);
bool StringInit(string& s, int length = 0, ushort c = 0);
bool StringFill(string& s, ushort c);
bool StringReserve(string& s, uint length);
bool StringSetLength(string& s, uint length);
bool StringAdd(string& s, const string& more);
int StringCompare(const string& a, const string& b, bool case_sensitive = true);
template <class... A> int StringConcatenate(string& s, const A&... a) { string r(u""); ((r += a), ...); s = r; return StringLen(s); }
int StringToCharArray(const string& s, array<uchar>& to, int start = 0, int count = -1, uint codepage = CP_ACP);
string CharArrayToString(const array<uchar>& from, int start = 0, int count = -1, uint codepage = CP_ACP);
int StringToShortArray(const string& s, array<ushort>& to, int start = 0, int count = -1);
string ShortArrayToString(const array<ushort>& from, int start = 0, int count = -1);
string CharToString(uchar c);
string ShortToString(ushort c);
string DoubleToString(double v, int digits = 8);
string IntegerToString(int64 v, int width = 0, ushort fill = ' ');
double StringToDouble(const string& s);
int64 StringToInteger(const string& s);
string ColorToString(color c, bool name = false);
color StringToColor(const string& s);

// -- numbers -----------------------------------------------------------------------------------------------------------
double NormalizeDouble(double v, int digits);
bool MathIsValidNumber(double v);
int MathRand();
void MathSrand(int seed);
inline int rand() { return MathRand(); }
inline void srand(int seed) { MathSrand(seed); }
template <class T> T MathAbs(T v) { return v < 0 ? T(-v) : v; }
template <class A, class B> std::common_type_t<A, B> MathMax(A a, B b) { using T = std::common_type_t<A, B>; return T(a) > T(b) ? T(a) : T(b); }
template <class A, class B> std::common_type_t<A, B> MathMin(A a, B b) { using T = std::common_type_t<A, B>; return T(a) < T(b) ? T(a) : T(b); }
template <class A, class B> auto fmax(A a, B b) { return MathMax(a, b); }
template <class A, class B> auto fmin(A a, B b) { return MathMin(a, b); }
inline double MathFloor(double v) { return std::floor(v); }
inline double MathCeil(double v) { return std::ceil(v); }
inline double MathRound(double v) { return std::round(v); }
inline double MathPow(double v, double e) { return std::pow(v, e); }
inline double MathSqrt(double v) { return std::sqrt(v); }
inline double MathLog(double v) { return std::log(v); }
inline double MathLog10(double v) { return std::log10(v); }
inline double MathExp(double v) { return std::exp(v); }
inline double MathMod(double a, double b) { return std::fmod(a, b); }
inline double MathSin(double v) { return std::sin(v); }
inline double MathCos(double v) { return std::cos(v); }
ushort MathSwap(ushort v);
uint MathSwap(uint v);
ulong MathSwap(ulong v);

// -- arrays ------------------------------------------------------------------------------------------------------------
template <class T> int ArraySize(const array<T>& a) { return a.size(); }
template <class T> int ArrayRange(const array<T>& a, int) { return a.size(); }
template <class T> bool ArrayIsDynamic(const array<T>& a) { return !a.is_fixed(); }
template <class T> bool ArrayIsSeries(const array<T>&) { return false; }
template <class T> bool ArraySetAsSeries(array<T>&, bool series) { return !series; }
template <class T> int ArrayResize(array<T>& a, int n, int reserve = 0) { return !a.is_fixed() && a.resize(n, reserve) ? n : -1; }
template <class T> void ArrayFree(array<T>& a) { if (!a.is_fixed()) a.free(); }
template <class T, class V> int ArrayInitialize(array<T>& a, V value) { for (auto& v : a) v = T(value); return a.size(); }
template <class T, class V> void ArrayFill(array<T>& a, int start, int count, V value, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    for (int i = start; i < start + count; ++i) a[index_t(i, file, line)] = T(value);
}
template <class T> int ArrayCopy(array<T>& to, const array<T>& from, int at = 0, int start = 0, int count = WHOLE_ARRAY) {
    if (start < 0 || at < 0) return 0;
    int n = count < 0 ? from.size() - start : count < from.size() - start ? count : from.size() - start;
    if (n <= 0) return 0;
    array<T> held;  // a copy within one array must not read what it has just written
    const array<T>* source = &from;
    if (&from == &to) { held = from; source = &held; }
    if (at + n > to.size()) {
        if (to.is_fixed()) n = to.size() - at;
        else to.resize(at + n);
    }
    for (int i = 0; i < n; ++i) to[at + i] = (*source)[start + i];
    return n < 0 ? 0 : n;
}
template <class T> bool ArrayRemove(array<T>& a, int start, int count = WHOLE_ARRAY) {
    if (start < 0 || start >= a.size() || a.is_fixed()) return false;
    int n = count < 0 || start + count > a.size() ? a.size() - start : count;
    for (int i = start; i + n < a.size(); ++i) a[i] = a[i + n];
    return a.resize(a.size() - n);
}
template <class T> bool ArrayInsert(array<T>& to, const array<T>& from, int at, int start = 0, int count = WHOLE_ARRAY) {
    if (at < 0 || at > to.size() || start < 0 || to.is_fixed()) return false;
    int n = count < 0 || start + count > from.size() ? from.size() - start : count;
    if (n < 0) return false;
    array<T> held = from;
    to.resize(to.size() + n);
    for (int i = to.size() - 1; i >= at + n; --i) to[i] = to[i - n];
    for (int i = 0; i < n; ++i) to[at + i] = held[start + i];
    return true;
}
template <class T> bool ArrayReverse(array<T>& a, int start = 0, int count = WHOLE_ARRAY) {
    if (start < 0 || start > a.size()) return false;
    int end = count < 0 || start + count > a.size() ? a.size() : start + count;
    for (int i = start, k = end - 1; i < k; ++i, --k) std::swap(a[i], a[k]);
    return true;
}
template <class T> bool ArraySwap(array<T>& a, array<T>& b) { if (a.is_fixed() || b.is_fixed()) return false; a.swap(b); return true; }
template <class T> void sort_range(T* begin, T* end);
extern template void sort_range<int>(int*, int*);
extern template void sort_range<int64>(int64*, int64*);
extern template void sort_range<ulong>(ulong*, ulong*);
extern template void sort_range<double>(double*, double*);
extern template void sort_range<uint>(uint*, uint*);
extern template void sort_range<datetime>(datetime*, datetime*);
template <class T> bool ArraySort(array<T>& a) { sort_range(a.begin(), a.end()); return true; }
template <class T> int ArrayBsearch(const array<T>& a, T value) {
    int low = 0, high = a.size();
    while (low < high) { int mid = (low + high) / 2; if (a[mid] < value) low = mid + 1; else high = mid; }
    return a.size() == 0 ? -1 : low < a.size() ? low : a.size() - 1;
}
template <class T> int ArrayMaximum(const array<T>& a, int start = 0, int count = WHOLE_ARRAY) {
    int best = a.size() > start ? start : -1, end = count < 0 ? a.size() : start + count;
    for (int i = start; i < end && i < a.size(); ++i) if (a[best] < a[i]) best = i;
    return best;
}
template <class T> int ArrayMinimum(const array<T>& a, int start = 0, int count = WHOLE_ARRAY) {
    int best = a.size() > start ? start : -1, end = count < 0 ? a.size() : start + count;
    for (int i = start; i < end && i < a.size(); ++i) if (a[i] < a[best]) best = i;
    return best;
}
template <class T> int ArrayCompare(const array<T>& a, const array<T>& b, int at = 0, int bt = 0, int count = WHOLE_ARRAY) {
    for (int i = 0; count < 0 || i < count; ++i) {
        bool over = at + i >= a.size(), too = bt + i >= b.size();
        if (over || too) return over == too ? 0 : over ? -1 : 1;
        if (a[at + i] < b[bt + i]) return -1;
        if (b[bt + i] < a[at + i]) return 1;
    }
    return 0;
}
template <class T> void ArrayPrint(const array<T>& a) { string s(u""); for (auto& v : a) { s += v; s += string(u" "); } print_line(s); }

// -- time --------------------------------------------------------------------------------------------------------------
datetime TimeCurrent();
datetime TimeCurrent(MqlDateTime& parts);
datetime TimeTradeServer();
datetime TimeTradeServer(MqlDateTime& parts);
datetime TimeLocal();
datetime TimeLocal(MqlDateTime& parts);
datetime TimeGMT();
datetime TimeGMT(MqlDateTime& parts);
int TimeDaylightSavings();
int TimeGMTOffset();
bool TimeToStruct(datetime at, MqlDateTime& parts);
datetime StructToTime(const MqlDateTime& parts);
string TimeToString(datetime at, int flags = TIME_DATE | TIME_MINUTES);
datetime StringToTime(const string& s);
ulong GetTickCount64();
uint GetTickCount();
ulong GetMicrosecondCount();
bool EventSetTimer(int seconds);
bool EventSetMillisecondTimer(int milliseconds);
void EventKillTimer();
bool EventChartCustom(int64 chart, ushort id, int64 l, double d, const string& s);

// -- files -------------------------------------------------------------------------------------------------------------
int FileOpen(const string& name, int flags, short delimiter = '\t', uint codepage = CP_ACP);
int FileOpen(const string& name, int flags, const string& delimiter, uint codepage = CP_ACP);
void FileClose(int handle);
void FileFlush(int handle);
ulong FileSize(int handle);
ulong FileTell(int handle);
bool FileSeek(int handle, int64 offset, ENUM_FILE_POSITION origin);
bool FileIsEnding(int handle);
bool FileIsLineEnding(int handle);
bool FileIsExist(const string& name, int common = 0);
bool FileDelete(const string& name, int common = 0);
bool FileMove(const string& name, int common, const string& to, int mode);
bool FileCopy(const string& name, int common, const string& to, int mode);
bool FolderCreate(const string& name, int common = 0);
bool FolderDelete(const string& name, int common = 0);
int64 FileFindFirst(const string& filter, string& found, int common = 0);
bool FileFindNext(int64 handle, string& found);
void FileFindClose(int64 handle);
int64 FileGetInteger(int handle, ENUM_FILE_PROPERTY_INTEGER property);
int64 FileGetInteger(const string& name, ENUM_FILE_PROPERTY_INTEGER property, bool common = false);
string FileReadString(int handle, int length = -1);
uint FileWriteString(int handle, const string& text, int length = -1);
uint file_write(int handle, const void* data, size_t bytes);
uint file_read(int handle, void* data, size_t bytes);
uint file_write_line(int handle, const std::vector<string>& parts);
template <class... A> uint FileWrite(int handle, const A&... a) { return file_write_line(handle, {string(u"") + a...}); }
template <class T> uint FileWriteArray(int handle, const array<T>& a, int start = 0, int count = WHOLE_ARRAY) {
    static_assert(std::is_trivially_copyable_v<T>, "only arrays of plain values go to files");
    int n = count < 0 || start + count > a.size() ? a.size() - start : count;
    return n <= 0 || start < 0 ? 0 : uint(file_write(handle, a.data() + start, size_t(n) * sizeof(T)) / sizeof(T));
}
ulong bytes_left(int handle);
template <class T> uint FileReadArray(int handle, array<T>& a, int start = 0, int count = WHOLE_ARRAY) {
    static_assert(std::is_trivially_copyable_v<T>, "only arrays of plain values come from files");
    int64 there = int64(bytes_left(handle) / sizeof(T)), n = count < 0 || count > there ? there : count;
    if (n <= 0 || start < 0) return 0;
    if (start + n > a.size() && (a.is_fixed() || !a.resize(start + n))) n = a.size() - start;
    return n <= 0 ? 0 : uint(file_read(handle, a.data() + start, size_t(n) * sizeof(T)) / sizeof(T));
}
template <class T> uint FileWriteStruct(int handle, const T& v, int size = -1) { return file_write(handle, &v, size < 0 ? sizeof(T) : size_t(size)); }
template <class T> uint FileReadStruct(int handle, T& v, int size = -1) { return file_read(handle, &v, size < 0 ? sizeof(T) : size_t(size)); }
uint FileWriteInteger(int handle, int v, int size = INT_VALUE);
uint FileWriteLong(int handle, int64 v);
uint FileWriteDouble(int handle, double v);
int FileReadInteger(int handle, int size = INT_VALUE);
int64 FileReadLong(int handle);
double FileReadDouble(int handle);
int64 load_file(const string& name, std::string& bytes, int common);
bool save_file(const string& name, const void* data, size_t bytes, int common);
template <class T> int64 FileLoad(const string& name, array<T>& a, int common = 0) {
    std::string bytes;
    if (load_file(name, bytes, common) < 0) return -1;
    a.resize(int64(bytes.size() / sizeof(T)));
    copy_bytes(a.data(), bytes.data(), size_t(a.size()) * sizeof(T));
    return a.size();
}
template <class T> bool FileSave(const string& name, const array<T>& a, int common = 0) { return save_file(name, a.data(), size_t(a.size()) * sizeof(T), common); }

// -- network, hashes ---------------------------------------------------------------------------------------------------
int SocketCreate(uint flags = SOCKET_DEFAULT);
bool SocketClose(int socket);
bool SocketConnect(int socket, const string& server, uint port, uint timeout_ms);
bool SocketIsConnected(int socket);
uint SocketIsReadable(int socket);
bool SocketIsWritable(int socket);
bool SocketTimeouts(int socket, uint send_ms, uint receive_ms);
int SocketRead(int socket, array<uchar>& to, uint most, uint timeout_ms);
int SocketSend(int socket, const array<uchar>& from, uint length);
bool SocketTlsHandshake(int socket, const string& host);
int SocketTlsCertificate(int socket, string& subject, string& issuer, string& serial, string& thumbprint, datetime& expiration);
int SocketTlsRead(int socket, array<uchar>& to, uint most);
int SocketTlsReadAvailable(int socket, array<uchar>& to, uint most);
int SocketTlsSend(int socket, const array<uchar>& from, uint length);
// char[] only, as it is documented: MetaEditor converts no array of uchar.
int WebRequest(const string& method, const string& url, const string& headers, int timeout_ms, const array<char>& data, array<char>& result, string& result_headers);
int CryptEncode(ENUM_CRYPT_METHOD method, const array<uchar>& data, const array<uchar>& key, array<uchar>& result);
int CryptDecode(ENUM_CRYPT_METHOD method, const array<uchar>& data, const array<uchar>& key, array<uchar>& result);

// -- chart, global variables -------------------------------------------------------------------------------------------
int64 ChartID();
string Symbol();
ENUM_TIMEFRAMES Period();
int Digits();
double Point();
void ChartRedraw(int64 chart = 0);
int64 ChartGetInteger(int64 chart, ENUM_CHART_PROPERTY_INTEGER property, int window = 0);
bool ChartSetInteger(int64 chart, ENUM_CHART_PROPERTY_INTEGER property, int64 value);
bool ObjectCreate(int64 chart, const string& name, ENUM_OBJECT type, int window, datetime time, double price);
bool ObjectDelete(int64 chart, const string& name);
int ObjectsDeleteAll(int64 chart, int window = -1, int type = -1);
int ObjectsDeleteAll(int64 chart, const string& prefix, int window = -1, int type = -1);
int ObjectFind(int64 chart, const string& name);
int ObjectsTotal(int64 chart, int window = -1, int type = -1);
string ObjectName(int64 chart, int at, int window = -1, int type = -1);
bool ObjectSetInteger(int64 chart, const string& name, ENUM_OBJECT_PROPERTY_INTEGER property, int64 value);
bool ObjectSetDouble(int64 chart, const string& name, ENUM_OBJECT_PROPERTY_DOUBLE property, double value);
bool ObjectSetString(int64 chart, const string& name, ENUM_OBJECT_PROPERTY_STRING property, const string& value);
int64 ObjectGetInteger(int64 chart, const string& name, ENUM_OBJECT_PROPERTY_INTEGER property);
double ObjectGetDouble(int64 chart, const string& name, ENUM_OBJECT_PROPERTY_DOUBLE property);
string ObjectGetString(int64 chart, const string& name, ENUM_OBJECT_PROPERTY_STRING property);
bool TextSetFont(const string& name, int size, uint flags = 0, int orientation = 0);
bool TextGetSize(const string& text, uint& width, uint& height);
datetime GlobalVariableSet(const string& name, double value);
bool GlobalVariableSetOnCondition(const string& name, double value, double expected);
double GlobalVariableGet(const string& name);
bool GlobalVariableGet(const string& name, double& value);
bool GlobalVariableCheck(const string& name);
bool GlobalVariableDel(const string& name);
bool GlobalVariableTemp(const string& name);
datetime GlobalVariableTime(const string& name);
int GlobalVariablesTotal();
string GlobalVariableName(int at);
void GlobalVariablesFlush();
int GlobalVariablesDeleteAll(const string& prefix = null, datetime before = 0);

// -- account, symbols, trade --------------------------------------------------------------------------------------------
int64 AccountInfoInteger(ENUM_ACCOUNT_INFO_INTEGER property);
double AccountInfoDouble(ENUM_ACCOUNT_INFO_DOUBLE property);
string AccountInfoString(ENUM_ACCOUNT_INFO_STRING property);
int SymbolsTotal(bool selected);
string SymbolName(int at, bool selected);
bool SymbolSelect(const string& name, bool select);
bool SymbolExist(const string& name, bool& custom);
bool SymbolIsSynchronized(const string& name);
int64 SymbolInfoInteger(const string& name, ENUM_SYMBOL_INFO_INTEGER property);
bool SymbolInfoInteger(const string& name, ENUM_SYMBOL_INFO_INTEGER property, int64& value);
double SymbolInfoDouble(const string& name, ENUM_SYMBOL_INFO_DOUBLE property);
bool SymbolInfoDouble(const string& name, ENUM_SYMBOL_INFO_DOUBLE property, double& value);
string SymbolInfoString(const string& name, ENUM_SYMBOL_INFO_STRING property);
bool SymbolInfoString(const string& name, ENUM_SYMBOL_INFO_STRING property, string& value);
bool SymbolInfoTick(const string& name, MqlTick& tick);
bool SymbolInfoSessionTrade(const string& name, ENUM_DAY_OF_WEEK day, uint session, datetime& from, datetime& to);
int PositionsTotal();
ulong PositionGetTicket(int at);
string PositionGetSymbol(int at);
bool PositionSelect(const string& symbol);
bool PositionSelectByTicket(ulong ticket);
int64 PositionGetInteger(ENUM_POSITION_PROPERTY_INTEGER property);
bool PositionGetInteger(ENUM_POSITION_PROPERTY_INTEGER property, int64& value);
double PositionGetDouble(ENUM_POSITION_PROPERTY_DOUBLE property);
bool PositionGetDouble(ENUM_POSITION_PROPERTY_DOUBLE property, double& value);
string PositionGetString(ENUM_POSITION_PROPERTY_STRING property);
bool PositionGetString(ENUM_POSITION_PROPERTY_STRING property, string& value);
int OrdersTotal();
ulong OrderGetTicket(int at);
bool OrderSelect(ulong ticket);
int64 OrderGetInteger(ENUM_ORDER_PROPERTY_INTEGER property);
double OrderGetDouble(ENUM_ORDER_PROPERTY_DOUBLE property);
string OrderGetString(ENUM_ORDER_PROPERTY_STRING property);
bool HistorySelect(datetime from, datetime to);
bool HistorySelectByPosition(int64 position);
int HistoryOrdersTotal();
int HistoryDealsTotal();
ulong HistoryOrderGetTicket(int at);
ulong HistoryDealGetTicket(int at);
bool HistoryOrderSelect(ulong ticket);
bool HistoryDealSelect(ulong ticket);
int64 HistoryOrderGetInteger(ulong ticket, ENUM_ORDER_PROPERTY_INTEGER property);
double HistoryOrderGetDouble(ulong ticket, ENUM_ORDER_PROPERTY_DOUBLE property);
string HistoryOrderGetString(ulong ticket, ENUM_ORDER_PROPERTY_STRING property);
int64 HistoryDealGetInteger(ulong ticket, ENUM_DEAL_PROPERTY_INTEGER property);
bool HistoryDealGetInteger(ulong ticket, ENUM_DEAL_PROPERTY_INTEGER property, int64& value);
double HistoryDealGetDouble(ulong ticket, ENUM_DEAL_PROPERTY_DOUBLE property);
bool HistoryDealGetDouble(ulong ticket, ENUM_DEAL_PROPERTY_DOUBLE property, double& value);
string HistoryDealGetString(ulong ticket, ENUM_DEAL_PROPERTY_STRING property);
bool HistoryDealGetString(ulong ticket, ENUM_DEAL_PROPERTY_STRING property, string& value);
bool OrderSend(const MqlTradeRequest& request, MqlTradeResult& result);
bool OrderSendAsync(const MqlTradeRequest& request, MqlTradeResult& result);
bool OrderCheck(const MqlTradeRequest& request, MqlTradeCheckResult& result);
bool OrderCalcMargin(ENUM_ORDER_TYPE type, const string& symbol, double volume, double price, double& margin);
bool OrderCalcProfit(ENUM_ORDER_TYPE type, const string& symbol, double volume, double open, double close, double& profit);

}  // namespace mql
