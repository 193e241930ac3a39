"""The trader's metrics: counted while a turn is processed, added to the registry once it is on disk."""

from collections import Counter

import structlog

from kakehashi.domain.codes import CODES
from kakehashi.engine.outcome import Outcome
from kakehashi.telemetry import counter, gauge, histogram

log = structlog.get_logger("trader")

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

_SIGNALS = counter("signals", "Alerts that were decided, by what became of them", ["status"])
_REFUSALS = counter("refusals", "Legs of alerts that were refused, by reason code", ["code"])
_ORDERS = counter("order_states", "Orders that came into a state", ["state"])
_FILLS = counter("fills", "Executions told by accounts")
_PAGES = counter("pages", "What a person was told of, by code", ["code"])
_COMMIT_S = histogram("commit_seconds", "From the first event of a batch to its being on disk")
_BATCH = histogram("batch_events", "Events that shared one commit", buckets=BATCH_BUCKETS)
_WAITING = gauge("inbox_events", "Events that wait for the trader")


class Figures:
    """One turn's counts. Labels are words of our own lists only, never a sender's."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._pages: list[tuple[str, str, str]] = []

    def note(self, outcome: Outcome) -> None:
        """Take in what one event changed; it is not true before :meth:`committed`."""
        counts = self._counts
        if outcome.heard is not None:
            counts["signal", outcome.heard.status] += 1
            for leg in outcome.heard.legs:
                if leg.code:
                    counts["refusal", leg.code] += 1
        for order in outcome.orders.values():
            counts["order", order.state] += 1
        if outcome.fills:
            counts["fill", ""] += len(outcome.fills)
        self._pages += outcome.alerts

    def committed(self, *, events: int, seconds: float, waiting: int) -> None:
        """The turn is on disk."""
        for (what, word), count in self._counts.items():
            match what:
                case "signal":
                    _SIGNALS.labels(word).inc(count)
                case "refusal":
                    _REFUSALS.labels(word if word in CODES else "OTHER").inc(count)
                case "order":
                    _ORDERS.labels(word).inc(count)
                case _:
                    _FILLS.inc(count)
        for code, subject, text in self._pages:
            _PAGES.labels(code if code in CODES else "OTHER").inc()
            log.error("page", code=code, subject=subject, text=text)
        _COMMIT_S.observe(seconds)
        _BATCH.observe(events)
        _WAITING.set(waiting)
