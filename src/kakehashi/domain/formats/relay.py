"""The relay's own JSON; the other formats are rewritten into these fields and read here too.

=====================  =================================================================================
the alert              fields, first one wins
=====================  =================================================================================
action (required)      ``signal`` or ``action``: LONG, SHORT, TP, TP_LONG, TP_SHORT, TP1..TP6, CLOSE, ...
                       or ``market_position`` alone
symbol (required)      ``symbol``, ``symbol_tv``, ``ticker`` (PAUSE and RESUME may leave it out: all symbols)
timeframe              ``timeframe``, ``interval``
bar_time               ``bar_time``, ``time``: the bar's open, ``{{time}}``
fired_at               ``timenow``, ``timestamp``, ``fired_at``
price                  ``price``, ``close``
id, order_id, comment  the same names
lots                   ``lots``, ``volume``, ``vol_lots``
contracts              ``contracts``, ``quantity``, ``qty``
risk % of equity       ``risk_percent``, ``vol_pct_eq_loss``; ``risk`` alone means what the route says
money, equity          ``notional``, ``vol_dollar``; ``equity_percent``; ``balance_per_lot``
stop                   ``sl`` (or ``stop_loss``), ``sl_pips``, ``sl_price``, ``sl_percent``, ``sl_atr``
targets                ``tp`` (or ``take_profit``), ``tp_pips``, ``tp_price``, ``tp_percent``, ``tp_r``, ``tp_atr``;
                       ``tp1``..``tp6`` with the same endings, and their shares ``tp1_share``..``tp6_share``
partial close          ``volume_ratio``, ``close_ratio``; ``tp_index`` says which target was met
pending order          ``order_type`` market, limit or stop, with ``entry``, ``entry_price``, ``entry_pips``
                       or ``entry_percent``; also BUY_LIMIT, BUY_STOP, SELL_LIMIT, SELL_STOP
target position        ``market_position``, ``market_position_size``, ``prev_market_position``,
                       ``prev_market_position_size``
others                 ``atr``, ``max_spread_pips``, ``cancel_after_s``
=====================  =================================================================================

With ``market_position`` a bare buy or sell in ``action`` is only the order that led there, so the position decides
(TARGET); in ``signal`` it stays the action and the position is kept beside it.

Source: TradingView's placeholders, and the field names of the relays in use (consolidated rule list).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from kakehashi.domain.alerts import (
    ENTRIES,
    Action,
    Alert,
    Level,
    LevelUnit,
    OrderKind,
    Size,
    SizeUnit,
    Standing,
    TakeProfit,
    Target,
)
from kakehashi.domain.errors import Malformed
from kakehashi.domain.formats.fields import (
    Raw,
    as_extra,
    fault,
    is_missing,
    millis,
    number,
    sounds_risky,
    take,
    text,
    timeframe,
    to_number,
    to_symbol,
    to_text,
    whole,
)
from kakehashi.domain.values import MAX_AMOUNT, ZERO

_HUNDRED: Final = Decimal(100)
_ONE: Final = Decimal(1)

_SPELLINGS: Final[dict[Action, str]] = {
    Action.BUY: "BUY LONG",
    Action.SELL: "SELL SHORT",
    Action.CLOSE: "CLOSE EXIT FLAT FLATTEN CLOSE_ALL EXIT_ALL CLOSEALL",
    Action.CLOSE_LONG: "CLOSE_LONG EXIT_LONG CLOSELONG",
    Action.CLOSE_SHORT: "CLOSE_SHORT EXIT_SHORT CLOSESHORT",
    Action.TP: "TP TAKE_PROFIT CLOSE_PARTIAL",
    Action.TP_LONG: "TP_LONG",
    Action.TP_SHORT: "TP_SHORT",
    Action.REVERSE: "REVERSE",
    Action.CANCEL: "CANCEL CANCEL_ALL",
    Action.CANCEL_LONG: "CANCEL_LONG CANCELLONG",
    Action.CANCEL_SHORT: "CANCEL_SHORT CANCELSHORT",
    Action.MODIFY: "MODIFY",
    Action.MODIFY_LONG: "MODIFY_LONG NEWSLTPLONG",
    Action.MODIFY_SHORT: "MODIFY_SHORT NEWSLTPSHORT",
    Action.BREAKEVEN: "BREAKEVEN BREAK_EVEN BE",
    Action.PAUSE: "PAUSE EAOFF",
    Action.RESUME: "RESUME EAON",
}
WORDS: Final[dict[str, tuple[Action, OrderKind | None, int | None]]] = {
    **{word: (action, None, None) for action, words in _SPELLINGS.items() for word in words.split()},
    **{
        f"{side}{gap}{kind}": (side, kind, None)
        for side in (Action.BUY, Action.SELL)
        for kind in (OrderKind.LIMIT, OrderKind.STOP)
        for gap in ("", "_")
    },
    **{f"TP{n}": (Action.TP, None, n) for n in range(1, 7)},
    **{f"TP{n}_{side}": (Action(f"TP_{side}"), None, n) for n in range(1, 7) for side in ("LONG", "SHORT")},
}
"""A signal's word to (action, order kind it implies, number of the target it names)."""

