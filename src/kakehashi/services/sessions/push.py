"""What a session's subscribers are told without asking: ticks, positions, orders and deals.

The package cannot call back, so the terminal is asked every ``push_s`` while somebody listens, in one request.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kakehashi.domain.errors import KakehashiError, Malformed
from kakehashi.domain.terminalcalls import Result
from kakehashi.domain.terminaldoubt import FAR_FUTURE_S, LOOK_BACK_S
from kakehashi.services.sessions.line import cancelled
from kakehashi.services.sessions.session import Session

KINDS: Final = ("positions", "orders", "deals")
MOST_STREAMS: Final = 200
_MOVING: Final = frozenset({"price_current", "profit", "swap", "time_update", "time_update_msc"})
"""They change with every price; a position has changed when anything else of it has."""
_encode: Final = msgspec.json.Encoder().encode

Rows = dict[int, dict[str, Any]]


class Outbox:
    """What one client has not been sent yet. Of ticks the latest wins; events and answers are never dropped.

    :param most: so many events may wait; with one more the client is too slow, and nothing is added any more
    """

    def __init__(self, most: int) -> None:
        self.streams: set[str] = set()
        self.overflowed = False
        self._most = most
        self._ticks: dict[str, bytes] = {}
        self._events: deque[bytes] = deque()
        self._wake = asyncio.Event()

    def tick(self, symbol: str, frame: bytes) -> None:
        self._ticks[symbol] = frame
        self._wake.set()

    def event(self, frame: bytes, *, wake: bool = True) -> None:
        """:param wake: whether somebody has to be told; not where the caller sends what there is itself"""
        if self.overflowed:
            return
        self.overflowed = len(self._events) >= self._most
        self._events.append(frame if not self.overflowed else overflow(self._most))
        if wake:
            self._wake.set()

    async def news(self) -> None:
        """Wait until there is something to send that nobody sends by themselves."""
        await self._wake.wait()
        self._wake.clear()

    def take(self) -> list[bytes]:
        """Everything there is to send."""
        frames = [*self._events, *self._ticks.values()]
        self._events.clear()
        self._ticks.clear()
        return frames


def overflow(most: int) -> bytes:
    return _encode({"event": "overflow", "message": f"over {most} events waited: read faster, then subscribe again"})


def checked(streams: Iterable[str]) -> frozenset[str]:
    """:raises Malformed: BAD_PARAMETER: a stream that there is not, or too many"""
    wanted = frozenset(streams)
    for stream in wanted:
        kind, _, symbol = stream.partition(":")
        if not (stream in KINDS or (kind == "ticks" and 0 < len(symbol) <= 64)):
            known = "ticks:SYMBOL, positions, orders, deals"
            raise Malformed("BAD_PARAMETER", f"params.streams: expected {known}; got {stream[:60]}", value=stream[:60])
    if len(wanted) > MOST_STREAMS:
        raise Malformed("BAD_PARAMETER", f"params.streams: at most {MOST_STREAMS}, got {len(wanted)}")
    return wanted


class Watch:
    """All subscribers of one session, and what they have been told."""

    def __init__(self, session: Session, push_s: float) -> None:
        self._session, self._push_s = session, push_s
        self._outboxes: list[Outbox] = []
        self._task: asyncio.Task[None] | None = None
        self._rows: dict[str, Rows] = {}
        self._ticks: dict[str, bytes] = {}

    def subscribe(self, outbox: Outbox, streams: Iterable[str]) -> None:
        """:raises Malformed: BAD_PARAMETER"""
        new = checked(streams)
        if len(new | outbox.streams) > MOST_STREAMS:
            raise Malformed("BAD_PARAMETER", f"params.streams: at most {MOST_STREAMS} together")
        for stream in new - outbox.streams:
            if stream.startswith("ticks:"):
                self._session.health.used({"symbol": stream.partition(":")[2]})
            self._current(outbox, stream)
        outbox.streams |= new
        if outbox not in self._outboxes:
            self._outboxes.append(outbox)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def leave(self, outbox: Outbox) -> None:
        if outbox in self._outboxes:
            self._outboxes.remove(outbox)
        if not self._outboxes and self._task is not None:
            task, self._task = self._task, None
            self._rows.clear()
            self._ticks.clear()
            await cancelled(task)

    def _current(self, outbox: Outbox, stream: str) -> None:
        """What the others know already, for one who comes later."""
        kind, _, symbol = stream.partition(":")
        if kind == "ticks" and (frame := self._ticks.get(symbol)) is not None:
            outbox.tick(symbol, frame)
        elif kind in ("positions", "orders"):
            for row in self._rows.get(kind, {}).values():
                outbox.event(_event(kind, "current", row))

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(KakehashiError):  # the terminal is being replaced: what is new shows afterwards
                await self._look()
            await asyncio.sleep(self._push_s)

    async def _look(self) -> None:
        streams = frozenset().union(*(o.streams for o in self._outboxes))
        symbols = sorted(s.partition(":")[2] for s in streams if s.startswith("ticks:"))
        kinds = [k for k in KINDS if k in streams or (k == "deals" and "positions" in streams)]
        since_s = max(0, self._session.orders.server_s - LOOK_BACK_S)
        calls: list[Any] = [("symbol_info_tick", {"symbol": s}, "objects") for s in symbols]
        for kind in kinds:
            name = "history_deals_get" if kind == "deals" else f"{kind}_get"
            params = {"date_from": since_s, "date_to": FAR_FUTURE_S} if kind == "deals" else {}
            calls.append((name, params, "objects"))
        if not calls:
            return
        answers = await self._session.ask(tuple(calls))
        for symbol, answer in zip(symbols, answers, strict=False):
            self._tick(symbol, answer)
        for kind, answer in zip(kinds, answers[len(symbols) :], strict=True):
            if answer.ok:
                self._changes(kind, {int(row["ticket"]): row for row in msgspec.json.decode(answer.json)})

    def _tick(self, symbol: str, answer: Result) -> None:
        if not answer.ok:
            return
        frame = b'{"event":"tick","symbol":%b,"tick":%b}' % (_encode(symbol), answer.json)
        if self._ticks.get(symbol) == frame:
            return
        self._ticks[symbol] = frame
        for outbox in self._outboxes:
            if f"ticks:{symbol}" in outbox.streams:
                outbox.tick(symbol, frame)

    def _changes(self, kind: str, rows: Rows) -> None:
        before = self._rows.get(kind)
        self._rows[kind] = rows
        if before is None:
            if kind != "deals":  # what was dealt before nobody asked is history
                self._tell(kind, [_event(kind, "current", row) for row in rows.values()])
            return
        frames = [
            _event(kind, "opened" if ticket not in before else "changed", row)
            for ticket, row in rows.items()
            if ticket not in before or (kind != "deals" and _standing(row) != _standing(before[ticket]))
        ]
        if kind != "deals":  # deals only leave the window that is looked at
            frames += [_event(kind, "closed", row) for ticket, row in before.items() if ticket not in rows]
        self._tell(kind, frames)

    def _tell(self, kind: str, frames: list[bytes]) -> None:
        for outbox in self._outboxes:
            if kind in outbox.streams or (kind == "deals" and "positions" in outbox.streams):
                for frame in frames:
                    outbox.event(frame)


def _standing(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _MOVING}


def _event(kind: str, change: str, row: Mapping[str, Any]) -> bytes:
    name = kind.removesuffix("s")
    return _encode({"event": name, "change": change, name: row})
