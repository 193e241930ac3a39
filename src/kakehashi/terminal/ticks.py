"""Recorded ticks: read line by line, played back at the pace they were recorded at, or faster."""

import time
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, TextIO

import msgspec

HEADER: Final = "time_ms,symbol,bid,ask"


class RecordedTick(msgspec.Struct, frozen=True):
    """One line of a recording; ``symbol`` is the broker's name of it, without any account's suffix."""

    at: int
    symbol: str
    bid: Decimal
    ask: Decimal
    line: int


class Recording:
    """A CSV file ``time_ms,symbol,bid,ask`` in order of time, with or without that header.

    :param after: ticks up to this time are passed over: a broker that is started again goes on where it was
    :ivar begins: the time of the first tick to play; where all have been played, ``after``
    :raises ValueError: there is no tick in it, or (here and while it is read) file and line of what is wrong
    """

    def __init__(self, path: Path, *, after: int = 0) -> None:
        self.path = path
        self._file: TextIO = path.open(encoding="utf-8", newline="")
        try:
            self._ticks = self._read(after)
            self._first = next(self._ticks, None)
            if self._first is None and not after:
                raise ValueError(f"{path}: no ticks")
        except ValueError:
            self._file.close()
            raise
        self.begins = self._first.at if self._first else after

    def __iter__(self) -> Iterator[RecordedTick]:
        if self._first:
            yield self._first
        yield from self._ticks

    def close(self) -> None:
        self._file.close()

    def wrong(self, line: int, what: str) -> ValueError:
        return ValueError(f"{self.path}:{line}: {what}")

    def _read(self, after: int) -> Iterator[RecordedTick]:
        last = 0
        try:
            for number, text in enumerate(self._file, 1):
                said = text.strip()
                if not said or (number == 1 and said == HEADER):
                    continue
                tick = self._parsed(number, said)
                if tick.at < last:
                    raise self.wrong(number, f"time {tick.at} is before {last}: ticks must be in order")
                last = tick.at
                if tick.at > after:
                    yield tick
        except UnicodeDecodeError as e:
            raise ValueError(f"{self.path}: not UTF-8: {e}") from None

    def _parsed(self, number: int, said: str) -> RecordedTick:
        fields = said.split(",")
        if len(fields) != 4:
            raise self.wrong(number, f"expected {HEADER}, got {said[:80]!r}")
        try:
            at, bid, ask = int(fields[0]), Decimal(fields[2]), Decimal(fields[3])
        except (ValueError, InvalidOperation):
            raise self.wrong(number, f"expected {HEADER} as numbers, got {said[:80]!r}") from None
        if not (bid.is_finite() and ask.is_finite() and at > 0):
            raise self.wrong(number, f"expected a time and prices above 0, got {said[:80]!r}")
        return RecordedTick(at, fields[1], bid, ask, number)


class Pace:
    """When each tick is due: its time since the first, divided by ``speed``."""

    def __init__(self, first_at: int, speed: float) -> None:
        self._first_at = first_at
        self._speed = speed
        self._began = time.monotonic()

    def left_s(self, at: int) -> float:
        """Seconds until it is due; 0 or less where that has passed."""
        return self._began + (at - self._first_at) / 1000 / self._speed - time.monotonic()
