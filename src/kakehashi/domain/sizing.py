"""How many lots an entry is: from the alert or the route, rounded DOWN, never up to the minimum."""

from decimal import Decimal

import msgspec

from kakehashi.domain.alerts import Alert, Size, SizeUnit
from kakehashi.domain.codes import refused
from kakehashi.domain.rules import RouteRules, SizeSource
from kakehashi.domain.values import MAX_AMOUNT, Instrument, Lots, Money, Price, round_down
from kakehashi.domain.views import AccountView


class Sized(msgspec.Struct, frozen=True):
    """:ivar volume: None is left to the executor, which never told us what it may trade"""

    volume: Lots | None
    notes: tuple[str, ...] = ()


def chosen_size(alert: Alert, rules: RouteRules) -> Size | None:
    """The size that counts, with PineConnector's ``risk=`` read as the route means it; None: nobody said."""
    own = None if rules.size_value is None else Size(rules.size_unit, rules.size_value)
    size = own if rules.size_source is SizeSource.ROUTE or alert.size is None else alert.size
    if size is not None and size.unit is SizeUnit.RISK:
        return Size(rules.risk_means, size.value)
    return size


def volume_of(
    alert: Alert, rules: RouteRules, view: AccountView, *, symbol: str, entry: Price | None, sl: Price | None
) -> Sized:
    """The volume of an entry, ready to be sent.

    :param entry: the price it is expected to pay; None where no rule needed one
    :raises Refused: NO_SPEC, NO_QUOTE, NO_BALANCE, NO_FACTOR, STOP_REQUIRED, BELOW_MIN_VOLUME, NOTIONAL_TOO_LARGE
    """
    size = chosen_size(alert, rules)
    if size is None:
        return _unsized(view, symbol)
    raw = _raw_lots(size, rules, view, symbol=symbol, entry=entry, sl=sl)
    return fit(raw, rules, view, symbol=symbol, entry=entry)


def fit(raw: Decimal, rules: RouteRules, view: AccountView, *, symbol: str, entry: Price | None = None) -> Sized:
    """``raw`` lots as the account can trade them: clamped to the maximum, rounded down to the step.

    :raises Refused: BELOW_MIN_VOLUME, NO_SPEC, NOTIONAL_TOO_LARGE
    """
    instrument = view.instrument
    notes: list[str] = []
    limits = [limit for limit in (rules.max_lots, instrument and instrument.vol_max) if limit]
    volume = min([raw, *limits])
    if volume < raw:
        notes.append(f"CLAMPED: {raw.normalize():f} lots to the maximum of {volume.normalize():f}")
    if instrument is not None:
        volume = round_down(volume, instrument.vol_step)
        if volume < instrument.vol_min or volume <= 0:
            raise refused("BELOW_MIN_VOLUME", volume=f"{raw:f}"[:20], minimum=instrument.vol_min)
    elif view.reported:
        raise refused("NO_SPEC", symbol=symbol, missing="the volume step")
    elif volume <= 0:
        raise refused("BELOW_MIN_VOLUME", volume=volume, minimum="the broker's minimum")
    else:
        notes.append("NOT_CHECKED: volume step and limits (no specification)")
    _check_notional(volume, rules, instrument, symbol, entry)
    return Sized(volume, tuple(notes))


def money_per_price(instrument: Instrument) -> Money:
    """Account currency per 1.0 of price movement per lot."""
    return instrument.tick_value / instrument.tick_size


def _unsized(view: AccountView, symbol: str) -> Sized:
    if view.instrument is not None:
        return Sized(view.instrument.vol_min, ("UNSIZED: neither alert nor route gives a size; the minimum is traded",))
    if view.reported:
        raise refused("NO_SPEC", symbol=symbol, missing="the minimum volume")
    return Sized(None, ("UNSIZED: neither alert nor route gives a size; the EA's own lot is traded",))


def _check_notional(
    volume: Lots, rules: RouteRules, instrument: Instrument | None, symbol: str, entry: Price | None
) -> None:
    if rules.max_notional is None:
        return
    notional = volume * _lot_value(instrument, symbol, entry)
    if notional > rules.max_notional:
        raise refused("NOTIONAL_TOO_LARGE", notional=f"{notional:.2f}", limit=rules.max_notional)


def _raw_lots(
    size: Size, rules: RouteRules, view: AccountView, *, symbol: str, entry: Price | None, sl: Price | None
) -> Decimal:
    value, unit = size.value, size.unit
    if unit is SizeUnit.LOTS:
        raw = value
    elif unit is SizeUnit.CONTRACTS:
        raw = value * factor(rules)
    elif unit is SizeUnit.BALANCE_RATIO:
        raw = _known(view.balance, unit, "balance") / value
    elif unit is SizeUnit.NOTIONAL:
        raw = value / _lot_value(view.instrument, symbol, entry)
    elif unit is SizeUnit.EQUITY_PERCENT:
        money = _known(view.equity, unit, "equity") * value / 100
        raw = money / _lot_value(view.instrument, symbol, entry)
    else:
        raw = _risk_lots(value, view, symbol, entry, sl)
    return min(raw, MAX_AMOUNT)


def _risk_lots(percent: Decimal, view: AccountView, symbol: str, entry: Price | None, sl: Price | None) -> Decimal:
    """Lots that lose ``percent`` of equity when the stop is hit at its price."""
    money = _known(view.equity, SizeUnit.RISK_PERCENT, "equity") * percent / 100
    if sl is None:
        raise refused("STOP_REQUIRED", why="sizing by risk")
    if entry is None:
        raise refused("NO_QUOTE", symbol=symbol, needed_for="sizing by risk")
    if view.instrument is None or view.instrument.tick_value <= 0:
        raise refused("NO_SPEC", symbol=symbol, missing="the tick value")
    distance = abs(entry - sl)
    if distance == 0:
        raise refused("STOPS_TOO_CLOSE", level="sl", distance=0, minimum=view.instrument.tick_size)
    return money / (distance * money_per_price(view.instrument))


def _lot_value(instrument: Instrument | None, symbol: str, entry: Price | None) -> Money:
    """What one lot is worth in account currency."""
    if instrument is None or instrument.tick_value <= 0:
        raise refused("NO_SPEC", symbol=symbol, missing="the tick value")
    if entry is None or entry <= 0:
        raise refused("NO_QUOTE", symbol=symbol, needed_for="the order's value")
    return entry * money_per_price(instrument)


def _known(amount: Money | None, unit: SizeUnit, needed: str) -> Money:
    if amount is None:
        raise refused("NO_BALANCE", unit=unit, needed=needed)
    return amount


def factor(rules: RouteRules) -> Decimal:
    """Lots per TradingView contract.

    :raises Refused: NO_FACTOR: the route does not say
    """
    if rules.lots_per_contract is None:
        raise refused("NO_FACTOR")
    return rules.lots_per_contract
