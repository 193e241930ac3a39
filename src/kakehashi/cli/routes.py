"""``kakehashi routes``: which alerts go to which accounts, under what rules."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kakehashi.cli.options import LIMIT, DecimalType, SpanType
from kakehashi.cli.output import command_output, say, table
from kakehashi.cli.session import change, now_ms, on_store, shown
from kakehashi.domain.errors import Malformed
from kakehashi.domain.rules import Route, rules_from_toml
from kakehashi.services import desk

if TYPE_CHECKING:
    pass


@click.group("routes")
def routes() -> None:
    """Which alerts go to which accounts, under what rules."""


@routes.command("add")
@click.argument("name")
@click.option("--account", "accounts_", multiple=True, required=True)
@click.option("--symbol", "symbols_", multiple=True, help="Only these symbols, as the alert names them.")
@click.option("--strategy", default="", help="Only alerts of this token slot; tokens made with --route NAME have it.")
@click.option("--lots", type=DecimalType(), help="Fixed lots.")
@click.option("--rules", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A TOML file of rules.")
@click.option("--no-rails", is_flag=True, help="Without the default rails.")
@click.option("--dry-run", is_flag=True, help="Decide and record, send nothing.")
@command_output()
async def add(
    name: str,
    accounts_: tuple[str, ...],
    symbols_: tuple[str, ...],
    strategy: str,
    lots: Decimal | None,
    rules: Path | None,
    no_rails: bool,
    dry_run: bool,
) -> dict[str, Any]:
    """Add a route, or write its next version."""
    import tomllib

    try:
        given: dict[str, Any] = tomllib.loads(_read(rules)) if rules else {}
    except tomllib.TOMLDecodeError as e:
        raise Malformed("BAD_CONFIG", f"{rules}: {e}") from None
    if lots is not None:
        given |= {"size_unit": "LOTS", "size_value": str(lots)}
    route = Route(
        name=name,
        accounts=accounts_,
        strategy=strategy,
        symbols=tuple(s.upper() for s in symbols_),
        rules=rules_from_toml(given),
        no_rails=no_rails,
        dry_run=dry_run,
    )
    return shown(await change(desk.put_route, route))


@routes.command("list")
@LIMIT
@command_output(columns=("name", "accounts", "strategy", "symbols", "dry_run", "no_rails", "version"))
async def list_routes(limit: int) -> list[dict[str, Any]]:
    """All routes."""
    return await on_store(lambda store: desk.listing(store, "routes", limit=limit))


@routes.command("history")
@click.argument("name")
@command_output(columns=("version", "at", "by"))
async def history(name: str) -> list[dict[str, Any]]:
    """Every version of a route: when, by whom, what."""
    return await on_store(lambda store: desk.route_history(store, name))


@routes.command("remove")
@click.argument("name")
@command_output()
async def remove(name: str) -> dict[str, Any]:
    """Remove a route; its history stays."""

    await change(desk.remove_route, name)
    return {"name": name, "removed": True}


def _switch(command: str, text: str, *, enabled: bool) -> None:
    @routes.command(command, help=text)
    @click.argument("name")
    @command_output()
    async def switch(name: str) -> dict[str, Any]:
        return shown(await change(desk.switch_route, name, enabled=enabled))


_switch("enable", "Let a paused route open again.", enabled=True)
_switch("disable", "Pause a route: it opens nothing, but still closes.", enabled=False)


def _compared(data: dict[str, Any]) -> str:
    totals = {k: v for k, v in data["totals"].items() if v or k in ("signals", "matching", "missing", "extra")}
    lines = [line | {"at": f"{_local(line['at']):%m-%d %H:%M:%S}"} for line in data["lines"]]
    columns = ("at", "verdict", "account", "alert", "would", "code", "really", "route", "strategy", "state")
    end = table([{"": name, " ": value} for name, value in totals.items()])
    return f"{table(lines, columns)}\n\n{end}" if lines else end


def _local(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone()


@routes.command("compare")
@click.argument("name")
@click.option("--since", type=SpanType(), default="48h", help="How far back, e.g. 48h or 7d.")
@click.option("--within", type=SpanType(), default="60s", help="How far apart two orders may be and still match.")
@command_output(human=_compared)
async def compare(name: str, since: int, within: int) -> dict[str, Any]:
    """What a dry-run route would have done, beside what other routes did on its accounts and symbols."""
    from kakehashi.services.compare import compare_route

    start = now_ms() - since
    found = await on_store(lambda store: compare_route(store, name, since=start, within_ms=within))
    return {"route": name, "since": start, **shown(found)}


@routes.command("export")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--file", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write there, not to stdout.")
@command_output(human=lambda data: data["toml"].rstrip() if "toml" in data else data["file"])
async def export(names: tuple[str, ...], path: Path | None) -> dict[str, Any]:
    """The named routes, or all, as TOML; `routes import` reads it."""
    from kakehashi.services.route_file import export_routes, to_toml

    found = await on_store(lambda store: export_routes(store, names))
    text = to_toml(found)
    data: dict[str, Any] = {"routes": [shown(route) for route in found]}
    if path is None:
        return data | {"toml": text}
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as e:
        raise Malformed("USAGE", f"cannot write {path}: {e}") from None
    return data | {"file": str(path)}


@routes.command("import")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check and show, write nothing.")
@command_output(columns=("route", "change", "fields"))
async def import_(path: Path, dry_run: bool) -> list[dict[str, Any]]:
    """Add and change the routes of a TOML file: all of them or, where one is wrong, none."""
    from kakehashi.services.route_file import from_toml, import_routes

    wanted = from_toml(_read(path))
    found = await change(import_routes, wanted, dry_run=dry_run)
    if dry_run:
        say("dry run: nothing was written")
    return [shown(one) for one in found]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise Malformed("BAD_CONFIG", f"cannot read {path}: {e}") from None
