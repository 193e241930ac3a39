"""Plain text, ``buy 0.1 EURUSD sl=20 tp=40``: an action, then lots and symbol in either order, then name=value.

The names are the relay's. A value cannot hold a blank.
"""

import re
from typing import Final
from zoneinfo import ZoneInfo

from kakehashi.domain.alerts import Alert
from kakehashi.domain.formats.fields import Raw, fault, refuse_placeholder
from kakehashi.domain.formats.relay import WORDS, check_names, parse_relay, word

_LOOKS_LIKE_A_WORD: Final = re.compile(r"[A-Za-z_\-]{2,20}", re.ASCII)
_LOOKS_LIKE_A_NUMBER: Final = re.compile(r"[+\-]?[\d.][\d.,_eE+\-%]*", re.ASCII)


def split_plain(said: str) -> Raw:
    """The words of the text as fields, the action as ``signal``.

    :raises Malformed: UNKNOWN_COMMAND, UNKNOWN_FORMAT, BAD_PARAMETER, DUPLICATE_FIELD
    """
    first, *rest = said.split()
    refuse_placeholder("the action", first)
    if word(first) not in WORDS:
        if _LOOKS_LIKE_A_WORD.fullmatch(first):
            hint = "begin with buy, sell, close, tp, cancel, ..."
            raise fault("UNKNOWN_COMMAND", f"the action {first[:40]!r} is not known", hint=hint, value=first)
        hint = "send JSON, PineConnector text, or e.g. buy 0.1 EURUSD sl=20 tp=40"
        raise fault("UNKNOWN_FORMAT", "the body is none of the known formats", hint=hint, value=first)
    raw: Raw = {"signal": first}
    for part in rest:
        name, equals, value = part.partition("=")
        if not equals:
            name, value = ("lots" if _LOOKS_LIKE_A_NUMBER.fullmatch(part) else "symbol"), part
        elif not name:
            raise fault("BAD_PARAMETER", "a parameter must be written name=value", hint="e.g. sl=20", value=part)
        name = name.lower()
        if name in raw:
            raise fault("DUPLICATE_FIELD", f"{name} is given twice", hint="one alert, one command", value=name)
        raw[name] = value
    return raw


def parse_plain(raw: Raw, *, zone: ZoneInfo | None = None) -> Alert:
    """The alert that the fields of :func:`split_plain` say, its secret already taken out.

    :raises Malformed: the first fault found
    """
    warnings = check_names(raw)
    return parse_relay(raw, fmt="plain", zone=zone, warnings=warnings)
