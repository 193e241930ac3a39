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

from kakehashi.terminal.core.book import Book
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.words import AccountSpec, Deal, Entry, Order, Position, Reason, Side

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


class BookLine(msgspec.Struct, frozen=True, kw_only=True):
    """One account after a change; ``deals`` and ``done`` are only what is new since its last line.

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
        """Bring a fresh broker to where its files end, and compact them; prices walk on from the last ones kept."""
        latest: dict[str, BookLine] = {}
        for line in self._kept:
            book = broker.books.get(line.spec.account) or broker.open_account(line.spec)
            for deal in line.deals:
                book.remember(deal)
            book.done += line.done
            self._append_deals(line.deals)
            latest[line.spec.account] = line
        for account, line in latest.items():
            broker.books[account].restore(line.balance, line.positions, line.orders)
        if self._kept:
            last = self._kept[-1]
            broker.tickets.last_order, broker.tickets.last_deal = last.last_order, last.last_deal
            for name, bid in last.bids.items():
                if name in broker.market.symbols:
                    broker.market.pin(name, bid, None, at)
                    broker.market.release(name)
        self._kept = []
        self.compact(broker, at)

    def write(self, broker: Broker, at: int) -> None:
        """Append every account that changed since the last call. Flushed when this returns."""
        wrote = False
        for book in broker.books.values():
            if not book.changed:
                continue
            self._books.write(self._encode(_book_line(broker, book, book.fresh_deals, book.fresh_done, at)) + b"\n")
            self._books.flush()
            self._append_deals(book.fresh_deals)
            book.fresh_deals, book.fresh_done, book.changed = [], [], False
            wrote = True
        if wrote and self._books.tell() > self._limit:
            self.compact(broker, at)

    def compact(self, broker: Broker, at: int) -> None:
        """Rewrite the books as one line for each account. All accounts must be written down."""
        new = self._books_path.with_name(self._books_path.name + ".new")
        file = new.open("wb")
        for book in broker.books.values():
            file.write(self._encode(_book_line(broker, book, book.deals, book.done, at)) + b"\n")
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
        new = [deal for deal in deals if deal.ticket > self._last_written]
        if not new:
            return
        self._deals.write(b"".join(self._encode(ledger_line(deal)) + b"\n" for deal in new))
        self._deals.flush()
        self._last_written = new[-1].ticket


def _book_line(broker: Broker, book: Book, deals: list[Deal], done: list[Order], at: int) -> BookLine:
    return BookLine(
        spec=book.spec,
        balance=book.balance,
        positions=list(book.positions.values()),
        orders=list(book.orders.values()),
        deals=deals,
        done=done,
        last_order=broker.tickets.last_order,
        last_deal=broker.tickets.last_deal,
        bids={name: tick.bid for name, tick in broker.market.ticks.items()},
        at=at,
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
