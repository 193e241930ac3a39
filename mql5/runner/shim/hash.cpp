// CryptEncode and CryptDecode: hashes and BASE64. FIPS 180-4, RFC 1321, RFC 4648. A key changes nothing about a hash.
#include <array>
#include <cmath>

#include "runner.h"

namespace mql {

namespace {

using Bytes = std::basic_string<uchar>;

Bytes bytes_of(const array<uchar>& data) { return data.size() ? Bytes(data.data(), size_t(data.size())) : Bytes(); }
uint left(uint v, int n) { return v << n | v >> (32 - n); }
uint right(uint v, int n) { return v >> n | v << (32 - n); }

Bytes padded(Bytes data, bool big_endian) {
    ulong bits = ulong(data.size()) * 8;
    data += uchar(0x80);
    while (data.size() % 64 != 56) data += uchar(0);
    for (int i = 0; i < 8; ++i) data += uchar(bits >> (big_endian ? 56 - 8 * i : 8 * i));
    return data;
}
uint word(const uchar* p, bool big_endian) {
    return big_endian ? uint(p[0]) << 24 | uint(p[1]) << 16 | uint(p[2]) << 8 | p[3] : uint(p[3]) << 24 | uint(p[2]) << 16 | uint(p[1]) << 8 | p[0];
}
template <size_t N>
Bytes digest(const std::array<uint, N>& state, bool big_endian) {
    Bytes out;
    for (uint s : state) for (int i = 0; i < 4; ++i) out += uchar(s >> (big_endian ? 24 - 8 * i : 8 * i));
    return out;
}

Bytes sha1(const Bytes& message) {
    std::array<uint, 5> h = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    Bytes data = padded(message, true);
    for (size_t at = 0; at < data.size(); at += 64) {
        uint w[80];
        for (int i = 0; i < 16; ++i) w[i] = word(&data[at + size_t(i) * 4], true);
        for (int i = 16; i < 80; ++i) w[i] = left(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        auto [a, b, c, d, e] = h;
        for (int i = 0; i < 80; ++i) {
            uint f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
            uint k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
            uint t = left(a, 5) + f + e + k + w[i];
            e = d; d = c; c = left(b, 30); b = a; a = t;
        }
        h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e;
    }
    return digest(h, true);
}

// The first 32 bits of the fractional parts of roots of primes, as the standard defines its constants.
std::array<uint, 64> roots(bool cube, int n) {
    std::array<uint, 64> out{};
    int found = 0;
    for (int p = 2; found < n; ++p) {
        bool prime = true;
        for (int d = 2; d * d <= p; ++d) prime = prime && p % d != 0;
        if (!prime) continue;
        long double r = cube ? cbrtl(static_cast<long double>(p)) : sqrtl(static_cast<long double>(p));
        out[size_t(found++)] = uint((r - floorl(r)) * 4294967296.0L);
    }
    return out;
}

Bytes sha256(const Bytes& message) {
    static const std::array<uint, 64> k = roots(true, 64), start = roots(false, 8);
    std::array<uint, 8> h{};
    for (size_t i = 0; i < 8; ++i) h[i] = start[i];
    Bytes data = padded(message, true);
    for (size_t at = 0; at < data.size(); at += 64) {
        uint w[64];
        for (int i = 0; i < 16; ++i) w[i] = word(&data[at + size_t(i) * 4], true);
        for (int i = 16; i < 64; ++i) {
            uint a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + (right(a, 7) ^ right(a, 18) ^ a >> 3) + w[i - 7] + (right(b, 17) ^ right(b, 19) ^ b >> 10);
        }
        auto v = h;
        for (size_t i = 0; i < 64; ++i) {
            uint t = v[7] + (right(v[4], 6) ^ right(v[4], 11) ^ right(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
            uint u = (right(v[0], 2) ^ right(v[0], 13) ^ right(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            for (size_t j = 7; j > 0; --j) v[j] = v[j - 1];
            v[4] += t;
            v[0] = t + u;
        }
        for (size_t i = 0; i < 8; ++i) h[i] += v[i];
    }
    return digest(h, true);
}

Bytes md5(const Bytes& message) {
    static const int turns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    std::array<uint, 4> h = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476};
    Bytes data = padded(message, false);
    for (size_t at = 0; at < data.size(); at += 64) {
        auto [a, b, c, d] = h;
        for (uint i = 0; i < 64; ++i) {
            uint f = i < 16 ? (b & c) | (~b & d) : i < 32 ? (d & b) | (~d & c) : i < 48 ? b ^ c ^ d : c ^ (b | ~d);
            uint g = i < 16 ? i : i < 32 ? (5 * i + 1) % 16 : i < 48 ? (3 * i + 5) % 16 : 7 * i % 16;
            f += a + uint(std::fabs(std::sin(i + 1.0)) * 4294967296.0) + word(&data[at + g * 4], false);
            a = d; d = c; c = b;
            b += left(f, turns[i / 16][i % 4]);
        }
        h[0] += a; h[1] += b; h[2] += c; h[3] += d;
    }
    return digest(h, false);
}

const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

Bytes to_base64(const Bytes& data) {
    Bytes out;
    for (size_t i = 0; i < data.size(); i += 3) {
        uint v = uint(data[i]) << 16 | (i + 1 < data.size() ? uint(data[i + 1]) << 8 : 0) | (i + 2 < data.size() ? data[i + 2] : 0);
        for (int k = 0; k < 4; ++k) out += i + size_t(k) > data.size() ? uchar('=') : uchar(LETTERS[v >> (18 - 6 * k) & 63]);
    }
    return out;
}
bool from_base64(const Bytes& text, Bytes& out) {
    uint v = 0;
    int bits = 0;
    for (uchar c : text) {
        if (c == '=' || c == 0) break;
        const char* at = std::strchr(LETTERS, c);
        if (!at) return false;
        v = v << 6 | uint(at - LETTERS);
        if ((bits += 6) >= 8) out += uchar(v >> (bits -= 8));
    }
    return true;
}
int give(const Bytes& bytes, array<uchar>& result) {
    result.resize(int64(bytes.size()));
    copy_bytes(result.data(), bytes.data(), bytes.size());
    return int(bytes.size());
}

}  // namespace

int CryptEncode(ENUM_CRYPT_METHOD method, const array<uchar>& data, const array<uchar>&, array<uchar>& result) {
    Bytes in = bytes_of(data);
    switch (method) {
        case CRYPT_BASE64: return give(to_base64(in), result);
        case CRYPT_HASH_SHA1: return give(sha1(in), result);
        case CRYPT_HASH_SHA256: return give(sha256(in), result);
        case CRYPT_HASH_MD5: return give(md5(in), result);
        default: runner::fail(ERR_FUNCTION_NOT_ALLOWED); return 0;  // not built here
    }
}
int CryptDecode(ENUM_CRYPT_METHOD method, const array<uchar>& data, const array<uchar>&, array<uchar>& result) {
    Bytes out;
    if (method == CRYPT_BASE64 && from_base64(bytes_of(data), out)) return give(out, result);
    runner::fail(method == CRYPT_BASE64 ? ERR_INVALID_PARAMETER : ERR_FUNCTION_NOT_ALLOWED);
    return 0;
}

}  // namespace mql
