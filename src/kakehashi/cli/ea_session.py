"""``kakehashi ea session``: the hub's orders on a terminal that the MT5 bridge runs."""

import asyncio
from collections.abc import Mapping
from typing import Any

import click

from kakehashi.cli.options import HUB_URL
from kakehashi.cli.output import command_output
from kakehashi.cli.session import hub_url


@click.command("session")
@click.option("--account", required=True, help="The account's name at the hub.")
@click.option("--token", "secret", required=True, envvar="KAKEHASHI_EA_TOKEN", help="An ea token of that account.")
@HUB_URL
@click.option("--bridge", "bridge_url", default=None, help="Where the bridge is, where it is not the configured one.")
@click.option("--session-token", required=True, envvar="KAKEHASHI_SESSION_TOKEN", help="A session token of the bridge.")
@click.option("--session", "session_id", required=True, help="A session of that token, logged in to the account.")
@click.option("--instance", default="session-1")
@click.option("--poll-s", type=click.FloatRange(0.01, 60), default=0.5)
@click.option("--report-s", type=click.FloatRange(0.05, 3600), default=5.0)
@click.option("--journal", default=None, help="A file that remembers executed commands.")
@command_output()
def session(
    account: str,
    secret: str,
    url: str | None,
    bridge_url: str | None,
    session_token: str,
    session_id: str,
    instance: str,
    poll_s: float,
    report_s: float,
    journal: str | None,
) -> None:
    """Carry out an account's orders in a session of the MT5 bridge, until Ctrl-C."""
    from pathlib import Path

    from kakehashi.client.mt5 import AsyncTerminal
    from kakehashi.config import load_settings
    from kakehashi.telemetry import setup_logging
    from kakehashi.terminal.ea import EaConfig, run_ea
    from kakehashi.terminal.session import SessionBroker

    settings = load_settings()
    setup_logging(settings)
    base = bridge_url or f"http://{settings.bridge.host}:{settings.bridge.port}"
    config = EaConfig(
        base_url=hub_url(url),
        token=secret,
        account=account,
        socket="",
        instance=instance,
        poll_s=poll_s,
        report_s=report_s,
        journal=Path(journal) if journal else None,
    )

    async def work() -> None:
        async with AsyncTerminal(base, session_token, session_id) as terminal:

            async def call(name: str, params: Mapping[str, Any]) -> tuple[Any, tuple[int, str]]:
                return await terminal.command(name, **params), terminal.last_error

            await run_ea(config, SessionBroker(call))

    asyncio.run(work())
