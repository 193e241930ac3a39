"""The hub's orders on a terminal in a session: the same signals, orders and fills as over any other executor."""

import sys
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from bridgeroom import BridgeRoom, bridge_room
from room import Room, room

from kakehashi.client.mt5 import AsyncTerminal
from kakehashi.terminal.ea import EaConfig, MockEa
from kakehashi.terminal.session import SessionBroker

__all__ = ["room"]


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[BridgeRoom]:
    folder = tmp_path / "bridge"
    folder.mkdir()
    async with bridge_room(folder) as bridge:
        yield bridge


@pytest.fixture
async def executor(room: Room, bridge: BridgeRoom, tmp_path: Path) -> AsyncIterator[MockEa]:
    """An executor of the hub's account whose terminal is a session of the bridge."""
    async with AsyncTerminal(bridge.base, bridge.token, await bridge.create(1001)) as terminal:

        async def call(name: str, params: Mapping[str, Any]) -> tuple[Any, tuple[int, str]]:
            return await terminal.command(name, **params), terminal.last_error

        config = EaConfig(
            base_url="http://hub", token=room.tokens["ea"], account="demo", socket="", journal=tmp_path / "ea.jsonl"
        )
        ea = MockEa(config, SessionBroker(call), room.http)
        try:
            await ea.login()
            await ea.report()
            yield ea
        finally:
            ea.close()


async def test_an_alert_is_filled_in_a_session_and_its_exit_too(
    room: Room, bridge: BridgeRoom, executor: MockEa
) -> None:
    (entry,) = await room.ordered("LONG", "in")
    await executor.turn()
    bought = await room.order(entry)
    (deal,) = bridge.deals(1001, bought.magic)
    assert (bought.state, bought.filled_volume, bought.filled_price) == ("FILLED", deal.volume, deal.price)
    (exit_,) = await room.ordered("CLOSE", "out")
    await executor.turn()
    assert (await room.order(exit_)).state == "FILLED"
    book = bridge.broker.find("1001")
    assert book is not None
    assert book.positions == {}


async def test_an_order_whose_answer_is_lost_on_the_way_is_filled_once(
    room: Room, bridge: BridgeRoom, executor: MockEa
) -> None:
    bridge.faults(lose_answer=1.0)
    (entry,) = await room.ordered("LONG", "in")
    await executor.turn()
    bought = await room.order(entry)
    assert bought.state == "FILLED"
    assert [d.volume for d in bridge.deals(1001, bought.magic)] == [bought.filled_volume]


async def test_what_the_session_shows_of_an_account_reaches_the_hub(
    room: Room, bridge: BridgeRoom, executor: MockEa
) -> None:
    await room.ordered("LONG", "in")
    await executor.turn()
    (position,) = await room.store.rows("positions")
    assert (position["account"], position["symbol"], position["side"]) == ("demo", "EURUSD", "BUY")
    assert Decimal(position["volume"]) > 0
