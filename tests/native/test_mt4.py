"""The EA for MetaTrader 4, compiled with the runner's layer of MQL4, on a real hub's mailbox and a real simulated broker."""

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from linkworld import Place, linked_world
from native_world import NativeWorld
from tests.native.building import ROOT, Build

from kakehashi.terminal.client import BrokerClient
from kakehashi.terminal.core.words import Order, OrderType, Reason, Request, TradeAction
from kakehashi.terminal.wire import Filter

pytestmark = pytest.mark.timeout(180)
MT4 = ROOT / "mql4" / "Experts" / "Kakehashi" / "KakehashiMT4.mq4"
SETTINGS = {"KAKEHASHI_MAILBOX__LEASE_S": "1.5", "KAKEHASHI_MAILBOX__MAX_ATTEMPTS": "50"}
IN_ORDER_SEND = ("--die", "send::1")
NO_TRACE, TOO_LATE, NO_SUCH_ORDER = 1, 10022, 10035
BEFORE_IT_IS_SENT = ("--die", 'after:"k":"SENT":1')


class Terminal4(NativeWorld):
    def start_mt4(self, place: Place, *more: str, name: str = "mt4") -> None:
        argv = [
            str(self.program),
            "--account",
            place.name,
            "--number",
            place.number,
            "--broker",
            str(self._broker_socket),
        ]
        argv += ["--data", str(self.folder / "mt4")]
        inputs = {"HubUrl": self.url, "Account": place.name, "Token": place.token, "PollMs": "50", "ReportS": "1"}
        argv += [part for item in inputs.items() for part in ("--set", "=".join(item))]
        self._commands[name] = (*argv, *more)
        self.restart(name)


@pytest.fixture
def place(tmp_path: Path, build: Build) -> Iterator[Place]:
    class Compiled(Terminal4):
        program = build(MT4).program

    with linked_world(tmp_path, 1, kind=Compiled, **SETTINGS) as each:
        found = next(each)
        found.world.start_broker()
        yield found


def start(place: Place, *more: str, name: str = "mt4") -> None:
    assert isinstance(place.world, Terminal4)
    place.world.start_mt4(place, *more, name=name)


async def reported(place: Place, **wanted: Any) -> dict[str, Any]:
    """Wait until the hub's picture of the account has one position like this; empty ``wanted``: none at all."""
    rows: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while True:
            rows, mirror = place.held(), place.kept()["mirror"] or {}
            if not wanted and mirror.get("reported_at") and not rows:
                return {}
            for row in rows:
                if wanted and all(str(row.get(key)) == value for key, value in wanted.items()):
                    return row
            await asyncio.sleep(0.05)


async def concluded(place: Place, order: str) -> str:
    """Wait for what the EA's own book says became of an order; the hub may have learnt it from a report before."""
    (book,) = (place.world.folder / "mt4" / "Common" / "Files" / "Kakehashi").glob("*.mt4.journal")
    async with asyncio.timeout(20):
        while True:
            for line in map(json.loads, book.read_text().splitlines()):
                if line["k"] == "RESULT" and line["id"] == order:
                    return str(json.loads('{"key":""' + line["text"])["status"])
            await asyncio.sleep(0.05)


def volumes(place: Place) -> list[tuple[str, Decimal]]:
    return [(deal["entry"], Decimal(deal["volume"])) for deal in place.world.ledger()]


IN, OUT, HALF = ("IN", Decimal("0.1")), ("OUT", Decimal("0.1")), ("OUT", Decimal("0.05"))


async def test_an_entry_is_closed_in_two_parts_although_the_rest_has_a_new_ticket(place: Place) -> None:
    start(place)
    await reported(place)
    (entry,) = await place.alert("LONG", id="1")
    ticket = (await place.becomes(entry, "FILLED"))["ticket"]
    await reported(place, ident=ticket, ticket=ticket, volume="0.10")
    (part,) = await place.alert("TP", id="2")
    await place.becomes(part, "FILLED")
    left = await reported(place, ident=ticket, volume="0.05")
    assert left["ticket"] != ticket
    assert left["magic"] == place.order(entry)["magic"]
    (rest,) = await place.alert("CLOSE", id="3")
    await place.becomes(rest, "FILLED")
    await reported(place)
    assert volumes(place) == [IN, HALF, HALF]


@pytest.mark.parametrize("dies_in", ["entry", "exit"])
async def test_killed_in_a_trade_it_finds_what_became_of_it_and_does_not_repeat_it(place: Place, dies_in: str) -> None:
    start(place, *(IN_ORDER_SEND if dies_in == "entry" else ("--die", "send::2")))
    await reported(place)
    (entry,) = await place.alert("LONG", id="1")
    if dies_in == "exit":
        await place.becomes(entry, "FILLED")
        await reported(place, volume="0.10")
        (exit_,) = await place.alert("CLOSE", id="2")
    await asyncio.to_thread(place.world.wait_for_crash, "mt4")
    start(place)
    await place.becomes(exit_ if dies_in == "exit" else entry, "FILLED", 20)
    assert await concluded(place, entry) == "filled"
    assert volumes(place) == [IN, OUT][: 1 + (dies_in == "exit")]


async def test_killed_before_an_entry_left_it_is_given_up_after_three_minutes_and_never_sent(place: Place) -> None:
    start(place, *BEFORE_IT_IS_SENT)
    await reported(place)
    (entry,) = await place.alert("LONG", id="1")
    await asyncio.to_thread(place.world.wait_for_crash, "mt4")
    start(place, "--pace", "100")
    assert (await place.becomes(entry, "REJECTED", 30))["retcode"] == NO_TRACE
    assert volumes(place) == []


