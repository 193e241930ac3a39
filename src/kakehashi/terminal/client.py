"""A terminal's connection to the trade server."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from kakehashi.domain.errors import OutcomeUnknown, Rejected, Unavailable
from kakehashi.terminal.core.words import Deal, Order, Request, Result
from kakehashi.terminal.wire import (
    MAX_LINE,
    AccountFacts,
    AccountState,
    Call,
    Evidence,
    Filter,
    Follow,
    Hello,
    Liquidity,
    Login,
    Pin,
    PositionFacts,
    QuoteFacts,
    Read,
    Reply,
    SymbolFacts,
    TerminalState,
    Traces,
)

T = TypeVar("T")
_TIMEOUT_S: Final = 10.0
_HINT: Final = "is the broker running? kakehashi run broker --socket PATH --ledger FILE"


class BrokerClient:
    """One connection, one request in flight; connects when first used and again after a loss.

    Methods raise Rejected (the server refuses to understand), Unavailable (nothing was sent) or
    OutcomeUnknown (sent, no answer). A broker's refusal of an order is a :class:`Result`, not an error.

    :param socket: a path (Unix socket), or ``HOST:PORT``
    :param timeout_s: how long an answer is waited for; the attribute may be changed between calls
    :param left: called when a request has left and its answer is not there yet
    """

    def __init__(self, socket: str, *, timeout_s: float = _TIMEOUT_S, left: Callable[[], None] = lambda: None) -> None:
        self._socket, self._left = socket, left
        self.timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._last_id = 0

    async def login(self, login: Login) -> AccountFacts:
        return await self._call("login", login, AccountFacts)

    async def account_info(self, account: str) -> AccountFacts:
        return await self._call("account_info", {"account": account}, AccountFacts)

    async def symbols(self, account: str) -> list[SymbolFacts]:
        return await self._call("symbols", {"account": account}, list[SymbolFacts])

    async def quote(self, symbol: str, account: str | None = None) -> QuoteFacts:
        """:param account: whose suffix ``symbol`` carries, if any"""
        params = {"symbol": symbol} | ({"account": account} if account else {})
        return await self._call("quote", params, QuoteFacts)

    async def positions(self, wanted: Filter) -> list[PositionFacts]:
        return await self._call("positions", wanted, list[PositionFacts])

    async def orders(self, wanted: Filter) -> list[Order]:
        return await self._call("orders", wanted, list[Order])

    async def history_deals(self, wanted: Filter) -> list[Deal]:
        return await self._call("history_deals", wanted, list[Deal])

    async def history_orders(self, wanted: Filter) -> list[Order]:
        return await self._call("history_orders", wanted, list[Order])

    async def account_state(self, wanted: Read) -> AccountState:
        return await self._call("account_state", wanted, AccountState)

    async def evidence(self, wanted: Traces) -> Evidence:
        return await self._call("evidence", wanted, Evidence)

    async def order_send(self, account: str, request: Request) -> Result:
        return await self._call("order_send", {"account": account, "request": request}, Result)

    async def follow(self, wanted: Follow) -> TerminalState:
        return await self._call("follow", wanted, TerminalState)

    async def stop_out(self, account: str) -> list[Deal]:
        """Close everything as the broker does when the margin is gone (test control)."""
        return await self._call("stop_out", {"account": account}, list[Deal])

    async def set_price(self, symbol: str, bid: Decimal | None, ask: Decimal | None = None) -> None:
        """Pin a price (test control); ``bid`` None lets the symbol walk again."""
        await self._call("set_price", Pin(symbol=symbol, bid=bid, ask=ask), None)

    async def set_liquidity(self, symbol: str, volume: Decimal | None) -> None:
        """Most lots a market order gets (test control); None is without limit."""
        await self._call("set_liquidity", Liquidity(symbol=symbol, volume=volume), None)

    async def drained(self, client: str) -> bool:
        """Whether all connections of that name are gone, with everything that came through them done."""
        return await self._call("drained", Hello(client=client), bool)

    async def stop(self) -> None:
        """Ask the server to end."""
        await self._call("stop", {}, None)

    async def close(self) -> None:
        self._drop()

    async def _call(self, method: str, params: Any, answer: type[T] | None) -> T:
        async with self._lock:
            reader, writer = await self._connected()
            self._last_id += 1
            call = Call(id=self._last_id, method=method, params=msgspec.to_builtins(params))
            try:
                async with asyncio.timeout(self.timeout_s):
                    writer.write(msgspec.json.encode(call) + b"\n")
                    await writer.drain()
                    self._left()
                    line = await reader.readline()
                if not line.endswith(b"\n"):
                    raise ConnectionError("the broker hung up")
            except (OSError, TimeoutError, ValueError) as e:
                self._drop()
                raise OutcomeUnknown("BROKER_NO_ANSWER", f"{method}: sent, no answer: {e!r}", hint=_HINT) from e
            except asyncio.CancelledError:
                self._drop()  # its answer would be taken for the next request's
                raise
        reply = msgspec.json.decode(line, type=Reply)
        if reply.error is not None:
            raise Rejected("BROKER_" + reply.error.code, reply.error.message, value=method)
        return msgspec.json.decode(reply.result, type=answer)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and not self._streams[0].at_eof():
            return self._streams
        self._drop()
        host, _, port = self._socket.rpartition(":")
        try:
            async with asyncio.timeout(self.timeout_s):
                if port.isdigit() and "/" not in self._socket:
                    self._streams = await asyncio.open_connection(host or "127.0.0.1", int(port), limit=MAX_LINE)
                else:
                    self._streams = await asyncio.open_unix_connection(self._socket, limit=MAX_LINE)
        except (OSError, TimeoutError) as e:
            raise Unavailable("BROKER_UNREACHABLE", f"{self._socket}: {e!r}", hint=_HINT) from e
        return self._streams

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
