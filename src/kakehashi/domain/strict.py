"""One JSON object from a stranger, strictly: nothing given twice, nothing endless, no character that cannot be stored."""

import json
import re
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from kakehashi.domain.errors import Malformed

MAX_DEPTH: Final = 8
_MANY: Final = 1_000
"""Fewer brackets than these nest no deeper than the parser can follow."""
_MARK: Final = re.compile(r'\\.|[\[\]{}"]', re.DOTALL)


def searched_object(raw: str | bytes) -> dict[str, Any]:
    """The object, after a look at every field; its numbers with a fraction are Decimals.

    :raises Malformed: BAD_JSON, BAD_CHARACTER, DUPLICATE_FIELD, NUMBER_OUT_OF_RANGE
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode()
        if text.count("{") + text.count("[") > _MANY and depth(text) > MAX_DEPTH:
            raise Malformed("BAD_JSON", f"nested more than {MAX_DEPTH} deep")
        value = json.loads(text, object_pairs_hook=_once, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, ArithmeticError, RecursionError) as e:
        raise Malformed("BAD_JSON", f"not a JSON object: {str(e)[:120]}") from None
    if "\\u" in text:
        _storable(text, value)
    if not isinstance(value, dict):
        raise Malformed("BAD_JSON", "a frame is one JSON object")
    return value


def plain_object(raw: str | bytes) -> dict[str, Any] | None:
    """The object where a fast look shows that nothing is wrong with it; None: look slowly. It has no fractions.

    Without a backslash each text of the document, keys included, is two quotation marks. A parser that keeps one of two
    equal keys has lost a text: there are more marks than its texts account for.
    """
    quote, backslash, brace, bracket = ('"', "\\", "{", "[") if isinstance(raw, str) else (b'"', b"\\", b"{", b"[")
    if backslash in raw or raw.count(brace) + raw.count(bracket) > _MANY:  # type: ignore[operator,arg-type]
        return None
    try:
        value = msgspec.json.decode(raw)
        whole = isinstance(value, dict) and 2 * _texts(value) == raw.count(quote)  # type: ignore[arg-type]
    except (ValueError, RecursionError):
        return None
    return value if whole else None


def _texts(value: Any) -> int:
    """How many texts there are in it, keys included.

    :raises ValueError: a number with a fraction: read as a float it is not what was written
    """
    if isinstance(value, str):
        return 1
    if isinstance(value, dict):
        count = len(value)
        for part in value.values():
            kind = type(part)
            if kind is str:
                count += 1
            elif kind is not int and kind is not bool and part is not None:
                count += _texts(part)
        return count
    if isinstance(value, list):
        return sum(map(_texts, value))
    if isinstance(value, float):
        raise ValueError("a fraction")
    return 0


def depth(text: str) -> int:
    """How deep brackets nest; those inside a string are text."""
    deepest = now = 0
    quoted = False
    for mark in _MARK.findall(text):
        if mark == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif mark in "[{":
            now += 1
            deepest = max(deepest, now)
        elif mark in "]}":
            now -= 1
    return deepest


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Malformed("DUPLICATE_FIELD", "a field is given twice")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise Malformed("NUMBER_OUT_OF_RANGE", f"{name} is not a number")


def _storable(text: str, value: Any) -> None:
    """A NUL, or half of a surrogate pair, could be neither answered nor stored."""
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        raise Malformed("BAD_CHARACTER", "a \\u escape is half of a character") from None
    if "\\u0000" in text:
        raise Malformed("BAD_CHARACTER", "a text holds a NUL character")
