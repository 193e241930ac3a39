"""The wire between an EA and the hub: late, cut, half open, deaf for a while, or a poll that repeats and loses.

One :class:`Network` an account. A connection keeps its order as TCP does, but two connections know nothing of each other;
one of the kind ``poll`` may lose or repeat what it carries, as lost answers of polls do.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from tests.simulation.virtual import Machine

# ruff: noqa: ARG002  the lines implement protocols
from kakehashi.domain.errors import Unavailable


class HubEnd(Protocol):
    """The gateway's side: a connection is opened with a line, heard on, and lost."""

    def open(self, account: str, line: Any) -> str: ...
    def heard(self, conn: str, text: bytes | str) -> None: ...
    def lost(self, conn: str) -> None: ...


class Network:
    """Between one account's EAs and the hub.

    :ivar hub: the hub's side while it runs; None: nobody listens
    :ivar up: False: nothing gets through, connecting included
    :ivar harsh: whether connections lose, repeat and delay
    :ivar loss: share of its frames that a poll loses, and repeats
    :ivar faults: how often what was done to connections
    """

    def __init__(self, account: str, rng: random.Random, *, loss: float = 0.01) -> None:
        self.loss = loss
        self._loop = asyncio.get_running_loop()
        self.account, self.rng = account, rng
        self.hub: HubEnd | None = None
        self.up = True
        self.harsh = True
        self.connections: list[Connection] = []
        self.faults: dict[str, int] = {}

    def count(self, fault: str) -> None:
        self.faults[fault] = self.faults.get(fault, 0) + 1

    async def connect(self) -> "EaLine":
        """:raises Unavailable: refused, or no way there"""
        await asyncio.sleep(self.rng.uniform(0.005, 0.08))
        if not self.up:
            await asyncio.sleep(3)
            raise Unavailable("STORE_UNAVAILABLE", "no route")
        if self.hub is None:
            raise Unavailable("STORE_UNAVAILABLE", "connection refused")
        poll = self.harsh and self.rng.random() < (0.25 if self.loss <= 0.01 else 0.9)
        connection = Connection(self, self.hub, lossy=poll)
        self.connections.append(connection)
        return connection.ea

    @property
    def live(self) -> "list[Connection]":
        self.connections = [c for c in self.connections if not (c.ea_closed and c.hub_closed)]
        return self.connections

    def hub_died(self, *, silent: bool) -> None:
        """Its machine is off (``silent``: nobody is told) or only the process: its sockets are closed for it."""
        self.hub = None
        for connection in self.live:
            connection.hub_gone(silent=silent)

    def cut(self) -> None:
        """Reset everything; each side learns of it, or does not."""
        for connection in self.live:
            connection.reset(tell_ea=self.rng.random() < 0.8, tell_hub=self.rng.random() < 0.8)

    def blackhole(self, seconds: float, *, both: bool) -> None:
        """For a while nothing gets through; what was sent meanwhile arrives afterwards, as TCP sends it again."""
        for connection in self.live:
            connection.block(seconds, up=both or self.rng.random() < 0.5, down=both or self.rng.random() < 0.5)


class _Pipe:
    """One direction. Frames arrive in order, each not before its own delay."""

    def __init__(self, network: Network, deliver: Callable[[bytes], None], *, lossy: bool) -> None:
        self._network, self._deliver, self._lossy = network, deliver, lossy
        self._loop = asyncio.get_running_loop()
        self._last = 0.0
        self.blocked_until = 0.0
        self._closed = False
        self.waiting = 0

    def put(self, frame: bytes) -> None:
        if self._closed:
            return
        rng, times = self._network.rng, 1
        if self._lossy and self._network.harsh:
            x = rng.random()
            loss = self._network.loss
            times = 0 if x < loss else 2 if x < 2 * loss else 1
            if times != 1:
                self._network.count("frame lost" if times == 0 else "frame twice")
        delay = rng.uniform(0.002, 0.02) if not self._network.harsh or rng.random() < 0.95 else rng.uniform(0.1, 1.5)
        for _ in range(times):
            self._last = max(self._last, self._loop.time() + delay, self.blocked_until)
            self.waiting += len(frame)
            self._loop.call_at(self._last, self._arrive, frame)

    def _arrive(self, frame: bytes) -> None:
        if self._closed:
            return
        if self._loop.time() < self.blocked_until:
            self._last = max(self._last, self.blocked_until)
            self._loop.call_at(self.blocked_until, self._arrive, frame)
            return
        self.waiting -= len(frame)
        self._deliver(frame)

    def close(self) -> None:
        self._closed = True

    def end(self, then: Callable[[], None]) -> None:
        """Deliver what is under way, then say that it ended."""
        self._last = max(self._last, self._loop.time() + 0.01, self.blocked_until)
        self._loop.call_at(self._last, then)


