"""What a trade earns, what margin it takes, what a night costs: the broker's arithmetic, before conversion and rounding.

Source: MQL5 reference, ``ENUM_SYMBOL_CALC_MODE`` and ``ENUM_SYMBOL_SWAP_MODE``; MetaTrader 5 help, "Margin calculation".
``contracts/broker-arithmetic.json`` holds worked examples.
"""

from decimal import Decimal
from typing import Final, Generic, TypeVar

from kakehashi.terminal.core.kinds import CalcMode, SwapMode
from kakehashi.terminal.core.words import ZERO, Side, Symbol

N = TypeVar("N", Decimal, float)

_LEVERAGED: Final = frozenset({CalcMode.FOREX, CalcMode.CFDLEVERAGE})
_BY_PRICE: Final = frozenset({CalcMode.CFD, CalcMode.CFDLEVERAGE, CalcMode.CFDINDEX, CalcMode.EXCH_STOCKS})
_FUTURES: Final = frozenset({CalcMode.FUTURES, CalcMode.EXCH_FUTURES})
_YEAR: Final = 360
"""Banking days, as the documents say."""


def worth(spec: Symbol) -> Decimal:
    """What a price change of 1 is worth per lot, in the profit currency."""
    if spec.calc_mode in _FUTURES:
        return spec.tick_value / spec.step
    return spec.contract_size


def profit(spec: Symbol, side: Side, volume: Decimal, opened: Decimal, closed: Decimal) -> Decimal:
    """In the profit currency."""
    return (closed - opened) * side.sign * worth(spec) * volume


def margin_currency(spec: Symbol) -> str:
    """A lot of forex is margined in its base currency; what is margined by its price, in the price's."""
    if spec.margin_currency:
        return spec.margin_currency
    return spec.base if spec.calc_mode in (CalcMode.FOREX, CalcMode.FOREX_NO_LEVERAGE) else spec.profit


class Lots(Generic[N]):
    """The positions of one symbol added up: lots on each side, and lots * opening price."""

    __slots__ = ("bought", "got", "paid", "sold")

    def __init__(self, bought: N, sold: N, paid: N, got: N) -> None:
        self.bought: N = bought
        self.sold: N = sold
        self.paid: N = paid
        self.got: N = got


class Terms(Generic[N]):
    """How one symbol is margined on one account: :meth:`of` in exact numbers for what counts, in floats for every tick.

    The uncovered lots are margined at the average opening price of their side, the covered ones (hedging accounts
    only; each pair counts once) by ``margin_hedged`` at the average of all.

    :param held: for open positions: the maintenance margin where there is one
    """

    def __init__(self, spec: Symbol, leverage: int, number: type[N], *, hedging: bool, held: bool) -> None:
        fixed = (held and spec.margin_maintenance) or spec.margin_initial
        by_price = spec.calc_mode in _BY_PRICE and not fixed
        unit = fixed if fixed or spec.calc_mode in _FUTURES else spec.contract_size
        pair = spec.margin_hedged
        if spec.calc_mode is CalcMode.CFDINDEX and not fixed:
            unit, pair = (size * (spec.tick_value or spec.step) / spec.step for size in (unit, pair))
        if spec.calc_mode in _LEVERAGED:
            unit /= leverage
            pair = pair if fixed else pair / leverage
        self._by_price = by_price
        self._hedging, self._use_leg = hedging, hedging and spec.margin_hedged_use_leg
        self._buy: N = number(unit * spec.margin_buy)
        self._sell: N = number(unit * spec.margin_sell)
        self._pair: N = number(pair * (spec.margin_buy + spec.margin_sell) / 2)
        self._none: N = number(0)

    def of(self, lots: Lots[N]) -> N:
        """Margin in the margin currency."""
        bought, sold = lots.bought, lots.sold
        if self._use_leg:
            return max(self._side(bought, lots.paid, self._buy), self._side(sold, lots.got, self._sell))
        if bought >= sold:
            margin = self._side(bought, lots.paid, self._buy, bought - sold)
        else:
            margin = self._side(sold, lots.got, self._sell, sold - bought)
        covered = min(bought, sold)
        if self._hedging and covered:
            pair = covered * self._pair
            margin += pair * (lots.paid + lots.got) / (bought + sold) if self._by_price else pair
        return margin

    def _side(self, volume: N, cost: N, per_lot: N, part: N | None = None) -> N:
        if not volume:
            return self._none
        lots = volume if part is None else part
        return lots * per_lot * cost / volume if self._by_price else lots * per_lot


def margin(spec: Symbol, side: Side, volume: Decimal, price: Decimal, leverage: int) -> Decimal:
    """What an order alone would take, in the margin currency."""
    terms = Terms(spec, leverage, Decimal, hedging=False, held=False)
    if side is Side.BUY:
        return terms.of(Lots(volume, ZERO, volume * price, ZERO))
    return terms.of(Lots(ZERO, volume, ZERO, volume * price))


def swap(spec: Symbol, side: Side, volume: Decimal, opened: Decimal, now: Decimal, account: str) -> tuple[Decimal, str]:
    """One night: amount and its currency. The modes that re-open have none.

    :param account: the account's currency
    """
    rate = spec.swap_long if side is Side.BUY else spec.swap_short
    match spec.swap_mode:
        case SwapMode.POINTS:
            return rate * spec.point * worth(spec) * volume, spec.profit
        case SwapMode.CURRENCY_SYMBOL:
            return rate * volume, spec.base
        case SwapMode.CURRENCY_MARGIN:
            return rate * volume, margin_currency(spec)
        case SwapMode.CURRENCY_DEPOSIT:
            return rate * volume, account
        case SwapMode.INTEREST_CURRENT | SwapMode.INTEREST_OPEN as mode:
            price = now if mode is SwapMode.INTEREST_CURRENT else opened
            return price * worth(spec) * volume * rate / 100 / _YEAR, spec.profit
        case _:
            return ZERO, account


def reopened_at(spec: Symbol, side: Side, price: Decimal, nights: int) -> Decimal:
    """Where a position that was closed at ``price`` for the night opens again: what it earns is in its favour."""
    rate = spec.swap_long if side is Side.BUY else spec.swap_short
    return price - rate * nights * spec.point * side.sign
