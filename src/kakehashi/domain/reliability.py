"""How reliable the link to each account was, measured by the running system: S1's figures, a month at a time.

Each moment in market hours, outside planned stops, belongs to one of three: FRESH (the mirror is proven right), UNPROVEN
(connected, not proven), AWAY (no connection: downtime). A recovery lasts from the end of one FRESH to the next.
Wall time, ms UTC. Source: S1.6.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from kakehashi.domain.linkwords import Session
from kakehashi.domain.markethours import MarketHours
from kakehashi.domain.values import Millis

MONTHS: Final = 13
FINEST_MS: Final = 100
STEPS: Final = 4
"""Recovery times are counted in steps of a quarter octave from 0.1 s: a percentile is at most a fifth too high."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One promise of S1.6; ``least``: the figure must not be under it, else not over it."""

    limit: float
    least: bool = False

    def met(self, figure: float | None) -> bool | None:
        """None where nothing has been measured yet."""
        if figure is None:
            return None
        return figure >= self.limit if self.least else figure <= self.limit


TARGETS: Final[Mapping[str, Target]] = {
    "consistency_percent": Target(limit=99.9, least=True),
    "mean_recovery_s": Target(limit=30),
    "false_alerts_percent": Target(limit=1),
    "downtime_s": Target(limit=60),
}


class Month(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One account's month. ``recoveries`` counts by quarter octave; times in ms."""

    fresh_ms: int = 0
    unproven_ms: int = 0
    away_ms: int = 0
    mismatches: int = 0
    recoveries: dict[int, int] = {}
    recovery_ms: int = 0
    slowest_ms: int = 0
    alerts: int = 0
    false: int = 0

    def plus(self, other: "Month") -> "Month":
        """Both together."""
        counts = dict(self.recoveries)
        for step, count in other.recoveries.items():
            counts[step] = counts.get(step, 0) + count
        return Month(
            fresh_ms=self.fresh_ms + other.fresh_ms,
            unproven_ms=self.unproven_ms + other.unproven_ms,
            away_ms=self.away_ms + other.away_ms,
            mismatches=self.mismatches + other.mismatches,
            recoveries=counts,
            recovery_ms=self.recovery_ms + other.recovery_ms,
            slowest_ms=max(self.slowest_ms, other.slowest_ms),
            alerts=self.alerts + other.alerts,
            false=self.false + other.false,
        )


class Reliability(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One account's figures; kept as one row.

    :ivar at: until when time has been counted
    :ivar planned: maintenance, or the account is switched off
    :ivar broken_at: since when it has not been FRESH; None while it is, or where the stop was planned
    :ivar months: by ``2026-11``, the newest :data:`MONTHS`
    """

    account: str
    at: Millis
    session: Session = Session.LEFT
    planned: bool = False
    broken_at: Millis | None = None
    months: dict[str, Month] = {}


def counted(kept: Reliability, *, at: Millis, hours: MarketHours) -> Reliability:
    """The same with the time up to ``at`` counted to what the account was in."""
    span = hours.open_between(kept.at, at)
    if span == 0 or kept.planned or kept.session is Session.LEFT:
        return msgspec.structs.replace(kept, at=max(kept.at, at))
    match kept.session:
        case Session.FRESH:
            more = Month(fresh_ms=span)
        case Session.AWAY:
            more = Month(away_ms=span)
        case _:
            more = Month(unproven_ms=span)
    return msgspec.structs.replace(_with(kept, at, more), at=at)


def moved(kept: Reliability, session: Session, *, at: Millis, hours: MarketHours) -> Reliability:
    """The account's session is another from ``at`` on."""
    now = counted(kept, at=at, hours=hours)
    broken = now.broken_at
    if session is Session.FRESH:
        if broken is not None and not now.planned:
            now = _recovered(now, hours.open_between(broken, at), at)
        broken = None
    elif session is Session.LEFT:
        broken = None
    elif kept.session is Session.FRESH and not now.planned:
        broken = at
    return msgspec.structs.replace(now, session=session, broken_at=broken)


def planned(kept: Reliability, on: bool, *, at: Millis, hours: MarketHours) -> Reliability:
    """A planned stop begins or ends; what it interrupts is no recovery."""
    now = counted(kept, at=at, hours=hours)
    broken = None if on or now.session in (Session.FRESH, Session.LEFT) else at
    return msgspec.structs.replace(now, planned=on, broken_at=broken)


def mismatched(kept: Reliability, *, at: Millis) -> Reliability:
    return _with(kept, at, Month(mismatches=1))


def alerted(kept: Reliability, *, at: Millis, false: bool = False) -> Reliability:
    """An incident was raised, or (``false``) one was closed as a false alert."""
    return _with(kept, at, Month(false=1) if false else Month(alerts=1))


def month_of(at: Millis) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m")


def figures(months: Iterable[Month]) -> dict[str, Any]:
    """The figures of several months together (of one account, or of all); None where nothing was measured.

    Downtime in seconds; recoveries in seconds, the percentile rounded up to its step.
    """
    total = Month()
    for month in months:
        total = total.plus(month)
    linked, recovered = total.fresh_ms + total.unproven_ms, sum(total.recoveries.values())
    return {
        "consistency_percent": round(100 * total.fresh_ms / linked, 4) if linked else None,
        "recoveries": recovered,
        "mean_recovery_s": round(total.recovery_ms / recovered / 1000, 3) if recovered else None,
        "p99_recovery_s": round(percentile(total, 0.99) / 1000, 3) if recovered else None,
        "slowest_recovery_s": round(total.slowest_ms / 1000, 3) if recovered else None,
        "alerts": total.alerts,
        "false_alerts": total.false,
        "false_alerts_percent": round(100 * total.false / total.alerts, 2) if total.alerts else None,
        "downtime_s": round(total.away_ms / 1000, 1) if linked or total.away_ms else None,
        "watched_s": round((linked + total.away_ms) / 1000, 1),
        "mismatches": total.mismatches,
    }


def percentile(month: Month, share: float) -> float:
    """The recovery time that ``share`` of all do not exceed, ms."""
    wanted, seen = math.ceil(share * sum(month.recoveries.values())), 0
    for step in sorted(month.recoveries):
        seen += month.recoveries[step]
        if seen >= wanted:
            return min(float(month.slowest_ms), FINEST_MS * math.pow(2.0, step / STEPS))
    return 0.0


def _recovered(kept: Reliability, took_ms: int, at: Millis) -> Reliability:
    step = max(0, math.ceil(STEPS * math.log2(max(took_ms, 1) / FINEST_MS)))
    return _with(kept, at, Month(recoveries={step: 1}, recovery_ms=took_ms, slowest_ms=took_ms))


def _with(kept: Reliability, at: Millis, more: Month) -> Reliability:
    name = month_of(at)
    months = {**kept.months, name: kept.months.get(name, Month()).plus(more)}
    for old in sorted(months)[:-MONTHS]:
        del months[old]
    return msgspec.structs.replace(kept, months=months)
