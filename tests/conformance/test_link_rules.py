"""The EA link's rules as an EA sees them: PROTOCOL R1-R22 over a real hub process, an account for each case.

What holds on both transports is tried on both. The timers are the defaults, but that a result is asked after sooner (R8).
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from linkworld import Place, linked_world
from rawea import BROKER_TIME, Poller, RawEa, Socket, deal, position

from kakehashi.services import desk


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Place]]:
    with linked_world(tmp_path_factory.mktemp("rules"), 50, KAKEHASHI_LINK__STATUS_S="1") as places:
        yield places


async def filled(ea: RawEa, cmd: dict[str, Any], ticket: str, entry: str = "IN", **more: Any) -> None:
    """Carry a command out: ACK, EVT, and wait for EVTA."""
    await ea.say({"t": "ACK", "id": cmd["id"], "j": ea.jhi + 1})
    told = deal(ticket, entry, order=ticket, magic=cmd["magic"], reason="EXPERT", **more)
    event = {"id": cmd["id"], "retcode": 10009, "order": ticket, "deals": [told], "vol": told["volume"]}
    await ea.say(ea.evt_frame("FILLED", price=told["price"], **event))
    await ea.hears("EVTA", n=ea.evt_n)


async def mailbox(place: Place, http: httpx.AsyncClient) -> list[Any]:
    """What the older way of polling hands out now."""
    headers = {"authorization": f"Bearer {place.token}"}
    answer = await http.get(f"{place.world.url}/api/poll", params={"account": place.name}, headers=headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


# -- who is let in (R1, R2, R5, R6, R20) -------------------------------------------------------------------------


async def test_welcome_tells_epoch_and_timers_and_is_on_disk_before_it_is_told(place: Place, kind: type[RawEa]) -> None:
    ea = place.ea(kind)
    await ea.open()
    welcome = await ea.hello()
    kept = place.kept()["link"]
    assert welcome | {"gen": 0} == {
        "t": "WELCOME", "v": 1, "ep": 1, "lease_ms": 15_000, "hb_ms": 5_000, "stale_ms": 6_500, "dead_ms": 12_000,
        "evt_ack": 0, "gen": 0, "limits": {"max_unacked": 100},
    }  # fmt: skip
    assert (kept["record"]["epoch"], kept["record"]["instance"]) == (1, ea.instance)
    await ea.end()


async def test_another_instance_is_refused_while_the_lease_runs_and_a_proven_successor_is_not(
    place: Place, kind: type[RawEa]
) -> None:
    first = place.ea(kind)
    await first.come()
    other = place.ea(Socket)
    await other.open()
    await other.say(other.hello_frame(prev=first.instance, jhi=10))
    refused = await other.hears("REFUSE", reason="LEASE_HELD")
    assert 0 < refused["retry_ms"] <= 15_000
    assert (await other.closes())[0] == 4001
    await first.say({"t": "BYE"})
    await first.end()
    for jhi, prev, welcome in ((10, None, False), (0, first.instance, False), (10, first.instance, True)):
        heir = place.ea(kind)
        heir.jhi = jhi
        await heir.open()
        await heir.say(heir.hello_frame(prev=prev))
        answer = await heir.hears("WELCOME" if welcome else "REFUSE")
        assert answer.get("ep", 2) == 2
        await heir.end()


async def test_a_journal_that_knows_less_than_the_hub_saw_is_refused(place: Place, kind: type[RawEa]) -> None:
    ea = place.ea(kind, instance="j")
    ea.boot, ea.jhi = 3, 10
    await ea.come(evt_hi=0)
    await ea.say(ea.evt_frame("DEAL", j=12))
    await ea.hears("EVTA", n=1)
    await ea.say({"t": "BYE"})
    await ea.end()
    good = {"boot": 3, "jhi": 12, "jchain": 5, "evt_hi": 1, "evt_acked": 1}
    for wrong in ({"jhi": 11}, {"boot": 2}, {"evt_hi": 0, "evt_acked": 0}, {"jhi": 10, "jchain": 6}):
        again = place.ea(kind, instance="j")
        await again.open()
        await again.say(again.hello_frame(**(good | wrong)))
        refused = await again.hears("REFUSE")
        assert (refused["reason"], refused["retry_ms"]) == ("JOURNAL_BACK", 0), wrong
        await again.end()
    again = place.ea(kind, instance="j")
    await again.open()
    assert (await again.hello(**good))["evt_ack"] == 1


async def test_one_instance_on_two_live_connections_is_refused_on_both_until_it_takes_new_names(place: Place) -> None:
    one, two = place.ea(Socket, instance="twin"), place.ea(Socket, instance="twin")
    await one.come()
    await two.open()
    await two.say(two.hello_frame())
    probe = await one.hears("TEST")
    await one.say(probe | {"re": True})
    for twin in (one, two):
        await twin.hears("REFUSE", reason="INSTANCE_CLONED")
        assert (await twin.closes())[0] == 4001
    again = place.ea(Socket, instance="twin")
    await again.open()
    await again.say(again.hello_frame())
    assert (await again.hears("REFUSE"))["reason"] == "INSTANCE_CLONED"


async def test_a_connection_that_came_back_takes_the_place_of_the_one_that_does_not_answer(place: Place) -> None:
    one, two = place.ea(Socket), place.ea(Poller)
    two.instance = one.instance
    await one.come()
    two.n = one.n  # an EA goes on counting
    await two.open()
    await two.say(two.hello_frame())
    await two.hears("WELCOME")
    assert (await one.closes())[0] == 4002
    await two.beat()


async def test_a_second_hello_is_welcomed_again_and_one_of_another_instance_ends_it(
    place: Place, kind: type[RawEa]
) -> None:
    ea = place.ea(kind)
    await ea.come()
    assert (await ea.hello())["ep"] == 1
    await ea.say(ea.hello_frame(instance="another"))
    if isinstance(ea, Socket):
        assert (await ea.closes())[0] == 1008
    else:
        assert isinstance(ea, Poller)
        while (answer := await ea.post()).status_code == 200:
            assert answer.json() == []
        assert answer.json()["code"] == "NO_SESSION"


@pytest.mark.parametrize(
    "more",
    [{"server": "Other-2"}, {"trade_mode": "real"}, {"margin_mode": "netting"}],
    ids=["server", "real", "netting"],
)
async def test_the_account_of_another_kind_is_refused(place: Place, more: dict[str, str]) -> None:
    ea = place.ea(Socket)
    await ea.come()
    await ea.say({"t": "BYE"})
    assert (await ea.closes())[0] == 1000
    again = place.ea(Socket, instance=ea.instance)
    await again.open()
    await again.say(again.hello_frame(**more))
    assert (await again.hears("REFUSE"))["reason"] == "SERVER_MISMATCH"
    assert (await again.closes())[0] == 4001


@pytest.mark.parametrize(
    "more", [{"ep": 9}, {"evt_acked": 7, "evt_hi": 7}, {"cmd_hi": 10**11}], ids=["ep", "evt", "cmd"]
)
async def test_an_ea_that_knows_more_than_the_hub_suspends_trading_until_a_person_confirms(
    place: Place, more: dict[str, int]
) -> None:
    ea = place.ea(Socket)
    await ea.come()
    await ea.say({"t": "BYE"})
    await ea.end()
    again = place.ea(Socket, instance=ea.instance)
    again.boot, again.sseq = 2, 0
    await again.open()
    welcome = await again.hello(**more)
    assert welcome["ep"] > max(1, more.get("ep", 0))
    assert (await again.hears("RESEND"))["from"] == 1
    await again.say(again.snap_frame())
    await again.beat()
    assert (await place.answer("LONG"))["code"] == "STALE_ACCOUNT"
    [order] = await place.alert("CLOSE", symbol="USDJPY")
    await again.beat()
    assert await again.silent_about("CMD")
    async with httpx.AsyncClient() as http:  # nor does it leave by the other door
        assert await mailbox(place, http) == []
    await place.asks(desk.ask_link, place.name, ask="confirm")
    # The newer copy of this hub may have sent it under this very name: it is asked after, and never sent.
    assert (await again.hears("QUERY"))["id"] == order
    await again.beat()
    [later] = await place.alert("LONG", id="later")
    assert (await again.hears("CMD", id=later))["seq"] > more.get("cmd_hi", 0)


async def test_what_one_instance_was_sent_the_next_is_only_asked_about(place: Place) -> None:
    one = place.ea(Socket)
    one.jhi = 3
    await one.come()
    [order] = await place.alert("LONG")
    cmd = await one.hears("CMD")
    await one.say({"t": "BYE"})
    await one.end()
    two = place.ea(Socket)
    two.jhi = 4
    await two.come(prev=one.instance)
    assert (await two.hears("QUERY"))["id"] == cmd["id"]
    assert await two.silent_about("CMD", 2.2)
    assert place.order(order)["state"] == "UNKNOWN"
    found = [deal("2001", order="1001", position="1001", magic=cmd["magic"])]
    await two.say({"t": "QRES", "id": cmd["id"], "magic": cmd["magic"], "found": found, "synced": True, "hist_from": 1})
    await place.becomes(order, "FILLED")


# -- commands and events (R1, R3, R4, R8, R10, R19) --------------------------------------------------------------


async def test_a_command_goes_out_is_acknowledged_carried_out_and_booked(place: Place, kind: type[RawEa]) -> None:
    ea = place.ea(kind)
    await ea.come()
    [order] = await place.alert("LONG")
    cmd = await ea.hears("CMD")
    expected = {
        "id": order,
        "op": "OPEN",
        "kind": "MARKET",
        "sym": "EURUSD",
        "side": "B",
        "vol": "0.10",
        "ep": 1,
        "hn": 1,
    }
    assert expected.items() <= cmd.items()
    assert 0 < int(cmd["magic"]) < 2**63
    assert cmd["ttl_ms"] == 30_000
    assert place.order(order)["state"] == "SENT"
    await ea.say({"t": "ACK", "id": order, "j": 1})
    await place.becomes(order, "ACKED")
    await filled(ea, cmd, "2001", position="2001")
    assert place.order(order)["filled_volume"] == "0.10"
    assert [event["id"] for event in place.events()] == [order]


async def test_an_unacknowledged_command_comes_again_every_two_seconds_with_a_new_stamp(place: Place) -> None:
    ea = place.ea(Socket)
    await ea.come()
    await place.alert("LONG")
    first = await ea.hears("CMD")
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    await ea.beat()
    second = await ea.hears("CMD")
    assert 1.5 < loop.time() - began < 4
    same = ("id", "seq", "op", "sym", "side", "vol", "magic", "ttl_ms", "ep")
    assert [first[name] for name in same] == [second[name] for name in same]
    assert (first["hn"], second["hn"]) == (1, 2)
    assert second["age_ms"] >= first["age_ms"] + 1_500
    await ea.say({"t": "ACK", "id": first["id"], "j": 1})
    assert await ea.silent_about("CMD", 2.3)


async def test_an_acknowledged_command_without_a_result_is_asked_after(place: Place, kind: type[RawEa]) -> None:
    ea = place.ea(kind)
    await ea.come()
    [order] = await place.alert("LONG")
    cmd = await ea.hears("CMD")
    await ea.say({"t": "ACK", "id": order, "j": 1})
    query = await ea.hears("QUERY")
    assert (query["id"], query["magic"]) == (order, cmd["magic"])
    found = [deal("3001", order="3000", position="3000", magic=cmd["magic"])]
    await ea.say({"t": "QRES", "id": order, "jst": "SENT", "found": found, "synced": True, "hist_from": 1})
    assert (await place.becomes(order, "FILLED"))["filled_volume"] == "0.10"


async def test_events_are_booked_once_and_in_order_whatever_the_order_they_come_in(
    place: Place, kind: type[RawEa]
) -> None:
    ea = place.ea(kind)
    await ea.come()
    one, two, three = (ea.evt_frame("DEAL", deals=[deal(str(n), position="1")]) for n in (1, 2, 3))
    await ea.say(two)
    assert (await ea.hears("RESEND"))["from"] == 1
    await ea.say(one)
    await ea.hears("EVTA", n=1)
    assert [event["n"] for event in place.events()] == [1]
    for frame in (two, one, two, three, three, one):
        await ea.say(frame)
    await ea.hears("EVTA", n=3)
    await ea.in_order()
    assert [event["n"] for event in place.events()] == [1, 2, 3]


async def test_a_result_told_twice_or_of_nobodys_command_changes_the_book_once(place: Place) -> None:
    ea = place.ea(Socket)
    await ea.come()
    [order] = await place.alert("LONG")
    cmd = await ea.hears("CMD")
    await filled(ea, cmd, "2001", position="2001")
    await filled(ea, cmd, "2001", position="2001")
    await ea.say(
        ea.evt_frame("REJECTED", id=order), ea.evt_frame("FILLED", id="o-of-nobody"), ea.evt_frame("NONSENSE", id=order)
    )
    await ea.hears("EVTA", n=ea.evt_n)
    kept = place.order(order)
    assert (kept["state"], kept["filled_volume"], place.kept()["fills"]) == ("FILLED", "0.10", 1)


@pytest.mark.parametrize(("journal", "state"), [("", "REJECTED"), ("SENT", "ACKED")], ids=["unknown", "known"])
async def test_a_command_that_the_ea_calls_a_bad_frame_ends_when_its_journal_does_not_have_it(
    place: Place, kind: type[RawEa], journal: str, state: str
) -> None:
    """What the journal has not, was not done (R2); an earlier copy may be in it, and its ACK lost."""
    ea = place.ea(kind)
    await ea.come()
    [order] = await place.alert("LONG")
    cmd = await ea.hears("CMD")
    await ea.say({"t": "ERR", "code": "BAD_FRAME", "message": f"{order}: magic and target are numbers"})
    query = await ea.hears("QUERY")
    assert query["id"] == order
    assert await ea.silent_about("CMD", 2.5)
    await ea.say({"t": "QRES", "id": order, "magic": cmd["magic"], "jst": journal, "found": [], "synced": True})
    kept = await place.becomes(order, state)
    assert (kept.get("code", ""), kept["filled_volume"]) == ("BAD_FRAME" if state == "REJECTED" else "", "0")


async def test_an_exit_names_its_position_and_the_next_one_on_it_waits(place: Place) -> None:
    ea = place.ea(Socket)
    await ea.come()
    await place.alert("LONG")
    entry = await ea.hears("CMD")
    await filled(ea, entry, "1001", position="1001")
    await ea.say(ea.snap_frame(position("1001", magic=entry["magic"])))
    await ea.beat()
    await place.alert("CLOSE")
    close = await ea.hears("CMD")
    expected = {"op": "CLOSE", "target": "1001", "expect_vol": "0.10", "side": "B", "sym": "EURUSD"}
    assert expected.items() <= close.items()
    assert close["seq"] > entry["seq"]
    await ea.say({"t": "ACK", "id": close["id"], "j": 9})
    await ea.say(ea.evt_frame("DONE", id=close["id"], reason="ALREADY_FLAT"))
    await ea.hears("EVTA", n=ea.evt_n)
    assert place.order(close["id"])["state"] == "DONE"


async def test_entries_wait_for_a_mirror_that_is_right_and_exits_do_not(place: Place) -> None:
    ea = place.ea(Socket)
    await ea.come()
    await place.alert("LONG")
    entry = await ea.hears("CMD")
    await filled(ea, entry, "1001", position="1001")
    await ea.say(ea.snap_frame(position("1001", magic=entry["magic"])))
    await ea.beat()
    await ea.beat(crc=1)  # the mirror is wrong: asked for a snapshot at once
    assert (await ea.hears("REQ_SNAP"))["reason"] == "MISMATCH"
    await place.alert("CLOSE")
    assert (await ea.hears("CMD"))["op"] == "CLOSE"


# -- control (R21) and the other doors (R5) ----------------------------------------------------------------------


async def test_the_kill_switch_halts_the_ea_until_it_echoes_it_and_resume_follows(place: Place) -> None:
    ea = place.ea(Socket)
    await ea.come()
    await place.asks(desk.kill, on=True, scope=place.name)
    halt = await ea.hears("HALT")
    await ea.hears("HALT", gen=halt["gen"])  # again, for no heartbeat has echoed it
    ea.gen = halt["gen"]
    await ea.beat()
    assert await ea.silent_about("HALT", 2.3)
    await place.asks(desk.kill, on=False, scope=place.name)
    resume = await ea.hears("RESUME")
    assert resume["gen"] > halt["gen"]


async def test_the_prices_that_decisions_need_are_asked_for(place: Place) -> None:
    ea = place.ea(Socket)
    await ea.come(position(symbol="USDJPY"))
    assert "USDJPY" in (await ea.hears("SET"))["symbols"]
    await place.alert("LONG")
    assert {"EURUSD", "USDJPY"} <= set((await ea.hears("SET"))["symbols"])


async def test_while_the_link_holds_the_account_its_mailbox_is_empty(place: Place, kind: type[RawEa]) -> None:
    """A command that is asked for on every way at once leaves on one of them."""
    ea = place.ea(kind)
    await ea.come()

    async with httpx.AsyncClient() as http:
        alerts = [place.alert("LONG", id=f"n{n}") for n in range(5)]
        said = await asyncio.gather(*alerts, *(mailbox(place, http) for _ in range(10)))
        orders = {order for answer in said[:5] for order in answer}
        assert [answer for answer in said[5:] if answer] == []
        got = {(await ea.hears("CMD"))["id"] for _ in range(5)}
        assert got == orders
        await ea.say({"t": "BYE"})
        await ea.end()
        assert await mailbox(place, http) == []  # the lease runs on


# -- state (R11-R15, R22) and what people see of it --------------------------------------------------------------


async def test_state_out_of_order_is_not_taken_and_a_snapshot_is_asked_for(place: Place, kind: type[RawEa]) -> None:
    ea = place.ea(kind)
    await ea.come(position("1"))
    lost = ea.delta_frame("2", position("2"))
    await ea.say(ea.delta_frame("3", position("3")))
    assert (await ea.hears("REQ_SNAP"))["reason"] == "GAP"
    await ea.say(lost)
    await ea.in_order()
    assert place.kept()["positions"] == 2
    await ea.say(ea.snap_frame(position("1"), position("2"), position("3")))
    await ea.beat()
    assert place.kept()["positions"] == 3
    await ea.say(
        lost | {"sseq": ea.sseq}, ea.snap_frame(synced=False)
    )  # an old one, and one of a terminal without broker
    ea.sseq -= 1
    ea.rows = {str(n): position(str(n)) for n in (1, 2, 3)}
    await ea.beat()
    assert place.kept()["positions"] == 3
    await ea.say(ea.beat_frame(sseq=ea.sseq + 5))
    assert (await ea.hears("REQ_SNAP"))["reason"] in ("BEHIND", "GAP")


async def test_a_snapshot_in_parts_counts_when_all_are_there_and_s1s_names_are_understood(
    place: Place, kind: type[RawEa]
) -> None:
    ea = place.ea(kind)
    await ea.open()
    await ea.hello()
    whole = ea.snap_frame(position("1"), position("2"))
    part = {"t": "FULL_SYNC", "of": 2, "unheard_of": [1]}
    await ea.say(whole | part | {"part": 2, "positions": whole["positions"][1:]})
    await ea.in_order()
    assert place.kept()["positions"] == 0
    await ea.say(whole | part | {"part": 1, "positions": whole["positions"][:1]})
    beat = ea.beat_frame(t="HEARTBEAT")
    await ea.say(beat, beat)
    await ea.hears("HBA", n=beat["n"])
    assert await ea.silent_about("HBA")  # the same number again extends nothing
    kept = place.kept()
    assert (kept["positions"], kept["link"]["session"]) == (2, "FRESH")


async def seen_by(ea: RawEa, place: Place, *argv: str) -> Any:
    """What a person sees at the command line, while the EA's heart goes on beating."""
    looking = asyncio.ensure_future(place.cli(*argv))
    while not looking.done():
        await ea.beat()
        await asyncio.wait([looking], timeout=0.5)
    return await looking


