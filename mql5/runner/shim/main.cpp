// Command line, inputs, and the program's life: one thread, one event after the other, as on a chart.
#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <set>
#include <thread>

#include "terminal.h"

extern "C" void __gcov_dump() __attribute__((weak));  // there where lines are counted

namespace mql {

using namespace runner;
using std::chrono::microseconds;
using std::chrono::steady_clock;

namespace runner {

Options options __attribute__((init_priority(101)));
void catch_faults();

static const char* USAGE =
    "usage: %s [--set INPUT=VALUE]... [options]\n"
    "  --set INPUT=VALUE     any input of the program; --inputs lists them\n"
    "  --set-env INPUT=NAME  an input whose value is in this environment variable: secrets are no arguments\n"
    "  --account NAME        the account at the simulated broker; --broker SOCKET where that is (a path, or HOST:PORT)\n"
    "  --data DIR            the terminal's data folder (default .); files are in DIR/MQL5/Files\n"
    "  --common DIR          the common folder of all terminals (default DIR/Common/Files)\n"
    "  --symbol NAME         the chart's symbol (default EURUSD)\n"
    "  --number, --currency, --margin-mode, --balance, --leverage, --suffix   of an account that the broker does not know yet\n"
    "  --timer-floor-ms N    shortest period of a timer (default 16, as in a terminal)\n"
    "  --empty-ms N          how long after the start the terminal shows no positions and orders (default 0)\n"
    "  --server-offset-s N   the trade server's clock against UTC, in seconds (default 0)\n"
    "  --pace N              the machine's clocks go N times as fast (the broker's do not); for tests\n"
    "  --die WHERE:TEXT:N    end as by kill -9, for tests: 'before' the Nth write that holds TEXT, 'after' it was flushed,\n"
    "                        'send' when the Nth trade request was carried out and not told of yet\n"
    "  --allow HOST          only these addresses may be connected to (default all), as in the terminal's list\n"
    "  --ca FILE             trust these certificates, too\n"
    "  --panel FILE          write what the chart shows to this file\n"
    "  --tape FILE           write what goes over the program's sockets, and when, to this file; for measuring\n"
    "  --switch NAME=VALUE   algo, chart_algo, trade_allowed, trade_expert, connected: 0 or 1; also from DIR/switches, on SIGUSR1\n";

static std::mutex switches_guard;
void load_switches() {
    std::ifstream in(options.data + "/switches");
    std::string line;
    std::lock_guard hold(switches_guard);
    while (std::getline(in, line)) {
        size_t equals = line.find('=');
        if (equals != std::string::npos) options.switches[line.substr(0, equals)] = std::atoll(line.c_str() + equals + 1);
    }
}
long long switched(const char* name, long long otherwise) {
    std::lock_guard hold(switches_guard);
    auto it = options.switches.find(name);
    return it == options.switches.end() ? otherwise : it->second;
}

static std::pair<std::string, std::string> split(const char* program, const std::string& text) {
    size_t equals = text.find('=');
    if (equals == std::string::npos) {
        std::fprintf(stderr, "%s: expected NAME=VALUE, got %s\n", program, text.c_str());
        std::exit(2);
    }
    return {text.substr(0, equals), text.substr(equals + 1)};
}

// The Nth time that it comes to where the command line wants it to die, it does.
void fated(const char* where, const std::string& what) {
    static std::mutex counting;
    static auto& times = *new std::map<std::string, int>;
    for (const std::string& fate : options.dies) {
        size_t first = fate.find(':'), last = fate.rfind(':');
        if (fate.substr(0, first) != where || what.find(fate.substr(first + 1, last - first - 1)) == std::string::npos) continue;
        std::lock_guard hold(counting);
        if (++times[fate] != std::atoi(fate.c_str() + last + 1)) continue;
        if (__gcov_dump) __gcov_dump();
        kill(getpid(), SIGKILL);
    }
}

static bool list_inputs = false;

// Before the program's globals begin: their inputs are read then.
__attribute__((constructor(150))) static void read_command_line(int argc, char** argv, char**) {
    std::map<std::string, std::string*> texts = {
        {"--account", &options.account}, {"--number", &options.number}, {"--currency", &options.currency}, {"--margin-mode", &options.margin_mode},
        {"--balance", &options.balance}, {"--leverage", &options.leverage}, {"--suffix", &options.suffix}, {"--broker", &options.broker},
        {"--data", &options.data}, {"--common", &options.common}, {"--symbol", &options.symbol}, {"--ca", &options.ca}, {"--panel", &options.panel},
        {"--tape", &options.tape},
    };
    std::map<std::string, int*> numbers = {{"--timer-floor-ms", &options.timer_floor_ms}, {"--empty-ms", &options.empty_ms}};
    for (int i = 1; i < argc; ++i) {
        std::string flag = argv[i];
        if (flag == "--inputs") { list_inputs = true; continue; }
        if (flag == "--help" || flag == "-h" || i + 1 >= argc) { std::fprintf(flag[1] == 'h' || flag == "--help" ? stdout : stderr, USAGE, argv[0]); std::exit(flag == "--help" || flag == "-h" ? 0 : 2); }
        std::string value = argv[++i];
        if (texts.count(flag)) *texts[flag] = value;
        else if (numbers.count(flag)) *numbers[flag] = std::atoi(value.c_str());
        else if (flag == "--server-offset-s") options.server_offset_s = std::atoll(value.c_str());
        else if (flag == "--pace") options.pace = std::max(0.1, std::atof(value.c_str()));
        else if (flag == "--die") options.dies.push_back(value);
        else if (flag == "--set") options.inputs.insert_or_assign(split(argv[0], value).first, split(argv[0], value).second);
        else if (flag == "--set-env") {
            auto [input, variable] = split(argv[0], value);
            const char* held = std::getenv(variable.c_str());
            if (!held) { std::fprintf(stderr, "%s: %s is not in the environment\n", argv[0], variable.c_str()); std::exit(2); }
            options.inputs.insert_or_assign(input, held);
        }
        else if (flag == "--switch") options.switches[split(argv[0], value).first] = std::atoll(split(argv[0], value).second.c_str());
        else if (flag == "--allow") { options.allow_all = false; options.allowed.push_back(value); }
        else { std::fprintf(stderr, "%s: unknown option %s\n", argv[0], flag.c_str()); std::fprintf(stderr, USAGE, argv[0]); std::exit(2); }
    }
    if (options.common.empty()) options.common = options.data + "/Common/Files";
    for (const std::string& folder : {options.data, options.data + "/MQL5", options.data + "/MQL5/Files"}) mkdir(folder.c_str(), 0777);
    load_switches();
    begin_clock();
    catch_faults();
    std::atexit([] { report_leaks(); dump_panel(); });  // runs after the program's globals are gone
}

// -- the event queue -----------------------------------------------------------------------------------------------------

static std::mutex guard;
static std::condition_variable something;
static auto& transactions = *new std::deque<Transaction>;  // never destroyed: other threads may still be at it
static bool tick_waits = false, woken = false;
static std::atomic<bool> stopped{false}, finished{false};
static std::atomic<int> reason{REASON_PROGRAM};
static int exit_code = 0;
static constexpr size_t MOST_TRANSACTIONS = 1024;

static bool timer_on = false;
static microseconds timer_period{0};
static steady_clock::time_point timer_due;

void wake() { std::lock_guard hold(guard); woken = true; something.notify_all(); }
void stop_for(int why) { reason = why; stopped = true; wake(); }
void queue_transaction(Transaction t) {
    std::lock_guard hold(guard);
    if (transactions.size() >= MOST_TRANSACTIONS) transactions.pop_front();
    transactions.push_back(std::move(t));
    something.notify_all();
}
void queue_tick() { std::lock_guard hold(guard); tick_waits = true; something.notify_all(); }

void leave(int code) {
    dump_panel();
    std::fflush(stdout);
    std::fflush(stderr);
    if (__gcov_dump) __gcov_dump();
    _exit(code);
}

static void after_timer() {
    auto now = steady_clock::now();
    timer_due += timer_period;
    if (timer_due <= now) timer_due += ((now - timer_due) / timer_period + 1) * timer_period;  // what came meanwhile is not queued
}

// One event; false: there is none now.
static bool take_event() {
    std::unique_lock hold(guard);
    if (!transactions.empty()) {
        Transaction t = std::move(transactions.front());
        transactions.pop_front();
        hold.unlock();
        if (program_events.transaction) program_events.transaction(t.event, t.request, t.result);
        if (program_events.trade && t.event.type != TRADE_TRANSACTION_REQUEST) program_events.trade();
        return true;
    }
    if (tick_waits) {
        tick_waits = false;
        hold.unlock();
        if (program_events.tick) program_events.tick();
        return true;
    }
    hold.unlock();
    if (timer_on && steady_clock::now() >= timer_due) {
        if (program_events.timer) program_events.timer();
        after_timer();
        return true;
    }
    return false;
}

static void loop() {
    while (!stopped) {
        if (take_event()) continue;
        std::unique_lock hold(guard);
        auto pending = [] { return woken || !transactions.empty() || tick_waits || stopped.load(); };
        if (timer_on) something.wait_until(hold, timer_due, pending);
        else something.wait(hold, pending);
        woken = false;
    }
}

// Signals are waited for on a thread of their own: none ever interrupts the program's own calls.
static void wait_for_signals(sigset_t set) {
    int number = 0;
    while (sigwait(&set, &number) == 0) {
        if (number == SIGUSR1) { load_switches(); continue; }
        stop_for(REASON_CLOSE);
        // A terminal that closes waits for a running event, then 2.5 s for OnDeinit; then the program is ended.
        for (int i = 0; i < 550 && !finished; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        if (finished) return;
        std::fprintf(stderr, "%s: abnormal termination: still busy 5.5 s after it was told to end\n", program_facts.name);
        leave(71);
    }
}

static std::vector<std::pair<std::string, string>>& declared() {
    static auto* all = new std::vector<std::pair<std::string, string>>;
    return *all;
}

static void check_inputs() {
    std::set<std::string> names;
    for (auto& [name, value] : declared()) names.insert(name);
    for (auto& [name, value] : options.inputs) {
        if (names.count(name)) continue;
        std::fprintf(stderr, "%s: no input %s; there are:", program_facts.name, name.c_str());
        for (auto& n : names) std::fprintf(stderr, " %s", n.c_str());
        std::fprintf(stderr, "\n");
        std::exit(2);
    }
}

static int life() {
    if (program_events.start) { program_events.start(); return exit_code; }
    int made = program_events.init ? program_events.init() : INIT_SUCCEEDED;
    if (made != INIT_SUCCEEDED) {
        std::fprintf(stderr, "%s: OnInit returned %d: the program is removed\n", program_facts.name, made);
        if (program_events.deinit) program_events.deinit(REASON_INITFAILED);
        return 3;
    }
    loop();
    if (program_events.deinit) program_events.deinit(reason);
    return exit_code;
}

}  // namespace runner

// -- what programs call ---------------------------------------------------------------------------------------------------

bool input_given(const char* name, string& text) {
    auto it = options.inputs.find(name);
    if (it == options.inputs.end()) return false;
    text = utf8(it->second);
    return true;
}
void bad_input(const char* name, const string& text) {
    std::fprintf(stderr, "input %s cannot be '%s'\n", name, text.utf8().c_str());
    std::exit(2);
}
void declare_input(const char* name, const string& value) { declared().emplace_back(name, value); }

bool IsStopped() { return stopped; }
int UninitializeReason() { return reason; }
void ExpertRemove() { stop_for(REASON_PROGRAM); }
void Sleep(int ms) { if (ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }
bool EventSetMillisecondTimer(int ms) {
    if (ms <= 0) return fails(ERR_INVALID_PARAMETER);
    timer_period = std::chrono::milliseconds(std::max(ms, options.timer_floor_ms));
    timer_due = steady_clock::now() + timer_period;
    timer_on = true;
    return true;
}
bool EventSetTimer(int seconds) { return EventSetMillisecondTimer(seconds * 1000); }
void EventKillTimer() { timer_on = false; }
void set_exit_code(int code) { exit_code = code; }

}  // namespace mql

int main() {
    using namespace mql;
    if (list_inputs) {
        for (auto& [name, value] : declared()) std::printf("%s=%s\n", name.c_str(), value.utf8().c_str());
        return 0;
    }
    check_inputs();
    sigset_t set;
    sigemptyset(&set);
    for (int number : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, number);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    std::thread(wait_for_signals, set).detach();
    start_terminal();
    int code = life();
    finished = true;
    std::exit(code);  // the program's globals are destroyed, as when a terminal unloads it
}
