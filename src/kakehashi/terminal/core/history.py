"""Prices before and since the server began: a past drawn from the seed when it is asked for, and what was heard.

The same seed, start and calls give the same past. It ends at the price that the market begins with; it is no record
of what an earlier run of the server quoted.
"""

import random
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import accumulate
from statistics import NormalDist
from typing import Final

from kakehashi.terminal.core.bars import (
    DAY_MINUTES,
    MINUTE_MS,
    Bar,
    Day,
    Row,
    Tape,
    TickRow,
    joined,
    opening,
    within_a_day,
)
from kakehashi.terminal.core.kinds import Timeframe
from kakehashi.terminal.core.words import Symbol

DEPTH_DAYS: Final = 120
_DAYS_KEPT: Final = 16
_BOTH: Final = 6
_MINUTE_TO_TICK: Final = 4.0  # a minute of the past is as wild as sixteen ticks: some 50 pips a day in EURUSD
_PULL: Final = 0.02
_NORMAL: Final = tuple(NormalDist().inv_cdf((n + 0.5) / 1_024) for n in range(1_024))
"""As many equally likely steps: drawing one of them is ten times faster than a normal variate."""
Open = Callable[[str, int], bool]


class History:
    """:param is_open: whether a symbol trades at a time, ms"""

    def __init__(self, seed: int, is_open: Open) -> None:
        self._seed = seed
        self._is_open = is_open
        self._specs: dict[str, Symbol] = {}
        self.tapes: dict[str, Tape] = {}
        self._nights: dict[str, list[float]] = {}
        self._minutes: dict[tuple[str, int], list[Row]] = {}
        self._longer: dict[tuple[str, int, Timeframe], list[Row]] = {}

    def begin(self, spec: Symbol, at: int, bid: int, ask: int) -> None:
        """The first quote of a symbol; its past leads there."""
        self._specs[spec.name] = spec
        self.tapes[spec.name] = Tape(at, bid, ask)
        self._nights.pop(spec.name, None)
        for key in [k for k in self._minutes if k[0] == spec.name]:
            del self._minutes[key]
        for longer in [k for k in self._longer if k[0] == spec.name]:
            del self._longer[longer]

    # -- what is asked -----------------------------------------------------------------------------------------------

    def bars_back(self, name: str, kind: Timeframe, pos: int, count: int, at: int) -> list[Bar]:
        """``count`` bars up to the one ``pos`` before the present one, oldest first."""
        found = self._last_rows(name, kind, at // MINUTE_MS, pos + count)
        return self._bars(name, found[max(0, len(found) - pos - count) : len(found) - pos])

    def bars_until(self, name: str, kind: Timeframe, until: int, count: int, at: int) -> list[Bar]:
        """The last ``count`` bars that open at ``until`` or before."""
        found = self._last_rows(name, kind, min(until, at) // MINUTE_MS, count)
        return self._bars(name, found[-count:])

    def bars_between(self, name: str, kind: Timeframe, since: int, until: int, at: int) -> list[Bar]:
        """All bars that open from ``since`` to ``until``."""
        first, last = -(-since // MINUTE_MS), min(until, at) // MINUTE_MS
        days = range(max(self._first_day(name), opening(max(first, 0), kind) // DAY_MINUTES), last // DAY_MINUTES + 1)
        rows = joined([row for day in days for row in self._day(name, day, kind)], kind)
        return self._bars(name, [row for row in rows if first <= row.start <= last])

    def ticks(self, name: str, since: int, until: int | None, most: int) -> list[TickRow]:
        """From ``since`` on, up to and with ``until``, the first ``most``."""
        scale = 10 ** self._specs[name].digits
        found: list[TickRow] = []
        for at, bid, ask, flags in self._all_ticks(name, since):
            if len(found) >= most or (until is not None and at > until):
                break
            found.append(TickRow(at, bid / scale, ask / scale, flags))
        return found

    def day(self, name: str, at: int) -> Day:
        number = at // MINUTE_MS // DAY_MINUTES
        today = self._day(name, number, Timeframe.D1)
        before = next((rows[-1] for n in range(1, 5) if (rows := self._day(name, number - n, Timeframe.D1))), None)
        if not today:
            return Day()
        row, digits = today[0], self._specs[name].digits
        prices = (row.open, before.close if before else 0, row.high, row.low)
        opened, closed, high, low = (Decimal(points).scaleb(-digits) for points in prices)
        spread = Decimal(row.spread).scaleb(-digits)
        return Day(open=opened, close=closed, bid_high=high, bid_low=low, ask_high=high + spread, ask_low=low + spread)

    # -- rows --------------------------------------------------------------------------------------------------------

    def _bars(self, name: str, rows: list[Row]) -> list[Bar]:
        scale = 10 ** self._specs[name].digits
        return [
            Bar(r.start * 60, r.open / scale, r.high / scale, r.low / scale, r.close / scale, r.ticks, r.spread)
            for r in rows
        ]

    def _last_rows(self, name: str, kind: Timeframe, minute: int, count: int) -> list[Row]:
        """At least ``count`` bars that open at ``minute`` or before, if there are so many; maybe more."""
        parts: list[list[Row]] = []
        have = 0
        for day in range(minute // DAY_MINUTES, self._first_day(name) - 1, -1):
            part = [row for row in self._day(name, day, kind) if row.start <= minute]
            parts.append(part)
            if kind <= Timeframe.D1:
                have += len(part)
            else:  # a bar that was begun must be whole
                have = len({opening(rows[0].start, kind) for rows in parts if rows}) - 1
            if have >= count:
                break
        rows = [row for part in reversed(parts) for row in part]
        longer = rows if kind <= Timeframe.D1 else list(joined(rows, kind))
        return longer[-count:] if kind > Timeframe.D1 else longer

    def _first_day(self, name: str) -> int:
        return self.tapes[name].began // MINUTE_MS // DAY_MINUTES - DEPTH_DAYS

    def _day(self, name: str, day: int, kind: Timeframe) -> list[Row]:
        """The bars of one day; days for what is longer."""
        kind = kind if within_a_day(kind) else Timeframe.D1
        key, past = (name, day, kind), day < self.tapes[name].began // MINUTE_MS // DAY_MINUTES
        if past and (found := self._longer.get(key)) is not None:
            return found
        rows = self._past(name, day)
        if not past:
            rows = rows + self.tapes[name].rows(day * DAY_MINUTES, (day + 1) * DAY_MINUTES)
        if kind is Timeframe.M1:
            return rows
        longer = list(joined(rows, kind))
        if past and kind >= Timeframe.M15:  # few enough to be kept
            self._longer[key] = longer
        return longer

    def _past(self, name: str, day: int) -> list[Row]:
        """The minutes of one day before the server began."""
        tape = self.tapes[name]
        began = tape.began // MINUTE_MS
        if not self._first_day(name) <= day <= began // DAY_MINUTES:
            return []
        found = self._minutes.get((name, day))
        if found is None:
            while len(self._minutes) >= _DAYS_KEPT:
                del self._minutes[next(iter(self._minutes))]
            found = self._minutes[name, day] = self._drawn(name, day)
        return found

    def _drawn(self, name: str, day: int) -> list[Row]:
        """A walk from midnight to midnight; each minute takes three numbers, for where it goes and how far it strays."""
        spec, tape = self._specs[name], self.tapes[name]
        last = min(DAY_MINUTES, tape.began // MINUTE_MS - day * DAY_MINUTES)
        nights, back = self._midnights(name), tape.began // MINUTE_MS // DAY_MINUTES - day
        begins, ends = nights[back], nights[back - 1] if back else float(tape.first_bid)
        drawn = struct.unpack(f"<{3 * last}H", random.Random(f"{self._seed}:{name}:{day}").randbytes(6 * last))
        width, first = spec.volatility * _MINUTE_TO_TICK, day * DAY_MINUTES
        walk = list(accumulate(_NORMAL[x % len(_NORMAL)] * width for x in drawn[:last]))
        pull = (ends - begins - (walk[-1] if walk else 0.0)) / max(1, last)
        stray, is_open, grain = width / 65_536, self._is_open, spec.grain
        spread = max(1, round(spec.spread / grain)) * grain if grain > 1 else spec.spread
        rows, was = [], max(1, round(begins / grain)) * grain
        for n, (way, up, down) in enumerate(zip(walk, drawn[last : 2 * last], drawn[2 * last :], strict=True)):
            now = max(1, round((begins + way + pull * (n + 1)) / grain)) * grain
            over, under = (was, now) if was > now else (now, was)
            if not spec.sessions or is_open(name, (first + n) * MINUTE_MS):
                high = over + int(up * stray) // grain * grain
                low = max(grain, under - int(down * stray) // grain * grain)
                rows.append(Row(first + n, was, high, low, now, 4, spread))
            was = now
        return rows

    def _midnights(self, name: str) -> list[float]:
        """The bid at the beginning of the day the server began on, of the day before, and so on back."""
        found = self._nights.get(name)
        if found is None:
            spec, tape = self._specs[name], self.tapes[name]
            rng = random.Random(f"{self._seed}:{name}:nights")
            width = spec.volatility * _MINUTE_TO_TICK * DAY_MINUTES**0.5 / 2
            part = (tape.began // MINUTE_MS % DAY_MINUTES / DAY_MINUTES) ** 0.5
            price = float(tape.first_bid)
            found = [price := max(1.0, price + rng.gauss(0.0, width) * part)]
            for _ in range(DEPTH_DAYS):
                price = max(1.0, price + (tape.first_bid - price) * _PULL + rng.gauss(0.0, width))
                found.append(price)
            self._nights[name] = found
        return found

    def _all_ticks(self, name: str, since: int) -> Iterator[tuple[int, int, int, int]]:
        tape = self.tapes[name]
        today = tape.began // MINUTE_MS // DAY_MINUTES
        for day in range(max(self._first_day(name), since // MINUTE_MS // DAY_MINUTES), today + 1):
            for row in self._past(name, day):
                if (row.start + 1) * MINUTE_MS > since:
                    yield from (tick for tick in _ticks_of(row) if tick[0] >= since)
        start = bisect_left(tape.at, since)
        bid, ask = (tape.bid[start - 1], tape.ask[start - 1]) if start else (0, 0)
        for n in range(start, len(tape.at)):
            flags = 2 * (tape.bid[n] != bid) + 4 * (tape.ask[n] != ask)
            bid, ask = tape.bid[n], tape.ask[n]
            yield tape.at[n], bid, ask, flags or _BOTH


def _ticks_of(row: Row) -> Iterator[tuple[int, int, int, int]]:
    """Four ticks that make this bar."""
    way = (row.low, row.high) if row.close >= row.open else (row.high, row.low)
    at = row.start * MINUTE_MS + row.start * 7_919 % 997
    for n, bid in enumerate((row.open, *way, row.close)):
        yield at + n * 14_600, bid, bid + row.spread, _BOTH
