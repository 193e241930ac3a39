"""The simulated terminal behind the package's face: accounts, servers, what is remembered, and what goes wrong on request."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import kakehashi.terminal.metatrader5 as mt5
from kakehashi.terminal import doors, own, troubles
from kakehashi.terminal.accounts import World
from kakehashi.terminal.clock import Clock
from kakehashi.terminal.core.faults import Faults
from kakehashi.terminal.core.kinds import Execution
from kakehashi.terminal.core.market import SYMBOLS
from kakehashi.terminal.core.words import AccountSpec, MarginMode
from kakehashi.terminal.metatrader5.terminal import BROKER
from kakehashi.terminal.own import OwnServer
from kakehashi.terminal.troubles import Trouble, Troubles

AT = 1_790_557_200_000
BUY: dict[str, Any] = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}
SERVE = """
import asyncio, pathlib, sys
from kakehashi.terminal.server import serve_broker
asyncio.run(serve_broker(sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])))
"""


class Process:
    """A broker that can be killed and started again on the same files."""

    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "b.sock")
        self.accounts = folder / "accounts.toml"
        self.accounts.write_text("")
        self._ledger = str(folder / "ledger.jsonl")
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", SERVE, self.socket, self._ledger, str(self.accounts)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        assert self._process.stderr.readline() == f"broker ready on {self.socket}\n"

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process.wait(10)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    mt5.shutdown()
    process.kill()


@pytest.fixture
def clock() -> Iterator[Clock]:
    """This process's own server, on a clock that stands still."""
    clock = Clock(AT, speed=0)
    world(clock)
    yield clock
    mt5.shutdown()
    troubles.cause(None)
    own.use_own_server(None)


def world(clock: Clock, *accounts: AccountSpec, seed: int = 7, **faults: Any) -> None:
    said = World(accounts=accounts, faults=Faults(**faults))
    own.use_own_server(OwnServer(seed=seed, now_ms=clock.now_ms, world=said))


def test_initialize_needs_no_argument_and_takes_the_account_used_last(clock: Clock) -> None:
    assert mt5.initialize()
    assert mt5.account_info().login == 1000
    assert mt5.login(2000)
    mt5.shutdown()
    assert mt5.initialize()
    assert mt5.account_info().login == 2000
    assert mt5.login(1000)


def test_a_server_that_is_no_socket_is_a_label(clock: Clock) -> None:
    assert mt5.initialize(login=1, server="MetaQuotes-Demo", password="x")
    assert mt5.account_info().server == "MetaQuotes-Demo"
    assert mt5.initialize(login=1, server="Another-Demo")
    assert mt5.account_info().server == "Another-Demo"
    assert mt5.initialize("C:/Program Files/MetaTrader 5/terminal64.exe", login=1)
    assert mt5.terminal_info().path == "C:/Program Files/MetaTrader 5"


def test_what_the_server_accepted_outlives_the_terminal(clock: Clock) -> None:
    mt5.initialize(login=1)
    sent = mt5.order_send(BUY)
    mt5.shutdown()
    assert mt5.positions_get() is None
    mt5.initialize(login=1)
    assert [p.ticket for p in mt5.positions_get()] == [sent.order]
    assert mt5.order_send({**BUY, "type": 1, "position": sent.order}).request_id == 1  # counted by terminal session


def test_the_same_seed_gives_the_same_world(clock: Clock) -> None:
    def seen(seed: int) -> list[object]:
        clock = Clock(AT, speed=0)
        world(clock, seed=seed)
        mt5.initialize(login=1)
        past = mt5.copy_rates_from_pos("EURUSD", mt5.TIMEFRAME_H1, 0, 50).tobytes()
        clock.step(60_000)
        return [past, *(mt5.symbol_info_tick(s.name) for s in mt5.symbols_get())]

    assert seen(3) == seen(3) != seen(4)


def test_prices_move_with_the_server_s_clock_and_stops_close_what_they_reach(clock: Clock) -> None:
    mt5.initialize(login=1)
    first = mt5.symbol_info_tick("EURUSD")
    near = {"sl": first.bid - 0.0002, "tp": first.bid + 0.0002}
    opened = mt5.order_send(BUY | near)
    assert opened.retcode == mt5.TRADE_RETCODE_DONE
    assert mt5.symbol_info_tick("EURUSD") == first
    clock.step(280_000)
    last = mt5.symbol_info_tick("EURUSD")
    assert (last.time_msc - first.time_msc, last.bid != first.bid) == (280_000, True)
    assert mt5.positions_get() == ()
    closing = mt5.history_deals_get(position=opened.order)[-1]
    assert closing.reason in (mt5.DEAL_REASON_SL, mt5.DEAL_REASON_TP)
    ticks = mt5.copy_ticks_range("EURUSD", first.time, last.time, mt5.COPY_TICKS_ALL)
    assert ticks["time_msc"][-1] == last.time_msc
    assert ticks["bid"][-1] == last.bid