class Connection:
    """Two pipes, and what each side knows of the other's end."""

    def __init__(self, network: Network, hub: HubEnd, *, lossy: bool) -> None:
        self.network, self._hub = network, hub
        self.ea_closed = self.hub_closed = False
        self.ea = EaLine(self)
        self.up = _Pipe(network, self._to_hub, lossy=lossy)
        self.down = _Pipe(network, self.ea.arrived, lossy=lossy)
        self.owner: object = None
        self._cut = False
        self.conn = hub.open(network.account, HubLine(self))

    def _to_hub(self, frame: bytes) -> None:
        if not self.hub_closed:
            self._hub.heard(self.conn, frame)

    def block(self, seconds: float, *, up: bool, down: bool) -> None:
        until = asyncio.get_running_loop().time() + seconds
        for pipe, wanted in ((self.up, up), (self.down, down)):
            if wanted:
                pipe.blocked_until = max(pipe.blocked_until, until)

    def unblock(self) -> None:
        self.up.blocked_until = self.down.blocked_until = 0.0

    def reset(self, *, tell_ea: bool, tell_hub: bool) -> None:
        """The path is gone for good; a side that is not told believes in it until its own patience ends."""
        if self._cut:
            return
        self._cut = True
        self.up.close()
        self.down.close()
        if tell_ea:
            self.ea.ended()
            self.ea_closed = True
        if tell_hub:
            self.lost_by_hub()

    def lost_by_hub(self) -> None:
        if not self.hub_closed:
            self.hub_closed = True
            self._hub.lost(self.conn)

    def hub_gone(self, *, silent: bool) -> None:
        self.hub_closed = True
        self.up.close()
        if silent:
            self.down.close()
        else:
            self.down.end(self._ea_learns)

    def _ea_learns(self) -> None:
        self.ea.ended()
        self.ea_closed = True

    def ea_gone(self, *, silent: bool) -> None:
        """The EA's process is dead, or (``silent``) its machine."""
        self.ea_closed = True
        self.down.close()
        if silent:
            self.up.close()
        else:
            self.up.end(self.lost_by_hub)


class HubLine:
    """What the gateway speaks on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, frame: bytes) -> None:
        if not self._connection.hub_closed:
            self._connection.down.put(bytes(frame))

    def pause(self, on: bool) -> None:
        """The wire is long enough."""

    def idle(self) -> None:
        """Nothing waits for that here: this is no poll."""

    def close(self, code: int, reason: str) -> None:
        connection = self._connection
        if not connection.hub_closed:
            connection.up.close()
            connection.down.end(connection._ea_learns)
            asyncio.get_running_loop().call_later(0.01, connection.lost_by_hub)


class EaLine:
    """The shell's ``Line``."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._frames: deque[bytes | None] = deque()
        self._arrived = asyncio.Event()
        self.machine: Machine | None = None

    async def receive(self) -> bytes | None:
        while not self._frames:
            self._arrived.clear()
            await self._arrived.wait()
        if self.machine is not None:
            await self.machine.awake()
        return self._frames.popleft()

    def send(self, frame: bytes) -> None:
        if not self.connection.ea_closed:
            self.connection.up.put(frame)

    @property
    def backlog(self) -> int:
        return self.connection.up.waiting

    async def close(self, code: int, reason: str) -> None:
        if not self.connection.ea_closed:
            self.connection.ea_gone(silent=False)

    def arrived(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._arrived.set()

    def ended(self) -> None:
        self._frames.append(None)
        self._arrived.set()
