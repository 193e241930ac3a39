"""The generated parts of the EA link's documentation: frame tables, state diagrams, timers, and ``contracts/asyncapi.yaml``.

Shape and order come from the code, what a field means from ``ea_link_words.toml``. ``gen_docs.py`` writes it all.
"""

# ruff: noqa: INP001  a script, not a package

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import yaml
from msgspec import inspect as shapes

from kakehashi.domain import commands, frames, linkwords, orders

WORDS: Final[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("ea_link_words.toml").read_text("utf-8"))
FROM_EA: Final[tuple[type[msgspec.Struct], ...]] = get_args(frames.FromEa)
FROM_HUB: Final[tuple[type[msgspec.Struct], ...]] = get_args(frames.FromHub)
BOTH: Final = tuple(frame for frame in FROM_EA if frame in FROM_HUB)
ROWS: Final[tuple[type[msgspec.Struct], ...]] = (
    frames.PositionRow,
    frames.OrderRow,
    frames.DealRow,
    frames.SymbolRow,
    frames.PositionChange,
    frames.OrderChange,
    frames.Limits,
)
TAGS: Final = {frame: str(frame.__struct_config__.tag) for frame in (*FROM_EA, *FROM_HUB)}

_COLUMNS: Final = {
    "en": ("Field", "Type", "Unit", "Default", "Meaning", "required", "Rules"),
    "ja": ("項目", "型", "単位", "既定値", "意味", "必須", "規則"),
}
_UNITS_JA: Final = {
    "lots": "ロット",
    "price": "価格",
    "money": "口座通貨",
    "points": "ポイント",
    "units": "通貨単位",
    "broker time": "ブローカー時刻",
}
_TIMER_COLUMNS: Final = {
    "en": ("Timer", "Default, ms", "When the heartbeat alone is set", "Meaning"),
    "ja": ("タイマー", "既定値 (ms)", "ハートビートのみ設定した場合", "意味"),
}


# -- tables ------------------------------------------------------------------------------------------------------


def frame_tables(which: Iterable[type[msgspec.Struct]], lang: str) -> str:
    """A heading, a sentence and a table for each frame or row."""
    return "\n\n".join(_table(frame, lang) for frame in which)


def _table(struct: type[msgspec.Struct], lang: str) -> str:
    name = TAGS.get(struct, struct.__name__)
    words = WORDS[name]
    field, kind, unit, default, meaning, required, rules = _COLUMNS[lang]
    about = f"{words[lang]} ({rules}: {words['rules']})" if words.get("rules") else words[lang]
    lines = [
        f"#### {name}",
        "",
        about,
        "",
        f"| {field} | {kind} | {unit} | {default} | {meaning} |",
        "|---|---|---|---|---|",
    ]
    for f in own_fields(struct):
        said = field_words(name, f.encode_name)
        text = said[1 if lang == "en" else 2]
        lines.append(
            f"| `{f.encode_name}` | {_kind(f.type)} | {_unit(said[0], lang)} | {_default(f, required)} | {_cell(text)} |"
        )
    return "\n".join(lines)


def field_words(name: str, field: str) -> list[str]:
    """Unit, English and Japanese meaning of one field.

    :raises LookupError: the code has a field that nobody described
    """
    if field not in WORDS.get(name, {}).get("fields", {}):
        raise LookupError(f"say what {name}.{field} means: in both languages, in tools/ea_link_words.toml")
    return list(WORDS[name]["fields"][field])


def own_fields(struct: type[msgspec.Struct]) -> list[shapes.Field]:
    """The fields but for ``v``, which every frame has."""
    shape = shapes.type_info(struct)
    assert isinstance(shape, shapes.StructType)  # noqa: S101
    return [f for f in shape.fields if f.encode_name != "v"]


_NAMES: Final[Mapping[type[shapes.Type], str]] = {
    shapes.StrType: "string",
    shapes.IntType: "integer",
    shapes.BoolType: "boolean",
    shapes.DecimalType: "decimal string",
    shapes.NoneType: "null",
}


def _kind(shape: shapes.Type) -> str:
    match shape:
        case shapes.VarTupleType():
            return f"{_kind(shape.item_type)}[]"
        case shapes.TupleType():
            return f"[{', '.join(_kind(part) for part in shape.item_types)}]"
        case shapes.DictType():
            return f"{{{_kind(shape.key_type)}: {_kind(shape.value_type)}}}"
        case shapes.UnionType():
            return " or ".join(_kind(part) for part in shape.types)
        case shapes.StructType():
            return shape.cls.__name__
    return _NAMES[type(shape)]


