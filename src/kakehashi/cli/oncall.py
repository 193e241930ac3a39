"""``kakehashi incidents|notify|reliability|maintenance``: what is wrong, who is told, and how good the links were."""

from typing import Any

import click

from kakehashi.cli.options import ACCOUNT, LIMIT, SpanType
from kakehashi.cli.output import Answer, ExitCode, command_output, language
from kakehashi.cli.session import change, now_ms, on_store


@click.group("incidents")
def incidents() -> None:
    """What is wrong, or was, and what to do about it."""


@incidents.command("list")
@LIMIT
@ACCOUNT
@click.option("--open", "open_only", is_flag=True, help="Only what is not over.")
@command_output(columns=("id", "severity", "state", "account", "code", "subject", "opened_at", "count", "message"))
async def list_incidents(limit: int, account: str, open_only: bool) -> list[dict[str, Any]]:
    """Newest first."""
    from kakehashi.services import oncall

    lang = language()
    return await on_store(
        lambda store: oncall.incidents(store, account=account, open_only=open_only, limit=limit, lang=lang)
    )


@incidents.command("ack")
@click.argument("incident_id")
@command_output()
async def ack(incident_id: str) -> dict[str, Any]:
    """You have seen it: it is not told again."""
    from kakehashi.services import oncall

    return await change(oncall.tend, incident_id, do="ack")


@incidents.command("close")
@click.argument("incident_id")
@click.option("--false", "false", is_flag=True, help="It was a false alert; that is counted.")
@command_output()
async def close(incident_id: str, false: bool) -> dict[str, Any]:
    """It is over, or (--false) it never was one."""
    from kakehashi.services import oncall

    return await change(oncall.tend, incident_id, do="close", false=false)


@click.group("notify")
def notify() -> None:
    """Who is told of incidents."""


@notify.command("test")
@click.argument("target", required=False, default="")
@command_output(columns=("target", "sent", "error"))
async def test(target: str) -> Answer:
    """Send a test message to every target, or to one, at once."""
    from kakehashi.config import load_settings
    from kakehashi.notify.trial import trial

    settings = load_settings().notify
    targets = settings.resolved_targets()
    told = await trial(targets, timeout_s=settings.timeout_s, lang=settings.language, only=target)
    return Answer(told, ExitCode.OK if all(line["sent"] for line in told) else ExitCode.ERROR)


def _figures_text(data: dict[str, Any]) -> str:
    ja = language() == "ja"
    names = {
        "consistency_percent": ("mirror consistency, %", "ミラー整合性 (%)", "≥"),
        "mean_recovery_s": ("mean recovery, s", "平均復旧時間 (秒)", "≤"),
        "false_alerts_percent": ("false alerts, %", "偽アラート率 (%)", "≤"),
        "downtime_s": ("downtime, s a month", "ダウンタイム (秒/月)", "≤"),
    }
    lines = [data["month"]]
    for line in [{"account": "全体" if ja else "all", **data["all"]}, *data["accounts"]]:
        lines.append("")
        lines.append(line["account"])
        for name, (en, text_ja, sign) in names.items():
            met, value = line["met"][name], line[name]
            mark = {True: "ok", False: "未達" if ja else "MISSED", None: "-"}[met]
            shown = "-" if value is None else value
            lines.append(f"  {text_ja if ja else en:<24} {shown!s:>12}  {sign} {data['targets'][name]}  {mark}")
        if line["p99_recovery_s"] is not None:
            lines.append(
                f"  p99 {line['p99_recovery_s']} s, max {line['slowest_recovery_s']} s, n {line['recoveries']}"
            )
    return "\n".join(lines)


@click.command("reliability")
@click.option("--month", default="", metavar="2026-11", help="The present one when left out.")
@command_output(human=_figures_text)
async def reliability(month: str) -> dict[str, Any]:
    """How reliable the links were, against the targets."""
    from kakehashi.config import load_settings
    from kakehashi.domain.markethours import market_hours
    from kakehashi.services import oncall

    hours = market_hours(load_settings().incidents.market_hours)
    return await on_store(lambda store: oncall.reliability(store, at=now_ms(), hours=hours, month=month))


@click.group("maintenance")
def maintenance() -> None:
    """Planned stops: during one, an account's silence is no outage."""


@maintenance.command("on")
@click.argument("account")
@click.option("--for", "for_ms", type=SpanType(), default=None, help="Ends by itself after this long, e.g. 2h.")
@command_output()
async def maintenance_on(account: str, for_ms: int | None) -> dict[str, Any]:
    """Begin a planned stop of ACCOUNT."""
    from kakehashi.services import oncall

    return await change(oncall.maintain, account, on=True, for_ms=for_ms)


@maintenance.command("off")
@click.argument("account")
@command_output()
async def maintenance_off(account: str) -> dict[str, Any]:
    """End it: from now on the EA has to be back."""
    from kakehashi.services import oncall

    return await change(oncall.maintain, account, on=False)
