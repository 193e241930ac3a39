"""Every time somebody set the wall clock behind our back, as far as orders show it."""

import msgspec

from kakehashi.domain.values import Millis

MAX_ERAS = 50
SLEWED_MS = 500
"""A clock that is kept right by small corrections drifts by less than this between two eras."""


class Clocks(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine's two clocks say at one moment.

    :ivar boot: in which start of the machine monotonic time is counted; empty: not known
    :ivar wall_ahead: wall time less monotonic time, ms
    """

    boot: str
    wall_ahead: Millis


class Era(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of orders that were made while the wall clock was right, or wrong, by the same amount.

    :ivar first: the number of its first order
    """

    first: int
    wall_ahead: Millis


class Eras(msgspec.Struct, frozen=True, kw_only=True):
    """All of one start of the machine, kept on disk by one process for the next, which otherwise would take an old entry
    for a young one.
    """

    boot: str = ""
    eras: tuple[Era, ...] = ()

    def on(self, now: Clocks, first: int) -> "Eras":
        """With what the clocks say now, when the orders from number ``first`` on are written."""
        era = Era(first=first, wall_ahead=now.wall_ahead)
        if now.boot != self.boot:
            return Eras(boot=now.boot, eras=(era,))
        if self.eras and abs(self.eras[-1].wall_ahead - now.wall_ahead) < SLEWED_MS:
            return self
        return Eras(boot=now.boot, eras=(*self.eras[-MAX_ERAS:], era))

    def set_back_since(self, order: int, now: Clocks) -> Millis:
        """How far the wall clock was set back since the order of this number was made, ms; 0 where that is not known."""
        if not self.boot or now.boot != self.boot:
            return 0
        then = next((era.wall_ahead for era in reversed(self.eras) if era.first <= order), None)
        return 0 if then is None else max(0, then - now.wall_ahead)
