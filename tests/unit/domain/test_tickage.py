"""How old a terminal's newest tick is: on a clock that is hours off, over weekends, and when a market is silent."""

import pytest

from kakehashi.config.bridge import BridgeSection
from kakehashi.domain.markethours import MarketHours, market_hours
from kakehashi.domain.tickage import Ticks, age_ms, looked

FRIDAY = 1_796_342_400_000  # 2026-12-04, 00:00 UTC
HOUR = 3_600_000
ALWAYS = MarketHours()


def watched(*looks: tuple[int, int], before: Ticks | None = None) -> Ticks:
    """:param looks: (newest tick in the server's time, our time) in ms after Friday's midnight"""
    ticks = before or Ticks()
    for newest, at in looks:
        ticks = looked(ticks, FRIDAY + newest, FRIDAY + at)
    return ticks


@pytest.mark.parametrize("zone", [2 * HOUR, 0, -5 * HOUR])
def test_silence_is_counted_from_the_last_tick_whatever_the_zone_of_the_server(zone: int) -> None:
    ticks = watched((zone, 0), (zone + 4_000, 5_000), (zone + 10_000, 10_000), (zone + 10_000, 70_000))
    assert age_ms(ticks, FRIDAY + 70_000, ALWAYS) == 60_000


def test_a_tick_that_came_between_two_looks_has_its_own_age() -> None:
    ticks = watched((2 * HOUR, 0), (2 * HOUR + 3_000, 5_000))
    assert age_ms(ticks, FRIDAY + 5_000, ALWAYS) == 2_000


def test_a_stale_price_ages_from_the_first_look_and_a_fresh_one_corrects_what_was_learned_from_it() -> None:
    stale = watched((0, HOUR), (0, HOUR + 60_000))
    assert age_ms(stale, FRIDAY + HOUR + 60_000, ALWAYS) == 60_000
    fresh = watched((HOUR + 65_000, HOUR + 65_000), before=stale)
    assert age_ms(fresh, FRIDAY + HOUR + 66_000, ALWAYS) == 1_000


def test_a_server_that_changes_from_summer_to_winter_time_does_not_look_silent() -> None:
    ticks = watched((3 * HOUR, 0), (2 * HOUR + 5_000, 5_000), (2 * HOUR + 10_000, 10_000))
    assert age_ms(ticks, FRIDAY + 12_000, ALWAYS) == 2_000


def test_a_closed_market_is_not_judged_and_its_closure_is_no_silence() -> None:
    hours, close, opening = market_hours("fx"), 22 * HOUR, (22 + 48) * HOUR
    ticks = watched((2 * HOUR + close - 1_000, close - 1_000))
    assert age_ms(ticks, FRIDAY + close + HOUR, hours) is None
    assert age_ms(ticks, FRIDAY + opening + 30_000, hours) == 31_000


@pytest.mark.parametrize("monday", [1_782_691_200_000, 1_796_601_600_000], ids=["summer", "winter"])
def test_the_default_hours_have_the_weekend_of_both_halves_of_the_year(monday: int) -> None:
    """Currencies close and open at 17:00 in New York: 21:00 UTC in summer, 22:00 in winter."""
    hours = market_hours(BridgeSection().market_hours)
    sunday, friday, year = monday - 24 * HOUR, monday + 4 * 24 * HOUR, int(monday == 1_796_601_600_000)
    assert not any(
        hours.is_open(at)
        for at in range(friday + (21 + year) * HOUR, sunday + 7 * 24 * HOUR + (21 + year) * HOUR, HOUR // 2)
    )
    assert hours.is_open(sunday + 23 * HOUR)
    assert hours.is_open(friday + 20 * HOUR)


def test_without_a_symbol_there_is_no_age() -> None:
    assert age_ms(looked(Ticks(), 0, FRIDAY), FRIDAY, ALWAYS) is None
