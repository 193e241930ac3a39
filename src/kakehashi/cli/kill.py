"""``kakehashi kill``: the kill switch. It never asks."""

from typing import Any

import click

from kakehashi.cli.options import ACCOUNT
from kakehashi.cli.output import command_output
from kakehashi.cli.session import change, on_store
from kakehashi.services import desk


@click.group("kill")
def kill() -> None:
    """The kill switch: stops everything new, lets closing go on."""


def _switch(command: str, text: str, *, on: bool) -> None:
    @kill.command(command, help=text)
    @ACCOUNT
    @click.option("--user", default="", help="Only this user's accounts.")
    @command_output()
    async def switch(account: str, user: str) -> dict[str, Any]:
        return await change(desk.kill, on=on, scope=account or (f"user:{user}" if user else "*"))


_switch("on", "Stop entries and cancel queued ones, everywhere or on one account. Never asks.", on=True)
_switch("off", "Clear the kill switch.", on=False)


@kill.command("status")
@ACCOUNT
@command_output()
async def status(account: str) -> dict[str, Any]:
    """What is stopped."""
    found = await on_store(desk.kill_status)
    return found if not account else {"killed": [k for k in found["killed"] if k in ("*", account)]}
