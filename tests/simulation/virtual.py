"""Virtual time: an asyncio loop that never waits, and the clocks of machines whose time may jump, or stand still."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH_MS = 1_789_999_200_000
"""A Monday, 14:00 UTC: every virtual world begins there."""


class _NoWait(selectors.BaseSelector):
    """Instead of waiting for a time-out, tells the loop that it has passed. No file is ever ready."""

    def __init__(self) -> None:
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self.now = 0.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        self._keys[fileobj] = key = selectors.SelectorKey(fileobj, 0, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> dict[Any, selectors.SelectorKey]:  # type: ignore[override]
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing will happen any more")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs as fast as it can; ``time`` is virtual seconds since it was made."""

    def __init__(self) -> None:
        self._no_wait = _NoWait()
        super().__init__(self._no_wait)

    def time(self) -> float:
        return self._no_wait.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """As ``asyncio.run``, in no time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class Machine:
    """A computer's clocks, both kinds of faces that the product asks for.

    Its monotonic clock starts anywhere and its wall clock may be off. Asleep, what runs on it stands still at
    :meth:`awake`; its monotonic clock stands still too where ``frozen`` says so (a paused virtual machine), its wall
    clock never.
    """

    def __init__(self, offset_ms: int = 0, boot_s: float = 1_000.0) -> None:
        self._loop = asyncio.get_running_loop()
        self.offset_ms, self._boot_s = offset_ms, boot_s
        self._lost_s = 0.0
        self._wake: asyncio.Event | None = None

    def monotonic(self) -> float:
        return self._loop.time() + self._boot_s - self._lost_s

    def now_ms(self) -> int:
        return EPOCH_MS + self.offset_ms + int(self._loop.time() * 1000)

    def boot(self) -> str:
        return f"boot-{self._boot_s}"

    def now(self) -> int:
        return int(self.monotonic() * 1000)

    def wall(self) -> int:
        return self.now_ms()

    def jump(self, ms: int) -> None:
        """Somebody sets the wall clock."""
        self.offset_ms += ms

    async def sleep(self, seconds: float, *, frozen: bool) -> None:
        """Suspended for a while."""
        if self._wake is not None:
            return
        self._wake = asyncio.Event()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._lost_s += seconds if frozen else 0.0
            self._wake.set()
            self._wake = None

    @property
    def asleep(self) -> bool:
        return self._wake is not None

    async def awake(self) -> None:
        while self._wake is not None:
            await self._wake.wait()


async def until(holds: Callable[[], bool], *, within_s: float, every_s: float = 0.25) -> bool:
    """Whether it came to hold."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while not holds():
        if loop.time() >= end:
            return False
        await asyncio.sleep(every_s)
    return True
