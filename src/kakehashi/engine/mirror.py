"""What the hub believes of one account: the last report, the day's profit, and bars built from its prices.

Not journalled: a decision's journal line carries the :class:`MirrorView` that it used.
"""

from decimal import Decimal

import msgspec

from kakehashi.domain.messages import AccountReport, Deal, MirrorView
from kakehashi.domain.orders import Order
from kakehashi.domain.values import ZERO, Instrument, Lots, Millis, Money, Quote
from kakehashi.domain.views import BrokerPosition

DAY_MS = 86_400_000
BAR_MS = 300_000
ATR_PERIOD = 14
DEALS_REMEMBERED = 256
"""By ticket. An older deal that is told again counts as seen: what is kept is written with every fill."""
MAX_QUOTED, MAX_INSTRUMENTS = 1_000, 20_000
"""Symbols kept of one account; the mirror is one row, and an EA that makes symbols up must not make it endless."""
CLOSING = frozenset({"OUT", "INOUT", "OUT_BY"})


class Bars(msgspec.Struct):
    """The last ranges of five-minute bars of one symbol, from mid prices, newest last."""

    start: Millis = 0
    high: Decimal = ZERO
    low: Decimal = ZERO
    close: Decimal = ZERO
    ranges: list[Decimal] = []

    def add(self, mid: Decimal, at: Millis) -> None:
        start = at - at % BAR_MS
        if start > self.start:
            if self.start:
                self.ranges.append(self.high - self.low)
                del self.ranges[:-ATR_PERIOD]
            # A gap since the last close belongs to the true range of the new bar.
            previous = self.close if self.start else mid
            self.start, self.high, self.low = start, max(mid, previous), min(mid, previous)
        self.high, self.low, self.close = max(self.high, mid), min(self.low, mid), mid

    @property
    def atr(self) -> Decimal | None:
        """Mean true range of the last 14 whole bars; None until there are that many."""
        if len(self.ranges) < ATR_PERIOD:
            return None
        return sum(self.ranges, ZERO) / len(self.ranges)


class Mirror(msgspec.Struct):
    """One account as last reported. Plain state; :meth:`apply` folds a report in.

    :ivar proven: whether the EA link proves it right at this moment (R13); None: no link, its age decides
    :ivar seen_deals: the newest deals that are counted already, with their times; ``seen_until``: none older counts any more
    """

    account: str
    reported_at: Millis | None = None
    proven: bool | None = None
    server: str = ""
    balance: Money | None = None
    equity: Money | None = None
    credit: Money = ZERO
    positions: dict[str, BrokerPosition] = {}
    instruments: dict[str, Instrument] = {}
    quotes: dict[str, Quote] = {}
    bars: dict[str, Bars] = {}
    day: int = -1
    day_start_equity: Money | None = None
    day_profit: Money = ZERO
    losing_streak: int = 0
    seen_deals: dict[str, Millis] = {}
    seen_until: Millis = 0

    def apply(self, report: AccountReport, *, day_offset_ms: int = 0) -> tuple[Deal, ...]:
        """Fold a report in; the deals that were new are returned, oldest first.

        :param day_offset_ms: what to add to UTC so that the trading day begins at its own midnight
        """
        self.reported_at = report.at
        self.server = report.server or self.server
        self._roll_day(report, (report.at + day_offset_ms) // DAY_MS)
        self.balance = report.balance if report.balance is not None else self.balance
        self.equity = report.equity if report.equity is not None else self.equity
        self.credit = report.credit
        if report.positions is not None:
            self.positions = {p.ident: p for p in report.positions}
        for instrument in report.instruments:
            if instrument.symbol in self.instruments or len(self.instruments) < MAX_INSTRUMENTS:
                self.instruments[instrument.symbol] = instrument
        for symbol, quote in report.quotes.items():
            if symbol not in self.quotes and len(self.quotes) >= MAX_QUOTED:
                continue
            self.quotes[symbol] = quote
            self.bars.setdefault(symbol, Bars()).add((quote.bid + quote.ask) / 2, quote.at)
        fresh = tuple(d for d in sorted(report.deals, key=lambda d: (d.time, d.ticket)) if self._note_deal(d))
        for deal in fresh:
            self._count(deal)
        return fresh

    def fill(self, order: Order, volume: Lots, *, netting: bool = False) -> None:
        """Show an execution that an executor has just told of, until the next report says it better.

        :param order: with the execution already counted; ``volume`` lots of it are new
        :param netting: an entry adds to the symbol's position: what is shown of that may have it already, and stays
        """
        if self.reported_at is None:
            return
        held = self.positions.get(order.target)
        if not order.is_entry:
            if held is not None:
                self._shrink(held, order, volume)
        elif netting and any(p.symbol == order.symbol for p in self.positions.values()):
            return
        elif order.ticket and order.side is not None and order.ticket not in self.positions:
            self.positions[order.ticket] = BrokerPosition(
                account=order.account,
                ident=order.ticket,
                ticket=order.ticket,
                symbol=order.symbol,
                side=order.side,
                volume=volume,
                open_price=order.filled_price or ZERO,
                magic=order.magic,
                opened_at=order.updated_at,
            )

    def _shrink(self, held: BrokerPosition, order: Order, volume: Lots) -> None:
        """What an exit left of a position; where the account has shown that already, it stays as shown."""
        left = held.volume - volume
        if order.expect_vol is not None:
            left = min(held.volume, order.expect_vol - order.filled_volume)
        if left > 0:
            self.positions[held.ident] = msgspec.structs.replace(held, volume=left)
        else:
            del self.positions[held.ident]

    def _roll_day(self, report: AccountReport, day: int) -> None:
        if day != self.day:
            self.day = day
            self.day_profit = ZERO
            self.day_start_equity = report.equity if self.equity is None else self.equity

    def _note_deal(self, deal: Deal) -> bool:
        if deal.ticket in self.seen_deals or 0 < deal.time <= self.seen_until:
            return False
        self.seen_deals[deal.ticket] = deal.time
        while len(self.seen_deals) > DEALS_REMEMBERED:
            self.seen_until = max(self.seen_until, self.seen_deals.pop(next(iter(self.seen_deals))))
        return True

    def _count(self, deal: Deal) -> None:
        """Only trades make profit: a deposit has no symbol and no closing entry, so it is left out."""
        self.day_profit += deal.profit + deal.swap + deal.commission
        if deal.entry in CLOSING:
            self.losing_streak = self.losing_streak + 1 if deal.profit < 0 else 0

    def view(self, symbol: str, *, at: Millis, stale_ms: int, pip: Decimal | None) -> MirrorView:
        """What decide() may know of this account and symbol now.

        :param stale_ms: how old the last report may be to count as fresh
        :param pip: the explicit pip size of the account's configuration; wins over the reported one
        """
        if self.reported_at is None:
            return MirrorView()
        instrument = self.instruments.get(symbol)
        if instrument is not None and pip is not None and instrument.pip != pip:
            instrument = msgspec.structs.replace(instrument, pip=pip)
        bars = self.bars.get(symbol)
        return MirrorView(
            reported=True,
            fresh=at - self.reported_at <= stale_ms if self.proven is None else self.proven,
            balance=self.balance,
            equity=self.equity,
            day_profit=self.day_profit,
            day_start_equity=self.day_start_equity,
            losing_streak=self.losing_streak,
            positions=tuple(self.positions.values()),
            instrument=instrument,
            quote=self.quotes.get(symbol),
            atr=bars.atr if bars else None,
        )
