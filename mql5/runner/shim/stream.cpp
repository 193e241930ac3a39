#include "stream.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "runner.h"
#ifdef MQL_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#endif

namespace mql::runner {

bool Stream::await(short events, long long until_us) {
    for (;;) {
        long long left_us = until_us - monotonic_us();
        pollfd p{fd_, events, 0};
        timespec t{left_us > 0 ? left_us / 1000000 : 0, left_us > 0 ? left_us % 1000000 * 1000 : 0};
        int n = ppoll(&p, 1, &t, nullptr);
        if (n > 0) return true;
        if (n == 0 || errno != EINTR) return false;
    }
}

bool Stream::open(const std::string& host, unsigned port, int timeout_ms) {
    shut();
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return false;
    long long until = monotonic_us() + timeout_ms * 1000LL;
    for (addrinfo* a = found; a && fd_ < 0; a = a->ai_next) {
        fd_ = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd_ < 0) continue;
        int one = 1, fault = 0;
        socklen_t size = sizeof fault;
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        bool made = ::connect(fd_, a->ai_addr, a->ai_addrlen) == 0 || (errno == EINPROGRESS && await(POLLOUT, until));
        if (!made || getsockopt(fd_, SOL_SOCKET, SO_ERROR, &fault, &size) != 0 || fault) { ::close(fd_); fd_ = -1; }
    }
    freeaddrinfo(found);
    gone_ = fd_ < 0;
    return fd_ >= 0;
}

#ifdef MQL_TLS
static SSL_CTX* context() {
    static SSL_CTX* made = [] {
        SSL_CTX* c = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
        SSL_CTX_set_default_verify_paths(c);
        if (!options.ca.empty() && SSL_CTX_load_verify_locations(c, options.ca.c_str(), nullptr) != 1) std::fprintf(stderr, "cannot read certificates from %s\n", options.ca.c_str());
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER, nullptr);
        return c;
    }();
    return made;
}
bool Stream::secure(const std::string& host, int timeout_ms) {
    if (fd_ < 0 || tls_) return false;
    long long until = monotonic_us() + timeout_ms * 1000LL;
    tls_ = SSL_new(context());
    SSL_set_fd(tls_, fd_);
    SSL_set_tlsext_host_name(tls_, host.c_str());
    X509_VERIFY_PARAM* param = SSL_get0_param(tls_);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) != 1) SSL_set1_host(tls_, host.c_str());
    for (;;) {
        ERR_clear_error();
        int r = SSL_connect(tls_);
        if (r == 1) return true;
        int why = SSL_get_error(tls_, r);
        bool more = (why == SSL_ERROR_WANT_READ && await(POLLIN, until)) || (why == SSL_ERROR_WANT_WRITE && await(POLLOUT, until));
        if (more) continue;
        long verified = SSL_get_verify_result(tls_);
        if (verified != X509_V_OK) std::fprintf(stderr, "TLS: %s: %s\n", host.c_str(), X509_verify_cert_error_string(verified));
        shut();
        return false;
    }
}
#else
bool Stream::secure(const std::string&, int) {
    std::fprintf(stderr, "TLS: this program was built without OpenSSL\n");
    return false;
}
#endif

int Stream::send(const void* data, size_t n, int timeout_ms) {
    if (fd_ < 0 || gone_) return GONE;
    long long until = monotonic_us() + timeout_ms * 1000LL;
    const char* bytes = static_cast<const char*>(data);
    size_t done = 0;
    while (done < n) {
        ssize_t r = -1;
        bool again;
#ifdef MQL_TLS
        if (tls_) {
            ERR_clear_error();
            r = SSL_write(tls_, bytes + done, int(n - done));
            int why = r > 0 ? 0 : SSL_get_error(tls_, int(r));
            again = why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ;
        } else
#endif
        {
            r = ::send(fd_, bytes + done, n - done, MSG_NOSIGNAL);
            again = r < 0 && (errno == EAGAIN || errno == EINTR);
        }
        if (r > 0) { done += size_t(r); continue; }
        if (!again) { gone_ = true; return GONE; }
        if (!await(POLLOUT, until)) return TIMED_OUT;
    }
    return int(done);
}

int Stream::receive(void* data, size_t n, int timeout_ms) {
    if (fd_ < 0) return GONE;
    if (n == 0) return 0;
    long long until = monotonic_us() + timeout_ms * 1000LL;
    for (;;) {
        ssize_t r = -1;
        bool again;
#ifdef MQL_TLS
        if (tls_) {
            ERR_clear_error();
            r = SSL_read(tls_, data, int(n));
            int why = r > 0 ? 0 : SSL_get_error(tls_, int(r));
            again = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
        } else
#endif
        {
            r = ::recv(fd_, data, n, 0);
            again = r < 0 && (errno == EAGAIN || errno == EINTR);
        }
        if (r > 0) return int(r);
        if (!again) { gone_ = true; return GONE; }
        if (timeout_ms <= 0 || !await(POLLIN, until)) return TIMED_OUT;
    }
}

bool Stream::alive() {
    if (fd_ < 0 || gone_) return false;
    char c;
    ssize_t r = recv(fd_, &c, 1, MSG_PEEK | MSG_DONTWAIT);
    if (r == 0 || (r < 0 && errno != EAGAIN && errno != EINTR)) gone_ = true;
    return !gone_;
}
int Stream::waiting() {
    int n = 0;
    if (fd_ < 0 || ioctl(fd_, FIONREAD, &n) != 0) return 0;
#ifdef MQL_TLS
    if (tls_) n += SSL_pending(tls_);
#endif
    return n;
}
bool Stream::writable() { return fd_ >= 0 && !gone_ && await(POLLOUT, 0); }

void Stream::shut() {
#ifdef MQL_TLS
    if (tls_) { if (!gone_) SSL_shutdown(tls_); SSL_free(tls_); }
#endif
    tls_ = nullptr;
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    gone_ = true;
}

}  // namespace mql::runner