def test_a_netting_account_reverses_in_one_deal_and_keeps_the_identifier(clock: Clock) -> None:
    world(clock, AccountSpec(account="1", number="1", margin_mode=MarginMode.NETTING))
    mt5.initialize(login=1)
    assert mt5.account_info().margin_mode == mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING
    first = mt5.order_send(BUY)
    second = mt5.order_send({**BUY, "type": 1, "volume": 0.3})
    (position,) = mt5.positions_get(symbol="EURUSD")
    assert (position.type, position.volume) == (mt5.POSITION_TYPE_SELL, 0.2)
    assert (position.ticket, position.identifier) == (second.order, first.order)
    assert mt5.history_deals_get(ticket=second.order)[0].entry == mt5.DEAL_ENTRY_INOUT


def test_a_netting_position_is_changed_by_its_symbol(clock: Clock) -> None:
    world(clock, AccountSpec(account="1", number="1", margin_mode=MarginMode.NETTING))
    mt5.initialize(login=1)
    mt5.order_send(BUY)
    changed = mt5.order_send({"action": mt5.TRADE_ACTION_SLTP, "symbol": "EURUSD", "sl": 1.0, "tp": 1.5})
    assert changed.retcode == mt5.TRADE_RETCODE_DONE
    assert mt5.positions_get()[0].sl == 1.0


def test_an_account_with_a_suffix_calls_its_symbols_so(clock: Clock) -> None:
    world(clock, AccountSpec(account="1", number="1", suffix=".m"))
    mt5.initialize(login=1)
    assert {s.name[-2:] for s in mt5.symbols_get()} == {".m"}
    assert mt5.symbol_info("EURUSD") is None
    assert mt5.Buy("EURUSD.m", 0.1).retcode == mt5.TRADE_RETCODE_DONE
    assert mt5.symbol_info_tick("EURUSD.m").bid > 0
    assert len(mt5.copy_rates_from_pos("EURUSD.m", mt5.TIMEFRAME_M5, 0, 10)) == 10
    assert mt5.market_book_add("EURUSD.m")
    assert mt5.market_book_get("EURUSD.m")


def test_a_pending_order_rests_as_return_whether_or_not_that_is_said(clock: Clock) -> None:
    mt5.initialize(login=1)
    pending = {**BUY, "action": mt5.TRADE_ACTION_PENDING, "type": mt5.ORDER_TYPE_BUY_LIMIT, "price": 1.0}
    assert mt5.order_send(pending).retcode == mt5.TRADE_RETCODE_DONE
    assert mt5.order_send({**pending, "type_filling": mt5.ORDER_FILLING_RETURN}).retcode == mt5.TRADE_RETCODE_DONE
    assert mt5.order_send({**pending, "type_filling": mt5.ORDER_FILLING_FOK}).retcode == mt5.TRADE_RETCODE_INVALID_FILL
    assert {o.type_filling for o in mt5.orders_get()} == {mt5.ORDER_FILLING_RETURN}


def test_commission_and_fee_are_told_apart(clock: Clock) -> None:
    world(clock, AccountSpec(account="1", number="1", commission_per_lot=Decimal(30), fee_per_lot=Decimal(20)))
    mt5.initialize(login=1)
    sent = mt5.order_send(BUY)
    (deal,) = mt5.history_deals_get(ticket=sent.order)
    assert (deal.commission, deal.fee) == (-3.0, -2.0)


@pytest.mark.parametrize(
    ("request_", "retcode"),
    [
        ({"volume": 0.015}, 10014),
        ({"volume": 0.0}, 10014),
        ({"volume": 1e9}, 10014),
        ({"volume": -1.0}, 10014),
        ({"sl": 9.0}, 10016),
        ({"type_filling": 2}, 10030),
        ({"type": 2}, 10013),
        ({"type": 99}, 10013),
        ({"action": 0}, 10013),
        ({"action": -5}, 10013),
        ({"type_time": 7}, 10013),
        ({"symbol": "NOPE"}, 10013),
        ({"symbol": ""}, 10013),
        ({"volume": 90.0}, 10019),
        ({"position": 5, "type": 1}, 10036),
    ],
)
def test_what_the_server_refuses_is_an_answer_with_its_retcode(
    clock: Clock, request_: dict[str, Any], retcode: int
) -> None:
    mt5.initialize(login=1)
    answer = mt5.order_send({**BUY, **request_})
    assert (answer.retcode, answer.deal, answer.order) == (retcode, 0, 0)
    assert answer.request._asdict().items() >= request_.items()
    assert mt5.order_check({**BUY, **request_}).retcode == retcode
    assert mt5.last_error() == (1, "Success")
    assert mt5.positions_get() == ()


