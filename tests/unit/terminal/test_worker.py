"""A terminal process as the bridge starts it: what it answers is what the package gives, and it does without numpy."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import kakehashi.terminal.metatrader5 as mt5
from kakehashi.domain.terminalcalls import Open
from kakehashi.services.sessions.child import Child
from kakehashi.services.sessions.trees import Job
from kakehashi.terminal.core.bars import Bar, TickRow
from kakehashi.terminal.metatrader5 import plain, tables
from kakehashi.terminal.worker import _called

RATES = {"symbol": "EURUSD", "timeframe": 1, "start_pos": 0, "count": 5}


@pytest.fixture
def package() -> Iterator[Any]:
    mt5.initialize(login=1000)
    yield mt5
    mt5.shutdown()


def test_rows_that_are_passed_on_are_those_of_the_packages_tables() -> None:
    bars = [Bar(60, 1.1, 1.3, 1.0, 1.2, 4, 7), Bar(120, 1.2, 1.25, 1.15, 1.2, 2, 7)]
    ticks = [TickRow(1_500, 1.1, 1.2, 6)]
    assert plain.of_bars(bars).tolist() == tables.of_bars(bars).tolist()
    assert plain.of_ticks(ticks).tolist() == tables.of_ticks(ticks).tolist()
    assert (tables.RATES.names, tables.TICKS.names) == (plain.RATES, plain.TICKS)


def test_named_tuples_become_objects_also_within_each_other_and_rows_columns_where_wanted(package: Any) -> None:
    request = {"action": 1, "symbol": "EURUSD", "volume": 0.01, "type": 0, "type_filling": 1}
    sent = msgspec.json.decode(_called(package, "order_send", {"request": request}, "objects").json)
    assert sent["request"]["symbol"] == "EURUSD"
    (row,) = msgspec.json.decode(_called(package, "positions_get", {}, "objects").json)
    assert row == package.positions_get()[0]._asdict()
    columns = msgspec.json.decode(_called(package, "positions_get", {}, "columns").json)
    assert columns == {name: [value] for name, value in row.items()}
    rates = _called(package, "copy_rates_from_pos", RATES, "columns")
    assert {len(column) for column in msgspec.json.decode(rates.json).values()} == {5}


@pytest.mark.skipif(sys.platform != "linux", reason="reads what a process has mapped")
async def test_a_terminal_process_answers_bars_without_numpy() -> None:
    child = await Child.start(Job(), "simulated")
    try:
        assert (await child.open(Open(login=1000, password="x"))).ok
        (result,) = await child.run((("copy_rates_from_pos", RATES, "objects"),))
        assert len(msgspec.json.decode(result.json)) == 5
        assert "numpy" not in Path(f"/proc/{child.pid}/maps").read_text()
    finally:
        await child.kill()
