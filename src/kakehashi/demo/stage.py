"""The demo's stage: a temporary store, four accounts, and the processes that play hub, broker, bridge and EAs."""

import asyncio
import os
import secrets
import signal
import socket as sockets
import sys
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec

from kakehashi.bootstrap import opened_store, prepare_store
from kakehashi.config import Settings, load_settings
from kakehashi.domain.errors import Rejected, Unavailable
from kakehashi.domain.rules import Route, rules_from_toml
from kakehashi.domain.values import Account, MarginMode
from kakehashi.ports import AuditRow, Store
from kakehashi.services import desk
from kakehashi.services.access import create_token
from kakehashi.services.ids import SystemClock
from kakehashi.services.supervise import Role, Supervisor
from kakehashi.terminal import native
from kakehashi.terminal.core.words import MarginMode as BrokerMode
from kakehashi.terminal.wire import Login

START_LIMIT_S = 90.0
"""Nine processes start at once: some seconds on an idle machine."""
BUILD_LIMIT_S = 18.0
"""The demo is short: where compiling the EA takes longer, the Python EA plays."""


class Cast(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated account of the demo.

    :ivar link: how its EA speaks with the hub: mailbox, ws or poll; session: its terminal is a session of the MT5 bridge
    """

    name: str
    number: str
    margin_mode: MarginMode
    balance: str
    suffix: str = ""
    link: str = "mailbox"


CAST = (
    Cast(name="tokyo", number="1001", margin_mode=MarginMode.HEDGING, balance="10000"),
    Cast(name="osaka", number="1002", margin_mode=MarginMode.NETTING, balance="20000", suffix=".m", link="ws"),
    Cast(name="small", number="1003", margin_mode=MarginMode.HEDGING, balance="100", link="ws"),
    Cast(name="nagoya", number="1004", margin_mode=MarginMode.HEDGING, balance="10000", link="session"),
)


MAILBOX = ("--instance", "ea-1", "--poll-s", "0.05", "--report-s", "0.5")


class Stage:
    """Set up once; :meth:`run` keeps the processes until the script has ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "broker.sock"
        self.ledger = folder / "ledger.jsonl"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("KAKEHASHI_")} | {
            "KAKEHASHI_STORE__URL": f"sqlite:///{folder / 'demo.db'}",
            "KAKEHASHI_BROKER__SOCKET": str(self.socket),
            "KAKEHASHI_BRIDGE__BROKER": str(self.socket),
            "KAKEHASHI_BRIDGE__KEY": secrets.token_urlsafe(32),
            "KAKEHASHI_MAILBOX__LEASE_S": "2",
            "KAKEHASHI_LOG__LEVEL": "warning",
        }
        self.listening, self.bridge = _listening(), _listening()
        self.bridge_url = f"http://127.0.0.1:{self.bridge.getsockname()[1]}"
        self.base_url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.webhook = self.session_token = ""
        self.ea_tokens: dict[str, str] = {}
        self.native: Path | None = None
        self.store: Store
        self.supervisor: Supervisor

    def prepare(self) -> str:
        """Make the store; its URL."""
        return prepare_store(self.settings())

    def choose_ea(self) -> str:
        """Have the linked accounts use the EA in MQL5 where it can be compiled. Why they do not; empty: they do."""
        try:
            self.native = native.build(limit_s=BUILD_LIMIT_S)
        except Rejected as e:
            return f"{e} ({e.hint})" if e.hint else str(e)
        return ""

    def settings(self) -> Settings:
        url = self.env["KAKEHASHI_STORE__URL"]
        return load_settings({"store.url": url, "log.level": "error"})

    async def furnish(self, url: str) -> None:
        """Accounts, routes and tokens, as an operator would make them."""
        self.store = await opened_store(url)
        at = SystemClock().now_ms()
        for one in CAST:
            symbols = {s: f"{s}{one.suffix}" for s in ("EURUSD", "USDJPY")} if one.suffix else {}
            account = Account(name=one.name, number=one.number, margin_mode=one.margin_mode, symbols=symbols)
            await desk.add_account(self.store, account, by="demo", at=at)
            self.ea_tokens[one.name] = await self._token("ea", account=one.name)
        self.session_token = await self._token("session")
        fixed = rules_from_toml({"size_value": "0.10", "cooldown_s": False, "max_spread_percent": False})
        risky = rules_from_toml(
            {"size_unit": "RISK_PERCENT", "size_value": "1", "cooldown_s": False, "max_spread_percent": False}
        )
        route = Route(name="trend", accounts=tuple(c.name for c in CAST), rules=fixed, per_account={"small": risky})
        await desk.put_route(self.store, route, by="demo", at=at)
        self.webhook = f"{self.base_url}/webhook/tradingview/{await self._token('webhook', route='trend')}"

    async def _token(self, scope: str, *, route: str = "", account: str = "") -> str:
        at = SystemClock().now_ms()
        new = create_token(scope, at=at, route=route, account=account, slot=route)
        await self.store.put_token(new.row, AuditRow(at=at, actor="demo", action="token create", subject=new.row.id))
        return new.secret

    def roles(self, *, dying: str = "") -> list[Role]:
        """Broker, hub, bridge and an EA per account; ``dying`` names the EA that once dies holding a lease."""
        fd, door = self.listening.fileno(), self.bridge.fileno()
        me = (sys.executable, "-m", "kakehashi")
        broker = (*me, "run", "broker", "--socket", str(self.socket), "--ledger", str(self.ledger), "--seed", "7")
        roles = [
            Role(name="broker", argv=broker),
            Role(name="hub", argv=(*me, "run", "hub", "--fd", str(fd)), fds=(fd,)),
            Role(name="bridge", argv=(*me, "run", "bridge", "--fd", str(door)), fds=(door,)),
        ]
        for one in CAST:
            # The fifth delivery: entry, take-profit, the reversal's two, then the close it dies with.
            once = ("--die-after-poll", "5") if one.name == dying else ()
            env = {native.TOKEN_VARIABLE: self.ea_tokens[one.name]}
            if one.link == "session":
                env |= {"KAKEHASHI_SESSION_TOKEN": self.session_token, "KAKEHASHI_SESSION_PASSWORD": "demo"}
            roles.append(Role(name=f"ea-{one.name}", argv=self._ea(one), once=once, env=env))
        return roles

    def _ea(self, one: Cast) -> tuple[str, ...]:
        if one.link == "session":
            return (
                *(sys.executable, "-m", "kakehashi", "ea", "session"),
                *("--account", one.name, "--login", one.number, "--url", self.base_url, "--bridge", self.bridge_url),
                *("--journal", str(self.folder / f"{one.name}.journal"), "--poll-s", "0.1", "--report-s", "0.5"),
            )
        if self.native is not None and one.link != "mailbox":
            mode, data = BrokerMode(one.margin_mode.value), self.folder / one.name
            login = Login(
                account=one.name, number=one.number, margin_mode=mode, balance=Decimal(one.balance), suffix=one.suffix
            )
            config = native.NativeConfig(
                base_url=self.base_url, broker=str(self.socket), login=login, data=data, transport=one.link
            )
            return native.command_of(config, self.native)
        return (
            *(sys.executable, "-m", "kakehashi", "ea", "simulate"),
            *("--account", one.name, "--number", one.number, "--url", self.base_url),
            *("--socket", str(self.socket), "--journal", str(self.folder / f"{one.name}.journal")),
            *(("--link", one.link) if one.link != "mailbox" else MAILBOX),
            *("--balance", one.balance, "--margin-mode", one.margin_mode.value),
            *(("--suffix", one.suffix) if one.suffix else ()),
        )

    async def perform(self, script: Callable[["Stage"], Awaitable[None]]) -> None:
        """Run the processes while ``script`` plays; everything is ended afterwards, whatever happened."""
        talk = (self.folder / "roles.log").open("wb")
        self.supervisor = Supervisor(self.roles(dying="tokyo"), env=self.env, stderr=talk)
        running = asyncio.create_task(self.supervisor.run())
        loop = asyncio.get_running_loop()
        playing = asyncio.ensure_future(script(self))
        for ending in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(ending, playing.cancel)
        try:
            await playing
        finally:
            await self.supervisor.stop()
            await asyncio.wait({running}, timeout=15)
            await self.store.close()
            self.listening.close()
            self.bridge.close()
            talk.close()

    async def ready(self, http: httpx.AsyncClient) -> None:
        """Until the hub answers and each account is proven right.

        :raises Unavailable: TIMEOUT, and who is missing
        """
        deadline = time.monotonic() + START_LIMIT_S
        while missing := await self._missing(http):
            if time.monotonic() > deadline:
                told = f"after {START_LIMIT_S:g} s these do not answer: {', '.join(missing)}"
                raise Unavailable("TIMEOUT", told, hint="on a busy machine: wait and run it again")
            await asyncio.sleep(0.05)

    async def _missing(self, http: httpx.AsyncClient) -> list[str]:
        try:
            if (await http.get(f"{self.base_url}/readyz", timeout=1)).status_code != 200:
                return ["the hub"]
        except httpx.HTTPError:
            return ["the hub"]
        return [f"the EA of {line['name']}" for line in await self.accounts() if not line["fresh"]]

    async def accounts(self) -> list[dict[str, Any]]:
        """As ``kakehashi accounts list`` shows them."""
        return await desk.listing(self.store, "accounts", at=SystemClock().now_ms())

    async def positions(self, account: str) -> list[dict[str, Any]]:
        """As ``kakehashi positions list --all`` shows them."""
        now = SystemClock().now_ms()
        return await desk.listing(self.store, "positions", at=now, account=account, closed=True)

    def deals(self) -> list[dict[str, str]]:
        """The broker's own book, which shares no code with the hub."""
        if not self.ledger.exists():
            return []
        return [msgspec.json.decode(line) for line in self.ledger.read_bytes().splitlines() if line.endswith(b"}")]


def _listening() -> sockets.socket:
    """A free port whose socket the roles inherit."""
    listening = sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM, sockets.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(512)
    listening.set_inheritable(True)
    return listening


def lots(deals: list[dict[str, str]], account: str) -> Decimal:
    """What is open on an account by its deals, signed. A session names its account at the broker by the login."""
    names = {account, *(one.number for one in CAST if one.name == account)}
    signed = (Decimal(d["volume"]) * (1 if d["side"] == "BUY" else -1) for d in deals if d["account"] in names)
    return sum(signed, Decimal(0))
