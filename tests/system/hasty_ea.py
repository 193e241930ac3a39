"""``kakehashi`` whose time passes PACE times as fast: ``hasty_ea.py PACE ea simulate ...``.

A command that left no trace is given up after 12 s instead of 180: nobody holds orders here for long, and the window itself is
proven on virtual time.
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.odd_time import HastyLoop, LoopClock

from kakehashi.cli import main
from kakehashi.terminal import linked
from kakehashi.terminal.core import doubt

PACE = float(sys.argv.pop(1))


class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return HastyLoop(PACE)


if __name__ == "__main__":
    asyncio.set_event_loop_policy(Policy())
    linked.SystemClock = LoopClock  # type: ignore[misc,assignment]
    doubt.LONG_IN_FLIGHT_MS = 12_000  # type: ignore[misc]
    main()
