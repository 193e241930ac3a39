"""The broker's own files: compaction keeps all that was accepted, whenever the kill comes."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from kakehashi.terminal.core.book import Book
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.words import AccountSpec, OrderType, Request, TradeAction
from kakehashi.terminal.ledger import Ledger, LedgerLine

AT = 1_790_557_200_000
D = Decimal
BUY = Request(action=TradeAction.DEAL, symbol="EURUSD", volume=D("0.01"), magic=9)
BUY_WITH_STOP = {"action": TradeAction.DEAL, "sl": D("1.07500")}
REST = Request(
    action=TradeAction.PENDING, symbol="EURUSD", type=OrderType.BUY_LIMIT, volume=D("0.01"), price=D("0.50000")
)


def restored(path: Path, **options: int) -> tuple[Broker, Ledger]:
    broker, ledger = Broker(seed=1, at=AT), Ledger(path, **options)
    ledger.restore(broker, AT)
    return broker, ledger


def state(book: Book) -> tuple[object, ...]:
    return book.balance, book.positions, book.orders, book.deals, book.done


def trade(broker: Broker, ledger: Ledger, rounds: int) -> None:
    """Open two, close one, place two, cancel one; written down after each."""
    for n in range(rounds):
        at = AT + n
        ticket = broker.order_send("a", BUY, at).order
        ledger.write(broker, at)
        broker.order_send("a", BUY, at)
        ledger.write(broker, at)
        close = Request(
            action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.SELL, volume=D("0.01"), position=ticket
        )
        broker.order_send("a", close, at)
        order = broker.order_send("a", REST, at).order
        broker.order_send("a", REST, at)
        broker.order_send("a", Request(action=TradeAction.REMOVE, order=order), at)
        ledger.write(broker, at)


def test_the_books_are_compacted_at_a_size_and_at_the_start_and_lose_nothing(tmp_path: Path) -> None:
    path, books = tmp_path / "ledger.jsonl", tmp_path / "ledger.jsonl.books"
    broker, ledger = restored(path, compact_at=20_000)
    broker.open_account(AccountSpec(account="a", number="1"))
    broker.open_account(AccountSpec(account="quiet", number="2", balance=D(5)))
    trade(broker, ledger, 60)
    ledger.close()
    lines = books.read_bytes().count(b"\n")
    assert lines < 150  # of 182 changes
    again, ledger = restored(path)
    ledger.close()
    assert books.read_bytes().count(b"\n") == 2
    assert state(again.books["a"]) == state(broker.books["a"])
    assert again.books["quiet"].balance == D(5)
    assert again.tickets.last_deal == broker.tickets.last_deal
    assert path.read_bytes().count(b"\n") == len(broker.books["a"].deals) == 180
    assert not list(tmp_path.glob("*.new"))


_KILLED = """
import os, pathlib, signal, sys
sys.path.insert(0, sys.argv[3])
import test_ledger as t
path, when = pathlib.Path(sys.argv[1]), sys.argv[2]
broker, ledger = t.restored(path, compact_at=20_000)
broker.open_account(t.AccountSpec(account="a", number="1"))
replace = pathlib.Path.replace

def kill(*_):
    print(broker.tickets.last_order, broker.tickets.last_deal, len(broker.books["a"].positions), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

def replaced(self, target):
    if when == "after the rename":
        replace(self, target)
    kill()

if when == "before the sync":
    os.fsync = kill
else:
    pathlib.Path.replace = replaced
t.trade(broker, ledger, 1000)
"""


@pytest.mark.parametrize("when", ["before the sync", "at the rename", "after the rename"])
def test_a_kill_during_compaction_keeps_all_that_was_accepted(tmp_path: Path, when: str) -> None:
    path = tmp_path / "ledger.jsonl"
    command = [sys.executable, "-c", _KILLED, str(path), when, str(Path(__file__).parent)]
    child = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert child.returncode == -9, child.stderr
    broker, ledger = restored(path)
    book = broker.books["a"]
    said = [broker.tickets.last_order, broker.tickets.last_deal, len(book.positions)]
    assert said == [int(word) for word in child.stdout.split()]
    assert [d.ticket for d in book.deals] == list(range(5_000_001, broker.tickets.last_deal + 1))
    trade(broker, ledger, 1)
    ledger.close()
    assert path.read_bytes().count(b"\n") == len(book.deals)


def test_deals_of_two_accounts_in_one_tick_are_all_in_the_ledger_in_order(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    broker, ledger = restored(path)
    bid = broker.market.ticks["EURUSD"].bid
    for n, name in enumerate("ab"):  # one tick fills an order and closes a position of each
        broker.open_account(AccountSpec(account=name, number=str(n)))
        rest = {"type": OrderType.BUY_LIMIT, "price": bid - D("0.01")}
        for fields in (BUY_WITH_STOP, rest):
            request = Request(symbol="EURUSD", volume=D("0.01"), **({"action": TradeAction.PENDING} | fields))
            assert broker.order_send(name, request, AT).order
    ledger.write(broker, AT)
    broker.market.pin("EURUSD", bid - D("0.02"), None, AT)
    broker.act(AT)
    assert [d.ticket for d in broker.books["a"].deals] == [5_000_001, 5_000_003, 5_000_005]  # taken in turns
    ledger.write(broker, AT)
    ledger.close()
    whole = path.read_bytes()
    deals = [msgspec.json.decode(line, type=LedgerLine).deal for line in whole.splitlines()]
    assert deals == list(range(5_000_001, 5_000_007))
    path.write_bytes(b"")
    _, ledger = restored(path)
    ledger.close()
    assert path.read_bytes() == whole
