"""The EA's door over HTTP: the wire contract, leases, what is offered again and what is not, and what reports prove."""

import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import ACCOUNT, Room, a_room, filled, room, standing

from kakehashi.domain.orders import State

__all__ = ["room"]

FIELDS = (
    "id key timestamp symbol signal action volume volume_ratio timeframe bar_time price op side ticket sl tp magic "
    "attempt expires_at"
).split()
LEASE_S = 16


async def lapsed(room: Room) -> None:
    """The lease of everything delivered ends without an answer."""
    await room.pass_time(LEASE_S)


# -- the wire


async def test_the_answer_is_compact_in_the_contracts_order_and_an_old_eas_text_search_finds_its_way(
    room: Room,
) -> None:
    await room.ordered("LONG", "a1", sl_price=1.09, comment="a } and {")
    text = (await room.poll_raw()).text
    assert text.startswith('{"items":[{"id":"')
    assert '": ' not in text
    (item,) = json.loads(text)["items"]
    assert list(item)[: len(FIELDS)] == FIELDS
    assert (item["action"], item["op"], item["side"], item["volume"]) == ("BUY", "OPEN", "BUY", 0.1)
    assert (item["signal"], item["timeframe"], item["attempt"]) == ("BUY", "5", 1)
    assert isinstance(item["magic"], str)
    assert not any(isinstance(value, dict | list) for value in item.values())


async def test_an_empty_mailbox_has_the_same_shape(room: Room) -> None:
    answer = await room.poll_raw()
    assert (answer.status_code, answer.text) == (200, '{"items":[],"cursor":null}')


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1.5", "", "٣", "9" * 5000])
async def test_a_limit_that_is_none_is_a_4xx(room: Room, limit: str) -> None:
    answer = await room.poll_raw(limit=limit)
    assert (answer.status_code, answer.json()["code"]) == (422, "BAD_PARAMETER")


async def test_a_poll_takes_as_many_as_it_asks_for_oldest_first_and_only_its_symbol(room: Room) -> None:
    orders = [(await room.ordered("LONG", f"a{n}"))[0] for n in range(3)]
    (other,) = await room.ordered("LONG", "b", symbol="GBPUSD")
    assert [i["key"] for i in await room.poll(symbol="GBPUSD")] == [other]
    assert [i["key"] for i in await room.poll(limit=2)] == orders[:2]
    assert [i["key"] for i in await room.poll()] == orders[2:]


# -- who may


