"""Reading one field of an alert: what counts as missing, as a number, as a time, as a name.

TradingView's placeholders arrive as text, so numbers as strings are coerced; whatever cannot be read exactly is
refused with the offending value rather than guessed. Secrets never reach a message.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, DecimalException
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from kakehashi.domain.errors import Malformed
from kakehashi.domain.values import MAX_AMOUNT, ZERO, Millis

Raw: TypeAlias = dict[str, Any]
"""Fields as they were sent; a reader takes out what it understands, the rest is kept as ``extra``."""

SECRET_NAMES: Final = ("token", "secret", "auth_token", "passphrase")
MASK: Final = "***"

_NOTHING: Final = frozenset({"", "nan", "na", "n/a", "null", "none"})
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_MAX_DIGITS: Final = 40
_TINIEST: Final = Decimal("1e-12")
"""Nothing that is traded is measured finer; a smaller number is a mistake and costs digits everywhere."""
_PLACEHOLDER: Final = re.compile(r"""\{\{[\w\s.()"'-]{1,80}\}\}""")
_TOKEN: Final = re.compile(r"kk_[a-z]+_[A-Za-z0-9_\-]+")
_RISKY_NAME: Final = re.compile(r"(?:sl|tp|stop|take)(?:_?\d*(?:_.*)?|_?(?:loss|profit).*)|(?:vol|lot|risk).*", re.I)
_SYMBOL: Final = re.compile(r"(?:[A-Z0-9_]{1,24}:)?([A-Z0-9#.$^_][A-Z0-9._\-+!#/&$@^]{0,31})", re.ASCII)
_TIMEFRAME: Final = re.compile(r"[a-z]{0,3}\d{0,5}[a-z]{0,3}", re.ASCII)
_MONTHS: Final = re.compile(r"(\d{0,2})M")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
_EARLIEST: Final = 946_684_800_000
_LATEST: Final = 4_102_444_800_000
_SECONDS_BELOW: Final = Decimal(100_000_000_000)
"""An epoch under this is in seconds: as milliseconds it would be 1973, as seconds the year 5138."""


def fault(code: str, message: str, *, hint: str = "", value: object = None) -> Malformed:
    """The error for one fault, with the value cut short and tokens masked."""
    shown = None if value is None else masked(str(value))[:80]
    return Malformed(code, masked(message), hint=hint, value=shown)


def masked(text: str) -> str:
    """The text with our own tokens made unreadable."""
    return _TOKEN.sub(MASK, text) if "kk_" in text else text


def is_missing(value: object) -> bool:
    """Whether a value says "not sent": null, empty, or the ``NaN``/``na`` of Pine.

    >>> is_missing("NaN"), is_missing("0")
    (True, False)
    """
    return value is None or (isinstance(value, str) and len(value) <= 8 and value.strip().lower() in _NOTHING)


def take(raw: Raw, names: Iterable[str]) -> tuple[str, Any]:
    """Take the first of the names that has a value out of ``raw``; ``("", None)`` when there is none."""
    for name in names:
        if name in raw:
            value = raw.pop(name)
            if not is_missing(value):
                return name, value
    return "", None


def text(raw: Raw, *names: str, longest: int = 200) -> str | None:
    """A short text; a plain number is taken as its digits.

    :raises Malformed: BAD_TEXT, PLACEHOLDER_LEFT
    """
    name, value = take(raw, names)
    return None if value is None else to_text(name, value, longest=longest)


def to_text(name: str, value: object, *, longest: int = 200) -> str:
    if isinstance(value, str):
        said = value.strip()
        if "{{" in said:
            refuse_placeholder(name, said)
    elif isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        said = str(value)
    else:
        raise fault("BAD_TEXT", f"{name} must be text, got {kind_of(value)}", hint=f'send "{name}": "..."', value=value)
    if len(said) > longest:
        raise fault("BAD_TEXT", f"{name} has {len(said)} characters, at most {longest} are taken", value=said)
    return masked(said)


def refuse_placeholder(name: str, said: str) -> None:
    """:raises Malformed: PLACEHOLDER_LEFT when a ``{{...}}`` was not filled in by the sender"""
    found = _PLACEHOLDER.search(said)
    if found:
        raise fault(
            "PLACEHOLDER_LEFT",
            f"{name} still holds {found[0]}: the sender did not fill it in",
            hint="check its spelling; {{strategy...}} is filled in by strategy alerts only",
            value=found[0],
        )


def number(
    raw: Raw, *names: str, above: Decimal | None = None, low: Decimal | None = None, high: Decimal = MAX_AMOUNT
) -> Decimal | None:
    """A finite number; ``above`` is an exclusive lower bound, ``low`` and ``high`` are inclusive.

    :raises Malformed: BAD_NUMBER, NUMBER_OUT_OF_RANGE, PLACEHOLDER_LEFT
    """
    name, value = take(raw, names)
    return None if value is None else to_number(name, value, above=above, low=low, high=high)


def to_number(
    name: str, value: object, *, above: Decimal | None = None, low: Decimal | None = None, high: Decimal = MAX_AMOUNT
) -> Decimal:
    exact = _exact(name, value)
    if above is not None and exact <= above:
        raise out_of_range(name, value, f"more than {above}")
    if low is not None and exact < low:
        raise out_of_range(name, value, f"at least {low}")
    if exact > high or exact < -MAX_AMOUNT:
        raise out_of_range(name, value, f"at most {high:f}")
    return exact


def out_of_range(name: str, value: object, wanted: str) -> Malformed:
    return fault("NUMBER_OUT_OF_RANGE", f"{name} must be {wanted}, got {str(value)[:40]}", value=value)


def _exact(name: str, value: object) -> Decimal:
    """The number as a finite Decimal of bearable length; minus zero is zero."""
    if isinstance(value, str):
        said = value.strip()
        if not _NUMBER.fullmatch(said):
            refuse_placeholder(name, said)
            hint = "write 1234.5: a point for decimals, no thousands separator, no unit"
            raise fault("BAD_NUMBER", f"{name} must be a number, got {said[:40]!r}", hint=hint, value=said)
        if len(said) > _MAX_DIGITS:
            raise out_of_range(name, said, f"written in at most {_MAX_DIGITS} characters")
        exact = Decimal(said)
    elif isinstance(value, Decimal):
        exact = value
    elif isinstance(value, int) and not isinstance(value, bool):
        exact = Decimal(value)
    else:
        raise fault("BAD_NUMBER", f"{name} must be a number, got {kind_of(value)}", value=value)
    if not exact:
        return ZERO
    if exact.copy_abs() < _TINIEST or len(exact.as_tuple().digits) > _MAX_DIGITS:
        raise out_of_range(name, value, f"0 or at least {_TINIEST}, with at most {_MAX_DIGITS} digits")
    return exact


def whole(raw: Raw, *names: str, low: int, high: int) -> int | None:
    """A whole number within ``low`` and ``high``.

    :raises Malformed: BAD_NUMBER, NUMBER_OUT_OF_RANGE
    """
    name, value = take(raw, names)
    if value is None:
        return None
    exact = to_number(name, value, low=Decimal(low), high=Decimal(high))
    if exact != exact.to_integral_value():
        raise fault("BAD_NUMBER", f"{name} must be a whole number, got {exact}", value=value)
    return int(exact)


def json_number(digits: str) -> Decimal:
    """A JSON number with a point or exponent, exactly.

    :raises Malformed: NUMBER_OUT_OF_RANGE when no Decimal can hold it (``1e9999999999999999999``)
    """
    try:
        return Decimal(digits)
    except DecimalException:
        raise out_of_range("a number", digits, f"at most {MAX_AMOUNT:f}") from None


def millis(raw: Raw, *names: str, zone: ZoneInfo | None) -> Millis | None:
    """A time: ISO 8601 with a zone, or an epoch in seconds or milliseconds, as number or digits.

    :param zone: what a time without a zone means; None refuses it
    :raises Malformed: BAD_TIME, TIME_WITHOUT_ZONE, PLACEHOLDER_LEFT
    """
    name, value = take(raw, names)
    if value is None:
        return None
    if isinstance(value, str):
        said = value.strip()
        refuse_placeholder(name, said)
        if _NUMBER.fullmatch(said):
            return _from_epoch(name, said)
        return _from_iso(name, said, zone)
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return _from_epoch(name, value)
    raise _bad_time(name, value)


def _bad_time(name: str, value: object) -> Malformed:
    return fault(
        "BAD_TIME",
        f"{name} must be a time between {_FIRST_YEAR} and {_LAST_YEAR}, got {str(value)[:40]!r}",
        hint="send {{time}} or {{timenow}}, e.g. 2026-01-31T09:55:00Z, or an epoch in seconds or milliseconds",
        value=value,
    )


def _from_epoch(name: str, value: object) -> Millis:
    try:
        exact = _exact(name, value)
    except Malformed:
        raise _bad_time(name, value) from None
    if ZERO < exact < _SECONDS_BELOW:
        exact *= 1000
    if not _EARLIEST <= exact <= _LATEST:
        raise _bad_time(name, value)
    return int(exact)


def _from_iso(name: str, said: str, zone: ZoneInfo | None) -> Millis:
    try:
        when = datetime.fromisoformat(said)
    except ValueError:
        raise _bad_time(name, said) from None
    if not _FIRST_YEAR <= when.year < _LAST_YEAR:
        raise _bad_time(name, said)
    if when.tzinfo is None:
        if zone is None:
            hint = "end it with Z or an offset such as +09:00"
            raise fault("TIME_WITHOUT_ZONE", f"{name} does not say its time zone: {said!r}", hint=hint, value=said)
        when = when.replace(tzinfo=zone)
    return (when - _EPOCH) // _MILLISECOND


def to_symbol(name: str, value: object) -> str:
    """The symbol in upper case without its exchange prefix.

    >>> to_symbol("ticker", "oanda:eurusd")
    'EURUSD'

    :raises Malformed: BAD_SYMBOL, PLACEHOLDER_LEFT
    """
    if isinstance(value, str):
        said = value.strip()
        found = _SYMBOL.fullmatch(said.upper()) if said.isascii() else None
        if found:
            return found[1]
        refuse_placeholder(name, said)
    raise fault(
        "BAD_SYMBOL",
        f"{name} must be a symbol of 1 to 32 characters such as EURUSD or FX:EURUSD, got {str(value)[:40]!r}",
        hint="send {{ticker}}",
        value=value,
    )


def timeframe(raw: Raw) -> str | None:
    """TradingView's interval in lower case; a month is written ``mo``, for ``1M`` and ``1m`` differ.

    :raises Malformed: BAD_TIMEFRAME, PLACEHOLDER_LEFT
    """
    said = text(raw, "timeframe", "interval")
    if said is None:
        return None
    month = _MONTHS.fullmatch(said)
    if month and month[1] in ("", "1", "2", "3", "4", "6", "12"):
        return month[1] + "mo"
    lower = said.lower()
    if not lower or not _TIMEFRAME.fullmatch(lower):
        hint = "send {{interval}}"
        raise fault("BAD_TIMEFRAME", f"the timeframe must be like 5, 1h or D, got {said[:40]!r}", hint=hint, value=said)
    return lower


def sounds_risky(name: str) -> bool:
    """Whether a field that is not known looks like a size, stop or target, perhaps misspelt.

    >>> sounds_risky("sl_pip"), sounds_risky("chart")
    (True, False)
    """
    return _RISKY_NAME.fullmatch(name) is not None


def kind_of(value: object) -> str:
    """What a JSON value is, in words for a person."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "text"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            return "a number"


def take_secret(raw: Raw) -> str | None:
    """Take the secret out of the body's fields, whichever of its names it goes by.

    :raises Malformed: BAD_SECRET, CONFLICTING_FIELDS; neither ever shows a value
    """
    said = [(name, raw.pop(name)) for name in SECRET_NAMES if name in raw]
    said = [(name, value) for name, value in said if not is_missing(value)]
    for name, value in said:
        if not isinstance(value, str) or len(value) > 512:
            raise fault("BAD_SECRET", f"{name} must be text of at most 512 characters")
    if len({value for _, value in said}) > 1:
        names = " and ".join(name for name, _ in said)
        raise fault("CONFLICTING_FIELDS", f"{names} hold different secrets", hint="send one of them")
    return said[0][1] if said else None


def as_extra(value: Any) -> Any:
    """A value as it may be kept: plain JSON, secrets dropped, our tokens masked."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {masked(name): as_extra(v) for name, v in value.items() if name.lower() not in SECRET_NAMES}
    if isinstance(value, list):
        return [as_extra(v) for v in value]
    if isinstance(value, Decimal):
        # A float where it says the same, so that the journal gives back what was kept; text where it would not.
        near = float(value) if value.copy_abs() <= MAX_AMOUNT else None
        return near if near is not None and (Decimal(repr(near)) == value) else str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63:
        return str(value)
    return value
