"""What the store says of a dry run and of duplicates, and how the commands show it."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import ACCOUNT, Room, filled, plain_route, room

from kakehashi import cli
from kakehashi.domain.rules import rules_from_toml
from kakehashi.services import desk
from kakehashi.services.compare import compare_route

__all__ = ["room"]


async def ordered(room: Room, signal: str, name: str) -> str:
    """The one order an alert becomes."""
    legs = (await room.alert(signal, name)).json()["legs"]
    (order,) = [order for leg in legs for order in leg.get("orders", ())]
    return str(order)


async def test_the_rails_of_a_dry_run_are_seen_at_work(room: Room) -> None:
    dry = msgspec.structs.replace(plain_route(cooldown_s=60), dry_run=True, no_rails=False)
    await desk.put_route(room.store, dry, by="test", at=0)
    while not room.hub.trader.engine.routes["trend"].dry_run:
        await asyncio.sleep(0.01)
    assert [(await room.alert("LONG", n)).json()["code"] for n in ("a1", "a2")] == ["", "COOLDOWN"]


async def test_a_dry_run_route_is_compared_with_the_live_one_of_its_account(room: Room) -> None:
    live = msgspec.structs.replace(plain_route(), name="live", symbols=("EURUSD",))
    rules = rules_from_toml({"size_value": "0.30", "direction": "long"})
    dry = msgspec.structs.replace(live, name="dry", dry_run=True, symbols=(), rules=rules)
    at = room.clock.now_ms()
    # the token's strategy is the room's own route "trend": without that route, it goes wherever it is taken
    await desk.put(room.store, "route", "trend", None, by="test", at=at)
    for route in (live, dry):
        await desk.put_route(room.store, route, by="test", at=at)
    while room.hub.trader.engine.routes.keys() != {"live", "dry"}:
        await room.pass_time(0.1)
    bought = await ordered(room, "LONG", "a1")
    sold = await ordered(room, "SHORT", "a2")
    await room.knock(json.dumps({"signal": "LONG", "symbol": "GBPUSD", "id": "a3"}))  # only the dry run takes it
    expired = await ordered(room, "LONG", "a4")
    items = await room.poll(limit=2)
    await room.ack(*(filled(item["key"], item["volume"]) for item in items))
    await room.pass_time(60)  # the fourth is never fetched
    assert (await room.order(expired)).state == "EXPIRED"

    comparison = await compare_route(room.store, "dry", since=at - 1, within_ms=1_000)
    assert [(x.verdict, x.would, x.really, x.order_id, x.code) for x in comparison.lines] == [
        ("match", "OPEN BUY 0.30 EURUSD", "OPEN BUY 0.10 EURUSD", bought, ""),
        ("refused", "", "", "", "SIDE_NOT_ALLOWED"),
        ("missing", "", "OPEN SELL 0.10 EURUSD", sold, ""),
        ("extra", "OPEN BUY 0.30 GBPUSD", "", "", ""),
        ("extra", "OPEN BUY 0.30 EURUSD", "", "", ""),
    ]
    assert {x.account for x in comparison.lines} == {ACCOUNT}
    assert comparison.totals["signals"] == 4
    assert comparison.totals["really_by_strategy"] == {"trend": 2}
    assert (await compare_route(room.store, "dry", since=room.clock.now_ms(), within_ms=1)).lines == ()

    narrow = msgspec.structs.replace(dry, symbols=("GBPUSD",))
    await desk.put_route(room.store, narrow, by="test", at=at)  # EURUSD is none of its business any more
    assert (await compare_route(room.store, "dry", since=at - 1, within_ms=1_000)).totals["missing"] == 0


async def test_a_duplicate_names_the_alert_that_was_taken_and_what_it_says_otherwise(room: Room) -> None:
    first = (await room.alert("LONG", "a1", price="1.0850")).json()["signal_id"]
    await room.alert("LONG", "a1", price="1.0851", sl=20)
    await room.alert("LONG", "a1", price="1.0850")
    lines = await desk.listing(room.store, "signals")
    told = {tuple(line.get("differs", ("first",))) for line in lines}
    assert {line.get("duplicate_of") for line in lines} == {None, first}
    assert ("first",) in told
    assert () in told
    (changed,) = told - {("first",), ()}
    assert changed[0] == "price: 1.0850 -> 1.0851"
    assert changed[1].startswith("sl: none -> ")


async def test_the_commands_show_the_comparison_and_what_a_duplicate_says_otherwise(
    room: Room, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAKEHASHI_STORE__URL", f"sqlite:///{room.store.path}")

    async def said(*args: str) -> str:
        assert await asyncio.to_thread(cli.execute, args) == 0
        return capsys.readouterr().out

    at = room.clock.now_ms()
    await desk.put_route(room.store, msgspec.structs.replace(plain_route(), dry_run=True), by="test", at=at)
    while not room.hub.trader.engine.routes["trend"].dry_run:
        await room.pass_time(0.1)
    first = (await room.alert("LONG", "a1", price="1.1")).json()
    await room.alert("LONG", "a1", price="1.2")
    rows: list[dict[str, Any]] = json.loads(await said("signals", "list", "--json"))["data"]
    again = next(row for row in rows if row["status"] == "duplicate")
    assert (again["duplicate_of"], again["differs"]) == (first["signal_id"], ["price: 1.1 -> 1.2"])
    assert "price: 1.1 -> 1.2" in await said("signals", "list")
    assert f"a duplicate of {first['signal_id']}, which differs in: price: 1.1 -> 1.2" in await said(
        "trace", again["id"]
    )
    assert f"{first['signal_id']} の重複" in await said("trace", again["id"], "--lang", "ja")

    data = json.loads(await said("routes", "compare", "trend", "--json"))["data"]
    assert [line["verdict"] for line in data["lines"]] == ["extra"]
    assert data["totals"]["extra"] == 1
    text = await said("routes", "compare", "trend", "--since", "1h")
    assert "OPEN BUY 0.10 EURUSD" in text
    assert await asyncio.to_thread(cli.execute, ["routes", "compare", "nobody"]) == 3
