"""``kakehashi token``: tokens for webhooks, EAs and operators."""

from typing import TYPE_CHECKING, Any

import click
import msgspec

from kakehashi.cli.options import LIMIT, SpanType
from kakehashi.cli.output import command_output
from kakehashi.cli.session import actor, change, now_ms, on_store
from kakehashi.domain.errors import Rejected
from kakehashi.ports import AuditRow, TokenRow
from kakehashi.services import desk

if TYPE_CHECKING:
    from kakehashi.ports import Store


@click.group("token")
def token() -> None:
    """Tokens for webhooks, EAs and operators."""


def _once(data: dict[str, Any]) -> str:
    return f"{data['token']}\n(shown once: it is kept as a hash only)"


@token.command("create")
@click.option(
    "--scope", type=click.Choice(["webhook", "ea", "operator", "admin", "read", "metrics", "session"]), required=True
)
@click.option("--route", default="", help="The route a webhook token is for.")
@click.option("--account", default="", help="The account an EA token is for.")
@click.option("--name", default="", help="A note for you.")
@click.option("--days", type=click.IntRange(1, 3650), help="Expires after so many days.")
@command_output(human=_once)
async def create(scope: str, route: str, account: str, name: str, days: int | None) -> dict[str, Any]:
    """Make a token. It is shown once."""
    new = await change(desk.issue_token, scope, name=name, route=route, account_name=account, days=days)
    return {"id": new.row.id, "scope": scope, "token": new.secret, "expires_at": new.row.expires_at}


@token.command("list")
@LIMIT
@command_output(columns=("id", "scope", "route", "account", "name", "created_at", "expires_at", "revoked_at"))
async def list_tokens(limit: int) -> list[dict[str, Any]]:
    """All tokens, never their secrets."""
    rows = await on_store(lambda store: store.tokens())
    hidden = ("sha256", "hmac_key")
    newest_first = sorted(rows, key=lambda r: (r.created_at, r.id), reverse=True)
    return [{k: v for k, v in msgspec.structs.asdict(r).items() if k not in hidden} for r in newest_first[:limit]]


@token.command("rotate")
@click.argument("token_id")
@click.option("--overlap", type=SpanType(), default="24h", help="How long the old one goes on working, e.g. 24h.")
@command_output(human=_once)
async def rotate(token_id: str, overlap: int) -> dict[str, Any]:
    """Make a second token of the same slot; the old one ends after the overlap. The new one is shown once."""
    from kakehashi.services.access import rotated

    async def work(store: "Store") -> dict[str, Any]:
        new, old = rotated(await _found(store, token_id), at=now_ms(), overlap_ms=overlap)
        # The new one first: between the two writes both work, never none.
        await store.put_token(new.row, _audit("token create", new.row.id, detail=f"rotates {token_id}"))
        await store.put_token(old, _audit("token rotate", token_id, detail=f"until {old.expires_at}"))
        return {
            "id": new.row.id,
            "scope": old.scope,
            "token": new.secret,
            "expires_at": new.row.expires_at,
            "replaces": {"id": old.id, "expires_at": old.expires_at},
        }

    return await on_store(work)


@token.command("revoke")
@click.argument("token_id")
@command_output()
async def revoke(token_id: str) -> dict[str, Any]:
    """Revoke a token by its id; it is refused within half a second."""

    await change(desk.revoke_token, token_id)
    return {"id": token_id, "revoked": True}


async def _found(store: "Store", token_id: str) -> TokenRow:
    row = next((r for r in await store.tokens() if r.id == token_id), None)
    if row is None:
        raise Rejected("NOT_FOUND", f"no token {token_id!r}", hint="kakehashi token list")
    return row


def _audit(action: str, subject: str, *, detail: str = "") -> AuditRow:
    return AuditRow(at=now_ms(), actor=actor(), action=action, subject=subject, detail=detail)
