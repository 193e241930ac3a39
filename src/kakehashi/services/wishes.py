"""What the trader can be asked, beside the events of the journal."""

from typing import TypeAlias

import msgspec

from kakehashi.domain.messages import AccountReport, Event
from kakehashi.domain.notices import NoticeTold
from kakehashi.services.gateway import LinkInput
from kakehashi.services.watch import SignOfLife


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """An executor asks for work; what it is given is leased to it."""

    at: int
    account: str
    symbol: str
    limit: int
    instance: str
    remembers: bool
    lease_ms: int


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A wish from the inbox; without an event it is only taken out."""

    id: int
    event: Event | None


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """The hub lives: whoever reads the store can tell that what it says of links is of now."""

    at: int


Wish: TypeAlias = Event | Poll | AccountReport | Left | LinkInput | Beat | NoticeTold | SignOfLife
