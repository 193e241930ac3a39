"""How positions ended: one row each, kept when the position itself is gone."""

import msgspec

from kakehashi.domain.values import Lots, Millis, Money, Price, Side


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A position that is no longer open, and the deal that ended it.

    :ivar ident: POSITION_IDENTIFIER, unique within the account
    :ivar volume: lots it had last
    :ivar price: of the closing deal; None where no deal explains the end
    :ivar reason: CLIENT, EXPERT, SL, TP, STOP_OUT or UNEXPLAINED
    :ivar deal: ticket of the closing deal, or empty
    :ivar magic: of the opening deal; 0 when a person opened it
    :ivar origin: OWN or EXTERNAL
    :ivar profit: account currency, swap and commission included
    """

    account: str
    ident: str
    ticket: str
    symbol: str
    side: Side
    volume: Lots
    open_price: Price
    price: Price | None
    closed_at: Millis
    opened_at: Millis | None
    reason: str
    deal: str
    magic: int
    origin: str
    profit: Money

    @property
    def key(self) -> str:
        """Unique over all accounts, as the position's was."""
        return f"{self.account}/{self.ident}"
