"""``kakehashi accounts|symbols``: the accounts that orders go to, and what their brokers call the symbols."""

from decimal import Decimal
from typing import Any

import click
import msgspec

from kakehashi.cli.options import LIMIT, DecimalType
from kakehashi.cli.output import command_output
from kakehashi.cli.session import change, now_ms, on_store, shown
from kakehashi.domain.markethours import market_hours
from kakehashi.domain.values import Account, MarginMode, Platform, Redelivery, TradeMode
from kakehashi.services import desk

ACCOUNT_COLUMNS = (
    *("name", "platform", "number", "currency", "mode", "armed", "enabled"),
    *("link", "fresh", "balance", "equity", "epoch", "suspended"),
)


@click.group("accounts")
def accounts() -> None:
    """The accounts that orders go to."""


@accounts.command("add")
@click.argument("name")
@click.option("--platform", type=click.Choice([p.value for p in Platform]), default="mt5")
@click.option("--number", required=True, help="The broker's login.")
@click.option("--currency", default="USD")
@click.option("--margin-mode", type=click.Choice([m.value for m in MarginMode]), default="hedging")
@click.option("--mode", type=click.Choice([m.value for m in TradeMode]), default="demo", help="real must be armed.")
@click.option("--server", default="", help="The broker's server; bound at first contact when left out.")
@click.option("--user", default="default")
@click.option("--redelivery", type=click.Choice([r.value for r in Redelivery]), default="auto")
@command_output()
async def add(name: str, **options: str) -> dict[str, Any]:
    """Add an account under NAME."""
    account = msgspec.convert({"name": name, **options}, Account, strict=False)
    return shown(await change(desk.add_account, account))


@accounts.command("list")
@LIMIT
@command_output(columns=ACCOUNT_COLUMNS)
async def list_accounts(limit: int) -> list[dict[str, Any]]:
    """All accounts."""
    return await on_store(lambda store: desk.listing(store, "accounts", at=now_ms(), limit=limit))


def _switch(command: str, text: str, **changes: bool) -> None:
    @accounts.command(command, help=text)
    @click.argument("name")
    @command_output()
    async def switch(name: str) -> dict[str, Any]:
        return shown(await change(desk.change_account, name, **changes))


_switch("arm", "Let a REAL account trade. This is your savings: check routes and limits first.", armed=True)
_switch("disarm", "Stop a REAL account from being traded at all.", armed=False)
_switch("enable", "Trade an account again.", enabled=True)
_switch("disable", "Trade nothing on an account, closing included.", enabled=False)


@accounts.command("hours")
@click.argument("name")
@click.argument("hours")
@command_output()
async def hours(name: str, hours: str) -> dict[str, Any]:
    """When the market of NAME is closed (a stopped EA is no outage then): fx, always, or "fri 22:00-sun 22:00" (UTC)."""
    market_hours(hours)
    return shown(await change(desk.change_account, name, market_hours=hours))


@accounts.command("resync")
@click.argument("name")
@command_output()
async def resync(name: str) -> dict[str, Any]:
    """Have the EA send a whole snapshot now."""
    return await change(desk.ask_link, name, ask="resync")


@accounts.command("confirm")
@click.argument("name")
@command_output()
async def confirm(name: str) -> dict[str, Any]:
    """Let an account trade again whose EA knew more than the hub. Compare positions and orders with the terminal first."""
    return await change(desk.ask_link, name, ask="confirm")


@click.group("symbols")
def symbols() -> None:
    """What brokers call the symbols, and their pip sizes."""


@symbols.command("map")
@click.option("--account", required=True)
@click.argument("pairs", nargs=-1, required=True, metavar="EURUSD=EURUSD.m ...")
@command_output()
async def map_symbols(account: str, pairs: tuple[str, ...]) -> dict[str, str]:
    """Map signal symbols to the broker's."""
    return (await change(desk.map_symbols, account, pairs)).symbols


@symbols.command("pip")
@click.option("--account", required=True)
@click.argument("symbol")
@click.argument("size", type=DecimalType())
@command_output()
async def pip(account: str, symbol: str, size: Decimal) -> dict[str, Any]:
    """Say what one pip of the broker's SYMBOL is in price units, e.g. 0.0001."""
    return dict((await change(desk.set_pip, account, symbol, size)).pips)
