"""From the body of a webhook to an alert, whatever its content type says.

TradingView sends valid JSON as ``application/json`` and all else as ``text/plain``, and a trailing newline is enough to
change that, so only the body decides. What cannot be read without doubt is refused: a repeated key, a NaN or a typo
in a stop would otherwise become an order that nobody meant.
"""

import json
import re
from typing import Any, Final, NoReturn
from zoneinfo import ZoneInfo

import msgspec

from kakehashi.domain.alerts import Alert
from kakehashi.domain.errors import Malformed
from kakehashi.domain.formats.fields import (
    MASK,
    SECRET_NAMES,
    Raw,
    fault,
    json_number,
    kind_of,
    masked,
    refuse_placeholder,
    take_secret,
)
from kakehashi.domain.formats.pineconnector import parse_pineconnector, split_pineconnector
from kakehashi.domain.formats.plain import parse_plain, split_plain
from kakehashi.domain.formats.relay import parse_relay
from kakehashi.domain.formats.traderspost import is_traderspost, parse_traderspost

__all__ = ["MAX_BODY_BYTES", "MAX_DEPTH", "parse", "redacted"]

MAX_BODY_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 16

_BRACKETS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
_SCALAR: Final = re.compile(r'".*|[+-]?\d[\d.eE+-]*|true|false|null|-?Infinity|NaN', re.DOTALL | re.ASCII)
_FORM: Final = re.compile(r"[\w.%+\-\[\]]+=[^\s,]*", re.ASCII)
_PINECONNECTOR: Final = re.compile(r"[^\s,={}]*\s*,")
_SECRETS: Final = "|".join(SECRET_NAMES)
_SECRET_IN_JSON: Final = re.compile(
    rf'("(?:{_SECRETS})"\s*:\s*)("[^"\\]*(?:\\.[^"\\]*)*"?|[^\s,}}]+)', re.I | re.DOTALL
)
_SECRET_IN_TEXT: Final = re.compile(rf"\b({_SECRETS})(\s*[=:]\s*)[^\s,&]+", re.I)
_LICENCE: Final = re.compile(r"^(\s*)[^\s,={}\[\]\"]+(?=\s*,)")


def parse(body: bytes, *, content_type: str = "", zone: ZoneInfo | None = None) -> tuple[Alert, str | None]:
    """Read one alert.

    :param content_type: only makes an error clearer; it never decides the format
    :param zone: what a time without a zone means; None refuses such a time
    :returns: the alert, and the secret found in the body (never part of the alert) or None
    :raises Malformed: one fault, with its code, what came, and the fix
    """
    said = _text(body)
    if said[0] == "{" and not said.startswith("{{"):
        raw = _object(said)
        secret = take_secret(raw)
        alert = parse_traderspost(raw, zone=zone) if is_traderspost(raw) else parse_relay(raw, zone=zone)
        return alert, secret
    _refuse_other_formats(said, content_type)
    if _PINECONNECTOR.match(said):
        raw = split_pineconnector(said)
        secret = take_secret(raw)
        return parse_pineconnector(raw, zone=zone), secret
    raw = split_plain(said)
    secret = take_secret(raw)
    return parse_plain(raw, zone=zone), secret


def redacted(body: bytes) -> str:
    """The body as it may be stored and shown: secrets, our tokens and PineConnector's licence masked.

    Works on any bytes, also on those that :func:`parse` refuses.
    """
    said = body.decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    if "\\u" in said:  # a name can hide behind escapes: write it out plainly first
        try:
            said = msgspec.json.encode(msgspec.json.decode(said)).decode()
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            said = re.sub(r"\\u00([2-7][0-9a-f])", lambda found: chr(int(found[1], 16)), said, flags=re.I)
    lower = said.casefold()  # as the patterns do, which ignore case: a long s is an s to them
    if any(name in lower for name in SECRET_NAMES):
        said = _SECRET_IN_JSON.sub(rf'\1"{MASK}"', said)
        said = _SECRET_IN_TEXT.sub(rf"\1\2{MASK}", said)
    if said[:1] != "{":
        said = _LICENCE.sub(rf"\1{MASK}", said)
    return masked(said)


