"""The only module that names concrete classes: which store, which clock, which doors."""

import asyncio
import contextlib
import gc
import signal
import socket as sockets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from zoneinfo import ZoneInfo

import structlog
import uvicorn

from kakehashi.api.door import Doorkeeper, Limits, raise_file_limit
from kakehashi.api.hot import Shortcut
from kakehashi.config import Settings, data_dir, resolve_secret
from kakehashi.config.model import networks
from kakehashi.domain.errors import KakehashiError, Rejected, Unavailable
from kakehashi.domain.markethours import market_hours
from kakehashi.notify.postman import Postman
from kakehashi.notify.trial import carriers
from kakehashi.ports import Clock, Ownership, Store
from kakehashi.services.access import Peers, RateLimit, Tokens
from kakehashi.services.hub import Hub
from kakehashi.services.ids import SystemClock, new_id
from kakehashi.services.ingest import Ingest
from kakehashi.services.postbox import Postbox
from kakehashi.services.reception import Reception
from kakehashi.services.sessions.terms import Terms
from kakehashi.services.supervise import Role, Supervisor
from kakehashi.services.trader import Trader
from kakehashi.services.watch import watch_settings
from kakehashi.store.locks import FileLock
from kakehashi.store.migrate import upgrade
from kakehashi.store.open import open_store
from kakehashi.terminal.client import BrokerClient

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from kakehashi.services.sessions.bridge import Bridge

log = structlog.get_logger("bootstrap")


def prepare_store(settings: Settings) -> str:
    """Make sure the store exists and has today's tables; its URL. Synchronous: call it outside the loop."""
    url = settings.store.resolved_url()
    if url.startswith("sqlite:///"):
        folder = Path(url.removeprefix("sqlite:///")).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            message = f"the folder of the store cannot be made: {folder}: {e.strerror}"
            raise Unavailable("STORE_UNAVAILABLE", message, hint="look at store.url") from e
    upgrade(url)
    return url


async def opened_store(url: str) -> Store:
    store = open_store(url)
    await store.open()
    return store


async def _claimed(url: str, role: str, clock: Clock) -> tuple[Store, Ownership]:
    """
    :raises Rejected: OWNED: another process has this role on this store
    """
    store = await opened_store(url)
    try:
        return store, await store.claim(role, holder=new_id(sockets.gethostname()[:24] or "host", clock.now_ms()))
    except KakehashiError:
        await store.close()
        raise


async def build_hub(settings: Settings, url: str) -> Hub:
    """Everything role ``hub`` needs, the ownership of its accounts included.

    :raises Rejected: OWNED: another hub lives on this store
    """
    clock = SystemClock()
    store, ownership = await _claimed(url, "hub", clock)
    offset = datetime.now(UTC).astimezone(ZoneInfo(settings.risk.day_zone)).utcoffset()
    targets = settings.notify.resolved_targets()
    trader = Trader(
        store,
        clock,
        ownership,
        max_attempts=settings.mailbox.max_attempts,
        stale_ms=int(settings.mailbox.stale_s * 1000),
        unconfirmed_ms=int(settings.mailbox.unconfirmed_alert_s * 1000),
        link_settings=settings.link.timers(),
        watch_settings=watch_settings(
            settings.incidents, settings.notify, targets=targets, recovery_alert_s=settings.link.recovery_alert_s
        ),
        day_offset_ms=int(offset.total_seconds() * 1000) if offset else 0,
    )
    tokens = Tokens()
    ea_peers = Peers(allow=settings.mailbox.allow_ips, trusted_proxies=())
    peers = Peers(allow=settings.ingest.allow_ips, trusted_proxies=settings.ingest.trusted_proxies)
    ingest = Ingest(
        trader,
        tokens,
        clock,
        peers,
        per_ip=RateLimit(settings.ingest.rate_per_ip),
        per_token=RateLimit(settings.ingest.rate_per_token),
        commit_timeout_s=settings.ingest.commit_timeout_s,
        longest_ttl_ms=int(max(settings.ttl.entry_s, settings.ttl.exit_s) * 1000),
    )
    hub = Hub(
        store=store,
        clock=clock,
        ownership=ownership,
        trader=trader,
        ingest=ingest,
        postbox=Postbox(trader, clock, lease_ms=int(settings.mailbox.lease_s * 1000)),
        tokens=tokens,
        peers=peers,
        ea_rate=RateLimit(settings.mailbox.rate_per_token),
        reception=Reception(trader, tokens, clock, ea_peers),
    )
    timeout_s = settings.notify.timeout_s
    postman = Postman(store, clock, carriers(targets, timeout_s=timeout_s), tell=trader.submit, timeout_s=timeout_s)
    trader.on_notices = postman.wake
    hub.beside.append(postman.run)
    return hub


