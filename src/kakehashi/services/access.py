"""Who may knock: tokens (kept as SHA-256 only), their scopes, and how often each may come.

A token reads ``kk_<scope>_<id>_<secret>``: the id finds the row, the secret's hash is compared in constant time on bytes.
"""

import hashlib
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from kakehashi.config.model import TRADINGVIEW_IPS, Network, Rate, networks
from kakehashi.domain.errors import Rejected, Unavailable
from kakehashi.ports import AuditRow, Commit, Ownership, Store, TokenRow

SCOPES = ("webhook", "ea", "operator", "admin", "metrics", "read", "session")
DAY_MS = 86_400_000
_NOBODY = hashlib.sha256(b"nobody").digest()


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    row: TokenRow
    secret: str
    """The whole token, shown once."""


def create_token(
    scope: str,
    *,
    at: int,
    name: str = "",
    route: str = "",
    account: str = "",
    slot: str = "",
    expires_at: int | None = None,
) -> NewToken:
    """A new random token; only its hash is in the row.

    :param slot: tokens of one slot are one strategy to the idempotency key, so rotation forgets nothing
    :raises Rejected: BAD_SCOPE, or an ``ea`` token without an account
    """
    if scope not in SCOPES:
        raise Rejected("BAD_SCOPE", f"scope must be one of {', '.join(SCOPES)}", value=scope)
    if scope == "ea" and not account:
        raise Rejected("BAD_SCOPE", "an ea token belongs to one account", hint="--account NAME")
    token_id = secrets.token_hex(6)
    secret = f"kk_{scope}_{token_id}_{secrets.token_urlsafe(32).replace('_', '-')}"
    return NewToken(
        row=TokenRow(
            id=token_id,
            scope=scope,
            sha256=hashlib.sha256(secret.encode()).digest(),
            name=name,
            route=route,
            account=account,
            slot=slot or route or name or token_id,
            created_at=at,
            expires_at=expires_at,
        ),
        secret=secret,
    )


def rotated(row: TokenRow, *, at: int, overlap_ms: int) -> tuple[NewToken, TokenRow]:
    """A second token of the same slot, and the old one as it is to be kept: it ends after the overlap.

    An old end stays where it is earlier; the new token gets the lifetime the old one was made with.

    :raises Rejected: TOKEN_ENDED: a revoked or expired token has nothing to overlap with
    """
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= at):
        raise Rejected("TOKEN_ENDED", f"token {row.id} is revoked or expired", hint="kakehashi token create")
    lifetime = None if row.expires_at is None else row.expires_at - row.created_at
    new = create_token(
        row.scope,
        at=at,
        name=row.name,
        route=row.route,
        account=row.account,
        slot=row.slot,
        expires_at=None if lifetime is None else at + lifetime,
    )
    new = msgspec.structs.replace(new, row=msgspec.structs.replace(new.row, user=row.user))
    end = min(at + overlap_ms, row.expires_at or at + overlap_ms)
    return new, msgspec.structs.replace(row, expires_at=end)


class Tokens:
    """The tokens as last read from the store; refreshed by its owner a few times a second."""

    def __init__(self) -> None:
        self._by_id: dict[str, TokenRow] = {}
        self.used: dict[str, int] = {}
        """Token id to its last use, ms UTC, where the store does not know it yet."""

    def refresh(self, rows: Sequence[TokenRow]) -> None:
        self._by_id = {row.id: row for row in rows}

    def find(self, raw: str | None, *, at: int) -> TokenRow | None:
        """The live token that this secret is, or None; an unknown id costs the same as a wrong secret."""
        given = (raw or "").encode("utf-8", "surrogatepass")[:512]
        parts = given.decode("utf-8", "replace").split("_", 3)
        row = self._by_id.get(parts[2]) if len(parts) == 4 else None
        wanted = row.sha256 if row is not None else _NOBODY
        same = secrets.compare_digest(hashlib.sha256(given).digest(), wanted)
        if row is None or not same or row.revoked_at is not None:
            return None
        if row.expires_at is not None and row.expires_at <= at:
            return None
        self.used[row.id] = at
        return row

    def live(self, token_id: str, *, at: int) -> bool:
        """Whether this token may be used now."""
        row = self._by_id.get(token_id)
        return row is not None and row.revoked_at is None and (row.expires_at is None or row.expires_at > at)

    async def save_used(self, store: Store, ownership: Ownership) -> None:
        """Write each token's last use; its first one of a day (UTC) is audited (SEC-16).

        :raises Unavailable: nothing was written, and it is kept for the next time
        """
        used, self.used = self.used, {}
        rows = [(row, at) for ident, at in used.items() if (row := self._by_id.get(ident)) is not None]
        if not rows:
            return
        audits = [
            AuditRow(at=at, actor=f"token {row.id}", action="token use", subject=row.id, detail=row.scope)
            for row, at in rows
            if row.last_used_at is None or row.last_used_at // DAY_MS < at // DAY_MS
        ]
        changes = [msgspec.structs.replace(row, last_used_at=at) for row, at in rows]
        try:
            await store.commit(Commit(ownership=ownership, changes=changes, audits=audits))
        except Unavailable:
            self.used = used | self.used
            raise
        self._by_id |= {row.id: row for row in changes if row.id in self._by_id}


class RateLimit:
    """A token bucket for each key; memory is bounded by forgetting the longest idle keys."""

    KEYS = 10_000

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> bool:
        """Whether ``key`` may come once more now."""
        if self._rate.unlimited:
            return True
        now = time.monotonic()
        left, since = self._buckets.pop(key, (float(self._rate.count), now))
        left = min(self._rate.count, left + (now - since) * self._rate.count / self._rate.period_s)
        allowed = left >= 1
        self._buckets[key] = (left - 1 if allowed else left, now)
        if len(self._buckets) > self.KEYS:
            self._buckets.popitem(last=False)
        return allowed


class Peers:
    """Whose address counts, and which addresses may knock."""

    def __init__(self, *, allow: Sequence[str], trusted_proxies: Sequence[str]) -> None:
        self._allow = networks(tuple(allow))
        self._proxies = networks(tuple(trusted_proxies))

    def client(self, peer: str, forwarded_for: str) -> str:
        """The client's address: the last hop that no trusted proxy wrote. A forged header does not pass."""
        address = peer
        for hop in reversed([h.strip() for h in forwarded_for.split(",") if h.strip()]):
            if not self.within(address, self._proxies):
                break
            address = hop
        return address

    def trusted(self, peer: str) -> bool:
        return self.within(peer, self._proxies)

    def allowed(self, address: str) -> bool:
        return not self._allow or self.within(address, self._allow)

    @staticmethod
    def unlimited(address: str) -> bool:
        """All users' bar-close bursts come from the same four addresses: no limit per address on them."""
        return address in TRADINGVIEW_IPS

    @staticmethod
    def within(address: str, ranges: Sequence[Network]) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in ranges)
