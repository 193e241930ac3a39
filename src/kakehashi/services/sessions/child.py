"""One terminal process as the bridge holds it: frames in, frames out, one request in flight."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from kakehashi.domain.terminalcalls import HEAD, FromChild, Open, Opened, Ran, Result, Run, frame, from_child, size_of
from kakehashi.services.sessions.trees import Job, kill_tree, own_group
from kakehashi.telemetry import redact

log = structlog.get_logger("sessions")

WORKER: Final = ("-P", "-m", "kakehashi.terminal.worker")
_SECRET_SETTINGS: Final = ("KAKEHASHI_BRIDGE__KEY", "KAKEHASHI_STORE__", "KAKEHASHI_NOTIFY__")
_MOST_SAID: Final = 2_000


class ChildGone(Exception):
    """The process has ended, or what it says is no frame; whatever was in flight was sent and not answered."""


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a terminal process inherits: no key, no store, no address of people to tell."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(_SECRET_SETTINGS)}


class Child:
    """A running terminal process. Made by :meth:`start`."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path | None) -> None:
        self.pid = process.pid
        self.gone = asyncio.Event()
        """Set once nothing more can come from it."""
        self.on_gone: Callable[[], None] = lambda: None
        self.answered = 0
        self._process, self._folder = process, folder
        self._waiting: asyncio.Future[FromChild] | None = None
        self._last_id = 0
        loop = asyncio.get_running_loop()
        self._tasks = (loop.create_task(self._read()), loop.create_task(self._listen()))

    @classmethod
    async def start(cls, job: Job, terminal: str, *, folder: Path | None = None) -> "Child":
        """Start the process; it waits for :meth:`open`.

        :param terminal: ``simulated`` or ``metatrader5``: what it imports meanwhile

        :raises OSError: no process can be started now
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *WORKER,
            terminal,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=child_environment(os.environ),
            limit=1 << 20,
            **own_group(),
        )
        job.take(process.pid)
        return cls(process, folder)

    async def open(self, opening: Open) -> Opened:
        """Let it start its terminal and log in. No time limit of its own.

        :raises ChildGone: it died meanwhile
        """
        answer = await self._ask(frame(opening))
        if not isinstance(answer, Opened):
            raise ChildGone("expected the answer to open")
        return answer

    async def run(self, calls: tuple[tuple[str, dict[str, object], str], ...]) -> tuple[Result, ...]:
        """Call functions of the package. No time limit of its own; after a cancellation the child must be killed.

        :raises ChildGone: it died meanwhile
        """
        self._last_id += 1
        answer = await self._ask(frame(Run(id=self._last_id, calls=calls)))  # type: ignore[arg-type]
        if not isinstance(answer, Ran) or answer.id != self._last_id or len(answer.results) != len(calls):
            raise ChildGone("the answer is another request's")
        self.answered += 1
        return answer.results

    async def kill(self) -> None:
        """End it with its tree, and wait until it is gone from the process table."""
        await asyncio.to_thread(kill_tree, self.pid, folder=self._folder) if self._folder else kill_tree(self.pid)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._end()

    async def close(self, *, within_s: float) -> None:
        """Let it shut its terminal down, and kill what is left after a while."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), within_s)
        await self.kill()

    async def _ask(self, message: bytes) -> FromChild:
        if self.gone.is_set() or self._waiting is not None or self._process.stdin is None:
            raise ChildGone("the terminal process has ended")
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            self._process.stdin.write(message)
            return await self._waiting
        except (ConnectionError, RuntimeError) as e:
            raise ChildGone(repr(e)) from None
        finally:
            self._waiting = None

    async def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101  it was asked for
        try:
            while True:
                body = await stdout.readexactly(size_of(await stdout.readexactly(HEAD)))
                message = from_child(body)
                if self._waiting is not None and not self._waiting.done():
                    self._waiting.set_result(message)
        except asyncio.IncompleteReadError:
            pass
        except (ValueError, ConnectionError) as e:  # msgspec's errors are ValueErrors
            log.error("session_bad_frame", pid=self.pid, error=repr(e)[:200])
        finally:
            self._end()

    async def _listen(self) -> None:
        """What libraries print goes to the log; it may never block the child."""
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101  it was asked for
        with contextlib.suppress(ConnectionError):
            while said := await stderr.read(65_536):
                text = said[-_MOST_SAID:].decode("utf-8", "replace").strip()
                log.info("terminal_said", pid=self.pid, text=redact(text))

    def _end(self) -> None:
        self.gone.set()
        self.on_gone()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ChildGone("the terminal process has ended"))
