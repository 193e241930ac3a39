"""Frames of klink/1 as bytes: how they are written, and how they are read from a peer that nobody vouches for.

Unknown fields are ignored; a field given twice, a number that is not finite or out of range and an unknown type are refused.
Source: PROTOCOL sections 1 and 5.
"""

import re
from decimal import Decimal
from functools import cache
from typing import Any, Final

import msgspec

from kakehashi.domain.errors import Malformed
from kakehashi.domain.frames import FromEa, FromHub
from kakehashi.domain.strict import plain_object, searched_object
from kakehashi.domain.values import MAX_AMOUNT

MAX_FRAME: Final = 65_536
MAX_INTEGER: Final = 2**53
"""Counters, times and check sums are smaller: what is not could be neither computed with nor stored."""
FINEST_DIGIT: Final = -32
"""No amount is written finer than 10 to this: doubles printed as they are come down to 10^-17."""
ALIASES: Final = {"HEARTBEAT": "HB", "FULL_SYNC": "SNAP", "REQUEST_FULL_SYNC": "REQ_SNAP"}
"""S1's message names."""

_encode: Final = msgspec.json.Encoder(decimal_format="string").encode
_EXPONENT: Final = re.compile(rb'"-?\d+(?:\.\d+)?E[+-]\d+"')


def encode(frame: FromEa | FromHub) -> bytes:
    """The frame as it goes on the wire: all of its fields, in order; amounts without an exponent, which EAs need not read."""
    raw = _encode(frame)
    return _encode(_plain(msgspec.to_builtins(frame, builtin_types=(Decimal,)))) if _EXPONENT.search(raw) else raw


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def from_ea(raw: str | bytes) -> FromEa:
    """:raises Malformed: TOO_LARGE, BAD_JSON, BAD_CHARACTER, DUPLICATE_FIELD, UNKNOWN_FRAME, BAD_FRAME, NUMBER_OUT_OF_RANGE"""
    frame: FromEa = _decoded(raw, _from_ea, FromEa)
    return frame


def from_hub(raw: str | bytes) -> FromHub:
    """:raises Malformed: as :func:`from_ea`"""
    frame: FromHub = _decoded(raw, _from_hub, FromHub)
    return frame


_from_ea: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(FromEa, strict=False)
_from_hub: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(FromHub, strict=False)


def _decoded(raw: str | bytes, decoder: msgspec.json.Decoder[Any], union: Any) -> Any:
    if len(raw) > MAX_FRAME:
        raise Malformed("TOO_LARGE", f"a frame has at most {MAX_FRAME} bytes, this one {len(raw)}")
    frame = _sound(raw, decoder) or _searched(raw, union)
    _bounded(frame)
    return frame


def _sound(raw: str | bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """The frame, where a fast look finds nothing wrong (six times as fast); None: somebody has to look closer."""
    value = plain_object(raw)
    if value is None or value.get("v", 1) != 1:
        return None
    try:
        return decoder.decode(raw)
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _searched(raw: str | bytes, union: Any) -> Any:
    value = searched_object(raw)
    kind = value.get("t")
    value["t"] = ALIASES.get(kind, kind) if isinstance(kind, str) else kind
    if value.get("v", 1) != 1:
        raise Malformed("BAD_FRAME", "v must be 1", value=str(value["v"])[:20])
    try:
        return msgspec.convert(value, union, strict=False)
    except (msgspec.ValidationError, ArithmeticError, ValueError, RecursionError) as e:
        unknown = ("Invalid value" in str(e) and "$.t" in str(e)) or not isinstance(kind, str)
        raise Malformed("UNKNOWN_FRAME" if unknown else "BAD_FRAME", str(e)[:200], value=str(kind)[:40]) from None


def _bounded(value: object) -> None:
    """Every amount in a frame is finite and within MAX_AMOUNT, every integer within MAX_INTEGER.

    A thousand characters can name a number that fills the memory when it is written out: ``1E-999999999``.
    """
    if isinstance(value, Decimal):
        if not value.is_finite() or value.copy_abs() > MAX_AMOUNT or value.adjusted() < FINEST_DIGIT:
            text = f"amounts are finite, at most {MAX_AMOUNT:f}, and written no finer than 1E{FINEST_DIGIT}"
            raise Malformed("NUMBER_OUT_OF_RANGE", text, value=str(value)[:40])
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise Malformed("NUMBER_OUT_OF_RANGE", "integers are at most 2^53", value=str(value)[:40])
    elif isinstance(value, msgspec.Struct):
        for name in _with_numbers(type(value)):
            _bounded(getattr(value, name))
    elif isinstance(value, tuple):
        for part in value:
            _bounded(part)


@cache
def _with_numbers(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields in which a number can be."""
    return tuple(field.name for field in msgspec.structs.fields(kind) if field.type not in (str, bool))
