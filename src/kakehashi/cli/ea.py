"""``kakehashi ea install|check|simulate``: the EA, and EAs to try things with; ``kakehashi tv emulate``: TradingView's sender."""

import asyncio
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from kakehashi.cli.ea_install import install_command
from kakehashi.cli.ea_session import session
from kakehashi.cli.options import HUB_URL
from kakehashi.cli.output import command_output, language
from kakehashi.cli.session import hub_url, now_ms, on_store
from kakehashi.domain.errors import Malformed


@click.group("ea")
def ea() -> None:
    """The Expert Advisor, and the simulated EA."""


ea.add_command(install_command)
ea.add_command(session)


def _in_words(rows: list[dict[str, str]]) -> str:
    if not rows:
        return "nothing wrong was found" if language() == "en" else "問題は見つかりませんでした"
    return "\n".join(f"{r['severity'].upper():8}{r['code']}: {r['message']}\n        -> {r['remedy']}" for r in rows)


@ea.command("check")
@click.argument("name")
@command_output(human=_in_words)
async def check(name: str) -> list[dict[str, str]]:
    """What is wrong with the EA of the account NAME, each with its remedy."""
    from kakehashi.services import eachecks

    return await on_store(lambda store: eachecks.findings(store, name, at=now_ms(), lang=language()))


@ea.command("simulate")
@click.option("--account", required=True, help="The account's name, at the hub and at the simulated broker.")
@click.option("--number", default="", help="The login; the hub checks it against the account's.")
@click.option("--token", "secret", required=True, envvar="KAKEHASHI_EA_TOKEN", help="An ea token of that account.")
@HUB_URL
@click.option("--socket", "socket_path", default=None, help="The simulated broker.")
@click.option("--instance", default="ea-1")
@click.option("--poll-s", type=click.FloatRange(0.01, 60), default=1.0)
@click.option("--report-s", type=click.FloatRange(0.05, 3600), default=5.0)
@click.option("--symbol", default="", help="Only orders of this symbol.")
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    default=None,
    help="Remembers executed commands here. On the link it always does: one file for each server and login.",
)
@click.option("--legacy", is_flag=True, help="No memory, no reports, acks by keys only.")
@click.option("--balance", default="10000")
@click.option("--currency", default="USD")
@click.option("--margin-mode", type=click.Choice(["hedging", "netting"]), default="hedging")
@click.option("--suffix", default="", help="Of the broker's symbol names, e.g. .m")
@click.option("--die-after-poll", type=int, default=None, help="Dies holding the lease of the n-th poll with work.")
@click.option(
    "--link",
    type=click.Choice(["mailbox", "ws", "poll"]),
    default=None,
    show_default="mailbox; native: ws",
    help="How it talks to the hub: the mailbox, or the link (klink/1) by WebSocket or by polls.",
)
@click.option(
    "--wait-ms", type=click.IntRange(0, 750), default=750, help="Link by polls: how long the hub may hold one."
)
@click.option("--die-at", default=None, metavar="POINT[:NTH]", help="Link: dies there, as by kill -9 (for tests).")
@click.option(
    "--native",
    type=click.IntRange(1, 1000),
    default=None,
    metavar="N",
    help="N Expert Advisors in MQL5, compiled by make ea. Over 1: accounts ACCOUNT-1 to ACCOUNT-N, logins from the number "
    "on, N tokens with commas between.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Native: keeps the terminals' data folders, one for each account.",
)
@command_output()
def simulate(
    secret: str,
    url: str | None,
    socket_path: str | None,
    link: str | None,
    wait_ms: int,
    die_at: str | None,
    native: int | None,
    data: Path | None,
    **options: Any,
) -> None:
    """Trade on the simulated broker what the hub says, until Ctrl-C."""
    from kakehashi.config import load_settings
    from kakehashi.telemetry import setup_logging
    from kakehashi.terminal.core.words import MarginMode

    settings = load_settings()
    setup_logging(settings)
    options["balance"] = Decimal(options["balance"])
    options["margin_mode"] = MarginMode(options["margin_mode"])
    options |= {"base_url": hub_url(url), "token": secret, "socket": socket_path or str(settings.broker.socket)}
    if native is not None:
        if link == "mailbox" or options["legacy"] or options["die_after_poll"] or options["journal"] or die_at:
            raise Malformed("USAGE", "--native goes with --link ws or poll; --data says where it keeps its journal")
        _native(options, native, transport=link or "ws", data=data)
    elif link in (None, "mailbox"):
        _by_mailbox(options)
    elif options["legacy"] or options["die_after_poll"]:
        raise Malformed("USAGE", "--legacy and --die-after-poll belong to the mailbox", value=link)
    else:
        _by_link(options, transport=str(link), wait_ms=wait_ms, die_at=die_at)


