"""The HTTP door itself: how long a sender may take, how many may stand in it, and who has to leave when it is full.

uvicorn closes no connection that is slow with its header, its body or with reading the answer, so a few hundred of them
use up the file descriptors and shut out everybody (SEC-6; measured in docs: benchmarks). This subclass of its protocol
keeps one deadline per connection, looked at by one timer for all; a request costs it a few assignments.
"""

import asyncio
import contextlib
import ipaddress
import math
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from kakehashi.telemetry import counter, gauge

log = structlog.get_logger("door")

SWEEP_EVERY_S: Final = 0.25
GRACE_S: Final = 1.0
"""After a deadline: for an answer on its way (e.g. TOO_LARGE) and for the peer to read it."""
MAX_OVERHEAD: Final = 64 * 1024
"""Bytes of a request that are no body: request line, headers, chunk sizes, trailers. One read (256 KiB) comes on top."""
MAX_FIELDS: Final = 100
MAX_SURPLUS: Final = 256 * 1024
"""Bytes that are thrown away after an early answer such as 413; what comes then is not read at all."""
RESERVED_FILES: Final = 128
"""File descriptors kept for the store, the log and ourselves."""

_CLOSED: Final = counter("door_closed_total", "Connections the door closed itself, by why.", ["why"])
_OPEN: Final = gauge("door_connections", "Connections that are open.")


def _timed_out(code: bytes, what: bytes) -> bytes:
    said = b'{"status":"error","code":"%s","message":"the %s did not arrive in time"}' % (code, what)
    head = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/json\r\n"
    return b"%scontent-length: %d\r\n\r\n%s" % (head, len(said), said)


