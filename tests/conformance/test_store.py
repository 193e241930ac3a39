"""What every store must do, whichever database it stands on (laws 1 and 2)."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from tests.conformance.stores import from_backup, open_store, raw

from kakehashi.domain.closures import Closed
from kakehashi.domain.errors import Rejected, Unavailable
from kakehashi.domain.incidentkinds import Severity
from kakehashi.domain.incidents import Incident, Notice, Post, Standing
from kakehashi.domain.orders import Fill, Op, Order, State
from kakehashi.domain.values import Side
from kakehashi.domain.views import BrokerPosition
from kakehashi.ports import (
    AuditRow,
    Commit,
    ConfigRow,
    JournalEntry,
    Ownership,
    SignalRow,
    StateRow,
    Store,
    TokenRow,
)

pytestmark = pytest.mark.asyncio

T0 = 1_700_000_000_000

Kind = TypeVar("Kind")


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    store = open_store(store_url)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def hub(store: Store) -> Ownership:
    return await store.claim("hub", holder="test")


def body(kind: type[Kind], row: Mapping[str, Any]) -> Kind:
    """What was committed, exactly, from its row."""
    return msgspec.json.decode(row["body"], type=kind)


def signal(name: str, *, idem: str | None = None, until: int | None = T0 + 1000, at: int = T0) -> SignalRow:
    return SignalRow(
        id=name,
        trace_id=f"t-{name}",
        received_at=at,
        strategy="trend",
        symbol="EURUSD",
        action="BUY",
        status="queued",
        code="",
        idem=idem,
        idem_until=until if idem else None,
        body=b'{"a":1}',
    )


def order(name: str, *, seq: int = 1, state: State = State.QUEUED, **more: Any) -> Order:
    values: dict[str, Any] = {
        "account": "demo",
        "route": "r",
        "signal_id": "s",
        "trace_id": "t",
        "op": Op.OPEN,
        "symbol": "EURUSD",
        "side": Side.BUY,
        "magic": 7,
        "created_at": T0,
        "expires_at": T0 + 30_000,
        "updated_at": T0,
        "volume": Decimal("0.10"),
    }
    return Order(id=name, seq=seq, state=state, **{**values, **more})


def position(ident: str, *, magic: int = 0) -> BrokerPosition:
    return BrokerPosition(
        account="demo",
        ident=ident,
        ticket=ident,
        symbol="EURUSD",
        side=Side.SELL,
        volume=Decimal("0.30"),
        open_price=Decimal("1.10000"),
        magic=magic,
    )


def fill(name: str, *, order_id: str = "o") -> Fill:
    return Fill(
        id=name,
        order_id=order_id,
        account="demo",
        symbol="EURUSD",
        side=Side.BUY,
        op=Op.OPEN,
        volume=Decimal("0.10"),
        price=Decimal("1.10000"),
        at=T0,
    )


def closed(ident: str) -> Closed:
    return Closed(
        account="demo",
        ident=ident,
        ticket=ident,
        symbol="EURUSD",
        side=Side.BUY,
        volume=Decimal("0.10"),
        open_price=Decimal("1.10000"),
        price=None,
        closed_at=T0,
        opened_at=None,
        reason="UNEXPLAINED",
        deal="",
        magic=2**64 - 1,
        origin="EXTERNAL",
        profit=Decimal("-1.50"),
    )


def incident(name: str, *, state: Standing = Standing.OPEN) -> Incident:
    over = T0 if state is Standing.CLEARED else None
    more: dict[str, Any] = {"opened_at": T0, "last_at": T0, "cleared_at": over, "values": {"open": ["架"]}}
    return Incident(id=name, code="EA_STALE", severity=Severity.WARNING, account="demo", state=state, **more)


def notice(name: str, *, state: Post = Post.WAITING) -> Notice:
    more: dict[str, Any] = {"title": "t", "body": "本文", "at": T0, "due_at": T0, "state": state}
    return Notice(id=name, incident="i", target="mail", severity=Severity.CRITICAL, **more)


def entry(kind: str = "signal") -> JournalEntry:
    return JournalEntry(at=T0, owner="hub", kind=kind, trace_id="t", body=b'{"k":1}')


def audit(action: str = "token.create") -> AuditRow:
    return AuditRow(at=T0, actor="cli", action=action, subject="x", detail="架け橋")


async def refused(code: str, wish: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        await wish
    assert caught.value.code == code
    return caught.value


async def test_what_was_committed_is_there_after_reopening(store_url: str) -> None:
    first = open_store(store_url)
    await first.open()
    hub = await first.claim("hub", holder="one")
    sent = order("o", filled_price=Decimal("1.10010"), waits_for=("a", "b"), reason="why 架")
    things = [
        signal("s", idem="k"),
        sent,
        fill("f"),
        position("9", magic=2**64 - 1),
        closed("9"),
        incident("i"),
        notice("n"),
        StateRow(key="memory|r", body=b"{}"),
    ]
    await first.commit(Commit(ownership=hub, journal=[entry("a"), entry("b")], changes=things, audits=[audit()]))
    await first.close()

    again = open_store(store_url)
    await again.open()
    try:
        assert body(Order, (await again.rows("orders"))[0]) == sent
        assert body(Fill, (await again.rows("fills"))[0]) == fill("f")
        assert body(BrokerPosition, (await again.rows("positions"))[0]).magic == 2**64 - 1
        assert body(Closed, (await again.rows("closures", where={"account": "demo"}))[0]) == closed("9")
        assert body(Incident, (await again.rows("incidents", where={"state": Standing.OPEN}))[0]) == incident("i")
        assert body(Notice, (await again.rows("notices", where={"state": Post.WAITING}))[0]) == notice("n")
        assert (await again.rows("states"))[0] == {"key": "memory|r", "body": "{}"}
        journal = await again.journal(owner="hub")
        assert [e.kind for _, e in journal] == ["a", "b"]
        assert journal[0][1] == entry("a")
        assert [e.kind for _, e in await again.journal(owner="hub", after=journal[0][0])] == ["b"]
        assert await again.known(["k"], now=T0) == {"k": "s"}
        assert (await again.claim("hub", holder="two")).epoch == hub.epoch + 1
    finally:
        await again.close()


async def test_commits_that_wait_together_share_one_transaction(store: Store, hub: Ownership) -> None:
    points: list[str] = []
    store.crash_point = points.append  # type: ignore[attr-defined]
    commits = [Commit(ownership=hub, journal=[entry()], changes=[signal(f"s{i}", idem=f"k{i}")]) for i in range(200)]
    await asyncio.gather(*map(store.commit, commits))
    assert len(await store.rows("signals", limit=1000)) == 200
    assert len(await store.journal(owner="hub")) == 200
    assert points.count("before_commit") < 20


async def test_a_duplicate_key_is_refused_alone_and_its_neighbours_land(store: Store, hub: Ownership) -> None:
    await store.commit(Commit(ownership=hub, changes=[signal("first", idem="k")]))
    twice = [("a", "ka"), ("b", "k"), ("c", "kc"), ("d", "kc"), ("e", "ke")]
    commits = [Commit(ownership=hub, journal=[entry(n)], changes=[signal(n, idem=k)]) for n, k in twice]
    results = await asyncio.gather(*map(store.commit, commits), return_exceptions=True)
    assert [getattr(r, "code", None) for r in results] == [None, "DUPLICATE_KEY", None, "DUPLICATE_KEY", None]
    assert getattr(results[1], "value", None) == "k"
    assert {row["id"] for row in await store.rows("signals")} == {"first", "a", "c", "e"}
    assert [e.kind for _, e in await store.journal(owner="hub")] == ["a", "c", "e"]


async def test_a_signal_may_be_written_again_with_its_own_key(store: Store, hub: Ownership) -> None:
    for _ in range(2):
        await store.commit(Commit(ownership=hub, changes=[signal("s", idem="k")]))
    assert len(await store.rows("signals")) == 1


async def test_a_key_is_free_again_when_it_has_expired(store: Store, hub: Ownership) -> None:
    await store.commit(Commit(ownership=hub, changes=[signal("s", idem="k", until=T0 + 10)]))
    assert await store.known(["k", "other"], now=T0 + 9) == {"k": "s"}
    assert await store.known(["k"], now=T0 + 10) == {}
    await store.commit(Commit(ownership=hub, changes=[signal("s2", idem="k", until=T0 + 99, at=T0 + 10)]))
    assert await store.known(["k"], now=T0 + 10) == {"k": "s2"}
    assert await store.known([], now=T0) == {}


async def test_taken_keys_come_page_by_page(store: Store, hub: Ownership) -> None:
    rows = [signal(f"s{n}", idem=f"k{n}") for n in range(5)]
    await store.commit(Commit(ownership=hub, changes=rows))
    first = await store.taken_keys(limit=3)
    rest = await store.taken_keys(after=first[-1], limit=3)
    assert [*first, *rest] == [f"k{n}" for n in range(5)]
    assert await store.taken_keys(after=rest[-1]) == []


async def test_a_value_that_no_column_holds_is_refused_alone(store: Store, hub: Ownership) -> None:
    commits = [Commit(ownership=hub, changes=[order(n, magic=m)]) for n, m in (("a", 1), ("b", 2**70), ("c", 3))]
    results = await asyncio.gather(*map(store.commit, commits), return_exceptions=True)
    assert [getattr(r, "code", None) for r in results] == [None, "UNSTORABLE_ROW", None]
    await refused("UNSTORABLE_ROW", store.commit(Commit(ownership=hub, changes=[hub])))
    await refused("UNSTORABLE_ROW", store.commit(Commit(ownership=hub, deletes=[("audits", "1")])))


async def test_a_nul_in_a_text_does_not_stop_the_record(store: Store, hub: Ownership) -> None:
    await store.commit(Commit(ownership=hub, changes=[order("o", reason="a\x00b")]))
    assert body(Order, (await store.rows("orders"))[0]).reason == "a\x00b"


async def test_a_stale_owner_writes_nothing(store: Store, hub: Ownership) -> None:
    await store.release(hub)
    newer = await store.claim("hub", holder="next")
    await refused("NOT_OWNER", store.commit(Commit(ownership=hub, changes=[signal("old")])))
    results = await asyncio.gather(
        store.commit(Commit(ownership=hub, changes=[signal("old")])),
        store.commit(Commit(ownership=newer, changes=[signal("new")])),
        return_exceptions=True,
    )
    assert [getattr(r, "code", None) for r in results] == ["NOT_OWNER", None]
    assert [row["id"] for row in await store.rows("signals")] == ["new"]


async def test_an_owner_is_claimed_once_also_within_one_process(store: Store, hub: Ownership, store_url: str) -> None:
    assert "test" in (await refused("OWNED", store.claim("hub", holder="again"))).message
    other = open_store(store_url)
    await other.open()
    try:
        await refused("OWNED", other.claim("hub", holder="other"))
        assert (await other.claim("bot-1", holder="other")).epoch == 1
    finally:
        await other.close()


HOLDER = """
import asyncio, sys
from kakehashi.store.open import open_store
async def main():
    store = open_store(sys.argv[1])
    await store.open()
    await store.claim("hub", holder="child")
    print("claimed", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_a_killed_owner_is_replaced_at_once(store: Store, store_url: str) -> None:
    if store_url.startswith("memory:"):
        pytest.skip("its processes are tasks: tests/unit/test_memory_store.py")
    child = subprocess.Popen([sys.executable, "-c", HOLDER, store_url], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert await asyncio.to_thread(child.stdout.readline) == b"claimed\n"
        assert "child" in (await refused("OWNED", store.claim("hub", holder="parent"))).message
    finally:
        child.kill()  # SIGKILL: nothing is cleaned up
        child.wait()
        child.stdout.close()  # type: ignore[union-attr]
    async with asyncio.timeout(5):  # PostgreSQL sees the socket close a moment later
        while True:
            with contextlib.suppress(Rejected):
                ownership = await store.claim("hub", holder="parent")
                break
            await asyncio.sleep(0.01)
    assert ownership.epoch == 2


async def test_a_configuration_has_one_next_version(store: Store) -> None:
    def row(version: int, body: bytes = b'{"v":1}', name: str = "trend") -> ConfigRow:
        return ConfigRow(kind="route", name=name, version=version, at=T0, by="me", body=body)

    await store.put_config(row(1), audit())
    await refused("VERSION_CONFLICT", store.put_config(row(1), audit()))
    await refused("VERSION_CONFLICT", store.put_config(row(3), audit()))
    race = await asyncio.gather(
        *(store.put_config(row(2, b'{"v":2}'), audit()) for _ in range(5)), return_exceptions=True
    )
    assert sorted(str(getattr(r, "code", None)) for r in race) == ["None"] + ["VERSION_CONFLICT"] * 4
    await store.put_config(row(1, name="gone"), audit())
    await store.put_config(row(2, b"", name="gone"), audit())
    assert list(await store.configs("route")) == [row(2, b'{"v":2}')]
    assert await store.configs("kill") == []
    assert [r.version for r in await store.config_history("route", "trend")] == [1, 2]
    assert await store.verify_audits() == 4


async def test_several_configurations_are_written_together_or_not_at_all(store: Store) -> None:
    def row(name: str, version: int) -> tuple[ConfigRow, AuditRow]:
        return ConfigRow(kind="route", name=name, version=version, at=T0, by="me", body=b"{}"), audit()

    await refused("VERSION_CONFLICT", store.put_configs([row("a", 1), row("b", 2)]))
    assert (await store.configs("route"), await store.verify_audits()) == ([], 0)
    await store.put_configs([row("a", 1), row("b", 1)])
    assert [r.name for r in await store.configs("route")] == ["a", "b"]
    assert await store.verify_audits() == 2


async def test_tokens_are_kept_as_they_were_given(store: Store) -> None:
    token = TokenRow(id="a", scope="ea", sha256=b"\x00\xff" * 16, account="demo", hmac_key=b"k", created_at=T0)
    await store.put_token(token, audit())
    revoked = TokenRow(id="a", scope="ea", sha256=b"\x01" * 32, revoked_at=T0, created_at=T0)
    await store.put_token(revoked, audit("token.revoke"))
    assert list(await store.tokens()) == [revoked]
    await refused("NO_SUCH_TABLE", store.rows("tokens"))


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE audits SET actor = 'nobody' WHERE seq = 2",
        "DELETE FROM audits WHERE seq = 2",
        "DELETE FROM audits WHERE seq = 1",
    ],
)
async def test_a_changed_or_missing_audit_row_is_found(
    store: Store, hub: Ownership, store_url: str, tamper: str
) -> None:
    await store.commit(Commit(ownership=hub, audits=[audit("a"), audit("b")]))
    await asyncio.gather(*(store.commit(Commit(ownership=hub, audits=[audit(str(i))])) for i in range(20)))
    assert await store.verify_audits() == 22
    assert (await store.audits(limit=1))[0]["seq"] == 22
    await raw(store_url, tamper)
    await refused("AUDIT_BROKEN", store.verify_audits())


