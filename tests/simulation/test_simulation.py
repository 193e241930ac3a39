"""The product's own code in worlds where everything goes wrong: nothing lost, nothing doubled, nothing wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.simulation.mutants import MUTANTS, Mutant, removed
from tests.simulation.run import run_seed

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", range(1, 11))
def test_whatever_goes_wrong_each_command_is_executed_once_and_its_end_is_known(seed: int) -> None:
    report = run_seed(seed)
    assert (report.lost, report.doubled, report.wrong) == ([], [], []), f"make sim SEEDS=1 FIRST={seed}"
    assert report.commands
    assert report.false_alerts == 0


@pytest.mark.parametrize("seed", [5, 6, 12, 20])
def test_what_an_overtaken_exit_opens_on_a_netting_account_is_taken_back_once(seed: int) -> None:
    report = run_seed(seed, chaos_s=90, netting=True, blind=True)
    assert (report.lost, report.doubled, report.wrong) == ([], [], [])
    assert report.kinds["overtaken"]


def test_without_faults_everything_is_fresh_and_nothing_is_paged() -> None:
    report = run_seed(7, chaos_s=120, weights={}, loss=0.0)
    assert report.clean
    assert (report.pages, report.false_alerts, report.kills) == (0, 0, 0)
    assert report.fresh_s > 100


def test_the_same_seeds_give_the_same_line_byte_for_byte() -> None:
    def line(hash_seed: str) -> bytes:
        env = {"PYTHONPATH": f"{ROOT}/src:{ROOT}", "PYTHONHASHSEED": hash_seed, "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-m", "tests.simulation", "--seeds", "2", "--first", "21"]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=True, timeout=50).stdout

    assert line("1") == line("2")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_rule_that_is_removed_is_missed(mutant: Mutant) -> None:
    if mutant.scene is not None:
        assert mutant.scene(), "the rule does not even hold where it is there"
        with removed(mutant):
            assert not mutant.scene()
        return
    how = {"chaos_s": 60.0, "every_s": 5.0, "weights": mutant.weights or None, **mutant.options}
    with removed(mutant):
        for seed in range(1, 13):
            report = run_seed(seed, **how)  # type: ignore[arg-type]
            if not report.clean or report.false_alerts:
                return
    pytest.fail(f"{mutant.name} is not missed by twelve seeds")
