"""Ending a process with everything it started, on any system.

The real terminal is started by the package inside the child and outlives it; on Windows a job object takes it along.
"""

import contextlib
import ctypes
import sys
from pathlib import Path
from typing import Any, Final

import psutil
import structlog

log = structlog.get_logger("sessions")

_KILL_ON_CLOSE: Final = 0x2000
_EXTENDED_LIMITS: Final = 9
_ALL_ACCESS: Final = 0x1F0FFF


def kill_tree(pid: int, *, folder: Path | None = None) -> None:
    """Kill a process, its children, and terminals that run from its own folder. Who is gone already is no error."""
    doomed: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        doomed = [*([] if _is_alone(pid) else process.children(recursive=True)), process]
    if folder is not None:
        doomed += _running_from(folder)
    for each in doomed:
        with contextlib.suppress(psutil.Error):
            each.kill()


def _is_alone(pid: int) -> bool:
    """Whether Linux can say at once that a process has started no other: looking at all there are takes milliseconds."""
    try:
        return not any((task / "children").read_bytes() for task in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False


def _running_from(folder: Path) -> list[psutil.Process]:
    """The portable directory is one session's alone, so whatever runs from it is that session's."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ValueError):
            if (exe := process.exe()) and Path(exe).is_relative_to(folder):
                found.append(process)
    return found


def own_group() -> dict[str, Any]:
    """Options of a process that is started: signals of the bridge's console do not reach it."""
    if sys.platform == "win32":
        return {"creationflags": 0x00000200}  # CREATE_NEW_PROCESS_GROUP
    return {"start_new_session": True}


class Job:
    """A Windows job object: when the bridge dies, however it dies, the system ends every process in it.

    Elsewhere it does nothing: on Linux each child asks the kernel for the same by itself. Not verified on Windows.
    """

    def __init__(self) -> None:
        self._handle: Any = None
        if sys.platform == "win32":
            self._handle = _new_job()

    def take(self, pid: int) -> None:
        if sys.platform == "win32" and self._handle:
            kernel = ctypes.windll.kernel32
            process = ctypes.c_void_p(kernel.OpenProcess(_ALL_ACCESS, False, pid))
            if not process or not kernel.AssignProcessToJobObject(self._handle, process):
                log.warning("job_object_refused", pid=pid)
            if process:
                kernel.CloseHandle(process)


if sys.platform == "win32":

    class _Limits(ctypes.Structure):
        """JOBOBJECT_EXTENDED_LIMIT_INFORMATION of a 64-bit system: the flags at their place, everything else zero."""

        _fields_ = (("times", ctypes.c_int64 * 2), ("flags", ctypes.c_uint32), ("rest", ctypes.c_byte * 124))

    def _new_job() -> Any:
        kernel = ctypes.windll.kernel32
        kernel.CreateJobObjectW.restype = kernel.OpenProcess.restype = ctypes.c_void_p
        handle = kernel.CreateJobObjectW(None, None)
        limits = _Limits(flags=_KILL_ON_CLOSE)
        size = ctypes.sizeof(limits)
        if not kernel.SetInformationJobObject(ctypes.c_void_p(handle), _EXTENDED_LIMITS, ctypes.byref(limits), size):
            log.warning("job_object_limits_refused")
        return ctypes.c_void_p(handle)


def resources(pid: int) -> tuple[int, float]:
    """Resident bytes and seconds of processor time of a process; zeros where it is gone."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return process.memory_info().rss, times.user + times.system
    except psutil.Error:
        return 0, 0.0
