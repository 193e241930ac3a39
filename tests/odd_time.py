"""Event loops whose time is not the wall's: one that never waits, and one that is in a hurry."""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any


class _NoWait(selectors.DefaultSelector):
    """Adds what it was to wait to the loop's time instead of waiting."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing will ever happen again")
        if not ready and timeout:
            self.loop.passed += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still but for what is slept. For programs without sockets."""

    def __init__(self) -> None:
        selector = _NoWait()
        super().__init__(selector)
        selector.loop, self.passed = self, 1_000.0

    def time(self) -> float:
        return self.passed


class _Hasty(selectors.DefaultSelector):
    pace = 1.0

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout / self.pace if timeout else timeout)


class HastyLoop(asyncio.SelectorEventLoop):
    """Time passes ``pace`` times as fast: every sleep and every time limit is that much shorter."""

    def __init__(self, pace: float) -> None:
        selector = _Hasty()
        selector.pace = pace
        super().__init__(selector)
        self._pace, self._began = pace, time.monotonic()

    def time(self) -> float:
        return 1_000.0 + (time.monotonic() - self._began) * self._pace


def run_virtual(scene: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scene)


def run_hasty(scene: Coroutine[Any, Any, Any], pace: float) -> Any:
    with asyncio.Runner(loop_factory=lambda: HastyLoop(pace)) as runner:
        return runner.run(scene)


class LoopClock:
    """An EA's clock that goes with the running loop."""

    def now(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    def wall(self) -> int:
        return 1_790_000_000_000 + self.now()
