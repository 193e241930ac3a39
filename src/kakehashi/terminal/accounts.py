"""The accounts file of the simulated broker: its accounts, its symbols, and what goes wrong there on request."""

import tomllib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from kakehashi.terminal.clock import ClockSpec
from kakehashi.terminal.core.faults import Faults
from kakehashi.terminal.core.kinds import CalcMode
from kakehashi.terminal.core.market import SYMBOLS
from kakehashi.terminal.core.sessions import Sessions
from kakehashi.terminal.core.words import AccountSpec, Symbol

T = TypeVar("T", bound=msgspec.Struct)


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What a broker starts with where its books do not say otherwise."""

    accounts: tuple[AccountSpec, ...] = ()
    symbols: tuple[Symbol, ...] = SYMBOLS
    faults: Faults = Faults()
    clock: ClockSpec = ClockSpec()


def read_world(path: Path) -> World:
    """A TOML file: ``[[account]]`` tables with the fields of :class:`AccountSpec`, ``[[symbol]]`` tables with those of
    :class:`Symbol` (of a built-in symbol only what differs), one ``[faults]`` table (:class:`Faults`) and one
    ``[clock]`` table (:class:`ClockSpec`).

    :raises ValueError: no TOML, or an unknown, missing or ill-typed field, named
    """
    try:
        with path.open("rb") as file:
            said = tomllib.load(file)
        if unknown := sorted(set(said) - {"account", "symbol", "faults", "clock"}):
            raise ValueError(f"unknown table {unknown[0]}; known are account, symbol, faults, clock")
        symbols = {s.name: s for s in SYMBOLS}
        for table in said.get("symbol", []):
            spec = _symbol(table, symbols)
            symbols[spec.name] = spec
        return World(
            accounts=tuple(_account(table) for table in said.get("account", [])),
            symbols=tuple(symbols.values()),
            faults=_convert(said.get("faults", {}), Faults),
            clock=_convert(said.get("clock", {}), ClockSpec),
        )
    except (ValueError, msgspec.ValidationError) as e:
        raise ValueError(f"{path}: {e}") from None


def login_number(account: str) -> str:
    """A broker's login for an account that was named without one: the same each time."""
    return account if account.isdigit() else str(10_000_000 + zlib.crc32(account.encode()) % 90_000_000)


def _account(table: Mapping[str, Any]) -> AccountSpec:
    if not table.get("account") and not table.get("number"):
        raise ValueError("an account needs a name (account = ...) or a number")
    named = {"account": str(table.get("number", "")), "number": login_number(str(table.get("account", "")))}
    return _convert({**named, **table}, AccountSpec)


def _symbol(table: Mapping[str, Any], known: Mapping[str, Symbol]) -> Symbol:
    before = known.get(str(table.get("name")))
    fields = msgspec.structs.asdict(before) if before else {}
    spec = _convert({**{k: v for k, v in fields.items() if v is not None}, **table}, Symbol)
    Sessions(spec.sessions)
    if spec.vol_step <= 0 or spec.vol_min <= 0 or spec.contract_size <= 0 or spec.start <= 0 or spec.spread < 0:
        raise ValueError(f"symbol {spec.name}: sizes and prices must be positive")
    if spec.tick_size % spec.point:
        raise ValueError(f"symbol {spec.name}: tick_size {spec.tick_size} is no multiple of {spec.point}")
    if spec.calc_mode in (CalcMode.FUTURES, CalcMode.EXCH_FUTURES) and not (spec.margin_initial and spec.tick_value):
        raise ValueError(f"symbol {spec.name}: {spec.calc_mode} needs margin_initial and tick_value")
    return spec


def _convert(table: Mapping[str, Any], kind: type[T]) -> T:
    known = kind.__struct_fields__
    if unknown := sorted(set(table) - set(known)):
        raise ValueError(f"unknown field {unknown[0]}; known are {', '.join(sorted(known))}")
    # TOML floats pass through text, or 0.1 would become 0.1000000000000000055
    texts = {key: str(value) if isinstance(value, float | int) else value for key, value in table.items()}
    return msgspec.convert(texts, kind, strict=False)
