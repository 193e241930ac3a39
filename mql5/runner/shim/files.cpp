// Files: inside the program's sandbox or the common folder, buffered until FileFlush, shared as Windows shares them.
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "runner.h"

namespace mql {

using namespace runner;

namespace {

constexpr int MOST_FILES = 64;
// Bytes that no file reaches. A lock on one says: is being opened, reads, keeps readers out, writes, keeps writers out.
enum Mark : off_t { OPENING = 0x7FFF00000000, READS, NO_READERS, WRITES, NO_WRITERS };

struct Open {
    int fd = -1, flags = 0;
    uint codepage = 0;
    char16_t delimiter = u'\t';
    std::string pending;  // written by the program, not by the system yet: a kill loses it
    off_t at = 0, size = 0;
    bool line_end = false;
    bool text() const { return flags & (FILE_TXT | FILE_CSV); }
    bool wide_() const { return !(flags & FILE_ANSI); }
};
// Programs' globals may use files: these begin before them and end after them.
std::map<int, std::unique_ptr<Open>> open_files __attribute__((init_priority(110)));

std::string place(const string& name, int flags) {
    std::string path = name.utf8();
    for (auto& c : path) if (c == '\\') c = '/';
    if (path.empty() || path[0] == '/' || path.find(':') != std::string::npos) return "";
    int depth = 0;  // `..` may not lead out of the folder
    for (size_t at = 0; at <= path.size();) {
        size_t end = std::min(path.find('/', at), path.size());
        std::string part = path.substr(at, end - at);
        depth += part == ".." ? -1 : part.empty() || part == "." ? 0 : 1;
        if (depth < 0) return "";
        at = end + 1;
    }
    return (flags & FILE_COMMON ? options.common : options.data + "/MQL5/Files") + "/" + path;
}
void make_parents(const std::string& path) {
    for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) mkdir(path.substr(0, at).c_str(), 0777);
}
struct flock on(Mark mark, short type) {
    struct flock l{};
    l.l_type = type;
    l.l_start = mark;
    l.l_len = 1;
    return l;
}
bool marked(int fd, Mark mark) {  // by somebody else
    struct flock l = on(mark, F_WRLCK);
    return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}
// Windows' share modes: whoever does not share reading keeps every other reader out, likewise for writing. A kill lets go.
bool claim(int fd, int flags) {
    bool reads = flags & FILE_READ, writes = flags & FILE_WRITE, share_r = flags & FILE_SHARE_READ, share_w = flags & FILE_SHARE_WRITE;
    struct flock turn = on(OPENING, F_WRLCK);
    fcntl(fd, F_OFD_SETLKW, &turn);
    bool good = !((reads && marked(fd, NO_READERS)) || (writes && marked(fd, NO_WRITERS)) || (!share_r && marked(fd, READS)) || (!share_w && marked(fd, WRITES)));
    for (auto [wanted, mark] : {std::pair{reads, READS}, {!share_r, NO_READERS}, {writes, WRITES}, {!share_w, NO_WRITERS}}) {
        struct flock l = on(mark, F_RDLCK);
        if (good && wanted) fcntl(fd, F_OFD_SETLK, &l);
    }
    turn.l_type = F_UNLCK;
    fcntl(fd, F_OFD_SETLK, &turn);
    return good;
}
Open* find(int handle) {
    auto it = open_files.find(handle);
    if (it == open_files.end()) { fail(ERR_INVALID_FILEHANDLE); return nullptr; }
    return it->second.get();
}
bool flush(Open& f) {
    size_t done = 0;
    off_t begin = f.at - off_t(f.pending.size());
    while (done < f.pending.size()) {
        ssize_t n = pwrite(f.fd, f.pending.data() + done, f.pending.size() - done, begin + off_t(done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) { f.pending.clear(); return fails(ERR_FILE_WRITEERROR); }
        done += size_t(n);
    }
    f.pending.clear();
    return true;
}
size_t put(Open& f, const void* data, size_t n) {
    if (!(f.flags & FILE_WRITE)) { fail(ERR_FILE_NOTTOWRITE); return 0; }
    f.pending.append(static_cast<const char*>(data), n);
    f.at += off_t(n);
    f.size = std::max(f.size, f.at);
    if (f.pending.size() > 65536 && !flush(f)) return 0;
    return n;
}
size_t get(Open& f, void* data, size_t n) {
    if (!(f.flags & FILE_READ)) { fail(ERR_FILE_NOTTOREAD); return 0; }
    flush(f);
    ssize_t got = pread(f.fd, data, n, f.at);
    if (got < 0) { fail(ERR_FILE_READERROR); return 0; }
    f.at += got;
    return size_t(got);
}
off_t real_size(Open& f) {
    struct stat s{};
    fstat(f.fd, &s);
    return f.pending.empty() ? s.st_size : std::max(s.st_size, f.at);
}
std::string encoded(const Open& f, const string& s) {
    if (f.wide_() || !f.text()) return std::string(reinterpret_cast<const char*>(s.text().data()), s.text().size() * 2);
    if (f.codepage == CP_UTF8) return s.utf8();
    std::string out;
    for (char16_t c : s.text()) out += c < 256 ? char(c) : '?';
    return out;
}
string decoded(const Open& f, const std::string& b) {
    if (f.wide_() || !f.text()) return string(std::u16string(reinterpret_cast<const char16_t*>(b.data()), b.size() / 2));
    if (f.codepage == CP_UTF8) return utf8(b);
    std::u16string out;
    for (char c : b) out += char16_t(uchar(c));
    return string(out);
}

}  // namespace

int FileOpen(const string& name, int flags, short delimiter, uint codepage) {
    if (!(flags & (FILE_BIN | FILE_TXT | FILE_CSV))) flags |= FILE_CSV;
    if (!(flags & (FILE_READ | FILE_WRITE)) || open_files.size() >= MOST_FILES) { fail(open_files.size() >= MOST_FILES ? ERR_TOO_MANY_FILES : ERR_INVALID_PARAMETER); return INVALID_HANDLE; }
    std::string path = place(name, flags);
    if (path.empty()) { fail(ERR_WRONG_FILENAME); return INVALID_HANDLE; }
    if (flags & FILE_WRITE) make_parents(path);
    struct stat s{};
    bool there = stat(path.c_str(), &s) == 0;
    if (there && S_ISDIR(s.st_mode)) { fail(ERR_FILE_IS_DIRECTORY); return INVALID_HANDLE; }
    if (!there && !(flags & FILE_WRITE)) { fail(ERR_FILE_NOT_EXIST); return INVALID_HANDLE; }
    auto f = std::make_unique<Open>();
    f->fd = open(path.c_str(), O_RDWR | O_CLOEXEC | (flags & FILE_WRITE ? O_CREAT : 0), 0666);  // for writing, or OPENING cannot be locked
    if (f->fd < 0 && !(flags & FILE_WRITE)) f->fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (f->fd < 0 || !claim(f->fd, flags)) {
        if (f->fd >= 0) close(f->fd);
        fail(ERR_CANNOT_OPEN_FILE);
        return INVALID_HANDLE;
    }
    if ((flags & FILE_WRITE) && !(flags & FILE_READ) && ftruncate(f->fd, 0) != 0) fail(ERR_FILE_WRITEERROR);
    f->flags = flags;
    f->codepage = codepage;
    f->delimiter = char16_t(delimiter);
    fstat(f->fd, &s);
    f->size = s.st_size;
    int handle = 1;
    while (open_files.count(handle)) ++handle;
    if (f->text() && f->wide_()) {  // a byte order mark begins a new file, and is passed over in an old one
        if (f->size == 0 && (flags & FILE_WRITE)) put(*f, "\xff\xfe", 2);
        else if (f->size >= 2) f->at = 2;
    }
    open_files[handle] = std::move(f);
    return handle;
}
int FileOpen(const string& name, int flags, const string& delimiter, uint codepage) { return FileOpen(name, flags, short(delimiter[0]), codepage); }
void FileClose(int handle) {
    Open* f = find(handle);
    if (!f) return;
    flush(*f);
    close(f->fd);
    open_files.erase(handle);
}
void FileFlush(int handle) {
    Open* f = find(handle);
    if (!f) return;
    std::string said = options.dies.empty() ? "" : f->pending;
    flush(*f);
    fated("after", said);
}
ulong FileSize(int handle) { Open* f = find(handle); return f ? ulong(real_size(*f)) : 0; }
ulong FileTell(int handle) { Open* f = find(handle); return f ? ulong(f->at) : 0; }
bool FileSeek(int handle, int64 offset, ENUM_FILE_POSITION origin) {
    Open* f = find(handle);
    if (!f) return false;
    flush(*f);
    int64 to = offset + (origin == SEEK_SET ? 0 : origin == SEEK_CUR ? f->at : real_size(*f));
    if (to < 0) return fails(ERR_INVALID_PARAMETER);
    f->at = to;
    return true;
}
bool FileIsEnding(int handle) { Open* f = find(handle); return !f || f->at >= real_size(*f); }
bool FileIsLineEnding(int handle) { Open* f = find(handle); return !f || f->line_end; }
ulong bytes_left(int handle) { Open* f = find(handle); return f && real_size(*f) > f->at ? ulong(real_size(*f) - f->at) : 0; }
uint file_write(int handle, const void* data, size_t bytes) {
    if (!options.dies.empty()) fated("before", std::string(static_cast<const char*>(data), bytes));
    Open* f = find(handle);
    if (!f) return 0;
    if (!(f->flags & FILE_BIN)) { fail(ERR_FILE_NOTBIN); return 0; }
    return uint(put(*f, data, bytes));
}
uint file_read(int handle, void* data, size_t bytes) {
    Open* f = find(handle);
    if (!f) return 0;
    if (!(f->flags & FILE_BIN)) { fail(ERR_FILE_NOTBIN); return 0; }
    return uint(get(*f, data, bytes));
}

// -- text --------------------------------------------------------------------------------------------------------------

uint FileWriteString(int handle, const string& text, int length) {
    Open* f = find(handle);
    if (!f) return 0;
    std::string bytes = encoded(*f, length < 0 ? text : StringSubstr(text, 0, length));
    return uint(put(*f, bytes.data(), bytes.size()));
}
uint file_write_line(int handle, const std::vector<string>& parts) {
    Open* f = find(handle);
    if (!f) return 0;
    if (!f->text()) { fail(ERR_FILE_NOTTXTORCSV); return 0; }
    string line(u"");
    for (size_t i = 0; i < parts.size(); ++i) {
        if (i && (f->flags & FILE_CSV)) line += string(std::u16string(1, f->delimiter));
        line += parts[i];
    }
    line += string(u"\r\n");
    std::string bytes = encoded(*f, line);
    return uint(put(*f, bytes.data(), bytes.size()));
}
string FileReadString(int handle, int length) {
    Open* f = find(handle);
    if (!f) return string(u"");
    if (!f->text()) {
        if (length < 0) {  // the length stands before the text, as FileWriteInteger writes it
            int n = 0;
            if (get(*f, &n, 4) != 4 || n < 0) { fail(ERR_FILE_BINSTRINGSIZE); return string(u""); }
            length = n;
        }
        std::string b(size_t(length) * 2, '\0');
        b.resize(get(*f, b.data(), b.size()));
        return decoded(*f, b);
    }
    size_t unit = f->wide_() ? 2 : 1;
    std::string b;
    f->line_end = false;
    while (length < 0 || b.size() / unit < size_t(length)) {
        char c[2] = {0, 0};
        if (get(*f, c, unit) != unit) { f->line_end = true; break; }
        char16_t code = unit == 2 ? char16_t(uchar(c[0]) | uchar(c[1]) << 8) : char16_t(uchar(c[0]));
        if (code == u'\n') { f->line_end = true; break; }
        if (code == u'\r') continue;
        if ((f->flags & FILE_CSV) && code == f->delimiter) break;
        b.append(c, unit);
    }
    return decoded(*f, b);
}
uint FileWriteInteger(int handle, int v, int size) { return file_write(handle, &v, size == 1 || size == 2 ? size_t(size) : 4); }
uint FileWriteLong(int handle, int64 v) { return file_write(handle, &v, 8); }
uint FileWriteDouble(int handle, double v) { return file_write(handle, &v, 8); }
int FileReadInteger(int handle, int size) {
    int v = 0;
    file_read(handle, &v, size == 1 || size == 2 ? size_t(size) : 4);
    return v;
}
int64 FileReadLong(int handle) { int64 v = 0; file_read(handle, &v, 8); return v; }
double FileReadDouble(int handle) { double v = 0; file_read(handle, &v, 8); return v; }

// -- files as a whole ---------------------------------------------------------------------------------------------------

bool FileIsExist(const string& name, int common) {
    struct stat s{};
    if (stat(place(name, common).c_str(), &s) != 0) return fails(ERR_FILE_NOT_EXIST);
    return S_ISDIR(s.st_mode) ? fails(ERR_FILE_IS_DIRECTORY) : true;
}
static bool held(const std::string& path) {
    int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    bool free = claim(fd, FILE_READ | FILE_WRITE);
    close(fd);
    return !free;
}
bool FileDelete(const string& name, int common) {
    std::string path = place(name, common);
    if (access(path.c_str(), F_OK) != 0) return fails(ERR_FILE_NOT_EXIST);
    return held(path) || unlink(path.c_str()) != 0 ? fails(ERR_CANNOT_DELETE_FILE) : true;
}
bool FileMove(const string& name, int common, const string& to, int mode) {
    std::string a = place(name, common), b = place(to, mode);
    if (a.empty() || b.empty()) return fails(ERR_WRONG_FILENAME);
    if (access(a.c_str(), F_OK) != 0) return fails(ERR_FILE_NOT_EXIST);
    if (access(b.c_str(), F_OK) == 0 && (!(mode & FILE_REWRITE) || held(b))) return fails(ERR_FILE_CANNOT_REWRITE);
    make_parents(b);
    return held(a) || rename(a.c_str(), b.c_str()) != 0 ? fails(ERR_CANNOT_OPEN_FILE) : true;
}
int64 load_file(const string& name, std::string& bytes, int common) {
    int h = FileOpen(name, FILE_READ | FILE_BIN | FILE_SHARE_READ | FILE_SHARE_WRITE | common);
    if (h == INVALID_HANDLE) return -1;
    bytes.resize(FileSize(h));
    bytes.resize(file_read(h, bytes.data(), bytes.size()));
    FileClose(h);
    return int64(bytes.size());
}
bool save_file(const string& name, const void* data, size_t bytes, int common) {
    int h = FileOpen(name, FILE_WRITE | FILE_BIN | common);
    if (h == INVALID_HANDLE) return false;
    bool good = file_write(h, data, bytes) == bytes;
    FileClose(h);
    return good;
}
bool FileCopy(const string& name, int common, const string& to, int mode) {
    std::string bytes;
    if (FileIsExist(to, mode & FILE_COMMON) && !(mode & FILE_REWRITE)) return fails(ERR_FILE_CANNOT_REWRITE);
    return load_file(name, bytes, common & FILE_COMMON) >= 0 && save_file(to, bytes.data(), bytes.size(), mode & FILE_COMMON);
}
bool FolderCreate(const string& name, int common) {
    std::string path = place(name, common);
    if (path.empty()) return fails(ERR_WRONG_DIRECTORYNAME);
    make_parents(path + "/");
    struct stat s{};
    return stat(path.c_str(), &s) == 0 && S_ISDIR(s.st_mode) ? true : fails(ERR_WRONG_DIRECTORYNAME);
}
bool FolderDelete(const string& name, int common) { return rmdir(place(name, common).c_str()) == 0 ? true : fails(ERR_CANNOT_DELETE_DIRECTORY); }
static std::map<int64, std::vector<std::string>> searches __attribute__((init_priority(110)));
int64 FileFindFirst(const string& filter, string& found, int common) {
    std::string path = place(filter, common);
    size_t slash = path.rfind('/');
    std::vector<std::string> names;
    if (DIR* folder = slash == std::string::npos ? nullptr : opendir(path.substr(0, slash).c_str())) {
        while (dirent* e = readdir(folder)) {
            std::string n = e->d_name;
            if (n != "." && n != ".." && fnmatch(path.substr(slash + 1).c_str(), n.c_str(), 0) == 0) names.push_back(e->d_type == DT_DIR ? n + "\\" : n);
        }
        closedir(folder);
    }
    if (names.empty()) { fail(ERR_FILE_NOT_EXIST); return INVALID_HANDLE; }
    std::sort(names.rbegin(), names.rend());
    found = utf8(names.back());
    names.pop_back();
    static int64 last = 0;
    searches[++last] = names;
    return last;
}
bool FileFindNext(int64 handle, string& found) {
    auto it = searches.find(handle);
    if (it == searches.end() || it->second.empty()) return false;
    found = utf8(it->second.back());
    it->second.pop_back();
    return true;
}
void FileFindClose(int64 handle) { searches.erase(handle); }
static int64 property_of(const struct stat& s, ENUM_FILE_PROPERTY_INTEGER property) {
    switch (property) {
        case FILE_EXISTS: return 1;
        case FILE_CREATE_DATE: return s.st_ctime;
        case FILE_MODIFY_DATE: return s.st_mtime;
        case FILE_ACCESS_DATE: return s.st_atime;
        case FILE_SIZE: return s.st_size;
        default: fail(ERR_INVALID_PARAMETER); return -1;
    }
}
int64 FileGetInteger(int handle, ENUM_FILE_PROPERTY_INTEGER property) {
    Open* f = find(handle);
    if (!f) return -1;
    struct stat s{};
    flush(*f);
    fstat(f->fd, &s);
    switch (property) {
        case FILE_POSITION: return f->at;
        case FILE_END: return f->at >= s.st_size;
        case FILE_LINE_END: return f->line_end;
        case FILE_IS_COMMON: return (f->flags & FILE_COMMON) != 0;
        case FILE_IS_TEXT: return f->text();
        case FILE_IS_BINARY: return (f->flags & FILE_BIN) != 0;
        case FILE_IS_CSV: return (f->flags & FILE_CSV) != 0;
        case FILE_IS_ANSI: return (f->flags & FILE_ANSI) != 0;
        case FILE_IS_READABLE: return (f->flags & FILE_READ) != 0;
        case FILE_IS_WRITABLE: return (f->flags & FILE_WRITE) != 0;
        default: return property_of(s, property);
    }
}
int64 FileGetInteger(const string& name, ENUM_FILE_PROPERTY_INTEGER property, bool common) {
    struct stat s{};
    if (stat(place(name, common ? FILE_COMMON : 0).c_str(), &s) == 0) return property_of(s, property);
    fail(ERR_FILE_NOT_EXIST);
    return property == FILE_EXISTS ? 0 : -1;
}

}  // namespace mql
