"""The bridge's WebSocket: who may, commands and answers, what is pushed, and what becomes of a slow client."""

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from bridgeroom import BUY, BridgeRoom, bridge_room, until

from kakehashi.services.sessions.push import Outbox
from kakehashi.telemetry import redact


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[BridgeRoom]:
    async with bridge_room(tmp_path, **{"bridge.push_s": 0.02}) as room:
        yield room


async def asked(socket: Any, **wish: Any) -> dict[str, Any]:
    """Send a command; its answer, whatever is pushed in between."""
    await socket.send(json.dumps(wish))
    while "event" in (said := await heard(socket)):
        pass
    return said


async def heard(socket: Any) -> dict[str, Any]:
    async with asyncio.timeout(20):
        said: dict[str, Any] = json.loads(await socket.recv())
    return said


async def event(socket: Any, name: str, **fields: Any) -> dict[str, Any]:
    while True:
        said = await heard(socket)
        if said.get("event") == name and all(said.get(k) == v for k, v in fields.items()):
            return said


async def test_the_token_comes_by_header_by_query_or_by_the_first_message(room: BridgeRoom) -> None:
    session = await room.create(1000)
    for options, first in (({}, None), ({"query": f"?token={room.token}"}, None), ({"token": ""}, room.token)):
        async with room.socket(session, **options) as socket:
            if first:
                await socket.send(json.dumps({"token": first}))
            assert (await asked(socket, command="account_info", id="a"))["result"]["login"] == 1000


async def test_a_wrong_token_a_foreign_page_and_another_owner_are_refused(room: BridgeRoom) -> None:
    session = await room.create(1000)
    other, webhook = await room.new_token(), await room.new_token("webhook")
    for options in (
        {"query": "?token=kk_session_x_y"},
        {"query": f"?token={webhook}"},
        {"query": f"?token={room.token}", "origin": "https://evil.example.com"},
    ):
        with pytest.raises(InvalidStatus):
            async with room.socket(session, **options):
                pass
    async with room.socket(session, query=f"?token={other}") as socket:
        assert (await heard(socket))["error"]["code"] == "NOT_FOUND"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    async with room.socket(session, token="") as socket:
        await socket.send(json.dumps({"token": "wrong"}))
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_errors_have_the_same_codes_as_over_http_and_the_commands_id(room: BridgeRoom) -> None:
    session = await room.create(1000)
    async with room.socket(session) as socket:
        for wish, code in (
            ({"command": "nothing"}, "NO_SUCH_COMMAND"),
            ({"command": "login"}, "COMMAND_REFUSED"),
            ({"command": "symbol_info"}, "BAD_PARAMETER"),
            ({"command": "subscribe", "params": {"streams": ["weather"]}}, "BAD_PARAMETER"),
        ):
            said = await asked(socket, id="x", **wish)
            assert (said["id"], said["ok"], said["error"]["code"]) == ("x", False, code)
        await socket.send("{nonsense")
        assert (await heard(socket))["error"]["code"] == "BAD_JSON"


async def test_subscribers_are_told_of_ticks_positions_orders_and_deals(room: BridgeRoom) -> None:
    session = await room.create(1000)
    async with room.socket(session) as socket:
        streams = ["ticks:EURUSD", "positions", "orders"]
        said = await asked(socket, command="subscribe", params={"streams": streams}, id="s")
        assert said["result"] == {"streams": sorted(streams)}
        assert (await event(socket, "tick", symbol="EURUSD"))["tick"]["bid"] > 0
        watch_is_warm = room.bridge.keeper.sessions[session]
        await until(lambda: watch_is_warm.line.queue is not None)
        await room.send(session, "one")
        position = (await event(socket, "position", change="opened"))["position"]
        assert (await event(socket, "deal"))["deal"]["position_id"] == position["identifier"]
        limit = {
            "action": "TRADE_ACTION_PENDING",
            "type": "ORDER_TYPE_BUY_LIMIT",
            "price": 0.9,
            "type_filling": "ORDER_FILLING_RETURN",
        }
        placed = (await room.send(session, "two", **limit)).json()["result"]["order"]
        assert (await event(socket, "order", change="opened"))["order"]["ticket"] == placed
        await room.send(session, "three", action="TRADE_ACTION_REMOVE", order=placed)
        assert (await event(socket, "order", change="closed"))["order"]["ticket"] == placed
        close = {"type": "ORDER_TYPE_SELL", "position": position["ticket"]}
        await room.send(session, "four", **close)
        assert (await event(socket, "position", change="closed"))["position"]["ticket"] == position["ticket"]


async def test_a_replaced_terminal_does_not_end_a_subscription(room: BridgeRoom) -> None:
    session = await room.create(1000)
    async with room.socket(session) as socket:
        await asked(socket, command="subscribe", params={"streams": ["ticks:EURUSD"]})
        await event(socket, "tick")
        child = room.bridge.keeper.sessions[session].line.child
        assert child is not None
        await child.kill()
        room.broker.market.pin("EURUSD", Decimal("1.2"), Decimal("1.2001"), room.bridge.clock.now_ms())
        while (await event(socket, "tick"))["tick"]["bid"] != 1.2:
            pass


async def test_a_revoked_token_closes_its_sockets(room: BridgeRoom) -> None:
    from kakehashi.services import desk

    session = await room.create(1000)
    async with room.socket(session) as socket:
        await asked(socket, command="version")
        ident = room.token.split("_")[2]
        await desk.revoke_token(room.store, ident, by="test", at=room.bridge.clock.now_ms())
        with pytest.raises(ConnectionClosed):
            await heard(socket)


async def test_an_outbox_keeps_every_event_and_the_latest_tick_and_says_when_it_is_too_much() -> None:
    box = Outbox(3)
    for n in range(5):
        box.tick("EURUSD", b"tick %d" % n)
    box.event(b"one")
    box.event(b"two")
    await box.news()
    assert box.take() == [b"one", b"two", b"tick 4"]
    for n in range(6):
        box.event(b"%d" % n)
    frames = box.take()
    assert frames[:3] == [b"0", b"1", b"2"]
    assert json.loads(frames[3])["event"] == "overflow"
    assert box.overflowed


async def test_a_client_that_does_not_read_is_told_and_disconnected(tmp_path: Path) -> None:
    async with bridge_room(tmp_path, **{"bridge.push_queue": 10, "bridge.push_s": 0.02}) as room:
        session = await room.create(1000)
        async with room.socket(session, max_queue=1, compression=None) as socket:
            for n in range(120):  # answers of half a megabyte and more that nobody takes
                wish = {"symbol": "EURUSD", "timeframe": 1, "start_pos": 0, "count": 5000}
                await socket.send(json.dumps({"command": "copy_rates_from_pos", "params": wish, "id": str(n)}))
            await asyncio.sleep(2)
            said: dict[str, Any] = {}
            with contextlib.suppress(ConnectionClosed):
                while True:
                    said = await heard(socket)
            assert socket.close_code is not None
            assert said.get("event") in ("overflow", None)
        assert await room.result(session, "positions_total") == 0


async def test_a_token_in_the_address_is_in_no_log(room: BridgeRoom, caplog: pytest.LogCaptureFixture) -> None:
    session = await room.create(1000)
    with caplog.at_level(logging.DEBUG):
        async with room.socket(session, query=f"?token={room.token}") as socket:
            await asked(socket, command="order_send", params={"request": BUY}, id="t")
    secret = room.token.split("_", 3)[3]
    assert all(secret not in redact(record.getMessage()) for record in caplog.records)
