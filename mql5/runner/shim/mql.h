// What a translated program includes: the language, the words, the functions, and what it tells the runner about itself.
#pragma once
#include "base.h"
#include "calls.h"
#include "words.h"

#define __MQL5__ 1
#define __MQL__ 1
#define __MQLBUILD__ 5000
#define __MQL5BUILD__ 5000

namespace mql {

inline constexpr datetime BUILT_AT = 0;

struct Events {
    int (*init)() = nullptr;
    void (*deinit)(int reason) = nullptr;
    void (*tick)() = nullptr;
    void (*timer)() = nullptr;
    void (*trade)() = nullptr;
    void (*start)() = nullptr;
    void (*transaction)(const MqlTradeTransaction&, const MqlTradeRequest&, const MqlTradeResult&) = nullptr;
    void (*chart)(const int, const int64&, const double&, const string&) = nullptr;
};
extern const Events program_events;
struct ProgramFacts { const char* name; const char* version; };
extern const ProgramFacts program_facts;

inline auto event_init(int (*f)()) { return f; }
inline void (*void_init)() = nullptr;
inline auto event_init(void (*f)()) { void_init = f; return +[]() -> int { void_init(); return 0; }; }
inline auto event_deinit(void (*f)(int)) { return f; }
inline auto event_tick(void (*f)()) { return f; }
inline auto event_timer(void (*f)()) { return f; }
inline auto event_trade(void (*f)()) { return f; }
inline auto event_start(void (*f)()) { return f; }
void set_exit_code(int code);
inline int (*int_start)() = nullptr;
inline auto event_start(int (*f)()) { int_start = f; return +[] { set_exit_code(int_start()); }; }
inline auto event_transaction(void (*f)(const MqlTradeTransaction&, const MqlTradeRequest&, const MqlTradeResult&)) { return f; }
inline auto event_chart(void (*f)(const int, const int64&, const double&, const string&)) { return f; }

struct EnumRow { int64 value; const char* name; };
class EnumNames {
public:
    EnumNames(const std::type_info& type, std::vector<EnumRow> rows);
};
bool enum_value(const std::type_info& type, const std::string& name, int64& value);

// The value that the command line gives an input, or the one in the source.
bool input_given(const char* name, string& text);
[[noreturn]] void bad_input(const char* name, const string& text);
void declare_input(const char* name, const string& value);
template <class T, class V>
T input(const char* name, V initial) {
    T value = T(initial);
    string given;
    if (input_given(name, given)) {
        std::string text = given.utf8();
        int64 number = 0;
        if constexpr (std::is_same_v<T, string>) value = given;
        else if constexpr (std::is_enum_v<T>) {
            if (!enum_value(typeid(T), text, number) && (text.empty() || text.find_first_not_of("-0123456789") != std::string::npos)) bad_input(name, given);
            value = T(number ? number : StringToInteger(given));
            if (enum_value(typeid(T), text, number)) value = T(number);
        } else if constexpr (std::is_same_v<T, bool>) {
            if (text != "true" && text != "false" && text != "1" && text != "0") bad_input(name, given);
            value = text == "true" || text == "1";
        } else {
            if (text.empty() || text.find_first_not_of("+-.0123456789eE") != std::string::npos) bad_input(name, given);
            if constexpr (std::is_floating_point_v<T>) value = T(StringToDouble(given));
            else value = T(StringToInteger(given));
        }
    }
    declare_input(name, string(u"") + value);
    return value;
}

}  // namespace mql

// The chart's own figures are variables in MQL5.
#define _Symbol (mql::Symbol())
#define _Period (mql::Period())
#define _Digits (mql::Digits())
#define _Point (mql::Point())
#define _LastError (mql::GetLastError())
#define _StopFlag (mql::IsStopped())
#define _UninitReason (mql::UninitializeReason())
