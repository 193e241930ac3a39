"""Where an EA can be made to die, as by ``kill -9``: at every step of a command's way through it (PROTOCOL section 6).

A result and its outbox row are one line of the journal, so there is no point between the two.
"""

import os
import signal
from enum import StrEnum
from typing import Final

import msgspec

from kakehashi.terminal.shell import JournalFile


class Point(StrEnum):
    BEFORE_INTENT = "before-intent"
    """The command arrived, nothing is written."""
    AFTER_INTENT = "after-intent"
    """It is in the journal, the hub has no ACK."""
    AFTER_SENT = "after-sent"
    """OrderSend is about to be called."""
    IN_ORDER_SEND = "in-order-send"
    """The request has left, its answer is not there."""
    AFTER_RESULT = "after-result"
    """The answer is there, and on no record."""
    AFTER_OUTBOX = "after-outbox"
    """Result and outbox row are written, the hub was not told."""


_BEFORE: Final = {"INTENT": Point.BEFORE_INTENT, "TOLD": Point.AFTER_RESULT}
_AFTER: Final = {"INTENT": Point.AFTER_INTENT, "SENT": Point.AFTER_SENT, "TOLD": Point.AFTER_OUTBOX}


class Fate(msgspec.Struct, kw_only=True):
    """Dies at the ``nth`` time it comes to ``point``."""

    point: Point
    nth: int = 1

    def reached(self, point: Point) -> None:
        if point is self.point:
            self.nth -= 1
            if self.nth == 0:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # Windows: both end it at once

    def in_order_send(self) -> None:
        self.reached(Point.IN_ORDER_SEND)


class DyingFile:
    """A journal file whose EA dies beside one of its lines."""

    def __init__(self, file: JournalFile, fate: Fate) -> None:
        self._file, self._fate = file, fate

    def read(self) -> bytes:
        return self._file.read()

    def append(self, raw: bytes) -> None:
        kind = _kind(raw)
        if kind in _BEFORE:
            self._fate.reached(_BEFORE[kind])
        self._file.append(raw)
        if kind in _AFTER:
            self._fate.reached(_AFTER[kind])

    def cut(self, size: int) -> None:
        self._file.cut(size)

    def replace(self, raw: bytes) -> None:
        self._file.replace(raw)


class _Kind(msgspec.Struct):
    k: str


def _kind(raw: bytes) -> str:
    """Which note a line holds."""
    return msgspec.json.decode(raw.split(b" ", 3)[3], type=_Kind).k
