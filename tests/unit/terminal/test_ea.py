"""The mock EA against a hub of three routes and a broker in the same process."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakehashi.domain.errors import OutcomeUnknown, Rejected
from kakehashi.terminal.client import BrokerClient
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.words import Entry, MarginMode, OrderType, Request, TradeAction
from kakehashi.terminal.ea import EaConfig, EaDied, MockEa
from kakehashi.terminal.ledger import Ledger
from kakehashi.terminal.server import TradeServer
from kakehashi.terminal.wire import Filter, Reply

AT = 1_790_557_200_000
PREFIX = 0x1234 << 48
FAR = 4_102_444_800_000


class LocalBroker(BrokerClient):
    """The client without its socket. ``lose_answers`` drops that many answers to order_send after the act."""

    def __init__(self, server: TradeServer) -> None:
        super().__init__("nowhere")
        self._server = server
        self.lose_answers = 0

    async def _call(self, method: str, params: Any, answer: Any) -> Any:
        line = msgspec.json.encode({"id": 1, "method": method, "params": msgspec.to_builtins(params)})
        reply = msgspec.json.decode(self._server.answer(line), type=Reply)
        if method == "order_send" and self.lose_answers:
            self.lose_answers -= 1
            raise OutcomeUnknown("BROKER_NO_ANSWER", "lost")
        if reply.error is not None:
            raise Rejected(reply.error.code, reply.error.message)
        return msgspec.json.decode(reply.result, type=answer)


class World:
    """A hub that hands out ``items`` and remembers what it was told, a broker, and one EA after another."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.folder = folder
        self.core = Broker(seed=1, at=AT)
        self.ledger = Ledger(folder / "ledger.jsonl")
        self.broker = LocalBroker(TradeServer(self.core, self.ledger, lambda: AT))
        self.items: list[dict[str, Any]] = []
        self.polls: list[httpx.QueryParams] = []
        self.acks: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []
        self.ack_status = 200
        self.eas: list[MockEa] = []
        self.config: dict[str, Any] = {"journal": folder / "ea.journal"} | config

    def ea(self, **config: Any) -> MockEa:
        fields = {"base_url": "http://hub", "token": "t", "account": "a", "socket": "-"} | self.config | config
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._hub))
        self.eas.append(MockEa(EaConfig(**fields), self.broker, http))
        return self.eas[-1]

    def _hub(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer t"
        if request.url.path == "/api/poll":
            self.polls.append(request.url.params)
            return httpx.Response(200, json={"items": self.items, "cursor": None})
        told = self.acks if request.url.path == "/api/ack" else self.reports
        if request.url.path == "/api/ack" and self.ack_status != 200:
            return httpx.Response(self.ack_status)
        told.append(json.loads(request.content))
        return httpx.Response(200, json={})

    def results(self) -> dict[str, dict[str, Any]]:
        return {r["key"]: r for ack in self.acks for r in ack["results"]}

    def deals(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "ledger.jsonl").read_bytes().splitlines()]


def item(number: int, action: str, **fields: Any) -> dict[str, Any]:
    op = "OPEN" if action in ("BUY", "SELL") else action
    magic, key = str(PREFIX | number), f"k{number}"
    defaults = {"id": key, "key": key, "symbol": "EURUSD", "action": action, "op": op, "magic": magic}
    return defaults | {"volume": 0.1 if op == "OPEN" else None, "attempt": 1, "expires_at": FAR} | fields


@contextlib.asynccontextmanager
async def a_world(folder: Path, **config: Any) -> AsyncIterator[World]:
    """A world whose files are closed at the end."""
    world = World(folder, **config)
    try:
        yield world
    finally:
        for ea in world.eas:
            ea.close()
        world.ledger.close()


