"""MQL5 programs, compiled and run: what the language promises, and how a program begins and ends."""

import signal
import time
from pathlib import Path

import pytest
from tests.native.building import ROOT, SCRIPTS, Build

TESTS = sorted(SCRIPTS.glob("Test*.mq5"))
EXAMPLES = ROOT / "mql5" / "runner" / "examples"

LINES = {
    1: "13: runtime error: array out of range (index 3, size 3)",
    2: "15: runtime error: invalid pointer access (NULL)",
}
LINES |= {3: "20: runtime error: invalid pointer access (the object was deleted)", 4: "23: runtime error: zero divide"}
LINES |= {5: "25: runtime error: array out of range (index -1, size 2)"}


@pytest.mark.parametrize("script", TESTS, ids=[t.stem for t in TESTS])
def test_every_check_of_the_mql5_tests_holds(build: Build, script: Path) -> None:
    program = build(script)
    program.lend()
    ran = program.run()
    assert (ran.code, ran.err) == (0, ""), ran
    assert ran.out[-1].startswith("all "), "\n".join(ran.out)
    assert ran.out[-1].endswith(" checks hold")
    assert not [line for line in ran.out if "not checked" in line]


@pytest.mark.parametrize("which", LINES)
def test_a_runtime_error_ends_the_program_with_its_line(build: Build, which: int) -> None:
    ran = build("Endings").run("--set", f"Which={which}")
    assert ran.code == 70
    assert ran.out == []
    assert f"Endings.mq5:{LINES[which]}" in ran.err


def test_objects_that_nobody_deleted_are_told(build: Build) -> None:
    ran = build("Endings").run("--set", "Which=6")
    assert (ran.code, ran.out, ran.err) == (0, ["the end"], "1 undeleted object of class CThing left\n")


def test_an_expert_begins_ticks_and_ends(build: Build) -> None:
    ran = build(EXAMPLES / "Hello.mq5").run("--set", "Tone=MOOD_LOUD", "--set", "Greeting=ようこそ", "--set", "Times=2")
    assert ran.code == 0
    assert ran.out[0] == "ようこそ 2 MOOD_LOUD 5000000000 OnInit"
    assert ran.out[-3:] == ["timer 1", "timer 2", "goodbye 0"]


@pytest.mark.parametrize(
    ("given", "said"),
    [("Tims=3", "no input Tims; there are: Big Greeting Times Tone"), ("Times=three", "input Times cannot be 'three'")],
)
def test_an_input_that_is_wrong_is_refused(build: Build, given: str, said: str) -> None:
    ran = build(EXAMPLES / "Hello.mq5").run("--set", given)
    assert ran.code == 2
    assert said in ran.err


def test_timer_events_that_fell_due_meanwhile_are_not_queued(build: Build) -> None:
    ran = build("Slow").run()
    assert ran.code == 0
    assert int(ran.out[0].removeprefix("four events in ms ")) >= 40


def test_sigterm_is_a_terminal_that_closes(build: Build) -> None:
    process = build("Busy").start()
    assert process.stdout is not None
    assert [process.stdout.readline(), process.stdout.readline()] == ["init\n", "timer\n"]
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "deinit 9\n", "")


def test_a_program_that_does_not_end_is_ended(build: Build) -> None:
    process = build("Busy").start("--set", "Deaf=true")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 71
    assert "abnormal termination" in err
    assert time.monotonic() - begun > 5
