"""A built MQL5 program, and what running it came to."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
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

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [str(self.program), "--data", str(self.data), *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")

    def run(self, *arguments: str) -> Ran:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=30)
        return Ran(process.returncode, out.splitlines(), err)


Build = Callable[[str | Path], Native]
"""Makes a program of a source file, or of the one in ``programs`` that has this name."""
