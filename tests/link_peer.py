"""A hub's end of the link for tests of EAs: the pure :class:`Link`, asyncio's clock, and nothing kept on disk.

:class:`Peer` is the hub; whoever has a connection (a pipe in memory, a WebSocket, polls) brings its frames in. Time is the
running loop's, so it may be virtual or hurried (:mod:`tests.odd_time`).
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from kakehashi.domain import frames as f
from kakehashi.domain import linkwords as w
from kakehashi.domain.errors import Malformed
from kakehashi.domain.framecodec import encode, from_ea
from kakehashi.domain.link import Link
from kakehashi.domain.linkwords import LinkRecord, LinkSettings

D = Decimal
PREFIX = 0x1234 << 48
WALL = 1_790_553_600_000 + 3_600_000


def command(number: int, op: str = "OPEN", **more: Any) -> f.Cmd:
    """A command as a hub makes it: 0.10 lots of EURUSD bought, or what ``more`` says."""
    given = {"sym": "EURUSD", "side": "B", "vol": D("0.10"), "magic": str(PREFIX | number), "ep": 0, "ttl_ms": 600_000}
    return f.Cmd(id=f"c-{number}", seq=number, op=op, **(given | more))


def exit_of(number: int, target: str, expect: str = "0.10", **more: Any) -> f.Cmd:
    return command(number, "CLOSE", target=target, **({"vol": D(0), "expect_vol": D(expect)} | more))


class Peer:
    """One account's hub.

    :ivar states: how far each command is; ``events`` every EVT that was booked, in order; ``deals`` by ticket
    :ivar heard: every frame that came, ``said`` every frame that left
    """

    def __init__(self, account: str, settings: LinkSettings | None = None) -> None:
        self.link = Link(LinkRecord(account=account), settings or LinkSettings(), now=self.now)
        self.states: dict[str, str] = {}
        self.events: list[f.Evt] = []
        self.deals: dict[str, f.DealRow] = {}
        self.facts: list[Any] = []
        self.heard: list[Any] = []
        self.said: list[Any] = []
        self._lines: dict[str, tuple[Callable[[bytes], None], Callable[[int, str], None]]] = {}
        self._changed = asyncio.Event()

    @property
    def now(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    def come(self, conn: str, send: Callable[[bytes], None], close: Callable[[int, str], None]) -> None:
        self._lines[conn] = (send, close)

    def hear(self, conn: str, raw: bytes) -> None:
        try:
            frame = from_ea(raw)
        except Malformed as e:
            self.step(w.Garbled, conn=conn, code=e.code, message=e.message)
            return
        self.heard.append(frame)
        self.step(w.Arrived, conn=conn, frame=frame)

    def gone(self, conn: str) -> None:
        if self._lines.pop(conn, None):
            self.step(w.Lost, conn=conn)

    def cut(self) -> None:
        """Every connection breaks."""
        for conn, (_, close) in list(self._lines.items()):
            close(1011, "cut")
            self.gone(conn)

    def deliver(self, cmd: f.Cmd) -> None:
        self.states[cmd.id] = "QUEUED"
        self.step(w.Deliver, cmd=cmd)

    def step(self, event: Any, **fields: Any) -> None:
        steps = self.link.step(event(now=self.now, at=WALL + self.now, **fields))
        for fact in steps.facts:
            self._note(fact)
        for conn, frame in steps.frames:
            self.said.append(frame)
            if conn in self._lines:
                self._lines[conn][0](encode(frame))
        for conn, code, why in steps.closes:
            if conn in self._lines:
                self._lines[conn][1](code, why)
        self._changed.set()

    def _note(self, fact: Any) -> None:
        self.facts.append(fact)
        if isinstance(fact, w.CommandMoved):
            self.states[fact.id] = fact.after.value
        elif isinstance(fact, w.EventBooked):
            self.events.append(fact.evt)
        elif isinstance(fact, w.DealsTold):
            for deal in fact.rows:
                assert deal.ticket not in self.deals, f"deal {deal.ticket} was told twice"
                self.deals[deal.ticket] = deal

    async def keep_time(self) -> None:
        """Step the link when it wants to be; run beside the test."""
        while True:
            await asyncio.sleep(0.02)
            due = self.link.next_deadline()
            if due is not None and due <= self.now:
                self.step(w.TimePassed)

    async def until(self, true: Callable[[], Any], seconds: float = 120.0) -> Any:
        """Wait for a condition on what the hub knows; its value."""
        try:
            async with asyncio.timeout(seconds):
                while not (found := true()):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            told = [msgspec.to_builtins(e) for e in self.events]
            raise AssertionError(f"waited in vain; states {self.states}, events {told}") from None
        return found

    async def ends(self, cmd: f.Cmd, seconds: float = 120.0) -> f.Evt:
        """Deliver a command and wait for the event that ends it."""
        self.deliver(cmd)
        await self.ended(cmd.id, seconds)
        return self.told(cmd.id)

    async def ended(self, command_id: str, seconds: float = 120.0) -> str:
        """The state that a command ends in, by an event or by evidence."""
        over = {"FILLED", "DONE", "REJECTED", "EXPIRED", "NOT_EXECUTED", "CANCELLED"}
        await self.until(lambda: self.states[command_id] in over, seconds)
        return self.states[command_id]

    def told(self, command_id: str) -> f.Evt:
        return next(e for e in reversed(self.events) if e.id == command_id)

    async def fresh(self, seconds: float = 120.0) -> None:
        await self.until(lambda: self.link.fresh(self.now), seconds)
