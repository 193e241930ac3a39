"""One terminal process as the bridge holds it: frames in, frames out, one request in flight."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import structlog

from kakehashi.domain.terminalcalls import (
    HEAD,
    Format,
    FromChild,
    Open,
    Opened,
    Ran,
    Result,
    Run,
    frame,
    from_child,
    size_of,
)
from kakehashi.services.sessions.trees import Job, kill_tree, own_group
from kakehashi.telemetry import redact

log = structlog.get_logger("sessions")

WORKER: Final = ("-P", "-m", "kakehashi.terminal.worker")
_SECRET_SETTINGS: Final = ("KAKEHASHI_BRIDGE__KEY", "KAKEHASHI_STORE__", "KAKEHASHI_NOTIFY__")
_MOST_SAID: Final = 2_000
STDOUT: Final = 1
STDERR: Final = 2


class ChildGone(Exception):
    """The process has ended, or what it says is no frame; whatever was in flight was sent and not answered."""


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a terminal process inherits: no key, no store, no address of people to tell."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(_SECRET_SETTINGS)}


class Child(asyncio.SubprocessProtocol):
    """A running terminal process. Made by :meth:`start`. It has no tasks: what comes goes straight to whoever waits."""

    def __init__(self, folder: Path | None) -> None:
        self.pid = 0
        self.gone = asyncio.Event()
        """Set once nothing more can come from it."""
        self.on_gone: Callable[[], None] = lambda: None
        self.answered = 0
        self._folder = folder
        self._ended = asyncio.Event()
        self._begun = bytearray()
        self._waiting: asyncio.Future[FromChild] | None = None
        self._last_id = 0
        self._process: asyncio.SubprocessTransport
        self._stdin: asyncio.WriteTransport

    @classmethod
    async def start(cls, job: Job, terminal: str, *, folder: Path | None = None) -> "Child":
        """Start the process; it waits for :meth:`open`.

        :param terminal: ``simulated`` or ``metatrader5``: what it imports meanwhile

        :raises OSError: no process can be started now
        """
        _, child = await asyncio.get_running_loop().subprocess_exec(
            lambda: cls(folder),
            sys.executable,
            *WORKER,
            terminal,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=child_environment(os.environ),
            **own_group(),
        )
        job.take(child.pid)
        return child

    async def open(self, opening: Open) -> Opened:
        """Let it start its terminal and log in. No time limit of its own.

        :raises ChildGone: it died meanwhile
        """
        answer = await self._ask(frame(opening), None)
        if not isinstance(answer, Opened):
            raise ChildGone("expected the answer to open")
        return answer

    async def run(
        self, calls: tuple[tuple[str, dict[str, Any], Format], ...], *, within_s: float | None = None
    ) -> tuple[Result, ...]:
        """Call functions of the package. After a cancellation or a TimeoutError the child must be killed.

        :raises ChildGone: it died meanwhile
        :raises TimeoutError: no answer ``within_s``
        """
        self._last_id += 1
        answer = await self._ask(frame(Run(id=self._last_id, calls=calls)), within_s)
        if not isinstance(answer, Ran) or answer.id != self._last_id or len(answer.results) != len(calls):
            raise ChildGone("the answer is another request's")
        self.answered += 1
        return answer.results

    async def kill(self) -> None:
        """End it with its tree, and wait until it is gone from the process table."""
        if self._folder is not None:
            await asyncio.to_thread(kill_tree, self.pid, folder=self._folder)
        elif not self._ended.is_set():
            kill_tree(self.pid)
        await self._ended.wait()
        self._process.close()
        self._end()

    async def close(self, *, within_s: float) -> None:
        """Let it shut its terminal down, and kill what is left after a while."""
        self._stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._ended.wait()
        await self.kill()

    async def _ask(self, message: bytes, within_s: float | None) -> FromChild:
        if self.gone.is_set() or self._waiting is not None:
            raise ChildGone("the terminal process has ended")
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[FromChild] = loop.create_future()
        self._waiting = waiting
        timer = loop.call_later(within_s, _late, waiting) if within_s is not None else None
        try:
            self._stdin.write(message)
            return await waiting
        except (ConnectionError, RuntimeError) as e:
            raise ChildGone(repr(e)) from None
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()

    # -- what the loop tells (asyncio.SubprocessProtocol) ----------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast("asyncio.SubprocessTransport", transport)
        self._stdin = cast("asyncio.WriteTransport", self._process.get_pipe_transport(0))
        self.pid = self._process.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == STDERR:
            # what libraries print goes to the log; it may never block the child
            log.info("terminal_said", pid=self.pid, text=redact(data[-_MOST_SAID:].decode("utf-8", "replace").strip()))
            return
        try:
            if self._begun:
                self._begun += data
                data = bytes(self._begun) if len(self._begun) >= self._wanted() else b""
            self._take(data)
        except ValueError as e:  # msgspec's errors are ValueErrors
            log.error("session_bad_frame", pid=self.pid, error=repr(e)[:200])
            self._end()

    def pipe_connection_lost(self, fd: int, _: Exception | None) -> None:
        if fd == STDOUT:
            self._end()

    def process_exited(self) -> None:
        self._ended.set()

    def _wanted(self) -> int:
        return HEAD + size_of(bytes(self._begun[:HEAD])) if len(self._begun) >= HEAD else HEAD

    def _take(self, data: bytes) -> None:
        """Whole frames to whoever waits; what has only begun is kept.

        :raises ValueError: this is no frame
        """
        if not data:
            return
        while len(data) >= HEAD and len(data) >= (end := HEAD + size_of(data[:HEAD])):
            message = from_child(data[HEAD:end])
            data = data[end:]
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(message)
        self._begun = bytearray(data)

    def _end(self) -> None:
        self.gone.set()
        self.on_gone()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ChildGone("the terminal process has ended"))


def _late(waiting: "asyncio.Future[FromChild]") -> None:
    if not waiting.done():
        waiting.set_exception(TimeoutError())
