"""The watch's metrics: gauges of what it knows, renewed twice a minute. Labels are severities only."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from kakehashi.domain.incidentkinds import Severity
from kakehashi.domain.incidents import Incident
from kakehashi.domain.markethours import MarketHours
from kakehashi.domain.reliability import Month, Reliability, counted, figures, month_of
from kakehashi.domain.values import Millis
from kakehashi.telemetry import gauge

_OPEN = gauge("incidents_open", "Incidents that are not over", ["severity"])
_FIGURES = {
    "consistency_percent": gauge("reliability_consistency_percent", "Share of linked time with a proven mirror, this month"),
    "mean_recovery_s": gauge("reliability_recovery_mean_seconds", "From a mirror not fresh to fresh again, this month"),
    "p99_recovery_s": gauge("reliability_recovery_p99_seconds", "The same, 99th percentile"),
    "false_alerts_percent": gauge("reliability_false_alerts_percent", "Incidents closed as false, this month"),
}  # fmt: skip
_WORST = gauge("reliability_downtime_seconds", "Downtime of the worst account, this month")


def measure(
    accounts: Iterable[Reliability],
    incidents: Iterable[Incident],
    *,
    at: Millis,
    hours: Callable[[str], MarketHours],
) -> None:
    """Set the gauges to what is true at ``at``."""
    name = month_of(at)
    months = [counted(a, at=at, hours=hours(a.account)).months.get(name, Month()) for a in accounts]
    found: dict[str, Any] = figures(months)
    for key, shown in _FIGURES.items():
        shown.set(float("nan") if found[key] is None else found[key])
    _WORST.set(max((m.away_ms for m in months), default=0) / 1000)
    count = Counter(incident.severity for incident in incidents)
    for severity in Severity:
        _OPEN.labels(severity.value).set(count[severity])
