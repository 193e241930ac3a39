"""``kakehashi accounts|symbols|routes|token|kill|dlq|db``: configuration and the operator's hands."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click
import msgspec

from kakehashi.cli.lists import ACCOUNT, LIMIT
from kakehashi.cli.output import command_output
from kakehashi.cli.session import actor, now_ms, on_store
from kakehashi.domain.errors import Malformed, Rejected
from kakehashi.domain.values import Account, MarginMode, Platform, Redelivery, TradeMode


class DecimalType(click.ParamType[Decimal]):
    """A positive decimal number."""

    name = "decimal"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not number.is_finite() or not 0 < number <= 1_000_000:
            self.fail(f"{value!r} is not a number over 0", param, ctx)
        return number


# -- accounts ----------------------------------------------------------------------------------------------------


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
    from kakehashi.services import desk

    account = msgspec.convert({"name": name, **options}, Account, strict=False)
    await on_store(lambda store: desk.add_account(store, account, by=actor(), at=now_ms()))
    return _shown(account)


@accounts.command("list")
@LIMIT
@command_output(columns=("name", "platform", "number", "currency", "margin_mode", "mode", "armed", "enabled"))
async def list_accounts(limit: int) -> list[dict[str, Any]]:
    """All accounts."""
    from kakehashi.services import desk

    return await on_store(lambda store: desk.listing(store, "accounts", limit=limit))


@accounts.command("arm")
@click.argument("name")
@command_output()
async def arm(name: str) -> dict[str, Any]:
    """Let a REAL account trade. This is your savings: check routes and limits first."""
    from kakehashi.services import desk

    return _shown(await on_store(lambda s: desk.change_account(s, name, by=actor(), at=now_ms(), armed=True)))


@accounts.command("disarm")
@click.argument("name")
@command_output()
async def disarm(name: str) -> dict[str, Any]:
    """Stop a REAL account from being traded at all."""
    from kakehashi.services import desk

    return _shown(await on_store(lambda s: desk.change_account(s, name, by=actor(), at=now_ms(), armed=False)))


@accounts.command("enable")
@click.argument("name")
@command_output()
async def enable(name: str) -> dict[str, Any]:
    """Trade an account again."""
    from kakehashi.services import desk

    return _shown(await on_store(lambda s: desk.change_account(s, name, by=actor(), at=now_ms(), enabled=True)))


@accounts.command("disable")
@click.argument("name")
@command_output()
async def disable(name: str) -> dict[str, Any]:
    """Trade nothing on an account, closing included."""
    from kakehashi.services import desk

    return _shown(await on_store(lambda s: desk.change_account(s, name, by=actor(), at=now_ms(), enabled=False)))


def _shown(account: Account) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(account)
    return shown


@click.group("symbols")
def symbols() -> None:
    """What brokers call the symbols, and their pip sizes."""


@symbols.command("map")
@click.option("--account", required=True)
@click.argument("pairs", nargs=-1, required=True, metavar="EURUSD=EURUSD.m ...")
@command_output()
async def map_symbols(account: str, pairs: tuple[str, ...]) -> dict[str, str]:
    """Map signal symbols to the broker's."""
    from kakehashi.services import desk

    return (await on_store(lambda s: desk.map_symbols(s, account, pairs, by=actor(), at=now_ms()))).symbols


@symbols.command("pip")
@click.option("--account", required=True)
@click.argument("symbol")
@click.argument("size", type=DecimalType())
@command_output()
async def pip(account: str, symbol: str, size: Decimal) -> dict[str, Any]:
    """Say what one pip of the broker's SYMBOL is in price units, e.g. 0.0001."""
    from kakehashi.services import desk

    changed = await on_store(lambda s: desk.set_pip(s, account, symbol, size, by=actor(), at=now_ms()))
    return dict(changed.pips)


