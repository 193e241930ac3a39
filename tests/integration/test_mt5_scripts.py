"""Scripts written for the MetaTrader5 package, each unchanged in a process of its own on the simulated one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "en" / "simulated-metatrader5.md"
SCRIPTS = sorted((Path(__file__).parents[1] / "scripts_mt5").glob("*.py"))
RUN = (
    "import sys, runpy, kakehashi.terminal.metatrader5 as mt5;"
    "sys.modules['MetaTrader5'] = mt5; runpy.run_path(sys.argv[1], run_name='__main__')"
)


def run(script: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("KAKEHASHI_")}
    return subprocess.run(
        [sys.executable, "-c", RUN, str(script)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=50,
        env={**clean, **env},
        check=False,
    )


def test_there_are_at_least_25_scripts() -> None:
    assert len(SCRIPTS) >= 25


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_a_script_runs_unchanged(script: Path) -> None:
    done = run(script)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def test_the_examples_of_the_page_work(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPTS[0].read_text("utf-8"), "utf-8")
    for example in re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        done = subprocess.run(
            [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{example}\n{done.stderr}"
