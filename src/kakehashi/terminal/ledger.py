"""What the broker writes down: the ledger of deals, and the books it continues from after a restart.

Two append-only files of JSON lines. ``<ledger>.books`` gets the account's new state first, then the ledger its deals;
both are flushed before the request is answered. There is no fsync: the page cache survives a kill -9 of the process,
and a power cut of the machine ends the simulated world anyway. A line torn by a kill was never answered, and is cut
off at the next start; deals that are in the books but not yet in the ledger are appended to it.

The books say again with each change what stands, so they are compacted: one line for each account, with its whole
history, goes to ``<ledger>.books.new``, which then takes the old file's place in one step. A kill leaves the one or
the other, and both say the same.
"""

import os
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from kakehashi.terminal.core.book import Book, Refused
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.words import ZERO, AccountSpec, Deal, Entry, Order, Position, Reason, Side

_COMPACT_AT: Final = 8 * 1024 * 1024


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One deal as the ledger has it; ``magic`` as text because it may exceed what JSON readers take for integers."""

    account: str
    deal: int
    order: int
    position: int
    symbol: str
    side: Side
    entry: Entry
    volume: Decimal
    requested_volume: Decimal
    price: Decimal
    reason: Reason
    magic: str
    comment: str
    time: int
    profit: Decimal
    swap: Decimal
    commission: Decimal
    fee: Decimal = ZERO


class BookLine(msgspec.Struct, frozen=True, kw_only=True):
    """One account after a change; ``deals``, ``payments`` and ``done`` are only what is new since its last line.

    :ivar delta: so are ``positions`` and ``orders``; those that went are in ``closed`` and in ``done``
    :ivar at: the broker's time, ms UTC
    """

    spec: AccountSpec
    balance: Decimal
    positions: list[Position]
    orders: list[Order]
    deals: list[Deal]
    done: list[Order]
    last_order: int
    last_deal: int
    bids: dict[str, Decimal]
    at: int = 0
    delta: bool = False
    closed: list[int] = []
    payments: list[Deal] = []
    last_paid: int = 0


def ledger_line(deal: Deal) -> LedgerLine:
    return LedgerLine(
        account=deal.account,
        deal=deal.ticket,
        order=deal.order,
        position=deal.position,
        symbol=deal.symbol,
        side=deal.side,
        entry=deal.entry,
        volume=deal.volume,
        requested_volume=deal.requested_volume,
        price=deal.price,
        reason=deal.reason,
        magic=str(deal.magic),
        comment=deal.comment,
        time=deal.time,
        profit=deal.profit,
        swap=deal.swap,
        commission=deal.commission,
        fee=deal.fee,
    )


class Ledger:
    """Owned by one broker process; not locked, so give each broker a ledger of its own.

    :param compact_at: bytes that the books may grow by, beyond twice what they came to when compacted last
    :ivar last_at: the broker's time when it last wrote, ms UTC; 0 before that
    """

    def __init__(self, path: Path, *, compact_at: int = _COMPACT_AT) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._books_path = path.with_name(path.name + ".books")
        self._compact_at = compact_at
        self._encode = msgspec.json.Encoder().encode
        decode = msgspec.json.Decoder(BookLine).decode
        self._kept = [decode(line) for line in _whole_lines(self._books_path)]
        self.last_at = max((line.at for line in self._kept), default=0)
        written = [msgspec.json.decode(line, type=LedgerLine) for line in _whole_lines(path)]
        self._last_written = max((line.deal for line in written), default=0)
        self._deals: BinaryIO = path.open("ab")
        self._books: BinaryIO = self._books_path.open("ab")
        self._limit = 0

    def restore(self, broker: Broker, at: int) -> None:
        """Bring a fresh broker to where its files end, and compact them; prices walk on from the last ones kept.

        :raises ValueError: an account stands on a symbol that the broker does not have
        """
        standing: dict[str, _Standing] = {}
        self._append_deals([deal for line in self._kept for deal in line.deals])
        for line in self._kept:
            book = broker.books.get(line.spec.account) or broker.open_account(line.spec, funded=False)
            for deal in line.deals:
                book.remember(deal)
            book.done += line.done
            standing.setdefault(line.spec.account, _Standing()).read(line)
        for account, found in standing.items():
            try:
                broker.books[account].restore(
                    found.balance, found.positions.values(), found.orders.values(), found.payments
                )
            except Refused as e:  # the accounts file no longer has the symbol
                raise ValueError(f"{self._books_path}: {account} stands on it: {e.comment}") from None
        if self._kept:
            last = self._kept[-1]
            broker.tickets.last_order, broker.tickets.last_deal = last.last_order, last.last_deal
            broker.tickets.last_paid = max(broker.tickets.last_paid, last.last_paid)
            for name, bid in last.bids.items():
                if name in broker.market.symbols:
                    broker.market.pin(name, bid, None, at)
                    broker.market.release(name)
        self._kept = []
        self.compact(broker, at)

    def write(self, broker: Broker, at: int) -> None:
        """Append every account that changed since the last call. Flushed when this returns."""
        changed = [book for book in broker.books.values() if book.changed]
        if not changed:
            return
        self._books.write(b"".join(self._encode(_news(broker, book, at)) + b"\n" for book in changed))
        self._books.flush()
        self._append_deals([deal for book in changed for deal in book.fresh_deals])
        for book in changed:
            book.written()
        if self._books.tell() > self._limit:
            self.compact(broker, at)

    def compact(self, broker: Broker, at: int) -> None:
        """Rewrite the books as one line for each account. All accounts must be written down."""
        new = self._books_path.with_name(self._books_path.name + ".new")
        file = new.open("wb")
        for book in broker.books.values():
            file.write(self._encode(_whole(broker, book, at)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
        self._books.close()  # Windows does not replace an open file
        file.close()
        new.replace(self._books_path)
        self._books = self._books_path.open("ab")
        self._limit = 2 * self._books.tell() + self._compact_at

    def close(self) -> None:
        self._deals.close()
        self._books.close()

    def _append_deals(self, deals: list[Deal]) -> None:
        """In the order of their tickets, whatever the accounts: what the ledger lacks is what comes after its last."""
        new = sorted((deal for deal in deals if deal.ticket > self._last_written), key=lambda deal: deal.ticket)
        if not new:
            return
        self._deals.write(b"".join(self._encode(ledger_line(deal)) + b"\n" for deal in new))
        self._deals.flush()
        self._last_written = new[-1].ticket


class _Standing:
    """What the lines of one account come to."""

    def __init__(self) -> None:
        self.balance = ZERO
        self.payments: list[Deal] = []
        self.positions: dict[int, Position] = {}
        self.orders: dict[int, Order] = {}

    def read(self, line: BookLine) -> None:
        self.balance = line.balance
        if not line.delta:
            self.positions, self.orders, self.payments = {}, {}, []
        for ticket in line.closed:
            self.positions.pop(ticket, None)
        for order in line.done:
            self.orders.pop(order.ticket, None)
        self.positions.update((p.ticket, p) for p in line.positions)
        self.payments += line.payments
        self.orders.update((o.ticket, o) for o in line.orders)


def _whole(broker: Broker, book: Book, at: int) -> BookLine:
    return BookLine(
        spec=book.spec,
        balance=book.balance,
        positions=list(book.positions.values()),
        orders=list(book.orders.values()),
        deals=book.deals,
        done=book.done,
        last_order=broker.tickets.last_order,
        last_deal=broker.tickets.last_deal,
        bids={name: tick.bid for name, tick in broker.market.ticks.items()},
        at=at,
        payments=book.payments,
        last_paid=broker.tickets.last_paid,
    )


def _news(broker: Broker, book: Book, at: int) -> BookLine:
    touched = sorted(book.fresh_positions)
    return BookLine(
        spec=book.spec,
        balance=book.balance,
        positions=[book.positions[n] for n in touched if n in book.positions],
        orders=[book.orders[n] for n in sorted(book.fresh_orders) if n in book.orders],
        deals=book.fresh_deals,
        done=book.fresh_done,
        last_order=broker.tickets.last_order,
        last_deal=broker.tickets.last_deal,
        bids={name: tick.bid for name, tick in broker.market.ticks.items()},
        at=at,
        delta=True,
        closed=[n for n in touched if n not in book.positions],
        payments=book.fresh_payments,
        last_paid=broker.tickets.last_paid,
    )


def _whole_lines(path: Path) -> list[bytes]:
    """The file's complete lines; a torn last one is cut off the file."""
    if not path.exists():
        return []
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        with path.open("r+b") as file:
            file.truncate(end)
    return content[:end].splitlines()
