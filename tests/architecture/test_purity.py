"""What imports alone cannot show: the pure packages look at no clock, draw no chance, wait for nothing, touch nothing.

Law 3. The list of allowed modules is the whole of what a decision may depend on.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "kakehashi"
PURE = ("domain", "engine", "strategies", "terminal/core")

ALLOWED = frozenset(
    "__future__ abc array base64 binascii bisect calendar collections copy dataclasses datetime decimal"
    " difflib enum fractions functools hashlib heapq hmac ipaddress itertools json kakehashi keyword math"
    " msgspec numbers operator random re statistics string struct textwrap types typing unicodedata"
    " zoneinfo zlib".split()
)
"""hmac and hashlib are functions of their input; zoneinfo reads tables that ship with the machine; random only as
``random.Random(seed)``, which the test below holds it to."""

NUMERIC = frozenset({"numpy", "numba"})
"""Where market data is crunched: engine and strategies."""

CLOCK = frozenset({"now", "utcnow", "today"})
BUILTINS = frozenset("open print input eval exec compile breakpoint id hash globals __import__".split())
"""id() and hash() too: nothing may be ordered by what differs between two runs."""


def faults(tree: ast.AST, allowed: frozenset[str] = ALLOWED) -> Iterator[str]:
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            yield from (f"{line}: imports {a.name}" for a in node.names if a.name.partition(".")[0] not in allowed)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or "."
            if module.partition(".")[0] not in allowed:
                yield f"{line}: imports {module}"
            if module == "random" and any(a.name != "Random" for a in node.names):
                yield f"{line}: draws from the shared generator"
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"{line}: waits"
        elif isinstance(node, ast.Call):
            yield from (f"{line}: {fault}" for fault in _call_faults(node))


def _call_faults(call: ast.Call) -> Iterator[str]:
    match call.func:
        case ast.Name(id=name) if name in BUILTINS:
            yield f"calls {name}()"
        case ast.Name(id="Random") if not call.args:
            yield "makes a generator without a seed"
        case ast.Attribute(value=ast.Name(id="random"), attr=name):
            if name != "Random":
                yield f"draws random.{name}()"
            elif not call.args:
                yield "makes a generator without a seed"
        case ast.Attribute(value=ast.Name(id="datetime" | "date" | "dt"), attr=name) if name in CLOCK:
            yield f"looks at the clock: {name}()"
        case ast.Attribute(value=ast.Attribute(attr="datetime" | "date"), attr=name) if name in CLOCK:
            yield f"looks at the clock: {name}()"
        case ast.Attribute(attr="fromtimestamp") if len(call.args) + len(call.keywords) < 2:
            yield "depends on the machine's time zone: fromtimestamp()"
        case ast.Attribute(attr="read_text" | "write_text" | "read_bytes" | "write_bytes" | "getLogger" as name):
            yield f"reaches outside: {name}()"


def pure_files() -> list[Path]:
    return sorted(file for package in PURE for file in (SRC / package).rglob("*.py"))


@pytest.mark.parametrize("file", pure_files(), ids=lambda file: file.relative_to(SRC).as_posix())
def test_law_3_the_core_is_pure(file: Path) -> None:
    numeric = NUMERIC if file.relative_to(SRC).parts[0] in ("engine", "strategies") else frozenset()
    found = list(faults(ast.parse(file.read_text("utf-8")), ALLOWED | numeric))
    assert not found, f"{file}: {found}"


def test_there_is_a_core_to_check() -> None:
    assert len(pure_files()) > 5


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "import os.path",
        "from asyncio import sleep",
        "from random import choice",
        "import random; random.random()",
        "import random; random.Random()",
        "from random import Random; Random()",
        "from datetime import datetime; datetime.now()",
        "import datetime; datetime.datetime.utcnow()",
        "from datetime import date; date.today()",
        "datetime.fromtimestamp(1)",
        "async def f(): ...",
        "open('x')",
        "print(1)",
        "sorted(x, key=lambda o: id(o))",
        "import numpy",
    ],
)
def test_the_check_sees(line: str) -> None:
    assert list(faults(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ["import random; random.Random(7)", "from datetime import datetime, UTC; datetime.fromtimestamp(1, UTC)"]
)
def test_the_check_lets_pass(line: str) -> None:
    assert not list(faults(ast.parse(line)))