async def test_a_command_is_executed_acknowledged_and_reported(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        ea = world.ea()
        await ea.login()
        world.items = [item(1, "BUY", side="BUY", sl=1.05, tp=1.2)]
        await ea.turn()
        assert world.polls[0]["caps"] == "journal"
        result, (deal,) = world.results()["k1"], world.deals()
        assert (result["status"], result["retcode"], result["volume"]) == ("filled", 10009, "0.1")
        assert (result["ticket"], result["deal"]) == (str(deal["position"]), str(deal["deal"]))
        assert (deal["magic"], deal["entry"], deal["account"]) == (str(PREFIX | 1), "IN", "a")
        report = world.reports[0]
        assert [p["ident"] for p in report["positions"]] == [result["ticket"]]
        assert [d["ticket"] for d in report["deals"]] == [result["deal"]]
        world.items = []
        await ea.report()
        assert world.reports[1]["deals"] == []


async def test_an_ea_that_dies_after_the_order_finds_it_by_magic(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        ea = world.ea(die_after_send=1)
        await ea.login()
        world.items = [item(1, "BUY", side="BUY")]
        with pytest.raises(EaDied):
            await ea.turn()
        assert world.acks == []
        world.items = [item(1, "BUY", side="BUY", attempt=2)]
        await world.ea().turn()
        assert len(world.deals()) == 1
        assert world.results()["k1"]["status"] == "filled"


async def test_a_lost_answer_is_looked_up_and_not_repeated(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        ea = world.ea()
        await ea.login()
        world.broker.lose_answers = 1
        world.items = [item(1, "BUY", side="BUY")]
        await ea.turn()
        assert world.acks == []
        world.items = []
        await ea.turn()
        assert (len(world.deals()), world.results()["k1"]["status"]) == (1, "filled")


async def test_an_ea_without_journal_looks_up_a_second_attempt(tmp_path: Path) -> None:
    async with a_world(tmp_path, journal=None) as world:
        ea = world.ea()
        await ea.login()
        world.items = [item(1, "SELL", side="SELL")]
        await ea.turn()
        world.items = [item(1, "SELL", side="SELL", attempt=2)]
        await world.ea().turn()
        assert "caps" not in world.polls[0]
        assert len(world.deals()) == 1


async def test_a_legacy_ea_has_no_memory_and_acknowledges_keys_only(tmp_path: Path) -> None:
    async with a_world(tmp_path, legacy=True) as world:
        ea = world.ea()
        await ea.login()
        world.items = [item(1, "BUY", side="BUY"), item(2, "BUY", side="BUY", symbol="NOPE")]
        await ea.turn()
        await ea.turn()
        assert world.acks[0] == {"keys": ["k1", "k2"]}
        assert (len(world.deals()), world.reports) == (2, [])


async def test_a_command_refused_once_stays_refused_when_delivered_again(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        await world.ea().login()
        world.items = [item(1, "BUY", side="BUY")]
        await world.ea(reject=10019).turn()
        await world.ea().turn()
        assert not world.core.books["a"].deals
        assert [ack["results"][0]["retcode"] for ack in world.acks] == [10019, 10019]


async def test_an_expired_entry_is_not_begun(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        ea = world.ea()
        await ea.login()
        world.items = [item(1, "BUY", side="BUY", expires_at=1)]
        await ea.turn()
        assert not world.core.books["a"].deals
        assert world.results()["k1"]["message"].startswith("EXPIRED")


async def test_an_exit_without_ticket_closes_our_side_and_nothing_younger_or_foreign(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        ea = world.ea()
        await ea.login()
        manual = Request(action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.BUY, volume=Decimal("0.5"))
        world.core.order_send("a", manual, AT)
        ours = Request(**msgspec.structs.asdict(manual) | {"magic": PREFIX | 8, "volume": Decimal("0.2")})
        for at in (AT, AT + 10):
            world.core.order_send("a", ours, at)
        world.items = [item(9, "CLOSE", side="BUY", opened_before=AT + 5)]
        await ea.turn()
        left = await world.broker.positions(Filter(account="a"))
        assert [(p.magic, p.time) for p in left] == [(0, AT), (PREFIX | 8, AT + 10)]
        assert world.results()["k9"]["volume"] == "0.2"


async def test_a_close_takes_no_more_than_expected_and_a_half_close_half(tmp_path: Path) -> None:
    async with a_world(tmp_path, margin_mode=MarginMode.NETTING) as world:
        ea = world.ea()
        await ea.login()
        world.items = [item(1, "BUY", side="BUY", volume=0.4)]
        await ea.turn()
        ticket = world.results()["k1"]["ticket"]
        world.items = [item(2, "CLOSE", side="BUY", ticket=ticket, expect_vol="0.1")]
        await ea.turn()
        world.items = [item(3, "CLOSE_PARTIAL", side="BUY", ticket=ticket, volume_ratio=0.5)]
        await ea.turn()
        world.items = [item(4, "CLOSE", side="BUY", ticket=ticket), item(5, "CLOSE", side="BUY", ticket=ticket)]
        await ea.turn()
        told = world.results()
        assert [Decimal(told[f"k{n}"]["volume"]) for n in (2, 3, 4)] == [
            Decimal("0.1"),
            Decimal("0.15"),
            Decimal("0.15"),
        ]
        assert (told["k5"]["status"], told["k5"]["retcode"]) == ("rejected", 10036)


async def test_pending_modify_and_cancel(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        ea = world.ea()
        await ea.login()
        world.items = [item(1, "PENDING", side="BUY", kind="LIMIT", volume=0.1, price=1.01)]
        await ea.turn()
        order = world.results()["k1"]["order"]
        world.items = [item(2, "MODIFY", ticket=order, sl=1.0), item(3, "CANCEL", ticket=order)]
        await ea.turn()
        placed, *after = [(r["key"], r["status"]) for ack in world.acks for r in ack["results"]]
        assert placed == ("k1", "placed")
        # the hub hears of the cancel first: the order's own end is nothing new to it then
        assert after == [("k2", "done"), ("k3", "done"), ("k1", "rejected")]
        assert world.core.books["a"].done[-1].sl == Decimal("1.0")


@pytest.mark.parametrize(("price", "end"), [("1.005", ("filled", 10009)), (None, ("rejected", 10035))])
async def test_what_became_of_a_resting_order_is_told_also_after_a_restart(
    tmp_path: Path, price: str | None, end: tuple[str, int]
) -> None:
    async with a_world(tmp_path) as world:
        ea = world.ea()
        await ea.login()
        world.items = [item(1, "PENDING", side="BUY", kind="LIMIT", volume=0.1, price=1.01)]
        await ea.turn()
        order, world.items = int(world.results()["k1"]["order"]), []
        ea.close()
        if price is None:
            deleted = Request(action=TradeAction.REMOVE, symbol="EURUSD", type=OrderType.BUY_LIMIT, order=order)
            await world.broker.order_send("a", deleted)
        else:
            await world.broker.set_price("EURUSD", Decimal(price))
        await world.ea().turn()
        told = world.results()["k1"]
        assert (told["status"], told["retcode"], told["order"]) == (*end, str(order))


deliveries = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from(["fine", "dies after the poll", "dies after the order", "answer lost", "ack lost"]),
    ),
    max_size=12,
)


@given(deliveries, st.sampled_from(MarginMode))
def test_delivered_many_times_executed_once(history: list[tuple[int, str]], mode: MarginMode) -> None:
    async def scene(folder: Path) -> None:
        async with a_world(folder, margin_mode=mode) as world:
            await world.ea().login()
            seen: set[int] = set()
            for number, fault in history:
                world.items = [item(number, "BUY", side="BUY", attempt=2 if number in seen else 1)]
                seen.add(number)
                world.ack_status = 503 if fault == "ack lost" else 200
                world.broker.lose_answers = int(fault == "answer lost")
                dies = {"dies after the poll": "die_after_poll", "dies after the order": "die_after_send"}.get(fault)
                ea = world.ea(**({dies: 1} if dies else {}))
                with contextlib.suppress(EaDied, httpx.HTTPStatusError):
                    await ea.turn()
            entries = [d["magic"] for d in world.deals() if d["entry"] == Entry.IN]
            assert len(entries) == len(set(entries))
            world.ack_status, world.broker.lose_answers = 200, 0
            world.items = [item(n, "BUY", side="BUY", attempt=2) for n in sorted(seen)]
            await world.ea().turn()
            assert sorted(d["magic"] for d in world.deals()) == sorted(str(PREFIX | n) for n in seen)
            assert {world.results()[f"k{n}"]["status"] for n in seen} <= {"filled"}

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scene(Path(folder)))
