"""What a bridge writes down of its orders: the command before it is sent, the answer with the next flush of the disk."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kakehashi.bootstrap import prepare_store
from kakehashi.config import load_settings
from kakehashi.domain.errors import Unavailable
from kakehashi.domain.terminaldoubt import Mark
from kakehashi.ports import Commit
from kakehashi.services.ids import SystemClock
from kakehashi.services.sessions.jobs import Job
from kakehashi.services.sessions.ledger import PENDING, RESOLVED, Ledger, Record
from kakehashi.services.sessions.orders import Claims, Orders
from kakehashi.store.sqlite import SqliteStore


class Counted(SqliteStore):
    """A store that counts its commits, and fails them where it is told to."""

    commits = 0
    away = False

    async def commit(self, commit: Commit) -> None:
        if self.away:
            raise Unavailable("STORE_UNAVAILABLE", "the disk is gone")
        self.commits += 1
        await super().commit(commit)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Counted]:
    prepare_store(load_settings({"store.url": f"sqlite:///{tmp_path}/ledger.db"}))
    store = Counted(str(tmp_path / "ledger.db"))
    await store.open()
    yield store
    await store.close()


async def ledger_on(store: Counted) -> Ledger:
    return Ledger(store, await store.claim("bridge", holder="test"), SystemClock())


def record(ident: str, state: str = PENDING) -> Record:
    return Record(
        session="s", id=ident, at=1, fingerprint="f", command="order_send", params={}, mark=Mark(), connection="",
        state=state,
    )  # fmt: skip


async def test_answers_are_written_by_the_flush_of_the_next_command(store: Counted) -> None:
    ledger = await ledger_on(store)
    answers = [asyncio.create_task(ledger.write_soon(record(str(n), RESOLVED))) for n in range(3)]
    await asyncio.sleep(0)
    await ledger.write(record("next"))
    await asyncio.gather(*answers)
    assert store.commits == 1
    assert [found.state for n in range(3) if (found := await ledger.find("s", str(n)))] == [RESOLVED] * 3


async def test_answers_are_written_together_where_no_command_comes(store: Counted) -> None:
    ledger = await ledger_on(store)
    await asyncio.gather(*(ledger.write_soon(record(str(n), RESOLVED)) for n in range(3)))
    assert store.commits == 1
    assert await ledger.pending() == []


async def test_whoever_wrote_is_told_that_the_store_is_away_and_a_cancelled_command_takes_no_answer_along(
    store: Counted,
) -> None:
    ledger = await ledger_on(store)
    store.away = True
    with pytest.raises(Unavailable):
        await ledger.write_soon(record("a", RESOLVED))
    store.away = False
    answer = asyncio.create_task(ledger.write_soon(record("b", RESOLVED)))
    await asyncio.sleep(0)
    command = asyncio.create_task(ledger.write(record("c")))
    await asyncio.sleep(0)
    command.cancel()
    await answer
    assert (await ledger.find("s", "b")) is not None


async def test_a_command_whose_deadline_passed_can_not_be_sent_any_more_before_that_is_even_written(
    store: Counted,
) -> None:
    async def nobody(*_: object) -> Any:
        raise AssertionError("nobody is asked")

    ledger = await ledger_on(store)
    orders = Orders("s", ledger, SystemClock(), Claims(), ask=nobody, drained=nobody, again=lambda _: None)
    job = Job((("order_send", {"request": {}}, "objects"),), 1.0, record_id="late", fingerprint="f")
    writing = orders.abandon(job)
    assert job.future.done()
    assert await ledger.find("s", "late") is None
    await writing
    kept = await ledger.find("s", "late")
    assert kept is not None
    assert (kept.state, kept.outcome and kept.outcome.code) == (RESOLVED, "NOT_EXECUTED")
