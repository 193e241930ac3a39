// The chart: objects and comment are kept, not drawn, and written to `--panel FILE`. The terminal's global variables.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "runner.h"

namespace mql {

using namespace runner;

namespace {
struct Object {
    ENUM_OBJECT type;
    std::map<int, int64> integers;
    std::map<int, double> doubles;
    std::map<int, string> texts;
};
std::map<std::string, Object> objects __attribute__((init_priority(110)));
string comment __attribute__((init_priority(110)));
constexpr int64 CHART = 130000000000000001;

Object* find(int64 chart, const string& name) {
    if (chart != 0 && chart != CHART) { fail(ERR_CHART_NOT_FOUND); return nullptr; }
    auto it = objects.find(name.utf8());
    if (it == objects.end()) { fail(ERR_OBJECT_NOT_FOUND); return nullptr; }
    return &it->second;
}
}  // namespace

void runner::dump_panel() {
    if (options.panel.empty()) return;
    std::string next = options.panel + ".new";
    {
        std::ofstream out(next);
        if (!comment.text().empty()) out << comment.utf8() << "\n";
        for (auto& [name, o] : objects) {
            auto text = o.texts.find(OBJPROP_TEXT);
            auto ink = o.integers.find(OBJPROP_COLOR);
            out << name << "\t" << EnumToString(o.type).utf8() << "\t" << (text == o.texts.end() ? "" : text->second.utf8());
            if (ink != o.integers.end()) out << "\t" << ColorToString(color(ink->second)).utf8();
            out << "\n";
        }
    }
    std::rename(next.c_str(), options.panel.c_str());
}

void show_comment(const string& text) { comment = text; dump_panel(); }
int64 ChartID() { return CHART; }
void ChartRedraw(int64) { dump_panel(); }
int64 ChartGetInteger(int64, ENUM_CHART_PROPERTY_INTEGER p, int) { return p == CHART_WIDTH_IN_PIXELS ? 1280 : p == CHART_HEIGHT_IN_PIXELS ? 720 : 0; }
bool ChartSetInteger(int64, ENUM_CHART_PROPERTY_INTEGER, int64) { return true; }
ENUM_TIMEFRAMES Period() { return PERIOD_H1; }

bool ObjectCreate(int64 chart, const string& name, ENUM_OBJECT type, int window, datetime, double) {
    if ((chart != 0 && chart != CHART) || window != 0) return fails(ERR_CHART_NOT_FOUND);
    if (name.text().empty() || name.text().size() > 63) return fails(ERR_OBJECT_ERROR);
    objects[name.utf8()].type = type;
    return true;
}
bool ObjectDelete(int64 chart, const string& name) { return find(chart, name) && objects.erase(name.utf8()) == 1; }
static int delete_all(const std::string& prefix, int type) {
    int n = 0;
    for (auto it = objects.begin(); it != objects.end();) {
        if (it->first.rfind(prefix, 0) == 0 && (type < 0 || it->second.type == type)) { it = objects.erase(it); ++n; }
        else ++it;
    }
    return n;
}
int ObjectsDeleteAll(int64, int, int type) { return delete_all("", type); }
int ObjectsDeleteAll(int64, const string& prefix, int, int type) { return delete_all(prefix.utf8(), type); }
int ObjectFind(int64 chart, const string& name) { return find(chart, name) ? 0 : -1; }
int ObjectsTotal(int64, int, int type) {
    int n = 0;
    for (auto& [name, o] : objects) n += type < 0 || o.type == type;
    return n;
}
string ObjectName(int64, int at, int, int type) {
    for (auto& [name, o] : objects) if ((type < 0 || o.type == type) && at-- == 0) return utf8(name);
    return string(u"");
}
bool ObjectSetInteger(int64 c, const string& name, ENUM_OBJECT_PROPERTY_INTEGER p, int64 v) { Object* o = find(c, name); if (o) o->integers[p] = v; return o; }
bool ObjectSetDouble(int64 c, const string& name, ENUM_OBJECT_PROPERTY_DOUBLE p, double v) { Object* o = find(c, name); if (o) o->doubles[p] = v; return o; }
bool ObjectSetString(int64 c, const string& name, ENUM_OBJECT_PROPERTY_STRING p, const string& v) {
    Object* o = find(c, name);
    if (o) o->texts[p] = StringSubstr(v, 0, 63);  // the terminal shows no more than 63 characters of a text
    return o;
}
int64 ObjectGetInteger(int64 c, const string& name, ENUM_OBJECT_PROPERTY_INTEGER p) { Object* o = find(c, name); return o ? o->integers[p] : 0; }
double ObjectGetDouble(int64 c, const string& name, ENUM_OBJECT_PROPERTY_DOUBLE p) { Object* o = find(c, name); return o ? o->doubles[p] : 0; }
string ObjectGetString(int64 c, const string& name, ENUM_OBJECT_PROPERTY_STRING p) { Object* o = find(c, name); return o ? o->texts[p] : string(u""); }
bool TextSetFont(const string&, int, uint, int) { return true; }
bool TextGetSize(const string& text, uint& width, uint& height) { width = uint(StringLen(text)) * 7; height = 14; return true; }

// -- global variables of the terminal: one file for all programs of a data folder ------------------------------------------

namespace {
struct Global { double value; datetime at; };
using Globals = std::map<std::string, Global>;

class Store {  // locked while it lives
public:
    Store() : path_(options.data + "/gvariables.txt") {
        fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd_ >= 0) flock(fd_, LOCK_EX);
        std::ifstream in(path_);
        std::string line;
        while (std::getline(in, line)) {
            size_t a = line.find('\t'), b = line.find('\t', a + 1);
            if (b != std::string::npos) all[line.substr(b + 1)] = {std::strtod(line.c_str(), nullptr), datetime(std::strtoll(line.c_str() + a + 1, nullptr, 10))};
        }
    }
    ~Store() { if (fd_ >= 0) close(fd_); }
    void keep() {
        std::ostringstream out;
        out.precision(17);
        for (auto& [name, g] : all) out << g.value << "\t" << g.at << "\t" << name << "\n";
        std::string text = out.str();
        if (ftruncate(fd_, 0) != 0 || pwrite(fd_, text.data(), text.size(), 0) != ssize_t(text.size())) fail(ERR_FILE_WRITEERROR);
    }
    Globals all;

private:
    std::string path_;
    int fd_;
};
}  // namespace

