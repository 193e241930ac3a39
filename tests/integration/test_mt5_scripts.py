"""Scripts written for the MetaTrader5 package, each unchanged in a process of its own on the simulated one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
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


def test_a_lone_script_plays_a_recording(tmp_path: Path) -> None:
    ticks = tmp_path / "ticks.parquet"
    row = "1790557200000 + range * 1000 AS time_ms, 'EURUSD' AS symbol, 1.1 + range / 1e5 AS bid, bid + 0.0001 AS ask"
    duckdb.sql(f"COPY (SELECT {row} FROM range(100)) TO '{ticks}' (FORMAT parquet)")
    script = tmp_path / "script.py"
    script.write_text(
        "import MetaTrader5 as mt5, time\n"
        "assert mt5.initialize(), mt5.last_error()\n"
        "while (tick := mt5.symbol_info_tick('EURUSD')).time < 1790557299: time.sleep(0.001)\n"
        "print(tick.time_msc, tick.bid, tick.ask, mt5.symbol_info_tick('USDJPY').time)\n"
    )
    done = run(script, KAKEHASHI_MT5_TICKS=str(ticks), KAKEHASHI_MT5_SPEED="500")
    assert done.stdout.split() == ["1790557299000", "1.10099", "1.10109", "1790557200"], done.stderr
    ticks.write_text("1790557200000,EURUSD,1.1,1.1001\n1790557200001,NOPE,1,1\n")
    script.write_text("import MetaTrader5 as mt5\nprint(mt5.initialize(), mt5.last_error())\n")
    assert "-10003" in run(script, KAKEHASHI_MT5_TICKS=str(ticks)).stdout  # by its name it is Parquet, and it is none
    ticks = ticks.rename(tmp_path / "ticks.csv")
    script.write_text(
        "import MetaTrader5 as mt5\nmt5.initialize()\n"
        "while mt5.symbol_info_tick('EURUSD'): pass\n"
        "print(mt5.last_error(), mt5.positions_get(), mt5.last_error())\n"
    )
    told = "(-1, 'Terminal: Call failed, " + f"{ticks}:2: "
    assert run(script, KAKEHASHI_MT5_TICKS=str(ticks)).stdout.count(told) == 2


def test_the_examples_of_the_page_work(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPTS[0].read_text("utf-8"), "utf-8")
    for example in re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        done = subprocess.run(
            [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{example}\n{done.stderr}"
