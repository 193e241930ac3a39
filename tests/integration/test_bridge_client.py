"""The bridge's Python client, both faces; and the schema that everybody else's client is made from."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from bridgeroom import BUY, BridgeRoom, bridge_room

from kakehashi.api.sessionlines import RESULTS, SymbolInfo, TradeDeal, TradeOrder, TradePosition
from kakehashi.api.sessionwishes import COMMANDS, TradeRequest
from kakehashi.client.mt5 import AsyncTerminal, Terminal
from kakehashi.domain.errors import OutcomeUnknown, Rejected
from kakehashi.domain.retcodes import RETCODES
from kakehashi.domain.terminalcalls import BRIDGES_OWN, FUNCTIONS, REQUEST_CONSTANTS
from kakehashi.terminal import metatrader5 as package
from kakehashi.terminal.metatrader5 import structs


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[BridgeRoom]:
    async with bridge_room(tmp_path) as room:
        yield room


async def test_a_script_trades_through_the_blocking_client(room: BridgeRoom) -> None:
    def script() -> tuple[int, float]:
        with Terminal.create(room.base, room.token, login=1000, password="pw") as mt5:
            assert mt5.account_info()["login"] == 1000
            assert mt5.symbol_info("NOPE") is None
            assert mt5.last_error[0] == -4
            sent = mt5.order_send(BUY)
            (position,) = mt5.positions_get(symbol="EURUSD")
            with pytest.raises(TypeError):
                mt5.symbol_info("EURUSD", "GBPUSD")
            return sent["retcode"], position["volume"]

    assert await asyncio.to_thread(script) == (10009, 0.1)
    assert room.bridge.keeper.sessions == {}


async def test_the_client_says_by_its_errors_what_to_do(room: BridgeRoom) -> None:
    async with await AsyncTerminal.create(room.base, room.token, login=1000, password="pw") as mt5:
        assert (await mt5.version())[0] == 500
        with pytest.raises(Rejected, match="volume"):
            await mt5.order_send(BUY | {"volume": "much"})
        room.faults(delay_s=1.0)
        with pytest.raises(OutcomeUnknown) as unknown:
            await mt5.order_send(BUY, timeout_s=0.2)
        while (said := await mt5.outcome(str(unknown.value.value)))["state"] == "PENDING":
            await asyncio.sleep(0.02)
        assert said["ok"] is (len(room.deals(1000)) == 1)


async def test_the_schema_shows_every_function_with_every_field(room: BridgeRoom) -> None:
    schema = (await room.request("GET", "/openapi.json")).json()
    models = schema["components"]["schemas"]
    assert {m["properties"]["command"]["const"] for name, m in models.items() if name.endswith("Command")} == set(
        COMMANDS
    )
    assert set(COMMANDS) == set(FUNCTIONS) - BRIDGES_OWN == set(RESULTS)
    assert set(models["TradeRequest"]["properties"]) == set(structs.TradeRequest._names)
    assert set(models["OrderSendResult"]["properties"]) == set(structs.OrderSendResult._names)


def test_names_and_order_of_fields_are_the_packages() -> None:
    for model, row in (
        (SymbolInfo, structs.SymbolInfo),
        (TradePosition, structs.TradePosition),
        (TradeOrder, structs.TradeOrder),
        (TradeDeal, structs.TradeDeal),
        (RESULTS["account_info"], structs.AccountInfo),
        (RESULTS["terminal_info"], structs.TerminalInfo),
        (RESULTS["symbol_info_tick"], structs.Tick),
        (RESULTS["order_check"], structs.OrderCheckResult),
        (TradeRequest, structs.TradeRequest),
    ):
        assert tuple(model.model_fields) == row._names, model.__name__
    for name in FUNCTIONS:
        assert callable(getattr(package, name))
    for names in REQUEST_CONSTANTS.values():
        assert all(getattr(package, name) == number for name, number in names.items())
    known = {v for k, v in vars(package).items() if k.startswith("TRADE_RETCODE_")}
    assert known <= {told.code for told in RETCODES}
