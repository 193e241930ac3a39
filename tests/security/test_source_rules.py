"""SEC-5, SEC-8, SEC-13: rules about the source and what it stands on."""

import ast
import re
import statistics
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.version import Version

from kakehashi.services.access import Tokens, create_token

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "src" / "kakehashi").rglob("*.py"))

SECRETS = re.compile(r"(^|_)(secret|token|sig|signature|passphrase|password|digest|sha256|hmac)$", re.IGNORECASE)
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


def test_sec_5_no_secret_is_compared_with_equals() -> None:
    assert not {str(file): found for file in FILES if (found := list(compared_secrets(parsed(file))))}


def test_sec_8_nothing_that_runs_foreign_text() -> None:
    assert not {str(file): found for file in FILES if (found := list(dangerous(parsed(file))))}


@pytest.mark.parametrize("line", ["given == self.token", "sha256(x) != row.sha256", "my_secret == other", "a.sig == b"])
def test_sec_5_the_comparison_check_sees(line: str) -> None:
    assert list(compared_secrets(ast.parse(line)))


@pytest.mark.parametrize("line", ["token == ''", "scope == Scope.TOKEN", "token_id == other", "design == sign"])
def test_sec_5_the_comparison_check_lets_pass(line: str) -> None:
    assert not list(compared_secrets(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ["import pickle", "from pickle import loads", "eval(x)", "exec(x)", "yaml.load(x)", "run(x, shell=True)"]
)
def test_sec_8_the_danger_check_sees(line: str) -> None:
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


def test_sec_5_an_unknown_id_a_wrong_secret_and_nonsense_cost_the_same() -> None:
    """The best of many batches, taken in turns, of this thread's own time: noise only ever adds."""
    known = create_token("webhook", at=0)
    tokens = Tokens()
    tokens.refresh([known.row] + [create_token("webhook", at=0).row for _ in range(50)])
    head, ident = known.secret.rsplit("_", 1)[0], known.row.id
    guesses = {
        "wrong secret": head + "_" + "A" * 43,
        "unknown id": head.replace(ident, "0" * 12) + "_" + "A" * 43,
        "nearly right": known.secret[:-1] + "!",
    }
    rounds = [{name: _batch(tokens, guess) for name, guess in guesses.items()} for _ in range(100)]
    best = {name: min(each[name] for each in rounds) for name in guesses}
    typical = statistics.median(best.values())
    assert all(abs(seconds - typical) < typical * 0.5 for seconds in best.values()), best


def test_sec_5_a_secret_that_is_no_ascii_is_a_wrong_one_and_no_fault() -> None:
    tokens = Tokens()
    tokens.refresh([create_token("webhook", at=0).row])
    for raw in ("é", "\udc80", "kk_webhook_é_\U0001f600", "_" * 600, "", None):
        assert tokens.find(raw, at=0) is None


def _batch(tokens: Tokens, guess: str) -> float:
    began = time.thread_time()
    for _ in range(200):
        tokens.find(guess, at=0)
    return time.thread_time() - began
