// One outgoing connection, plain or TLS, with a time limit on everything.
#pragma once
#include <string>

struct ssl_st;

namespace mql::runner {

class Stream {
public:
    enum Result : int { TIMED_OUT = -1, GONE = -2 };
    ~Stream() { shut(); }
    bool open(const std::string& host, unsigned port, int timeout_ms);
    bool secure(const std::string& host, int timeout_ms);
    int send(const void* data, size_t n, int timeout_ms);   // bytes, TIMED_OUT or GONE
    int receive(void* data, size_t n, int timeout_ms);      // what is there, at least one byte; 0 ms: does not wait
    bool alive();
    int waiting();                                          // bytes that can be read; of TLS the encrypted ones, too
    bool writable();
    bool is_open() const { return fd_ >= 0; }
    bool is_secure() const { return tls_ != nullptr; }
    ssl_st* tls() const { return tls_; }
    void shut();

private:
    bool await(short events, long long until_us);
    int fd_ = -1;
    bool gone_ = false;
    ssl_st* tls_ = nullptr;
};

}  // namespace mql::runner
