// As much JSON as the broker's wire needs. The program's own JSON is MQL5 and not this.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace mql::runner {

class Json {
public:
    enum Kind { NOTHING, TRUTH, NUMBER, TEXT, LIST, MAP } kind = NOTHING;
    std::string text;  // of a number as it was written, too
    std::vector<Json> list;
    std::map<std::string, Json> map;

    static Json read(const std::string& source) { size_t at = 0; return value(source, at); }
    const Json& operator[](const char* name) const { static const Json none; auto it = map.find(name); return it == map.end() ? none : it->second; }
    long long integer() const { return std::strtoll(text.c_str(), nullptr, 10); }
    unsigned long long natural() const { return std::strtoull(text.c_str(), nullptr, 10); }
    double real() const { return std::strtod(text.c_str(), nullptr); }
    explicit operator bool() const { return kind != NOTHING; }

    static std::string quoted(const std::string& s) {
        std::string out = "\"";
        char code[8];
        for (unsigned char c : s) {
            if (c == '"' || c == '\\') { out += '\\'; out += char(c); }
            else if (c < 32) { std::snprintf(code, sizeof code, "\\u%04x", c); out += code; }
            else out += char(c);
        }
        return out + "\"";
    }

private:
    static void blank(const std::string& s, size_t& at) { while (at < s.size() && (s[at] == ' ' || s[at] == '\n' || s[at] == '\t' || s[at] == '\r')) ++at; }
    static Json value(const std::string& s, size_t& at) {
        Json v;
        blank(s, at);
        if (at >= s.size()) return v;
        char c = s[at];
        if (c == '{' || c == '[') {
            v.kind = c == '{' ? MAP : LIST;
            char end = c == '{' ? '}' : ']';
            ++at;
            for (blank(s, at); at < s.size() && s[at] != end; blank(s, at)) {
                if (s[at] == ',') { ++at; continue; }
                if (c == '[') { v.list.push_back(value(s, at)); continue; }
                std::string name = word(s, at);
                blank(s, at);
                ++at;  // the colon
                v.map[name] = value(s, at);
            }
            ++at;
        } else if (c == '"') {
            v.kind = TEXT;
            v.text = word(s, at);
        } else {
            size_t begin = at;
            while (at < s.size() && std::string(",]} \n").find(s[at]) == std::string::npos) ++at;
            v.text = s.substr(begin, at - begin);
            v.kind = v.text == "null" ? NOTHING : v.text == "true" || v.text == "false" ? TRUTH : NUMBER;
        }
        return v;
    }
    static std::string word(const std::string& s, size_t& at) {
        std::string out;
        for (++at; at < s.size() && s[at] != '"'; ++at) {
            if (s[at] != '\\') { out += s[at]; continue; }
            char c = s[++at];
            if (c == 'u') {
                unsigned code = unsigned(std::strtoul(s.substr(at + 1, 4).c_str(), nullptr, 16));
                at += 4;
                if (code < 0x80) out += char(code);
                else if (code < 0x800) { out += char(0xC0 | code >> 6); out += char(0x80 | (code & 63)); }
                else { out += char(0xE0 | code >> 12); out += char(0x80 | (code >> 6 & 63)); out += char(0x80 | (code & 63)); }
            } else out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c;
        }
        ++at;
        return out;
    }
};

}  // namespace mql::runner