def test_a_script_a_terminal_and_another_process_share_one_account(broker: Process) -> None:
    assert mt5.initialize(login=77, server=broker.socket)
    sent = mt5.Buy("EURUSD", 0.1, comment="here")
    script = (
        "import kakehashi.terminal.metatrader5 as mt5\n"
        "assert mt5.initialize(login=77), mt5.last_error()\n"
        "print([p.ticket for p in mt5.positions_get()], mt5.Sell('USDJPY', 0.2, comment='there').retcode)\n"
    )
    env = {**os.environ, BROKER: broker.socket}
    said = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True, timeout=30
    )
    assert said.stdout == f"[{sent.order}] 10009\n"
    assert [(p.symbol, p.comment) for p in mt5.positions_get()] == [("EURUSD", "here"), ("USDJPY", "there")]


def test_the_same_face_over_a_socket_and_in_the_same_process(broker: Process, clock: Clock) -> None:
    def seen() -> list[object]:
        names = [s.name for s in mt5.symbols_get()]
        sent = mt5.order_send(BUY)
        pending = mt5.order_send({**BUY, "action": 5, "type": 2, "price": 1.0, "type_filling": 2})
        mt5.market_book_add("EURUSD")
        checked = mt5.order_check(BUY)
        answers = [
            mt5.account_info(), mt5.symbol_info("EURUSD"), mt5.symbol_info_tick("EURUSD"), sent, pending, checked,
            *mt5.positions_get(), *mt5.orders_get(), *mt5.market_book_get("EURUSD"), *mt5.history_deals_get(0, 2**33),
            *mt5.history_orders_get(0, 2**33),
        ]  # fmt: skip
        tables = [
            mt5.copy_rates_from_pos("EURUSD", mt5.TIMEFRAME_H1, 0, 30),
            mt5.copy_ticks_from("EURUSD", mt5.symbol_info_tick("EURUSD").time - 600, 7, mt5.COPY_TICKS_ALL),
        ]
        margin = mt5.order_calc_margin(0, "USDJPY", 1.0, 150.0)
        profit = mt5.order_calc_profit(0, "EURUSD", 1.0, 1.1, 1.2)
        shapes = [[(name, type(value)) for name, value in row._asdict().items()] for row in answers]
        return [names, shapes, [(t.dtype, t.shape) for t in tables], margin, profit, sent.retcode, pending.retcode]

    mt5.initialize(login=1)
    local = seen()
    assert mt5.initialize(login=1, server=broker.socket)
    assert seen() == local


def test_without_its_server_a_terminal_shows_what_it_knew_and_trades_nothing(broker: Process) -> None:
    assert mt5.initialize(login=77, server=broker.socket)
    mt5.Buy("EURUSD", 0.1)
    held, money = mt5.positions_get(), mt5.account_info()
    assert mt5.terminal_info().connected
    broker.kill()
    assert mt5.positions_get() == held
    assert not mt5.terminal_info().connected
    assert mt5.account_info() == money
    assert mt5.copy_rates_from_pos("GBPUSD", 1, 0, 3) is None
    answer = mt5.order_send(BUY)
    assert (answer.retcode, answer.comment) == (mt5.TRADE_RETCODE_CONNECTION, "No connection")
    assert mt5.initialize(login=77, server=broker.socket, timeout=200) is False
    assert mt5.last_error()[0] == mt5.RES_E_INTERNAL_FAIL_TIMEOUT
    broker.start()
    assert mt5.terminal_info().connected  # the terminal of before is still there, and connects by itself
    assert [p.ticket for p in mt5.positions_get()] == [p.ticket for p in held]
    assert mt5.Close("EURUSD") is True


def test_an_answer_lost_on_the_way_is_no_refusal(broker: Process) -> None:
    broker.kill()
    broker.accounts.write_text("[faults]\nlose_answer = 1.0\n")
    broker.start()
    assert mt5.initialize(login=77, server=broker.socket)
    answer = mt5.order_send(BUY)
    assert (answer.retcode, answer.comment, answer.order) == (mt5.TRADE_RETCODE_TIMEOUT, "Request timed out", 0)
    assert mt5.positions_total() == 1  # asked over a new connection