def _by_mailbox(options: dict[str, Any]) -> None:
    from kakehashi.terminal.ea import EaConfig, EaDied, run_ea

    try:
        asyncio.run(run_ea(EaConfig(**options)))
    except EaDied:
        raise SystemExit(9) from None


_OPENING = ("account", "number", "currency", "margin_mode", "balance", "suffix")


def _native(options: dict[str, Any], count: int, *, transport: str, data: Path | None) -> None:
    """One becomes this process, so that whoever ends it ends the EA; several are kept alive by it."""
    from kakehashi.config import data_dir
    from kakehashi.services.supervise import Role
    from kakehashi.terminal.native import TOKEN_VARIABLE, NativeConfig, built, command_of
    from kakehashi.terminal.wire import Login

    program = built()
    tokens = [token for token in options["token"].replace(",", " ").split() if token]
    if len(tokens) != count:
        raise Malformed("USAGE", f"--native {count} takes {count} tokens, one for each account", value=str(len(tokens)))
    first = {name: options[name] for name in _OPENING}
    logins = [Login(**first)] if count == 1 else [Login(**first | _nth(first, n)) for n in range(count)]
    folder = data or data_dir() / "ea-native"
    roles = []
    for login, token in zip(logins, tokens, strict=True):
        own = folder / login.account
        own.mkdir(parents=True, exist_ok=True)
        config = NativeConfig(
            base_url=options["base_url"], broker=options["socket"], login=login, data=own, transport=transport
        )
        argv, env = command_of(config, program), {TOKEN_VARIABLE: token}
        roles.append(Role(name=f"ea-{login.account}", argv=argv, env=env))
    if count == 1:
        sys.stdout.flush()
        os.execve(program, roles[0].argv, os.environ | roles[0].env)  # noqa: S606 (no shell is wanted)
    asyncio.run(_kept(roles))


def _nth(first: dict[str, Any], n: int) -> dict[str, str]:
    number = str(int(first["number"]) + n) if first["number"].isdigit() else ""
    return {"account": f"{first['account']}-{n + 1}", "number": number}


async def _kept(roles: list[Any]) -> None:
    from kakehashi.services.supervise import Supervisor

    supervisor, ended = Supervisor(roles), asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, ended.set)
    running = asyncio.create_task(supervisor.run())
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await supervisor.stop()
    await running


def _by_link(options: dict[str, Any], *, transport: str, wait_ms: int, die_at: str | None) -> None:
    from kakehashi.config import data_dir
    from kakehashi.terminal.linked import LinkedConfig, Transport, run_linked
    from kakehashi.terminal.wire import Login

    config = LinkedConfig(
        **{name: options[name] for name in ("base_url", "token", "socket", "journal")},
        login=Login(**{name: options[name] for name in _OPENING}),
        journals=data_dir() / "ea",
        transport=Transport(transport),
        wait_ms=wait_ms,
        fate=_fate(die_at) if die_at else None,
    )
    asyncio.run(run_linked(config))


def _fate(text: str) -> Any:
    from kakehashi.terminal.dying import Fate, Point

    point, _, nth = text.partition(":")
    if point not in {p.value for p in Point} or not (nth or "1").isdigit() or nth == "0":
        raise Malformed("USAGE", f"--die-at takes one of {', '.join(Point)}, and :NTH from 1", value=text)
    return Fate(point=Point(point), nth=int(nth or 1))


@click.group("tv")
def tv() -> None:
    """TradingView's sender, emulated."""


@tv.command("emulate")
@click.option("--script", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--token", "secret", required=True, envvar="KAKEHASHI_SEND_TOKEN")
@HUB_URL
@click.option("--speed", type=click.FloatRange(0.1, 1000), default=1.0)
@command_output(columns=("status", "attempts", "took_ms", "body", "answer"))
async def emulate(script: Path, secret: str, url: str | None, speed: float) -> list[dict[str, Any]]:
    """Send each line of SCRIPT as one alert; a line ``wait 2.5`` pauses so many seconds."""
    import httpx
    import msgspec

    from kakehashi.client.tradingview import deliver

    base = hub_url(url)
    done: list[dict[str, Any]] = []
    async with httpx.AsyncClient() as http:
        for number, line in enumerate(script.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith("wait "):
                await asyncio.sleep(_seconds(line, number) / speed)
            elif line.strip() and not line.startswith("#"):
                delivery = await deliver(http, f"{base}/webhook/tradingview/{secret}", line, speed=speed)
                done.append(msgspec.to_builtins(delivery))
    return done


def _seconds(line: str, number: int) -> float:
    try:
        return min(max(float(line.split()[1]), 0.0), 3600.0)
    except (ValueError, IndexError):
        raise Malformed("USAGE", f"line {number}: `wait` takes seconds, e.g. wait 2.5", value=line) from None