_SIZES: Final[dict[str, SizeUnit]] = {
    "lots": SizeUnit.LOTS,
    "volume": SizeUnit.LOTS,
    "vol_lots": SizeUnit.LOTS,
    "contracts": SizeUnit.CONTRACTS,
    "quantity": SizeUnit.CONTRACTS,
    "qty": SizeUnit.CONTRACTS,
    "risk_percent": SizeUnit.RISK_PERCENT,
    "vol_pct_eq_loss": SizeUnit.RISK_PERCENT,
    "risk": SizeUnit.RISK,
    "notional": SizeUnit.NOTIONAL,
    "vol_dollar": SizeUnit.NOTIONAL,
    "equity_percent": SizeUnit.EQUITY_PERCENT,
    "balance_per_lot": SizeUnit.BALANCE_RATIO,
}


def _levels(*stems: str, r: bool = False) -> dict[str, LevelUnit]:
    """Field names of one level, each with the unit it says."""
    endings = {
        "": LevelUnit.AUTO,
        "_pips": LevelUnit.PIPS,
        "_price": LevelUnit.PRICE,
        "_percent": LevelUnit.PERCENT,
        "_pct": LevelUnit.PERCENT,
        "_atr": LevelUnit.ATR,
    }
    if r:
        endings["_r"] = LevelUnit.R
    return {stem + ending: unit for stem in stems for ending, unit in endings.items()}


_STOP: Final = _levels("sl", "stop_loss", "stoploss")
_TP: Final = _levels("tp", "take_profit", "takeprofit", r=True)
_TPS: Final = tuple((n, _levels(f"tp{n}", r=True)) for n in range(1, 7))
_ENTRY: Final = {k: v for k, v in _levels("entry").items() if v is not LevelUnit.ATR}
_SHARES: Final = frozenset(f"tp{n}_share" for n in range(1, 7))
_NUMBERED: Final = _SHARES.union(*(names for _, names in _TPS))
_RISKY: Final = frozenset(_SIZES).union(_STOP, _TP, _NUMBERED, _ENTRY)
"""What an entry's risk hangs on: a missing value here is said aloud."""
_TARGET: Final = frozenset({"market_position", "market_position_size"})
_RARE: Final = frozenset(
    {"atr", "max_spread_pips", "cancel_after_s", "cancel_after", "volume_ratio", "close_ratio", "tp_index", "order_id"}
    | {"comment", "order_type"}
)
FIELDS: Final = _RISKY | _RARE | _TARGET | {
    "signal", "action", "symbol", "symbol_tv", "ticker", "timeframe", "interval", "bar_time", "time", "timenow",
    "timestamp", "fired_at", "price", "close", "id", "prev_market_position", "prev_market_position_size",
}  # fmt: skip
"""Every field that is read."""


