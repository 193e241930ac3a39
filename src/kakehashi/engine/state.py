"""What the engine knows, and the outcome of the event that it works on: tables, and what is read off them."""

from collections import OrderedDict
from collections.abc import Mapping

import msgspec

from kakehashi.domain.again import Names
from kakehashi.domain.errors import Rejected
from kakehashi.domain.messages import MirrorView
from kakehashi.domain.orders import Order
from kakehashi.domain.rules import Route
from kakehashi.domain.values import Account
from kakehashi.domain.views import AccountView, RouteMemory, Signal
from kakehashi.engine.book import Book
from kakehashi.engine.memory import memory_key
from kakehashi.engine.mirror import Mirror
from kakehashi.engine.outcome import Outcome

MAGICS_REMEMBERED = 10_000
SEQ_BITS = 48


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine is told once.

    :ivar prefix: 15 random bits of this installation, the upper part of every magic (R18)
    :ivar max_attempts: deliveries of one order before it is a dead letter
    :ivar stale_ms: age at which an account's last report no longer counts
    :ivar unconfirmed_ms: how long a bare "taken" may stay without a result before a person is told
    """

    prefix: int
    max_attempts: int = 5
    stale_ms: int = 30_000
    unconfirmed_ms: int = 300_000


class EngineState:
    """Every table of the engine. Only :class:`~kakehashi.engine.engine.Engine` changes them, one event after the other."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.accounts: dict[str, Account] = {}
        self.routes: dict[str, Route] = {}
        self.kills: frozenset[str] = frozenset()
        self.mirrors: dict[str, Mirror] = {}
        self.book = Book()
        self.memories: dict[str, RouteMemory] = {}
        self.magics: dict[str, OrderedDict[int, str]] = {}
        self.signals: dict[str, Signal] = {}
        self.seq = 0
        self._out = Outcome()
        self._views: dict[str, MirrorView] = {}
        self._given_views: Mapping[str, MirrorView] | None = None

    def know_magic(self, order: Order) -> None:
        """Remember whose an order is, so that its position is known for the route's; the oldest are forgotten."""
        magics = self.magics.setdefault(order.account, OrderedDict())
        magics[order.magic] = order.route
        if len(magics) > MAGICS_REMEMBERED:
            magics.popitem(last=False)

    def _names(self, seq: int) -> Names:
        return Names(f"o-{self.settings.prefix:x}-{seq}", seq, (self.settings.prefix << SEQ_BITS) | seq)

    def killed(self, account: str) -> bool:
        """Whether a kill switch covers this account: ``*`` is global, ``user:NAME`` one user's."""
        known = self.accounts.get(account)
        return bool({"*", account, f"user:{known.user}" if known else ""} & self.kills)

    def _stale(self, account: str, at: int) -> bool:
        """Whether it has reported before, and not lately; one that never did is handed what it is due."""
        mirror = self.mirrors.get(account)
        reported_at = mirror.reported_at if mirror is not None else None
        return reported_at is not None and at - reported_at > self.settings.stale_ms

    def _view(self, account: Account, symbol: str, at: int) -> AccountView:
        key = f"{account.name}|{symbol}"
        if self._given_views is not None:
            seen = self._given_views.get(key, MirrorView())
        else:
            mirror = self.mirrors.get(account.name)
            seen = MirrorView()
            if mirror is not None:
                seen = mirror.view(symbol, at=at, stale_ms=self.settings.stale_ms, pip=account.pips.get(symbol))
        view = AccountView(
            account=account,
            killed=self.killed(account.name),
            magics=self.magics.get(account.name, {}),
            orders=self.book.of(account.name),
        )
        if not seen.reported:
            return view
        self._views[key] = seen
        return msgspec.structs.replace(view, **{name: getattr(seen, name) for name in MirrorView.__struct_fields__})

    def _remember(self, route: str, account: str, symbol: str, memory: RouteMemory | None) -> None:
        if memory is not None:
            key = memory_key(route, account, symbol)
            self.memories[key] = memory
            self._out.memories[key] = memory

    def _known(self, order_id: str) -> Order:
        order = self.book.get(order_id)
        if order is None:
            raise Rejected("NOT_FOUND", f"no order {order_id} is open here", value=order_id)
        return order

    def _keep(self, order: Order) -> None:
        if not order.past or order.past[-1][0] is not order.state:
            past = (*order.past, (order.state, order.updated_at))
            order = msgspec.structs.replace(order, past=past)
        self.book.put(order)
        self._out.orders[order.id] = order
