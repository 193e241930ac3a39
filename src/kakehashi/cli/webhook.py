"""``kakehashi webhook inspect``: what knocks at the running hub's door, live."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import click

from kakehashi.cli.options import HUB_URL
from kakehashi.cli.output import command_output, language, remedy, say
from kakehashi.cli.session import hub_url
from kakehashi.domain.errors import Rejected, Unavailable

MAKE_TOKEN = "kakehashi token create --scope read   # then --token, or KAKEHASHI_OPERATOR_TOKEN"
RETRY_S = 1.0
_COLOUR = {"queued": "green", "dry_run": "green", "satisfied": "green", "duplicate": "cyan", "refused": "yellow"}
_JA = {
    "no token": "トークンなし",
    "token in the body, or none": "本文のトークン、またはなし",
    "hint": "対処",
    "note": "注記",
    "would reach": "届く先",
    "as": "解釈",
}


@click.group("webhook")
def webhook() -> None:
    """The webhook door."""


def _text(knock: dict[str, Any]) -> str:
    answer = knock["answer"]
    status, code = answer["status"], answer["code"]
    at = datetime.fromtimestamp(knock["at"] / 1000).astimezone()
    head = (
        click.style(f"{at:%H:%M:%S}.{knock['at'] % 1000:03}", bold=True),
        _clean(knock["peer"]),
        _clean(knock["content_type"]) or "-",
        _clean(knock["presented"]) or _word("token in the body, or none"),
        click.style(f"{knock['http']} {status} {code}".rstrip(), fg=_COLOUR.get(status, "red")),
    )
    return "\n".join(("  ".join(head), *(f"    {line}" for line in _lines(knock))))


def _lines(knock: dict[str, Any]) -> Iterator[str]:
    answer, alert = knock["answer"], knock["understood"]
    yield click.style(_clean(knock["body"]) or f"({knock['bytes']} bytes)", dim=True)
    if alert:
        fields = (f"{k}={_short(v)}" for k, v in alert.items() if k not in ("format", "action", "symbol", "warnings"))
        yield f"{_word('as')} {alert['format']}: {' '.join((alert['action'], _clean(alert['symbol']), *fields))}"
    for leg in answer.get("legs", ()):
        what = " ".join((leg["status"], leg.get("code", ""), *leg.get("orders", ()))).strip()
        notes = "; ".join(leg.get("notes", ()))
        yield click.style(
            f"{leg['route']} @ {leg['account']}: {what}{f' ({_clean(notes)})' if notes else ''}",
            fg=_COLOUR.get(leg["status"], "red"),
        )
        if leg.get("code"):
            yield f"  {_word('hint')}: {remedy(leg['code'])}"
    if knock["routes"]:
        yield f"{_word('would reach')}: {', '.join(knock['routes'])}"
    for fault in (f for f in (answer if "message" in answer else None, knock["fault"]) if f):
        yield click.style(f"{fault['code']}: {_clean(fault['message'])}", fg="red")
        if fault.get("hint"):
            yield f"{_word('hint')}: {_clean(fault['hint'])}"
        if fault["code"] == (knock["fault"] or {}).get("code"):
            break  # the answer said it already
    for note in answer.get("warnings", (alert or {}).get("warnings", ())):
        yield click.style(f"{_word('note')}: {_clean(note)}", fg="yellow")


def _word(text: str) -> str:
    return _JA[text] if language() == "ja" else text


def _short(value: Any) -> str:
    """A field of the alert: ``20 PIPS`` for a level or a size."""
    if isinstance(value, dict):
        value = " ".join(
            map(_short, (value["value"], value["unit"]) if value.keys() == {"unit", "value"} else value.items())
        )
    elif isinstance(value, list | tuple):
        value = ":".join(map(_short, value))
    return _clean(str(value))[:80]


def _clean(text: str) -> str:
    """On one line, and without what could steer a terminal: strangers write these texts."""
    return "".join(c if c.isprintable() else " " if c in "\r\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


@webhook.command("inspect")
@click.option("--token", "secret", envvar="KAKEHASHI_OPERATOR_TOKEN", default="", help="A read or operator token.")
@HUB_URL
@click.option("--last", type=click.IntRange(0, 200), default=10, help="Begin with so many that came before.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=None, help="End after so many.")
@command_output(human=_text)
async def inspect(secret: str, url: str | None, last: int, limit: int | None) -> AsyncIterator[dict[str, Any]]:
    """Show every request at the webhook door as it comes, refused ones too, until Ctrl-C.

    What came (secrets masked), what was understood, and what each route did with it or would have done.
    """
    base = hub_url(url)
    if not secret:
        raise Rejected("UNAUTHORIZED", "to watch the door takes a read, operator or admin token", hint=MAKE_TOKEN)
    shown = 0
    async for knock in _knocks(base, secret, last):
        yield knock
        shown += 1
        if shown == limit:
            return


async def _knocks(base: str, secret: str, last: int) -> AsyncIterator[dict[str, Any]]:
    import httpx

    after: int | None = None
    away = False
    async with httpx.AsyncClient(base_url=base, headers={"authorization": f"Bearer {secret}"}, timeout=10) as http:
        while True:
            try:
                query = {"limit": last} if after is None else {"after": after, "wait": 1}
                answer = await http.get("/api/v1/knocks", params=query)
            except httpx.TransportError as e:
                if after is None:
                    raise Unavailable("NOT_RUNNING", f"no hub answers on {base}: {e}", hint="kakehashi up") from None
                if not away:
                    say(f"{base}: {type(e).__name__}; ...")
                away = True
                await asyncio.sleep(RETRY_S)
                continue
            news = _data(answer)
            if news["missed"]:
                say(f"... {news['missed']} not shown ...")
            after, away = news["newest"], False
            for knock in news["knocks"]:
                yield knock


def _data(answer: Any) -> dict[str, Any]:
    said: dict[str, Any] = answer.json()
    if answer.status_code == 200:
        data: dict[str, Any] = said["data"]
        return data
    error = said.get("error", {})
    hint = MAKE_TOKEN if answer.status_code in (401, 403) else error.get("hint", "")
    raise Rejected(error.get("code", "REFUSED"), error.get("message", ""), hint=hint)