def parse_relay(raw: Raw, *, fmt: str = "relay", zone: ZoneInfo | None = None, warnings: tuple[str, ...] = ()) -> Alert:
    """The alert that these fields say; ``raw`` is used up.

    :param zone: what a time without a zone means; None refuses it
    :raises Malformed: the first fault found
    """
    warnings += tuple(f"EMPTY_FIELD: {n} came without a value" for n in raw if n in _RISKY and is_missing(raw[n]))
    target = None if _TARGET.isdisjoint(raw) else _target(raw)
    action, kind, tp_index = _action(raw, target)
    symbol = _symbol(raw, action)
    id_ = text(raw, "id")
    frame = timeframe(raw)
    bar_time = millis(raw, "bar_time", "time", zone=zone)
    fired_at = millis(raw, "timenow", "timestamp", "fired_at", zone=zone)
    if id_ is None and bar_time is None and fired_at is None:
        warnings += ("NO_ID_NO_TIME: neither id nor time was sent: repeats are recognised for 60 s only",)
    price = number(raw, "price", "close", above=ZERO)
    size = _size(raw)
    opens = action in ENTRIES or (target is not None and action is Action.TARGET and target.position != Standing.FLAT)
    sl = None if _STOP.keys().isdisjoint(raw) else _level(raw, _STOP, opens=opens, percent_high=_HUNDRED)
    tps = _take_profits(raw, opens=opens)
    rest = {} if _RARE.isdisjoint(raw) else _rest(raw)
    kind = _kind(rest.pop("order_type", None), action, kind)
    tp_index = rest.pop("tp_index", None) or tp_index
    needs_entry = kind is not OrderKind.MARKET or not _ENTRY.keys().isdisjoint(raw)
    return Alert(
        format=fmt,
        action=action,
        symbol=symbol,
        id=id_,
        timeframe=frame,
        bar_time=bar_time,
        fired_at=fired_at,
        price=price,
        tp_index=tp_index,
        kind=kind,
        entry=_entry(raw, kind, action) if needs_entry else None,
        size=size,
        sl=sl,
        tps=tps,
        target=target,
        extra=as_extra(raw) if raw else {},
        warnings=warnings + tuple(_misspelt(name) for name in raw if sounds_risky(name)),
        **rest,
    )


def _misspelt(name: str) -> str:
    return f"UNKNOWN_FIELD: {name[:40]} looks like a size, stop or target, but is not known and was kept only"


def _rest(raw: Raw) -> dict[str, Any]:
    """The fields that few alerts have, by the alert's names."""
    return {
        "order_id": text(raw, "order_id"),
        "comment": text(raw, "comment", longest=500),
        "atr": number(raw, "atr", above=ZERO),
        "max_spread_pips": number(raw, "max_spread_pips", low=ZERO),
        "cancel_after_s": whole(raw, "cancel_after_s", "cancel_after", low=1, high=86_400),
        "close_ratio": _ratio(raw),
        "tp_index": whole(raw, "tp_index", low=1, high=6),
        "order_type": text(raw, "order_type"),
    }


def check_names(raw: Raw) -> tuple[str, ...]:
    """Warnings for the names of a text format that are not known; what may be a misspelt stop is refused.

    :raises Malformed: BAD_PARAMETER
    """
    unknown = sorted(raw.keys() - FIELDS)
    for name in unknown:
        if sounds_risky(name):
            message = f"{name[:40]} is not a known size, stop or target"
            raise fault("BAD_PARAMETER", message, hint="an order must not be sent with another risk", value=name)
    return tuple(f"UNKNOWN_FIELD: {name[:40]} is not known and was kept only" for name in unknown)


def word(said: str) -> str:
    """A signal's word as :data:`WORDS` spells it."""
    return said.strip().upper().replace("-", "_").replace(" ", "_")


