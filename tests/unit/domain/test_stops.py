"""Stops, targets and pending entries as prices."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from desk import EURUSD, account, alert, legacy, lots, pips, position, run, view

from kakehashi.domain.alerts import Level, LevelUnit, OrderKind, TakeProfit
from kakehashi.domain.orders import Op
from kakehashi.domain.values import MarginMode

D = Decimal


def level(unit: str, value: str) -> Level:
    return Level(LevelUnit(unit), D(value))


@pytest.mark.parametrize(
    ("sl", "tp", "sl_at", "tp_at"),
    [
        (level("PIPS", "20"), level("PIPS", "40"), "1.09800", "1.10400"),
        (level("PRICE", "1.09"), level("PRICE", "1.12"), "1.09000", "1.12000"),
        (level("PERCENT", "1"), level("PERCENT", "2"), "1.08900", "1.12200"),
        (level("PIPS", "20"), level("R", "1.5"), "1.09800", "1.10300"),
        (level("ATR", "2"), level("ATR", "3"), "1.09000", "1.11500"),
        (level("AUTO", "20"), level("AUTO", "40"), "1.09800", "1.10400"),
    ],
)
def test_levels_lie_on_the_right_side_of_a_long(sl: Level, tp: Level, sl_at: str, tp_at: str) -> None:
    intent = run(alert(sl=sl, tps=(TakeProfit(tp),)), view(atr=D("0.005"))).intents[0]
    assert (intent.sl, intent.tp) == (D(sl_at), D(tp_at))


def test_a_short_has_them_the_other_way_round() -> None:
    intent = run(alert("SELL", sl=pips("20"), tps=(TakeProfit(pips("40")),))).intents[0]
    assert (intent.sl, intent.tp) == (D("1.10190"), D("1.09590"))


@pytest.mark.parametrize(
    ("code", "fields", "rules"),
    [
        ("STOPS_WRONG_SIDE", {"sl": level("PRICE", "1.2")}, {}),
        ("STOPS_WRONG_SIDE", {"tps": (TakeProfit(level("PRICE", "1.0")),)}, {}),
        ("STOPS_TOO_CLOSE", {"sl": pips("4")}, {}),
        ("STOP_REQUIRED", {}, {"sl_required": True}),
        ("STOP_REQUIRED", {"sl": level("PIPS", "0")}, {"sl_required": True, "sl": pips("10")}),
        ("STOP_REQUIRED", {"tps": (TakeProfit(level("R", "2")),)}, {}),
        ("NO_ATR", {"sl": level("ATR", "2")}, {}),
        ("ENTRY_PRICE_MISSING", {"kind": OrderKind.LIMIT}, {}),
        ("STOPS_WRONG_SIDE", {"kind": OrderKind.LIMIT, "entry": level("PRICE", "1.105")}, {}),
    ],
)
def test_levels_that_cannot_be_are_refused(code: str, fields: dict[str, Any], rules: dict[str, Any]) -> None:
    v = view(instrument=msgspec.structs.replace(EURUSD, stops_level=50))
    assert run(alert(**fields), v, **rules).code == code


def test_a_sent_zero_means_no_stop_and_missing_means_the_routes() -> None:
    assert run(alert(), sl=pips("20")).intents[0].sl == D("1.09800")
    assert run(alert(sl=pips("0")), sl=pips("20")).intents[0].sl is None


def test_a_pip_that_nothing_implies_must_be_said() -> None:
    gold = msgspec.structs.replace(EURUSD, digits=2, point=D("0.01"), tick_size=D("0.01"))
    assert run(alert(sl=pips("20")), view(instrument=gold)).code == "NO_SPEC"
    told = view(instrument=gold, account=account(pips={"EURUSD": D("0.01")}))
    assert run(alert(sl=pips("20")), told).intents[0].sl == D("0.90")


@pytest.mark.parametrize(("kind", "expected"), [("LIMIT", "1.09900"), ("STOP", "1.10100")])
def test_a_pending_entry_lies_a_distance_from_the_market(kind: str, expected: str) -> None:
    intent = run(alert(kind=OrderKind(kind), entry=pips("10"))).intents[0]
    assert (intent.op, intent.price) == (Op.PENDING, D(expected))


def test_an_unreported_account_cannot_be_sent_a_pending_order() -> None:
    assert run(alert(kind=OrderKind.LIMIT, price=D("1.09")), legacy()).code == "VENUE_UNSUPPORTED"


TWO = (TakeProfit(pips("10"), D("0.3")), TakeProfit(pips("20"), D("0.7")))


def test_several_targets_are_an_order_each_on_hedging() -> None:
    intents = run(alert(size=lots("0.11"), tps=TWO)).intents
    assert [(i.volume, i.tp) for i in intents] == [(D("0.03"), D("1.10100")), (D("0.08"), D("1.10200"))]


def test_several_targets_are_one_order_on_netting_or_where_a_share_is_too_small() -> None:
    netting = view(account=account(margin_mode=MarginMode.NETTING))
    for decision in (run(alert(tps=TWO), netting), run(alert(size=lots("0.02"), tps=TWO))):
        assert [i.tp for i in decision.intents] == [D("1.10200")]
        assert any(note.startswith("TP_NOT_SPLIT") for note in decision.notes)


def test_break_even_moves_the_stop_to_the_entry_once_the_market_is_beyond_it() -> None:
    v = view(positions=(position(), position("SELL", ident="2")))
    decision = run(alert("BREAKEVEN"), v, breakeven_offset_pips=D(2))
    assert [(i.target, i.sl) for i in decision.intents] == [("1", D("1.09020"))]
