"""Rules about the source itself: what is banned in the product, where files may live, which codes exist."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from kakehashi.domain.codes import ALL_CODES, CODES
from kakehashi.domain.errors import KakehashiError

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "kakehashi"
FILES = sorted(SRC.rglob("*.py"))

HOMES = frozenset(
    "__init__ __main__ domain engine strategies ports venues terminal store notify services api web config telemetry"
    " bootstrap cli demo client".split()
)
"""The layout (docs: architecture). A module outside it has no home: say where it lives, here and there, or move it."""

ERRORS = frozenset({"KakehashiError", "Rejected", "Malformed", "Unavailable", "OutcomeUnknown", "IllegalTransition"})


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def raised_codes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value


@pytest.mark.parametrize("name", ["runtime", "dev", "uv"])
def test_every_requirement_is_pinned_by_hash_and_names_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    assert "://" not in text
    entries = re.split(r"\n(?=[A-Za-z0-9])", text)[1:]
    assert entries
    assert all("==" in entry.splitlines()[0] and "--hash=sha256:" in entry for entry in entries)


def test_what_the_package_declares_agrees_with_what_is_pinned() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    pinned = dict(
        re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", (ROOT / "requirements" / "runtime.txt").read_text("utf-8"), re.M)
    )
    for requirement in map(Requirement, declared):
        assert requirement.specifier.contains(pinned[requirement.name]), requirement


def test_every_module_has_a_home_in_the_layout() -> None:
    found = {
        path.stem if path.suffix == ".py" else path.name
        for path in SRC.iterdir()
        if path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__")
    }
    assert found <= HOMES, f"no home in the layout: {sorted(found - HOMES)}"


def test_no_file_has_grown_over_its_idea() -> None:
    long = {str(file.relative_to(SRC)): n for file in FILES if (n := len(file.read_text("utf-8").splitlines())) > 600}
    assert not long, f"move a rule into a module of its own: {long}"


def test_law_7_every_code_that_is_raised_is_in_the_list() -> None:
    missing = [
        f"{file.relative_to(SRC)}:{line} {code}"
        for file in FILES
        for line, code in raised_codes(parsed(file))
        if code not in CODES
    ]
    assert not missing, f"add them to domain/codes.py: {missing}"


def test_no_code_is_explained_twice() -> None:
    names = [code.code for code in ALL_CODES]
    assert sorted(names) == sorted(CODES)


def test_law_7_every_code_says_what_it_means_and_what_to_do_in_both_languages() -> None:
    for name, code in CODES.items():
        assert name == code.code
        assert re.fullmatch(r"[A-Z][A-Z0-9_]+", name)
        assert code.en, name
        assert code.fix_en, name
        assert any(ord(char) > 0x3000 for char in code.ja), name
        assert any(ord(char) > 0x3000 for char in code.fix_ja), name


def test_the_errors_are_the_ones_this_check_knows() -> None:
    def below(kind: type[KakehashiError]) -> set[str]:
        return {kind.__name__}.union(*map(below, kind.__subclasses__())) if kind.__subclasses__() else {kind.__name__}

    ours = {name for name in below(KakehashiError) if name in ERRORS}
    assert ours == ERRORS
