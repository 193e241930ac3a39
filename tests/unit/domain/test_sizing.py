"""Sizing: down, never up; clamped and recorded; refused where something is missing."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from desk import EURUSD, alert, legacy, lots, pips, run, size, view

from kakehashi.domain.alerts import Alert, SizeUnit

D = Decimal

SIZES: list[tuple[Alert, str]] = [
    (alert(size=lots("0.129")), "0.12"),
    (alert(size=size("BALANCE_RATIO", "30000")), "0.33"),
    (alert(size=size("NOTIONAL", "22500")), "0.20"),
    (alert(size=size("EQUITY_PERCENT", "250")), "0.22"),
    (alert(size=size("RISK_PERCENT", "1"), sl=pips("30")), "0.33"),
    (alert(size=size("RISK", "1"), sl=pips("30")), "0.33"),
    (alert(size=size("CONTRACTS", "3")), "0.15"),
    (alert(size=lots("80")), "50.00"),
    (alert(), "0.10"),
]


@pytest.mark.parametrize(("a", "expected"), SIZES)
def test_a_size_becomes_lots_rounded_down(a: Alert, expected: str) -> None:
    decision = run(a, lots_per_contract=D("0.05"))
    assert [i.volume for i in decision.intents] == [D(expected)]


@pytest.mark.parametrize(
    ("code", "a", "case"),
    [
        ("BELOW_MIN_VOLUME", alert(size=lots("0.009")), {}),
        ("BELOW_MIN_VOLUME", alert(size=lots("0")), {"v": legacy()}),
        ("NO_BALANCE", alert(size=size("BALANCE_RATIO", "1000")), {"v": legacy()}),
        ("NO_BALANCE", alert(size=size("EQUITY_PERCENT", "10")), {"v": legacy()}),
        ("NO_SPEC", alert(size=size("NOTIONAL", "10")), {"v": legacy()}),
        ("NO_SPEC", alert(), {"v": view(instrument=None)}),
        ("NO_QUOTE", alert(size=size("NOTIONAL", "1e5")), {"v": view(quote=None)}),
        ("NO_FACTOR", alert(size=size("CONTRACTS", "1")), {}),
        ("STOP_REQUIRED", alert(size=size("RISK_PERCENT", "1")), {}),
        ("NOTIONAL_TOO_LARGE", alert(size=lots("1")), {"max_notional": D(100_000)}),
    ],
)
def test_what_cannot_be_sized_is_refused(code: str, a: Alert, case: dict[str, Any]) -> None:
    case = dict(case)
    assert run(a, case.pop("v", None), **case).code == code


def test_a_clamp_is_recorded() -> None:
    decision = run(alert(size=lots("2")), max_lots=D("0.5"))
    assert decision.intents[0].volume == D("0.5")
    assert "CLAMPED: 2 lots to the maximum of 0.5" in decision.notes


def test_an_unreported_account_trades_fixed_lots_and_leaves_no_size_to_the_ea() -> None:
    assert run(alert(), legacy()).intents[0].volume == D("0.10")
    assert run(alert(), legacy(), size_value=None).intents[0].volume is None
    assert run(alert(), size_value=None).intents[0].volume == EURUSD.vol_min


def test_the_route_can_insist_on_its_own_size() -> None:
    assert run(alert(size=lots("3")), size_source="route").intents[0].volume == D("0.10")


def test_risk_is_measured_in_the_accounts_currency() -> None:
    yen = msgspec.structs.replace(EURUSD, tick_value=D(150))
    v = view(instrument=yen, equity=D(1_500_000))
    decision = run(alert(size=size(SizeUnit.RISK_PERCENT, "1"), sl=pips("20")), v)
    assert decision.intents[0].volume == D("0.50")
