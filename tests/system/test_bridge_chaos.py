"""Sessions under load while their processes are killed and stopped: the broker's own books say whether anything was lost."""

import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.bridge import World, chaos, load  # noqa: E402


def wrong_in(seen: dict[str, Any]) -> dict[str, Any]:
    """What must be nothing and is something; also, that too little happened to prove anything."""
    before, after = seen["files_before_after"]
    found = {name: seen[name] for name in ("doubled", "lost", "invented", "unresolved", "zombies")}
    found["odd answers"] = set(seen["answers"]) - {"200", "OUTCOME_UNKNOWN", "TIMEOUT"}
    found["files left open"] = after > before + 10
    found["too few"] = sum(seen["faults"].values()) <= 5 or seen["orders"] <= 20
    return {name: value for name, value in found.items() if value}


async def test_no_order_is_lost_or_doubled_while_terminals_are_killed_and_stopped(tmp_path: Path) -> None:
    async with World(tmp_path).running() as world:
        seen = await chaos(world, 6, sessions=3)
    assert wrong_in(seen) == {}, seen


async def test_users_over_http_and_websocket_meet_no_error(tmp_path: Path) -> None:
    async with World(tmp_path).running() as world:
        _, *parts = await load(world, 0.7, users=4, sessions=4)
    assert [part["errors"] for part in parts] == [{}] * 6, parts


@pytest.mark.soak
async def test_a_minute_of_chaos_on_ten_sessions(tmp_path: Path) -> None:
    async with World(tmp_path).running() as world:
        seen = await chaos(world, 60, sessions=10)
    assert wrong_in(seen) == {}, seen
    assert seen["over_deadline_s"] < 1


@pytest.mark.soak
async def test_memory_stays_flat_over_commands_and_replaced_terminals(tmp_path: Path) -> None:
    """Few orders: their answers are remembered and fill the store's cache, both up to a limit that is far away here."""
    async with World(tmp_path).running() as world:
        seen = await chaos(world, 120, sessions=10, spared=5, orders=0.002)
    assert wrong_in(seen) == {}, seen
    assert seen["replacement"]["n"] >= 50
    for kind, (halfway, end) in seen["mb_halfway_end"].items():
        assert end < halfway + 4, (kind, seen)
