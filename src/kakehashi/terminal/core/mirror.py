"""What the EA tells of the terminal's state: whether it may be believed, SNAP, DELTA and the heartbeat's sums.

State is lossy by design: nothing is queued. A DELTA is the difference between what was told last and what is there now,
however much happened in between. Source: PROTOCOL R11, R12, R13, R17.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from kakehashi.domain.frames import (
    Delta,
    OrderChange,
    OrderRow,
    PositionChange,
    PositionRow,
    Snap,
    order_crc,
    position_crc,
)
from kakehashi.domain.values import Millis
from kakehashi.terminal.core.link_words import Identity, View
from kakehashi.terminal.core.words import ZERO

CONNECTED_MS: Final = 5_000
READS_APART_MS: Final = 1_000
FULL_SYNC_MS: Final = 300_000
DELTA_ROWS: Final = 200
"""More changes than these are told as a SNAP."""
PART_ROWS: Final = 100
"""Rows of one part of a SNAP: below 64 KiB, whatever the symbols are called."""


class Synced:
    """Whether the terminal shows the account as the broker has it (R13).

    Right after a start it shows no positions for a while: so it has to be connected for 5 s, on the right account, and
    two reads at least 1 s apart have to be the same.
    """

    def __init__(self, identity: Identity) -> None:
        self._home = (identity.account, identity.server)
        self._connected: Millis | None = None
        self._read: tuple[Millis, tuple[int, int]] | None = None
        self._same = False
        self.since: Millis | None = None
        """Since when without break; None: not synced."""

    def read(self, view: View, now: Millis) -> None:
        if not view.connected or (view.login, view.server) != self._home:
            self.broken()
            return
        if self._connected is None:
            self._connected = now
        sums = (position_crc(view.positions), order_crc(view.orders))
        if self._read is None or (not self._same and self._read[1] != sums):
            self._read = (now, sums)
        self._same = self._same or now >= self._read[0] + READS_APART_MS
        if self.since is None and self._same and now >= self._connected + CONNECTED_MS:
            self.since = now

    def broken(self) -> None:
        """The connection to the broker went, or the machine slept: begin anew."""
        self._connected = self._read = self.since = None
        self._same = False


class Mirror:
    """The state as it was last told."""

    def __init__(self) -> None:
        self.sseq = 0
        self.crc = self.ocrc = self.count = 0
        self._positions: dict[str, PositionRow] = {}
        self._orders: dict[str, OrderRow] = {}
        self._told_at: Millis | None = None
        self._believed = False

    def snap_due(self, *, synced: bool, now: Millis) -> bool:
        """None was told on this boot, 300 s went by, or the terminal became synced since."""
        late = self._told_at is None or now >= self._told_at + FULL_SYNC_MS
        return late or (synced and not self._believed)

    def snap(self, view: View, *, boot: int, synced: bool, now: Millis) -> Iterator[Snap]:
        """All of it, in parts of one ``sseq``."""
        self.sseq += 1
        self._told_at, self._believed = now, synced
        self._keep(view)
        rows = [*view.positions, *view.orders]
        parts = [rows[i : i + PART_ROWS] for i in range(0, len(rows), PART_ROWS)] or [[]]
        for number, part in enumerate(parts, 1):
            yield Snap(
                boot=boot,
                sseq=self.sseq,
                part=number,
                of=len(parts),
                positions=tuple(r for r in part if isinstance(r, PositionRow)),
                orders=tuple(r for r in part if isinstance(r, OrderRow)),
                crc=self.crc,
                ocrc=self.ocrc,
                synced=synced,
            )

    def delta(self, view: View, *, boot: int) -> Delta | None:
        """What changed since; None: nothing, or so much that a SNAP has to tell it (:meth:`collapsed`)."""
        rows, orders = self._changes(view)
        if not (rows or orders) or len(rows) + len(orders) > DELTA_ROWS:
            return None
        self.sseq += 1
        dealt = any(c.row is None or c.ticket not in self._positions for c in rows)
        self._keep(view)
        return Delta(boot=boot, sseq=self.sseq, rows=rows, orders=orders, reason="DEAL" if dealt else "CHANGE")

    def collapsed(self, view: View) -> bool:
        rows, orders = self._changes(view)
        return len(rows) + len(orders) > DELTA_ROWS

    def _changes(self, view: View) -> tuple[tuple[PositionChange, ...], tuple[OrderChange, ...]]:
        positions = {p.ticket: _lasting(p) for p in view.positions}
        orders = {o.ticket: o for o in view.orders}
        rows = [PositionChange(ticket=t) for t in self._positions if t not in positions]
        rows += [PositionChange(ticket=t, row=p) for t, p in positions.items() if self._positions.get(t) != p]
        gone = [OrderChange(ticket=t) for t in self._orders if t not in orders]
        gone += [OrderChange(ticket=t, row=o) for t, o in orders.items() if self._orders.get(t) != o]
        return tuple(rows), tuple(gone)

    def _keep(self, view: View) -> None:
        self._positions = {p.ticket: _lasting(p) for p in view.positions}
        self._orders = {o.ticket: o for o in view.orders}
        self.crc, self.ocrc = position_crc(view.positions), order_crc(view.orders)
        self.count = len(view.positions)


def _lasting(p: PositionRow) -> PositionRow:
    """Without what every tick changes."""
    return msgspec.structs.replace(p, profit=ZERO, swap=ZERO)
