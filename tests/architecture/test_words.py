"""Every word that hub and EA say to each other about why is explained: in the table of codes, or on the protocol's page."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from kakehashi.domain.codes import CODES
from kakehashi.domain.linkwords import Change
from kakehashi.domain.orders import Op, State
from kakehashi.terminal.core.words import OrderState, Reason, Side

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "kakehashi"
SPEAKERS = [
    *(SOURCE / "terminal" / "core" / f"{name}.py" for name in ("acts", "doubt", "executions", "link", "mirror")),
    *(SOURCE / "domain" / f"{name}.py" for name in ("admission", "link", "linkstate", "commands")),
]
OTHER_WORDS = {*Op, *State, *Change, *(r.value for r in Reason), *(s.value for s in Side), "IN", "DEAL"}
"""What is said elsewhere than as a reason: operations, states, sides, entries."""


def words() -> Iterator[str]:
    for path in SPEAKERS:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch("[A-Z][A-Z_]+", node.value)
            ):
                yield node.value


def test_every_reason_that_an_ea_or_the_hub_gives_is_explained() -> None:
    page = (ROOT / "docs" / "en" / "ea-link.md").read_text("utf-8")
    explained = {*CODES, *re.findall(r"`([A-Z_]+)`", page)}
    said = set(words())
    assert {"HALTED", "ALREADY_FLAT", "SAME_ID", "EPOCH_BACK", "LEASE_HELD", "GAP"} <= said
    assert said - explained - OTHER_WORDS == set()


def test_how_an_order_ended_at_the_broker_is_explained() -> None:
    """EVT's reason is then the terminal's word for it."""
    assert {state.value for state in OrderState} - {"STARTED", "PLACED"} <= CODES.keys()


def test_what_the_ea_calls_a_reason_is_in_the_table_itself_not_only_on_a_page() -> None:
    given = set()
    for path in SPEAKERS[:5]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                named = {k.arg: k.value for k in node.keywords if k.arg in ("reason", "code")}
                parts = [*named.values(), *(node.args if called == "_rejected" else ())]
                if called in ("Verdict", "_rejected", "Err", "Bye"):
                    given |= {p.value for p in parts if isinstance(p, ast.Constant)}
    assert len(given) > 15
    assert given - CODES.keys() == set()
