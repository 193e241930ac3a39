"""Recorded ticks: read as they are needed, refused by line, and played to the broker as its only prices."""

import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import psutil
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


# -- the same as Parquet ------------------------------------------------------------------------------------------------


def parquet(folder: Path, rows: str, *, bid: str = "DOUBLE", ask: str = "DOUBLE", time_ms: str = "BIGINT") -> Path:
    """A file of rows as SQL writes them, ``(AT, 'EURUSD', 1.1, 1.2)``."""
    path = folder / "ticks.parquet"
    columns = f"time_ms::{time_ms} AS time_ms, symbol, bid::{bid} AS bid, ask::{ask} AS ask, 7 AS flags"
    told = rows.replace("AT", str(AT))
    duckdb.sql(
        f"COPY (SELECT {columns} FROM (VALUES {told}) t(time_ms, symbol, bid, ask)) TO '{path}' (FORMAT parquet)"
    )
    return path


ROWS = "(AT, 'EURUSD', 1.1, 1.10010), (AT + 500, 'USDJPY', 150, 150.010), (AT + 900, 'EURUSD', 1.09, 1.0901)"


@pytest.mark.parametrize("kind", ["DOUBLE", "DECIMAL(12,5)"])
def test_a_parquet_file_plays_what_a_csv_file_of_the_same_rows_plays(tmp_path: Path, kind: str) -> None:
    said = Recording(parquet(tmp_path, ROWS, bid=kind, ask=kind)), Recording(recorded(tmp_path, LINES))
    ticks = [list(recording) for recording in said]
    assert ticks[0] == ticks[1]
    later = Recording(tmp_path / "ticks.parquet", after=AT + 500)
    assert [t.line for t in later] == [3]


def test_a_computed_price_has_the_digits_that_were_meant(tmp_path: Path) -> None:
    recording = Recording(parquet(tmp_path, "(AT, 'EURUSD', 1.1::DOUBLE + 0.00001::DOUBLE, 1.2)"))
    assert next(iter(recording)).bid == D("1.10001") != D(repr(1.1 + 0.00001))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("(AT + 900, 'EURUSD', 'NaN'::DOUBLE, 1.1)", "row 4: bid: expected a price, got nan"),
        ("(AT + 900, 'EURUSD', 1.1, NULL)", "row 4: ask: expected a price, got nothing"),
        ("(AT + 900, NULL, 1.1, 1.1)", "row 4: symbol: expected a name, got nothing"),
        ("(NULL, 'EURUSD', 1.1, 1.1)", "row 4: time_ms: expected a time above 0"),
        ("(AT, 'EURUSD', 1.1, 1.2)", f"row 4: time {AT} is before"),
    ],
)
def test_a_bad_row_is_named_with_its_column_when_it_is_reached(tmp_path: Path, row: str, said: str) -> None:
    ticks = iter(Recording(parquet(tmp_path, f"{ROWS}, {row}")))
    assert [next(ticks).line for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ValueError, match=rf"ticks\.parquet: {said}"):
        next(ticks)


def test_columns_of_another_type_are_refused_before_anything_is_played(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="column bid: expected DOUBLE or DECIMAL, got FLOAT"):
        Recording(parquet(tmp_path, ROWS, bid="FLOAT"))
    with pytest.raises(ValueError, match="column time_ms: expected integers, ms UTC, got DOUBLE"):
        Recording(parquet(tmp_path, ROWS, time_ms="DOUBLE"))
    duckdb.sql(f"COPY (SELECT 1 AS time_ms, 'EURUSD' AS symbol) TO '{tmp_path / 'few.parquet'}' (FORMAT parquet)")
    with pytest.raises(ValueError, match="no column bid; there are time_ms, symbol"):
        Recording(tmp_path / "few.parquet")


def test_what_only_calls_itself_parquet_and_what_is_torn_are_refused_by_name(tmp_path: Path) -> None:
    told = tmp_path / "told.parquet"
    told.write_text(LINES)
    with pytest.raises(ValueError, match=r"told\.parquet: is no Parquet file"):
        Recording(told)
    whole = parquet(tmp_path, ROWS).read_bytes()
    (tmp_path / "torn").write_bytes(whole[:-20])
    with pytest.raises(ValueError, match="torn: is no Parquet file"):
        Recording(tmp_path / "torn")


def test_without_the_extra_the_command_that_installs_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = parquet(tmp_path, ROWS)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ValueError, match=r"pip install 'kakehashi\[parquet\]'"):
        Recording(path)


def test_a_large_file_is_read_in_batches(tmp_path: Path) -> None:
    """800,000 rows of 60 bytes would be 150 MB as Python's own objects."""
    path = tmp_path / "large.parquet"
    row = f"{AT} + range AS time_ms, 'EURUSD' AS symbol, 1.1::DOUBLE + range % 7 / 1e5 AS bid, bid + 0.0001 AS ask"
    duckdb.sql(f"COPY (SELECT {row} FROM range(800000)) TO '{path}' (FORMAT parquet)")
    before = psutil.Process().memory_info().rss
    most = rows = 0
    for tick in Recording(path):
        rows += 1
        if tick.line % 100_000 == 0:
            most = max(most, psutil.Process().memory_info().rss - before)
    assert rows == 800_000
    assert most < 60 * 2**20
