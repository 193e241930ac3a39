"""Keeps role processes alive: starts them, restarts them with back-off, drains them on stop.

The parent holds the listening sockets and hands them down, so a restart of the hub refuses no alert: the kernel keeps the
connections until the next hub accepts them.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from typing import IO

import msgspec
import structlog

log = structlog.get_logger("supervise")

BACKOFF_S = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_S = 10.0
"""A role that lived this long starts its back-off anew."""
DRAIN_S = 10.0


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """One process to keep.

    :ivar once: further arguments of its first start only
    :ivar fds: descriptors it inherits under the same numbers
    """

    name: str
    argv: tuple[str, ...]
    once: tuple[str, ...] = ()
    fds: tuple[int, ...] = ()
    env: dict[str, str] = {}


class Supervisor:
    """Runs roles until :meth:`stop`. ``pids`` says who is who."""

    def __init__(
        self, roles: Sequence[Role], *, env: Mapping[str, str] | None = None, stderr: IO[bytes] | None = None
    ) -> None:
        """:param stderr: where the roles' talk goes; None is where ours goes"""
        self._stderr = stderr
        self._roles = tuple(roles)
        self._env = dict(os.environ if env is None else env)
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self.restarts: dict[str, int] = {}

    @property
    def pids(self) -> dict[str, int]:
        return {name: p.pid for name, p in self._processes.items() if p.returncode is None}

    async def run(self) -> None:
        """Until stopped; each role has its own loop."""
        async with asyncio.TaskGroup() as tasks:
            for role in self._roles:
                tasks.create_task(self._keep(role))

    async def stop(self) -> None:
        """Ask every role to finish, and kill what has not after ten seconds."""
        self._stopping.set()
        for process in self._processes.values():
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)

    def restart(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End one role's process; its loop starts the next."""
        process = self._processes.get(name)
        if process is not None and process.returncode is None:
            process.send_signal(how)

    async def _keep(self, role: Role) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                *(*role.argv, *(() if role.name in self.restarts else role.once)),
                env={**self._env, **role.env},
                pass_fds=role.fds,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._stderr,
                stderr=self._stderr,
            )
            self._processes[role.name] = process
            log.info("role_started", role=role.name, pid=process.pid)
            code = await self._ended(process)
            if self._stopping.is_set():
                return
            failures = 0 if time.monotonic() - began > STEADY_S else failures + 1
            delay_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            self.restarts[role.name] = self.restarts.get(role.name, 0) + 1
            log.warning("role_ended", role=role.name, exit_code=code, restart_in_s=delay_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            try:
                await asyncio.wait_for(asyncio.shield(ended), DRAIN_S)
            except TimeoutError:
                process.kill()
        return await ended