def _action(raw: Raw, target: Target | None) -> tuple[Action, OrderKind, int | None]:
    found = None
    for name in ("signal", "action"):
        value = raw.get(name)
        if value is None or is_missing(value):
            raw.pop(name, None)
            continue
        said = to_text(name, value)
        meaning = WORDS.get(word(said))
        if meaning is None:
            raise _unknown_signal(name, said)
        if name == "action" and target is not None and found is None and meaning[0] in (Action.BUY, Action.SELL):
            return Action.TARGET, OrderKind.MARKET, None  # the order behind it stays in ``extra``
        if found is not None and found != meaning:
            hint = "send one of them"
            raise fault("CONFLICTING_FIELDS", "signal and action say different things", hint=hint, value=said)
        found = meaning
        raw.pop(name)
    if found is not None:
        return found[0], found[1] or OrderKind.MARKET, found[2]
    if target is not None:
        return Action.TARGET, OrderKind.MARKET, None
    raise _missing("signal", raw)


def _unknown_signal(name: str, said: str) -> Malformed:
    known = "LONG, SHORT, TP, TP_LONG, TP_SHORT, CLOSE, CLOSE_LONG, CLOSE_SHORT, REVERSE, CANCEL, MODIFY, PAUSE, RESUME"
    return fault("UNKNOWN_SIGNAL", f"{name} {said[:40]!r} is not known", hint=f"one of {known}", value=said)


def _missing(name: str, raw: Raw) -> Malformed:
    sent = ", ".join(sorted(raw)[:12]) or "nothing else"
    return fault("MISSING_FIELD", f"{name} is required", hint=f"sent were: {sent[:200]}", value=name)


def _symbol(raw: Raw, action: Action) -> str:
    name, value = take(raw, ("symbol", "symbol_tv", "ticker"))
    if value is None:
        if action in (Action.PAUSE, Action.RESUME):
            return ""
        raise _missing("symbol", raw)
    symbol = to_symbol(name, value)
    other = raw.get("ticker")
    if other is not None and not is_missing(other):
        if to_symbol("ticker", other) != symbol:
            message = f"{name} and ticker name different symbols"
            raise fault("CONFLICTING_FIELDS", message, hint="send one of them", value=other)
        del raw["ticker"]
    return symbol


def _only(raw: Raw, names: Mapping[str, LevelUnit] | Mapping[str, SizeUnit]) -> str | None:
    """The one name of the group that has a value; the empty ones are dropped.

    :raises Malformed: CONFLICTING_FIELDS when there are two
    """
    found = None
    for name in [n for n in raw if n in names]:
        if is_missing(raw[name]):
            del raw[name]
        elif found is None:
            found = name
        else:
            hint = "send the one you mean"
            raise fault("CONFLICTING_FIELDS", f"{found} and {name} cannot both be given", hint=hint, value=name)
    return found


def _size(raw: Raw) -> Size | None:
    if _SIZES.keys().isdisjoint(raw):
        return None
    name = _only(raw, _SIZES)
    if name is None:
        return None
    unit = _SIZES[name]
    high = _HUNDRED if unit is SizeUnit.RISK_PERCENT else MAX_AMOUNT
    return Size(unit, to_number(name, raw.pop(name), above=ZERO, high=high))


def _level(
    raw: Raw, names: Mapping[str, LevelUnit], *, opens: bool, percent_high: Decimal = MAX_AMOUNT
) -> Level | None:
    """One stop, target or entry. Zero, "take it away", only means something when nothing is opened."""
    name = _only(raw, names)
    if name is None:
        return None
    unit = names[name]
    high = percent_high if unit is LevelUnit.PERCENT else MAX_AMOUNT
    value = raw.pop(name)
    return Level(unit, to_number(name, value, above=ZERO if opens else None, low=ZERO, high=high))


