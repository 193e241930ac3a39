"""Who waits for news of which account: terminals that follow their account instead of asking again and again."""

import asyncio
import contextlib


class News:
    """A turn is counted for every tick and every trade request."""

    def __init__(self) -> None:
        self._common = 0
        self._turns: dict[str, int] = {}
        self._waiting: dict[str, asyncio.Event] = {}

    def turn(self, account: str) -> int:
        return self._common + self._turns.get(account, 0)

    def of(self, account: str) -> None:
        self._turns[account] = self._turns.get(account, 0) + 1
        if (event := self._waiting.pop(account, None)) is not None:
            event.set()

    def of_all(self) -> None:
        self._common += 1
        waiting, self._waiting = self._waiting, {}
        for event in waiting.values():
            event.set()

    async def beyond(self, account: str, turn: int, seconds: float) -> None:
        """Wait until there is a turn after ``turn``, at most so long."""
        if turn != self.turn(account):
            return
        event = self._waiting.setdefault(account, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
