"""The EA link in time, and after a kill -9: a hub with short timers, held against an EA that falls silent.

Heartbeat 0.5 s makes test 0.6 s, stale 0.65 s, dead 1.2 s, lease 1.5 s.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from linkworld import Place, linked_world
from rawea import Missing, RawEa, Socket, deal, position


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Place]]:
    with linked_world(tmp_path_factory.mktemp("timers"), 12, KAKEHASHI_LINK__HEARTBEAT_S="0.5") as places:
        yield places


async def stands(place: Place, session: str, within_s: float = 8.0) -> float:
    """Wait until the account's link is in this state; how long that took, seconds."""
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    while place.kept()["link"]["session"] != session:
        assert loop.time() - began < within_s, place.kept()["link"]
        await asyncio.sleep(0.01)
    return loop.time() - began


async def test_a_silent_ea_is_asked_then_stale_then_given_up_while_another_goes_on(
    place: Place, places: Iterator[Place]
) -> None:
    ea, other = place.ea(Socket), next(places).ea(Socket)
    await other.come()
    beating = asyncio.ensure_future(_beats(other))
    await ea.come()
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    assert ea.n == 1
    await ea.hears("TEST")
    assert loop.time() - began > 0.4
    await stands(place, "STALE")
    assert loop.time() - began > 0.5
    assert (await ea.closes())[0] == 1008
    assert 1.0 < loop.time() - began < 6
    assert place.kept()["link"]["session"] == "AWAY"
    assert not beating.done()
    beating.cancel()


async def _beats(ea: RawEa) -> None:
    while True:
        await ea.beat()
        await asyncio.sleep(0.2)


async def test_who_only_answers_the_question_lives_but_is_not_fresh(place: Place, kind: type[RawEa]) -> None:
    ea = place.ea(kind)
    await ea.come()
    for _ in range(3):
        await ea.say(await ea.hears("TEST") | {"re": True})
    await stands(place, "STALE")
    assert (await ea.hears("REQ_SNAP"))["reason"] == "STALE"
    await ea.beat()
    await stands(place, "FRESH")


async def test_another_ea_gets_the_account_when_the_lease_has_run_out_and_not_before(
    place: Place, kind: type[RawEa]
) -> None:
    ea = place.ea(Socket)
    await ea.come()
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    ea.abort()
    await stands(place, "AWAY")
    while True:
        heir = place.ea(kind)
        await heir.open()
        await heir.say(heir.hello_frame())
        try:
            left = (await heir.hears("REFUSE", 0.5))["retry_ms"]
        except Missing:
            break
        assert left <= 1_500
        await heir.end()
        await asyncio.sleep(left / 1000)  # as it was told to
    assert (await heir.hears("WELCOME"))["ep"] == 2
    assert loop.time() - began > 1.3


async def test_a_heartbeat_with_a_lower_number_extends_nothing(place: Place) -> None:
    ea = place.ea(Socket)
    ea.n = 10
    await ea.come()
    await ea.say(ea.beat_frame() | {"n": 4})
    assert await ea.silent_about("HBA", 0.2)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Place]:
    """An account of a hub that the test may kill."""
    with linked_world(tmp_path, 1) as places:
        yield next(places)


async def test_a_hub_killed_straight_after_it_acknowledged_an_event_has_the_event(own: Place) -> None:
    """Also the command that was acknowledged before: it is neither lost nor sent anew to anybody else."""
    place = own
    ea = place.ea(Socket)
    await ea.come()
    [order] = await place.alert("LONG")
    cmd = await ea.hears("CMD")
    for number in range(3):
        told = deal(str(2_001 + number), order="2001", position="2001", magic=cmd["magic"], volume="0.02")
        await ea.say(ea.evt_frame("PARTIAL", id=order, order="2001", deals=[told]))
    await ea.hears("EVTA", n=3)
    place.world.kill("hub")
    assert [event["n"] for event in place.events()] == [1, 2, 3]
    assert place.order(order)["filled_volume"] == "0.06"
    place.world.restart("hub")
    place.world.wait_for_hub()
    stranger = place.ea(Socket)
    await stranger.open()
    await stranger.say(stranger.hello_frame())
    await stranger.hears("REFUSE", reason="LEASE_HELD")  # the holder keeps its right over the restart
    back = place.ea(Socket, instance=ea.instance)
    back.boot, back.evt_n, back.ep = 1, 3, ea.ep
    await back.open()
    welcome = await back.hello()
    assert (welcome["ep"], welcome["evt_ack"]) == (1, 3)
    back.sseq, back.n = ea.sseq, ea.n
    await back.say(back.snap_frame(position("2001", "0.06", magic=cmd["magic"])))
    await back.beat()
    rest = deal("2009", order="2001", position="2001", magic=cmd["magic"], volume="0.04")
    await back.say(back.evt_frame("FILLED", id=order, order="2001", deals=[rest], vol="0.10"))
    await back.hears("EVTA", n=4)
    assert place.order(order)["filled_volume"] == "0.10"
    assert place.order(order)["state"] == "FILLED"
    assert await back.silent_about("CMD", 2.3)
    await back.end()
