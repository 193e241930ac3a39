"""The frames of klink/1 as they stand on the wire."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakehashi.domain import frames, strict
from kakehashi.domain.errors import Malformed
from kakehashi.domain.framecodec import encode, from_ea, from_hub
from kakehashi.domain.frames import Cmd, Heartbeat, OrderRow, PositionRow

D = Decimal
FIRST = PositionRow(ticket="1001", symbol="EURUSD", side="B", volume=D("0.10"), open=D("1.08550"), magic="7")
SECOND = PositionRow(
    ticket="1002", symbol="USDJPY", side="S", volume=D("0.25"), open=D("150.123"), sl=D("151.000"), magic="7"
)
LIMIT = OrderRow(ticket="2001", symbol="EURUSD", type="BUY_LIMIT", volume=D("0.10"), price=D("1.07000"), magic="7")


def test_the_sync_version_has_the_protocols_vectors() -> None:
    assert frames.position_crc([]) == 0
    assert frames.position_crc([FIRST]) == 478750638
    assert frames.position_crc([FIRST, SECOND]) == frames.position_crc([SECOND, FIRST]) == 3616055751
    assert frames.order_crc([LIMIT]) == 2411355172


def test_a_frame_comes_back_as_it_was_with_its_numbers_as_text() -> None:
    beat = Heartbeat(n=9, boot=7, sseq=3, crc=5, balance=D("10000.00"), synced=True)
    assert json.loads(encode(beat))["balance"] == "10000.00"
    assert from_ea(encode(beat)) == beat
    command = Cmd(id="c-1", seq=1, op="OPEN", sym="EURUSD", side="B", vol=D("0.10"), magic="1", ep=12, ttl_ms=30_000)
    assert from_hub(encode(command)) == command


def test_the_names_of_s1_are_understood_and_unknown_fields_ignored() -> None:
    assert from_ea('{"t":"HEARTBEAT","n":1,"new_in_v2":true}') == Heartbeat(n=1)
    assert isinstance(from_hub('{"v":1,"t":"REQUEST_FULL_SYNC"}'), frames.ReqSnap)


def snap(names: str) -> str:
    row = f'{{{names},"symbol":"EURUSD","side":"B","volume":"0.1","open":"1.1"}}'
    return f'{{"t":"SNAP","boot":1,"sseq":1,"positions":[{row}]}}'


def dealt(names: str) -> str:
    row = f'{{{names},"symbol":"EURUSD","side":"S","entry":"OUT","volume":"0.1","price":"1.1","time":1}}'
    return f'{{"t":"EVT","n":1,"st":"DEAL","deals":[{row}]}}'


def test_a_terminals_own_way_to_print_a_magic_is_understood() -> None:
    for magic in ("", "0", "-1", "18446744073709551615"):
        assert from_ea(snap(f'"ticket":"1","magic":"{magic}"'))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "BAD_JSON"),
        ("[1]", "BAD_JSON"),
        ('{"t":"HB"', "BAD_JSON"),
        ('{"t":"TEST","id":"\\ud800"}', "BAD_CHARACTER"),
        ('{"t":"TEST","id":"a\\u0000b"}', "BAD_CHARACTER"),
        (b"\xff\xfe", "BAD_JSON"),
        ("[" * 70_000, "TOO_LARGE"),
        ("[" * 30_000, "BAD_JSON"),
        ('{"t":"HB","n":1,"n":2}', "DUPLICATE_FIELD"),
        ('{"t":"HB","n":NaN}', "NUMBER_OUT_OF_RANGE"),
        ('{"t":"HB","n":1,"balance":"Infinity"}', "NUMBER_OUT_OF_RANGE"),
        ('{"t":"HB","n":1,"balance":"1e400"}', "NUMBER_OUT_OF_RANGE"),
        ('{"t":"HB","n":1,"balance":"1e999999999"}', "NUMBER_OUT_OF_RANGE"),  # beyond what abs() can compute
        ('{"t":"HB","n":1,"balance":"1E-999999999"}', "NUMBER_OUT_OF_RANGE"),
        ('{"t":"HB","n":9007199254740993}', "NUMBER_OUT_OF_RANGE"),
        (b'{"t":"HELLO","account":"1","instance":"a","broker_time":1' + b"0" * 400 + b"}", "NUMBER_OUT_OF_RANGE"),
        ('{"t":"HELLO","account":"1","instance":""}', "BAD_FRAME"),
        ('{"t":"HELLO","account":"1","instance":"' + "a" * 65 + '"}', "BAD_FRAME"),
        (snap('"ticket":"1","magic":"abc"'), "BAD_FRAME"),
        (snap('"ticket":"1","magic":"²"'), "BAD_FRAME"),
        (snap('"ticket":"one","magic":"7"'), "BAD_FRAME"),
        (dealt('"ticket":"one","magic":"7"'), "BAD_FRAME"),
        (dealt('"ticket":"1","magic":"²"'), "BAD_FRAME"),
        ('{"t":"WHAT"}', "UNKNOWN_FRAME"),
        ('{"n":1}', "UNKNOWN_FRAME"),
        ('{"t":"CMD","id":"x"}', "UNKNOWN_FRAME"),
        ('{"t":"HB"}', "BAD_FRAME"),
        ('{"t":"HB","n":"many"}', "BAD_FRAME"),
        ('{"v":2,"t":"HB","n":1}', "BAD_FRAME"),
    ],
)
def test_what_is_no_frame_is_refused_by_name(raw: str | bytes, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        from_ea(raw)
    assert caught.value.code == code


def test_brackets_inside_a_text_are_no_nesting() -> None:
    drawn = {"t": "ERR", "code": "X", "message": "[" * 2_000 + '\\"' + "{" * 9, "new": [[]]}
    assert isinstance(from_ea(json.dumps(drawn)), frames.Err)
    nested = '{"t":"ERR","code":"\\"]]]]","new":' + "[" * 9 + "]" * 9 + "," + '"more":[' + "[]," * 1_000 + "[]]}"
    with pytest.raises(Malformed, match="nested"):
        from_ea(nested)


@pytest.mark.parametrize("ticket", ["", "x", "-1", "1_000", " 7", "\u0661", "9" * 21])
def test_a_ticket_that_is_no_number_is_named(ticket: str) -> None:
    with pytest.raises(ValueError, match="a ticket is a number"):
        frames.position_crc([msgspec.structs.replace(FIRST, ticket=ticket)])
    with pytest.raises(ValueError, match="a ticket is a number"):
        frames.order_crc([msgspec.structs.replace(LIMIT, ticket=ticket)])


def test_what_is_finer_than_eight_decimals_is_cut_off_however_many_there_are() -> None:
    assert frames.scaled(D("0.123456789")) == 12345678
    assert frames.scaled(D("0." + "9" * 40)) == 99_999_999
    assert frames.scaled(D("-1.000000019")) == -100_000_001
    assert frames.scaled(D("1e12")) == 10**20


def test_amounts_go_out_without_an_exponent() -> None:
    command = Cmd(id="1E+5", seq=1, op="OPEN", sym="X", magic="1", ep=1, ttl_ms=1, vol=D("1E+2"), price=D("1E-8"))
    said = json.loads(encode(command))
    assert (said["id"], said["vol"], said["price"], said["sl"]) == ("1E+5", "100", "0.00000001", "0")
    quotes = frames.Price(q=(("X", D("1E+2"), D("0E-8"), 1),))
    assert encode(quotes) == b'{"t":"PRICE","v":1,"q":[["X","100","0.00000000",1]]}'


PIECES = [
    '"a"',
    '"t"',
    '"v"',
    '":"',
    '""',
    '"\\u0041"',
    '"é"',
    "1",
    "-0",
    "1.5",
    "1e2",
    "null",
    "true",
    "NaN",
    "1" * 30,
]
PIECES += ["{", "}", "[", "]", ",", ":", " ", "\n"]


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=4), max_leaves=12,
), st.booleans(), st.integers(0, 1_000), st.sampled_from(["", *PIECES]), st.sampled_from([None, 0, 2]))  # fmt: skip
def test_the_fast_look_says_what_the_slow_one_says(
    value: object, escaped: bool, at: int, piece: str, indent: int | None
) -> None:
    """Also of documents that were broken somewhere: it gives up, or it is right."""
    text = json.dumps({"t": value, "a": 1}, ensure_ascii=escaped, indent=indent)
    at %= len(text) + 1
    text = text[:at] + piece + text[at:]
    fast = strict.plain_object(text)
    if fast is not None:
        assert repr(fast) == repr(strict.searched_object(text))


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":1,"a" :2}',
        '{"a":":","a":2}',
        '{"b":{"a":1,"a":2}}',
        '{"b":[{"a":"x","a":"x"}]}',
        '{"a":1.5}',
        '{"a":"\\\\","b":1}',
    ],
)
def test_the_fast_look_gives_up_on_doubles_fractions_and_escapes(text: str) -> None:
    assert strict.plain_object(text) is None
    assert strict.plain_object(text.encode()) is None
