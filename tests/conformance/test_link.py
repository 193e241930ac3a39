"""The EA link's doors against whoever comes: the documented answer, nothing written, and nobody else disturbed.

A real hub process; every case has an account of its own, and a neighbour on another one whose heartbeats must go on being
answered on the same connection. Source: PROTOCOL sections 1, 4, 5 and R17; SECURITY SEC-6, SEC-11.
"""

import asyncio
import contextlib
import itertools
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from linkworld import Place, linked_world
from rawea import Poller, RawEa, Socket, deal, position

from kakehashi.domain.framecodec import MAX_FRAME
from kakehashi.services import desk

BOTH = pytest.mark.parametrize("kind", [Socket, Poller])
BOOTS = itertools.count(1)
PROMPT_S = 6.0
"""A neighbour's heartbeat is answered within this, whatever happens beside it: its own limit is 6.5 s."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Place]]:
    with linked_world(tmp_path_factory.mktemp("link"), 70) as places:
        yield places


@pytest.fixture
def place(places: Iterator[Place]) -> Place:
    return next(places)


@pytest.fixture(scope="module")
def next_door(places: Iterator[Place]) -> Place:
    return next(places)


@pytest.fixture
async def neighbour(next_door: Place) -> AsyncIterator[Socket]:
    """Another account's EA, which must not notice anything."""
    ea = next_door.ea(Socket, instance="next door")
    ea.boot = next(BOOTS)
    await ea.come(position())
    yield ea
    async with asyncio.timeout(PROMPT_S):
        await ea.beat()
    await ea.end()


def row(**more: Any) -> str:
    return json.dumps({"ticket": "1", "symbol": "EURUSD", "side": "B", "volume": "0.1", "open": "1.1"} | more)


def snap(rows: str = "", **more: Any) -> str:
    head = json.dumps({"t": "SNAP", "boot": 1, "sseq": 90, "synced": True} | more)
    return f'{head[:-1]},"positions":[{rows}]}}'


def evt(**more: Any) -> str:
    return json.dumps({"t": "EVT", "n": 1, "st": "DEAL"} | more)


BAD_FRAMES = [
    ("garbage", '{"t":"HB","n":', "BAD_JSON"),
    ("empty object", "{}", "UNKNOWN_FRAME"),
    ("no object", "17", "BAD_JSON"),
    ("a list", "[]", "BAD_JSON"),
    ("unknown type", '{"t":"DANCE"}', "UNKNOWN_FRAME"),
    ("a type that is no text", '{"t":["HB"]}', "UNKNOWN_FRAME"),
    ("the hub's own word", '{"t":"CMD","id":"c-1"}', "UNKNOWN_FRAME"),
    ("another version", '{"v":2,"t":"HB","n":1}', "BAD_FRAME"),
    ("a field twice", '{"t":"HB","n":1,"n":2}', "DUPLICATE_FIELD"),
    ("a field twice, deep", '{"t":"SNAP","boot":1,"sseq":9,"positions":[{"ticket":"1","ticket":"2"}]}', "DUPLICATE_FIELD"),
    ("a field missing", '{"t":"HB"}', "BAD_FRAME"),
    ("a fraction for a counter", '{"t":"HB","n":1.5}', "BAD_FRAME"),
    ("NaN", '{"t":"HB","n":1,"balance":NaN}', "NUMBER_OUT_OF_RANGE"),
    ("Infinity", '{"t":"HB","n":1,"equity":-Infinity}', "NUMBER_OUT_OF_RANGE"),
    ("NaN as text", '{"t":"HB","n":1,"balance":"NaN"}', "NUMBER_OUT_OF_RANGE"),
    ("too much money", '{"t":"HB","n":1,"balance":"1e13"}', "NUMBER_OUT_OF_RANGE"),
    ("an exponent without end", '{"t":"HB","n":1,"balance":"1e999999999"}', "NUMBER_OUT_OF_RANGE"),
    ("an amount too fine to write down", '{"t":"HB","n":1,"balance":"1E-999999999"}', "NUMBER_OUT_OF_RANGE"),
    ("a counter beyond 2^53", '{"t":"HB","n":9007199254740993}', "NUMBER_OUT_OF_RANGE"),
    ("a counter of 400 digits", '{"t":"ACK","id":"x","j":1' + "0" * 400 + "}", "NUMBER_OUT_OF_RANGE"),
    ("a generation nobody gave", '{"t":"HB","n":1,"boot":1,"gen":9223372036854775808}', "NUMBER_OUT_OF_RANGE"),
    ("half a character", '{"t":"TEST","id":"\\ud800"}', "BAD_CHARACTER"),
    ("a NUL", '{"t":"TEST","id":"a\\u0000"}', "BAD_CHARACTER"),
    ("a raw NUL", '{"t":"TEST","id":"a\0"}', "BAD_JSON"),
    ("nested deep", '{"t":"HB","x":' + "[" * 30_000 + "]" * 30_000 + "}", "BAD_JSON"),
    ("nested deep and open", '{"t":"HB","x":' + '{"a":' * 9_000, "BAD_JSON"),
    ("a magic in words", snap(row(magic="abc")), "BAD_FRAME"),
    ("a magic in other digits", snap(row(magic="²")), "BAD_FRAME"),
    ("a ticket in words", snap(row(ticket="one")), "BAD_FRAME"),
    ("a side that is none", snap(row(side="X")), "BAD_FRAME"),
    ("a time beyond 64 bits", snap(row(opened=2**63)), "NUMBER_OUT_OF_RANGE"),
    ("a snapshot with another sum", snap(row(), crc=7), "BAD_FRAME"),
    ("part 3 of 2", snap(part=3, of=2), "BAD_FRAME"),
    ("part 1 of a million", snap(part=1, of=1_000_000), "BAD_FRAME"),
    ("another boot", snap(boot=7), "BAD_FRAME"),
    ("a heartbeat of another boot", '{"t":"HB","n":99,"boot":7}', "BAD_FRAME"),
    ("a deal's ticket in words", evt(deals=[deal("one")]), "BAD_FRAME"),
    ("a deal's magic in words", evt(deals=[deal("1", magic="²")]), "BAD_FRAME"),
    ("a deal at no time", evt(deals=[deal("1", time=10**30)]), "NUMBER_OUT_OF_RANGE"),
    ("a deal of infinite volume", evt(deals=[deal("1", volume="Infinity")]), "NUMBER_OUT_OF_RANGE"),
    ("a step too fine to compute with", '{"t":"SYMS","rows":[{"symbol":"EURUSD","tick_size":"1E-99"}]}', "NUMBER_OUT_OF_RANGE"),
]  # fmt: skip


