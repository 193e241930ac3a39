"""What sessions are allowed: times, sizes, and how patient a bridge is with its terminals."""

from enum import StrEnum
from pathlib import Path

import msgspec

from kakehashi.domain.markethours import MarketHours


class State(StrEnum):
    """RESTARTING: its process ended and is being replaced; ASLEEP: stopped for idleness, the next command wakes it;
    FAILED: it could not be started several times in a row, and is tried again more and more seldom.
    """

    STARTING = "STARTING"
    READY = "READY"
    RESTARTING = "RESTARTING"
    ASLEEP = "ASLEEP"
    FAILED = "FAILED"
    CLOSED = "CLOSED"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """:ivar hang_s: a terminal that was given a command is not taken for hung before so long, however short its deadline
    :ivar queue_age_s: a command that waited so long is not sent any more
    :ivar idle_s: a session without commands for so long is put to sleep; 0 is never
    :ivar rss_bytes: a process that grew beyond is replaced between two commands
    :ivar tick_age_s: without a tick for longer inside ``hours`` a session is not healthy; 0 is never
    :ivar breaker: so many failed starts in a row are a crash loop
    :ivar folders: where each session has its portable terminal directory; None is none
    """

    terminal: str = "simulated"
    terminal_path: str = ""
    broker: str = ""
    folders: Path | None = None
    command_timeout_s: float = 10.0
    start_timeout_s: float = 60.0
    hang_s: float = 1.0
    queue_max: int = 100
    queue_age_s: float = 60.0
    idle_s: float = 0.0
    rss_bytes: int = 1024 * 1024 * 1024
    health_s: float = 5.0
    tick_age_s: float = 300.0
    hours: MarketHours = MarketHours()
    breaker: int = 5
    breaker_pause_s: float = 30.0
    backoff_s: tuple[float, ...] = (0.0, 0.1, 0.3, 1.0, 2.0, 5.0)
    grace_s: float = 3.0
    """For a process to end by itself."""
