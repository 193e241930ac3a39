"""A built MQL5 program, and what running it came to."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

ROOT: Final = Path(__file__).parents[2]
EXPERT: Final = ROOT / "mql5" / "Experts" / "Kakehashi" / "KakehashiEA.mq5"
SCRIPTS: Final = ROOT / "mql5" / "Scripts" / "Tests"
PROGRAMS: Final = Path(__file__).parent / "programs"
COUNTED: Final = Path(os.environ["KK_NATIVE_COV"]).resolve() if "KK_NATIVE_COV" in os.environ else None
"""Where the programs go whose lines are counted (``make ea-coverage``)."""


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

    def lend(self, golden: Path = ROOT / "contracts" / "golden") -> None:
        """The golden data, where the scripts look for it."""
        files = self.data / "MQL5" / "Files"
        files.mkdir(parents=True)
        (files / "golden").symlink_to(golden)

    def run(self, *arguments: str) -> Ran:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=30)
        return Ran(process.returncode, out.splitlines(), err)


class Build(Protocol):
    """Makes a program of a source file, or of the one in ``programs`` that has this name.

    ``san``: with the sanitizers, also where the others are built without them
    """

    def __call__(self, source: str | Path, *, san: bool = False) -> Native: ...
