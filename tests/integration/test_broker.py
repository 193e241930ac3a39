"""The trade server as a process: several terminals, kill -9, restart, and the ledger as the witness."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from kakehashi.domain.errors import OutcomeUnknown, Rejected, Unavailable
from kakehashi.terminal.accounts import read_world
from kakehashi.terminal.client import BrokerClient
from kakehashi.terminal.core.words import MarginMode, OrderType, Request, Retcode, TradeAction
from kakehashi.terminal.wire import Filter, Login

BUY = Request(action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.BUY, volume=Decimal("0.10"), magic=2**62)

_SERVE = """
import asyncio, pathlib, sys
from kakehashi.terminal.server import serve_broker
accounts = pathlib.Path(sys.argv[3]) if sys.argv[3] else None
asyncio.run(serve_broker(sys.argv[1], pathlib.Path(sys.argv[2]), accounts, seed=1, strict=bool(sys.argv[3])))
"""


class Process:
    """A broker that can be killed and started again on the same files."""

    def __init__(self, folder: Path, accounts: Path | None = None) -> None:
        self.socket = str(folder / "b.sock")
        self.ledger = folder / "ledger.jsonl"
        self._accounts = str(accounts or "")
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", _SERVE, self.socket, str(self.ledger), self._accounts]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        assert self.process.stderr.readline() == f"broker ready on {self.socket}\n"

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return self.process.wait(10)

    def deals(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.ledger.read_bytes().splitlines()]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    if process.process.poll() is None:
        process.end(signal.SIGKILL)


def test_two_terminals_share_one_account(broker: Process) -> None:
    async def scene() -> None:
        one, two = BrokerClient(broker.socket), BrokerClient(broker.socket)
        await one.login(Login(account="alpha", margin_mode=MarginMode.NETTING, suffix=".m"))
        assert (await two.login(Login(account="alpha"))).margin_mode is MarginMode.NETTING
        await one.set_price("EURUSD", Decimal("1.10000"))
        results = await asyncio.gather(*(c.order_send("alpha", _suffixed(BUY)) for c in (one, two, one, two)))
        assert {r.retcode for r in results} == {Retcode.DONE}
        (position,) = await two.positions(Filter(account="alpha"))
        assert (position.volume, position.symbol) == (Decimal("0.40"), "EURUSD.m")
        assert len(await one.history_deals(Filter(account="alpha", magic=2**62))) == 4
        with pytest.raises(Rejected):
            await one.account_info("nobody")
        await one.close()
        await two.close()

    asyncio.run(scene())
    assert [(d["account"], d["entry"], d["magic"]) for d in broker.deals()] == [("alpha", "IN", str(2**62))] * 4
    assert broker.end(signal.SIGTERM) == 0


def _suffixed(request: Request) -> Request:
    return Request(**{f: getattr(request, f) for f in request.__struct_fields__} | {"symbol": "EURUSD.m"})


def test_a_terminal_killed_in_mid_request_changes_nothing_accepted(broker: Process) -> None:
    async def scene() -> None:
        steady = BrokerClient(broker.socket)
        await steady.login(Login(account="alpha"))
        await steady.order_send("alpha", BUY)
        _, writer = await asyncio.open_unix_connection(broker.socket)
        writer.write(b'{"id":1,"method":"order_send","params":{"account":"alpha","requ')
        await writer.drain()
        writer.transport.abort()
        _, writer = await asyncio.open_unix_connection(broker.socket)
        writer.write(b"not json\n" + b'{"id":1,"method":"order_send","params":{"request":{"volume":"NaN"}}}\n')
        await writer.drain()
        writer.transport.abort()
        assert len(await steady.positions(Filter(account="alpha"))) == 1
        await steady.close()

    asyncio.run(scene())
    assert len(broker.deals()) == 1


def test_a_killed_broker_continues_from_its_books(broker: Process) -> None:
    async def scene() -> None:
        client = BrokerClient(broker.socket)
        await client.login(Login(account="alpha", balance=Decimal(5_000)))
        first = await client.order_send("alpha", BUY)
        before = await client.positions(Filter(account="alpha"))
        broker.end(signal.SIGKILL)
        with pytest.raises((Unavailable, OutcomeUnknown)):
            await client.order_send("alpha", BUY)
        with broker.ledger.open("ab") as ledger:
            ledger.write(b'{"account":"alpha","dea')  # as a kill in mid-write leaves it
        broker.start()
        (position,) = await client.positions(Filter(account="alpha"))
        assert (position.ticket, position.price_open) == (before[0].ticket, before[0].price_open)
        assert (await client.account_info("alpha")).balance == Decimal(5_000)
        second = await client.order_send("alpha", BUY)
        assert (second.order, second.deal) == (first.order + 1, first.deal + 1)
        assert [d.ticket for d in await client.history_deals(Filter(account="alpha"))] == [first.deal, second.deal]
        await client.close()

    asyncio.run(scene())
    assert len({d["deal"] for d in broker.deals()}) == 2


def test_deals_missing_from_the_ledger_are_written_at_the_next_start(broker: Process) -> None:
    async def scene() -> None:
        client = BrokerClient(broker.socket)
        await client.login(Login(account="alpha"))
        await client.order_send("alpha", BUY)
        await client.close()

    asyncio.run(scene())
    broker.end(signal.SIGKILL)
    whole = broker.ledger.read_bytes()
    os.truncate(broker.ledger, 0)  # killed between the books and the ledger
    broker.start()
    assert broker.ledger.read_bytes() == whole


def test_a_strict_broker_knows_only_its_accounts_file(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text('[[account]]\naccount = "small"\nbalance = 200.5\nmargin_mode = "netting"\nsuffix = ".m"\n')
    process = Process(tmp_path, accounts)

    async def scene() -> None:
        client = BrokerClient(process.socket)
        facts = await client.login(Login(account="small"))
        assert (facts.balance, facts.margin_mode) == (Decimal("200.5"), MarginMode.NETTING)
        with pytest.raises(Rejected):
            await client.login(Login(account="other"))
        await client.stop()
        await client.close()

    asyncio.run(scene())
    assert process.process.wait(10) == 0


def test_an_unknown_field_in_the_accounts_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text('[[account]]\naccount = "a"\nlevrage = 5\n')
    with pytest.raises(ValueError, match="levrage"):
        read_world(file)
