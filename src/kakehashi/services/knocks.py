"""The last knocks at the webhook door, for whoever watches: all of them, also those that were turned away.

Kept in memory only, and bounded: what was let in is in the store anyway. Nothing is rendered until somebody looks.
"""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from kakehashi.domain.alerts import Alert
from kakehashi.domain.errors import Malformed, Rejected
from kakehashi.domain.formats import parse, redacted
from kakehashi.domain.rules import Route
from kakehashi.ports import Clock
from kakehashi.services.ingest import Answer, Knock, refusal
from kakehashi.telemetry import MASK, redact_value

KEPT: Final = 200
KEPT_BYTES: Final = 2 * 1024 * 1024
"""Of bodies: strangers may send 64 KiB each."""
SHOWN_CHARACTERS: Final = 4_000
MAX_WATCHERS: Final = 16
_TOKEN: Final = re.compile(r"(kk_[a-z]{1,16}_[0-9a-f]{1,32})_", re.ASCII)


class Seen(NamedTuple):
    """One knock as it is kept; of its secret only what may be shown."""

    seq: int
    at: int
    knock: Knock
    presented: str
    alert: Alert | None
    answer: Answer


class News(NamedTuple):
    """What a watcher gets: oldest first.

    :ivar newest: the number to ask after next time
    :ivar missed: knocks after the one asked for that are forgotten already
    """

    newest: int
    missed: int
    knocks: list[Seen]


class Knocks:
    """A bounded memory of knocks. Numbers start at the time of the start, so they go on rising over a restart."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first = self._newest = clock.now_ms()
        self._kept: deque[Seen] = deque()
        self._bytes = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def add(self, knock: Knock, alert: Alert | None, answer: Answer) -> None:
        """Remember one knock; this is :class:`~kakehashi.services.ingest.Ingest`'s ``observe``."""
        self._newest += 1
        without = msgspec.structs.replace(knock, secret=None)
        self._kept.append(Seen(self._newest, self._clock.now_ms(), without, _presented(knock.secret), alert, answer))
        self._bytes += len(knock.body)
        while len(self._kept) > KEPT or self._bytes > KEPT_BYTES:
            self._bytes -= len(self._kept.popleft().knock.body)
        for watcher in self._waiting:
            if not watcher.done():
                watcher.set_result(None)

    async def after(self, seq: int, *, wait_s: float, limit: int = KEPT) -> News:
        """The newest ``limit`` knocks after number ``seq``; where there is none yet, wait for one.

        :raises Rejected: RATE_LIMITED: too many watch already
        """
        if self._newest <= seq and wait_s > 0:
            await self._wait(wait_s)
        found = [seen for seen in self._kept if seen.seq > seq]
        oldest = found[0].seq if found else self._newest + 1
        missed = oldest - seq - 1 if seq >= self._first else 0
        return News(self._newest, missed, found[-limit:] if limit else [])

    async def _wait(self, wait_s: float) -> None:
        if len(self._waiting) >= MAX_WATCHERS:
            raise Rejected("RATE_LIMITED", f"{MAX_WATCHERS} watch the door already")
        watcher = asyncio.get_running_loop().create_future()
        self._waiting.add(watcher)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await watcher
        finally:
            self._waiting.discard(watcher)


def rendered(seen: Seen, routes: Iterable[Route]) -> dict[str, Any]:
    """A knock for an operator: what came, what was understood, what was answered; every secret masked.

    A knock that was turned away is read once more: ``understood`` or ``fault`` says what is in it, and ``routes`` which
    routes take that symbol, whatever their strategy (only its token would tell that).
    """
    knock, alert, fault = seen.knock, seen.alert, None
    if alert is None:
        try:
            alert, _ = parse(knock.body, content_type=knock.content_type)
        except Malformed as e:
            fault = {k: v for k, v in refusal(e).body.items() if k != "status"}
    decided = "legs" in seen.answer.body
    shown = {
        "seq": seen.seq,
        "at": seen.at,
        "peer": knock.peer,
        "content_type": knock.content_type[:200],
        "presented": seen.presented,
        "bytes": len(knock.body),
        "body": redacted(knock.body)[:SHOWN_CHARACTERS],
        "understood": msgspec.to_builtins(alert) if alert is not None else None,
        "fault": fault,
        "http": seen.answer.status,
        "answer": msgspec.to_builtins(seen.answer.body),
        "routes": []
        if alert is None or decided
        else [r.name for r in routes if not r.symbols or alert.symbol in r.symbols],
    }
    safe: dict[str, Any] = redact_value(shown)
    return safe


def _presented(secret: str | None) -> str:
    """Which token came, not its secret: ``kk_webhook_ab12_***``; nothing where it came in the body, or not at all."""
    if not secret:
        return ""
    ours = _TOKEN.match(secret)
    return f"{ours[1]}_{MASK}" if ours else MASK
