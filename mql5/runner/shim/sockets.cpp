// Socket* with the terminal's manners, the documented traps among them, and WebRequest.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>

#include "runner.h"
#include "stream.h"
#ifdef MQL_TLS
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#endif

namespace mql {

using namespace runner;

namespace {

constexpr size_t MOST_SOCKETS = 128;
constexpr int DEFAULT_WAIT_MS = 120000;

struct Socket {
    Stream stream;
    int send_ms = DEFAULT_WAIT_MS, receive_ms = DEFAULT_WAIT_MS;
    bool asked = false;
};
std::map<int, std::unique_ptr<Socket>> sockets __attribute__((init_priority(110)));

Socket* find(int handle) {
    auto it = sockets.find(handle);
    if (it == sockets.end()) { fail(ERR_NETSOCKET_INVALIDHANDLE); return nullptr; }
    return it->second.get();
}
bool allowed(const std::string& host) {  // the list that only the user can edit
    return options.allow_all || std::find(options.allowed.begin(), options.allowed.end(), host) != options.allowed.end();
}
int limit(uint ms) { return ms == 0 ? DEFAULT_WAIT_MS : int(std::min(ms, uint(INT_MAX))); }
int broken() { fail(ERR_NETSOCKET_IO_ERROR); return -1; }

// What goes over the program's sockets, on request: for each piece CLOCK_MONOTONIC's ns, '<' or '>', its length, its bytes.
void tape(char way, const uchar* bytes, size_t n) {
    static FILE* file = options.tape.empty() ? nullptr : std::fopen(options.tape.c_str(), "wb");
    if (!file || n == 0) return;
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    long long ns = now.tv_sec * 1000000000LL + now.tv_nsec;
    uint length = uint(n);
    std::fwrite(&ns, sizeof ns, 1, file);
    std::fwrite(&way, 1, 1, file);
    std::fwrite(&length, sizeof length, 1, file);
    std::fwrite(bytes, 1, n, file);
}

int send_all(Socket& s, const array<uchar>& from, uint length) {
    if (length > uint(from.size())) { fail(ERR_INVALID_PARAMETER); return -1; }
    int n = s.stream.send(from.data(), length, s.send_ms);
    if (n > 0) tape('>', from.data(), size_t(n));
    return n < 0 ? broken() : n;
}
int receive(Socket& s, array<uchar>& to, uint most, int timeout_ms) {
    std::vector<uchar> buffer(std::min(most, 1u << 24));
    int n = s.stream.receive(buffer.data(), buffer.size(), timeout_ms);
    if (n < 0) return n;
    tape('<', buffer.data(), size_t(n));
    if (!to.resize(n) || to.size() < n) { fail(ERR_INVALID_ARRAY); return -1; }
    copy_bytes(to.data(), buffer.data(), size_t(n));
    return n;
}

}  // namespace

int SocketCreate(uint) {
    if (sockets.size() >= MOST_SOCKETS) { fail(ERR_NETSOCKET_TOO_MANY_OPENED); return INVALID_HANDLE; }
    int handle = 1;
    while (sockets.count(handle)) ++handle;
    sockets[handle] = std::make_unique<Socket>();
    return handle;
}
bool SocketClose(int handle) { return find(handle) && sockets.erase(handle) == 1; }
bool SocketConnect(int handle, const string& server, uint port, uint timeout_ms) {
    Socket* s = find(handle);
    if (!s) return false;
    std::string host = server.utf8();
    if (!allowed(host)) return fails(ERR_FUNCTION_NOT_ALLOWED);
    s->asked = false;
    if (!s->stream.open(host, port, limit(timeout_ms))) return fails(ERR_NETSOCKET_CANNOT_CONNECT);
    if (port == 443 && !s->stream.secure(host, limit(timeout_ms))) return fails(ERR_NETSOCKET_HANDSHAKE_FAILED);  // by itself
    return true;
}
bool SocketIsConnected(int handle) { Socket* s = find(handle); return s && s->stream.alive(); }
uint SocketIsReadable(int handle) {
    Socket* s = find(handle);
    if (!s) return 0;
    uint n = uint(s->stream.waiting());
    bool first = !s->asked;
    s->asked = true;
    return first && n == 0 && s->stream.is_open() ? 1 : n;  // the trap: the first answer may be 1 although nothing is there
}
bool SocketIsWritable(int handle) { Socket* s = find(handle); return s && s->stream.writable(); }
bool SocketTimeouts(int handle, uint send_ms, uint receive_ms) {
    Socket* s = find(handle);
    if (!s) return false;
    s->send_ms = limit(send_ms);
    s->receive_ms = limit(receive_ms);
    return true;
}
int SocketRead(int handle, array<uchar>& to, uint most, uint timeout_ms) {
    Socket* s = find(handle);
    if (!s) return -1;
    if (s->stream.is_secure()) return broken();  // of a TLS connection only SocketTls* makes sense
    int n = receive(*s, to, most, limit(timeout_ms));  // 0 is two minutes
    return n < 0 ? broken() : n;                       // of a time-out, too: SocketIsConnected tells them apart
}
int SocketSend(int handle, const array<uchar>& from, uint length) {
    Socket* s = find(handle);
    return !s ? -1 : s->stream.is_secure() ? broken() : send_all(*s, from, length);
}
bool SocketTlsHandshake(int handle, const string& host) {
    Socket* s = find(handle);
    return s && (s->stream.secure(host.utf8(), s->receive_ms) || fails(ERR_NETSOCKET_HANDSHAKE_FAILED));
}
int SocketTlsRead(int handle, array<uchar>& to, uint most) {  // waits until all of `most` are there
    Socket* s = find(handle);
    if (!s) return -1;
    if (!s->stream.is_secure()) return broken();
    std::vector<uchar> all(std::min(most, 1u << 24));
    size_t done = 0;
    long long until = monotonic_us() + s->receive_ms * 1000LL;
    while (done < all.size()) {
        int left_ms = int((until - monotonic_us()) / 1000);
        int n = left_ms > 0 ? s->stream.receive(all.data() + done, all.size() - done, left_ms) : -1;
        if (n < 0) break;
        done += size_t(n);
    }
    if (done == 0) return broken();
    tape('<', all.data(), done);
    to.resize(int64(done));
    copy_bytes(to.data(), all.data(), done);
    return int(done);
}
int SocketTlsReadAvailable(int handle, array<uchar>& to, uint most) {
    Socket* s = find(handle);
    if (!s) return -1;
    if (!s->stream.is_secure()) return broken();
    int n = receive(*s, to, most, 0);
    return n == Stream::TIMED_OUT ? 0 : n < 0 ? broken() : n;
}
int SocketTlsSend(int handle, const array<uchar>& from, uint length) {
    Socket* s = find(handle);
    return !s ? -1 : s->stream.is_secure() ? send_all(*s, from, length) : broken();
}

int SocketTlsCertificate(int handle, string& subject, string& issuer, string& serial, string& thumbprint, datetime& expiration) {
    Socket* s = find(handle);
    if (!s) return 0;
#ifdef MQL_TLS
    if (X509* cert = s->stream.is_secure() ? SSL_get1_peer_certificate(s->stream.tls()) : nullptr) {
        auto line = [](X509_NAME* name) { char b[512]; X509_NAME_oneline(name, b, sizeof b); return utf8(b); };
        subject = line(X509_get_subject_name(cert));
        issuer = line(X509_get_issuer_name(cert));
        BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), nullptr);
        char* hex = BN_bn2hex(number);
        serial = utf8(hex);
        OPENSSL_free(hex);
        BN_free(number);
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned length = 0;
        X509_digest(cert, EVP_sha1(), digest, &length);
        std::string print;
        char two[3];
        for (unsigned i = 0; i < length; ++i) { std::snprintf(two, sizeof two, "%02x", digest[i]); print += two; }
        thumbprint = utf8(print);
        tm parts{};
        ASN1_TIME_to_tm(X509_get0_notAfter(cert), &parts);
        expiration = datetime(timegm(&parts));
        X509_free(cert);
        return 1;
    }