def test_a_strict_server_does_not_let_strangers_in(clock: Clock) -> None:
    said = World(accounts=(AccountSpec(account="5", number="5"),))
    own.use_own_server(OwnServer(now_ms=clock.now_ms, world=said, strict=True))
    assert mt5.initialize(login=6) is False
    assert mt5.last_error() == (-6, "Terminal: Authorization failed")
    assert mt5.initialize(login=5)
    assert mt5.login(6) is False
    assert mt5.account_info().login == 5


def test_an_ipc_timeout_leaves_the_order_s_outcome_open(clock: Clock) -> None:
    mt5.initialize(login=1)
    troubles.next_call(Trouble.LOSE_ANSWER)
    assert mt5.order_send(BUY) is None
    assert mt5.last_error() == (-10005, "IPC timeout")
    assert mt5.positions_total() == 1  # it was carried out
    troubles.next_call(Trouble.IPC_TIMEOUT)
    assert mt5.positions_get() is None
    assert mt5.last_error() == (-10005, "IPC timeout")
    assert mt5.positions_total() == 1


def test_an_order_that_meets_an_ipc_timeout_is_carried_out_or_not(clock: Clock) -> None:
    mt5.initialize(login=1)
    troubles.cause(Troubles(seed=1, ipc_timeout=0.5))
    lost = sum(mt5.order_send(BUY) is None for _ in range(60))
    troubles.cause(None)
    done = mt5.positions_total()
    assert 60 - lost < done < 60  # of those without an answer some were carried out, some not


def test_a_terminal_that_restarts_answers_nothing_until_initialize(clock: Clock) -> None:
    mt5.initialize(login=1)
    mt5.order_send(BUY)
    troubles.next_call(Trouble.RESTART)
    for _ in range(2):
        assert mt5.positions_get() is None
        assert mt5.last_error() == (-10004, "No IPC connection")
    assert mt5.initialize()
    assert mt5.positions_total() == 1


def test_a_hung_terminal_answers_nobody_in_the_process(clock: Clock) -> None:
    mt5.initialize(login=1)
    troubles.cause(Troubles(hang_s=0.5))
    troubles.next_call(Trouble.HANG)
    hung, other = threading.Event(), threading.Event()
    callers = [
        threading.Thread(target=lambda: (mt5.account_info(), hung.set())),
        threading.Thread(target=lambda: (mt5.version(), other.set())),
    ]
    for caller in callers:
        caller.start()
    assert not other.wait(0.1)
    assert not hung.is_set()
    for caller in callers:
        caller.join(5)
    assert hung.is_set()
    assert other.is_set()