def _text(body: bytes) -> str:
    if len(body) > MAX_BODY_BYTES:
        raise fault("TOO_LARGE", f"the body has {len(body)} bytes, at most {MAX_BODY_BYTES} are taken")
    try:
        said = body.decode("utf-8-sig").strip()
    except UnicodeDecodeError as e:
        raise fault("NOT_UTF8", f"byte {e.start} of the body is not UTF-8", value=hex(body[e.start])) from None
    if not said:
        raise fault("EMPTY_BODY", "the body is empty", hint="write the alert into TradingView's message field")
    if "\x00" in said or "\\u0000" in said:
        raise fault("BAD_CHARACTER", "the body holds a NUL character", hint="remove it")
    return said


def _object(said: str) -> Raw:
    """The body as one JSON object, strictly.

    :raises Malformed: TOO_DEEP, BAD_JSON, DUPLICATE_FIELD, BAD_NUMBER, NUMBER_OUT_OF_RANGE, NOT_AN_OBJECT
    """
    if said.count("{") + said.count("[") > MAX_DEPTH:
        _refuse_depth(said)
    try:
        value = _DECODER.decode(said)
    except json.JSONDecodeError as e:
        refuse_placeholder("the JSON", said)
        hint = "one object, straight double quotes, no comma after the last field, no line break inside a text"
        message = f"not valid JSON at line {e.lineno} column {e.colno}: {e.msg}"
        raise fault("BAD_JSON", message, hint=hint, value=said[e.pos : e.pos + 1] or "end of body") from None
    except ValueError:  # int() refuses thousands of digits
        raise fault("NUMBER_OUT_OF_RANGE", "a number has thousands of digits") from None
    if "\\u" in said:
        _refuse_half_characters(value)
    if not isinstance(value, dict):
        raise fault("NOT_AN_OBJECT", f"the body is {kind_of(value)}, an object was expected", hint='{"signal": ...}')
    return value


def _refuse_depth(said: str) -> None:
    depth = 0
    for found in _BRACKETS.finditer(said):
        if found[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise fault("TOO_DEEP", f"the JSON is nested more than {MAX_DEPTH} deep", value=depth)
        elif found[0] in "]}":
            depth -= 1


def _refuse_half_characters(value: Any) -> None:
    """Half a surrogate pair is text that cannot be stored."""
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        hint = "send the character itself"
        raise fault("BAD_CHARACTER", "a \\u escape is half of a character", hint=hint) from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise fault("DUPLICATE_FIELD", f"{name[:40]} is given twice", hint="send it once", value=name)
            seen.add(name)
    return fields


def _no_constant(name: str) -> NoReturn:
    hint = f'leave the field out, or write "{name}" in quotes for "not sent"'
    raise fault("BAD_NUMBER", f"{name} is not a number in JSON", hint=hint, value=name)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_float=json_number, parse_constant=_no_constant
)


def _refuse_other_formats(said: str, content_type: str) -> None:
    """:raises Malformed: for whatever is not text in one of the two text formats"""
    refuse_placeholder("the body", said[:200])
    if said[0] == "[" or _SCALAR.fullmatch(said):
        if said[0] == "[":
            _object(said)
        raise _not_an_object()
    if _FORM.match(said) and ("&" in said or len(said.split()) == 1):
        hint = 'send JSON, e.g. {"signal": "LONG", "symbol": "EURUSD"}'
        raise fault("FORM_ENCODED", "a form-encoded body is not a format", hint=hint, value=said.partition("=")[0])
    if said[0] in "<-":
        raise _unknown_format(content_type)
    lines = len(said.splitlines())
    if lines > 1:
        hint = "one alert, one command, on one line"
        raise fault("MANY_COMMANDS", "the text has more than one line", hint=hint, value=lines)


def _not_an_object() -> Malformed:
    return fault("NOT_AN_OBJECT", "the body is a single JSON value, an object was expected", hint='{"signal": ...}')


def _unknown_format(content_type: str) -> Malformed:
    kind = f" (sent as {content_type[:60]})" if content_type else ""
    hint = "send JSON, PineConnector text, or e.g. buy 0.1 EURUSD sl=20 tp=40"
    return fault("UNKNOWN_FORMAT", f"the body is none of the known formats{kind}", hint=hint)