def bind(settings: Settings, role: Literal["hub", "bridge"] = "hub") -> sockets.socket:
    """The role's listening socket.

    :raises Rejected: BAD_CONFIG: beyond loopback without ``hub.public`` or ``bridge.public``; PORT_TAKEN
    """
    section = settings.hub if role == "hub" else settings.bridge
    host, port = section.host, section.port
    if host not in ("127.0.0.1", "::1", "localhost") and not section.public:
        raise Rejected(
            "BAD_CONFIG",
            f"{role}.host is {host}, which is beyond this machine, and {role}.public is not true",
            hint=f"put a TLS proxy in front of 127.0.0.1, or set KAKEHASHI_{role.upper()}__PUBLIC=true",
        )
    family = sockets.AF_INET6 if ":" in host else sockets.AF_INET
    # with the protocol named: asyncio sets TCP_NODELAY only then, and answers of two writes take 40 ms without it
    listening = sockets.socket(family, sockets.SOCK_STREAM, sockets.IPPROTO_TCP)
    listening.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as e:
        listening.close()
        raise Rejected("PORT_TAKEN", f"cannot listen on {host}:{port}: {e.strerror}", hint="--port N") from None
    listening.listen(2048)
    listening.set_inheritable(True)
    return listening


def tune_the_interpreter() -> None:
    """For a loop that must answer within milliseconds beside one busy writer thread.

    Cyclic garbage is looked for seldom, and never among what was there at the start: the hot path makes none, and a look
    at everything that is imported stops all alerts for a tenth of a second. The writer gets the interpreter's lock back
    within half a millisecond instead of five: it asks for it at each of its statements.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(0.0005)


def door_limits(settings: Settings) -> Limits:
    hub = settings.hub
    return Limits(
        head_s=hub.head_timeout_s,
        body_s=hub.body_timeout_s,
        answer_s=hub.answer_timeout_s,
        idle_s=hub.keep_alive_s,
        connections=hub.max_connections,
        per_address=hub.max_per_address,
    )


def uncapped(settings: Settings) -> Callable[[str], bool]:
    """Which peers may hold any number of connections: all alerts of a bar's close come from TradingView's four, or one proxy."""
    free = networks((*settings.hub.uncapped_ips, *settings.ingest.trusted_proxies, "tradingview"))

    def check(peer: str) -> bool:
        return Peers.within(peer, free)

    return check


def _door(settings: Settings, app: "ASGIApp", **ws: Any) -> uvicorn.Config:
    """How a role's door is kept; of WebSockets each has its own way."""
    keeper = Doorkeeper(door_limits(settings), uncapped=uncapped(settings), files=raise_file_limit())
    return uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", keeper.protocol),  # uvicorn only calls it
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_keep_alive=settings.hub.keep_alive_s,
        timeout_graceful_shutdown=5,
        forwarded_allow_ips="",
        proxy_headers=False,
        backlog=2048,
        **ws,
    )


async def serve_hub(settings: Settings, url: str, listening: Sequence[sockets.socket]) -> None:
    """Run role ``hub`` on sockets that are bound already, until SIGTERM or SIGINT; requests in flight are answered."""
    # FastAPI takes long to import, and the CLI only wants a store.
    from kakehashi.api.app import build_app  # noqa: PLC0415
    from kakehashi.api.link import Keeper  # noqa: PLC0415

    hub = await build_hub(settings, url)
    # Stop as on SIGTERM: whoever supervises starts a sound one.
    hub.on_dead_loop = lambda: signal.raise_signal(signal.SIGTERM)
    app = build_app(hub, settings)
    tune_the_interpreter()
    links = Keeper(hub, max_sessions=settings.link.max_sessions)
    config = _door(settings, Shortcut(app, app.routes), ws=cast("type[asyncio.Protocol]", links.protocol))
    await uvicorn.Server(config).serve(sockets=list(listening))


