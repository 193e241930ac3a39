// Runtime errors, handles, names of enumeration values, output.
#include <execinfo.h>
#include <cxxabi.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <typeindex>
#include <unordered_map>

#include "runner.h"

extern "C" char __executable_start;  // the linker's

namespace mql {

using namespace runner;

// -- errors ------------------------------------------------------------------------------------------------------------

static void say_error(const std::string& what, const char* file, int line) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s:%d: runtime error: %s\n", file, line, what.c_str());
    leave(70);
}

void runtime_error(const char* what, const char* file, int line) {
    say_error(what, file, line);
    std::abort();
}

void out_of_range(int64 index, int size, const char* file, int line) {
    say_error("array out of range (index " + std::to_string(index) + ", size " + std::to_string(size) + ")", file, line);
    std::abort();
}

namespace runner {

// The innermost line of the program itself, by the tool that comes with the compiler.
static std::string where(void* const* frames, int n) {
    char self[512];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) return "?:0";
    self[length] = 0;
    std::string command = std::string("addr2line -e '") + self + "'";
    unsigned long base = reinterpret_cast<unsigned long>(&__executable_start);
    char text[64];
    for (int i = 0; i < n; ++i) {
        std::snprintf(text, sizeof text, " 0x%lx", reinterpret_cast<unsigned long>(frames[i]) - base - (i ? 1 : 0));
        command += text;
    }
    command += " 2>/dev/null";
    std::string found = "?:0";
    std::FILE* out = popen(command.c_str(), "r");
    char line[1024];
    while (out && std::fgets(line, sizeof line, out)) {
        std::string place(line);
        if (place.find(".mq") == std::string::npos) continue;
        found = place.substr(0, place.find_first_of(" \n"));
        size_t at = found.find("mql5/");
        if (at != std::string::npos && found[0] == '/') found = found.substr(at);
        break;
    }
    if (out) pclose(out);
    return found;
}

static void on_fault(int number, siginfo_t*, void* context) {
    static std::atomic<bool> busy{false};
    if (busy.exchange(true)) _exit(70);
    void* frames[48];
    int n = backtrace(frames, 48);
#ifdef __x86_64__
    if (n < 47 && context) { frames[n++] = frames[0]; frames[0] = reinterpret_cast<void*>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]); }
#endif
    std::fflush(stdout);
    const char* what = number == SIGFPE ? "zero divide" : "access violation (or stack overflow)";
    std::fprintf(stderr, "%s: runtime error: %s\n", where(frames, n).c_str(), what);
    std::fflush(stderr);
    _exit(70);
}

void catch_faults() {
    static char stack[65536];
    stack_t other{};
    other.ss_sp = stack;
    other.ss_size = sizeof stack;
    sigaltstack(&other, nullptr);
    struct sigaction act{};
    act.sa_sigaction = on_fault;
    act.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGFPE, &act, nullptr);
#ifndef __SANITIZE_ADDRESS__
    sigaction(SIGSEGV, &act, nullptr);
#endif
}

static thread_local int last_error = 0;
void fail(int code) { last_error = code; }
bool fails(int code) { last_error = code; return false; }

}  // namespace runner

int GetLastError() { return last_error; }
void ResetLastError() { last_error = 0; }
void SetUserError(ushort code) { last_error = 65536 + code; }
void DebugBreak() {}

// -- handles -----------------------------------------------------------------------------------------------------------

static std::deque<Slot>& slots() {
    static auto* all = new std::deque<Slot>{{nullptr, 1, nullptr, ""}};  // never destroyed: programs' globals are, later
    return *all;
}
static std::vector<uint32_t>& free_slots() {
    static auto* all = new std::vector<uint32_t>;
    return *all;
}

Slot& slot_of(uint32_t number) { return slots()[number]; }
uint32_t take_slot(void* object, void (*destroy)(void*), const char* type) {
    uint32_t number;
    if (free_slots().empty()) {
        number = uint32_t(slots().size());
        slots().push_back({nullptr, 1, nullptr, nullptr});
    } else {
        number = free_slots().back();
        free_slots().pop_back();
    }
    Slot& s = slots()[number];
    s.object = object;
    s.destroy = destroy;
    s.type = type;
    return number;
}
void free_slot(uint32_t number) {
    Slot& s = slots()[number];
    s.object = nullptr;
    ++s.serial;
    free_slots().push_back(number);
}
void warn_invalid_delete(const char* file, int line) { std::fprintf(stderr, "%s:%d: warning: delete of an invalid pointer\n", file, line); }

void runner::report_leaks() {
    std::map<std::string, int> left;
    for (auto& s : slots()) if (s.object) ++left[s.type];
    for (auto& [type, n] : left) {
        int status = 0;
        char* name = abi::__cxa_demangle(type.c_str(), nullptr, nullptr, &status);
        std::string shown = status == 0 && name ? name : type;
        std::free(name);
        const std::string scope = "mql::program::";
        for (size_t at; (at = shown.find(scope)) != std::string::npos;) shown.erase(at, scope.size());
        std::fprintf(stderr, "%d undeleted object%s of class %s left\n", n, n == 1 ? "" : "s", shown.c_str());
    }
}

// -- names of enumeration values ----------------------------------------------------------------------------------------

static std::unordered_map<std::type_index, std::vector<EnumRow>>& enums() {
    static auto* all = new std::unordered_map<std::type_index, std::vector<EnumRow>>;
    return *all;
}
EnumNames::EnumNames(const std::type_info& type, std::vector<EnumRow> rows) { enums()[type] = std::move(rows); }
string enum_text(const std::type_info& type, int64 value) {
    auto found = enums().find(type);
    if (found != enums().end()) for (auto& row : found->second) if (row.value == value) return utf8(row.name);
    return string(value);
}
bool enum_value(const std::type_info& type, const std::string& name, int64& value) {
    auto found = enums().find(type);
    if (found != enums().end()) for (auto& row : found->second) if (name == row.name) { value = row.value; return true; }
    return false;
}

// -- output ------------------------------------------------------------------------------------------------------------

void print_line(const string& text) {
    std::string line = text.utf8() + "\n";
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
}
void show_alert(const string& text) { print_line(string(u"Alert: ") + text); }
bool SendNotification(const string& text) { print_line(string(u"Notification: ") + text); return true; }
bool SendMail(const string& subject, const string& text) { print_line(string(u"Mail: ") + subject + string(u": ") + text); return true; }
bool PlaySound(const string&) { return true; }

string here(const char* function) {
    std::string s(function);
    size_t end = s.find('(');
    s = s.substr(0, end);
    size_t blank = s.rfind(' ');
    if (blank != std::string::npos) s = s.substr(blank + 1);
    const std::string scope = "mql::program::";
    if (s.rfind(scope, 0) == 0) s = s.substr(scope.size());
    return utf8(s);
}
string base_name(const char* file) {
    std::string s(file);
    size_t slash = s.rfind('/');
    return utf8(slash == std::string::npos ? s : s.substr(slash + 1));
}

}  // namespace mql
