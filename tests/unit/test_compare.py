"""A dry run beside what really happened: which orders match, and how they are counted."""

from decimal import Decimal
from typing import Any

import pytest

from kakehashi.domain.orders import Op
from kakehashi.domain.values import Side
from kakehashi.services.compare import Act, Comparison, Decided, Done, compare, wishes_in


def act(text: str) -> Act:
    (found,) = wishes_in([text])
    return found


def would(at: int, *wishes: str, signal: str = "s", **more: str) -> Decided:
    fields = {"strategy": "mine", "alert": "BUY EURUSD", "account": "demo", "status": "dry_run", **more}
    return Decided(at=at, signal_id=signal, wishes=tuple(map(act, wishes)), **fields)


def did(at: int, what: str, order: str, *, signal: str = "other", account: str = "demo") -> Done:
    return Done(
        at=at, order_id=order, signal_id=signal, account=account, route="live", strategy="theirs", state="FILLED",
        act=act(what),
    )  # fmt: skip


def found(decided: list[Decided], done: list[Done]) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    comparison: Comparison = compare(decided, done, within_ms=60_000)
    return [(line.verdict, line.order_id) for line in comparison.lines], comparison.totals


def test_the_orders_of_a_dry_run_are_read_from_its_notes() -> None:
    notes = ("NOT_CHECKED: no quote", "OPEN BUY 0.10 EURUSD.m", "CLOSE  None US 30", "CLOSE_PARTIAL SELL 1 X", "AGE 3")
    assert wishes_in(notes) == (
        Act(op=Op.OPEN, side=Side.BUY, volume=Decimal("0.10"), symbol="EURUSD.m"),
        Act(op=Op.CLOSE, side=None, volume=None, symbol="US 30"),
        Act(op=Op.CLOSE_PARTIAL, side=Side.SELL, volume=Decimal(1), symbol="X"),
    )


def test_an_order_that_both_made_matches_and_the_rest_is_extra_or_missing() -> None:
    lines, totals = found(
        [would(1_000, "OPEN BUY 0.10 EURUSD"), would(200_000, "OPEN BUY 0.10 EURUSD", signal="s2")],
        [did(1_500, "OPEN BUY 0.20 EURUSD", "o1"), did(400_000, "CLOSE BUY 0.20 EURUSD", "o2")],
    )
    assert lines == [("match", "o1"), ("extra", ""), ("missing", "o2")]
    assert (totals["matching"], totals["extra"], totals["missing"]) == (1, 1, 1)
    assert totals["matching_with_the_same_volume"] == 0
    assert (totals["signals"], totals["entries"], totals["exits"]) == (2, 2, 0)
    assert totals["really_by_strategy"] == {"theirs": 2}


@pytest.mark.parametrize(
    ("what", "account", "at"),
    [
        ("OPEN SELL 0.10 EURUSD", "demo", 1_000),
        ("CLOSE BUY 0.10 EURUSD", "demo", 1_000),
        ("OPEN BUY 0.10 GBPUSD", "demo", 1_000),
        ("OPEN BUY 0.10 EURUSD", "other", 1_000),
        ("OPEN BUY 0.10 EURUSD", "demo", 61_001),
    ],
)
def test_another_side_kind_symbol_account_or_time_is_no_match(what: str, account: str, at: int) -> None:
    assert {v for v, _ in found([would(1_000, "OPEN BUY 0.10 EURUSD")], [did(at, what, "o", account=account)])[0]} == {
        "extra",
        "missing",
    }


def test_an_exit_of_either_side_and_a_pending_entry_match_their_kind() -> None:
    lines, _ = found(
        [would(0, "CLOSE  None EURUSD"), would(1, "OPEN SELL 0.1 EURUSD", signal="s2")],
        [did(2, "CLOSE_PARTIAL SELL 0.1 EURUSD", "o1"), did(3, "PENDING SELL 0.1 EURUSD", "o2")],
    )
    assert lines == [("match", "o1"), ("match", "o2")]


def test_the_same_signal_comes_before_the_nearest_time_and_each_order_is_used_once() -> None:
    lines, totals = found(
        [would(0, "OPEN BUY 0.1 EURUSD"), would(10_000, "OPEN BUY 0.1 EURUSD", signal="s2")],
        [did(9_000, "OPEN BUY 0.1 EURUSD", "o1", signal="s"), did(30_000, "OPEN BUY 0.1 EURUSD", "o2")],
    )
    assert lines == [("match", "o1"), ("match", "o2")]
    assert totals["matching_with_the_same_volume"] == 2


def test_refusals_are_counted_by_code_and_a_signal_with_nothing_to_do_is_shown() -> None:
    lines, totals = found(
        [
            would(1, status="refused", code="COOLDOWN"),
            would(2, signal="s2", status="refused", code="COOLDOWN"),
            would(3, signal="s3", status="refused", code="SPREAD"),
            would(4, signal="s4"),
            would(5, signal="s5", status="queued"),
        ],
        [],
    )
    assert [verdict for verdict, _ in lines] == ["refused"] * 3 + ["nothing"]
    assert totals["refusals"] == {"COOLDOWN": 2, "SPREAD": 1}
    assert (totals["signals"], totals["carried_out"]) == (5, 1)