async def resting(place: Place) -> list[Order]:
    """The orders that rest at the broker."""
    client = BrokerClient(str(place.world.folder / "b.sock"))
    try:
        return await client.orders(Filter(account=place.name))
    finally:
        await client.close()


async def priced(place: Place, bid: str) -> None:
    client = BrokerClient(str(place.world.folder / "b.sock"))
    await client.set_price("EURUSD", Decimal(bid))
    await client.close()


async def test_a_pending_order_rests_and_is_deleted(place: Place) -> None:
    start(place)
    await reported(place)
    orders = []
    for number, (signal_, kind, price) in enumerate((("LONG", "limit", 1.05), ("SHORT", "stop", 1.04)), 1):
        (order,) = await place.alert(signal_, id=str(number), order_type=kind, entry_price=price)
        await place.becomes(order, "PLACED")
        orders.append(order)
    assert [(o.type, o.price_open) for o in await resting(place)] == [
        (OrderType.BUY_LIMIT, Decimal("1.05")),
        (OrderType.SELL_STOP, Decimal("1.04")),
    ]
    (one,) = await place.alert("CANCEL_LONG", id="3")
    await place.becomes(one, "DONE")
    await place.becomes(orders[0], "CANCELLED")
    assert [o.type for o in await resting(place)] == [OrderType.SELL_STOP]
    (other,) = await place.alert("CANCEL", id="4")
    await place.becomes(other, "DONE")
    assert (await resting(place), volumes(place)) == ([], [])


async def test_a_pending_order_that_is_filled_is_the_hubs_position_and_is_closed(place: Place) -> None:
    start(place)
    await reported(place)
    (entry,) = await place.alert("LONG", id="1", order_type="limit", entry_price=1.05)
    ticket = (await place.becomes(entry, "PLACED"))["ticket"]
    await priced(place, "1.04900")
    await reported(place, ident=ticket, ticket=ticket, volume="0.10")
    filled = await place.becomes(entry, "FILLED")
    assert (filled["ticket"], Decimal(filled["filled_price"])) == (ticket, Decimal("1.04910"))
    (exit_,) = await place.alert("CLOSE", id="2")
    await place.becomes(exit_, "FILLED")
    await reported(place)
    assert volumes(place) == [IN, OUT]


async def test_an_order_that_is_deleted_by_hand_does_not_rest_for_the_hub_either(place: Place) -> None:
    start(place)
    await reported(place)
    (entry,) = await place.alert("LONG", id="1", order_type="limit", entry_price=1.05)
    ticket = (await place.becomes(entry, "PLACED"))["ticket"]
    place.world.kill("mt4")
    client = BrokerClient(str(place.world.folder / "b.sock"))
    gone = Request(action=TradeAction.REMOVE, symbol="EURUSD", order=int(ticket), reason=Reason.MOBILE)
    await client.order_send(place.name, gone)
    await client.close()
    start(place)
    assert (await place.becomes(entry, "REJECTED"))["retcode"] == NO_SUCH_ORDER


async def test_killed_while_it_placed_an_order_it_finds_it_resting_and_places_no_other(place: Place) -> None:
    start(place, *IN_ORDER_SEND)
    await reported(place)
    (entry,) = await place.alert("LONG", id="1", order_type="limit", entry_price=1.05)
    await asyncio.to_thread(place.world.wait_for_crash, "mt4")
    start(place)
    await place.becomes(entry, "PLACED", 20)
    assert await concluded(place, entry) == "placed"
    assert len(await resting(place)) == 1


async def told_closings(place: Place) -> list[dict[str, Any]]:
    """What the hub's mirror counted, once it has counted the first."""
    async with asyncio.timeout(10):
        while not (counted := (place.kept()["mirror"] or {}).get("seen_deals")):
            await asyncio.sleep(0.05)
        return list(counted)


async def test_a_close_by_hand_is_told_once_with_what_it_earned(place: Place) -> None:
    start(place)
    await reported(place)
    await priced(place, "1.10000")
    (entry,) = await place.alert("LONG", id="1")
    ticket = (await place.becomes(entry, "FILLED"))["ticket"]
    await reported(place, volume="0.10")
    await priced(place, "1.09000")
    client = BrokerClient(str(place.world.folder / "b.sock"))
    kind, volume = OrderType.SELL, Decimal("0.1")
    by_hand = Request(
        action=TradeAction.DEAL, symbol="EURUSD", type=kind, volume=volume, position=int(ticket), reason=Reason.MOBILE
    )
    await client.order_send(place.name, by_hand)
    await client.close()
    assert await told_closings(place) == [ticket]
    lost = Decimal(place.kept()["mirror"]["day_profit"])
    assert lost <= Decimal("-101")  # 101 pips of 0.1 lots; there may be a commission
    place.world.kill("mt4")
    start(place)
    await reported(place)
    assert Decimal(place.kept()["mirror"]["day_profit"]) == lost


async def test_an_entry_that_comes_too_late_is_not_sent(place: Place) -> None:
    start(place, "--pace", "5000")
    await reported(place)
    (late,) = await place.alert("LONG", id="1")  # the terminal's clock is far ahead of it
    assert (await place.becomes(late, "REJECTED", 20))["retcode"] == TOO_LATE
    assert volumes(place) == []


async def test_a_second_ea_on_the_account_does_not_start(place: Place) -> None:
    start(place)
    await reported(place)
    start(place, name="second")
    assert await asyncio.to_thread(place.world.running["second"].wait, 20) == 3
    assert "JOURNAL_HELD" in place.world.log("second")
    place.world.running["mt4"].send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(place.world.running["mt4"].wait, 20) == 0
