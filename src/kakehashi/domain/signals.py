"""How old an alert is, what makes it the same as another, and how long that is remembered.

TradingView's ``{{time}}`` is the bar's OPEN: a bar-close alert on M5 is 300 s "old" by it, so the bar time alone is
never the firing time. It resends after a 5xx, byte for byte, for about 27 s.

Source: facts on TradingView webhooks, design consequences (f) and (g).
"""

import hashlib
import re
from decimal import Decimal
from typing import Final

import msgspec

from kakehashi.domain.alerts import Alert
from kakehashi.domain.values import Millis

SECOND_MS: Final = 1000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

WEAK_WINDOW_MS: Final = 60 * SECOND_MS
"""How long a body alone is recognised: over the span of resends, under the gap between two meant exits."""
_SKEW_MS: Final = 5 * SECOND_MS
_INTERVAL: Final = re.compile(r"(\d{0,5})(s|sec|m|min|h)?", re.ASCII)
_MT_INTERVAL: Final = re.compile(r"(m|h)(\d{1,4})", re.ASCII)
_LONG_BAR: Final = re.compile(r"(\d{0,3})(d|w|mo)|(d1|w1|mn1?)", re.ASCII)
_UNITS: Final = {"s": SECOND_MS, "sec": SECOND_MS, "m": MINUTE_MS, "min": MINUTE_MS, "h": HOUR_MS, "": MINUTE_MS}
_LONG_UNITS: Final = {"d": DAY_MS, "w": 7 * DAY_MS, "mo": 31 * DAY_MS}


def interval_ms(timeframe: str) -> int | None:
    """The length of a bar of seconds, minutes or hours; None for days and longer, ticks, ranges and the unknown.

    >>> interval_ms("5"), interval_ms("1h"), interval_ms("30s"), interval_ms("d")
    (300000, 3600000, 30000, None)
    """
    lower = timeframe.lower()
    found = _MT_INTERVAL.fullmatch(lower)
    if found:
        return int(found[2]) * _UNITS[found[1]] or None
    found = _INTERVAL.fullmatch(lower)
    if not lower or not found:
        return None
    return int(found[1] or 1) * _UNITS[found[2] or ""] or None


def _bar_ms(timeframe: str) -> int | None:
    """The longest a bar can be, days, weeks and months included."""
    short = interval_ms(timeframe)
    if short is not None:
        return short
    found = _LONG_BAR.fullmatch(timeframe.lower())
    if not found:
        return None
    if found[3]:
        return _LONG_UNITS["mo" if found[3].startswith("mn") else found[3][0]]
    return int(found[1] or 1) * _LONG_UNITS[found[2]] or None


def alert_age_ms(alert: Alert, received_at: Millis) -> tuple[int | None, str]:
    """How old the alert was when it came, never negative, and a note on how that is known.

    :param received_at: ms UTC, the hub's clock
    :returns: (age in ms, note); the age is None where it cannot be told, the note is empty where there is no doubt
    """
    if alert.fired_at is not None:
        age = received_at - alert.fired_at
        if age < -_SKEW_MS:
            return 0, f"CLOCK_SKEW: the alert says it fired {-age} ms after it was received"
        return max(0, age), ""
    if alert.bar_time is None:
        return None, "AGE_UNKNOWN: the alert carries no time"
    length = interval_ms(alert.timeframe) if alert.timeframe else None
    if length is None:
        why = f"no firing time, and bars of {alert.timeframe!r} do not tell it" if alert.timeframe else "no timeframe"
        return None, f"AGE_UNKNOWN: {why}"
    return max(0, received_at - (alert.bar_time + length)), "AGE_FROM_BAR: counted from the bar's close"


def is_strong(alert: Alert) -> bool:
    """Whether the alert itself says which one it is: by an id or a time."""
    return alert.id is not None or alert.bar_time is not None or alert.fired_at is not None


def idempotency_key(strategy: str, alert: Alert, body: bytes) -> tuple[str, bool]:
    """What two sendings of one alert have in common.

    A strong key names the alert: strategy, id, symbol, timeframe, action, bar time, order id, sizes and target number.
    The firing time belongs to it only where nothing else dates the alert, for a re-fire inside one bar must not pass.
    A weak key is the body; it holds for :data:`WEAK_WINDOW_MS`, so that a meant repeat of an exit passes later.

    :param strategy: the token's slot
    :returns: (key in hex, the hour of the alert's own time before its hash; whether it is strong)
    """
    if not is_strong(alert):
        return hashlib.sha256(strategy.encode("utf-8", "surrogatepass") + b"\x00" + body).hexdigest(), False
    dated = alert.id is not None or alert.bar_time is not None
    target = alert.target
    parts = (
        strategy,
        alert.id,
        alert.symbol,
        alert.timeframe,
        alert.action,
        alert.kind,
        alert.bar_time,
        None if dated else alert.fired_at,
        alert.order_id,
        alert.tp_index,
        alert.size and (alert.size.unit, _number(alert.size.value)),
        _number(alert.close_ratio),
        alert.entry and (alert.entry.unit, _number(alert.entry.value)),
        target and (target.position, _number(target.size), target.prev_position, _number(target.prev_size)),
    )
    digest = hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
    # Keys of one hour stand together in the store's index, so that it costs the same whatever the history.
    hour = (alert.bar_time if dated else alert.fired_at) or 0
    return f"{hour // HOUR_MS:06x}{digest[6:]}", True


def _number(value: Decimal | None) -> str | None:
    """The same text for 0.1 and 0.10."""
    return None if value is None else str(value.normalize())


def key_window_ms(alert: Alert, *, longest_ttl_ms: int) -> int:
    """How long the alert's key must be remembered.

    :param longest_ttl_ms: the longest time-to-live of any order
    :returns: ms; a strong key outlives every order it may have made, and two bars
    """
    if not is_strong(alert):
        return WEAK_WINDOW_MS
    bar = (_bar_ms(alert.timeframe) if alert.timeframe else None) or 0
    return max(longest_ttl_ms + HOUR_MS, 25 * HOUR_MS, 2 * bar)


DIFFERS: Final = "DIFFERS: "
"""How the notes of a duplicate begin that say in what it differs."""


def differences(a: Alert, b: Alert) -> tuple[str, ...]:
    """What a duplicate says otherwise than the alert that was taken, e.g. ``price: 1.0850 -> 1.0851``.

    :param a: the alert that was taken
    :param b: the duplicate
    """
    return tuple(
        f"{name}: {_shown(getattr(a, name))} -> {_shown(getattr(b, name))}"
        for name in Alert.__struct_fields__
        if name != "warnings" and getattr(a, name) != getattr(b, name)
    )


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, (str, int, Decimal)):
        return str(value)[:80]
    return msgspec.json.encode(value).decode()[:80]
