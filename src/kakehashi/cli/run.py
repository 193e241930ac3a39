"""``kakehashi up|run|status|send``: starting the roles, and looking whether they live."""

import asyncio
import contextlib
import os
import signal
import socket as sockets
import sys
from pathlib import Path
from typing import Any

import click

from kakehashi.cli.options import HUB_URL
from kakehashi.cli.output import command_output, say
from kakehashi.cli.session import hub_url
from kakehashi.domain.errors import Malformed, Rejected, Unavailable


@click.group("run")
def run() -> None:
    """Run one role in the foreground."""


@run.command("hub")
@click.option("--host", default=None)
@click.option("--port", type=click.IntRange(0, 65535), default=None)
@click.option("--fd", type=int, default=None, hidden=True, help="A listening socket handed down by `kakehashi up`.")
@command_output()
def hub(host: str | None, port: int | None, fd: int | None) -> None:
    """The hub: webhook door, EA door, trader."""
    from kakehashi.bootstrap import bind, prepare_store, serve_hub
    from kakehashi.config import load_settings
    from kakehashi.telemetry import setup_logging

    flags = {k: v for k, v in {"hub.host": host, "hub.port": port}.items() if v is not None}
    settings = load_settings(flags)
    setup_logging(settings)
    url = prepare_store(settings)
    listening = sockets.socket(fileno=fd) if fd is not None else bind(settings)
    name = listening.getsockname()
    say(f"hub on http://{name[0]}:{name[1]}")
    with asyncio.Runner(loop_factory=_loop()) as runner:
        runner.run(serve_hub(settings, url, [listening]))


@run.command("bridge")
@click.option("--host", default=None)
@click.option("--port", type=click.IntRange(0, 65535), default=None)
@click.option("--broker", "broker_socket", default=None, help="Socket of the simulated trade server.")
@click.option("--fd", type=int, default=None, hidden=True, help="A listening socket handed down by `kakehashi up`.")
@command_output()
def bridge(host: str | None, port: int | None, broker_socket: str | None, fd: int | None) -> None:
    """The MT5 bridge: terminals in sessions, /v5 over HTTP and WebSocket."""
    from kakehashi.bootstrap import bind, prepare_store, serve_bridge
    from kakehashi.config import load_settings
    from kakehashi.telemetry import setup_logging

    flags = {"bridge.host": host, "bridge.port": port, "bridge.broker": broker_socket}
    settings = load_settings(flags)
    setup_logging(settings)
    url = prepare_store(settings)
    listening = sockets.socket(fileno=fd) if fd is not None else bind(settings, "bridge")
    name = listening.getsockname()
    say(f"bridge on http://{name[0]}:{name[1]}")
    with asyncio.Runner(loop_factory=_loop()) as runner:
        runner.run(serve_bridge(settings, url, [listening]))


def _loop() -> Any:
    """Uvloop where there is one; it halves the cost of a request."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


@run.command("broker")
@click.option("--socket", "socket_path", type=click.Path(path_type=Path), default=None)
@click.option("--ledger", type=click.Path(path_type=Path), default=None)
@click.option("--accounts", type=click.Path(exists=True, path_type=Path), default=None)
@click.option("--seed", type=int, default=1)
@click.option("--strict", is_flag=True, help="Refuse logins to accounts that are not in the file.")
@click.option(
    "--ticks",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="Recorded prices instead of seeded ones: time_ms,symbol,bid,ask as CSV or Parquet.",
)
@click.option("--speed", type=click.FloatRange(0.001, 1e9), default=1.0, help="Times faster than recorded.")
@command_output()
def broker(
    socket_path: Path | None,
    ledger: Path | None,
    accounts: Path | None,
    seed: int,
    strict: bool,
    ticks: Path | None,
    speed: float,
) -> None:
    """The simulated trade server that the simulated terminals connect to."""
    from kakehashi.config import load_settings
    from kakehashi.telemetry import setup_logging
    from kakehashi.terminal.server import serve_broker

    settings = load_settings()
    setup_logging(settings)
    path = socket_path or settings.broker.socket
    book = ledger or Path(f"{path}.ledger.jsonl")
    try:
        asyncio.run(serve_broker(str(path), book, accounts, seed, strict=strict, ticks=ticks, speed=speed))
    except ValueError as e:
        raise Malformed("BAD_CONFIG", str(e)) from None


@click.command("up")
@click.option("--port", type=click.IntRange(0, 65535), default=None)
@command_output()
def up(port: int | None) -> None:
    """Run all roles of this machine, restart what fails, drain on Ctrl-C."""
    from kakehashi.bootstrap import bind, prepare_store
    from kakehashi.config import load_settings
    from kakehashi.services.supervise import Role, Supervisor
    from kakehashi.telemetry import setup_logging

    settings = load_settings({"hub.port": port} if port is not None else None)
    setup_logging(settings)
    prepare_store(settings)
    listening = bind(settings)
    fd = listening.fileno()
    argv = (sys.executable, "-m", "kakehashi", "run", "hub", "--fd", str(fd))
    roles = [Role(name="hub", argv=argv, fds=(fd,))]
    if settings.bridge.enabled:
        door = bind(settings, "bridge")
        more = (sys.executable, "-m", "kakehashi", "run", "bridge", "--fd", str(door.fileno()))
        roles.append(Role(name="bridge", argv=more, fds=(door.fileno(),)))
    supervisor = Supervisor(roles)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(ending, lambda: loop.create_task(supervisor.stop()))
        await supervisor.run()

    host, taken = listening.getsockname()[:2]
    say(f"kakehashi on http://{host}:{taken}, pid {os.getpid()}; Ctrl-C stops it")
    asyncio.run(main())


@click.command("status")
@HUB_URL
@command_output()
def status(url: str | None) -> dict[str, Any]:
    """Whether the hub answers, and what waits."""
    import httpx

    base = hub_url(url)
    try:
        live = httpx.get(f"{base}/livez", timeout=3)
        ready = httpx.get(f"{base}/readyz", timeout=3)
    except httpx.HTTPError as e:
        raise Unavailable("NOT_RUNNING", f"no hub answers on {base}: {e}", hint="kakehashi up") from None
    return {"url": base, "version": live.json().get("version"), "ready": ready.status_code == 200}


@click.command("send")
@click.argument("body")
@click.option("--token", "secret", required=True, envvar="KAKEHASHI_SEND_TOKEN", help="A webhook token.")
@HUB_URL
@command_output()
def send(body: str, secret: str, url: str | None) -> dict[str, Any]:
    """Fire a test alert: BODY as TradingView would send it; @FILE reads a file."""
    import httpx

    if body.startswith("@"):
        try:
            body = Path(body[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as e:
            raise Malformed("USAGE", f"cannot read {body[1:]}: {e}") from None
    base = hub_url(url)
    try:
        answer = httpx.post(
            f"{base}/webhook/tradingview",
            content=body.encode(),
            headers={"authorization": f"Bearer {secret}", "content-type": "application/json; charset=utf-8"},
            timeout=3,
        )
    except httpx.ConnectError as e:
        raise Unavailable("NOT_RUNNING", f"no hub answers on {base}: {e}", hint="kakehashi up") from None
    except httpx.TimeoutException:
        raise TimeoutError(f"no answer from {base} in 3 s") from None
    said: dict[str, Any] = answer.json()
    if answer.status_code != 200:
        raise Rejected(said.get("code", "REFUSED"), said.get("message", answer.text), hint=said.get("hint", ""))
    return said