@BOTH
async def test_what_is_no_frame_is_answered_with_an_error_and_changes_nothing(
    place: Place, neighbour: Socket, kind: type[RawEa]
) -> None:
    """One connection for nineteen of them: the twenty-first ERR ends it."""
    ea = place.ea(kind)
    await ea.come()
    before = place.kept()
    for count, (name, text, code) in enumerate(BAD_FRAMES, start=1):
        if kind is Poller and name in POLLS_REFUSE:
            continue
        if count % 19 == 0:
            await ea.end()
            ea = place.ea(kind, instance=ea.instance)
            ea.sseq = 1
            await ea.open()
            await ea.hello()
        await ea.say(text)
        error = await ea.hears("ERR")
        assert error["code"] == code, f"{name}: {error}"
        await ea.in_order()
    await ea.end()
    after = place.kept()
    assert {**after, "link": None, "mirror": None} == {**before, "link": None, "mirror": None}
    assert after["link"]["record"] == before["link"]["record"]


POLLS_REFUSE = {"garbage", "NaN", "Infinity", "a raw NUL", "nested deep", "nested deep and open", "half a character"}
"""Frames that break the array around them; and what is no JSON is no body at all."""


@pytest.mark.parametrize(
    "body",
    [
        '[{"t":"HB","n":',
        "{}",
        "garbage",
        b"\xff\xfe\x00",
        "[" * 100_000,
        '[{"t":"TEST","id":"a\0"}]',
        '[{"t":"TEST","id":NaN}]',
    ],
    ids=["cut off", "no array", "garbage", "no text", "deep", "raw NUL", "NaN"],
)
async def test_a_poll_whose_body_is_no_array_of_frames_is_refused_and_the_session_goes_on(
    place: Place, neighbour: Socket, body: str | bytes
) -> None:
    ea = place.ea(Poller)
    await ea.come()
    answer = await ea.post_raw(body)
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_JSON"), answer.text
    await ea.beat()


async def test_a_poll_too_big_and_a_wait_that_is_none_are_refused(place: Place, neighbour: Socket) -> None:
    ea = place.ea(Poller)
    await ea.come()
    assert (await ea.post_raw("[" + " " * 300_000 + "]")).status_code == 413
    assert (await ea.post_raw("[" + "{}," * 1_001 + "{}]")).status_code == 400
    for wait in ("-1", "1001", "NaN", "１"):
        assert (await ea.post_raw("[]", wait_ms=wait)).json()["code"] == "BAD_PARAMETER"
    await ea.beat()


