"""The hub's mirror of one account: snapshots and deltas in order, the sync version, and whether it may be called fresh.

Source: PROTOCOL R11-R14. No clock: ``now`` is monotonic ms.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kakehashi.domain.frames import (
    DealRow,
    Delta,
    Heartbeat,
    OrderRow,
    PositionRow,
    Query,
    QueryResult,
    Snap,
    order_crc,
    position_crc,
)
from kakehashi.domain.linkwords import Alarm, Change, DealsTold, Fact, LinkSettings, OrdersHeld, PositionMoved
from kakehashi.domain.values import ZERO, Lots, Millis

MAX_PARTS = 64
DEALS_REMEMBERED = 5_000


class Missing(msgspec.Struct):
    """A position that went without a deal. ``reads``: successful reads of history that did not explain it."""

    row: PositionRow
    since: Millis
    asked: Millis | None = None
    reads: int = 0


def ident(row: PositionRow) -> str:
    """POSITION_IDENTIFIER; an EA that does not send it means the ticket."""
    return row.ident or row.ticket


class Mirror:
    """Positions and pending orders as the terminal last told them, and how sure that is.

    :ivar positions: by ticket; ``orders`` likewise
    :ivar held: (boot, sseq) of the state held; None: nothing that deltas could build on
    :ivar wanted: why a SNAP is wanted, or empty
    """

    def __init__(self, settings: LinkSettings, *, now: Millis, positions: Iterable[PositionRow] = ()) -> None:
        self._settings = settings
        self.positions: dict[str, PositionRow] = {row.ticket: row for row in positions}
        self.orders: dict[str, OrderRow] = {}
        self.missing: dict[str, Missing] = {}
        self.held: tuple[int, int] | None = None
        self.wanted = ""
        self._snapped_at = now
        self.synced_since: Millis | None = None
        self._crcs = (0, 0)
        self._proved_at: Millis | None = None
        self._synced_at: Millis | None = None
        self._mismatched: tuple[int, int] | None = None
        self._mismatches = 0
        self._parts: dict[int, Snap] = {}
        self._closing: dict[str, tuple[DealRow, ...]] = {}
        self._reduced: dict[str, Lots] = {}
        self._known_deals: dict[str, None] = {}

    # -- how sure ------------------------------------------------------------------------------------------------

    def fresh(self, now: Millis) -> bool:
        """A heartbeat that matched, with ``synced`` true, is at most ``stale_ms`` old, and nothing was missed since."""
        return self._proved_at is not None and now - self._proved_at <= self._settings.stale_ms

    def proven_at(self, now: Millis) -> bool:
        """Whether it is this very moment's heartbeat that matched."""
        return self._proved_at == now

    def synced_for(self, now: Millis) -> Millis:
        """How long the terminal has been synced without a break, ms; 0 when it is not."""
        if self.synced_since is None or self._synced_at is None or now - self._synced_at > self._settings.stale_ms:
            return 0
        return now - self.synced_since

    def lapse(self) -> None:
        """What was proven is too old."""
        self._proved_at = None

    def cut(self) -> None:
        """The connection is gone: nothing is proven any more, and half a snapshot is none."""
        self._proved_at = self.synced_since = self._synced_at = None
        self._parts = {}

    def another_instance(self) -> None:
        """State of another instance does not continue this one's (R11: the epoch comes first)."""
        self.cut()
        self.held = self._mismatched = None
        self._mismatches = 0

    def beat(self, hb: Heartbeat, now: Millis) -> list[Fact]:
        """Hold a heartbeat's sync version against the mirror's."""
        if not hb.synced:
            self._proved_at = self.synced_since = self._synced_at = None
            return []
        if self.synced_for(now) == 0 and self._synced_at != now:
            self.synced_since = now
        self._synced_at = now
        told = (hb.boot, hb.sseq)
        if self.held is None or told > self.held:
            self._doubt("NOTHING_HELD" if self.held is None else "BEHIND")
        elif told == self.held:
            if (hb.crc, hb.ocrc) == self._crcs:
                self._proved_at, self._mismatches, self._mismatched = now, 0, None
            else:
                return self._mismatch(told)
        return []

    def _mismatch(self, held: tuple[int, int]) -> list[Fact]:
        """One mismatch is repaired; the second running, after a whole snapshot, is somebody's fault."""
        self._doubt("MISMATCH")
        if self._mismatched == held:
            return []
        self._mismatched = held
        self._mismatches += 1
        return [Alarm(code="MIRROR_MISMATCH", text=f"at {held}")] if self._mismatches == 2 else []

    def _doubt(self, why: str) -> None:
        self._proved_at = None
        self.wanted = self.wanted or why

    # -- state ---------------------------------------------------------------------------------------------------

    def snap(self, frame: Snap, now: Millis) -> list[Fact]:
        """Apply a whole, synced, newer snapshot; what is not that changes nothing.

        :raises ValueError: its rows cannot be, or do not have the sync version it claims
        """
        told = (frame.boot, frame.sseq)
        if not frame.synced or (self.held is not None and told <= self.held):
            return []
        whole = self._whole(frame)
        if whole is None:
            return []
        positions = {row.ticket: row for part in whole for row in part.positions}
        orders = {row.ticket: row for part in whole for row in part.orders}
        crcs = _crcs(positions, orders)
        if crcs != (frame.crc, frame.ocrc):
            self._doubt("BAD_CRC")
            raise ValueError(f"the rows of SNAP {told} have crc {crcs}, it says {(frame.crc, frame.ocrc)}")
        self.held, self.wanted, self._snapped_at = told, "", now
        return self._take(positions, orders, crcs, now)

    def _whole(self, frame: Snap) -> list[Snap] | None:
        """All parts of this snapshot, or None while some are wanting."""
        if not 1 <= frame.part <= frame.of <= MAX_PARTS:
            raise ValueError(f"part {frame.part} of {frame.of}: at most {MAX_PARTS}")
        key = (frame.boot, frame.sseq, frame.of)
        if any((p.boot, p.sseq, p.of) != key for p in self._parts.values()):
            self._parts = {}
        self._parts[frame.part] = frame
        if len(self._parts) < frame.of:
            return None
        whole, self._parts = [self._parts[n] for n in sorted(self._parts)], {}
        return whole

    def delta(self, frame: Delta, now: Millis) -> list[Fact]:
        """Apply the delta that follows what is held; older ones are ignored, after a gap a snapshot is wanted.

        :raises ValueError: its rows cannot be
        """
        told = (frame.boot, frame.sseq)
        if self.held is not None and told <= self.held:
            return []
        if self.held is None or told != (self.held[0], self.held[1] + 1):
            self._doubt("GAP")
            return []
        positions, orders = dict(self.positions), dict(self.orders)
        for change in frame.rows:
            if change.row is None:
                positions.pop(change.ticket, None)
            else:
                positions[change.ticket] = change.row
        for moved in frame.orders:
            if moved.row is None:
                orders.pop(moved.ticket, None)
            else:
                orders[moved.ticket] = moved.row
        crcs = _crcs(positions, orders)
        self.held = told
        return self._take(positions, orders, crcs, now)

    def _take(
        self, positions: dict[str, PositionRow], orders: dict[str, OrderRow], crcs: tuple[int, int], now: Millis
    ) -> list[Fact]:
        before = {ident(row): row for row in self.positions.values()}
        after = {ident(row): row for row in positions.values()}
        facts: list[Fact] = []
        for key, row in after.items():
            if self.missing.pop(key, None) is not None:
                facts.append(PositionMoved(change=Change.FOUND, row=row))
            elif key not in before:
                facts.append(PositionMoved(change=Change.OPENED, row=row))
            elif _differs(before[key], row):
                self._reduced[key] = self._reduced.get(key, ZERO) + max(before[key].volume - row.volume, ZERO)
                facts.append(PositionMoved(change=Change.CHANGED, row=row))
        for key, row in before.items():
            if key not in after:
                facts.append(self._gone(key, row, now))
        if orders != self.orders:
            facts.append(OrdersHeld(rows=tuple(orders.values())))
        self.positions, self.orders, self._crcs = positions, orders, crcs
        return facts

    def _gone(self, key: str, row: PositionRow, now: Millis) -> Fact:
        """Closed by the deals that say so; never on absence alone (R14)."""
        deals = self._closing.get(key, ())
        if self._explained(key, row):
            return PositionMoved(change=Change.CLOSED, row=row, deals=deals)
        self.missing[key] = Missing(row=row, since=now)
        return PositionMoved(change=Change.MISSING, row=row)

    def _explained(self, key: str, row: PositionRow) -> bool:
        """Whether deals took all that was left; what earlier partial closes took is counted off."""
        closed = sum((deal.volume for deal in self._closing.get(key, ())), ZERO)
        return closed > 0 and closed - self._reduced.get(key, ZERO) >= row.volume

    # -- deals and what went without one -------------------------------------------------------------------------

    def deals(self, rows: Iterable[DealRow]) -> list[Fact]:
        """Take deals, each once; a position that was missing is explained by them."""
        new = [row for row in rows if row.ticket not in self._known_deals]
        facts: list[Fact] = []
        for row in new:
            self._known_deals[row.ticket] = None
            if row.position and row.entry != "IN":
                self._closing[row.position] = (*self._closing.pop(row.position, ()), row)
                lost = self.missing.get(row.position)
                if lost is not None and self._explained(row.position, lost.row):
                    del self.missing[row.position]
                    facts.append(PositionMoved(change=Change.CLOSED, row=lost.row, deals=self._closing[row.position]))
        _forget(self._known_deals)
        _forget(self._closing)
        _forget(self._reduced)
        return [DealsTold(rows=tuple(new)), *facts] if new else []

    def queries(self, now: Millis) -> list[Query]:
        """Ask history for the deals of missing positions, twice and more, ``settle_ms`` apart."""
        asked: list[Query] = []
        for key, lost in self.missing.items():
            if lost.asked is None or now - lost.asked >= self._settings.settle_ms:
                lost.asked = now
                asked.append(Query(position=key, magic=lost.row.magic))
        return asked

    def answered(self, frame: QueryResult) -> list[Fact]:
        """What history says of a missing position."""
        facts = self.deals(deal for deal in frame.found if deal.position == frame.position)
        lost = self.missing.get(frame.position)
        if lost is not None and frame.synced and frame.hist_from > 0:
            lost.reads += 1
        return facts

    def give_up(self, now: Millis) -> list[Fact]:
        """Positions that stay unexplained: synced long enough, and two reads of history found no deal."""
        facts: list[Fact] = []
        for key, lost in list(self.missing.items()):
            if lost.reads >= 2 and min(now - lost.since, self.synced_for(now)) >= self._settings.unexplained_ms:
                del self.missing[key]
                facts.append(PositionMoved(change=Change.UNEXPLAINED, row=lost.row))
                facts.append(Alarm(code="CLOSED_UNEXPLAINED", subject=key, text=lost.row.symbol))
        return facts

    @property
    def full_sync_at(self) -> Millis:
        """When the SNAP that the EA sends by itself is overdue."""
        return self._snapped_at + self._settings.full_sync_ms + self._settings.stale_ms

    def blocks_entries(self, symbol: str) -> bool:
        """Whether a position of the symbol is missing: nothing is added to what is not understood."""
        return any(lost.row.symbol == symbol for lost in self.missing.values())

    def deadline(self) -> Millis | None:
        """When the mirror will have something to say although nothing arrives."""
        times = [lost.asked + self._settings.settle_ms for lost in self.missing.values() if lost.asked is not None]
        if self._proved_at is not None:
            times.append(self._proved_at + self._settings.stale_ms + 1)
        return min(times, default=None)


def _crcs(positions: Mapping[str, PositionRow], orders: Mapping[str, OrderRow]) -> tuple[int, int]:
    tickets = ((ticket, row.ticket) for rows in (positions, orders) for ticket, row in rows.items())
    for ticket, own in tickets:
        if ticket != own:
            raise ValueError(f"a row has its own ticket: {own[:40]!r} under {ticket[:40]!r}")
    if any(row.side not in ("B", "S") for row in positions.values()):
        raise ValueError("a position's side is B or S")
    return position_crc(positions.values()), order_crc(orders.values())


def _differs(a: PositionRow, b: PositionRow) -> bool:
    return (a.ticket, a.side, a.volume, a.open, a.sl, a.tp, a.magic) != (
        b.ticket, b.side, b.volume, b.open, b.sl, b.tp, b.magic
    )  # fmt: skip


def _forget(kept: dict[str, Any]) -> None:
    """Drop the oldest beyond what is remembered."""
    while len(kept) > DEALS_REMEMBERED:
        del kept[next(iter(kept))]
