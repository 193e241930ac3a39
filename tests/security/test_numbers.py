"""SEC-9: whatever stands where a number is expected, at any door, it is a finite number within bounds or a 4xx."""

import asyncio
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import ACCOUNT, EURUSD, Room, room

from kakehashi.api import wishes
from kakehashi.api.rest import strict_json
from kakehashi.domain.errors import KakehashiError, Rejected
from kakehashi.domain.formats import parse
from kakehashi.domain.formats.relay import FIELDS
from kakehashi.domain.formats.traderspost import MARKS
from kakehashi.domain.rules import RouteRules, rules_from_toml
from kakehashi.domain.values import MAX_AMOUNT
from kakehashi.venues.mailbox import read_ack, read_report, reported

__all__ = ["room"]

UINT64 = 2**64 - 1
ODD = (
    *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "-0", "-0.0", "0e999", "1E5", "1e13", "-1"),
    *("9" * 25, "-" + "9" * 25, "9" * 5000, "1e9999999999999999999", "0." + "1" * 400, "01", "+1", ".5", "0x10"),
    *("9223372036854775808", "1000000000001", "true", "null", "[]", "{}", '""'),
)
ODD_TEXTS = ("nan", "inf", "-Infinity", "sNaN", "1e400", "1e-400", "-0", "1_000", "١", "0x10", " 1", "1,5", "9" * 5000)
TOKENS = (*ODD, *map(json.dumps, ODD_TEXTS))
"""What is put in place of a number, as it stands in the JSON."""

tokens = st.one_of(
    st.sampled_from(TOKENS),
    st.floats().map(json.dumps),
    st.floats().map(lambda f: json.dumps(str(f))),
    st.decimals().map(lambda d: json.dumps(str(d))),
    st.builds("{}e{}".format, st.integers(-99, 99), st.integers(-500, 500)),
    st.integers().map(str),
)


