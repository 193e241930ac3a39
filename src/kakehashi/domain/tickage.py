"""How old a terminal's newest tick is, although its time is the trade server's wall clock and the market closes.

A terminal does not say how far its server's clock is from UTC. It is learned: a tick that was not there at the last look
came since then. Until a first one has come, the age counts from the first look.
"""

import msgspec

from kakehashi.domain.markethours import MarketHours
from kakehashi.domain.values import Millis


class Ticks(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a terminal's prices.

    :ivar newest: of all symbols, the server's ms; 0: none was seen
    :ivar ahead_ms: how far the server's clock is ahead of ours, as far as is known
    :ivar looked_at: ours, ms
    """

    newest: Millis = 0
    ahead_ms: int = 0
    looked_at: Millis = 0


def looked(before: Ticks, newest: Millis, at: Millis) -> Ticks:
    """After a look at the terminal.

    :param newest: the newest tick of the symbols that trade, the server's ms; 0: there is none
    """
    if newest in (0, before.newest):
        return msgspec.structs.replace(before, looked_at=at)
    ahead_ms = newest - at
    if before.newest and 0 <= before.ahead_ms - ahead_ms <= at - before.looked_at:
        ahead_ms = before.ahead_ms  # it fits: this tick is a little older than the freshest that was seen
    return Ticks(newest=newest, ahead_ms=ahead_ms, looked_at=at)


def age_ms(ticks: Ticks, at: Millis, hours: MarketHours) -> int | None:
    """How long the market has been open without a tick; None while it is closed, or where no symbol was looked at."""
    if not ticks.newest or not hours.is_open(at):
        return None
    return hours.open_between(ticks.newest - ticks.ahead_ms, at)
