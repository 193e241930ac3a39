// What MQL5's language needs that C++ does not have: strings, checked arrays, checked handles, runtime errors.
#pragma once
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace mql {

using int64 = long long;  // `long` of C++ is `datetime` here: two types of one size, so that overloads tell them apart
using uchar = unsigned char;
using ushort = unsigned short;
using uint = unsigned int;
using ulong = unsigned long long;
using datetime = long;
using color = unsigned int;

// Ends the program as the terminal does: the text, file and line go to stderr, the exit code is 70.
[[noreturn]] void runtime_error(const char* what, const char* file, int line);
[[noreturn]] void out_of_range(int64 index, int size, const char* file, int line);

struct null_t {
    template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>>
    constexpr operator T() const { return T(0); }
};
inline constexpr null_t null{};

// -- strings: UTF-16; NULL and "" are two things ----------------------------------------------------------------------

std::u16string wide(const std::string& utf8);
std::string narrow(const std::u16string& text);

// memcpy that takes nothing from nowhere, too.
inline void copy_bytes(void* to, const void* from, size_t n) { if (n) std::memcpy(to, from, n); }

class string {
public:
    string() = default;
    string(null_t) {}
    template <size_t N>
    string(const char16_t (&text)[N]) : text_(text, N - 1), set_(true) {}
    string(std::u16string text) : text_(std::move(text)), set_(true) {}
    explicit string(bool v);
    explicit string(double v);
    explicit string(float v);
    explicit string(datetime v);
    template <class T, class = std::enable_if_t<std::is_integral_v<T> || std::is_enum_v<T>>>
    explicit string(T v) : string(digits(v)) {}
    explicit operator int64() const;
    explicit operator int() const { return int(int64(*this)); }
    explicit operator uint() const { return uint(int64(*this)); }
    explicit operator ulong() const;
    explicit operator datetime() const;
    explicit operator double() const;
    explicit operator bool() const;

    string& operator=(null_t) { text_.clear(); set_ = false; return *this; }
    template <class T>
    string& operator+=(const T& more) { text_ += as_text(more).text_; set_ = true; return *this; }
    ushort operator[](int64 i) const { return i >= 0 && size_t(i) < text_.size() ? ushort(text_[size_t(i)]) : ushort(0); }

    bool is_null() const { return !set_; }
    const std::u16string& text() const { return text_; }
    std::u16string& edit() { set_ = true; return text_; }
    std::string utf8() const { return narrow(text_); }

    static const string& as_text(const string& s) { return s; }
    template <class T, class = std::enable_if_t<std::is_arithmetic_v<T> || std::is_enum_v<T>>>
    static string as_text(T v) { return string(v); }
    static string as_text(null_t) { return {}; }

private:
    template <class T>
    static string digits(T v) {
        if constexpr (std::is_enum_v<T>) return digits(std::underlying_type_t<T>(v));
        else if constexpr (std::is_signed_v<T>) return of_signed(v);
        else return of_unsigned(v);
    }
    static string of_signed(int64 v);
    static string of_unsigned(ulong v);

    std::u16string text_;
    bool set_ = false;
};

string utf8(const std::string& text);
string here(const char* function);
string base_name(const char* file);

template <class T>
string operator+(const string& a, const T& b) { string r = a; r += b; return r; }
template <class T, class = std::enable_if_t<std::is_arithmetic_v<T> || std::is_enum_v<T>>>
string operator+(T a, const string& b) { string r(a); r += b; return r; }

inline bool operator==(const string& a, const string& b) { return a.is_null() == b.is_null() && a.text() == b.text(); }
inline bool operator!=(const string& a, const string& b) { return !(a == b); }
inline bool operator<(const string& a, const string& b) { return a.text() < b.text(); }
inline bool operator>(const string& a, const string& b) { return b < a; }
inline bool operator<=(const string& a, const string& b) { return !(b < a); }
inline bool operator>=(const string& a, const string& b) { return !(a < b); }
inline bool operator==(const string& a, null_t) { return a.is_null(); }
inline bool operator!=(const string& a, null_t) { return !a.is_null(); }

// -- arrays: an index out of range ends the program -------------------------------------------------------------------

struct fixed { int64 size; template <class T> explicit constexpr fixed(T n) : size(int64(n)) {} };

// The size of an array that is not dynamic has to be known when it is compiled.
template <auto N> inline constexpr int64 constant = int64(N);

// An index that remembers where it was written.
struct index_t {
    int64 i;
    const char* file;
    int line;
    template <class T, class = std::enable_if_t<std::is_arithmetic_v<T> || std::is_enum_v<T>>>
    constexpr index_t(T i, const char* file = __builtin_FILE(), int line = __builtin_LINE()) : i(int64(i)), file(file), line(line) {}
};

template <class T>
class array {
public:
    array() = default;
    explicit array(fixed n) : fixed_(true) { grow(int(n.size)); size_ = int(n.size); scrub(0); }
    array(const array& o) : fixed_(o.fixed_) { copy(o); }
    array(array&& o) noexcept : data_(o.data_), size_(o.size_), room_(o.room_), fixed_(o.fixed_) { o.data_ = nullptr; o.size_ = o.room_ = 0; }
    array& operator=(const array& o) { if (this != &o) copy(o); return *this; }
    ~array() { delete[] data_; }
    static array of(std::initializer_list<T> list) { return filled(list, int(list.size()), false); }
    static array of(std::initializer_list<T> list, fixed n) { return filled(list, int(n.size), true); }

    T& operator[](index_t at) { check(at); return data_[at.i]; }
    const T& operator[](index_t at) const { check(at); return data_[at.i]; }
    int size() const { return size_; }
    int room() const { return room_; }
    bool is_fixed() const { return fixed_; }
    T* data() { return data_; }
    const T* data() const { return data_; }
    T* begin() { return data_; }
    T* end() { return data_ + size_; }
    const T* begin() const { return data_; }
    const T* end() const { return data_ + size_; }

    // New elements are not initialised, as in the terminal: numbers hold a pattern that is easy to recognise.
    bool resize(int64 n, int64 reserve = 0) {
        if (n < 0 || n > INT_MAX) return false;
        int was = size_;
        if (n > room_) grow(int(reserve > 0 ? n + reserve : n + n / 2));
        if constexpr (!std::is_trivial_v<T>) for (int i = int(n); i < was; ++i) data_[i] = T();
        size_ = int(n);
        if (size_ > was) scrub(was);
        return true;
    }
    void free() { delete[] data_; data_ = nullptr; size_ = room_ = 0; }
    void swap(array& o) { std::swap(data_, o.data_); std::swap(size_, o.size_); std::swap(room_, o.room_); }

private:
    void check(index_t at) const { if (at.i < 0 || at.i >= size_) out_of_range(at.i, size_, at.file, at.line); }
    void grow(int n) {
        T* more = n ? new T[size_t(n)] : nullptr;
        for (int i = 0; i < size_; ++i) more[i] = std::move(data_[i]);
        delete[] data_;
        data_ = more;
        room_ = n;
    }
    void scrub(int from) {
        if constexpr (std::is_arithmetic_v<T>) { if (size_ > from) std::memset(static_cast<void*>(data_ + from), std::is_same_v<T, bool> ? 1 : 0xCD, size_t(size_ - from) * sizeof(T)); }
    }
    void copy(const array& o) {
        if (o.size_ > room_) { size_ = 0; grow(o.size_); }
        size_ = o.size_;
        for (int i = 0; i < size_; ++i) data_[i] = o.data_[i];
    }
    static array filled(std::initializer_list<T> list, int n, bool is_fixed) {
        array r;
        r.grow(n);
        r.size_ = n;
        r.fixed_ = is_fixed;
        for (int i = 0; i < n; ++i) r.data_[i] = i < int(list.size()) ? list.begin()[i] : T();
        return r;
    }
    T* data_ = nullptr;
    int size_ = 0, room_ = 0;
    bool fixed_ = false;
};

// -- handles of objects: NULL and deleted ones are noticed -----------------------------------------------------------

struct Slot { void* object; uint32_t serial; void (*destroy)(void*); const char* type; };
Slot& slot_of(uint32_t number);
uint32_t take_slot(void* object, void (*destroy)(void*), const char* type);
void free_slot(uint32_t number);
void warn_invalid_delete(const char* file, int line);

template <class T>
class ptr {
public:
    ptr() = default;
    ptr(null_t) {}
    ptr(T* object) : object_(object) {}  // an automatic object: not ours to check
    ptr(T& object) : object_(&object) {}
    ptr(T* object, uint32_t slot) : object_(object), slot_(slot), serial_(slot_of(slot).serial) {}
    template <class U, class = std::enable_if_t<std::is_base_of_v<T, U> && !std::is_same_v<T, U>>>
    ptr(const ptr<U>& o) : object_(o.object_), slot_(o.slot_), serial_(o.serial_) {}
    template <class U, class = std::enable_if_t<std::is_base_of_v<U, T> && !std::is_same_v<T, U>>, class = void>
    explicit ptr(const ptr<U>& o) : object_(o.valid() ? dynamic_cast<T*>(o.object_) : nullptr), slot_(o.slot_), serial_(o.serial_) {}

    bool valid() const { return object_ && (!slot_ || slot_of(slot_).serial == serial_); }
    bool dynamic() const { return slot_ != 0; }
    uint32_t slot() const { return slot_; }
    T* raw() const { return object_; }
    T* get(const char* file, int line) const {
        if (!valid()) runtime_error(object_ ? "invalid pointer access (the object was deleted)" : "invalid pointer access (NULL)", file, line);
        return object_;
    }
    T& operator*() const { return *get(__builtin_FILE(), __builtin_LINE()); }
    operator T&() const { return *get("?", 0); }
    explicit operator bool() const { return object_ != nullptr; }
    bool operator!() const { return object_ == nullptr; }
    bool operator==(const ptr& o) const { return object_ == o.object_; }
    bool operator!=(const ptr& o) const { return object_ != o.object_; }
    bool operator==(null_t) const { return object_ == nullptr; }
    bool operator!=(null_t) const { return object_ != nullptr; }

    T* object_ = nullptr;
    uint32_t slot_ = 0, serial_ = 0;
};

template <class T>
inline T* at(ptr<T>& p, const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return p.get(file, line); }
template <class T>
inline T* at(const ptr<T>& p, const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return p.get(file, line); }
template <class T>
inline T* at(T& object) { return &object; }
template <class T>
inline const T* at(const T& object) { return &object; }
template <class T, class = std::enable_if_t<!std::is_lvalue_reference_v<T>>>
inline T* at(T&& object) { return &object; }
template <class T>
inline T* at(ptr<T>&& p, const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return p.get(file, line); }

template <class T, class... A>
ptr<T> make(A&&... a) {
    T* object = new T(std::forward<A>(a)...);
    return ptr<T>(object, take_slot(object, [](void* o) { delete static_cast<T*>(o); }, typeid(T).name()));
}
template <class T>
void destroy(const ptr<T>& p, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    if (!p.object_) return;
    if (!p.dynamic() || !p.valid()) return warn_invalid_delete(file, line);
    Slot slot = slot_of(p.slot_);
    free_slot(p.slot_);
    slot.destroy(slot.object);
}
template <class P, class T>
P cast(const ptr<T>& p) { return P(p); }

template <class T>
ptr<T> GetPointer(T& object) { return ptr<T>(&object); }
template <class T>
ptr<T> GetPointer(const ptr<T>& p) { return p; }

}  // namespace mql