#endif
    subject = issuer = serial = thumbprint = string(u"");
    expiration = 0;
    fail(ERR_NETSOCKET_NO_CERTIFICATE);
    return 0;
}

// -- WebRequest: one request, one connection, the program waits ---------------------------------------------------------------

namespace {

struct Url { bool secure = false; std::string host, path; unsigned port = 80; };

bool read_url(const std::string& text, Url& url) {
    size_t scheme = text.find("://");
    if (scheme == std::string::npos) return false;
    url.secure = text.substr(0, scheme) == "https";
    if (!url.secure && text.substr(0, scheme) != "http") return false;
    size_t begin = scheme + 3, slash = std::min(text.find('/', begin), text.size());
    std::string place = text.substr(begin, slash - begin);
    size_t colon = place.rfind(':');
    url.host = place.substr(0, colon);
    url.port = colon == std::string::npos ? (url.secure ? 443 : 80) : unsigned(std::strtoul(place.c_str() + colon + 1, nullptr, 10));
    url.path = slash < text.size() ? text.substr(slash) : "/";
    return !url.host.empty() && url.port > 0 && url.port < 65536 && url.path.find_first_of(" \r\n") == std::string::npos;
}

std::string header(const std::string& head, const std::string& name) {
    for (size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2)) {
        size_t colon = head.find(':', at);
        if (colon == std::string::npos || colon - at - 2 != name.size() || strncasecmp(head.c_str() + at + 2, name.c_str(), name.size()) != 0) continue;
        size_t begin = head.find_first_not_of(' ', colon + 1);
        return head.substr(begin, head.find("\r\n", begin) - begin);
    }
    return "";
}

