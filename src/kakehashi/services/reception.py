"""Who an EA that says HELLO is: its token, its account, and whether it may come at all."""

import msgspec

from kakehashi.domain.errors import Rejected
from kakehashi.domain.frames import Hello
from kakehashi.ports import Clock, TokenRow
from kakehashi.services.access import Peers, Tokens
from kakehashi.services.trader import Trader


class Guest(msgspec.Struct, frozen=True):
    """:ivar account: the hub's name of it; ``token`` the id of the token it came with"""

    account: str
    token: str


class Reception:
    """Checks every connection once, on either transport; whether the account is free is for the link to say."""

    def __init__(self, trader: Trader, tokens: Tokens, clock: Clock, peers: Peers) -> None:
        self._trader, self._tokens, self._clock, self._peers = trader, tokens, clock, peers

    def may_knock(self, peer: str) -> bool:
        return self._peers.allowed(peer)

    def token(self, raw: str | None) -> TokenRow:
        """:raises Rejected: UNAUTHORIZED, FORBIDDEN"""
        row = self._tokens.find(raw, at=self._clock.now_ms())
        if row is None:
            raise Rejected(
                "UNAUTHORIZED", "no valid EA token", hint="Authorization: Bearer kk_ea_..., or HELLO's token"
            )
        if row.scope != "ea":
            raise Rejected("FORBIDDEN", "this token is not an EA's")
        return row

    def greet(self, hello: Hello, bearer: str | None) -> Guest:
        """Let an EA in as far as the link.

        :param bearer: the token of the connection's header; HELLO's own counts where there is none
        :raises Rejected: UNAUTHORIZED, FORBIDDEN, UNKNOWN_ACCOUNT
        """
        row = self.token(bearer or hello.token)
        account = self._trader.engine.accounts.get(row.account) if self._trader.available else None
        if account is None:
            raise Rejected("UNKNOWN_ACCOUNT", f"no account {row.account}", hint="kakehashi accounts add")
        if hello.account != account.number:
            text = f"HELLO is of account {hello.account[:40]}, the token of {account.name} is for another number"
            raise Rejected("FORBIDDEN", text)
        return Guest(account.name, row.id)

    def still_valid(self, token: str) -> bool:
        """Whether a token that was good at HELLO still is: a revoked one ends its connections too."""
        return self._tokens.live(token, at=self._clock.now_ms())