async def test_twenty_errors_are_answered_and_the_next_one_ends_the_connection(place: Place, neighbour: Socket) -> None:
    ea = place.ea(Socket)
    await ea.come()
    await ea.say(*["{}"] * 21)
    assert (await ea.closes())[0] == 1008
    assert len([frame for frame in ea.heard if frame["t"] == "ERR"]) == 21


# -- the WebSocket itself ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x00\x01binary", 1008),
        ("x" * (MAX_FRAME + 1), 1009),
        (["x" * 40_000, "y" * 40_000], 1009),
        ("garbage", 1008),
        ("[" * 60_000, 1008),
        ('{"t":"HB","n":1}', 1008),
        ('{"t":"HELLO"}', 1008),
        ('{"t":"BYE"}', 1008),
    ],
    ids=["binary", "oversize", "oversize in parts", "garbage", "deep", "HB first", "HELLO without a name", "BYE first"],
)
async def test_a_first_message_that_is_no_hello_ends_the_connection(
    place: Place, neighbour: Socket, sent: Any, code: int
) -> None:
    ea = place.ea(Socket)
    await ea.open()
    await ea.ws.send(sent)
    assert (await ea.closes())[0] == code
    assert place.kept()["link"] is None


async def test_an_oversize_message_after_hello_is_1009_and_the_ea_may_come_back(
    place: Place, neighbour: Socket
) -> None:
    for sent in ("x" * (MAX_FRAME + 1), ["x" * 40_000] * 2, b"x" * (MAX_FRAME + 1)):
        ea = place.ea(Socket, instance="same")
        await ea.open()
        await ea.hello()
        await ea.ws.send(sent)  # type: ignore[arg-type]
        assert (await ea.closes())[0] == 1009


async def test_a_message_in_parts_with_a_ping_between_them_is_one_frame(place: Place, neighbour: Socket) -> None:
    ea = place.ea(Socket)
    await ea.open()
    await ea.ws.send(iter(json.dumps(ea.hello_frame())))  # a WebSocket frame for each character
    await ea.hears("WELCOME")
    text = json.dumps({"t": "TEST", "id": "in parts"})

    async def parts() -> AsyncIterator[str]:
        yield text[:5]
        await (await ea.ws.ping())
        yield text[5:]
        yield ""

    await ea.ws.send(parts())
    assert await ea.hears("TEST", id="in parts")
    await ea.ws.send(b"binary")
    assert (await ea.hears("ERR"))["code"] == "BAD_JSON"
    await ea.ws.send("\x00")
    assert (await ea.hears("ERR"))["code"] == "BAD_JSON"
    await ea.end()


@pytest.mark.parametrize("path", ["/ea/v2", "/", "/ea/v1/", "/ea/v1/poll", "/metrics"])
async def test_a_websocket_to_another_path_is_404(place: Place, path: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await place.ea(Socket).open(path=path)
    assert refused.value.response.status_code == 404


@pytest.mark.parametrize(("offered", "chosen"), [(None, None), (["graphql-ws"], None), (["x", "klink.1"], "klink.1")])
async def test_the_sub_protocol_is_chosen_where_it_is_offered_and_not_asked_for_where_not(
    place: Place, offered: Any, chosen: str | None
) -> None:
    ea = place.ea(Socket)
    await ea.open(subprotocols=offered)
    assert ea.ws.subprotocol == chosen
    await ea.hello()
    await ea.end()


UPGRADE = "GET /ea/v1 HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION = "Sec-WebSocket-Version: 13\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (UPGRADE + VERSION + "\r\n", 400),
        (UPGRADE + KEY + "\r\n", 400),
        (UPGRADE + KEY + "Sec-WebSocket-Version: 8\r\n\r\n", 400),
        (UPGRADE + VERSION + "Sec-WebSocket-Key: short\r\n\r\n", 400),
        (UPGRADE + VERSION + KEY + KEY + "\r\n", 400),
        (UPGRADE.replace("GET", "POST") + KEY + VERSION + "\r\n", 405),
        (UPGRADE.replace(" HTTP/1.1", "?a=" + "x" * 20_000 + " HTTP/1.1") + KEY + VERSION + "\r\n", 414),
        ("GET /ea/v1 HTTP/1.1\r\nHost: hub\r\n\r\n", 404),
        (UPGRADE + KEY + VERSION + "\x00\x01: x\r\n\r\n", 400),
    ],
    ids=["no key", "no version", "old version", "short key", "two keys", "POST", "long", "no upgrade", "no header"],
)
async def test_an_upgrade_with_bad_headers_is_refused_by_status_and_closed(
    place: Place, neighbour: Socket, head: str, status: int
) -> None:
    async with asyncio.timeout(8):
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(place.world.url).port)
        writer.write(head.encode("latin-1"))
        answer = await reader.read(4096)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"\x83\x80\x00\x00\x00\x00",  # reserved opcode
        b"\x81\x05hello",  # not masked
        b"\xf1\x80\x00\x00\x00\x00",  # reserved bits
        b"\x80\x80\x00\x00\x00\x00",  # a continuation of nothing
        b"\x89\xfe\x00\x80\x00\x00\x00\x00" + b"p" * 128,  # a ping too long
        b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",  # a frame of 2^63 bytes
    ],
    ids=["opcode", "unmasked", "rsv", "continuation", "ping", "length"],
)
@pytest.mark.parametrize("greeted", [False, True], ids=["stranger", "greeted"])
async def test_bytes_that_are_no_websocket_end_that_connection_only(
    place: Place, neighbour: Socket, bytes_sent: bytes, greeted: bool
) -> None:
    ea = place.ea(Socket)
    await ea.open()
    if greeted:
        await ea.hello()
    ea.ws.transport.write(bytes_sent)
    assert (await ea.closes())[0] in (1002, 1009)


