"""Portable terminal directories: one for each session of a real terminal, each with its lock file.

A terminal that is started as portable keeps everything beside its program; two sessions in one directory would share an
account. So each session has a copy of the configured installation, made once.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from kakehashi.domain.errors import Rejected, Unavailable

_SESSION: Final = re.compile(r"m-[0-9a-f]{27}")


class Lock(Protocol):
    """A lock file that the operating system lets go of when its process dies."""

    def take(self) -> bool: ...
    def free(self) -> None: ...


class Folders:
    """:param root: holds one directory for each session
    :param program: the installation's terminal64.exe, whose folder is copied
    :param lock: makes the lock of a path
    """

    def __init__(self, root: Path, program: Path, lock: Callable[[Path], Lock]) -> None:
        self._root, self._program, self._lock = root, program, lock
        self._locks: dict[str, Lock] = {}

    def take(self, session: str) -> Path:
        """The session's own program, its directory made and locked. Copies some hundred megabytes the first time.

        :raises Rejected: FOLDER_TAKEN: another bridge holds the directory
        :raises Unavailable: SESSION_FAILED: it cannot be made
        """
        folder = self._root / session
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if session not in self._locks:
                lock = self._lock(self._root / f"{session}.lock")
                if not lock.take():
                    raise Rejected(
                        "FOLDER_TAKEN", f"another bridge uses {folder}", hint="stop it, or give each its own folder"
                    )
                self._locks[session] = lock
            program = folder / self._program.name
            if not program.exists():
                shutil.copytree(self._program.parent, folder, dirs_exist_ok=True)
        except OSError as e:
            raise Unavailable("SESSION_FAILED", f"the terminal's directory {folder}: {e}") from e
        return program

    def let_go(self, session: str, *, remove: bool) -> None:
        """:param remove: the session is deleted: its directory goes too"""
        if lock := self._locks.pop(session, None):
            lock.free()
        if remove:
            shutil.rmtree(self._root / session, ignore_errors=True)

    def sweep(self, known: frozenset[str]) -> list[str]:
        """Remove directories that bear the id of a session which exists no more; their names."""
        gone = []
        for folder in self._root.iterdir() if self._root.is_dir() else ():
            if folder.is_dir() and _SESSION.fullmatch(folder.name) and folder.name not in known:
                lock = self._lock(self._root / f"{folder.name}.lock")
                if lock.take():
                    shutil.rmtree(folder, ignore_errors=True)
                    gone.append(folder.name)
                    lock.free()
        return gone
