"""What became of a command that was sent: the answer's class, the terminal's evidence, and when absence is proof (R7).

Nothing here acts. A verdict follows from what was seen; without enough of it there is none yet.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import Enum, auto
from typing import Final, TypeAlias

import msgspec

from kakehashi.domain.frames import Cmd, DealRow
from kakehashi.domain.values import Millis
from kakehashi.terminal.core.journal import Work
from kakehashi.terminal.core.link_words import DAY, Seen, View
from kakehashi.terminal.core.words import ZERO, Order, OrderState, Result

REFUSALS: Final = frozenset(
    {10004, 10006, 10007, *range(10013, 10020), *range(10020, 10023), 10024, 10026, 10027, 10029, 10030}
    | {*range(10032, 10036), 10038, *range(10040, 10047)}
)
"""Definite, if there is neither a deal nor an order of ours."""
NO_CHANGES: Final = 10025
POSITION_CLOSED: Final = 10036
LATE: Final = frozenset({10012, 10031})
"""Time-out and no connection: the broker may still act."""

SETTLE_MS: Final = 10_000
APART_MS: Final = 5_000
IN_FLIGHT_MS: Final = 10_000
LONG_IN_FLIGHT_MS: Final = 180_000
"""A dealer may hold an order for 120 s."""

SERVER: Final = frozenset({"SL", "TP", "SO"})
_TRADES: Final = frozenset({"OPEN", "CLOSE", "CLOSE_PARTIAL"})


class Finding(Enum):
    WAIT = auto()
    """There is a trace, it just does not say the end yet."""
    ABSENT = auto()
    """No trace. Proof only under the conditions of :class:`Absence`."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A result as EVT will tell it. ``final`` False: the order works on."""

    st: str
    reason: str = ""
    retcode: int | None = None
    order: str = ""
    deals: tuple[DealRow, ...] = ()
    final: bool = True

    @property
    def volume(self) -> Decimal:
        return sum((d.volume for d in self.deals), ZERO)

    @property
    def price(self) -> Decimal | None:
        """Volume-weighted."""
        if not self.volume:
            return None
        if len(self.deals) == 1:
            return self.deals[0].price
        return round(sum((d.volume * d.price for d in self.deals), ZERO) / self.volume, 8)


Judgement: TypeAlias = Verdict | Finding


def ours(work: Work, order: str, deals: Iterable[DealRow]) -> tuple[DealRow, ...]:
    """The deals this command made: by its order, or its magic unless the server closed (SL and TP may carry it too)."""
    magic = work.cmd.magic
    mine = {
        d.ticket: d
        for d in deals
        if (order and d.order == order) or (d.magic == magic and magic != "0" and d.reason not in SERVER)
    }
    return tuple(mine[t] for t in sorted(mine, key=int))


def by_answer(work: Work, result: Result, deals: Sequence[DealRow]) -> Verdict | None:
    """What OrderSend's answer alone decides; None: look.

    "Done" decides nothing by itself: FILLED takes the deals' sum.
    """
    order = str(result.order) if result.order else ""
    mine = ours(work, order, deals)
    if mine and work.sent and sum((d.volume for d in mine), ZERO) >= work.sent.volume and work.cmd.op in _TRADES:
        return Verdict(st="FILLED", retcode=result.retcode, order=order, deals=mine)
    if result.retcode == NO_CHANGES and work.cmd.op == "MODIFY":
        return Verdict(st="DONE", reason="NO_CHANGES", retcode=result.retcode)
    if result.retcode in REFUSALS and not result.deal and not result.order:
        return Verdict(st="REJECTED", reason="BROKER", retcode=result.retcode)
    return None


def by_evidence(work: Work, order: str, seen: Seen, view: View, retcode: int | None) -> Judgement:
    """What the terminal shows of a command, by what its operation leaves behind.

    :param order: its order's ticket, where the answer named one
    """
    match work.cmd.op:
        case "MODIFY":
            return _modified(work.cmd, view)
        case "CANCEL":
            return _cancelled(work.cmd, seen, view)
        case _:
            return _traded(work, order, seen, view, retcode)