async def test_a_wish_stays_in_the_inbox_until_its_owner_took_it(store: Store, hub: Ownership) -> None:
    first, second = await store.post("hub", T0, b'"one"'), await store.post("hub", T0, b'"two"')
    await store.post("bot-1", T0, b'"other"')
    assert [row.body for row in await store.inbox("hub")] == [b'"one"', b'"two"']
    await store.commit(
        Commit(ownership=hub, journal=[entry()], deletes=[("inbox", str(first)), ("inbox", str(second))])
    )
    assert await store.inbox("hub") == []
    assert await store.post("hub", T0, b'"three"') > second


async def test_a_row_written_and_deleted_in_one_commit_is_gone(store: Store, hub: Ownership) -> None:
    key = position("9").key
    changes = [position("9"), position("10")]
    await store.commit(Commit(ownership=hub, changes=changes, deletes=[("positions", key)]))
    assert [row["ident"] for row in await store.rows("positions")] == ["10"]


async def test_rows_are_filtered_ordered_and_limited(store: Store, hub: Ownership) -> None:
    states = [State.QUEUED, State.DEAD, State.SENT, State.FILLED]
    await store.commit(Commit(ownership=hub, changes=[order(f"o{i}", seq=i, state=s) for i, s in enumerate(states)]))

    async def ids(table: str = "orders", **how: Any) -> list[str]:
        return [row["id"] for row in await store.rows(table, **how)]

    assert await ids(limit=2) == ["o3", "o2"]
    assert await ids(limit=2, newest_first=False) == ["o0", "o1"]
    assert await ids(where={"state": (State.SENT, "QUEUED"), "account": "demo"}) == ["o2", "o0"]
    assert await ids(where={"retcode": None, "magic": 7, "seq": 1}) == ["o1"]
    assert await ids(where={"state": ()}) == []
    assert await ids("dead_letters") == ["o1"]
    await refused("NO_SUCH_COLUMN", store.rows("orders", where={"1=1; --": 1}))
    await refused("NO_SUCH_TABLE", store.rows("sqlite_master"))