# -- who may come ------------------------------------------------------------------------------------------------


async def test_only_the_accounts_own_token_opens_either_door(
    place: Place, places: Iterator[Place], neighbour: Socket
) -> None:
    other = next(places)
    right = place.token
    wrong = [
        "", "kk_ea_x_y", right[:-1], right + "x", "kk_ea_ünï_code", place.secrets["webhook"], other.token, "x" * 7_000,
    ]  # fmt: skip
    for token in wrong:
        for where in ("header", "HELLO"):
            ea = place.ea(Socket)
            in_header = where == "header" and token.isascii()
            ea.token = token if in_header else ""
            await ea.open()
            await ea.say(ea.hello_frame(token="" if in_header else token))
            assert (await ea.closes())[0] == 1008, (where, token)
        poll = place.ea(Poller)
        await poll.open()
        answer = await poll.post(poll.hello_frame(token=token), headers={})
        assert answer.status_code in (401, 403), (answer.text, token)
        await poll.end()
    assert place.kept()["link"] is None
    for kind in (Socket, Poller):
        ea = place.ea(kind, instance="same")
        ea.token = ""
        await ea.open()
        await ea.hello(token=right)
        await ea.say({"t": "BYE"})
        await ea.end()


@BOTH
async def test_another_accounts_number_is_refused(place: Place, neighbour: Socket, kind: type[RawEa]) -> None:
    ea = place.ea(kind)
    await ea.open()
    await ea.say(ea.hello_frame(account="999"))
    if isinstance(ea, Socket):
        code, reason = await ea.closes()
        assert code == 1008
        assert "FORBIDDEN" in reason
    else:
        assert isinstance(ea, Poller)
        assert ea.answer is not None
        assert (ea.answer.status_code, ea.answer.json()["code"]) == (403, "FORBIDDEN")
    assert place.kept()["link"] is None


async def test_a_revoked_token_ends_its_connections_and_opens_none(place: Place, neighbour: Socket) -> None:
    ea, poll = place.ea(Socket), place.ea(Poller)
    await ea.come()
    await place.asks(desk.revoke_token, place.secrets["ea_id"])
    assert (await ea.closes())[0] == 1008
    again = place.ea(Socket)
    await again.open()
    await again.say(again.hello_frame())
    assert (await again.closes())[0] == 1008
    await poll.open()
    assert (await poll.post(poll.hello_frame())).status_code == 401


async def test_a_poll_that_does_not_begin_with_hello_has_no_session(place: Place, neighbour: Socket) -> None:
    ea = place.ea(Poller)
    await ea.open()
    for frames in ((), ('{"t":"HB","n":1}',), ('{"t":"TEST","id":"x"}', json.dumps(ea.hello_frame()))):
        answer = await ea.post(*frames)
        assert (answer.status_code, answer.json()["code"]) == (409, "NO_SESSION")
    await ea.hello()
    other = place.ea(Poller)
    await other.open()
    assert (await other.post()).json()["code"] == "NO_SESSION"


# -- floods and the silent ---------------------------------------------------------------------------------------


