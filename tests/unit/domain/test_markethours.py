"""When a stopped EA is no outage."""

from datetime import UTC, datetime

import pytest

from kakehashi.domain.errors import Malformed
from kakehashi.domain.markethours import market_hours

HOUR = 3_600_000
FX = market_hours("fx")


def at(day: int, hour: int = 0, minute: int = 0) -> int:
    """November 2026: the 20th is a Friday."""
    return int(datetime(2026, 11, day, hour, minute, tzinfo=UTC).timestamp()) * 1000


def test_fx_is_closed_from_friday_22_to_sunday_22_utc() -> None:
    moments = [at(20, 21, 59), at(20, 22), at(21, 12), at(22, 21, 59), at(22, 22)]
    assert [FX.is_open(m) for m in moments] == [True, False, False, False, True]
    assert FX.opens(at(21)) == at(22, 22)


def test_only_open_time_counts() -> None:
    assert FX.open_between(at(20, 20), at(22, 23)) == 3 * HOUR
    assert FX.open_between(at(21), at(22)) == 0
    assert FX.open_between(at(16), at(30)) == (14 * 24 - 2 * 48) * HOUR
    assert FX.open_between(at(22), at(20)) == 0, "a clock that went back"
    assert FX.after(at(20, 21, 30), HOUR) == at(22, 22, 30)
    assert FX.after(at(21), 0) == at(22, 22)


def test_always_is_never_closed() -> None:
    assert market_hours("always").after(at(21), HOUR) == at(21, 1)


def test_closures_may_run_over_sunday_night_and_overlap() -> None:
    hours = market_hours("sun 23:00-mon 01:00, mon 00:30-mon 02:00")
    assert [hours.is_open(m) for m in (at(22, 23), at(23, 1, 30), at(23, 2))] == [False, False, True]
    assert hours.opens(at(22, 23)) == at(23, 2)
    assert hours.open_between(at(22, 22), at(23, 3)) == 2 * HOUR


@pytest.mark.parametrize("text", ["weekend", "fri 25:00-sun 22:00", "mon 00:00-fri 00:00, thu 00:00-mon 00:00"])
def test_what_is_no_timetable_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="BAD_CONFIG"):
        market_hours(text)
