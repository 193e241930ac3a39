"""What an exit opened by mistake, and the order that takes it back (R10).

On a netting account an exit is an opposite deal. A trade by hand, a stop or a target may overtake it: its deal then comes
back IN, or INOUT, and a position is there that nobody wanted. What is to be corrected follows from the journal alone: an
exit that ended with such a deal, and no correction that was begun after it. A correction is an exit like any other, with
a line INTENT, SENT and TOLD of its own; it may be overtaken as well, and is then corrected in its turn.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from kakehashi.domain.frames import Cmd, DealRow
from kakehashi.domain.values import Millis
from kakehashi.terminal.core.acts import EXITS
from kakehashi.terminal.core.journal import Work
from kakehashi.terminal.core.words import ZERO

MOST: Final = 9
"""How often one exit is corrected; then it is left to the person who has been told of it."""
LOOKS: Final = 12
"""How often history is read for what was traded before an opening deal."""
SHOWN_MS: Final = 5_000
"""How long the terminal has to show a position that a deal has told of."""
TAG_BITS: Final = 40
"""Below them a magic has the exit's own number; the eight bits above count its corrections (R18)."""
_OPENS: Final = frozenset({"IN", "INOUT"})
_AGAIN: Final = frozenset({"REJECTED", "NOT_EXECUTED", "CANCELLED"})


class Owed(msgspec.Struct, kw_only=True):
    """A correction that is to be made.

    :ivar work: the command that is to be corrected: an exit, or a correction of it
    :ivar cmd: the correction; None: how much was opened has to be read from history first
    :ivar pause: ms to wait first; ``next`` the monotonic ms before which nothing is done
    :ivar looks: how often history was asked; ``n`` the number of the look that is out
    :ivar since: when the terminal was first seen not to show what is to be closed
    """

    work: Work
    cmd: Cmd | None = None
    pause: Millis = 0
    next: Millis | None = None
    looks: int = 0
    n: int = 0
    since: Millis | None = None


def root(command: str) -> str:
    """The exit that a correction belongs to, or the command itself: ``fix2-c-7`` is the second correction of ``c-7``."""
    head, _, rest = command.partition("-")
    return rest if head[:3] == "fix" and head[3:].isdigit() else command


def chain(works: Mapping[str, Work], exit_id: str) -> list[Work]:
    """The corrections of an exit so far."""
    names = (f"fix{k}-{exit_id}" for k in range(1, MOST + 1))
    return [works[name] for name in names if name in works]


def owed(works: Mapping[str, Work], work: Work) -> Owed | None:
    """What is still to be corrected of a command that has ended; None: nothing, or it was begun already."""
    told = work.told
    if told is None or not work.final or work.cmd.op not in EXITS:
        return None
    before = chain(works, root(work.cmd.id))
    if len(before) >= MOST or any(later.j > told.j for later in before):
        return None
    if opening(work) is not None:
        return Owed(work=work)
    left = work.cmd.expect_vol - told.vol
    if root(work.cmd.id) == work.cmd.id or told.st not in _AGAIN or left <= 0:
        return None
    cmd = correction(works, work, side=work.cmd.side, volume=left, position=work.cmd.target)
    return Owed(work=work, cmd=cmd, pause=1000 * 2 ** len(before))


def opening(work: Work) -> DealRow | None:
    """The last deal of an exit that opened something."""
    told = work.told
    return next((d for d in reversed(told.deals) if d.entry in _OPENS), None) if told is not None else None


def opened(work: Work, history: Iterable[DealRow]) -> Decimal | None:
    """Lots that an exit has opened of the position that its last opening deal left; None: history does not say yet.

    An IN deal opened all of its volume, an INOUT deal what the position before it did not have.
    """
    last, told = opening(work), work.told
    if last is None or told is None:
        return ZERO
    rows = sorted({d.ticket: d for d in history if d.position == last.position}.values(), key=lambda d: int(d.ticket))
    mine = {d.ticket: d for d in told.deals if d.position == last.position}
    if not mine.keys() <= {d.ticket for d in rows} or rows[0].entry != "IN":
        return None
    held = total = ZERO
    for d in rows:
        if d.ticket in mine and d.entry in _OPENS:
            total += d.volume - (min(abs(held), d.volume) if d.entry == "INOUT" else ZERO)
        held += d.volume if d.side[:1] == "B" else -d.volume
    return total


def correction(works: Mapping[str, Work], work: Work, *, side: str, volume: Decimal, position: str) -> Cmd:
    """The exit that takes back what another one opened.

    :param side: of the position that nobody wanted
    """
    cmd, first = work.cmd, root(work.cmd.id)
    number = len(chain(works, first)) + 1
    return Cmd(
        id=f"fix{number}-{first}",
        seq=cmd.seq,
        op="CLOSE",
        sym=cmd.sym,
        side=side[:1],
        vol=volume,
        expect_vol=volume,
        target=position,
        magic=str(int(cmd.magic) & ~(0xFF << TAG_BITS) | number << TAG_BITS),
        deviation=cmd.deviation,
        ttl_ms=0,
        ep=0,
    )
