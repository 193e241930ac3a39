"""TradersPost JSON, rewritten into the relay's fields.

``action`` buy, sell, exit, cancel, add or breakeven, with ``sentiment`` as the position that must result:

=====================  ======================================================================
sent                   becomes
=====================  ======================================================================
sentiment flat         CLOSE, whatever buy or sell led there
sell, long             TP_LONG: reduces, stays long; buy, short the same for TP_SHORT
buy or add, long       BUY; sell or add, short: SELL; the position is kept beside it
sentiment alone        TARGET
exit                   CLOSE; with ``quantityType`` percent_of_position under 100: TP
=====================  ======================================================================

``quantity`` is in contracts unless ``quantityType`` says otherwise. ``time`` is the firing time (``{{timenow}}``).
``extras`` and whatever is not known are kept and not acted on.

Source: TradersPost signal reference.
"""

from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from kakehashi.domain.alerts import Alert
from kakehashi.domain.formats.fields import Raw, fault, is_missing, kind_of, number, take, text, whole
from kakehashi.domain.formats.relay import parse_relay
from kakehashi.domain.values import ZERO

MARKS: Final = frozenset(
    {"sentiment", "signalPrice", "orderType", "limitPrice", "stopPrice", "marketPriceType", "takeProfit", "stopLoss"}
    | {"cancelAfter", "breakevenOffset", "extras", "quantityType"}
)
"""Fields that only TradersPost has."""

_SIDES: Final = {"bullish": "long", "long": "long", "bearish": "short", "short": "short", "flat": "flat"}
_ACTIONS: Final = {
    "buy": "BUY",
    "sell": "SELL",
    "exit": "CLOSE",
    "cancel": "CANCEL",
    "add": "ADD",
    "breakeven": "BREAKEVEN",
}
_QUANTITIES: Final = {
    "fixed_quantity": "quantity",
    "dollar_amount": "notional",
    "percent_of_equity": "equity_percent",
    "risk_percent": "risk_percent",
}


def is_traderspost(raw: Raw) -> bool:
    """Whether the fields are TradersPost's rather than the relay's."""
    return "signal" not in raw and "ticker" in raw and not MARKS.isdisjoint(raw)


def parse_traderspost(raw: Raw, *, zone: ZoneInfo | None = None) -> Alert:
    """The alert that a TradersPost message says; ``raw`` is used up.

    :raises Malformed: the first fault found
    """
    warnings: list[str] = []
    fields: Raw = {}
    side = _sentiment(raw)
    _action(raw, fields, side)
    _quantity(raw, fields, side)
    _prices(raw, fields)
    _order(raw, fields)
    _targets(raw, fields, warnings)
    cancel_after = whole(raw, "cancelAfter", low=1, high=3600)
    if cancel_after is not None:
        fields["cancel_after_s"] = cancel_after
    if "time" in raw:
        raw.setdefault("timenow", raw.pop("time"))
    if side is not None:
        fields["market_position"] = side
    unread = [name for name in ("breakevenOffset", "marketPriceType") if not is_missing(raw.get(name))]
    if unread:
        warnings.append(f"NOT_APPLIED: {', '.join(unread)} is kept and not acted on")
    return parse_relay({**raw, **fields}, fmt="traderspost", zone=zone, warnings=tuple(warnings))


def _sentiment(raw: Raw) -> str | None:
    said = text(raw, "sentiment")
    if said is None:
        return None
    if said.lower() not in _SIDES:
        hint = "bullish, bearish, long, short or flat"
        raise fault("BAD_POSITION", f"sentiment {said[:40]!r} is not known", hint=hint, value=said)
    return _SIDES[said.lower()]


