"""``kakehashi db``: the store."""

from pathlib import Path
from typing import Any

import click

from kakehashi.cli.output import command_output
from kakehashi.cli.session import now_ms, on_store


@click.group("db")
def db() -> None:
    """The store: migrations, backup, clean-up, audit."""


@db.command("upgrade")
@command_output()
def upgrade() -> dict[str, str]:
    """Make the tables those of this version."""
    from kakehashi.bootstrap import prepare_store
    from kakehashi.config import load_settings
    from kakehashi.telemetry import redact

    return {"store": redact(prepare_store(load_settings())), "state": "up to date"}


@db.command("backup")
@click.argument("path", type=click.Path(path_type=Path))
@command_output()
async def backup(path: Path) -> dict[str, Any]:
    """Write a consistent copy to PATH while everything runs."""
    await on_store(lambda store: store.backup(str(path.absolute())))
    return {"path": str(path), "bytes": path.stat().st_size}


@db.command("prune")
@click.option("--days", type=click.IntRange(1, 36500), default=90, help="Keep so many days.")
@command_output()
async def prune(days: int) -> dict[str, Any]:
    """Delete what ended longer ago; open orders and the audit stay."""
    return dict(await on_store(lambda store: store.prune(before=now_ms() - days * 86_400_000)))


@db.command("verify")
@command_output()
async def verify() -> dict[str, int]:
    """Check the audit's hash chain."""
    return {"audits": await on_store(lambda store: store.verify_audits())}
