"""``kakehashi signals|orders|fills|positions ...`` and ``trace``: what was received, ordered, filled and is open."""

from typing import TYPE_CHECKING, Any

import click

from kakehashi.cli.options import ACCOUNT, LIMIT
from kakehashi.cli.output import command_output, language
from kakehashi.cli.session import now_ms, on_store

if TYPE_CHECKING:
    pass


POSITION_COLUMNS = (
    *("account", "ticket", "symbol", "side", "volume", "price_open", "sl", "tp", "profit", "fresh", "origin"),
    *("closed_reason", "price", "deal"),
)


@click.group("signals")
def signals() -> None:
    """Every alert received, and what became of it."""


@signals.command("list")
@LIMIT
@command_output(columns=("id", "received_at", "action", "symbol", "status", "code", "strategy", "differs"))
async def list_signals(limit: int) -> list[dict[str, Any]]:
    """Newest first; of a duplicate, what it says otherwise than the alert that was taken."""
    from kakehashi.services import desk

    return await on_store(lambda store: desk.listing(store, "signals", limit=limit))


@click.group("orders")
def orders() -> None:
    """Orders and their states."""


@orders.command("list")
@LIMIT
@ACCOUNT
@command_output(columns=("id", "account", "symbol", "op", "side", "volume", "state", "filled_volume", "code", "reason"))
async def list_orders(limit: int, account: str) -> list[dict[str, Any]]:
    """Newest first."""
    return await _listing("orders", account, limit)


@click.group("positions")
def positions() -> None:
    """Open positions as the accounts last reported them."""


@positions.command("list")
@LIMIT
@ACCOUNT
@click.option("--all", "closed", is_flag=True, help="Also those that ended, and how.")
@command_output(columns=POSITION_COLUMNS)
async def list_positions(limit: int, account: str, closed: bool) -> list[dict[str, Any]]:
    """As of the last report of each account."""
    return await _listing("positions", account, limit, closed=closed)


@click.group("fills")
def fills() -> None:
    """What venues executed."""


@fills.command("list")
@LIMIT
@ACCOUNT
@command_output(columns=("id", "account", "symbol", "op", "side", "volume", "price", "at"))
async def list_fills(limit: int, account: str) -> list[dict[str, Any]]:
    """Newest first."""
    return await _listing("fills", account, limit)


def _trace_text(data: dict[str, Any]) -> str:
    hops = data["hops"]
    start = hops[0]["at"] if hops else 0
    lines = [f"trace {data['trace_id']}"]
    lines += [f"{hop['at'] - start:>8} ms  {hop['hop']:<10} {hop['subject']}  {hop['text']}" for hop in hops]
    ja = language() == "ja"
    for signal in data["signals"]:
        if "duplicate_of" in signal:
            first, said = signal["duplicate_of"], "; ".join(signal.get("differs", ())) or "-"
            lines.append(f"{first} の重複。相違: {said}" if ja else f"a duplicate of {first}, which differs in: {said}")
    return "\n".join(lines)


@click.command("trace")
@click.argument("wanted", metavar="ID|TICKET")
@command_output(human=_trace_text)
async def trace(wanted: str) -> dict[str, Any]:
    """Every hop of one signal with its time; ID of a signal, trace or order, or a venue's ticket."""
    from kakehashi.services import desk

    return await on_store(lambda store: desk.trace(store, wanted))


async def _listing(what: str, account: str, limit: int, *, closed: bool = False) -> list[dict[str, Any]]:
    from kakehashi.services import desk

    return await on_store(
        lambda store: desk.listing(store, what, at=now_ms(), account=account, limit=limit, closed=closed)
    )
