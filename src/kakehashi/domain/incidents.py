"""What a person should know of: raised, held down, counted, escalated, acknowledged, cleared.

Source: S1.5, S0.9.
"""

from enum import StrEnum
from typing import Any

import msgspec

from kakehashi.domain.values import Millis


class Severity(StrEnum):
    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class Standing(StrEnum):
    """How far an incident is: raised, seen by a person, over."""

    OPEN = "OPEN"
    ACKED = "ACKED"
    CLEARED = "CLEARED"


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, however often it is reported.

    :ivar code: a kind of :mod:`kakehashi.domain.incidentkinds`, also the name of its runbook page
    :ivar account: empty where no account is concerned
    :ivar subject: what it is about: an order, a position, an instance; one incident each
    :ivar last_at: when it was reported last; ``count`` how often
    :ivar false: closed by a person as a false alert
    :ivar text: what happened, as reported
    :ivar values: the occasion's own values: open positions, orders in flight
    :ivar told: how many messages it led to; ``told_at`` when the last one was
    """

    id: str
    code: str
    severity: Severity
    account: str
    opened_at: Millis
    last_at: Millis
    subject: str = ""
    state: Standing = Standing.OPEN
    count: int = 1
    acked_at: Millis | None = None
    acked_by: str = ""
    cleared_at: Millis | None = None
    cleared_by: str = ""
    false: bool = False
    text: str = ""
    values: dict[str, Any] = {}
    told: int = 0
    told_at: Millis | None = None


class Post(StrEnum):
    """How far a notice is."""

    WAITING = "WAITING"
    SENT = "SENT"
    FAILED = "FAILED"
    """Given up: an incident of its own says so."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one target, to be delivered at least once.

    :ivar incident: the incident's id, or empty for a test
    :ivar target: the name of an entry in ``notify.targets``
    :ivar due_at: not to be tried before
    :ivar error: why the last try failed, without the target's address
    """

    id: str
    incident: str
    target: str
    severity: Severity
    title: str
    body: str
    at: Millis
    due_at: Millis
    state: Post = Post.WAITING
    attempts: int = 0
    error: str = ""
    sent_at: Millis | None = None
