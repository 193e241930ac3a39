"""A built MQL5 program, and what running it came to."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PROGRAMS: Final = Path(__file__).parent / "programs"


@dataclass
class Ran:
    """:ivar out: lines of what the program printed; ``err``: what the runner said"""

    code: int
    out: list[str]
    err: str


@dataclass
class Native:
    """One built program and its data folder."""

    program: Path
    data: Path
    started: "list[subprocess.Popen[str]]" = field(default_factory=list)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [str(self.program), "--data", str(self.data), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
        process: subprocess.Popen[str] = subprocess.Popen(command, **pipes)
        self.started.append(process)
        return process

    def end(self) -> None:
        """Kill what a test that failed left behind."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()
        self.started.clear()

    def run(self, *arguments: str) -> Ran:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=30)
        return Ran(process.returncode, out.splitlines(), err)


Build = Callable[[str | Path], Native]
"""Makes a program of a source file, or of the one in ``programs`` that has this name."""
