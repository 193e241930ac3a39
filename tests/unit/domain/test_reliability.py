"""S1.6: what the running system measured, and what it counts to nobody's account."""

import pytest
from test_markethours import at as on

from kakehashi.domain.linkwords import Session
from kakehashi.domain.markethours import market_hours
from kakehashi.domain.reliability import (
    TARGETS,
    Month,
    Reliability,
    alerted,
    counted,
    figures,
    mismatched,
    moved,
    percentile,
    planned,
)

T0 = on(18, 12)
HOURS = market_hours("fx")
S = Session


def history(*turns: tuple[int, Session], start: int = T0) -> Reliability:
    """Seconds after ``start``, and what the session became."""
    kept = Reliability(account="demo", at=start)
    for second, session in turns:
        kept = moved(kept, session, at=start + second * 1000, hours=HOURS)
    return kept


def shown(kept: Reliability) -> dict[str, object]:
    return figures(kept.months.values())


def test_time_is_fresh_unproven_or_downtime() -> None:
    kept = history((0, S.SYNCING), (1, S.FRESH), (100, S.AWAY), (104, S.SYNCING), (105, S.FRESH), (1105, S.LEFT))
    told = shown(kept)
    assert (told["downtime_s"], told["watched_s"]) == (4.0, 1105.0)
    assert told["consistency_percent"] == round(100 * 1099 / 1101, 4)
    assert (told["recoveries"], told["mean_recovery_s"], told["slowest_recovery_s"]) == (1, 5.0, 5.0)


def test_a_planned_stop_is_neither_downtime_nor_a_recovery() -> None:
    kept = history((0, S.FRESH), (10, S.LEFT), (5000, S.SYNCING), (5002, S.FRESH))
    told = shown(kept)
    assert (told["downtime_s"], told["recoveries"]) == (0.0, 0)


def test_maintenance_counts_for_nothing() -> None:
    kept = history((0, S.FRESH))
    kept = planned(kept, True, at=T0 + 10_000, hours=HOURS)
    kept = moved(kept, S.AWAY, at=T0 + 20_000, hours=HOURS)
    kept = planned(kept, False, at=T0 + 90_000, hours=HOURS)
    kept = moved(kept, S.FRESH, at=T0 + 93_000, hours=HOURS)
    told = shown(kept)
    assert (told["downtime_s"], told["mean_recovery_s"]) == (3.0, 3.0)


def test_a_weekend_is_no_downtime() -> None:
    start = on(20, 21, 59)
    kept = history((0, S.FRESH), (30, S.AWAY), (49 * 3600, S.FRESH), start=start)
    assert shown(kept)["downtime_s"] == shown(kept)["mean_recovery_s"] == 30 + 3600 - 60


def test_each_month_is_kept_apart_and_only_the_newest_ones() -> None:
    kept = history((0, S.FRESH))
    for month in range(1, 20):
        kept = counted(kept, at=T0 + month * 30 * 86_400_000, hours=HOURS)
    assert len(kept.months) == 13
    assert "2026-11" not in kept.months


def test_the_percentile_is_never_too_low_and_at_most_a_fifth_too_high() -> None:
    kept = Reliability(account="demo", at=T0, session=S.FRESH)
    now = T0
    for second in range(1, 101):
        kept = moved(kept, S.STALE, at=now, hours=HOURS)
        now += second * 1000
        kept = moved(kept, S.FRESH, at=now, hours=HOURS)
    (month,) = kept.months.values()
    assert 99_000 <= percentile(month, 0.99) <= 99_000 * 1.19
    assert percentile(month, 1.0) == 100_000


def test_false_alerts_are_a_share_of_all() -> None:
    kept = Reliability(account="demo", at=T0)
    for _ in range(4):
        kept = alerted(kept, at=T0)
    kept = mismatched(alerted(kept, at=T0, false=True), at=T0)
    assert (shown(kept)["false_alerts_percent"], shown(kept)["mismatches"]) == (25.0, 1)


def test_what_was_not_measured_is_no_success() -> None:
    nothing = figures([Month()])
    assert {name: target.met(nothing[name]) for name, target in TARGETS.items()} == dict.fromkeys(TARGETS, None)
    assert TARGETS["consistency_percent"].met(99.9)
    assert not TARGETS["consistency_percent"].met(99.89)
    assert not TARGETS["downtime_s"].met(60.1)


def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    kept = history((0, S.FRESH), (100, S.FRESH))
    again = counted(kept, at=T0, hours=HOURS)
    assert again == kept
    assert shown(again)["watched_s"] == pytest.approx(100.0)