async def test_what_became_of_positions_and_orders_is_seen_by_a_person(place: Place) -> None:
    """A position of ours, one of a stranger, a stop-out, one closed by hand, and one that goes without a word."""
    ea = place.ea(Socket)
    await ea.come()
    [order] = await place.alert("LONG")
    cmd = await ea.hears("CMD")
    await filled(ea, cmd, "1", position="1")
    mine, others = position("1", magic=cmd["magic"]), [position(str(n), magic="99") for n in (2, 3, 4)]
    await ea.say(ea.snap_frame(mine, *others))
    await ea.beat()
    for ticket, reason in (("2", "SO"), ("3", "CLIENT")):
        told = deal(f"9{ticket}", "OUT", position=ticket, reason=reason, price="1.08000", profit="-5")
        await ea.say(ea.evt_frame("DEAL", deals=[told]), ea.delta_frame(ticket, None))
    await ea.say(ea.delta_frame("4", None))
    assert (await ea.hears("QUERY"))["position"] == "4"
    found = [deal("94", "OUT", position="4", reason="SL", price="1.07000", time=BROKER_TIME + 5)]
    await ea.say({"t": "QRES", "position": "4", "found": found, "synced": True, "hist_from": 1})
    await ea.beat()
    rows = {
        row["ticket"]: row for row in await seen_by(ea, place, "positions", "list", "--all", "--account", place.name)
    }
    seen = {ticket: (row["origin"], row.get("closed_reason", ""), row.get("deal", "")) for ticket, row in rows.items()}
    assert seen == {
        "1": ("OWN", "", ""), "2": ("EXTERNAL", "STOP_OUT", "92"), "3": ("EXTERNAL", "CLIENT", "93"),
        "4": ("EXTERNAL", "SL", "94"),
    }, rows  # fmt: skip
    names = {"account", "ticket", "symbol", "side", "volume", "price_open", "sl", "tp", "fresh", "origin"}
    [open_now] = await seen_by(ea, place, "positions", "list", "--account", place.name)
    assert names <= open_now.keys()
    assert (open_now["side"], open_now["volume"], open_now["fresh"]) == ("BUY", "0.10", True)
    [line] = await seen_by(ea, place, "orders", "list", "--account", place.name)
    assert {"id", "account", "symbol", "side", "volume", "state", "retcode", "reason", "op", "magic"} <= line.keys()
    assert (line["id"], line["state"], line["retcode"], line["filled_volume"]) == (order, "FILLED", 10009, "0.10")
    account = next(row for row in await seen_by(ea, place, "accounts", "list") if row["name"] == place.name)
    shown = {
        name: account[name] for name in ("number", "link", "fresh", "epoch", "instance", "boot", "sseq", "balance")
    }
    assert shown == {
        "number": place.number, "link": "live", "fresh": True, "epoch": 1, "instance": ea.instance, "boot": 1,
        "sseq": ea.sseq, "balance": "10000",
    }  # fmt: skip
    await seen_by(ea, place, "accounts", "resync", place.name)
    assert await ea.hears("REQ_SNAP", reason="OPERATOR")


async def test_a_planned_stop_is_shown_as_off_and_is_closed_with_1000(place: Place) -> None:
    ea = place.ea(Socket)
    await ea.come()
    await ea.say({"t": "BYE", "reason": "maintenance"})
    assert (await ea.closes())[0] == 1000
    assert place.kept()["link"]["session"] == "LEFT"