async def build_bridge(settings: Settings, url: str) -> "Bridge":
    """Everything role ``bridge`` needs, the ownership of its sessions included.

    :raises Rejected: OWNED: another bridge lives on this store; BAD_CONFIG: the key is too short
    """
    # The hub and the CLI come through here too, and start faster without these.
    from kakehashi.services.sessions.bridge import Bridge  # noqa: PLC0415
    from kakehashi.services.sessions.folders import Folders  # noqa: PLC0415
    from kakehashi.services.sessions.keeper import Keeper  # noqa: PLC0415
    from kakehashi.services.sessions.ledger import Ledger  # noqa: PLC0415
    from kakehashi.services.sessions.sealing import Seal, key_in  # noqa: PLC0415

    section = settings.bridge
    secret = resolve_secret(section.key, section.key_file, key="bridge.key") if section.key or section.key_file else ""
    seal = Seal(secret or key_in(data_dir() / "bridge.key"))
    clock = SystemClock()
    store, ownership = await _claimed(url, "bridge", clock)
    simulated = section.terminal == "simulated"
    terms = session_terms(settings)
    homes = (
        Folders(section.folders, Path(section.terminal_path), FileLock) if section.folders and not simulated else None
    )
    keeper = Keeper(
        terms,
        Ledger(store, ownership, clock),
        clock,
        seal,
        drained=_drained(terms.broker),
        most=section.max_sessions,
        starts=section.max_starts,
        homes=homes,
    )
    return Bridge(store, clock, ownership, keeper)


def session_terms(settings: Settings) -> Terms:
    section = settings.bridge
    simulated = section.terminal == "simulated"
    return Terms(
        terminal=section.terminal,
        terminal_path="" if simulated else section.terminal_path,
        broker=(section.broker or str(settings.broker.socket)) if simulated else "",
        command_timeout_s=section.command_timeout_s,
        start_timeout_s=section.start_timeout_s,
        hang_s=section.hang_s,
        queue_max=section.queue_max,
        queue_age_s=section.queue_age_s,
        idle_s=section.idle_s,
        rss_bytes=section.max_rss_mb * 1024 * 1024,
        health_s=section.health_s,
        tick_age_s=section.tick_age_s,
        hours=market_hours(section.market_hours),
    )


def _drained(broker: str) -> Callable[[str], Awaitable[bool]]:
    """Asks the simulated trade server. A real one cannot say it: then nothing is ever drained."""
    client = BrokerClient(broker, timeout_s=2.0) if broker else None

    async def drained(connection: str) -> bool:
        if client is None:
            return False
        try:
            return await client.drained(connection)
        except KakehashiError:
            return False

    return drained


async def serve_bridge(settings: Settings, url: str, listening: Sequence[sockets.socket]) -> None:
    """Run role ``bridge`` on sockets that are bound already, until SIGTERM or SIGINT.

    Where the simulated trade server is not there, the bridge runs one beside itself: its books outlive both.
    """
    from kakehashi.api.bridge import build_bridge_app  # noqa: PLC0415  FastAPI takes long to import

    bridge = await build_bridge(settings, url)
    bridge.on_dead_loop = lambda: signal.raise_signal(signal.SIGTERM)
    app = build_bridge_app(bridge, settings)
    tune_the_interpreter()
    config = _door(settings, app, ws="websockets-sansio", ws_max_size=262_144, ws_ping_interval=20, ws_ping_timeout=20)
    for each in listening:
        each.set_inheritable(False)  # the processes that are started from here on have no business with our door
    # one that the settings name is somebody else's
    async with _own_broker("" if settings.bridge.broker else session_terms(settings).broker):
        await uvicorn.Server(config).serve(sockets=list(listening))


@contextlib.asynccontextmanager
async def _own_broker(address: str) -> AsyncIterator[None]:
    """A trade server at ``address`` while nobody else runs one there; nothing for real terminals.

    Uvicorn repeats the signal that ended it, which by default ends the process before the broker is told: so it is
    caught here. While the broker is starting it means us.
    """
    if not address or await _answers(address):
        yield
        return
    argv = (sys.executable, "-P", "-m", "kakehashi", "run", "broker", "--socket", address)
    supervisor = Supervisor([Role(name="broker", argv=argv)])
    running = asyncio.create_task(supervisor.run())
    waiting = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(name, lambda: waiting.cancel() if waiting else None)
    try:
        async with asyncio.timeout(20):
            while not await _answers(address):  # noqa: ASYNC110  another process: nobody could set an event
                await asyncio.sleep(0.05)
        waiting = None
        yield
    finally:
        waiting = None
        await supervisor.stop()
        await running


async def _answers(address: str) -> bool:
    client = BrokerClient(address, timeout_s=2.0)
    try:
        return await client.drained("nobody")
    except KakehashiError:
        return False
    finally:
        await client.close()
