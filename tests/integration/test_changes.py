"""Whether settings or tokens changed is told by the newest audit rows, on a real store."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import ACCOUNT, Room, room

from kakehashi.services import desk
from kakehashi.services.changes import Changes

__all__ = ["room"]


async def test_a_first_look_finds_a_change_and_a_second_none(room: Room) -> None:
    changes = Changes(room.store)
    newest = await changes.newest()
    assert newest is not None
    assert await changes.newest() == newest, "what was not taken is told again"
    changes.taken(newest)
    assert await changes.newest() is None


async def test_orders_are_no_changes_and_a_setting_or_token_among_them_is(room: Room) -> None:
    changes = Changes(room.store)
    changes.taken(await changes.newest() or 0)
    await room.ordered("LONG", "a")
    await room.ordered("LONG", "b")
    assert await changes.newest() is None

    await desk.kill(room.store, on=True, scope=ACCOUNT, by="test", at=1)
    await desk.kill(room.store, on=False, scope=ACCOUNT, by="test", at=2)
    newest = await changes.newest()
    assert newest is not None
    changes.taken(newest)

    token = next(t for t in await room.store.tokens() if t.scope == "webhook")
    await desk.revoke_token(room.store, token.id, by="test", at=3)
    assert await changes.newest() == newest + 1
