"""Rails: each refuses an entry with its code, and no rail touches an exit."""

from decimal import Decimal
from typing import Any

import pytest
from desk import AT, account, alert, legacy, order, pips, position, run, to, view

from kakehashi.domain.codes import CODES, render
from kakehashi.domain.errors import Malformed
from kakehashi.domain.rules import RouteRules, Window, rules_from_toml
from kakehashi.domain.values import Quote, Side, TradeMode
from kakehashi.domain.views import RouteMemory

D = Decimal

WIDE = Quote(bid=D("1.09"), ask=D("1.10"), at=AT)
REFUSALS: list[tuple[str, dict[str, Any]]] = [
    ("KILLED", {"v": view(killed=True)}),
    ("NOT_ARMED", {"v": view(account=account(mode=TradeMode.REAL))}),
    ("ACCOUNT_DISABLED", {"v": view(account=account(enabled=False))}),
    ("PAUSED", {"route": {"enabled": False}}),
    ("STALE_ACCOUNT", {"v": view(fresh=False)}),
    ("EXPIRED_ENTRY", {"age_ms": 30_000}),
    ("EXPIRED_ENTRY", {"at": AT + 31_000, "age_ms": None}),
    ("SYMBOL_NOT_ALLOWED", {"symbols": ("USDJPY",)}),
    ("SIDE_NOT_ALLOWED", {"direction": "short"}),
    ("OUTSIDE_HOURS", {"windows": (Window(start="08:00", end="17:00"),)}),
    ("OUTSIDE_HOURS", {"windows": (Window(days=("tue",), start="22:00", end="23:00"),), "zone": "Asia/Tokyo"}),
    ("COOLDOWN", {"memory": RouteMemory(entries=(AT - 1_999,))}),
    ("TOO_MANY_ORDERS", {"memory": RouteMemory(entries=tuple(AT - 50_000 + n for n in range(10)))}),
    ("TOO_MANY_ORDERS", {"memory": RouteMemory(entries=tuple(AT - 86_000_000 + n for n in range(200)))}),
    ("MAX_POSITIONS", {"v": view(positions=tuple(position(ident=str(n)) for n in range(5)))}),
    ("MAX_POSITIONS", {"v": view(orders=(order(),)), "pyramiding": 1}),
    ("EXPOSURE", {"v": view(positions=(position(),)), "max_exposure_lots": D("0.15")}),
    ("BACKLOG", {"v": view(orders=(order(route="other"),)), "max_backlog": 1}),
    ("DUPLICATE_ORDER", {"memory": RouteMemory(last_entry=(Side.BUY, D("0.10"), AT - 9_000))}),
    ("DAILY_LOSS", {"v": view(day_profit=D(-500))}),
    ("DAILY_LOSS", {"v": view(day_profit=D(-100)), "max_daily_loss": D(100)}),
    ("LOSING_STREAK", {"v": view(losing_streak=5)}),
    ("SPREAD_TOO_WIDE", {"v": view(quote=WIDE)}),
    ("SPREAD_TOO_WIDE", {"max_spread_pips": D("0.9")}),
    ("PRICE_COLLAR", {"a": alert(price=D("1.20"))}),
]


@pytest.mark.parametrize(("code", "case"), REFUSALS)
def test_an_entry_is_refused_with_the_code_of_its_rule(code: str, case: dict[str, Any]) -> None:
    case = dict(case)
    decision = run(case.pop("a", alert()), case.pop("v", None), case.pop("memory", None), **case)
    assert (decision.code, decision.intents) == (code, ())
    assert "?" not in render(code, "en", **decision.values)
    assert "?" not in render(code, "ja", **decision.values)


@pytest.mark.parametrize(("code", "case"), [c for c in REFUSALS if c[0] not in ("NOT_ARMED", "ACCOUNT_DISABLED")])
def test_no_rail_stops_an_exit(code: str, case: dict[str, Any]) -> None:
    case = {key: value for key, value in case.items() if key != "a"}
    v = case.pop("v", view())
    v = type(v)(**{**{f: getattr(v, f) for f in v.__struct_fields__}, "positions": (position(),)})
    decision = run(alert("CLOSE"), v, case.pop("memory", None), **case)
    assert [i.target for i in decision.intents if i.target] == ["1"]


