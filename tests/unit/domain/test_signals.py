"""How old an alert is, and when two alerts are one."""

from typing import Any

import msgspec
import pytest

from kakehashi.domain.alerts import Action, Alert
from kakehashi.domain.formats import parse
from kakehashi.domain.signals import alert_age_ms, differences, idempotency_key, interval_ms, key_window_ms

BAR = 1_769_853_300_000
HOUR = 3_600_000
BODY = b'{"signal":"LONG"}'


def alert(**fields: Any) -> Alert:
    return Alert(**({"format": "relay", "action": Action.BUY, "symbol": "EURUSD", "timeframe": "5"} | fields))


def key(said: Alert, *, strategy: str = "s") -> str:
    return idempotency_key(strategy, said, BODY)[0]


@pytest.mark.parametrize(
    ("timeframe", "ms"),
    [
        ("5", 300_000),
        ("1h", HOUR),
        ("30s", 30_000),
        ("s", 1000),
        ("15m", 900_000),
        ("h4", 4 * HOUR),
        ("1440", 24 * HOUR),
    ]
    + [(none, None) for none in ("d", "1d", "w", "mo", "1mo", "10t", "100r", "0", "", "x", "mn1")],
)
def test_only_seconds_minutes_and_hours_have_a_length(timeframe: str, ms: int | None) -> None:
    assert interval_ms(timeframe) == ms


def test_a_bar_close_alert_is_new_although_its_bar_opened_long_ago() -> None:
    assert alert_age_ms(alert(bar_time=BAR), BAR + 300_000 + 700) == (700, "AGE_FROM_BAR: counted from the bar's close")
    assert alert_age_ms(alert(bar_time=BAR), BAR + 10)[0] == 0


def test_the_firing_time_decides_where_it_was_sent() -> None:
    assert alert_age_ms(alert(bar_time=BAR, fired_at=BAR), BAR + 4000) == (4000, "")
    age, note = alert_age_ms(alert(fired_at=BAR + 60_000), BAR)
    assert age == 0
    assert note.startswith("CLOCK_SKEW")


@pytest.mark.parametrize("timeframe", ["d", "1w", "1mo", "100r", None])
def test_the_age_of_long_and_unknown_bars_is_not_guessed(timeframe: str | None) -> None:
    age, note = alert_age_ms(alert(bar_time=BAR, timeframe=timeframe), BAR + 10**9)
    assert age is None
    assert note.startswith("AGE_UNKNOWN")


def test_a_monthly_bar_is_not_taken_for_a_minute() -> None:
    read = parse(b'{"signal":"LONG","symbol":"X","timeframe":"1M","time":1769853300}')[0]
    assert alert_age_ms(read, BAR + 10**9)[0] is None


def test_a_refire_within_the_bar_is_the_same_alert() -> None:
    assert key(alert(bar_time=BAR, fired_at=BAR)) == key(alert(bar_time=BAR, fired_at=BAR + 1000))


@pytest.mark.parametrize(
    "body",
    [
        b'{"signal":"SHORT","symbol":"EURUSD","timeframe":"5","time":1769853300,"lots":0.1}',
        b'{"signal":"LONG","symbol":"GBPUSD","timeframe":"5","time":1769853300,"lots":0.1}',
        b'{"signal":"LONG","symbol":"EURUSD","timeframe":"15","time":1769853300,"lots":0.1}',
        b'{"signal":"LONG","symbol":"EURUSD","timeframe":"5","time":1769853600,"lots":0.1}',
        b'{"signal":"LONG","symbol":"EURUSD","timeframe":"5","time":1769853300,"lots":0.2}',
        b'{"signal":"LONG","symbol":"EURUSD","timeframe":"5","time":1769853300,"lots":0.1,"order_id":"Long2"}',
        b'{"signal":"LONG","symbol":"EURUSD","timeframe":"5","time":1769853300,"lots":0.1,"id":"7"}',
        b'{"signal":"LONG","symbol":"EURUSD","timeframe":"5","time":1769853300,"lots":0.1,"tp_index":1}',
        b'{"signal":"LONG","symbol":"EURUSD","timeframe":"5","time":1769853300,"lots":0.1,"market_position":"long"}',
    ],
)
def test_each_part_of_the_key_tells_alerts_apart(body: bytes) -> None:
    base = parse(b'{"signal":"LONG","symbol":"EURUSD","timeframe":"5","time":1769853300,"lots":"0.10"}')[0]
    same = parse(b'{"action":"buy","ticker":"FX:eurusd","interval":"5","time":1769853300000,"qty":"","lots":0.1}')[0]
    assert key(base) == key(same)
    assert key(base) != key(parse(body)[0])
    assert key(base) != key(base, strategy="other")


def test_a_body_alone_is_a_weak_key_that_a_meant_repeat_outlives() -> None:
    undated = alert(order_id="Long")
    assert idempotency_key("s", undated, BODY) == idempotency_key("s", undated, BODY)
    assert idempotency_key("s", undated, BODY)[1] is False
    assert idempotency_key("s", undated, BODY)[0] != idempotency_key("t", undated, BODY)[0]
    assert key_window_ms(undated, longest_ttl_ms=24 * HOUR) == 60_000


@pytest.mark.parametrize(
    ("timeframe", "ttl", "window"),
    [("5", HOUR, 25 * HOUR), ("5", 48 * HOUR, 49 * HOUR), ("w", HOUR, 14 * 24 * HOUR), ("1mo", HOUR, 62 * 24 * HOUR)],
)
def test_a_strong_key_outlives_every_order_and_two_bars(timeframe: str, ttl: int, window: int) -> None:
    assert key_window_ms(alert(bar_time=BAR, timeframe=timeframe), longest_ttl_ms=ttl) == window


def test_what_a_duplicate_says_otherwise_is_told() -> None:
    first = alert(bar_time=BAR, comment="a")
    assert differences(first, msgspec.structs.replace(first, comment="b", id="7")) == (
        "id: none -> 7",
        "comment: a -> b",
    )
    assert differences(first, first) == ()
