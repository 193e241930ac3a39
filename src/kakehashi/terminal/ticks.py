"""Recorded ticks: read as they are needed, played back at the pace they were recorded at, or faster."""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, TextIO

import msgspec

from kakehashi.terminal.clock import PlayedClock
from kakehashi.terminal.parquet import COLUMNS, ParquetRows, Row, is_parquet

HEADER: Final = ",".join(COLUMNS)


class RecordedTick(msgspec.Struct, frozen=True):
    """One line or row of a recording; ``symbol`` is the broker's name of it, without any account's suffix."""

    at: int
    symbol: str
    bid: Decimal
    ask: Decimal
    line: int


class Recording:
    """Columns ``time_ms,symbol,bid,ask`` in order of time: a CSV file, with or without that header, or a Parquet file.

    :param after: ticks up to this time are passed over: a broker that is started again goes on where it was
    :ivar begins: the time of the first tick to play; where all have been played, ``after``
    :raises ValueError: there is no tick in it, or (here and while it is read) file and line of what is wrong
    """

    def __init__(self, path: Path, *, after: int = 0) -> None:
        self._rows = ParquetRows(path) if is_parquet(path) else _CsvRows(path)
        try:
            self._ticks = self._read(after)
            self._first = next(self._ticks, None)
            if self._first is None and not after:
                raise ValueError(f"{path}: no ticks")
        except ValueError:
            self.close()
            raise
        self.begins = self._first.at if self._first else after

    def __iter__(self) -> Iterator[RecordedTick]:
        if self._first:
            yield self._first
        yield from self._ticks

    def close(self) -> None:
        self._rows.close()

    def wrong(self, line: int, what: str) -> ValueError:
        return self._rows.wrong(line, what)

    def _read(self, after: int) -> Iterator[RecordedTick]:
        last = 0
        for number, at, symbol, bid, ask in self._rows:
            if at < last:
                raise self.wrong(number, f"time {at} is before {last}: ticks must be in order")
            last = at
            if at > after:
                yield RecordedTick(at, symbol, bid, ask, number)


class _CsvRows:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO = path.open(encoding="utf-8", newline="")

    def __iter__(self) -> Iterator[Row]:
        try:
            for number, text in enumerate(self._file, 1):
                said = text.strip()
                if said and not (number == 1 and said == HEADER):
                    yield self._parsed(number, said)
        except UnicodeDecodeError as e:
            raise ValueError(f"{self._path}: not UTF-8: {e}") from None

    def close(self) -> None:
        self._file.close()

    def wrong(self, line: int, what: str) -> ValueError:
        return ValueError(f"{self._path}:{line}: {what}")

    def _parsed(self, number: int, said: str) -> Row:
        fields = said.split(",")
        if len(fields) != 4:
            raise self.wrong(number, f"expected {HEADER}, got {said[:80]!r}")
        try:
            at, bid, ask = int(fields[0]), Decimal(fields[2]), Decimal(fields[3])
        except (ValueError, InvalidOperation):
            raise self.wrong(number, f"expected {HEADER} as numbers, got {said[:80]!r}") from None
        if not (bid.is_finite() and ask.is_finite() and at > 0):
            raise self.wrong(number, f"expected a time and prices above 0, got {said[:80]!r}")
        return number, at, fields[1], bid, ask


class Pace:
    """When each tick is due: its time since the first, divided by ``speed``."""

    def __init__(self, first_at: int, speed: float) -> None:
        self._first_at = first_at
        self._speed = speed
        self._began = time.monotonic()

    def left_s(self, at: int) -> float:
        """Seconds until it is due; 0 or less where that has passed."""
        return self._began + (at - self._first_at) / 1000 / self._speed - time.monotonic()


class Playback:
    """A recording as the clock and the prices of a server that moves when somebody looks.

    :param speed: how many times faster than it was recorded
    """

    def __init__(self, recording: Recording, speed: float) -> None:
        self.clock = PlayedClock(recording.begins)
        self._recording, self._pace = recording, Pace(recording.begins, speed)
        self._ticks = iter(recording)
        self._next = next(self._ticks, None)

    def play(self, hear: Callable[[str, Decimal, Decimal, int], None]) -> None:
        """Let every tick that is due be heard; behind the last one prices stand.

        :raises ValueError: file and line of what is wrong
        """
        while (tick := self._next) is not None and self._pace.left_s(tick.at) <= 0:
            self.clock.at = tick.at
            try:
                hear(tick.symbol, tick.bid, tick.ask, tick.at)
            except ValueError as e:
                raise self._recording.wrong(tick.line, str(e)) from None
            self._next = next(self._ticks, None)
