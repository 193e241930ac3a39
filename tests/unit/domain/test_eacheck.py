"""What is wrong with an EA: one row of the table for each thing, and nothing said of an EA that is well."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kakehashi.domain.codes import CODES
from kakehashi.domain.codes_ea import EA_CODES
from kakehashi.domain.eacheck import (
    EA_VERSION,
    EaState,
    SelfReport,
    Severity,
    check,
    likely_name,
    self_report,
)
from kakehashi.domain.frames import Hello
from kakehashi.domain.rules import Route, rules_from_toml
from kakehashi.domain.values import Account, Instrument

AT = 1_790_000_100_000
D = Decimal
ALLOWED = {"terminal": True, "expert": True, "account": True, "server": True}


def instrument(symbol: str = "EURUSD", vol_min: str = "0.01") -> Instrument:
    return Instrument(
        symbol=symbol,
        digits=5,
        point=D("0.00001"),
        tick_size=D("0.00001"),
        tick_value=D(1),
        contract_size=D(100_000),
        vol_min=D(vol_min),
        vol_max=D(100),
        vol_step=D("0.01"),
    )


def shown(*instruments: Instrument) -> dict[str, Instrument]:
    return {i.symbol: i for i in instruments}


def report(**more: Any) -> SelfReport:
    given = {"account": "1001", "server": "Demo-1", "ver": EA_VERSION, "build": 4500, "margin_mode": "hedging"}
    given |= {"trade_mode": "demo", "perms": ALLOWED, "broker_time": AT + 3 * 3_600_000 + 800}
    return SelfReport(at=AT, **(given | more))


def route(**rules: Any) -> Route:
    return Route(name="trend", accounts=("demo",), symbols=("EURUSD",), rules=rules_from_toml(rules))


def well(**more: Any) -> EaState:
    """An EA with nothing wrong, but for what the test changes."""
    given = {
        "account": Account(name="demo", number="1001", server="Demo-1"),
        "routes": (route(size_value="0.10"),),
        "link": "live",
        "hello": report(),
        "trade_allowed": True,
        "instruments": shown(instrument()),
    }
    return EaState(**(given | more))


def without(permission: str) -> dict[str, Any]:
    return {"hello": report(perms=ALLOWED | {permission: False}), "trade_allowed": False}


MAPPED = Account(name="demo", number="1001", symbols={"EURUSD": "EURUSD.m"})
WRONG = [
    ({"link": None, "hello": None, "trade_allowed": None, "instruments": {}}, "EA_NEVER_CONNECTED"),
    ({"link": None, "hello": None, "trade_allowed": None, "reported": True}, "EA_BY_MAILBOX"),
    ({"link": None, "hello": None, "trade_allowed": None, "reported": False}, "EA_STOPPED"),
    ({"link": "off"}, "EA_STOPPED"),
    ({"link": "stale"}, "EA_STALE"),
    ({"halted": True}, "HALTED"),
    ({"suspended": True}, "HUB_RESTORED"),
    (without("terminal"), "ALGO_TRADING_OFF"),
    (without("expert"), "CHART_NOT_ALLOWED"),
    (without("account"), "ACCOUNT_READ_ONLY"),
    (without("server"), "EXPERTS_FORBIDDEN"),
    (without("terminal") | {"trade_allowed": None}, "ALGO_TRADING_OFF"),
    ({"trade_allowed": False}, "TRADE_NOT_ALLOWED"),
    ({"refused": report(account="2002")}, "LOGIN_DIFFERS"),
    ({"refused": report(server="Live-3")}, "SERVER_DIFFERS"),
    ({"account": Account(name="demo", number="1001"), "server": "Live-3"}, "SERVER_DIFFERS"),
    ({"refused": report(trade_mode="real")}, "ACCOUNT_MODE_DIFFERS"),
    ({"refused": report(margin_mode="netting")}, "MARGIN_MODE_DIFFERS"),
    ({"link": None, "hello": None, "refused": report(account="2002")}, "LOGIN_DIFFERS"),
    ({"hello": report(ver="0.9.12")}, "EA_OUTDATED"),
    ({"hello": report(ver="")}, "EA_OUTDATED"),
    ({"hello": report(broker_time=AT + 7_200_000 + 61_000)}, "CLOCK_OFF"),
    ({"hello": report(broker_time=AT + 7_200_000 - 61_000)}, "CLOCK_OFF"),
    ({"instruments": {}}, "NO_SYMBOLS_TOLD"),
    ({"instruments": shown(instrument("EURUSD.m"))}, "SYMBOL_RENAMED"),
    ({"instruments": shown(instrument("USDJPY"))}, "SYMBOL_MISSING"),
    ({"account": MAPPED, "instruments": shown(instrument("USDJPY"))}, "SYMBOL_MISSING"),
    ({"instruments": shown(instrument(vol_min="0.2"))}, "LOTS_BELOW_MINIMUM"),
    ({"routes": (route(max_lots="0.005"),)}, "LOTS_BELOW_MINIMUM"),
]


@pytest.mark.parametrize(("changed", "code"), WRONG, ids=[f"{n}-{code}" for n, (_, code) in enumerate(WRONG)])
def test_each_thing_that_is_wrong_is_found_alone(changed: dict[str, Any], code: str) -> None:
    assert [finding.code for finding in check(well(**changed))] == [code]


FINE = [
    {},
    {"account": MAPPED, "instruments": shown(instrument("EURUSD.m"))},
    {"routes": ()},
    {"routes": (Route(name="any", accounts=("demo",)),)},
    {"routes": (route(size_value="0.001", size_unit="RISK_PERCENT"),)},  # no lots: the volume is computed
    {"hello": report(ver="0.1.0", build=0)},  # a simulated EA has the hub's version
    {"hello": report(ver="1.10.0")},
    {"hello": report(broker_time=0)},
    {"hello": report(broker_time=AT - 5 * 3_600_000 - 1_800_000 + 59_000)},
    {"hello": report(perms=ALLOWED | {"terminal": False})},  # switched on since: the heartbeat says so
]


@pytest.mark.parametrize("changed", FINE, ids=str)
def test_nothing_is_said_of_an_ea_that_is_well(changed: dict[str, Any]) -> None:
    assert check(well(**changed)) == ()


def test_the_worst_comes_first() -> None:
    found = check(well(halted=True, hello=report(ver="0.1"), instruments=shown(instrument("USDJPY"))))
    assert [f.severity for f in found] == [Severity.ERROR, Severity.WARNING, Severity.WARNING]


@pytest.mark.parametrize(
    ("names", "likely"),
    [
        (["EURUSDT", "EURUSD.m", "EURUSD.micro"], "EURUSD.m"),
        (["EURUSDT", "EURUSDm"], "EURUSDm"),
        (["EUR/USD", "XEURUSD"], "EUR/USD"),
        (["#EURUSD", "USDEUR"], "#EURUSD"),
        (["USDJPY.m", "EUR"], ""),
    ],
)
def test_the_brokers_name_is_guessed_from_the_letters(names: list[str], likely: str) -> None:
    assert likely_name("EURUSD", dict.fromkeys(names)) == likely


def test_every_finding_has_its_texts_and_every_blank_is_filled() -> None:
    told = [finding for changed, _ in WRONG for finding in check(well(**changed))]
    for finding in told:
        known = CODES[finding.code]
        for text in (known.en, known.ja, known.fix_en, known.fix_ja):
            blanks = set(re.findall(r"\{(\w+)\}", text)) if finding.values else set()
            assert blanks <= finding.values.keys(), finding
    assert {code.code for code in EA_CODES} <= {finding.code for finding in told}


def test_nothing_secret_is_kept_of_a_hello() -> None:
    hello = Hello(account="1001", instance="ea-a", token="kk_ea_secret", server="S" * 500, perms={"odd": True})
    kept = msgspec.json.encode(self_report(hello, at=AT))
    assert b"secret" not in kept
    assert b"odd" not in kept
    assert len(kept) < 300


def test_the_version_is_that_of_the_mql5_source() -> None:
    words = (Path(__file__).parents[3] / "mql5" / "Include" / "Kakehashi" / "Words.mqh").read_text("utf-8")
    assert f'#define EA_VERSION "{EA_VERSION}"' in words
