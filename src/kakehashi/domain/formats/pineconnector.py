"""PineConnector text, ``60123456,buy,EURUSD,risk=1,sl=20``, rewritten into the relay's fields.

The first field is that service's licence: it is no part of the alert and not kept, but where it is one of our own
tokens it is the secret. ``sl``, ``tp`` and a pending order's ``price`` mean pips or price as the route says, and
``risk`` is sized as the route says. Trailing and break-even parameters are read, kept in ``extra`` and warned of.

Source: PineConnector's command list and the parameters of its cheat sheet.
"""

from typing import Final
from zoneinfo import ZoneInfo

from kakehashi.domain.alerts import Alert
from kakehashi.domain.formats.fields import Raw, fault, is_missing, refuse_placeholder, to_number
from kakehashi.domain.formats.relay import check_names, parse_relay
from kakehashi.domain.values import ZERO

COMMANDS: Final = {
    "buy": "BUY",
    "sell": "SELL",
    "buystop": "BUY_STOP",
    "buylimit": "BUY_LIMIT",
    "sellstop": "SELL_STOP",
    "selllimit": "SELL_LIMIT",
    "closelong": "CLOSE_LONG",
    "closeshort": "CLOSE_SHORT",
    "cancellong": "CANCEL_LONG",
    "cancelshort": "CANCEL_SHORT",
    "newsltplong": "MODIFY_LONG",
    "newsltpshort": "MODIFY_SHORT",
    "eaon": "RESUME",
    "eaoff": "PAUSE",
}
_TWO_IN_ONE: Final = {"closelongbuy": ("closelong", "buy"), "closeshortsell": ("closeshort", "sell")}
_PENDING: Final = frozenset({"buystop", "buylimit", "sellstop", "selllimit"})
_KEPT: Final = frozenset(
    {"accfilter", "betrigger", "beoffset", "trailtrig", "traildist", "trailstep"}
    | {"atrtimeframe", "atrtrigger", "atrperiod", "atrmultiplier", "atrshift"}
)


def split_pineconnector(said: str) -> Raw:
    """The parts of the text as fields, ``secret`` among them.

    :raises Malformed: UNKNOWN_COMMAND, BAD_PARAMETER, DUPLICATE_FIELD, MISSING_FIELD
    """
    licence, *parts = (part.strip() for part in said.strip().rstrip(",").split(","))
    raw: Raw = {"command": parts[0].lower() if parts else ""}
    if licence.startswith("kk_"):
        raw["token"] = licence
    rest = parts[1:]
    if rest and "=" not in rest[0]:
        raw["symbol"] = rest.pop(0)
    for part in rest:
        name, equals, value = (piece.strip() for piece in part.partition("="))
        name = name.lower()
        if not equals or not name:
            hint = "write name=value; a comma inside a value cannot be sent"
            raise fault("BAD_PARAMETER", "a parameter must be written name=value", hint=hint, value=part[:4])
        if name in raw:
            raise fault("DUPLICATE_FIELD", f"{name} is given twice", hint="send it once", value=name)
        raw[name] = value
    return raw


def parse_pineconnector(raw: Raw, *, zone: ZoneInfo | None = None) -> Alert:
    """The alert that the fields of :func:`split_pineconnector` say, its secret already taken out.

    :raises Malformed: the first fault found
    """
    command = raw.pop("command")
    refuse_placeholder("the command", command)
    if command in _TWO_IN_ONE:
        first, second = _TWO_IN_ONE[command]
        message = f"{command} is two orders in one, which cannot be sent as one alert"
        raise fault("UNSUPPORTED_COMMAND", message, hint=f"send {first}, then {second}", value=command)
    if command not in COMMANDS:
        message = f"the command {command[:40]!r} is not known"
        raise fault("UNKNOWN_COMMAND", message, hint="one of " + ", ".join(COMMANDS), value=command)
    kept = {name: raw.pop(name) for name in sorted(_KEPT.intersection(raw))}
    for name, value in kept.items():
        if name != "atrtimeframe" and not is_missing(value):
            to_number(name, value, low=ZERO)
    if "spread" in raw:
        raw["max_spread_pips"] = raw.pop("spread")
    warnings = check_names(raw)
    if kept:
        warnings += (f"NOT_APPLIED: {', '.join(kept)} is kept and not acted on",)
    raw |= kept
    raw["signal"] = COMMANDS[command]
    if command in _PENDING and "price" in raw:
        raw["entry"] = raw.pop("price")
    return parse_relay(raw, fmt="pineconnector", zone=zone, warnings=warnings)