async def test_only_the_accounts_own_ea_may_poll_ack_and_report(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    for header, status in (({}, 401), ({"authorization": f"Bearer {room.tokens['webhook']}"}, 403)):
        assert (await room.http.get("/api/poll", headers=header)).status_code == status
        assert (await room.http.post("/api/ack", json={"keys": [order]}, headers=header)).status_code == status
        assert (await room.http.post("/api/report", json={}, headers=header)).status_code == status
    assert (await room.poll_raw(account="other")).status_code == 403
    for path, body in (("/api/ack", {"account": "other", "keys": [order]}), ("/api/report", {"account": "other"})):
        assert (await room.http.post(path, json=body, headers=room.as_ea)).status_code == 403
    assert (await room.order(order)).state is State.QUEUED


async def test_an_ea_over_its_rate_is_told_429(tmp_path: Path) -> None:
    async with a_room(tmp_path, mailbox__rate_per_token="2/m") as room:
        assert [(await room.poll_raw()).status_code for _ in range(3)] == [200, 200, 429]


# -- leases


async def test_what_is_leased_is_not_offered_again_and_a_second_instance_gets_nothing(room: Room) -> None:
    await room.ordered("LONG", "a1")
    assert len(await room.poll(instance="one", journal=True)) == 1
    assert await room.poll(instance="one", journal=True) == []
    await room.ordered("LONG", "a2")
    assert await room.poll(instance="two", journal=True) == []
    assert ACCOUNT in room.hub.postbox.conflicts
    assert len(await room.poll(instance="one", journal=True)) == 1
    await lapsed(room)
    assert len(await room.poll(instance="two", journal=True)) == 2
    assert ACCOUNT not in room.hub.postbox.conflicts


async def test_an_ea_that_remembers_is_offered_an_unanswered_entry_again_as_attempt_2(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    (first,) = await room.poll(journal=True)
    await lapsed(room)
    assert (await room.order(order)).state is State.UNKNOWN
    assert await room.poll() == []
    (again,) = await room.poll(journal=True)
    assert (first["attempt"], again["attempt"]) == (1, 2)
    assert (again["key"], again["magic"]) == (first["key"], first["magic"])
    await room.ack(filled(order, 0.1))
    assert (await room.order(order)).state is State.FILLED


async def test_an_ea_without_memory_is_not_and_the_entry_is_a_dead_letter(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    await lapsed(room)
    kept = await room.order(order)
    assert (kept.state, kept.code) == (State.DEAD, "OUTCOME_UNKNOWN")
    await room.ack(filled(order, 0.1))
    assert (await room.order(order)).state is State.FILLED


async def test_a_whole_close_is_offered_again_to_anyone(room: Room) -> None:
    (close,) = await room.ordered("CLOSE", "x1")
    assert [i["attempt"] for i in await room.poll()] == [1]
    await lapsed(room)
    (again,) = await room.poll()
    assert (again["key"], again["action"], again["attempt"]) == (close, "CLOSE", 2)


async def test_a_partial_close_is_not_offered_again_without_memory(room: Room) -> None:
    (part,) = await room.ordered("TP", "x1")
    assert [i["action"] for i in await room.poll()] == ["CLOSE_PARTIAL"]
    await lapsed(room)
    assert (await room.order(part)).state is State.DEAD
    assert await room.poll() == []


async def test_offers_end_in_the_dead_letters(tmp_path: Path) -> None:
    async with a_room(tmp_path, mailbox__max_attempts="2") as room:
        (order,) = await room.ordered("CLOSE", "x1")
        for _ in range(2):
            assert len(await room.poll(journal=True)) == 1
            await lapsed(room)
        kept = await room.order(order)
        assert (kept.state, kept.code) == (State.DEAD, "ATTEMPTS_EXHAUSTED")


async def test_a_lease_outlives_a_restart(tmp_path: Path) -> None:
    async with a_room(tmp_path) as first:
        (order,) = await first.ordered("LONG", "a1")
        await first.poll(journal=True)
        tokens = first.tokens
    async with a_room(tmp_path, tokens) as second:
        assert await second.poll(journal=True) == []
        await second.ack(filled(order, 0.1))
        assert (await second.order(order)).state is State.FILLED


# -- results


async def test_the_same_ack_twice_changes_nothing(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    first = await room.ack(filled(order, 0.1))
    kept = await room.order(order)
    again = await room.ack(filled(order, 0.1))
    assert first.json() == again.json() == {"acknowledged": 1, "missing": 0, "refused": []}
    assert await room.order(order) == kept
    assert len(await room.store.rows("fills", limit=10)) == 1


async def test_a_result_repeated_after_a_restart_is_known_and_clears_the_doubt(tmp_path: Path) -> None:
    async with a_room(tmp_path) as first:
        (order,) = await first.ordered("LONG", "a1")
        await first.poll(journal=True)
        await first.pass_time(16)
        assert (await first.order(order)).code == "OUTCOME_UNKNOWN"
        await first.ack(filled(order, 0.1))
        assert ((await first.order(order)).state, (await first.order(order)).code) == (State.FILLED, "")
        tokens = first.tokens
    async with a_room(tmp_path, tokens) as second:
        assert (await second.ack(filled(order, 0.1))).json()["acknowledged"] == 1
        assert len(await second.store.rows("fills")) == 1


async def test_an_order_that_stays_partial_ends_with_its_life_and_a_short_exit_is_told_to_a_person(room: Room) -> None:
    (entry,) = await room.ordered("LONG", "a1")
    await room.poll()
    await room.ack(filled(entry, 0.04) | {"status": "partial"})
    await room.pass_time(31)
    ended = await room.order(entry)
    assert (ended.state, ended.code, ended.filled_volume) == (State.FILLED, "PARTIAL_FILL", Decimal("0.04"))

    await room.report(standing("77", 0.1, magic=ended.magic))
    (exit_,) = await room.ordered("CLOSE", "a2")
    await room.poll()
    await room.ack(filled(exit_, 0.06))
    assert (await room.order(exit_)).code == "PARTIAL_FILL"
    pages = [a["subject"] for a in await room.store.audits() if a["action"] == "page"]
    assert pages == [exit_]


async def test_unknown_keys_are_missing_and_the_hub_goes_on(room: Room) -> None:
    answer = await room.ack(filled("o-0-0", 0.1), keys=["nothing"])
    assert answer.json() == {"acknowledged": 0, "missing": 2, "refused": []}
    assert len(await room.ordered("LONG", "a1")) == 1


async def test_a_rejection_keeps_the_venues_word(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    await room.ack({"key": order, "status": "rejected", "retcode": 10019, "message": "No money"})
    kept = await room.order(order)
    assert (kept.state, kept.code, kept.retcode, kept.reason) == (State.REJECTED, "VENUE_REJECTED", 10019, "No money")


async def test_a_nack_puts_the_order_back(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    await room.ack({"key": order, "status": "nack"})
    assert [i["attempt"] for i in await room.poll()] == [2]


async def test_part_by_part_the_fills_add_up(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    for volume in (0.04, 0.04, 0.1):
        await room.ack(filled(order, volume) | {"status": "partial"})
    assert (await room.order(order)).state is State.FILLED
    fills = await room.store.rows("fills", limit=10)
    assert len(fills) == 2
    assert sum(Decimal(json.loads(f["body"])["volume"]) for f in fills) == Decimal("0.1")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"keys": ["k" * 201]}, "BAD_KEY"),
        ({"keys": [""]}, "BAD_KEY"),
        ({"results": [{"key": "k" * 201, "status": "filled"}]}, "BAD_KEY"),
        ({"results": [{"key": "k", "status": "eaten"}]}, "BAD_STATUS"),
        ({"keys": ["k"] * 201}, "TOO_MANY_KEYS"),
        ({"results": [{"key": "k", "status": "filled", "volume": 1e300}]}, "NUMBER_OUT_OF_RANGE"),
        ({"results": [{"key": "k", "status": "filled", "volume": "1e9999999"}]}, "NUMBER_OUT_OF_RANGE"),
    ],
)
async def test_an_ack_out_of_bounds_is_a_422_with_its_code(room: Room, body: dict[str, object], code: str) -> None:
    answer = await room.http.post("/api/ack", json=body, headers=room.as_ea)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_key_of_200_characters_is_only_missing(room: Room) -> None:
    assert (await room.ack(keys=["k" * 200])).json()["missing"] == 1


# -- bare keys and reports


async def test_a_bare_key_is_taken_where_no_report_ever_came(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    assert (await room.ack(keys=[order])).json()["acknowledged"] == 1
    assert (await room.order(order)).state is State.TAKEN


async def test_a_bare_key_is_unconfirmed_until_a_report_shows_the_position(room: Room) -> None:
    await room.report()
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    await room.ack(keys=[order])
    assert (await room.order(order)).state is State.UNCONFIRMED
    await room.report()
    assert (await room.order(order)).state is State.UNCONFIRMED
    await room.report(standing("501", 0.1))
    kept = await room.order(order)
    assert (kept.state, kept.ticket, kept.filled_volume) == (State.FILLED, "501", Decimal("0.1"))


async def test_a_bare_key_that_stays_unconfirmed_is_told_to_a_person(room: Room) -> None:
    await room.report()
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    await room.ack(keys=[order])
    await room.pass_time(299)
    pages = [a for a in await room.store.audits() if a["action"] == "page"]
    assert pages == []
    await room.pass_time(2)
    (page,) = [a for a in await room.store.audits() if a["action"] == "page"]
    assert (page["subject"], page["detail"].split()[0]) == (order, "UNCONFIRMED")


async def test_an_entry_waits_while_the_mirror_is_stale_and_an_exit_does_not(tmp_path: Path) -> None:
    async with a_room(tmp_path, mailbox__stale_s=10) as room:
        (first,) = await room.ordered("LONG", "a1")
        await room.poll()
        held = standing("77", 0.1, magic=(await room.order(first)).magic)
        await room.ack(filled(first, 0.1))
        await room.report(held)
        (exit_,) = await room.ordered("CLOSE", "a2")
        await room.pass_time(11)
        assert [i["key"] for i in await room.poll()] == [exit_]
        await room.ack(filled(exit_, 0.1))
        await room.report()
        (entry,) = await room.ordered("LONG", "a3")
        await room.pass_time(11)
        assert await room.poll() == []
        await room.report()
        assert [i["key"] for i in await room.poll()] == [entry]


async def test_two_positions_that_fit_prove_nothing(room: Room) -> None:
    await room.report()
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    await room.ack(keys=[order])
    await room.report(standing("501", 0.1), standing("502", 0.1))
    assert (await room.order(order)).state is State.UNCONFIRMED


async def test_an_exit_is_proven_by_its_position_being_gone(room: Room) -> None:
    await room.report()
    (entry,) = await room.ordered("LONG", "a1")
    await room.poll()
    await room.ack(filled(entry, 0.1, ticket="5"))
    held = standing("5", 0.1, magic=(await room.order(entry)).magic)
    await room.report(held)
    (close,) = await room.ordered("CLOSE", "x1")
    (item,) = await room.poll()
    assert item["ticket"] == "5"
    await room.ack(keys=[close])
    await room.report(held)
    assert (await room.order(close)).state is State.UNCONFIRMED
    await room.report()
    assert (await room.order(close)).state is State.FILLED


async def test_a_report_of_another_login_is_refused(room: Room) -> None:
    answer = await room.report(login="9999")
    assert answer.json()["code"] == "SERVER_MISMATCH"
    assert 400 <= answer.status_code < 500
