"""Recorded ticks in a Parquet file, read in batches by DuckDB (the extra ``parquet``).

DuckDB rather than pyarrow: it needs nothing else, and less than half of the space.
"""

import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, Final

COLUMNS: Final = ("time_ms", "symbol", "bid", "ask")
_MAGIC: Final = b"PAR1"
_BATCH: Final = 2_000
_WHOLE: Final = frozenset(
    f"{sign}{size}" for sign in ("", "U") for size in ("BIGINT", "INTEGER", "SMALLINT", "TINYINT")
)
_NO_NETWORK: Final[dict[str, Any]] = {
    "threads": 1,  # rows come in the file's order, and the machine has other work
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}

Row = tuple[int, int, str, Decimal, Decimal]
"""Its number from 1 on, and the four columns."""


def is_parquet(path: Path) -> bool:
    """By its first bytes, or by its name where somebody says that it is one."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC or path.suffix.lower() == ".parquet"


class ParquetRows:
    """The columns ``time_ms`` (integers), ``symbol`` (text), ``bid`` and ``ask`` (doubles or decimals); others are let be.

    Doubles are taken to 15 digits, all that they keep of a decimal number.

    :raises ValueError: DuckDB is not installed, the file is none, a column is missing or of another type; while it is
        read, row and column of what is wrong
    """

    def __init__(self, path: Path) -> None:
        duckdb = _driver(path)
        self._path, self._error = path, duckdb.Error
        self._base = duckdb.connect(":memory:", config=_NO_NETWORK)
        try:
            self._check(self._base.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall())
            self._found = self._base.execute(f"SELECT {', '.join(COLUMNS)} FROM read_parquet(?)", [str(path)])  # noqa: S608
        except duckdb.Error as e:
            self.close()
            raise self._unreadable("is no Parquet file that can be read", e) from None
        except ValueError:
            self.close()
            raise

    def __iter__(self) -> Iterator[Row]:
        number = 0
        while rows := self._batch(number):
            for row in rows:
                number += 1
                yield self._taken(number, row)

    def close(self) -> None:
        self._base.close()

    def wrong(self, row: int, what: str) -> ValueError:
        return ValueError(f"{self._path}: row {row}: {what}")

    def _batch(self, number: int) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._found.fetchmany(_BATCH)
        except self._error as e:
            raise self._unreadable(f"cannot be read behind row {number}", e) from None
        return rows

    def _unreadable(self, where: str, e: Exception) -> ValueError:
        return ValueError(f"{self._path}: {where}: {str(e).splitlines()[0][:200]}")

    def _check(self, described: list[tuple[Any, ...]]) -> None:
        kinds = {str(name): str(kind) for name, kind, *_ in described}
        for column in COLUMNS:
            if column not in kinds:
                raise ValueError(f"{self._path}: no column {column}; there are {', '.join(kinds)[:200]}")
        for column, fits, expected in (
            ("time_ms", kinds["time_ms"] in _WHOLE, "integers, ms UTC"),
            ("symbol", kinds["symbol"] == "VARCHAR", "text"),
            ("bid", _is_price(kinds["bid"]), "DOUBLE or DECIMAL"),
            ("ask", _is_price(kinds["ask"]), "DOUBLE or DECIMAL"),
        ):
            if not fits:
                raise ValueError(f"{self._path}: column {column}: expected {expected}, got {kinds[column]}")

    def _taken(self, number: int, row: tuple[Any, ...]) -> Row:
        at, symbol, bid, ask = row
        if not isinstance(at, int) or at <= 0:
            raise self.wrong(number, f"time_ms: expected a time above 0, got {at}")
        if symbol is None:
            raise self.wrong(number, "symbol: expected a name, got nothing")
        return number, at, symbol, self._price(number, "bid", bid), self._price(number, "ask", ask)

    def _price(self, number: int, column: str, value: Any) -> Decimal:
        if isinstance(value, float) and math.isfinite(value):
            return Decimal(f"{value:.15g}")
        if isinstance(value, Decimal):
            return value
        raise self.wrong(number, f"{column}: expected a price, got {'nothing' if value is None else value}")


def _is_price(kind: str) -> bool:
    return kind == "DOUBLE" or kind.startswith("DECIMAL")  # a FLOAT keeps seven digits: gold needs more


def _driver(path: Path) -> ModuleType:
    try:
        import duckdb  # noqa: PLC0415  an extra
    except ModuleNotFoundError:
        text = f"{path}: Parquet needs an extra: pip install 'kakehashi[parquet]', or write it as CSV"
        raise ValueError(text) from None
    return duckdb