def _take_profits(raw: Raw, *, opens: bool) -> tuple[TakeProfit, ...]:
    single = None if _TP.keys().isdisjoint(raw) else _level(raw, _TP, opens=opens)
    levels: list[tuple[int, Level]] = []
    if not _NUMBERED.isdisjoint(raw):
        read = [(n, _level(raw, names, opens=opens)) for n, names in _TPS]
        levels = [(n, level) for n, level in read if level is not None]
    if single is not None:
        if levels:
            raise fault("CONFLICTING_FIELDS", f"tp and tp{levels[0][0]} cannot both be given", hint="number them all")
        return (TakeProfit(single),)
    shares = _tp_shares(raw, [n for n, _ in levels])
    return tuple(TakeProfit(level, share) for (_, level), share in zip(levels, shares, strict=True))


def _tp_shares(raw: Raw, numbers: list[int]) -> list[Decimal]:
    """The share of each target; those that say none divide what is left equally."""
    if not numbers and _SHARES.isdisjoint(raw):
        return []
    said = {n: number(raw, f"tp{n}_share", above=ZERO, high=_ONE) for n in range(1, 7)}
    for n, share in said.items():
        if share is not None and n not in numbers:
            raise fault("MISSING_FIELD", f"tp{n}_share is given without tp{n}", hint=f"send tp{n} too", value=f"tp{n}")
    given = sum((share for share in said.values() if share is not None), ZERO)
    silent = [n for n in numbers if said[n] is None]
    if given > 1 or (silent and given >= 1):
        raise fault("NUMBER_OUT_OF_RANGE", f"the shares of all targets must be at most 1, got {given}", value=given)
    each = (1 - given) / len(silent) if silent else ZERO
    return [said[n] or each for n in numbers]


def _ratio(raw: Raw) -> Decimal | None:
    first = number(raw, "volume_ratio", above=ZERO, high=_ONE)
    second = number(raw, "close_ratio", above=ZERO, high=_ONE)
    if first is not None and second is not None and first != second:
        raise fault("CONFLICTING_FIELDS", "volume_ratio and close_ratio differ", hint="send one of them", value=second)
    return first or second


def _kind(said: str | None, action: Action, implied: OrderKind) -> OrderKind:
    if said is None:
        return implied
    if said.upper() not in OrderKind.__members__:
        raise fault("BAD_PARAMETER", f"order_type {said[:40]!r} is not known", hint="market, limit or stop", value=said)
    kind = OrderKind(said.upper())
    if implied is not OrderKind.MARKET and kind is not implied:
        raise fault("CONFLICTING_FIELDS", "signal and order_type say different order types", value=said)
    return kind if action in (Action.BUY, Action.SELL) else OrderKind.MARKET


def _entry(raw: Raw, kind: OrderKind, action: Action) -> Level | None:
    entry = _level(raw, _ENTRY, opens=action in ENTRIES)
    if entry is None and kind is not OrderKind.MARKET:
        hint = "send entry_price, entry_pips or entry_percent"
        raise fault("MISSING_FIELD", f"a {kind} order needs its entry", hint=hint, value="entry_price")
    return entry


def _target(raw: Raw) -> Target | None:
    position = _standing(raw, "market_position")
    if position is None:
        return None
    target = Target(
        position=position,
        size=number(raw, "market_position_size", low=ZERO),
        prev_position=_standing(raw, "prev_market_position"),
        prev_size=number(raw, "prev_market_position_size", low=ZERO),
    )
    if target.size is not None and (target.size == 0) != (position is Standing.FLAT):
        message = f"market_position {position} and market_position_size {target.size} cannot both be true"
        raise fault("CONFLICTING_FIELDS", message, value=target.size)
    return target


def _standing(raw: Raw, name: str) -> Standing | None:
    said = text(raw, name)
    if said is None:
        return None
    if said.upper() not in Standing.__members__:
        raise fault("BAD_POSITION", f"{name} {said[:40]!r} is not known", hint="long, short or flat", value=said)
    return Standing(said.upper())
