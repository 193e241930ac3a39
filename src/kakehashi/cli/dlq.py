"""``kakehashi dlq``: dead letters, the orders that need a person."""

from typing import Any

import click

from kakehashi.cli.options import ACCOUNT, LIMIT
from kakehashi.cli.output import command_output
from kakehashi.cli.session import change, on_store
from kakehashi.services import desk


@click.group("dlq")
def dlq() -> None:
    """Dead letters: orders that need a person."""


@dlq.command("list")
@LIMIT
@ACCOUNT
@command_output(columns=("id", "account", "symbol", "op", "side", "volume", "code", "reason", "attempt"))
async def list_dead(limit: int, account: str) -> list[dict[str, Any]]:
    """Newest first."""
    return await on_store(lambda store: desk.listing(store, "dlq", account=account, limit=limit))


@dlq.command("show")
@click.argument("order_id")
@command_output()
async def show_dead(order_id: str) -> dict[str, Any]:
    """One dead letter with its whole trace."""
    return await on_store(lambda store: desk.trace(store, order_id))


@dlq.command("retry")
@click.argument("order_id")
@click.option("--force", is_flag=True, help="Also past its lifetime.")
@command_output()
async def retry(order_id: str, force: bool) -> dict[str, Any]:
    """Offer it again. Look at the account first: it may have been executed."""
    return await _settle(order_id, "retry", force=force)


@dlq.command("discard")
@click.argument("order_id")
@command_output()
async def discard(order_id: str) -> dict[str, Any]:
    """Give it up."""
    return await _settle(order_id, "discard", force=False)


async def _settle(order_id: str, do: str, *, force: bool) -> dict[str, Any]:
    from kakehashi.config import load_settings

    lifetimes = load_settings().ttl
    ttl = desk.Ttl(entry_ms=int(lifetimes.entry_s * 1000), exit_ms=int(lifetimes.exit_s * 1000))
    return await change(desk.dead_letter, order_id, do=do, force=force, ttl=ttl)
