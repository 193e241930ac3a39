"""The watch's metrics: gauges of what it knows, renewed twice a minute. Labels are severities only."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from kakehashi.domain.incidentkinds import Severity
from kakehashi.domain.incidents import Incident
from kakehashi.domain.markethours import MarketHours
from kakehashi.domain.reliability import Month, Reliability, counted, figures, month_of
from kakehashi.domain.values import Millis
from kakehashi.telemetry import gauge

SLICE: Final = 200

_OPEN = gauge("incidents_open", "Incidents that are not over", ["severity"])
_FIGURES = {
    "consistency_percent": gauge("reliability_consistency_percent", "Share of linked time with a proven mirror, this month"),
    "mean_recovery_s": gauge("reliability_recovery_mean_seconds", "From a mirror not fresh to fresh again, this month"),
    "p99_recovery_s": gauge("reliability_recovery_p99_seconds", "The same, 99th percentile"),
    "false_alerts_percent": gauge("reliability_false_alerts_percent", "Incidents closed as false, this month"),
}  # fmt: skip
_WORST = gauge("reliability_downtime_seconds", "Downtime of the worst account, this month")


class Survey:
    """Adds the accounts up, some at a time: ten thousand at once would be felt by every alert of that moment."""

    def __init__(self, accounts: Iterable[str]) -> None:
        self._left = list(accounts)
        self._total = Month()
        self._worst_ms = 0

    def step(self, kept: Mapping[str, Reliability], *, at: Millis, hours: Callable[[str], MarketHours]) -> bool:
        """Take the next :data:`SLICE` accounts; whether all are taken, and the gauges set."""
        name = month_of(at)
        for _ in range(min(SLICE, len(self._left))):
            account = self._left.pop()
            if (one := kept.get(account)) is not None:
                month = counted(one, at=at, hours=hours(account)).months.get(name, Month())
                self._total = self._total.plus(month)
                self._worst_ms = max(self._worst_ms, month.away_ms)
        if self._left:
            return False
        found: dict[str, Any] = figures([self._total])
        for key, shown in _FIGURES.items():
            shown.set(float("nan") if found[key] is None else found[key])
        _WORST.set(self._worst_ms / 1000)
        return True


def count_open(incidents: Iterable[Incident]) -> None:
    """Set the gauge of incidents that are not over."""
    count = Counter(incident.severity for incident in incidents)
    for severity in Severity:
        _OPEN.labels(severity.value).set(count[severity])