async def test_pruning_keeps_what_is_alive_or_waits_for_a_person(store: Store, hub: Ownership) -> None:
    old = [
        order("done", state=State.FILLED, signal_id="s-done"),
        order("dead", state=State.DEAD, signal_id="s-dead"),
        order("live", state=State.SENT, signal_id="s-live"),
    ]
    signals = [signal("s-done"), signal("s-dead"), signal("s-live"), signal("s-key", idem="k", until=T0 + 10**9)]
    fills = [fill("f1", order_id="done"), fill("f2", order_id="live")]
    await store.commit(Commit(ownership=hub, journal=[entry()], changes=[*old, *signals, *fills], audits=[audit()]))
    incidents = [incident("open"), incident("acked", state=Standing.ACKED), incident("over", state=Standing.CLEARED)]
    notices = [notice("waits"), notice("sent", state=Post.SENT), notice("failed", state=Post.FAILED)]
    await store.commit(Commit(ownership=hub, changes=[*incidents, *notices, closed("9")]))
    none = dict.fromkeys(("orders", "fills", "signals", "closures", "incidents", "notices", "idem", "journal"), 0)
    told = none | {"orders": 1, "fills": 1, "signals": 1, "closures": 1, "incidents": 1, "notices": 2, "journal": 1}
    assert (await store.prune(before=T0)) == none
    assert (await store.prune(before=T0 + 1)) == told
    assert {row["id"] for row in await store.rows("incidents")} == {"open", "acked"}
    assert {row["id"] for row in await store.rows("notices")} == {"waits"}
    assert {row["id"] for row in await store.rows("orders")} == {"dead", "live"}
    assert {row["id"] for row in await store.rows("signals")} == {"s-dead", "s-live", "s-key"}
    assert await store.verify_audits() == 1


