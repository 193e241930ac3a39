"""How patient the hub is with an EA: how long it may be silent, and what it is told or asked again until it is heard.

Each is kept by one :class:`~kakehashi.domain.link.Link`; times are monotonic ms. Source: PROTOCOL R4, R5, R13, R21.
"""

from typing import Final

from kakehashi.domain.frames import FromHub, Halt, Resume, Set
from kakehashi.domain.linkwords import LinkRecord, LinkSettings
from kakehashi.domain.values import Millis

RESENDS: Final = 5
"""How often missing events are asked for before they are given up: an EA keeps them for 30 days only."""


class Silence:
    """Since when the EA that holds the lease has said nothing. TEST breaks it: soon where the EA has work.

    :ivar heard_at: when it was heard last. After a restart that is now, so the old holder keeps its right for one whole
        lease: nobody knows when it last heard an HBA.
    """

    def __init__(self, settings: LinkSettings, now: Millis) -> None:
        self._settings = settings
        self.begin(now)

    def begin(self, now: Millis) -> None:
        self.heard_at = now
        self._tested_at: Millis | None = None

    def tested(self, now: Millis) -> None:
        self._tested_at = now

    @property
    def dead_at(self) -> Millis:
        return self.heard_at + self._settings.dead_ms

    @property
    def lease_end(self) -> Millis:
        return self.heard_at + self._settings.lease_ms

    def mute_at(self, *, works: bool) -> Millis | None:
        """When an EA that has work is called mute: it may have done it, long before a heartbeat is missed."""
        unanswered = self._tested_at is not None and self._tested_at > self.heard_at
        return (self._tested_at or 0) + self._settings.probe_ms if unanswered and works else None

    def mute(self, now: Millis, *, works: bool) -> bool:
        at = self.mute_at(works=works)
        return at is not None and now >= at

    def test_at(self, *, works: bool) -> Millis | None:
        """When TEST is to be said; None: it was, and waits for the answer."""
        if self._tested_at is not None and self._tested_at > self.heard_at:
            return None
        return self.heard_at + (self._settings.probe_ms if works else self._settings.test_ms)


class Controls:
    """HALT or RESUME, and SET, until a heartbeat echoes their ``gen`` (R21).

    :ivar told_gen: what the EA has echoed
    """

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        self.told_gen = 0
        self._said_at: Millis | None = None

    def at_once(self) -> None:
        """Whatever is untold is due now."""
        self._said_at = None

    def due(self, record: LinkRecord, now: Millis) -> list[FromHub]:
        """What has to be said now, as far as it was not echoed; in the order it was given."""
        untold = self._untold(record)
        if not untold or (self._said_at is not None and now - self._said_at < self._settings.resend_ms):
            return []
        self._said_at = now
        return untold

    def deadline(self, record: LinkRecord) -> Millis | None:
        return self._said_at + self._settings.resend_ms if self._said_at is not None and self._untold(record) else None

    def _untold(self, record: LinkRecord) -> list[FromHub]:
        halt: FromHub = Halt(gen=record.halt_gen) if record.halted else Resume(gen=record.halt_gen)
        told: list[tuple[int, FromHub]] = [
            (record.halt_gen, halt),
            (record.set_gen, Set(gen=record.set_gen, symbols=record.symbols)),
        ]
        return [frame for gen, frame in sorted(told, key=lambda pair: pair[0]) if gen > self.told_gen]


class Gap:
    """Events that are missing before one that came: asked for some times, then given up (R4)."""

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        self.begin()

    def begin(self) -> None:
        """Another EA, or another start of it."""
        self._asked_at: Millis | None = None
        self.closed()

    def closed(self) -> None:
        self._times = 0

    def asked(self, now: Millis) -> bool:
        """Whether RESEND was said a moment ago."""
        return self._asked_at is not None and now - self._asked_at < self._settings.resend_ms

    def ask(self, now: Millis) -> bool:
        """Ask once more; False: that was done often enough."""
        if self._times >= RESENDS:
            return False
        self._asked_at, self._times = now, self._times + 1
        return True
