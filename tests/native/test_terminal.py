"""A program on the simulated broker: what it sees of its account, and what comes of its orders."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.native.building import Build

from kakehashi.terminal.client import BrokerClient
from kakehashi.terminal.core.words import OrderType, Request, TradeAction
from kakehashi.terminal.wire import Login


def on_broker(socket: str, what: Any) -> Any:
    async def run() -> Any:
        client = BrokerClient(socket)
        try:
            return await what(client)
        finally:
            await client.close()

    return asyncio.run(run())


@pytest.mark.parametrize("way", ["OrderSend", "OrderSendAsync"])
def test_a_position_is_opened_seen_and_closed(build: Build, broker: str, way: str) -> None:
    opening = ("--account", "alpha", "--number", "1000", "--balance", "5000", "--broker", broker)
    ran = build("Trade").run(*opening, "--set", f"Async={str(way == 'OrderSendAsync').lower()}")
    assert ran.code == 0, ran
    assert ran.out[0] == "1000 5000.0 USD 13 5 ACCOUNT_MARGIN_MODE_RETAIL_HEDGING"
    retcode = 10008 if way == "OrderSendAsync" else 10009
    assert ran.out[1] == f"sent {retcode} 1 0"
    assert f"sent {retcode} 2 0" in ran.out
    assert 'open EURUSD 9007199254740993 日本 "x" 0.1' in ran.out
    assert {"answer 1 10009 9007199254740993 true", "answer 2 10009 9007199254740993 true"} <= set(ran.out)
    assert {"deal EURUSD DEAL_TYPE_BUY 0.1", "deal EURUSD DEAL_TYPE_SELL 0.1"} <= set(ran.out)
    assert ran.out[-1] == "closed DEAL_ENTRY_OUT 9007199254740993 2"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["--set", "Lots=0"], "not sent 10014 0 4756"),
        (["--switch", "algo=0"], "not sent 10027 0 4756"),
        (["--switch", "trade_expert=0"], "not sent 10026 0 4756"),
        (["--set", "Filling=2"], "not sent 10030 1 4756"),  # the broker's own refusal
    ],
)
def test_a_refusal_says_who_refuses(build: Build, broker: str, settings: list[str], said: str) -> None:
    process = build("Trade").start("--account", "alpha", "--broker", broker, *settings)
    assert process.stdout is not None
    assert [process.stdout.readline(), process.stdout.readline()][1] == said + "\n"
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_a_terminal_shows_what_others_do_and_that_its_broker_is_away(build: Build, broker: str) -> None:
    """Positions that are there at the start are not shown at once, on request; a trade by hand is told."""
    buy = Request(action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.BUY, volume=Decimal("0.1"))

    async def first(client: BrokerClient) -> None:
        await client.login(Login(account="alpha"))
        await client.order_send("alpha", buy)

    on_broker(broker, first)
    process = build("Watch").start("--account", "alpha", "--broker", broker, "--empty-ms", "150")
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(3)]
    assert said == ["ready 0 1", "sees 10", "sees 11"]
    command = [sys.executable, "-m", "kakehashi", "broker", "order", "--socket", broker, "--account", "alpha", "--json"]
    by_hand = [*command, "--symbol", "EURUSD", "--side", "sell", "--volume", "0.2"]
    answer = json.loads(subprocess.run(by_hand, capture_output=True, check=True, text=True).stdout)
    assert answer["data"]["retcode"] == 10009
    said = [process.stdout.readline().strip() for _ in range(3)]
    assert sorted(said) == ["TRADE_TRANSACTION_DEAL_ADD", "TRADE_TRANSACTION_HISTORY_ADD", "sees 12"]
    out = [sys.executable, "-m", "kakehashi", "broker", "stopout", "--socket", broker, "--account", "alpha", "--json"]
    rows = json.loads(subprocess.run(out, capture_output=True, check=True, text=True).stdout)["data"]
    assert [(row["reason"], row["entry"]) for row in rows] == [("SO", "OUT")] * 2
    said = [process.stdout.readline().strip() for _ in range(5)]
    assert "sees 10" in said
    on_broker(broker, lambda client: client.stop())
    assert process.stdout.readline().strip() == "sees 0"
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_a_switch_that_the_user_flips_takes_effect_on_a_signal(build: Build, broker: str) -> None:
    program = build("Watch")
    process = program.start("--account", "alpha", "--broker", broker)
    assert process.stdout is not None
    assert [process.stdout.readline(), process.stdout.readline()][1] == "sees 10\n"
    (program.data / "switches").write_text("connected=0\n")
    process.send_signal(signal.SIGUSR1)
    begun = time.monotonic()
    assert process.stdout.readline() == "sees 0\n"
    assert time.monotonic() - begun < 3
    process.terminate()
    process.communicate(timeout=10)


def test_the_panel_can_be_read(build: Build, tmp_path: Path) -> None:
    assert build("Panel").run("--panel", str(tmp_path / "panel")).code == 0
    assert (tmp_path / "panel").read_text("utf-8") == "two\nlines\nkk.state\tOBJ_LABEL\t接続中\t255,0,0\n"