_LATE_HEAD: Final = _timed_out(b"HEAD_TIMEOUT", b"request header")
_LATE_BODY: Final = _timed_out(b"BODY_TIMEOUT", b"body")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one sender may take of the door.

    :ivar head_s: from accept, or from the first byte of a further request, to the end of its header
    :ivar body_s: from there to the end of the body
    :ivar answer_s: for the peer to take an answer that does not fit the socket's buffer
    :ivar idle_s: between two requests on one connection
    :ivar per_address: connections of one peer address, or of one IPv6 /64
    """

    head_s: float = 5.0
    body_s: float = 5.0
    answer_s: float = 10.0
    idle_s: float = 75.0
    connections: int = 2000
    per_address: int = 100


class Doorkeeper:
    """Knows every open connection of this process, closes what is over its time, and sheds when the door is full.

    :param uncapped: whether this address may hold any number of connections, as a proxy on this machine must
    """

    def __init__(self, limits: Limits, *, uncapped: Callable[[str], bool], files: int | None = None) -> None:
        most = limits.connections if files is None else min(limits.connections, max(16, files - RESERVED_FILES))
        self.limits = msgspec.structs.replace(limits, connections=most)
        self._uncapped = uncapped
        self._open: dict[Door, str] = {}
        """With the address that counts for the cap; oldest first, as the next one."""
        self._strangers: dict[Door, None] = {}
        self._at: dict[str, dict[Door, None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed: Counter[str] = Counter()

    def protocol(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> "Door":
        """What uvicorn calls for each connection it accepts."""
        return Door(self, config, server_state, app_state, _loop)

    def enter(self, door: "Door", peer: str) -> bool:
        """Take a new connection in. When the door, or this address's share of it, is full, another one leaves for it.

        Shed first are those that never completed a request, oldest first (a healthy sender is done within milliseconds),
        then those that are idle between two requests. False: nobody could be shed.
        """
        address = "" if self._uncapped(peer) else _block(peer)
        theirs = self._at.setdefault(address, {}) if address else {}
        fits = len(theirs) < self.limits.per_address or self._shed(theirs, "address_full")
        if fits and (len(self._open) < self.limits.connections or self._shed(self._strangers, "full")):
            admitted = True
        else:
            admitted = fits and self._shed(self._open, "full")
        self._open[door] = address
        self._strangers[door] = None
        if address:
            theirs[door] = None
        if self._timer is None:
            self._timer = door.loop.call_later(SWEEP_EVERY_S, self._sweep)
        return admitted

    def known(self, door: "Door") -> None:
        """It has completed a request."""
        self._strangers.pop(door, None)

    def leave(self, door: "Door") -> None:
        address = self._open.pop(door, "")
        self._strangers.pop(door, None)
        theirs = self._at.get(address)
        if theirs is not None:
            theirs.pop(door, None)
            if not theirs:
                del self._at[address]

    def count(self, why: str) -> None:
        """A connection was closed by the door."""
        self._closed[why] += 1
        _CLOSED.labels(why).inc()

    def _shed(self, among: Collection["Door"], why: str) -> bool:
        stranger = next((door for door in among if door in self._strangers), None)
        leaving = stranger or next((door for door in among if door.idle), None)
        if leaving is None:
            return False
        leaving.drop(why)
        return True

    def _sweep(self) -> None:
        """Close what is over its time; one look at each connection, four times a second."""
        self._timer = None
        for door in list(self._open):
            now = door.loop.time()
            if door.due <= now:
                door.expire(now)
        _OPEN.set(len(self._open))
        if self._closed:
            log.warning("connections_closed", open=len(self._open), **self._closed)
            self._closed.clear()
        if self._open:
            self._timer = next(iter(self._open)).loop.call_later(SWEEP_EVERY_S, self._sweep)


class Door(HttpToolsProtocol):
    """One connection.

    :ivar due: when it must have moved on, in the loop's time
    :ivar idle: between two requests
    """

    def __init__(
        self,
        keeper: Doorkeeper,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._keeper, self._limits = keeper, keeper.limits
        self.due, self.idle = math.inf, False
        self._arriving = False  # a request has begun and is not whole
        self._in_head = True
        self._requests = self._overhead = self._surplus = 0

    # -- one connection's life -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.due = self.loop.time() + self._limits.head_s
        if not self._keeper.enter(self, self.client[0] if self.client else ""):
            self.drop("refused")

    def connection_lost(self, exc: Exception | None) -> None:
        self._keeper.leave(self)
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._keeper.leave(self)  # from here on the WebSocket's own limits hold
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._arriving:
            self._overhead += len(data)
            if self._overhead > MAX_OVERHEAD:
                self.drop("head_too_large")

    # -- one request's life: the parser's calls ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["door_bounds_body"] = True  # type: ignore[typeddict-unknown-key]  # for read_chunks
        self._arriving = self._in_head = True
        self.idle = False
        self._overhead = self._surplus = 0
        if self._requests:
            self.due = self.loop.time() + self._limits.head_s

    def on_headers_complete(self) -> None:
        if len(self.headers) > MAX_FIELDS:
            raise ValueError("too many header fields")  # the parser makes a 400 of it
        self._in_head = False
        self.due = self.loop.time() + self._limits.body_s
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._overhead -= len(body)
        if self.cycle.response_complete:
            self._surplus += len(body)
            if self._surplus > MAX_SURPLUS:
                self.flow.pause_reading()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._arriving = False
        if not self._requests:
            self._keeper.known(self)
        self._requests += 1
        cycle: RequestResponseCycle | None = self.cycle  # None where the first request asks for a WebSocket
        if cycle is not None and cycle.response_complete:
            self._rest()
        elif self.flow.write_paused:  # it asks on without taking the answers to what it asked before
            self.due = self.loop.time() + self._limits.answer_s
        else:
            self.due = math.inf  # the application is at work; it has limits of its own

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.cycle.response_complete:
            return  # the answer to an earlier one of several at once
        if not self._arriving:
            self._rest()
        elif not self._in_head:  # answered early, e.g. 413: what still comes has a moment to end
            self.due = min(self.due, self.loop.time() + GRACE_S)

    def _rest(self) -> None:
        self.idle = True
        if not self.flow.write_paused:  # else the peer still has an answer to take
            self.due = self.loop.time() + (GRACE_S if self.transport.is_closing() else self._limits.idle_s)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.due = self.loop.time() + self._limits.answer_s

    def resume_writing(self) -> None:
        super().resume_writing()
        self.due = self.loop.time() + self._limits.idle_s if self.idle else math.inf

    # -- its end -------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Its time is over. A half-sent request is told so; whoever does not read that either is cut off."""
        late_head = self._arriving and self._in_head
        cycle: RequestResponseCycle | None = self.cycle
        answered = cycle is None or cycle.response_complete
        late_body = self._arriving and not late_head and cycle is not None and not cycle.response_started
        tellable = late_body or (answered and (late_head or self.idle))
        if self.transport.is_closing() or not tellable or self.flow.write_paused:
            self.drop("slow_body" if self._arriving else "slow_reader" if self._requests else "silent")
            return
        if late_head or late_body:
            self._keeper.count("slow_head" if late_head else "slow_body")
            self.transport.write(_LATE_HEAD if late_head else _LATE_BODY)
        self.transport.close()  # the application, if it waits for the body, hears of it as a hang-up
        self.due = now + GRACE_S

    def drop(self, why: str) -> None:
        """Cut it off at once: close() would wait for a peer that reads nothing."""
        self._keeper.count(why)
        self._keeper.leave(self)
        self.due = math.inf
        self.transport.abort()


def raise_file_limit() -> int | None:
    """Let this process have as many files as its hard limit allows; how many that is, or None where there is no such limit."""
    try:
        import resource  # noqa: PLC0415  not on Windows
    except ImportError:
        return None
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def _block(address: str) -> str:
    """The address, or the /64 of an IPv6 one: whoever has one address of it has them all."""
    if ":" not in address:
        return address
    try:
        ip = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ip.ipv4_mapped or ipaddress.IPv6Network((ip, 64), strict=False))