def test_threads_of_a_script_take_turns(clock: Clock) -> None:
    mt5.initialize(login=1)
    threads = [threading.Thread(target=lambda: [mt5.Buy("EURUSD", 0.01) for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    tickets = [p.ticket for p in mt5.positions_get()]
    assert len(set(tickets)) == len(tickets) == 100
    assert mt5.order_send({**BUY, "volume": 0.01}).request_id == 101


def test_a_terminal_cut_off_from_its_server_says_so_and_recovers(clock: Clock) -> None:
    mt5.initialize(login=1)
    before = mt5.symbol_info_tick("EURUSD")
    troubles.cause(Troubles(disconnect_s=0.05))
    troubles.next_call(Trouble.DISCONNECT)
    assert not mt5.terminal_info().connected
    clock.step(60_000)
    assert mt5.symbol_info_tick("EURUSD") == before
    answer = mt5.order_send(BUY)
    assert answer.retcode == mt5.TRADE_RETCODE_CONNECTION
    while not mt5.terminal_info().connected:
        pass
    assert mt5.symbol_info_tick("EURUSD").time == before.time + 60
    assert mt5.order_send(BUY).retcode == mt5.TRADE_RETCODE_DONE


def test_troubles_come_from_the_environment_and_from_a_seed(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def met() -> list[bool]:
        monkeypatch.setenv(troubles.VARIABLE, "seed=5, ipc_timeout=0.3")
        mt5.initialize(login=1)
        answers = [mt5.symbols_total() is None for _ in range(50)]
        monkeypatch.setenv(troubles.VARIABLE, "")
        mt5.initialize(login=1)
        assert mt5.symbols_total()
        return answers

    first = met()
    assert 5 < sum(first) < 30
    assert met() == first
    monkeypatch.setenv(troubles.VARIABLE, "seed=5, hnag=0.3")
    assert mt5.initialize() is False
    code, why = mt5.last_error()
    assert code == mt5.RES_E_INTERNAL_FAIL_INIT
    assert "hnag" in why


@pytest.mark.parametrize("server", ["/no/such/broker.sock", "/" + "x" * 300, "/a\0b", "127.0.0.1:99999"])
def test_a_server_that_is_not_there_is_a_time_out_and_no_exception(server: str) -> None:
    assert mt5.initialize(server=server, timeout=100) is False
    assert mt5.last_error() == (-10005, "IPC timeout")


def test_a_seed_may_be_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(own.SEED, "winter")
    own.use_own_server(None)
    assert mt5.initialize()
    mt5.shutdown()
    own.use_own_server(None)


def test_what_the_broker_itself_does_wrong_reaches_the_script(clock: Clock) -> None:
    world(clock, requote=1.0)
    mt5.initialize(login=1)
    assert mt5.order_send(BUY).retcode == mt5.TRADE_RETCODE_REQUOTE
    assert mt5.Buy("EURUSD", 0.1).request_id == 1 + 10  # tried again ten times
    world(clock, lose_answer=1.0)
    mt5.initialize(login=1)
    assert mt5.order_send(BUY).retcode == mt5.TRADE_RETCODE_TIMEOUT
    assert mt5.positions_total() == 1


def test_close_says_when_it_closed_only_a_part(clock: Clock) -> None:
    mt5.initialize(login=1)
    mt5.Buy("EURUSD", 0.04)
    mt5.Buy("EURUSD", 0.1)
    own.own_server().broker.liquidity["EURUSD"] = Decimal("0.05")
    assert mt5.Close("EURUSD") == "Partially"
    assert [p.volume for p in mt5.positions_get()] == [0.1]


def test_an_instant_execution_deals_within_the_deviation_only(clock: Clock) -> None:
    symbols = tuple(replace(s, execution=Execution.INSTANT) if s.name == "EURUSD" else s for s in SYMBOLS)
    own.use_own_server(OwnServer(now_ms=clock.now_ms, world=World(symbols=symbols)))
    mt5.initialize(login=1)
    away = mt5.symbol_info_tick("EURUSD").ask - 0.0005
    assert mt5.order_send({**BUY, "price": away, "deviation": 20}).retcode == mt5.TRADE_RETCODE_REQUOTE
    assert mt5.order_send({**BUY, "price": away, "deviation": 60}).retcode == mt5.TRADE_RETCODE_DONE


def test_history_is_selected_by_whole_seconds(clock: Clock) -> None:
    mt5.initialize(login=1)
    clock.step(700)
    sent = mt5.order_send(BUY)
    second = AT // 1000
    assert mt5.history_deals_get(ticket=sent.order)[0].time_msc == AT + 700
    assert mt5.history_deals_total(second, second) == 2  # the deposit, and what was dealt in the same second
    assert mt5.history_orders_total(second + 0.9, second) == 1
    assert mt5.history_deals_total(second + 1, second + 9) == 0


def test_a_broker_can_say_whether_a_named_terminal_is_gone(broker: Process) -> None:
    other = doors.SocketDoor(broker.socket)
    assert other.ask("drained", {"client": "child-7"}, bool)  # it is connected now, without a name
    doors.introduce("child-7")
    try:
        assert mt5.initialize(login=7, server=broker.socket)
        assert other.ask("drained", {"client": "child-7"}, bool) is False
        mt5.shutdown()
        while not other.ask("drained", {"client": "child-7"}, bool):
            pass
    finally:
        doors.introduce("")
        other.close()


@pytest.mark.parametrize(
    ("server", "socket"),
    [
        ("/run/kakehashi/broker.sock", True),
        ("127.0.0.1:9000", True),
        ("MetaQuotes-Demo", False),
        ("mt5.example.com:443", False),
        ("ICMarketsSC-Demo 02", False),
    ],
)
def test_a_server_s_name_is_told_from_its_socket(server: str, socket: bool) -> None:
    assert doors.is_address(server) is socket


def test_a_partial_fill_is_answered_as_such(clock: Clock) -> None:
    mt5.initialize(login=1)
    own.own_server().broker.liquidity["EURUSD"] = Decimal("0.05")
    partial = mt5.order_send({**BUY, "type_filling": mt5.ORDER_FILLING_IOC})
    assert (partial.retcode, partial.volume) == (mt5.TRADE_RETCODE_DONE_PARTIAL, 0.05)
    assert mt5.order_send(BUY).retcode != mt5.TRADE_RETCODE_DONE  # fill or kill