datetime GlobalVariableSet(const string& name, double value) {
    if (name.text().empty() || name.text().size() > 63) { fail(ERR_INVALID_PARAMETER); return 0; }
    Store s;
    s.all[name.utf8()] = {value, TimeLocal()};
    s.keep();
    return TimeLocal();
}
bool GlobalVariableSetOnCondition(const string& name, double value, double expected) {
    Store s;
    auto it = s.all.find(name.utf8());
    if (it == s.all.end()) return fails(ERR_GLOBALVARIABLE_NOT_FOUND);
    if (it->second.value != expected) return false;
    it->second = {value, TimeLocal()};
    s.keep();
    return true;
}
bool GlobalVariableGet(const string& name, double& value) {
    Store s;
    auto it = s.all.find(name.utf8());
    if (it == s.all.end()) return fails(ERR_GLOBALVARIABLE_NOT_FOUND);
    value = it->second.value;
    it->second.at = TimeLocal();
    s.keep();
    return true;
}
double GlobalVariableGet(const string& name) { double v = 0; GlobalVariableGet(name, v); return v; }
bool GlobalVariableCheck(const string& name) { Store s; return s.all.count(name.utf8()) == 1; }
bool GlobalVariableDel(const string& name) { Store s; bool there = s.all.erase(name.utf8()) == 1; s.keep(); return there ? true : fails(ERR_GLOBALVARIABLE_NOT_FOUND); }
bool GlobalVariableTemp(const string& name) { if (GlobalVariableCheck(name)) return fails(ERR_GLOBALVARIABLE_EXISTS); return GlobalVariableSet(name, 0) != 0; }
datetime GlobalVariableTime(const string& name) { Store s; auto it = s.all.find(name.utf8()); return it == s.all.end() ? 0 : it->second.at; }
int GlobalVariablesTotal() { Store s; return int(s.all.size()); }
string GlobalVariableName(int at) { Store s; for (auto& [name, g] : s.all) if (at-- == 0) return utf8(name); return string(u""); }
void GlobalVariablesFlush() {}
int GlobalVariablesDeleteAll(const string& prefix, datetime before) {
    Store s;
    int n = 0;
    std::string p = prefix.utf8();
    for (auto it = s.all.begin(); it != s.all.end();) {
        if (it->first.rfind(p, 0) == 0 && (!before || it->second.at < before)) { it = s.all.erase(it); ++n; }
        else ++it;
    }
    s.keep();
    return n;
}

}  // namespace mql
