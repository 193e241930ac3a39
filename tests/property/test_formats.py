"""Whatever knocks, it is an alert or a Malformed; and no amount in an alert is ever beyond bounds."""

import json
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from kakehashi.domain.alerts import Alert
from kakehashi.domain.codes_input import INPUT_CODES
from kakehashi.domain.errors import Malformed
from kakehashi.domain.formats import parse, redacted
from kakehashi.domain.formats.relay import FIELDS, WORDS
from kakehashi.domain.formats.traderspost import MARKS
from kakehashi.domain.signals import alert_age_ms, differences, idempotency_key, key_window_ms
from kakehashi.domain.values import MAX_AMOUNT

CODES = {code.code for code in INPUT_CODES}

odd_numbers = st.one_of(
    st.floats(),
    st.integers(),
    st.decimals().map(str),
    st.sampled_from(["-0", "1e400", "1,5", "0x1", "١", "1_0", "NaN", "1e-400", "9" * 60, "0.1", "20", 1769853300000]),
)
values: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([*sorted(WORDS), "long", "flat", "EURUSD", "FX:EURUSD", "5", "1M", "{{close}}", "stop", "limit"]),
    odd_numbers,
    st.text(max_size=12),
    st.none(),
    st.booleans(),
    st.dictionaries(st.sampled_from(["percent", "type", "stopPrice", "token"]), odd_numbers, max_size=2),
)
names = st.sampled_from(sorted(FIELDS | MARKS | {"token", "secret", "passphrase", "chart"}))
usual = st.fixed_dictionaries({"signal": st.sampled_from(sorted(WORDS)), "symbol": st.just("EURUSD")})
objects = st.one_of(
    st.dictionaries(names, values, max_size=12),
    st.builds(lambda a, b: a | b, usual, st.dictionaries(names, values, max_size=6)),
    st.builds(lambda a, b: {"ticker": "ES1!", "action": a} | b, values, st.dictionaries(names, values, max_size=6)),
)
pairs = st.lists(st.builds(lambda n, v: f"{n}={v}", names, values), max_size=6)
commands = st.sampled_from(["buy", "sell", "buylimit", "closelong", "newsltplong", "eaon", "closelongbuy", "tp1", "?"])
lines = st.one_of(
    st.builds(lambda c, p: ",".join(["60123", c, "EURUSD", *p]), commands, pairs),
    st.builds(lambda c, v, p: " ".join([c, str(v), "EURUSD", *p]), commands, values, pairs),
    st.text(max_size=60),
)


def read(body: bytes) -> Alert | None:
    """The alert, None when it was refused with a code of the table; anything else is the failure looked for."""
    redacted(body).encode()
    try:
        alert, secret = parse(body)
    except Malformed as e:
        refused = e
    else:
        assert secret is None or secret
        return alert
    assert refused.code in CODES
    assert f"{refused} {refused.hint} {refused.value}".encode()
    return None


def amounts(value: object) -> list[Decimal]:
    """Every Decimal inside a value."""
    if isinstance(value, Decimal):
        return [value]
    if isinstance(value, msgspec.Struct):
        return [found for name in value.__struct_fields__ for found in amounts(getattr(value, name))]
    return [found for part in value for found in amounts(part)] if isinstance(value, tuple) else []


def check(alert: Alert | None) -> None:
    if alert is None:
        return
    assert all(a.is_finite() and abs(a) <= MAX_AMOUNT and not (a == 0 and a.is_signed()) for a in amounts(alert))
    assert msgspec.json.decode(msgspec.json.encode(alert), type=Alert) == alert
    assert len(idempotency_key("s", alert, b"")[0]) == 64
    assert key_window_ms(alert, longest_ttl_ms=0) >= 60_000
    age, _ = alert_age_ms(alert, 1_800_000_000_000)
    assert age is None or age >= 0
    assert differences(alert, alert) == ()


@given(st.binary(max_size=300))
@example(b'{"signal":"LONG","symbol":"\\ud800"}')
@example(b"{" + b'"a":[' * 5000)
@example(b'{"a":' + b'"' + b'\\"' * 20000)
def test_any_bytes_are_an_alert_or_malformed(body: bytes) -> None:
    check(read(body))


@given(objects)
def test_any_object_is_a_bounded_alert_or_malformed(fields: dict[str, Any]) -> None:
    check(read(json.dumps(fields).encode()))
    check(read(json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass")))


@given(lines)
def test_any_line_of_text_is_a_bounded_alert_or_malformed(line: str) -> None:
    check(read(line.encode("utf-8", "surrogatepass")))


@given(usual, st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_a_damaged_alert_never_breaks_the_parser(fields: dict[str, Any], at: int, damage: bytes) -> None:
    body = json.dumps(fields | {"lots": "0.1", "sl": 20, "time": 1769853300}).encode()
    check(read(body[:at] + damage + body[at:]))
