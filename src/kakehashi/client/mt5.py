"""A thin client of the MT5 bridge, with a face for plain scripts (:class:`Terminal`) and one for asyncio
(:class:`AsyncTerminal`). Every function of the MetaTrader5 package is a method of the same name::

    with Terminal.create("http://127.0.0.1:7802", token, login=1000, password="...") as mt5:
        print(mt5.account_info()["balance"])
        sent = mt5.order_send({"action": "TRADE_ACTION_DEAL", "symbol": "EURUSD", "volume": 0.1, "type": "ORDER_TYPE_BUY"})

What the package gives as a named tuple is a dict here, a table a list of dicts. Where the package gives None, so does the
method, and ``last_error`` says why.
"""

import secrets
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

from kakehashi.domain.errors import KakehashiError, OutcomeUnknown, Rejected, Unavailable
from kakehashi.domain.terminalcalls import BRIDGES_OWN, FUNCTIONS

SUCCESS: Final = (1, "Success")
_GRACE_S: Final = 10.0
"""For the answer to come back after the command's own deadline."""
_DEFAULT_S: Final = 10.0


def _headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _wish(name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> dict[str, Any]:
    """A command's body.

    :raises TypeError: more arguments than the function has, or one that it does not have
    """
    function = FUNCTIONS[name]
    given, reserved = dict(options), dict[str, Any]()
    for own in ("timeout_s", "command_id", "format"):
        if own in given:
            reserved["id" if own == "command_id" else own] = given.pop(own)
    if len(args) > len(function.args):
        raise TypeError(f"{name}() takes {len(function.args)} arguments by position, {len(args)} were given")
    params = dict(zip(function.args, args, strict=False)) | given
    if unknown := sorted(set(params) - set(function.known)):
        raise TypeError(f"{name}() has no argument {unknown[0]}; it has {', '.join(function.known) or 'none'}")
    if function.writes:  # an id of our own, so that its outcome can be asked for whatever happens to this connection
        reserved.setdefault("id", f"k-{secrets.token_hex(10)}")
    return {"command": name, "params": params, **reserved}


def _read(answer: httpx.Response) -> dict[str, Any]:
    """
    :raises OutcomeUnknown: the order request was sent and not answered; ``value`` is its command id
    :raises Unavailable: nothing was sent
    :raises Rejected: the bridge refused it
    """
    said: dict[str, Any] = answer.json()
    error = said.get("error")
    if error is None:
        return said
    kind: type[KakehashiError] = Rejected
    if error["code"] == "OUTCOME_UNKNOWN":
        kind = OutcomeUnknown
    elif answer.status_code >= 500:
        kind = Unavailable
    raise kind(error["code"], error["message"], hint=error.get("hint", ""), value=said.get("id") or error.get("value"))


def _failed(error: httpx.HTTPError, wish: Mapping[str, Any]) -> KakehashiError:
    """What a broken connection means for a command."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) or not FUNCTIONS[wish["command"]].writes:
        return Unavailable("BRIDGE_UNREACHABLE", f"the bridge does not answer: {error!r}")
    text = f"the connection broke after the request was sent: {error!r}"
    return OutcomeUnknown("OUTCOME_UNKNOWN", text, hint="outcome() says what became of it", value=wish["id"])


class _Told:
    """What both faces share. :ivar last_error: the package's, of the last command"""

    def __init__(self, session: str) -> None:
        self.session_id = session
        self.last_error: tuple[int, str] = SUCCESS

    def _took(self, said: Mapping[str, Any]) -> Any:
        code, text = said["last_error"]
        self.last_error = (code, text)
        return said["result"]

    def _path(self, *more: str) -> str:
        return "/".join(("/v5/session", self.session_id, *more))


class Terminal(_Told):
    """One session of a bridge, blocking.

    :param base: where the bridge is, e.g. ``http://127.0.0.1:7802``
    :param close: whether leaving a ``with`` deletes the session; :meth:`create` sets it
    """

    def __init__(self, base: str, token: str, session: str, *, close: bool = False) -> None:
        super().__init__(session)
        self._close = close
        self._http = httpx.Client(base_url=base, headers=_headers(token), timeout=_DEFAULT_S + _GRACE_S)

    @classmethod
    def create(cls, base: str, token: str, *, login: int, password: str, **more: str) -> Self:
        """A new session; see ``POST /v5/session/create``. :raises KakehashiError: it could not be made"""
        wish = {"login": login, "password": password, **more}
        try:
            answer = httpx.post(f"{base}/v5/session/create", json=wish, headers=_headers(token), timeout=120)
        except httpx.HTTPError as e:
            raise Unavailable("BRIDGE_UNREACHABLE", f"the bridge does not answer: {e!r}") from e
        return cls(base, token, _read(answer)["session_id"], close=True)

    def command(self, name: str, *args: Any, **options: Any) -> Any:
        """Call one function. ``timeout_s``, ``command_id`` and ``format`` are the bridge's.

        :raises KakehashiError: by remedy: Rejected, Unavailable, OutcomeUnknown
        """
        wish = _wish(name, args, options)
        try:
            timeout_s = wish.get("timeout_s", _DEFAULT_S) + _GRACE_S
            answer = self._http.post(self._path("command"), json=wish, timeout=timeout_s)
        except httpx.HTTPError as e:
            raise _failed(e, wish) from e
        return self._took(_read(answer))

    def outcome(self, command_id: str) -> dict[str, Any]:
        """What became of a command: its answer and ``state``, PENDING or RESOLVED."""
        return _read(self._http.get(self._path("command", command_id)))

    def view(self) -> dict[str, Any]:
        """The session's state and health."""
        return _read(self._http.get(self._path()))

    def delete(self) -> None:
        _read(self._http.delete(self._path()))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in FUNCTIONS or name in BRIDGES_OWN:
            raise AttributeError(f"the package has no function {name} that a session offers")
        return lambda *args, **options: self.command(name, *args, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._close:
            self.delete()
        self._http.close()


class AsyncTerminal(_Told):
    """The same for asyncio: ``await mt5.account_info()``."""

    def __init__(self, base: str, token: str, session: str, *, close: bool = False) -> None:
        super().__init__(session)
        self._close = close
        self._http = httpx.AsyncClient(base_url=base, headers=_headers(token), timeout=_DEFAULT_S + _GRACE_S)

    @classmethod
    async def create(cls, base: str, token: str, *, login: int, password: str, **more: str) -> Self:
        """A new session. :raises KakehashiError: it could not be made"""
        wish = {"login": login, "password": password, **more}
        try:
            async with httpx.AsyncClient(headers=_headers(token), timeout=120) as http:
                answer = await http.post(f"{base}/v5/session/create", json=wish)
        except httpx.HTTPError as e:
            raise Unavailable("BRIDGE_UNREACHABLE", f"the bridge does not answer: {e!r}") from e
        return cls(base, token, _read(answer)["session_id"], close=True)

    async def command(self, name: str, *args: Any, **options: Any) -> Any:
        """Call one function. :raises KakehashiError: by remedy: Rejected, Unavailable, OutcomeUnknown"""
        wish = _wish(name, args, options)
        try:
            timeout_s = wish.get("timeout_s", _DEFAULT_S) + _GRACE_S
            answer = await self._http.post(self._path("command"), json=wish, timeout=timeout_s)
        except httpx.HTTPError as e:
            raise _failed(e, wish) from e
        return self._took(_read(answer))

    async def outcome(self, command_id: str) -> dict[str, Any]:
        """What became of a command: its answer and ``state``, PENDING or RESOLVED."""
        return _read(await self._http.get(self._path("command", command_id)))

    async def view(self) -> dict[str, Any]:
        """The session's state and health."""
        return _read(await self._http.get(self._path()))

    async def delete(self) -> None:
        _read(await self._http.delete(self._path()))

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        if name not in FUNCTIONS or name in BRIDGES_OWN:
            raise AttributeError(f"the package has no function {name} that a session offers")
        return lambda *args, **options: self.command(name, *args, **options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._close:
            await self.delete()
        await self._http.aclose()