def _unit(unit: str, lang: str) -> str:
    return unit if lang == "en" else "、".join(_UNITS_JA.get(part, part) for part in unit.split(", "))


def _default(field: shapes.Field, required: str) -> str:
    if field.required:
        return required
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return f"`{_plain_json(value)}`"


def _plain_json(value: object) -> str:
    return msgspec.json.Encoder(decimal_format="string").encode(value).decode()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def timers(lang: str) -> str:
    """:class:`LinkSettings` as a table."""
    rows = []
    for f in msgspec.structs.fields(linkwords.LinkSettings):
        scale, *text = field_words("timers", f.name)
        rows.append(f"| `{f.name}` | {f.default} | {scale} | {_cell(text[0 if lang == 'en' else 1])} |")
    return "\n".join([f"| {' | '.join(_TIMER_COLUMNS[lang])} |", "|---|---|---|---|", *rows])


# -- diagrams ----------------------------------------------------------------------------------------------------


def diagram(
    start: Enum,
    moves: Mapping[Any, Mapping[Any, Any] | Iterable[Any]],
    states: Iterable[Enum],
    ended: Iterable[Enum] = (),
) -> str:
    """A state diagram: from each state its moves, in the order in which the states are declared.

    :param moves: by state, ``{what happens: next state}`` or just the next states
    :param ended: states that are an end although something may follow
    """
    order = list(states)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {start.value}"]
    reached = {start}
    for state in order:
        after = moves.get(state, {})
        labels: dict[Enum, list[str]] = {}
        for step in after:
            to, label = (after[step], step.value) if isinstance(after, Mapping) else (step, "")
            labels.setdefault(to, []).append(label)
        reached |= labels.keys()
        for to in sorted(labels, key=order.index):
            why = " / ".join(label for label in labels[to] if label)
            lines.append(f"    {state.value} --> {to.value}" + (f": {why}" if why else ""))
    lines += [
        f"    {state.value} --> [*]" for state in order if state in reached and (state in ended or not moves.get(state))
    ]
    return "\n".join([*lines, "```"])


def sections(lang: str) -> dict[str, str]:
    """Everything generated on the page, by the name in its markers."""
    one_way = lambda which: [frame for frame in which if frame not in BOTH]  # noqa: E731
    return {
        "frames from the EA": frame_tables(one_way(FROM_EA), lang),
        "frames from the hub": frame_tables(one_way(FROM_HUB), lang),
        "frames both ways": frame_tables(BOTH, lang),
        "rows": frame_tables(ROWS, lang),
        "timers": timers(lang),
        "session": diagram(linkwords.Session.AWAY, linkwords.TRANSITIONS, linkwords.Session),
        "commands": diagram(orders.State.QUEUED, commands.TRANSITIONS, orders.State, orders.TERMINAL),
        "orders": diagram(orders.State.QUEUED, orders.TRANSITIONS, orders.State, orders.TERMINAL),
    }


def filled(page: str, lang: str) -> str:
    """The page with everything between its markers written anew.

    :raises ValueError: a marker is not there, or not closed
    """
    for name, text in sections(lang).items():
        start, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        if page.count(start) != 1 or page.count(end) != 1:
            raise ValueError(f"the page needs {start} and {end} once each")
        head, rest = page.split(start)
        tail = rest.split(end)[1]
        page = f"{head}{start}\n\n{text}\n\n{end}{tail}"
    return page


# -- AsyncAPI ----------------------------------------------------------------------------------------------------

_DECIMAL: Final = r"^-?[0-9]+(\.[0-9]+)?$"
_MADE: Final = "# Generated by tools/gen_docs.py from kakehashi.domain.frames; do not edit by hand.\n"


def asyncapi() -> str:
    """``contracts/asyncapi.yaml``: both transports, every frame as a message."""
    text = yaml.safe_dump(_asyncapi(), sort_keys=False, allow_unicode=True, width=118)
    return _MADE + str(text)


