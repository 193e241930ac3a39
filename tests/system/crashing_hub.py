"""Role ``hub`` that kills itself at one point of one commit: ``crashing_hub.py FD POINT KIND NTH``.

It is built and served as every hub is; added are the store's crash point and a note of what is being committed.
"""

import os
import signal
import sys

from kakehashi import bootstrap
from kakehashi.cli import main
from kakehashi.ports import Commit, Store

open_as_always = bootstrap.opened_store


class Trap:
    """Springs at ``point`` of the ``nth`` commit that journals an event of ``kind``."""

    def __init__(self, store: Store, point: str, kind: str, nth: int) -> None:
        self._commit, self._point, self._kind, self._left = store.commit, point, kind, nth
        self._meant = False

    async def commit(self, commit: Commit) -> None:
        self._meant = any(entry.kind == self._kind for entry in commit.journal)
        await self._commit(commit)

    def reached(self, where: str) -> None:
        if self._meant and where == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


async def opened_with_a_trap(url: str) -> Store:
    store = await open_as_always(url)
    trap = Trap(store, point, kind, int(nth))
    store.commit = trap.commit  # type: ignore[method-assign]
    store.crash_point = trap.reached  # type: ignore[attr-defined]
    return store


if __name__ == "__main__":
    _, fd, point, kind, nth = sys.argv
    sys.argv[1:] = ["run", "hub", "--fd", fd]
    bootstrap.opened_store = opened_with_a_trap
    main()
