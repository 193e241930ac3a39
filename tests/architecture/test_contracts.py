"""The contracts that other languages are held against: schemas made from the code, messages that the code reads and writes."""

import json
import sys
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import yaml

from kakehashi.domain import frames
from kakehashi.domain.errors import Malformed
from kakehashi.domain.framecodec import encode, from_ea, from_hub
from kakehashi.domain.frames import OrderRow, PositionRow
from kakehashi.domain.linkwords import LinkSettings
from kakehashi.terminal.core import journal

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "contracts"
sys.path.insert(0, str(ROOT / "tools"))
import ea_link  # noqa: E402

READ = {"ea": from_ea, "hub": from_hub}
TAGS = {"ea": {ea_link.TAGS[t] for t in ea_link.FROM_EA}, "hub": {ea_link.TAGS[t] for t in ea_link.FROM_HUB}}


def golden(name: str) -> Any:
    return json.loads((CONTRACTS / "golden" / f"{name}.json").read_text("utf-8"))


MESSAGES = [(side, case) for side in ("ea", "hub") for case in golden(f"from_{side}")]
NAMES = [f"{side}: {case['name']}" for side, case in MESSAGES]
API = yaml.safe_load((CONTRACTS / "asyncapi.yaml").read_text("utf-8"))


def validator(name: str) -> jsonschema_rs.Draft7Validator:
    schemas = {"components": {"schemas": API["components"]["schemas"]}}
    return jsonschema_rs.Draft7Validator({**API["components"]["messages"][name]["payload"], **schemas})


# -- schemas -----------------------------------------------------------------------------------------------------


def test_the_asyncapi_file_is_what_the_code_says() -> None:
    assert (CONTRACTS / "asyncapi.yaml").read_text("utf-8") == ea_link.asyncapi(), "run: python tools/gen_docs.py"


def test_every_reference_inside_the_asyncapi_file_leads_somewhere() -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from ([value["$ref"]] if "$ref" in value else ())
            value = list(value.values())
        if isinstance(value, list):
            for part in value:
                yield from references(part)

    found = set(references(API))
    assert len(found) > 40
    for reference in found:
        place = API
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    for name in ("fromEa", "fromHub", "poll"):
        operation = API["operations"][name]
        channel = operation["channel"]["$ref"]
        assert all(m["$ref"].startswith(f"{channel}/messages/") for m in operation["messages"])


def test_every_field_of_every_frame_is_described_in_both_languages_and_nothing_else_is() -> None:
    structs = {ea_link.TAGS.get(t, t.__name__): t for t in (*ea_link.FROM_EA, *ea_link.FROM_HUB, *ea_link.ROWS)}
    said = {name: set(words["fields"]) for name, words in ea_link.WORDS.items() if name not in ("common", "timers")}
    assert said == {name: {f.encode_name for f in ea_link.own_fields(struct)} for name, struct in structs.items()}
    assert set(ea_link.WORDS["timers"]["fields"]) == set(LinkSettings.__struct_fields__)
    texts = [text for words in ea_link.WORDS.values() for said in words.get("fields", {}).values() for text in said[1:]]
    assert all(texts)


# -- messages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "case"), MESSAGES, ids=NAMES)
def test_a_golden_message_means_what_it_says_and_is_written_back_the_same(side: str, case: dict[str, Any]) -> None:
    frame = READ[side](case["wire"])
    assert json.loads(encode(frame)) == case["frame"]
    assert READ[side](encode(frame)) == frame
    if case["form"] == "canonical":
        assert encode(frame) == case["wire"].encode()


@pytest.mark.parametrize(("side", "case"), MESSAGES, ids=NAMES)
def test_a_golden_message_keeps_the_schema_unless_it_is_only_tolerated(side: str, case: dict[str, Any]) -> None:
    schema = validator(case["frame"]["t"])
    assert schema.is_valid(case["frame"])
    assert schema.is_valid(json.loads(case["wire"])) == (case["form"] != "lenient")
    poll = validator("FramesUp" if side == "ea" else "FramesDown")
    assert poll.is_valid([case["frame"], case["frame"]])


def test_there_is_a_golden_message_of_every_type_as_the_reference_writes_it() -> None:
    for side, tags in TAGS.items():
        assert {c["frame"]["t"] for s, c in MESSAGES if s == side and c["form"] == "canonical"} == tags


@pytest.mark.parametrize("case", golden("refused"), ids=lambda case: case["name"])
def test_what_has_to_be_refused_is_refused_by_name(case: dict[str, Any]) -> None:
    text, times = case.get("repeat", ["", 0])
    raw = bytes.fromhex(case["hex"]) if "hex" in case else case.get("wire", text * times)
    with pytest.raises(Malformed) as caught:
        READ[case["from"]](raw)
    assert caught.value.code == case["code"]


# -- sums --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["positions", "orders"])
def test_the_sync_version_has_the_golden_vectors(kind: str) -> None:
    row, crc = (PositionRow, frames.position_crc) if kind == "positions" else (OrderRow, frames.order_crc)
    for case in golden("crc")[kind]:
        assert crc(msgspec.convert(case[kind], list[row], strict=False)) == case["crc"], case["name"]
        assert zlib.crc32(case["text"].encode()) == case["crc"], case["name"]


def test_amounts_and_tags_have_the_golden_vectors() -> None:
    vectors = golden("crc")
    for case in vectors["amounts"]:
        assert str(frames.scaled(Decimal(case["text"]))) == case["e8"]
        whole, _, part = case["text"].partition(".")  # the same by text alone, as an EA without decimals has to do it
        assert int(whole + part[:8].ljust(8, "0")) == int(case["e8"])
    assert all(zlib.crc32(case["text"].encode()) == case["crc"] for case in vectors["crc32"])
    assert all(str(case["prefix"] << 48 | case["number"]) == case["magic"] for case in vectors["magic"])


# -- the journal -------------------------------------------------------------------------------------------------


def test_a_journals_lines_are_chained_as_the_golden_ones() -> None:
    memory = journal.Memory()
    for case in golden("journal")["chain"]:
        body = case["body"].encode()
        told = f"{case['previous']} {case['number']} {len(body)} ".encode() + body
        assert zlib.crc32(told) == case["crc"]
        note = msgspec.json.decode(body, type=journal.Note, strict=False)
        assert journal.write(memory, note).decode() == case["line"] + "\n"
        assert (memory.line, memory.chain) == (case["number"], case["crc"])


@pytest.mark.parametrize("case", golden("journal")["journals"], ids=lambda case: case["name"])
def test_a_journal_counts_as_far_as_its_chain_holds(case: dict[str, Any]) -> None:
    m = journal.read(case["text"].encode())
    assert (m.line, m.chain, m.kept, m.clean) == tuple(case[k] for k in ("last_line", "chain", "kept_bytes", "clean"))
    said = {name: getattr(m, name) for name in ("instance", "prev", "holder", "boot", "ep", "cmd_hi", "deal_hi")}
    said |= {"evt_hi": m.evt_hi, "evt_acked": m.evt_acked, "outbox": [*m.outbox], "unfinished": [*m.open_works]}
    said |= {"gen": m.control.gen, "halted": m.control.halted, "symbols": [*m.control.symbols]}
    assert said | {"commands": {name: work.state for name, work in m.works.items()}} == case["memory"]
