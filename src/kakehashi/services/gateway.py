"""The connections of EAs to this process: what they say goes to the trader in the order it came, what it answers goes out.

The trader decides everything about an account's link (:mod:`kakehashi.engine.links`); here is only which line is whose.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, Protocol

import structlog

from kakehashi.domain import linkwords as w
from kakehashi.domain.errors import Malformed
from kakehashi.domain.framecodec import encode, from_ea
from kakehashi.domain.frames import FromHub
from kakehashi.ports import Clock
from kakehashi.telemetry import counter, gauge

log = structlog.get_logger("gateway")

MAX_AHEAD: Final = 256
"""Frames of one connection that may wait for the trader; then it is read no further (R17)."""
RESUME_AT: Final = 64
RESTARTING: Final = 1012
BROKEN: Final = 1011
BARRED_S: Final = 60.0

_OPEN: Final = gauge("link_connections", "Connections of EAs that are open.")
_FRAMES: Final = counter("link_frames", "Frames of the EA link.", ["direction"])
_IN, _OUT = _FRAMES.labels("in"), _FRAMES.labels("out")
_GARBLED: Final = counter("link_garbled", "What came from EAs and is no frame, by code.", ["code"])


class Line(Protocol):
    """One connection, as its face gives it to the gateway. Nothing here waits."""

    def send(self, frame: bytes) -> None:
        """Put a frame on its way; a line that is gone swallows it."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Close it; the face then calls :meth:`Gateway.lost`."""
        ...

    def pause(self, on: bool) -> None:
        """Read no further, or go on."""
        ...

    def idle(self) -> None:
        """Everything it brought has been taken in, and what there was to answer has been sent."""
        ...


class LinkInput(NamedTuple):
    """An event for one account's link, on its way to the trader."""

    account: str
    event: w.Event
    conn: str = ""

    @property
    def at(self) -> int:
        return self.event.at


class _Conn:
    __slots__ = ("account", "ahead", "line", "paused")

    def __init__(self, account: str, line: Line) -> None:
        self.account, self.line = account, line
        self.ahead = 0
        self.paused = False


class Gateway:
    """The lines of this process. ``submit`` takes an input into the trader's queue."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._conns: dict[str, _Conn] = {}
        self._barred: dict[str, float] = {}
        self._last = 0
        self.submit: Callable[[LinkInput], None] = lambda _: None

    # -- the faces' side -----------------------------------------------------------------------------------------

    def open(self, account: str, line: Line) -> str:
        """A new line of an account whose token was checked; its name, which is never given again."""
        self._last += 1
        name = f"c{self._last}"
        self._conns[name] = _Conn(account, line)
        _OPEN.set(len(self._conns))
        return name

    def heard(self, conn: str, text: bytes | str) -> None:
        """A frame came, or something that should be one."""
        known = self._conns.get(conn)
        if known is None:
            return
        now, at = self._times()
        event: w.Event
        try:
            event = w.Arrived(now=now, at=at, conn=conn, frame=from_ea(text))
        except Malformed as e:
            _GARBLED.labels(e.code).inc()
            event = w.Garbled(now=now, at=at, conn=conn, code=e.code, message=e.message)
        self._put(known, LinkInput(known.account, event, conn))

    def garbled(self, conn: str, code: str, message: str) -> None:
        """Something came that not even looks like a frame, e.g. binary."""
        if (known := self._conns.get(conn)) is not None:
            now, at = self._times()
            event = w.Garbled(now=now, at=at, conn=conn, code=code, message=message)
            self._put(known, LinkInput(known.account, event, conn))

    def lost(self, conn: str) -> None:
        """The line has ended, by whomever."""
        known = self._conns.pop(conn, None)
        _OPEN.set(len(self._conns))
        if known is not None:
            now, at = self._times()
            self.submit(LinkInput(known.account, w.Lost(now=now, at=at, conn=conn)))

    def bar(self, account: str) -> None:
        """Listen to nothing of this account for a while: what it said broke the turn of everybody."""
        self._barred[account] = self._clock.monotonic() + BARRED_S

    def _put(self, known: _Conn, wish: LinkInput) -> None:
        if self._barred and self._barred.get(known.account, 0.0) > self._clock.monotonic():
            known.line.close(BROKEN, "what this EA sent could not be processed; see the hub's log")
            return
        _IN.inc()
        known.ahead += 1
        if known.ahead >= MAX_AHEAD and not known.paused:
            known.paused = True
            known.line.pause(on=True)
        self.submit(wish)

    def _times(self) -> tuple[int, int]:
        return int(self._clock.monotonic() * 1000), self._clock.now_ms()

    # -- the trader's side ---------------------------------------------------------------------------------------

    def handled(self, conn: str) -> None:
        """One input of this line has been processed."""
        known = self._conns.get(conn)
        if known is not None and known.ahead:
            known.ahead -= 1
            if not known.ahead:
                known.line.idle()
            if known.paused and known.ahead <= RESUME_AT:
                known.paused = False
                known.line.pause(on=False)

    def send(self, frames: Iterable[tuple[str, FromHub]]) -> None:
        """What may leave now, in order: it is on disk (law 1)."""
        for conn, frame in frames:
            known = self._conns.get(conn)
            if known is not None:
                _OUT.inc()
                known.line.send(encode(frame))

    def close(self, closes: Iterable[tuple[str, int, str]]) -> None:
        for conn, code, reason in closes:
            if (known := self._conns.get(conn)) is not None:
                known.line.close(code, reason)

    def drop_all(self, reason: str) -> None:
        """Every line: what was known of them is forgotten, and their EAs come back at once."""
        for known in list(self._conns.values()):
            known.line.close(RESTARTING, reason)

    @property
    def busy(self) -> bool:
        """Whether any EA is connected."""
        return bool(self._conns)

    @property
    def accounts(self) -> Mapping[str, int]:
        """How many lines each account has."""
        counts: dict[str, int] = {}
        for known in self._conns.values():
            counts[known.account] = counts.get(known.account, 0) + 1
        return counts
