"""Rules about the source itself: what is banned in the product, where files may live, which codes exist."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from kakehashi.domain.codes import CODES
from kakehashi.domain.errors import KakehashiError

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "kakehashi"
FILES = sorted(SRC.rglob("*.py"))

HOMES = frozenset(
    "__init__ __main__ domain engine strategies ports venues terminal store notify services api web config telemetry"
    " bootstrap cli demo client".split()
)
"""The layout (docs: architecture). A module outside it has no home: say where it lives, here and there, or move it."""

SECRETS = re.compile(r"(^|_)(secret|token|sig|signature|passphrase|password|digest|sha256|hmac)$", re.IGNORECASE)
ERRORS = frozenset({"KakehashiError", "Rejected", "Malformed", "Unavailable", "OutcomeUnknown", "IllegalTransition"})

MINIMUM = {"starlette": "0.49.1", "strawberry-graphql": "0.327.2"}
"""SEC-13: below these there is a known hole."""


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def compared_secrets(tree: ast.AST) -> Iterator[str]:
    """``==`` or ``!=`` with a secret on either side, unless the other is a constant that is no secret itself."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant) and side.value in (None, "", b"") for side in sides):
            continue
        for side in sides:
            name = side.attr if isinstance(side, ast.Attribute) else side.id if isinstance(side, ast.Name) else ""
            if SECRETS.search(name) and not name.isupper():  # upper case: an enum member, not a value
                yield f"{node.lineno}: compares {name}; use hmac.compare_digest on bytes"


def dangerous(tree: ast.AST) -> Iterator[str]:
    banned = {"pickle", "cPickle", "dill", "marshal", "shelve", "rpyc"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"{node.lineno}: {a.name}" for a in node.names if a.name.partition(".")[0] in banned)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in banned:
            yield f"{node.lineno}: {node.module}"
        elif isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id="eval" | "exec" as name):
                    yield f"{node.lineno}: {name}()"
                case ast.Attribute(value=ast.Name(id="yaml"), attr="load" | "unsafe_load" | "full_load" as name):
                    yield f"{node.lineno}: yaml.{name}()"
                case ast.Attribute(value=ast.Name(id="os"), attr="system" | "popen" as name):
                    yield f"{node.lineno}: os.{name}()"
            if any(
                k.arg == "shell" and not (isinstance(k.value, ast.Constant) and k.value.value is False)
                for k in node.keywords
            ):
                yield f"{node.lineno}: shell=True"


def raised_codes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value


def test_sec_5_no_secret_is_compared_with_equals() -> None:
    assert not {str(file): found for file in FILES if (found := list(compared_secrets(parsed(file))))}


def test_sec_8_nothing_that_runs_foreign_text() -> None:
    assert not {str(file): found for file in FILES if (found := list(dangerous(parsed(file))))}


@pytest.mark.parametrize("line", ["given == self.token", "sha256(x) != row.sha256", "my_secret == other", "a.sig == b"])
def test_the_comparison_check_sees(line: str) -> None:
    assert list(compared_secrets(ast.parse(line)))


@pytest.mark.parametrize("line", ["token == ''", "scope == Scope.TOKEN", "token_id == other", "design == sign"])
def test_the_comparison_check_lets_pass(line: str) -> None:
    assert not list(compared_secrets(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ["import pickle", "from pickle import loads", "eval(x)", "exec(x)", "yaml.load(x)", "run(x, shell=True)"]
)
def test_the_danger_check_sees(line: str) -> None:
    assert list(dangerous(ast.parse(line)))


@pytest.mark.parametrize("name", MINIMUM)
def test_sec_13_what_is_installed_is_not_below_a_known_hole(name: str) -> None:
    try:
        installed = version(name)
    except PackageNotFoundError:
        pinned = (ROOT / "requirements" / "dev.txt").read_text("utf-8")
        assert not re.search(rf"^{name}==", pinned, re.MULTILINE), f"{name} is pinned, but not installed"
        return
    assert Version(installed) >= Version(MINIMUM[name])


def test_sec_13_rpyc_is_absent() -> None:
    with pytest.raises(PackageNotFoundError):
        version("rpyc")


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