async def test_connections_that_never_say_hello_are_closed_and_nobody_else_waits(
    place: Place, neighbour: Socket
) -> None:
    """Two hundred, each silent, half of them only half open."""
    strangers = [place.ea(Socket) for _ in range(200)]
    await asyncio.gather(*(ea.open() for ea in strangers))
    for ea in strangers[::2]:
        sock: socket.socket = ea.ws.transport.get_extra_info("socket")
        sock.shutdown(socket.SHUT_WR)
    closing = asyncio.gather(*(ea.closes(20) for ea in strangers))
    while not closing.done():
        async with asyncio.timeout(PROMPT_S):
            await neighbour.beat()
        await asyncio.wait([closing], timeout=0.5)
    codes = {code for code, _ in await closing}
    assert codes <= {1008, 1006, 1000, 1005}, codes
    assert {(await ea.closes())[0] for ea in strangers[1::2]} == {1008}


async def test_twenty_thousand_frames_at_once_are_all_answered_and_neighbours_do_not_wait(
    place: Place, neighbour: Socket
) -> None:
    ea = place.ea(Socket)
    await ea.come()

    async def flood() -> None:
        for number in range(20_000):
            await ea.ws.send(f'{{"t":"TEST","id":"{number}"}}')

    async def answers() -> None:
        for number in range(20_000):
            while (said := json.loads(await ea.ws.recv()))["t"] == "SET":
                pass  # the symbols whose prices are wanted may be told at any time
            assert said == {"t": "TEST", "v": 1, "id": str(number), "re": True}

    async with asyncio.timeout(30):
        done = asyncio.gather(flood(), answers())
        while not done.done():
            async with asyncio.timeout(PROMPT_S):
                await neighbour.beat()
            await asyncio.wait([done], timeout=0.05)
        await done
    await ea.end()


async def test_an_ea_that_does_not_read_is_closed_and_cut_off_although_it_talks_on(
    place: Place, neighbour: Socket
) -> None:
    ea = place.ea(Socket)
    small = socket.create_connection(("127.0.0.1", httpx.URL(place.world.url).port))
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await ea.open(sock=small)
    await ea.hello()
    ea.ws.transport.pause_reading()
    talking = asyncio.ensure_future(_until_cut_off(ea))
    while not talking.done():
        async with asyncio.timeout(PROMPT_S):
            await neighbour.beat()
        await asyncio.wait([talking], timeout=0.1)
    assert await talking, "it talks on"
    again = place.ea(Socket, instance=ea.instance)
    again.boot = 2
    await again.come()
    assert again.ep == 1, "the account is not lost to it"
    await again.end()


async def _until_cut_off(ea: Socket) -> bool:
    """Ask for answers without ever reading one. Whether that came to an end."""
    text = json.dumps({"t": "TEST", "id": "x" * 60_000})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(12):  # far more than it takes, and the machine is shared
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    await ea.ws.send(text)
                    await asyncio.sleep(0.002)
            return True
    return False


async def test_who_reads_late_finds_that_it_was_too_slow(place: Place, neighbour: Socket) -> None:
    ea = place.ea(Socket)
    await ea.open()
    await ea.hello()
    ea.ws.transport.pause_reading()
    text = json.dumps({"t": "TEST", "id": "x" * 60_000})
    for _ in range(300):  # the kernel takes up to 10 MB of the answers
        await ea.ws.send(text)
    ea.ws.transport.resume_reading()
    assert (await ea.closes())[0] == 1013


async def test_prices_of_symbols_that_nobody_asked_for_do_not_fill_the_hub(place: Place, neighbour: Socket) -> None:
    ea = place.ea(Socket)
    await ea.come()
    for batch in range(10):
        quotes = [[f"S{batch}-{number}", "1.1", "1.2", 1] for number in range(1_000)]
        await ea.say({"t": "PRICE", "q": quotes})
    await ea.say(ea.delta_frame("1", position("1")))
    await ea.in_order()
    assert len(place.kept()["mirror"]["quotes"]) == 1_000
    assert "EURUSD" in place.kept()["mirror"]["quotes"]
    await ea.end()


async def test_resets_and_half_open_ends_leave_nothing_behind(place: Place, neighbour: Socket) -> None:
    for number in range(30):
        ea = place.ea(Socket, instance="same")
        ea.boot = number + 1
        await ea.open()
        await ea.hello()
        if number % 2:
            ea.abort()
        else:
            ea.ws.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
    ea = place.ea(Socket, instance="same")
    ea.boot = 100
    await ea.come()
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{place.world.url}/readyz")).status_code == 200
    await ea.end()
