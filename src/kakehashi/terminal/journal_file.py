"""The file of an EA's journal: opened without sharing for the EA's whole life, flushed line by line.

No fsync, as the terminal's FileFlush is none: it outlives the process. What a power cut takes is noticed by the missing
CLEAN line and the chain (PROTOCOL R2).
"""

import os
import sys
from pathlib import Path
from typing import BinaryIO

from kakehashi.domain.errors import Rejected


class LockedFile:
    """A journal that only this process may write.

    :raises Rejected: JOURNAL_HELD: another EA has it
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = self._open(path)

    def _open(self, path: Path) -> BinaryIO:
        file: BinaryIO = path.open("a+b", buffering=0)
        if not (_lock(file) and os.path.samestat(os.fstat(file.fileno()), path.stat())):
            file.close()
            raise Rejected(
                "JOURNAL_HELD",
                f"{path} belongs to an EA that is running",
                hint="one EA for each account: stop the other one, or give this one another account",
                value=str(path),
            )
        return file

    def read(self) -> bytes:
        """:raises Rejected: NOT_A_JOURNAL: lines begin with their number, others belong to something else"""
        raw = self._path.read_bytes()
        if raw and not raw[:1].isdigit():
            raise Rejected("NOT_A_JOURNAL", f"{self._path} is not a journal of the link", value=str(self._path))
        return raw

    def append(self, raw: bytes) -> None:
        """The system has it when this returns: there is no buffer of ours.

        :raises OSError: it may be there in part
        """
        written = self._file.write(raw)
        if written != len(raw):
            raise OSError(f"{self._path}: {written} of {len(raw)} bytes were written")

    def cut(self, size: int) -> None:
        """What is cut goes to ``<name>.torn``, after what was cut before."""
        torn = self.read()[size:]
        with self._path.with_name(self._path.name + ".torn").open("ab") as copy:
            copy.write(torn + b"\n")
            copy.flush()
            os.fsync(copy.fileno())
        self._file.truncate(size)

    def replace(self, raw: bytes) -> None:
        """A copy takes the place: whatever happens, one of the two is there.

        :raises OSError: the old one still is
        :raises Rejected: JOURNAL_HELD: another EA was quicker
        """
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.unlink(missing_ok=True)
        with fresh.open("xb") as copy:
            copy.write(raw)
            copy.flush()
            os.fsync(copy.fileno())
        if sys.platform == "win32":  # an open file cannot be replaced there
            self._file.close()
            fresh.replace(self._path)
            self._file = self._open(self._path)
        else:
            held = self._open(fresh)
            fresh.replace(self._path)
            self._file.close()
            self._file = held

    def close(self) -> None:
        self._file.close()


if sys.platform == "win32":
    import msvcrt

    _FAR = 0x7FFF_0000
    """A locked byte cannot be read by others: one that the file will never reach."""

    def _lock(file: BinaryIO) -> bool:
        file.seek(_FAR)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(file: BinaryIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