def _action(raw: Raw, fields: Raw, side: str | None) -> None:
    said = text(raw, "action")
    if said is None:
        if side is None:
            raise fault("MISSING_FIELD", "action is required", hint=", ".join(_ACTIONS), value="action")
        return
    action = _ACTIONS.get(said.lower())
    if action is None:
        message = f"action {said[:40]!r} is not known"
        raise fault("UNKNOWN_SIGNAL", message, hint="one of " + ", ".join(_ACTIONS), value=said)
    if action == "ADD":
        if side not in ("long", "short"):
            raise fault("MISSING_FIELD", "add needs a sentiment", hint="bullish or bearish", value="sentiment")
        action = "BUY" if side == "long" else "SELL"
    elif action in ("BUY", "SELL"):
        if side == "flat":
            action = "CLOSE"
        elif (action, side) in (("SELL", "long"), ("BUY", "short")):
            action = "TP_LONG" if side == "long" else "TP_SHORT"
    fields["signal"] = action


def _quantity(raw: Raw, fields: Raw, side: str | None) -> None:
    kind = text(raw, "quantityType")
    if kind is None:
        return
    if kind == "percent_of_position":
        percent = number(raw, "quantity", above=ZERO, high=Decimal(100))
        if percent is not None and percent < 100 and side != "flat":
            if fields.get("signal") == "CLOSE":
                fields["signal"] = "TP"
            fields["close_ratio"] = percent / 100
        return
    if kind not in _QUANTITIES:
        hint = "one of percent_of_position, " + ", ".join(_QUANTITIES)
        raise fault("BAD_PARAMETER", f"quantityType {kind[:40]!r} is not known", hint=hint, value=kind)
    name, value = take(raw, ("quantity",))
    if name:
        fields[_QUANTITIES[kind]] = value


def _prices(raw: Raw, fields: Raw) -> None:
    name, value = take(raw, ("signalPrice",))
    if name:
        fields["price"] = value


def _order(raw: Raw, fields: Raw) -> None:
    kind = text(raw, "orderType")
    limit, stop = number(raw, "limitPrice", above=ZERO), number(raw, "stopPrice", above=ZERO)
    if kind is None and (limit or stop):
        kind = "limit" if limit else "stop"  # never at the market when a price was named
    if kind is None or kind.lower() == "market":
        return
    if kind.lower() not in ("limit", "stop"):
        message = f"orderType {kind[:40]!r} cannot be carried out"
        raise fault("BAD_PARAMETER", message, hint="market, limit or stop", value=kind)
    fields["order_type"] = kind
    price = limit if kind.lower() == "limit" else stop
    if price is not None:
        fields["entry_price"] = price


def _targets(raw: Raw, fields: Raw, warnings: list[str]) -> None:
    profit = _object(raw, "takeProfit")
    _one_of(profit, fields, "takeProfit", {"percent": "tp_percent", "limitPrice": "tp_price"})
    loss = _object(raw, "stopLoss")
    kind = text(loss, "type") or "stop"
    if kind.startswith("trailing") or not is_missing(loss.get("trailPercent")):
        warnings.append("NOT_APPLIED: the stop is set once and does not trail")
    _one_of(loss, fields, "stopLoss", {"percent": "sl_percent", "stopPrice": "sl_price", "trailPercent": "sl_percent"})


def _object(raw: Raw, name: str) -> dict[str, Any]:
    value = raw.pop(name, None)
    if value is None:
        return {}
    if not isinstance(value, dict):
        hint = f'"{name}": {{"percent": 1}}'
        raise fault("BAD_PARAMETER", f"{name} must be an object, got {kind_of(value)}", hint=hint, value=value)
    return dict(value)


def _one_of(said: dict[str, Any], fields: Raw, name: str, known: dict[str, str]) -> None:
    """Rewrite the level; one that is given in a way not known must not be dropped silently."""
    given = [n for n in said if not is_missing(said[n])]
    if not given:
        return
    usable = [n for n in given if n in known]
    if not usable:
        hint = f"{name}: " + " or ".join(known)
        raise fault("BAD_PARAMETER", f"{name} has no {' or '.join(known)}", hint=hint, value=given[0])
    if len(usable) > 1:
        message = f"{name}.{usable[0]} and {name}.{usable[1]} cannot both be given"
        raise fault("CONFLICTING_FIELDS", message, hint="send one", value=usable[1])
    fields[known[usable[0]]] = said[usable[0]]
