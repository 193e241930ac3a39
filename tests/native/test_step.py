"""What the source step refuses, and where it says so. Needs no compiler."""

from pathlib import Path
from types import ModuleType

import pytest

START = "void OnStart(void)\n  {\n  "
REFUSED = [
    ("auto x = 1;", "'auto' is C++"),
    ("int n = p->x;", "'->' is C++"),
    ("int grid[3][3];", "more than one dimension"),
    ("int *p;", "pointers to classes only"),
    ("for(int x : list) Print(x);", "count the index"),
    ("try { Print(1); } catch(...) {}", "'try' is C++"),
    ("Box box; Box &b = box;", "references as parameters only"),
    ("int n = 10L;", "no suffix"),
    ("int n = 010;", "octal"),
    ("static_cast<int>(1.5);", "'static_cast' is C++"),
    ("Sort([](int a) { return a; });", "lambda"),
    ("datetime t = D'yesterday';", "a date is written"),
    ("Print(1;", "'}' closes nothing"),
    ("int n{5};", "without '='"),
    ("Use(Box{});", "without '='"),
    ('string s = u8"x";', "with a prefix"),
]
OUTSIDE = [
    ("class A { int n = 5; };", "in the constructor"),
    ("enum class E { X };", "enum class is C++"),
    ("struct S { int n; };\nvoid F(S s) {}", "S &s"),
    ("void F(int a[]) {}", "arrays are passed by reference"),
    ("namespace x { int n; }", "'namespace' is C++"),
    ('#import "user32.dll"', "#import"),
    ("#include <Trade/Trade.mqh>", "standard library"),
    ('#include "Missing.mqh"', "is not beside"),
    ("struct S { operator int(void) { return 1; } };", "operators that convert"),
    ("int &F(void) { return 1; }", "returns a reference"),
    ("struct S { int n; };\nvoid F(const S &s = 0) {}", "has no default"),
    ("void F(const string &s) {}", "pass it by value"),
    ("class A { A(void) = default; };", "'= default' is C++"),
    ("enum E : uchar { X };", "an enum is declared as"),
    ("interface I { void F(void); };", "'interface' is not built"),
]


def refusal(runner: ModuleType, folder: Path, text: str, *, name: str = "p.mq5") -> str:
    source = folder / name
    source.write_text(text, "utf-8")
    with pytest.raises(runner.SourceError) as caught:
        runner.translate(source, folder, folder)
    return str(caught.value)


@pytest.mark.parametrize(("code", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_what_metaeditor_would_refuse_is_refused_with_file_and_line(
    runner: ModuleType, tmp_path: Path, code: str, why: str
) -> None:
    said = refusal(runner, tmp_path, f"class Box {{ public: int x; }};\n{START}{code}\n  }}\n")
    assert why in said
    assert said.startswith("p.mq5:4: error:") or "closes nothing" in why


@pytest.mark.parametrize(("code", "why"), OUTSIDE, ids=[why for _, why in OUTSIDE])
def test_declarations_that_are_not_mql5_are_refused(runner: ModuleType, tmp_path: Path, code: str, why: str) -> None:
    assert why in refusal(runner, tmp_path, f"{code}\n{START}}}\n")


@pytest.mark.parametrize("call", ["PositionsTotal()", "OrderGetTicket(0)", "SocketCreate()", "GetTickCount64()"])
def test_what_mql4_does_not_know_is_refused_in_its_files_only(runner: ModuleType, tmp_path: Path, call: str) -> None:
    text = f"{START}Print({call});\n  }}\n"
    assert "is MQL5" in refusal(runner, tmp_path, text, name="p.mq4")
    (tmp_path / "p.mq5").write_text(text, "utf-8")
    assert '"mql.h"' in runner.translate(tmp_path / "p.mq5", tmp_path, tmp_path).cpp


def test_what_is_inside_comments_and_texts_is_left_alone(runner: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "p.mq5"
    source.write_text(f'{START}// auto x->y\n /* try\n{{ */ Print("a->b // c", \'"\'); }}\n', "utf-8")
    cpp = runner.translate(source, tmp_path, tmp_path).cpp
    assert 'Print(mql::string(u"a->b // c"), mql::ushort(u\'"\'));' in cpp
    assert "try" not in cpp


def test_sources_of_metaeditor_are_read_as_utf16_and_lines_keep_their_numbers(
    runner: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "Part.mqh").write_text("int one = 1;\n\nint Bad(void) { return two; }\n", "utf-16")
    source = tmp_path / "p.mq5"
    source.write_text('// 日本語\r\n#include "Part.mqh"\r\nvoid OnStart(void) { Print("é"); }\r\n', "utf-16")
    cpp = runner.translate(source, tmp_path, tmp_path).cpp
    lines = cpp.splitlines()
    assert lines[lines.index('#line 3 "p.mq5"') + 1].startswith("void OnStart(void)")
    part = lines.index('#line 1 "Part.mqh"')
    assert lines[part + 3] == "int Bad(void) { return two; }"
    assert 'u"é"' in cpp


def test_a_program_without_events_is_refused(runner: ModuleType, tmp_path: Path) -> None:
    assert "nothing would ever run" in refusal(runner, tmp_path, "int n;\n")


def test_without_a_compiler_it_says_what_is_missing(
    runner: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "p.mq5"
    source.write_text("void OnStart(void) {}\n")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(runner.BuildError, match=r"no C\+\+ compiler: the runner needs g\+\+"):
        runner.build(source, tmp_path / "p")