async def test_a_backup_holds_everything(store: Store, hub: Ownership, store_url: str, tmp_path: Path) -> None:
    await store.commit(Commit(ownership=hub, changes=[order("o")]))
    target = tmp_path / "backup"
    for _ in range(2):
        await store.backup(str(target))
    if not store_url.startswith("postgres"):
        copy = from_backup(store_url, target)
        await copy.open()
        assert body(Order, (await copy.rows("orders"))[0]) == order("o")
        await copy.close()
    else:
        lines = [json.loads(line) for line in target.read_text().splitlines()]
        assert [body(Order, line["row"]) for line in lines if line["table"] == "orders"] == [order("o")]


async def test_a_failing_database_means_nothing_was_written(store: Store, hub: Ownership) -> None:
    def full(_where: str) -> None:
        raise OSError("No space left on device")

    store.crash_point = full  # type: ignore[attr-defined]
    with pytest.raises(Unavailable, match="STORE_UNAVAILABLE"):
        await store.commit(Commit(ownership=hub, changes=[signal("s")]))
    store.crash_point = lambda _where: None  # type: ignore[attr-defined]
    assert await store.rows("signals") == []
    await store.commit(Commit(ownership=hub, changes=[signal("s")]))
    assert len(await store.rows("signals")) == 1


async def test_a_closed_store_says_so(store_url: str) -> None:
    store = open_store(store_url)
    with pytest.raises(Unavailable):
        await store.rows("orders")
    with pytest.raises(Unavailable):
        await store.commit(Commit(ownership=Ownership("hub", 1)))


async def test_a_url_of_no_known_store_is_refused_without_showing_it() -> None:
    with pytest.raises(Rejected, match="BAD_STORE_URL") as caught:
        open_store("mysql://root:secret@host/db")
    assert "secret" not in str(caught.value)