def _asyncapi() -> dict[str, Any]:
    names = list(dict.fromkeys(TAGS[frame] for frame in (*FROM_EA, *FROM_HUB)))
    ref: Callable[[str], dict[str, str]] = lambda to: {"$ref": f"#/{to}"}  # noqa: E731
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "kakehashi EA link (klink/1)",
            "version": "1.0.0",
            "description": "What a hub and an Expert Advisor say to each other. The rules are in docs/en/ea-link.md.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "hub": {"host": "127.0.0.1:7800", "protocol": "ws", "security": [ref("components/securitySchemes/token")]},
            "hubByPoll": {
                "host": "127.0.0.1:7800",
                "protocol": "http",
                "security": [ref("components/securitySchemes/token")],
            },
        },
        "channels": {
            "link": {
                "address": "/ea/v1",
                "description": "WebSocket, sub-protocol klink.1; one frame a text message of at most 65,536 bytes.",
                "servers": [ref("servers/hub")],
                "messages": {name: ref(f"components/messages/{name}") for name in names},
                "bindings": {"ws": {"method": "GET"}},
            },
            "poll": {
                "address": "/ea/v1/poll",
                "description": "The same frames in JSON arrays, for terminals without WebSocket.",
                "servers": [ref("servers/hubByPoll")],
                "messages": {name: ref(f"components/messages/{name}") for name in ("FramesUp", "FramesDown")},
            },
        },
        "operations": _operations(ref),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "the account's EA token"}},
            "messages": _messages(ref),
            "schemas": schemas(),
        },
    }


def _operations(ref: Callable[[str], dict[str, str]]) -> dict[str, Any]:
    poll = {
        "type": "object",
        "properties": {
            "wait_ms": {"type": "integer", "minimum": 0, "maximum": 1000, "description": "how long to hold the answer"},
            "session": {"type": "string", "description": "random id, a new one for each connection (with each HELLO)"},
        },
        "required": ["session"],
    }
    return {
        "fromEa": {
            "action": "receive",
            "summary": "What the EA says.",
            "channel": ref("channels/link"),
            "messages": [ref(f"channels/link/messages/{TAGS[frame]}") for frame in FROM_EA],
        },
        "fromHub": {
            "action": "send",
            "summary": "What the hub says.",
            "channel": ref("channels/link"),
            "messages": [ref(f"channels/link/messages/{TAGS[frame]}") for frame in FROM_HUB],
        },
        "poll": {
            "action": "receive",
            "summary": "Frames up; the answer brings frames down.",
            "channel": ref("channels/poll"),
            "messages": [ref("channels/poll/messages/FramesUp")],
            "bindings": {"http": {"method": "POST", "query": poll, "bindingVersion": "0.3.0"}},
            "reply": {"channel": ref("channels/poll"), "messages": [ref("channels/poll/messages/FramesDown")]},
        },
    }


def _messages(ref: Callable[[str], dict[str, str]]) -> dict[str, Any]:
    told = {
        TAGS[frame]: {
            "name": TAGS[frame],
            "summary": WORDS[TAGS[frame]]["en"],
            "payload": ref(f"components/schemas/{frame.__name__}"),
        }
        for frame in dict.fromkeys((*FROM_EA, *FROM_HUB))
    }
    for name, which in (("FramesUp", FROM_EA), ("FramesDown", FROM_HUB)):
        told[name] = {
            "name": name,
            "summary": f"A JSON array of frames, {'from' if which is FROM_EA else 'to'} the EA.",
            "payload": {
                "type": "array",
                "items": {"oneOf": [ref(f"components/schemas/{frame.__name__}") for frame in which]},
            },
        }
    return told


def schemas() -> dict[str, Any]:
    """A JSON schema (draft 7) for each frame and row, as a careful writer sends them: readers take more."""
    structs = list(dict.fromkeys((*FROM_EA, *FROM_HUB, *ROWS)))
    _, found = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    names = {struct.__name__: TAGS.get(struct, struct.__name__) for struct in structs}
    return {struct.__name__: _described(found[struct.__name__], names[struct.__name__]) for struct in structs}


def _described(schema: dict[str, Any], name: str) -> dict[str, Any]:
    words = WORDS[name]
    told: dict[str, Any] = _draft7(schema) | {"title": name, "description": words["en"]}
    for field, shape in told["properties"].items():
        if field == "t":
            shape.update(type="string", description="type of the frame")
        elif field == "v":
            shape.update(enum=[1], description=WORDS["common"]["v"][1])
        else:
            unit, text, _ = field_words(name, field)
            about = f"{text} ({unit})" if unit else text
            if "$ref" in shape:  # beside a $ref everything else is ignored
                shape["allOf"] = [{"$ref": shape.pop("$ref")}]
            shape["description"] = about
    return told


def _draft7(value: Any) -> Any:
    """From draft 2020-12, which msgspec writes; AsyncAPI's own schemas are of draft 7."""
    if isinstance(value, list):
        return [_draft7(part) for part in value]
    if not isinstance(value, dict):
        return value
    told = {key: _draft7(part) for key, part in value.items()}
    if "prefixItems" in told:
        told["items"] = told.pop("prefixItems")
        told["additionalItems"] = False
    if told.get("format") == "decimal":
        told["pattern"] = _DECIMAL
    return json.loads(_plain_json(told))
