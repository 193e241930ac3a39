"""Where an order's stop, targets and pending entry lie, as prices the broker takes."""

from decimal import Decimal

import msgspec

from kakehashi.domain.alerts import Alert, Level, LevelUnit, OrderKind, TakeProfit
from kakehashi.domain.codes import refused
from kakehashi.domain.rules import RouteRules
from kakehashi.domain.values import Pips, Price, Quote, Side
from kakehashi.domain.views import AccountView, BrokerPosition


class Levels(msgspec.Struct, frozen=True):
    """:ivar tps: (price, share of the volume), nearest alert order kept; shares sum to at most 1"""

    sl: Price | None
    tps: tuple[tuple[Price, Decimal], ...]


def pip_size(view: AccountView, symbol: str) -> Decimal:
    """Price units per pip: what the owner set, what was reported, or what 3, 4 and 5 digits imply.

    Other digits imply nothing: a pip of gold or of an index is a matter of taste, and a wrong one
    puts the stop at the wrong place.

    :raises Refused: NO_SPEC
    """
    explicit = view.account.pips.get(symbol)
    if explicit is not None:
        return explicit
    instrument = view.instrument
    if instrument is not None:
        if instrument.pip is not None:
            return instrument.pip
        if instrument.digits in (3, 5):
            return instrument.point * 10
        if instrument.digits == 4:
            return instrument.point
    raise refused("NO_SPEC", symbol=symbol, missing="the pip size")


def fresh_quote(view: AccountView, rules: RouteRules, at: int) -> Quote | None:
    """The last quote, if it is young enough to judge a price by."""
    quote = view.quote
    return quote if quote is not None and at - quote.at <= rules.quote_age_ms else None


def expected_entry(
    alert: Alert, side: Side, rules: RouteRules, view: AccountView, *, symbol: str, at: int
) -> Price | None:
    """What the entry is expected to pay: a pending order's price, the quote, or what the sender saw. None: unknown.

    :raises Refused: ENTRY_PRICE_MISSING, STOPS_WRONG_SIDE, NO_QUOTE, NO_SPEC
    """
    quote = fresh_quote(view, rules, at)
    market = quote.entry(side) if quote is not None else alert.price
    if market is None and view.quote is not None:
        market = view.quote.entry(side)
    if alert.kind is OrderKind.MARKET:
        return market
    price = _pending_price(alert, side, rules, view, symbol, market)
    if quote is not None:
        # A LIMIT waits for a better price, a STOP for a worse one; elsewhere the broker would fill or refuse at once.
        better = (quote.entry(side) - price) * side.sign
        if (better > 0) != (alert.kind is OrderKind.LIMIT):
            entry = quote.entry(side)
            raise refused("STOPS_WRONG_SIDE", level=alert.kind, price=price, entry=entry, side=side)
    return price


def _pending_price(
    alert: Alert, side: Side, rules: RouteRules, view: AccountView, symbol: str, market: Price | None
) -> Price:
    level = alert.entry
    if level is None or level.value <= 0:
        if alert.price is None or alert.price <= 0:
            raise refused("ENTRY_PRICE_MISSING", kind=alert.kind)
        return _rounded(alert.price, view)
    unit = rules.stops_in if level.unit is LevelUnit.AUTO else level.unit
    if unit is LevelUnit.PRICE:
        return _rounded(level.value, view)
    if market is None:
        raise refused("NO_QUOTE", symbol=symbol, needed_for="the entry's distance")
    away = -side.sign if alert.kind is OrderKind.LIMIT else side.sign
    return _rounded(market + away * _distance(Level(unit, level.value), market, alert, view, symbol), view)