@pytest.mark.parametrize(
    "case",
    [
        {"memory": RouteMemory(entries=(AT - 2_000,))},
        {"age_ms": 29_999},
        {"windows": (Window(days=("tue",), start="22:00", end="02:00"),)},
        {"windows": (Window(days=("wed",), start="07:00", end="08:00"),), "zone": "Asia/Tokyo"},
        {"windows": (Window(days=("mon",), start="23:00", end="22:30"),)},
        {"memory": RouteMemory(last_entry=(Side.BUY, D("0.10"), AT - 10_000))},
        {"memory": RouteMemory(last_entry=(Side.SELL, D("0.10"), AT - 1))},
        {"v": view(day_profit=D("-499.99"))},
        {"v": view(quote=Quote(bid=D("1.09"), ask=D("1.10"), at=AT - 3_001))},
    ],
)
def test_a_rail_lets_pass_what_is_just_inside(case: dict[str, Any]) -> None:
    case = dict(case)
    decision = run(alert(), case.pop("v", None), case.pop("memory", None), **case)
    assert (decision.code, len(decision.intents)) == ("", 1)


def test_without_rails_only_kill_switch_ttl_and_explicit_limits_stay() -> None:
    busy = RouteMemory(entries=(AT - 1,), last_entry=(Side.BUY, D("0.10"), AT - 1))
    v = view(losing_streak=9, day_profit=D(-9_000), quote=WIDE)
    bare = {"no_rails": True}
    assert run(alert(), v, busy, route=bare).code == ""
    assert run(alert(), v, busy, route=bare, cooldown_s=60).code == "COOLDOWN"
    assert run(alert(), view(killed=True), busy, route=bare).code == "KILLED"


def test_checks_that_could_not_be_made_are_noted() -> None:
    decision = run(alert(), legacy(), age_ms=None)
    assert decision.code == ""
    assert {note.split(" (")[0] for note in decision.notes} == {
        "NOT_CHECKED: the alert's age",
        "NOT_CHECKED: daily loss",
        "NOT_CHECKED: spread and price collar",
        "NOT_CHECKED: volume step and limits",
    }


def test_the_kill_switch_lets_tightening_pass_and_refuses_loosening() -> None:
    v = view(killed=True, positions=(position(sl=D("1.08000")),))
    tighter, looser = run(alert("MODIFY", sl=pips("50")), v), run(alert("MODIFY", sl=pips("200")), v)
    assert [(i.sl, i.tightening) for i in tighter.intents] == [(D("1.08500"), True)]
    assert (looser.code, looser.intents) == ("KILLED", ())


def test_an_exit_has_a_day_and_then_expires() -> None:
    v = view(positions=(position(),))
    assert run(alert("CLOSE"), v, age_ms=86_399_999).code == ""
    assert run(alert("CLOSE"), v, age_ms=86_400_000).code == "EXPIRED_EXIT"


def test_unknown_rules_are_all_named() -> None:
    with pytest.raises(Malformed, match="unknown rules: colldown_s, lotz") as e:
        rules_from_toml({"lotz": 1, "colldown_s": 3, "reverse": True})
    assert e.value.code == "BAD_CONFIG"


@pytest.mark.parametrize(
    "table",
    [
        {"size_value": -1},
        {"size_value": "NaN"},
        {"sl": {"unit": "PIPS", "value": "NaN"}},
        {"tps": [{"level": {"unit": "R", "value": 1}, "share": "NaN"}]},
        {"zone": "Mars/Olympus"},
        {"windows": [{"start": "25:00"}]},
        {"windows": [{"days": ["someday"]}]},
        {"tp_close_ratio": 1.5},
        {"cooldown_s": "soon"},
        {"risk_means": "RISK"},
        {"sl": {"unit": "PIPS", "value": 0}},
    ],
)
def test_a_bad_rule_is_refused_by_name(table: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as e:
        rules_from_toml(table)
    assert e.value.code == "BAD_CONFIG"


def test_rules_are_read_from_toml() -> None:
    rules = rules_from_toml({"size_value": 0.1, "cooldown_s": False, "sl": {"unit": "PIPS", "value": 20}})
    assert rules == RouteRules(size_value=D("0.1"), cooldown_s=None, sl=pips("20"))


def test_every_code_has_both_languages() -> None:
    for code, entry in CODES.items():
        assert entry.code == code
        assert all((entry.en, entry.ja, entry.fix_en, entry.fix_ja))
        assert 200 <= entry.http < 600


def test_the_age_runs_on_after_receipt() -> None:
    assert run(alert(), age_ms=20_000, at=AT + 9_999).intents[0].ttl_ms == 1
    assert run(to("FLAT"), view(positions=(position(),)), age_ms=40_000).code == ""
