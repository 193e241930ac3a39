"""Spoilt texts and bytes for the readers of the EA in MQL5, under sanitizers in the long run."""

import os
import sys

import pytest
from tests.native.building import SCRIPTS, Build, Native

SCRIPT = SCRIPTS / "FuzzReaders.mq5"
FEW = 20_000
MANY = int(os.environ.get("KK_SOAK_INPUTS", "1000000"))


def fuzzed(program: Native, *, seed: int, count: int, shown: bool = False) -> str:
    """The last line of what a run says; the runner's own words are in the failure."""
    program.lend()
    process = program.start("--set", f"Seed={seed}", "--set", f"Count={count}")
    assert process.stdout is not None
    said = [""]
    for line in process.stdout:
        if shown and line.endswith(" inputs\n"):
            print(f"seed {seed}: {line}", end="", file=sys.__stderr__, flush=True)
        said = [*said[-20:], line]
    err = process.stderr.read() if process.stderr else ""
    assert (process.wait(10), err) == (0, ""), "".join([*said, err])
    return said[-1]


@pytest.mark.timeout(600)  # the first one compiles everything once more, with the sanitizers
def test_no_spoilt_input_ends_the_readers_or_is_read_two_ways(build: Build) -> None:
    assert fuzzed(build(SCRIPT), seed=1, count=FEW) == "all 4 checks hold\n"


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_a_million_spoilt_inputs_neither(build: Build, seed: int) -> None:
    assert fuzzed(build(SCRIPT, san=True), seed=seed, count=MANY // 4, shown=True) == "all 4 checks hold\n"
