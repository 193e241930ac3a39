"""Recorded ticks: read as they are needed, refused by line, and played to the broker as its only prices."""

from decimal import Decimal
from pathlib import Path

import pytest

from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.words import AccountSpec, Reason, Request, TradeAction
from kakehashi.terminal.ticks import Pace, Recording

D = Decimal
AT = 1_790_557_200_000
LINES = f"{AT},EURUSD,1.10000,1.10010\n{AT + 500},USDJPY,150.000,150.010\n{AT + 900},EURUSD,1.09,1.0901\n"


def recorded(folder: Path, text: str) -> Path:
    path = folder / "ticks.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("header", ["", "time_ms,symbol,bid,ask\n"])
def test_a_recording_is_read_with_or_without_its_header(tmp_path: Path, header: str) -> None:
    recording = Recording(recorded(tmp_path, header + LINES))
    ticks = list(recording)
    recording.close()
    assert [(t.at - AT, t.symbol, t.bid) for t in ticks] == [
        (0, "EURUSD", D("1.1")),
        (500, "USDJPY", D("150")),
        (900, "EURUSD", D("1.09")),
    ]


def test_a_recording_goes_on_after_the_time_it_was_left_at(tmp_path: Path) -> None:
    recording = Recording(recorded(tmp_path, LINES), after=AT + 500)
    assert [t.line for t in recording] == [3]
    recording.close()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{AT + 900},EURUSD,1.1", "expected time_ms,symbol,bid,ask"),
        (f"{AT + 900},EURUSD,1.1,abc", "as numbers"),
        (f"{AT + 900},EURUSD,NaN,1.1", "above 0"),
        (f"{AT},EURUSD,1.1,1.2", "before"),
    ],
)
def test_a_bad_line_is_named_when_it_is_reached_and_not_before(tmp_path: Path, line: str, said: str) -> None:
    recording = Recording(recorded(tmp_path, LINES + line + "\n"))
    taken = []
    with pytest.raises(ValueError, match=rf"ticks\.csv:4: .*{said}"):  # noqa: PT012 - what came before the fault counts
        for tick in recording:
            taken.append(tick.line)  # noqa: PERF401
    recording.close()
    assert taken == [1, 2, 3]


def test_a_file_without_ticks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no ticks"):
        Recording(recorded(tmp_path, "time_ms,symbol,bid,ask\n"))


def test_heard_prices_trigger_what_they_reach_and_unheard_symbols_stand() -> None:
    broker = Broker(seed=1, at=AT)
    book = broker.open_account(AccountSpec(account="a", number="1"))
    gold = broker.market.ticks["XAUUSD"]
    broker.hear("EURUSD", D("1.10000"), D("1.10012"), AT)
    broker.order_send("a", Request(action=TradeAction.DEAL, symbol="EURUSD", volume=D("0.1"), sl=D("1.09950")), AT)
    broker.hear("EURUSD", D("1.09951"), D("1.09960"), AT + 1)
    assert book.positions
    broker.hear("EURUSD", D("1.09940"), D("1.09950"), AT + 2)
    assert [(d.reason, d.price, d.time) for d in book.deals[1:]] == [(Reason.SL, D("1.09940"), AT + 2)]
    assert broker.market.ticks["XAUUSD"] == gold


@pytest.mark.parametrize(
    ("symbol", "bid", "ask"), [("NOPE", "1", "1"), ("EURUSD", "1.2", "1.1"), ("EURUSD", "1.100001", "1.2")]
)
def test_prices_that_a_symbol_cannot_have_are_refused(symbol: str, bid: str, ask: str) -> None:
    with pytest.raises(ValueError, match=symbol):
        Broker(seed=1, at=AT).hear(symbol, D(bid), D(ask), AT)


def test_speed_divides_the_time_between_ticks() -> None:
    slow, fast = Pace(AT, 1.0), Pace(AT, 100.0)
    assert 9.0 < slow.left_s(AT + 10_000) <= 10.0
    assert fast.left_s(AT + 10_000) <= 0.1
