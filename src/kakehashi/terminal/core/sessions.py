"""When a symbol trades: spans of the week, and the closures between them. UTC, as all times here."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from kakehashi.terminal.core.words import Weekday

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
_MONDAY_MS: Final = 4 * DAY_MS  # 1970-01-05; the epoch was a Thursday
_DAYS: Final = {day.value: n for n, day in enumerate(Weekday)}
_CLOCK: Final = r"([01]\d|2[0-4]):([0-5]\d)"
_SPAN: Final = re.compile(rf"([a-z]{{3}}) {_CLOCK} ?- ?([a-z]{{3}}) {_CLOCK}")
_DAILY: Final = re.compile(rf"([a-z]{{3}})(?:-([a-z]{{3}}))? {_CLOCK} ?- ?{_CLOCK}")


def weekday(at: int) -> Weekday:
    return list(Weekday)[(at - _MONDAY_MS) // DAY_MS % 7]


class Sessions:
    """The trading hours of one symbol.

    :param texts: ``sun 22:05 - fri 21:55`` is one span over several days, ``mon-fri 09:00-17:30`` one span on each;
        none at all is always open
    :raises ValueError: a text of neither form
    """

    def __init__(self, texts: Sequence[str]) -> None:
        week = _merged([span for text in texts for span in _parsed(text)])
        always = not week or week[-1][1] - week[0][0] >= WEEK_MS
        self._spans = [] if always else [(a + n * WEEK_MS, b + n * WEEK_MS) for n in (-2, -1, 0) for a, b in week]
        self._starts = [start for start, _ in self._spans]

    def is_open(self, at: int) -> bool:
        moment = (at - _MONDAY_MS) % WEEK_MS
        return not self._spans or moment < self._spans[bisect_right(self._starts, moment) - 1][1]

    def opening(self, at: int) -> tuple[int, int]:
        """When the latest session began, and how long the market was closed before it, both ms; (0, 0) is never."""
        if not self._spans:
            return 0, 0
        moment = (at - _MONDAY_MS) % WEEK_MS
        found = bisect_right(self._starts, moment) - 1
        start = self._spans[found][0]
        return at - moment + start, start - self._spans[found - 1][1]


def _parsed(text: str) -> list[tuple[int, int]]:
    """Spans as ms since Monday 00:00; one that runs over Sunday midnight ends after the week."""
    said = text.strip().lower()
    if found := _SPAN.fullmatch(said):
        first, last = _moment(*found.groups()[:3], text=text), _moment(*found.groups()[3:], text=text)
        return [(first, last if last > first else last + WEEK_MS)]
    if found := _DAILY.fullmatch(said):
        first_day, last_day = found[1], found[2] or found[1]
        day, end = _day(first_day, text), _day(last_day, text)
        days = [n % 7 for n in range(day, (end if end >= day else end + 7) + 1)]
        opens, closes = (_moment("mon", found[n], found[n + 1], text=text) for n in (3, 5))
        if closes <= opens:
            raise ValueError(f"session {text!r} ends before it begins; over midnight write: sun 22:00 - mon 21:00")
        return [(n * DAY_MS + opens, n * DAY_MS + closes) for n in days]
    raise ValueError(f"session {text!r}: expected 'sun 22:05 - fri 21:55' or 'mon-fri 09:00-17:30'")


def _day(name: str, text: str) -> int:
    if name not in _DAYS:
        raise ValueError(f"session {text!r}: no day {name!r}; there are {', '.join(_DAYS)}")
    return _DAYS[name]


def _moment(day: str, hour: str, minute: str, *, text: str) -> int:
    minutes = int(hour) * 60 + int(minute)
    if minutes > 24 * 60:
        raise ValueError(f"session {text!r}: the day ends at 24:00")
    return _day(day, text) * DAY_MS + minutes * MINUTE_MS


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, touching ones joined; the last may reach into the next week, up to where the first begins."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    while len(found) > 1 and found[-1][1] - WEEK_MS >= found[0][0]:
        first = found.pop(0)
        found[-1] = (found[-1][0], max(found[-1][1], first[1] + WEEK_MS))
    return found
