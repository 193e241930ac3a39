"""Builds MQL5 programs for Linux: ``python mql5/runner/build.py FILE.mq5 -o PROGRAM``. Needs g++ 10 or newer, nothing else.

The shim is compiled once for each set of flags and kept in ``mql5/build/shim-*``; a program is then one compilation and a
link. Warnings are the compiler's own, in MQL5 line numbers.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # also when it is loaded as a module
from lexer import SourceError
from step import shim_enums, translate

ROOT = Path(__file__).resolve().parents[2]
SHIM = Path(__file__).resolve().parent / "shim"
INCLUDE = ROOT / "mql5" / "Include"
BUILD = ROOT / "mql5" / "build"
_KEPT = 60
_COMMON = ["-std=gnu++20", "-O1", "-g1", "-fsigned-char", "-fwrapv", "-fno-strict-aliasing", "-fnon-call-exceptions"]
_WARNINGS = ["-Wall", "-Wextra", "-Wno-unused-function", "-Wno-unused-parameter", "-Wno-narrowing", "-Wno-parentheses"]
_NEVER_FROM_MQL5 = [
    "-Wno-unused-variable",
    "-Wno-missing-field-initializers",
    "-Wno-sign-compare",
    "-Wno-unused-const-variable",
]


class BuildError(Exception):
    """What to tell the user; the compiler's own words have been printed."""


def compiler() -> str:
    """
    :raises BuildError: there is none
    """
    found = shutil.which(os.environ.get("CXX", "g++"))
    if not found:
        raise BuildError("no C++ compiler: the runner needs g++ (Debian: apt install g++); set CXX to use another one")
    return found


def flags_for(*, san: bool, tls: bool) -> list[str]:
    flags = list(_COMMON)
    if san:
        flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
        flags.append(
            "-fno-sanitize=integer-divide-by-zero,vptr"
        )  # the first is an MQL5 error of its own; the second slow
    else:
        flags.append("-ftrivial-auto-var-init=pattern")  # what was not initialised is not zero, as in the terminal
    if tls:
        flags.append("-DMQL_TLS=1")
    return flags


def has_openssl(cxx: str) -> bool:
    asked = [cxx, "-E", "-x", "c++", "-", "-o", os.devnull]
    return subprocess.run(asked, input=b"#include <openssl/ssl.h>\n", capture_output=True, check=False).returncode == 0


def build_shim(cxx: str, flags: list[str]) -> Path:
    """The shim as an archive, made anew when it, the compiler or the flags changed.

    :raises BuildError: it does not compile
    """
    sources = sorted(SHIM.glob("*.cpp"))
    said = subprocess.run([cxx, "--version"], capture_output=True, check=False).stdout
    key = hashlib.sha256(said + "\0".join(flags).encode())
    for path in [*sources, *sorted(SHIM.glob("*.h"))]:
        key.update(path.read_bytes())
    archive = BUILD / f"shim-{key.hexdigest()[:16]}.a"
    with _alone(archive):
        if not archive.is_file():
            _compile_shim(cxx, flags, sources, archive)
    return archive


def _compile_shim(cxx: str, flags: list[str], sources: list[Path], archive: Path) -> None:
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        names = Path(folder) / "enum_names.cpp"
        names.write_text(shim_enums((SHIM / "words.h").read_text("utf-8")), "utf-8")
        objects = [Path(folder) / f"{path.stem}.o" for path in [*sources, names]]

        def one(source: Path, target: Path) -> None:
            _run([cxx, *flags, *_WARNINGS, f"-I{SHIM}", "-c", str(source), "-o", str(target)])

        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            list(pool.map(one, [*sources, names], objects))
        fresh = Path(folder) / "shim.a"
        ar = shutil.which("ar") or "ar"
        _run([ar, "rcs", str(fresh), *map(str, objects)])
        fresh.replace(archive)


def build(source: Path, target: Path, *, san: bool = False, cov: bool = False, include: Path = INCLUDE) -> None:
    """One program. The same text with the same shim is compiled once, and kept in ``mql5/build/programs``.

    :raises SourceError: the source step refuses it
    :raises BuildError: the compiler does, or there is none
    """
    unit = translate(source, include, ROOT)
    cxx = compiler()
    tls = has_openssl(cxx)
    if not tls:
        print(
            "no OpenSSL headers (Debian: libssl-dev): built without TLS, wss:// and https:// will not work",
            file=sys.stderr,
        )
    flags = flags_for(san=san, tls=tls)
    archive = build_shim(cxx, flags)
    target.parent.mkdir(parents=True, exist_ok=True)
    if cov:  # its counts go where its object file is: nothing to be shared
        _compile(cxx, [*flags, "--coverage"], unit.cpp, archive, target, tls=tls)
        return
    key = hashlib.sha256(f"{archive.name}\0{unit.cpp}".encode()).hexdigest()[:24]
    kept = BUILD / "programs" / key
    kept.parent.mkdir(parents=True, exist_ok=True)
    with _alone(kept):
        if not kept.is_file():
            with tempfile.TemporaryDirectory(dir=BUILD) as folder:
                fresh = Path(folder) / "program"
                _compile(cxx, flags, unit.cpp, archive, fresh, tls=tls)
                fresh.replace(kept)
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copy2(kept, fresh)
        fresh.replace(target)  # it may be running, or about to be: there is always a whole one
    _forget_old(kept.parent)


def _compile(cxx: str, flags: list[str], cpp: str, archive: Path, target: Path, *, tls: bool) -> None:
    text, object_file = target.with_name(target.name + ".cpp"), target.with_name(target.name + ".o")
    text.write_text(cpp, "utf-8")
    _run([cxx, *flags, *_WARNINGS, *_NEVER_FROM_MQL5, f"-I{SHIM}", "-c", str(text), "-o", str(object_file)])
    whole = ["-Wl,--whole-archive", str(archive), "-Wl,--no-whole-archive"]
    libraries = ["-lssl", "-lcrypto"] if tls else []
    _run([cxx, *flags, str(object_file), *whole, *libraries, "-pthread", "-o", str(target)])


@contextlib.contextmanager
def _alone(what: Path) -> Iterator[None]:
    """One process at a time makes a file that several may want."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / f".{what.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_old(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # another process forgets, too
        for path in sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime)[:-_KEPT]:
            path.unlink()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        raise BuildError(f"{Path(command[0]).name} failed; its messages are above, in the lines of the MQL5 files")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="the .mq5 file: an Expert Advisor or a script")
    parser.add_argument("-o", "--output", type=Path, default=None, help="default: mql5/build/<name>")
    parser.add_argument("--san", action="store_true", help="address and undefined-behaviour sanitizers")
    parser.add_argument("--cov", action="store_true", help="count the lines that run (gcov), in the MQL5 files")
    parser.add_argument("--check", action="store_true", help="only the source step: what MetaEditor would refuse")
    chosen = parser.parse_args()
    try:
        if chosen.check:
            translate(chosen.source, INCLUDE, ROOT)
        else:
            output = chosen.output or BUILD / chosen.source.stem
            build(chosen.source, output.resolve(), san=chosen.san, cov=chosen.cov)
    except (SourceError, BuildError) as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
