"""Bars and ticks: a past drawn from the seed, and what was heard since; every bar is what its ticks make of it."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehashi.terminal.clock import Clock, ClockSpec
from kakehashi.terminal.core.bars import Bar, Row, Tape, TickRow, joined, opening
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.history import DEPTH_DAYS, History
from kakehashi.terminal.core.kinds import Timeframe
from kakehashi.terminal.core.market import SYMBOLS

MONDAY = 1_790_553_600_000  # 2026-09-28T00:00:00Z
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
AT = MONDAY + 9 * HOUR + 30 * MINUTE + 17_000
LENGTHS = {k: k * 60 if k < Timeframe.H1 else (k - 0x4000) * 3_600 for k in Timeframe if k <= Timeframe.D1}


def heard(seed: int = 3, ticks: int = 900, **eurusd: object) -> tuple[History, int]:
    """A market that has ticked every fifth of a second for a while."""
    symbols = [msgspec.structs.replace(s, **eurusd) if s.name == "EURUSD" else s for s in SYMBOLS[:2]]
    broker = Broker(seed=seed, at=AT, symbols=symbols)
    at = AT
    for _ in range(ticks):
        at += 200
        broker.tick(at)
    return broker.market.history, at


def made_of(ticks: list[TickRow], seconds: int) -> dict[int, tuple[float, float, float, float, int]]:
    """Bars the slow way."""
    found: dict[int, list[float]] = {}
    for tick in ticks:
        found.setdefault(tick.at // 1000 // seconds * seconds, []).append(tick.bid)
    return {start: (b[0], max(b), min(b), b[-1], len(b)) for start, b in found.items()}


@pytest.mark.parametrize("kind", LENGTHS)
def test_a_bar_is_what_its_ticks_make_of_it_before_the_start_and_after(kind: Timeframe) -> None:
    history, now = heard()
    since = MONDAY - DAY
    bars = history.bars_between("EURUSD", kind, since, now, now)
    slowly = made_of(history.ticks("EURUSD", since, None, 10**6), LENGTHS[kind])
    assert {b.time: (b.open, b.high, b.low, b.close, b.tick_volume) for b in bars} == slowly
    assert [b.time for b in bars] == sorted(slowly)


@pytest.mark.parametrize("kind", Timeframe)
def test_at_the_start_there_are_days_of_bars_in_every_timeframe(kind: Timeframe) -> None:
    history, now = heard(ticks=0)
    bars = history.bars_back("EURUSD", kind, 0, 300, now)
    few = {Timeframe.H12: 2 * DEPTH_DAYS + 1, Timeframe.D1: DEPTH_DAYS + 1, Timeframe.W1: 18, Timeframe.MN1: 5}
    assert len(bars) == few.get(kind, 300)
    times = [bar.time for bar in bars]
    assert times == sorted(set(times))
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    assert all(opening(bar.time // 60, kind) == bar.time // 60 for bar in bars)
    assert bars[-1].close == 1.085


def test_the_three_ways_to_ask_for_bars_agree() -> None:
    history, now = heard()
    last = history.bars_back("EURUSD", Timeframe.M15, 0, 500, now)
    assert last == history.bars_until("EURUSD", Timeframe.M15, now, 500, now)
    assert last == history.bars_between("EURUSD", Timeframe.M15, last[0].time * 1000, now, now)
    assert last[100:103] == history.bars_back("EURUSD", Timeframe.M15, 397, 3, now)
    assert last[100:103] == history.bars_until("EURUSD", Timeframe.M15, last[102].time * 1000, 3, now)


def test_the_same_seed_gives_the_same_past_in_whatever_order_it_is_asked_for() -> None:
    def asked(seed: int, kinds: list[Timeframe]) -> dict[Timeframe, list[Bar]]:
        history, now = heard(seed, ticks=10)
        return {kind: history.bars_back("EURUSD", kind, 0, 40, now) for kind in kinds}

    kinds = list(Timeframe)
    assert asked(3, kinds) == asked(3, kinds[::-1]) != asked(4, kinds)


def test_no_price_is_known_of_a_time_outside_the_sessions() -> None:
    history, now = heard(sessions=("mon-fri 08:00-16:00",))
    hours = {bar.time // 3_600 % 24 for bar in history.bars_back("EURUSD", Timeframe.H1, 0, 200, now)}
    assert hours == set(range(8, 16))
    days = {(bar.time // 86_400 + 3) % 7 for bar in history.bars_back("EURUSD", Timeframe.D1, 0, 50, now)}
    assert days == {0, 1, 2, 3, 4}


def test_every_price_is_a_multiple_of_the_tick_size() -> None:
    history, now = heard(tick_size=Decimal("0.00005"), spread=12)
    bars = history.bars_between("EURUSD", Timeframe.M1, MONDAY - HOUR, now, now)
    prices = {price for b in bars for price in (b.open, b.high, b.low, b.close)}
    prices |= {price for tick in history.ticks("EURUSD", MONDAY, None, 10**6) for price in (tick.bid, tick.ask)}
    assert {round(price * 100_000) % 5 for price in prices} == {0}
    assert len(prices) > 30


def test_ticks_are_counted_from_a_time_on_and_say_what_changed() -> None:
    history, _ = heard(ticks=50)
    ticks = history.ticks("EURUSD", AT + 1, None, 20)
    assert [t.at for t in ticks] == [AT + 200 * n for n in range(1, 21)]
    assert {t.flags for t in ticks} <= {2, 4, 6}
    assert history.ticks("EURUSD", AT, AT + 400, 100)[-1].at == AT + 400
    assert all(round(t.ask - t.bid, 5) == 0.0001 for t in ticks)


def test_the_first_recorded_tick_is_where_the_past_leads_to() -> None:
    broker = Broker(seed=1, at=AT)
    broker.hear("EURUSD", Decimal("1.20000"), Decimal("1.20010"), AT + 500)
    broker.hear("EURUSD", Decimal("1.20001"), Decimal("1.20010"), AT + 900)
    bars = broker.market.history.bars_back("EURUSD", Timeframe.M1, 0, 2, AT + 900)
    assert (bars[0].close, bars[1].open, bars[1].close, bars[1].tick_volume) == (1.2, 1.2, 1.20001, 2)


def test_the_day_has_its_open_its_extremes_and_the_close_before() -> None:
    history, now = heard()
    before, today = history.bars_back("EURUSD", Timeframe.D1, 0, 2, now)
    day = history.day("EURUSD", now)
    assert (float(day.close), float(day.open)) == (before.close, today.open)
    assert (float(day.bid_high), float(day.bid_low)) == (today.high, today.low)
    assert day.ask_high - day.bid_high == Decimal("0.00010")


def test_weeks_begin_on_sunday_and_months_on_the_first() -> None:
    minute = AT // MINUTE
    assert opening(minute, Timeframe.W1) * MINUTE == MONDAY - DAY
    assert opening(minute, Timeframe.MN1) * MINUTE == MONDAY - 27 * DAY
    assert opening(minute, Timeframe.H12) * MINUTE == MONDAY


@given(st.lists(st.tuples(st.integers(0, 90_000), st.integers(1, 50)), min_size=1, max_size=80))
@settings(max_examples=60)
def test_minutes_joined_by_fives_are_the_ticks_by_fives(steps: list[tuple[int, int]]) -> None:
    at, tape, by_five = MONDAY, Tape(MONDAY, 20, 22), {MONDAY // MINUTE: [20]}
    for wait, bid in steps:
        at += wait
        tape.add(at, bid, bid + 2)
        by_five.setdefault(at // MINUTE // 5 * 5, []).append(bid)
    rows = joined(tape.rows(0, at // MINUTE + 1), Timeframe.M5)
    assert list(rows) == [Row(s, b[0], max(b), min(b), b[-1], len(b), 2) for s, b in by_five.items()]


def test_a_clock_runs_at_its_speed_from_its_start_and_is_stepped_by_hand() -> None:
    seconds = [100.0]
    clock = Clock(AT, 60.0, offset_ms=2 * HOUR, monotonic_s=lambda: seconds[0])
    assert clock.now_ms() == AT + 2 * HOUR
    seconds[0] += 2.5
    assert clock.now_ms() == AT + 2 * HOUR + 150_000
    assert clock.step(1_000) == AT + 2 * HOUR + 151_000
    still = Clock(AT, 0.0, monotonic_s=lambda: seconds[0])
    seconds[0] += 99
    assert (still.now_ms(), still.step(200)) == (AT, AT + 200)


@pytest.mark.parametrize("said", [{"start": "2026-09-28"}, {"start": "soon"}, {"speed": -1.0}])
def test_a_clock_that_cannot_be_set_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"zone|soon|speed"):
        ClockSpec(**said)  # type: ignore[arg-type]