std::string unchunked(const std::string& body) {
    std::string out;
    for (size_t at = 0; at < body.size();) {
        size_t end = body.find("\r\n", at);
        size_t n = std::strtoul(body.c_str() + at, nullptr, 16);
        if (end == std::string::npos || n == 0) break;
        out += body.substr(end + 2, n);
        at = end + 2 + n + 2;
    }
    return out;
}
bool whole(const std::string& raw, size_t head_end) {
    if (head_end == std::string::npos) return false;
    std::string head = raw.substr(0, head_end + 2), length = header(head, "Content-Length");
    if (!length.empty()) return raw.size() >= head_end + 4 + std::strtoul(length.c_str(), nullptr, 10);
    return strcasecmp(header(head, "Transfer-Encoding").c_str(), "chunked") == 0 && raw.size() >= 5 && raw.compare(raw.size() - 5, 5, "0\r\n\r\n") == 0;
}

int ask(const string& method, const string& address, const string& headers, int timeout_ms, const std::string& data, std::string& body, string& result_headers) {
    Url url;
    auto wrong = [](int code) { fail(code); return -1; };
    if (!read_url(address.utf8(), url)) return wrong(ERR_WEBREQUEST_INVALID_ADDRESS);
    if (!allowed(url.host)) return wrong(ERR_FUNCTION_NOT_ALLOWED);
    long long until = monotonic_us() + limit(uint(std::max(timeout_ms, 0))) * 1000LL;
    auto left_ms = [&] { return int(std::max(1LL, (until - monotonic_us()) / 1000)); };
    Stream stream;
    if (!stream.open(url.host, url.port, left_ms()) || (url.secure && !stream.secure(url.host, left_ms()))) return wrong(ERR_WEBREQUEST_CONNECT_FAILED);
    std::string head = method.utf8() + " " + url.path + " HTTP/1.1\r\nHost: " + url.host + ":" + std::to_string(url.port) + "\r\nConnection: close\r\n";
    std::string more = headers.utf8();
    if (!more.empty()) head += more + (more.size() > 1 && more.compare(more.size() - 2, 2, "\r\n") == 0 ? "" : "\r\n");
    head += "Content-Length: " + std::to_string(data.size()) + "\r\n\r\n" + data;
    if (stream.send(head.data(), head.size(), left_ms()) < 0) return wrong(ERR_WEBREQUEST_REQUEST_FAILED);
    std::string raw;
    size_t head_end = std::string::npos;
    for (char buffer[16384]; !whole(raw, head_end);) {
        int n = monotonic_us() < until ? stream.receive(buffer, sizeof buffer, left_ms()) : Stream::TIMED_OUT;
        if (n == Stream::TIMED_OUT) return wrong(ERR_WEBREQUEST_TIMEOUT);
        if (n < 0) break;
        raw.append(buffer, size_t(n));
        head_end = raw.find("\r\n\r\n");
    }
    int status = 0;
    if (head_end == std::string::npos || std::sscanf(raw.c_str(), "HTTP/%*d.%*d %d", &status) != 1) return wrong(ERR_WEBREQUEST_REQUEST_FAILED);
    std::string answered = raw.substr(0, head_end + 2), length = header(answered, "Content-Length");
    body = raw.substr(head_end + 4);
    if (length.empty() && !header(answered, "Transfer-Encoding").empty()) body = unchunked(body);
    else if (!length.empty() && body.size() < std::strtoul(length.c_str(), nullptr, 10)) return wrong(ERR_WEBREQUEST_REQUEST_FAILED);
    result_headers = utf8(answered.substr(answered.find("\r\n") + 2));
    return status;
}

}  // namespace

int WebRequest(const string& method, const string& url, const string& headers, int timeout_ms, const array<char>& data, array<char>& result, string& result_headers) {
    std::string body;
    int status = ask(method, url, headers, timeout_ms, std::string(data.data(), size_t(data.size())), body, result_headers);
    result.resize(int64(body.size()));
    copy_bytes(result.data(), body.data(), body.size());
    return status;
}

}  // namespace mql
