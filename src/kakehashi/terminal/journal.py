"""What an EA remembers of the commands it was given, so that one delivered twice is executed once (law 5)."""

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import msgspec

from kakehashi.terminal.mailbox import Done


class Step(StrEnum):
    INTENT = "INTENT"
    """Taken, nothing sent to the broker."""
    SENT = "SENT"
    """About to be sent: whether the broker acted is for the broker to say."""
    RESULT = "RESULT"
    ACKED = "ACKED"
    """The hub has the result."""
    REPORTED = "REPORTED"
    """No command: the deals up to ``deal`` were reported."""


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    :ivar planned: lots that the command set out to trade, fixed before the first send
    """

    id: str
    step: Step
    planned: Decimal | None = None
    result: Done | None = None
    deal: int = 0


class ExecutionJournal:
    """An append-only file of JSON lines, each flushed before the step it announces.

    No fsync: it outlives the process, not a power cut, after which the broker is asked by magic anyway.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._notes: dict[str, Note] = {}
        self.reported_deal = 0
        self._load(path)
        self._file: BinaryIO = path.open("ab")

    def known(self, command_id: str) -> Note | None:
        return self._notes.get(command_id)

    def unacknowledged(self) -> list[Done]:
        """Results the hub has not confirmed, oldest first."""
        return [n.result for n in self._notes.values() if n.step is Step.RESULT and n.result is not None]

    def resting(self) -> dict[str, Done]:
        """By command id the results that were "placed": orders that may rest still."""
        return {n.id: n.result for n in self._notes.values() if n.result is not None and n.result.status == "placed"}

    def write(self, note: Note) -> None:
        self._file.write(msgspec.json.encode(note) + b"\n")
        self._file.flush()
        self._keep(note)

    def close(self) -> None:
        self._file.close()

    def _keep(self, note: Note) -> None:
        if note.step is Step.REPORTED:
            self.reported_deal = note.deal
            return
        before = self._notes.get(note.id)
        if before is not None:  # a later step says only what is new
            note = msgspec.structs.replace(
                note,
                planned=note.planned if note.planned is not None else before.planned,
                result=note.result or before.result,
            )
        self._notes[note.id] = note

    def _load(self, path: Path) -> None:
        if not path.exists():
            return
        content = path.read_bytes()
        end = content.rfind(b"\n") + 1
        for line in content[:end].splitlines():
            self._keep(msgspec.json.decode(line, type=Note))
        if end < len(content):  # torn by a kill: the step it announced never began
            with path.open("r+b") as file:
                file.truncate(end)
