"""``kakehashi broker``: what happens at a broker without the hub: a trade by hand, a stop-out. For trials and tests."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar

import click

from kakehashi.cli.options import DecimalType
from kakehashi.cli.output import Answer, ExitCode, command_output

T = TypeVar("T")
_SOCKET = click.option(
    "--socket", "socket_path", default=None, help="The simulated broker, where it is not the configured one."
)
_ACCOUNT = click.option("--account", required=True, help="The account's name or number at the simulated broker.")


@click.group("broker")
def broker() -> None:
    """Trade by hand on the simulated broker, as somebody with a phone would: the hub hears of it from the EA."""


@broker.command("order")
@_SOCKET
@_ACCOUNT
@click.option("--symbol", required=True, help="As the account calls it, with its suffix.")
@click.option("--side", type=click.Choice(["buy", "sell"], case_sensitive=False), required=True)
@click.option("--volume", type=DecimalType(), required=True, help="Lots.")
@click.option("--position", type=click.IntRange(1), default=None, help="Close this position, instead of opening one.")
@command_output()
def order(
    socket_path: str | None, account: str, symbol: str, side: str, volume: Decimal, position: int | None
) -> Answer:
    """Place a market order by hand."""
    import msgspec

    from kakehashi.terminal.client import BrokerClient
    from kakehashi.terminal.core.words import OrderType, Reason, Request, Retcode, TradeAction

    request = Request(
        action=TradeAction.DEAL,
        symbol=symbol,
        type=OrderType(side.upper()),
        volume=volume,
        position=position or 0,
        reason=Reason.CLIENT,
    )

    async def send(client: BrokerClient) -> Any:
        return await client.order_send(account, request)

    result = _on_broker(socket_path, send)
    done = result.retcode in (Retcode.DONE, Retcode.DONE_PARTIAL, Retcode.PLACED)
    return Answer(msgspec.to_builtins(result), ExitCode.OK if done else ExitCode.REFUSED)


@broker.command("stopout")
@_SOCKET
@_ACCOUNT
@command_output(columns=("ticket", "position", "symbol", "side", "volume", "price", "profit"))
def stopout(socket_path: str | None, account: str) -> list[dict[str, Any]]:
    """Close everything on an account, as the broker does when the margin is gone."""
    import msgspec

    closed = _on_broker(socket_path, lambda client: client.stop_out(account))
    rows: list[dict[str, Any]] = msgspec.to_builtins(closed)
    return rows


def _on_broker(socket_path: str | None, act: Callable[[Any], Awaitable[T]]) -> T:
    from kakehashi.config import load_settings
    from kakehashi.terminal.client import BrokerClient

    async def run() -> T:
        client = BrokerClient(socket_path or str(load_settings().broker.socket))
        try:
            return await act(client)
        finally:
            await client.close()

    return asyncio.run(run())