def levels_of(
    alert: Alert, side: Side, rules: RouteRules, view: AccountView, *, symbol: str, entry: Price | None
) -> Levels:
    """Stop and targets of an entry. What the alert sends wins; a sent 0 means none, which is not "not sent".

    :raises Refused: STOP_REQUIRED, STOPS_TOO_CLOSE, STOPS_WRONG_SIDE, NO_QUOTE, NO_SPEC, NO_ATR
    """
    level = rules.sl if alert.sl is None else alert.sl
    sl = None
    if level is not None and level.value != 0:
        sl = level_price(level, side, -1, alert, rules, view, symbol=symbol, entry=entry)
        _check(sl, "sl", side, -1, view, entry)
    if sl is None and rules.sl_required:
        raise refused("STOP_REQUIRED", why="this route")
    wanted = tuple(tp for tp in alert.tps or rules.tps if tp.level.value != 0)
    tps = []
    for n, (tp, share) in enumerate(zip(wanted, _shares(wanted), strict=True), start=1):
        price = level_price(tp.level, side, 1, alert, rules, view, symbol=symbol, entry=entry, sl=sl)
        _check(price, f"tp{n}", side, 1, view, entry)
        tps.append((price, share))
    return Levels(sl, tuple(tps))


def _shares(tps: tuple[TakeProfit, ...]) -> list[Decimal]:
    """Shares that sum to at most 1; targets that all say "everything" share alike."""
    total = sum((tp.share for tp in tps), Decimal(0))
    return [tp.share / total if total > 1 else tp.share for tp in tps]


def level_price(
    level: Level,
    side: Side,
    toward: int,
    alert: Alert,
    rules: RouteRules,
    view: AccountView,
    *,
    symbol: str,
    entry: Price | None,
    sl: Price | None = None,
) -> Price:
    """The price of a level, rounded to the tick.

    :param toward: +1 for a target, -1 for a stop
    :param sl: what R is measured by
    :raises Refused: NO_QUOTE, NO_SPEC, NO_ATR, STOP_REQUIRED
    """
    unit = rules.stops_in if level.unit is LevelUnit.AUTO else level.unit
    if unit is LevelUnit.PRICE:
        return _rounded(level.value, view)
    if entry is None:
        raise refused("NO_QUOTE", symbol=symbol, needed_for="a stop or target")
    if unit is LevelUnit.R:
        if sl is None:
            raise refused("STOP_REQUIRED", why="a target in R")
        distance = level.value * abs(entry - sl)
    else:
        distance = _distance(Level(unit, level.value), entry, alert, view, symbol)
    return _rounded(entry + toward * side.sign * distance, view)


def _distance(level: Level, entry: Price, alert: Alert, view: AccountView, symbol: str) -> Decimal:
    if level.unit is LevelUnit.PIPS:
        return level.value * pip_size(view, symbol)
    if level.unit is LevelUnit.PERCENT:
        return entry * level.value / 100
    if level.unit is LevelUnit.ATR:
        atr = view.atr if alert.atr is None else alert.atr
        if atr is None:
            raise refused("NO_ATR", symbol=symbol)
        return level.value * atr
    raise refused("STOP_REQUIRED", why="a distance in R")


def _rounded(price: Price, view: AccountView) -> Price:
    return price if view.instrument is None else view.instrument.round_price(price)


def _check(price: Price, name: str, side: Side, toward: int, view: AccountView, entry: Price | None) -> None:
    if price <= 0:
        raise refused("STOPS_WRONG_SIDE", level=name, price=price, entry=entry or 0, side=side)
    if entry is None:
        return
    distance = (price - entry) * side.sign * toward
    if distance <= 0:
        raise refused("STOPS_WRONG_SIDE", level=name, price=price, entry=entry, side=side)
    if view.instrument is not None:
        minimum = view.instrument.stops_level * view.instrument.point
        if distance < minimum:
            raise refused("STOPS_TOO_CLOSE", level=name, distance=distance, minimum=minimum)


def tightens(position: BrokerPosition, sl: Price, tp: Price) -> bool:
    """Whether new levels only lower the risk: no stop further away, no target further away or gone."""
    sign = position.side.sign
    nearer_sl = sl == position.sl or (sl > 0 and (position.sl <= 0 or (sl - position.sl) * sign > 0))
    nearer_tp = tp == position.tp or (tp > 0 and (position.tp <= 0 or (tp - position.tp) * sign < 0))
    return nearer_sl and nearer_tp


def breakeven(position: BrokerPosition, offset: Pips, view: AccountView) -> Price:
    """The entry price, ``offset`` pips in the position's favour.

    :raises Refused: NO_SPEC: an offset without a pip size
    """
    distance = offset * pip_size(view, position.symbol) if offset else Decimal(0)
    return _rounded(position.open_price + distance * position.side.sign, view)