def _traded(work: Work, order: str, seen: Seen, view: View, retcode: int | None) -> Judgement:
    cmd, pending = work.cmd, work.cmd.op == "PENDING"
    working = [o for o in seen.working if _mine(cmd, order, o)]
    ended = [o for o in seen.ended if _mine(cmd, order, o)]
    deals = ours(work, order, seen.deals)
    ticket = order or next((str(o.ticket) for o in (*working, *ended)), "") or next((d.order for d in deals), "")
    planned = work.sent.volume if work.sent and work.sent.volume else cmd.vol or cmd.expect_vol
    verdict = Verdict(st="FILLED", retcode=retcode, order=ticket, deals=deals)
    if verdict.volume and planned and verdict.volume >= planned:
        return verdict
    if working:
        placed = pending and any(o.state in (OrderState.PLACED, OrderState.PARTIAL) for o in working)
        st = "PARTIAL" if deals else "PLACED" if placed else ""
        return msgspec.structs.replace(verdict, st=st, final=False) if st else Finding.WAIT
    if ended:
        filled = sum((o.volume_initial - o.volume_current for o in ended), ZERO)
        if verdict.volume < filled or (not deals and ended[-1].state is OrderState.FILLED):
            return Finding.WAIT  # history does not have all of its deals yet
        st = "FILLED" if deals and not planned else _ended(ended, pending=pending, dealt=bool(deals))
        return msgspec.structs.replace(verdict, st=st, reason=ended[-1].state.value)
    if deals:  # history shows them before their order
        return Finding.WAIT
    if retcode == POSITION_CLOSED and all(cmd.target not in (p.ident, p.ticket) for p in view.positions):
        partial = cmd.op == "CLOSE_PARTIAL"
        st, reason = ("REJECTED", "PRECOND") if partial else ("DONE", "ALREADY_FLAT")
        return Verdict(st=st, reason=reason, retcode=retcode)
    if cmd.op == "OPEN" and cmd.magic != "0" and any(p.magic == cmd.magic for p in view.positions):
        return Finding.WAIT
    return Finding.ABSENT


def _ended(orders: Sequence[Order], *, pending: bool, dealt: bool) -> str:
    """An order that ended short. With deals its rest is cancelled (the volume says what was filled); without any it
    never was a trade, unless it rested first. One that is filled asked for less than its command: an exit of a position
    that had become smaller, whose SENT was lost with the power.
    """
    if orders[-1].state is OrderState.FILLED:
        return "FILLED"
    if pending and orders[-1].state is OrderState.EXPIRED:
        return "EXPIRED"
    return "CANCELLED" if dealt or (pending and orders[-1].state is OrderState.CANCELED) else "REJECTED"


def _mine(cmd: Cmd, order: str, o: Order) -> bool:
    if order:
        return str(o.ticket) == order
    return cmd.magic != "0" and str(o.magic) == cmd.magic and o.reason.value not in SERVER


def _modified(cmd: Cmd, view: View) -> Judgement:
    """It leaves no deal with our magic: only the levels tell."""
    for p in view.positions:
        if cmd.target in (p.ident, p.ticket):
            return Verdict(st="DONE") if (p.sl, p.tp) == (cmd.sl, cmd.tp) else Finding.ABSENT
    for o in view.orders:
        if cmd.target == o.ticket:
            same = (o.sl, o.tp) == (cmd.sl, cmd.tp) and o.price == (cmd.price or o.price)
            return Verdict(st="DONE") if same else Finding.ABSENT
    return Finding.ABSENT


def _cancelled(cmd: Cmd, seen: Seen, view: View) -> Judgement:
    if any(o.ticket == cmd.target for o in view.orders) or any(str(o.ticket) == cmd.target for o in seen.working):
        return Finding.ABSENT  # of a cancellation there is no trace: the order is there
    for o in seen.ended:
        if str(o.ticket) == cmd.target:
            if o.state is OrderState.FILLED:
                return Verdict(st="REJECTED", reason="FILLED", order=cmd.target)
            return Verdict(st="DONE", reason=o.state.value, order=cmd.target)
    return Finding.WAIT


class Absence(msgspec.Struct, kw_only=True):
    """When "not found" is proof: after the in-flight window, on a settled terminal, twice.

    :ivar until: monotonic ms at which the in-flight window ends
    :ivar first: when the first read that counts ended
    """

    until: Millis
    first: Millis | None = None

    def proves(self, *, asked: Millis, now: Millis, synced_since: Millis | None) -> bool:
        """One more read found nothing.

        :param asked: when it began
        :param synced_since: since when the terminal is synced without break (R13)
        """
        if synced_since is None or asked < synced_since + SETTLE_MS or asked < self.until:
            self.first = None
            return False
        if self.first is None or self.first < synced_since:
            self.first = now
            return False
        return asked - self.first >= APART_MS


def window_ms(retcode: int | None, *, other_instance: bool, lease_ms: Millis) -> Millis:
    """How long after the call the broker may still act. :param retcode: None or 0: no answer came"""
    late = not retcode or retcode in LATE
    return (LONG_IN_FLIGHT_MS if late else IN_FLIGHT_MS) + (lease_ms if other_instance else 0)


def history_from(work: Work) -> Millis:
    """Broker time that history has to be read from."""
    return work.at - DAY