def numbers(value: object) -> Iterator[Decimal | int | float]:
    """Every number inside a value."""
    if isinstance(value, bool | Enum | str | bytes) or value is None:
        return
    if isinstance(value, Decimal | int | float):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from numbers(getattr(value, name))
    elif isinstance(value, BaseModel):
        yield from numbers(dict(value))
    elif isinstance(value, dict):
        yield from numbers(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from numbers(part)


def unbounded(value: object) -> list[Any]:
    """The numbers in it that are floats, not finite or beyond all bounds."""

    def wild(number: Any) -> bool:
        if isinstance(number, Decimal):
            return not number.is_finite() or abs(number) > MAX_AMOUNT
        return isinstance(number, float) or abs(number) > UINT64

    return [number for number in numbers(value) if wild(number)]


# -- where numbers stand -----------------------------------------------------------------------------------------


class Mark:
    """Stands for the number under test; written as the token itself."""


def written(body: Any, token: str) -> bytes:
    """The JSON of ``body`` with the token, unquoted, in place of the mark."""
    text = json.dumps(body, default=lambda _: "@@")
    return text.replace('"@@"', token).encode()


def holds_number(kind: Any) -> bool:
    if kind is bool or kind is None:
        return False
    if get_origin(kind) is None:
        return isinstance(kind, type) and issubclass(kind, Decimal | int) and not issubclass(kind, Enum)
    return any(holds_number(part) for part in get_args(kind)) and get_origin(kind) not in (dict, list, tuple)


def wish_places(model: type[BaseModel], body: dict[str, Any]) -> list[dict[str, Any]]:
    """The body once for each numeric field of the model, with the mark in it."""
    return [{**body, name: Mark()} for name, field in model.model_fields.items() if holds_number(field.annotation)]


RULES = [
    *wish_places(wishes.RulesWish, {}),
    {"sl": {"unit": "PIPS", "value": Mark()}},
    {"tps": [{"level": {"unit": "PIPS", "value": Mark()}}]},
    {"tps": [{"level": {"unit": "PIPS", "value": 20}, "share": Mark()}]},
]
ROUTES = [
    *wish_places(wishes.RouteWish, {"accounts": [ACCOUNT]}),
    *[{"accounts": [ACCOUNT], "rules": rules} for rules in RULES],
    *[{"accounts": [ACCOUNT], "per_account": {ACCOUNT: rules}} for rules in RULES[-3:]],
]
WISHES: list[tuple[str, str, type[BaseModel], list[dict[str, Any]]]] = [
    ("PUT", "/api/v1/routes/odd", wishes.RouteWish, ROUTES),
    ("POST", "/api/v1/tokens", wishes.TokenWish, wish_places(wishes.TokenWish, {"scope": "read"})),
    ("POST", "/api/v1/kill/on", wishes.KillWish, [{"account": Mark()}]),
    ("POST", "/api/v1/dlq/none/retry", wishes.RetryWish, [{"force": Mark()}]),
]

RESULT = {"key": "k", "status": "filled", "volume": 0.1, "price": 1.1}
POSITION = {"ticket": "1", "symbol": "EURUSD", "side": "BUY", "volume": 0.1, "open": 1.1}
DEAL = {"ticket": "1", "symbol": "EURUSD", "side": "BUY", "entry": "IN", "volume": 0.1, "price": 1.1, "time": 1}
ACKS = [{"results": [RESULT | {name: Mark()}]} for name in ("volume", "price", "profit", "retcode", "ticket", "deal")]
REPORTS = [
    *[{name: Mark()} for name in ("balance", "equity", "credit", "login")],
    *[
        {"positions": [POSITION | {name: Mark()}]}
        for name in ("volume", "open", "sl", "tp", "profit", "magic", "opened", "ticket", "ident")
    ],
    *[{"symbols": [EURUSD | {name: Mark()}]} for name, value in EURUSD.items() if not isinstance(value, str)],
    {"symbols": [EURUSD | {"stops_level": Mark()}]},
    *[
        {"deals": [DEAL | {name: Mark()}]}
        for name in ("volume", "price", "profit", "swap", "commission", "time", "magic", "ticket")
    ],
]
ALERTS = [
    *[{"signal": "LONG", "symbol": "EURUSD", name: Mark()} for name in sorted(FIELDS)],
    *[{"ticker": "EURUSD", "action": "buy", name: Mark()} for name in sorted(MARKS | {"quantity", "price"})],
    {"ticker": "EURUSD", "action": "buy", "quantity": 1, "stopLoss": {"type": "stop", "percent": Mark()}},
]
LINES = [
    *[
        f"60123,buy,EURUSD,{name}=@@"
        for name in ("risk", "sl", "tp", "spread", "pending", "betrigger", "beoffset", "trailtrig", "traildist")
    ],
    *("buy @@ EURUSD", "buy 0.1 EURUSD sl=@@", "buy 0.1 EURUSD tp=@@", "sell @@ EURUSD sl=20 tp=@@"),
]


def test_every_rule_can_be_said_over_rest_and_has_the_same_default() -> None:
    assert set(wishes.RulesWish.model_fields) == set(RouteRules.__struct_fields__)
    written_out = wishes.RulesWish().model_dump(mode="json")
    assert rules_from_toml(written_out) == RouteRules()


# -- the models --------------------------------------------------------------------------------------------------


@given(st.sampled_from([(model, body) for _, _, model, bodies in WISHES for body in bodies]), tokens)
@example((wishes.RouteWish, ROUTES[-1]), "1e400")
def test_a_rest_body_holds_only_bounded_numbers(place: tuple[type[BaseModel], Any], token: str) -> None:
    model, body = place
    try:
        wish = model.model_validate(strict_json(written(body, token)))
        assert not unbounded(wish)
        if isinstance(wish, wishes.RouteWish):
            assert not unbounded(rules_from_toml(wish.rules.table()))
    except (KakehashiError, ValidationError):
        pass


@given(st.sampled_from(ACKS), tokens)
def test_an_ack_holds_only_bounded_numbers(body: Any, token: str) -> None:
    try:
        ack = read_ack(written(body, token))
    except Rejected:
        return
    assert not unbounded(reported(ack, account=ACCOUNT, at=1))


@given(st.sampled_from(REPORTS), tokens)
def test_a_report_holds_only_bounded_numbers(body: Any, token: str) -> None:
    try:
        report = read_report(written(body, token), account=ACCOUNT, at=1)
    except Rejected:
        return
    assert not unbounded(report)


@given(st.sampled_from(ALERTS), tokens)
def test_an_alert_in_json_holds_only_bounded_numbers(body: Any, token: str) -> None:
    assert not odd_numbers(written(body, token))


@given(st.sampled_from(LINES), tokens)
def test_an_alert_in_text_holds_only_bounded_numbers(line: str, token: str) -> None:
    assert not odd_numbers(line.replace("@@", token.strip('"')).encode())


def odd_numbers(body: bytes) -> list[Any]:
    """Of an alert that is taken: numbers without bounds, and zeros with a sign."""
    try:
        alert, _ = parse(body)
    except Rejected:
        return []
    alert = msgspec.structs.replace(alert, extra={})  # what nobody computes with is kept as it was sent
    return unbounded(alert) + [n for n in numbers(alert) if n == 0 and str(n).startswith("-")]


# -- the doors ---------------------------------------------------------------------------------------------------


async def sent(room: Room, method: str, path: str, scope: str, body: bytes) -> int:
    """The answer's status; a 503 is asked once more, as whoever gets one does."""
    headers = {"authorization": f"Bearer {room.tokens[scope]}", "content-type": "application/json"}
    for _ in range(2):
        status = (await room.http.request(method, path, content=body, headers=headers)).status_code
        if status != 503:
            break
    return status


async def test_no_number_makes_a_rest_door_fail(room: Room) -> None:
    bad = []
    for method, path, _, bodies in WISHES:
        scope = "operator" if "dlq" in path else "admin"
        for body in bodies:
            for token in TOKENS:
                status = await sent(room, method, path, scope, written(body, token))
                if status >= 500:
                    bad.append((path, body, token[:30], status))
    assert bad == []


@pytest.mark.timeout(120)
async def test_no_number_makes_the_webhook_or_the_mailbox_fail(room: Room) -> None:
    await room.ordered("LONG", "first")
    bad = []
    doors = [("/api/ack", "ea", ACKS), ("/api/report", "ea", REPORTS), ("/webhook", "webhook", ALERTS)]
    for path, scope, bodies in doors:
        for body in bodies:
            answers = await asyncio.gather(*(sent(room, "POST", path, scope, written(body, t)) for t in TOKENS))
            text = json.dumps(body, default=lambda _: "@@")
            bad += [(path, text, t[:30], s) for t, s in zip(TOKENS, answers, strict=True) if s >= 500]
    assert bad == []
    for row in await room.store.rows("orders", limit=10_000):
        assert Decimal(row["volume"]).is_finite()


async def test_a_limit_out_of_bounds_is_a_422(room: Room) -> None:
    for path, scope in (("/api/v1/orders", "admin"), ("/api/v1/tokens", "admin"), ("/api/poll", "ea")):
        headers = {"authorization": f"Bearer {room.tokens[scope]}"}
        for limit in ("0", "-1", "1001", "1e2", "1e400", "NaN", "inf", "9" * 5000, "0x10", "1.5", ""):
            answer = await room.http.get(path, params={"limit": limit}, headers=headers)
            assert (answer.status_code, "BAD_PARAMETER" in answer.text) == (422, True), (path, limit)
