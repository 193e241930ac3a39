"""The simulation's store: what a killed process had committed is on its disk, and nothing else is."""

import asyncio

import pytest

from kakehashi.domain.errors import Unavailable
from kakehashi.ports import Commit, Ownership, StateRow
from kakehashi.store.memory import Disk, MemoryStore

pytestmark = pytest.mark.asyncio


class Killed(BaseException):
    pass


async def opened(disk: Disk) -> tuple[MemoryStore, Ownership]:
    store = MemoryStore(disk)
    await store.open()
    return store, await store.claim("hub", holder="test")


def row(key: str, ownership: Ownership) -> Commit:
    return Commit(ownership=ownership, changes=[StateRow(key=key, body=b"1")])


async def keys(store: MemoryStore) -> list[str]:
    return sorted(r["key"] for r in await store.rows("states"))


@pytest.mark.parametrize(("point", "kept"), [("before_commit", ["a"]), ("after_commit", ["a", "b"])])
async def test_a_process_that_dies_around_a_commit_leaves_all_of_it_or_nothing(point: str, kept: list[str]) -> None:
    disk = Disk()
    store, hub = await opened(disk)
    await store.commit(row("a", hub))

    def die(where: str) -> None:
        if where == point:
            raise Killed

    store.crash_point = die
    with pytest.raises(Killed):
        await store.commit(row("b", hub))
    store.killed()
    again, next_hub = await opened(disk)
    assert await keys(again) == kept
    assert next_hub.epoch == hub.epoch + 1


async def test_what_waits_for_the_disk_when_the_process_is_killed_is_never_written() -> None:
    disk = Disk()
    disk.fsync_s = lambda: 0.01
    store, hub = await opened(disk)
    waiting = asyncio.ensure_future(store.commit(row("a", hub)))
    await asyncio.sleep(0)
    store.killed()
    again, _ = await opened(disk)
    assert await keys(again) == []
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(Unavailable):
        await store.commit(row("b", hub))


async def test_an_old_copy_put_back_knows_nothing_of_what_came_later() -> None:
    disk = Disk()
    store, hub = await opened(disk)
    await store.commit(row("a", hub))
    image = disk.image()
    await store.commit(row("b", hub))
    store.killed()
    disk.restore(image)
    again, _ = await opened(disk)
    assert await keys(again) == ["a"]