# -- routes ------------------------------------------------------------------------------------------------------


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
async def add_route(
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

    from kakehashi.domain.rules import Route, rules_from_toml
    from kakehashi.services import desk

    try:
        table: dict[str, Any] = tomllib.loads(rules.read_text(encoding="utf-8")) if rules else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise Malformed("BAD_CONFIG", f"{rules}: {e}") from None
    if lots is not None:
        table |= {"size_unit": "LOTS", "size_value": str(lots)}
    route = Route(
        name=name,
        accounts=accounts_,
        strategy=strategy,
        symbols=tuple(s.upper() for s in symbols_),
        rules=rules_from_toml(table),
        no_rails=no_rails,
        dry_run=dry_run,
    )
    await on_store(lambda store: desk.put_route(store, route, by=actor(), at=now_ms()))
    shown: dict[str, Any] = msgspec.to_builtins(route)
    return shown


@routes.command("list")
@LIMIT
@command_output(columns=("name", "accounts", "strategy", "symbols", "dry_run", "no_rails", "version"))
async def list_routes(limit: int) -> list[dict[str, Any]]:
    """All routes."""
    from kakehashi.services import desk

    return await on_store(lambda store: desk.listing(store, "routes", limit=limit))


@routes.command("history")
@click.argument("name")
@command_output(columns=("version", "at", "by"))
async def route_history(name: str) -> list[dict[str, Any]]:
    """Every version of a route: when, by whom, what."""
    rows = await on_store(lambda store: store.config_history("route", name))
    if not rows:
        raise Rejected("NOT_FOUND", f"no route {name!r}")
    return [
        {"version": r.version, "at": r.at, "by": r.by, "value": msgspec.json.decode(r.body) if r.body else None}
        for r in rows
    ]


@routes.command("remove")
@click.argument("name")
@command_output()
async def remove_route(name: str) -> dict[str, Any]:
    """Remove a route; its history stays."""
    from kakehashi.services import desk

    await on_store(lambda store: desk.route(store, name))
    await on_store(lambda store: desk.put(store, "route", name, None, by=actor(), at=now_ms()))
    return {"name": name, "removed": True}


async def _switch_route(name: str, *, enabled: bool) -> dict[str, Any]:
    from kakehashi.services import desk

    async def work(store: Any) -> Any:
        changed = msgspec.structs.replace(await desk.route(store, name), enabled=enabled)
        return await desk.put_route(store, changed, by=actor(), at=now_ms())

    shown: dict[str, Any] = msgspec.to_builtins(await on_store(work))
    return shown


@routes.command("enable")
@click.argument("name")
@command_output()
async def enable_route(name: str) -> dict[str, Any]:
    """Let a paused route open again."""
    return await _switch_route(name, enabled=True)


@routes.command("disable")
@click.argument("name")
@command_output()
async def disable_route(name: str) -> dict[str, Any]:
    """Pause a route: it opens nothing, but still closes."""
    return await _switch_route(name, enabled=False)


@routes.command("export")
@click.argument("name")
@command_output()
async def export_route(name: str) -> dict[str, Any]:
    """A route as JSON, whole."""
    from kakehashi.services import desk

    shown: dict[str, Any] = msgspec.to_builtins(await on_store(lambda store: desk.route(store, name)))
    return shown


# -- tokens ------------------------------------------------------------------------------------------------------


@click.group("token")
def token() -> None:
    """Tokens for webhooks, EAs and operators."""


@token.command("create")
@click.option("--scope", type=click.Choice(["webhook", "ea", "operator", "admin", "read", "metrics"]), required=True)
@click.option("--route", default="", help="The route a webhook token is for.")
@click.option("--account", default="", help="The account an EA token is for.")
@click.option("--name", default="", help="A note for you.")
@click.option("--days", type=click.IntRange(1, 3650), help="Expires after so many days.")
@command_output(human=lambda data: f"{data['token']}\n(shown once: it is kept as a hash only)")
async def create(scope: str, route: str, account: str, name: str, days: int | None) -> dict[str, Any]:
    """Make a token. It is shown once."""
    from kakehashi.ports import AuditRow
    from kakehashi.services import desk
    from kakehashi.services.access import create_token

    at = now_ms()
    expires_at = at + days * 86_400_000 if days else None
    new = create_token(scope, at=at, name=name, route=route, account=account, slot=route, expires_at=expires_at)
    audit = AuditRow(
        at=at, actor=actor(), action="token create", subject=new.row.id, detail=f"{scope} {route}{account}"
    )

    async def work(store: Any) -> None:
        if account:
            await desk.account(store, account)
        await store.put_token(new.row, audit)

    await on_store(work)
    return {"id": new.row.id, "scope": scope, "token": new.secret, "expires_at": expires_at}


@token.command("list")
@LIMIT
@command_output(columns=("id", "scope", "route", "account", "name", "created_at", "expires_at", "revoked_at"))
async def list_tokens(limit: int) -> list[dict[str, Any]]:
    """All tokens, never their secrets."""
    rows = await on_store(lambda store: store.tokens())
    hidden = ("sha256", "hmac_key")
    return [{k: v for k, v in msgspec.structs.asdict(r).items() if k not in hidden} for r in rows[:limit]]


@token.command("revoke")
@click.argument("token_id")
@command_output()
async def revoke(token_id: str) -> dict[str, Any]:
    """Revoke a token by its id; it is refused within half a second."""
    from kakehashi.ports import AuditRow

    at = now_ms()

    async def work(store: Any) -> None:
        row = next((r for r in await store.tokens() if r.id == token_id), None)
        if row is None:
            raise Rejected("NOT_FOUND", f"no token {token_id!r}", hint="kakehashi token list")
        audit = AuditRow(at=at, actor=actor(), action="token revoke", subject=token_id)
        await store.put_token(msgspec.structs.replace(row, revoked_at=at), audit)

    await on_store(work)
    return {"id": token_id, "revoked": True}


# -- kill switch, dead letters -----------------------------------------------------------------------------------


@click.group("kill")
def kill() -> None:
    """The kill switch: stops everything new, lets closing go on."""


def _scope(account: str, user: str) -> str:
    return account or (f"user:{user}" if user else "*")


USER = click.option("--user", default="", help="Only this user's accounts.")


@kill.command("on")
@ACCOUNT
@USER
@command_output()
async def kill_on(account: str, user: str) -> dict[str, Any]:
    """Stop entries and cancel queued ones, everywhere or on one account. Never asks."""
    from kakehashi.services import desk

    return await on_store(lambda s: desk.kill(s, on=True, scope=_scope(account, user), by=actor(), at=now_ms()))


@kill.command("off")
@ACCOUNT
@USER
@command_output()
async def kill_off(account: str, user: str) -> dict[str, Any]:
    """Clear the kill switch."""
    from kakehashi.services import desk

    return await on_store(lambda s: desk.kill(s, on=False, scope=_scope(account, user), by=actor(), at=now_ms()))


@kill.command("status")
@ACCOUNT
@command_output()
async def kill_status(account: str) -> dict[str, Any]:
    """What is stopped."""
    from kakehashi.services import desk

    status = await on_store(desk.kill_status)
    return status if not account else {"killed": [k for k in status["killed"] if k in ("*", account)]}


@click.group("dlq")
def dlq() -> None:
    """Dead letters: orders that need a person."""


@dlq.command("list")
@LIMIT
@ACCOUNT
@command_output(columns=("id", "account", "symbol", "op", "side", "volume", "code", "reason", "attempt"))
async def list_dead(limit: int, account: str) -> list[dict[str, Any]]:
    """Newest first."""
    from kakehashi.services import desk

    return await on_store(lambda store: desk.listing(store, "dlq", account=account, limit=limit))


@dlq.command("show")
@click.argument("order_id")
@command_output()
async def show_dead(order_id: str) -> dict[str, Any]:
    """One dead letter with its whole trace."""
    from kakehashi.services import desk

    return await on_store(lambda store: desk.trace(store, order_id))


@dlq.command("retry")
@click.argument("order_id")
@click.option("--force", is_flag=True, help="Also past its lifetime.")
@command_output()
async def retry(order_id: str, force: bool) -> dict[str, Any]:
    """Offer it again. Look at the account first: it may have been executed."""
    return await _dead(order_id, "retry", force=force)


@dlq.command("discard")
@click.argument("order_id")
@command_output()
async def discard(order_id: str) -> dict[str, Any]:
    """Give it up."""
    return await _dead(order_id, "discard", force=False)


async def _dead(order_id: str, do: str, *, force: bool) -> dict[str, Any]:
    from kakehashi.config import load_settings
    from kakehashi.services import desk

    lifetimes = load_settings().ttl
    ttl = desk.Ttl(entry_ms=int(lifetimes.entry_s * 1000), exit_ms=int(lifetimes.exit_s * 1000))
    return await on_store(lambda s: desk.dead_letter(s, order_id, do=do, force=force, by=actor(), at=now_ms(), ttl=ttl))


# -- the store ---------------------------------------------------------------------------------------------------


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
