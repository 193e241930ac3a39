"""``kakehashi demo``."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import click

from kakehashi.cli.output import Answer, command_output, language, say, wants_json

NEXT = """
{next}
  kakehashi accounts add NAME --number LOGIN
  kakehashi routes add trend --account NAME --lots 0.10
  kakehashi up"""


def _text(data: dict[str, Any]) -> str:
    latency = "  ".join(f"{hop} p50 {v['p50']} p95 {v['p95']} p99 {v['p99']}" for hop, v in data["latency_ms"].items())
    alerts = data["alerts"]
    ja = language() == "ja"
    result = (
        ("すべて台本どおり" if ja else "all as scripted")
        if data["ok"]
        else ("台本と異なる" if ja else "NOT AS SCRIPTED")
    )
    return "\n".join(
        (
            "",
            f"{result}: {alerts['sent']} {'件のアラート' if ja else 'alerts'} {alerts['by_status']}",
            f"{'約定した注文' if ja else 'orders filled'}: {data['orders_filled']}",
            f"{'遅延' if ja else 'latency'} ms: {latency}",
            NEXT.format(next="次にお試しください:" if ja else "Try next:"),
        )
    )


def _opening(url: str) -> str:
    if language() == "ja":
        return f"ハブ: {url}。すべて模擬で、外部へは何も送りません。EA を用意し、プロセスを起動しています…"
    return f"hub on {url}; everything is simulated, nothing leaves this machine. Getting the EA ready, starting processes ..."


def _which(why_not: str) -> str:
    if language() == "ja":
        return f"接続口座の EA: Python 版（{why_not}）" if why_not else "接続口座の EA: MQL5 版（この環境でコンパイル）"
    if why_not:
        return f"EA of the linked accounts: the one in Python; in MQL5: {why_not}"
    return "EA of the linked accounts: the one in MQL5, compiled for this machine"


@click.command("demo")
@click.option("--headless", is_flag=True, help="Say nothing on the way.")
@click.option("--duration", type=click.FloatRange(0, 3600), default=None, help="Go on trading so many seconds.")
@click.option("--speed", type=click.FloatRange(0.1, 100), default=1.0, help="Divides the pauses between alerts.")
@command_output(human=_text, bare=True)
def demo(headless: bool, duration: float | None, speed: float) -> Answer:
    """TradingView alerts become fills on four simulated accounts, through everything that usually goes wrong."""
    from kakehashi.demo.script import Scene, Script
    from kakehashi.demo.stage import Stage

    def tell(scene: Scene) -> None:
        if not headless:
            mark = click.style("ok  ", fg="green") if scene.ok else click.style("FAIL", fg="red")
            ja = language() == "ja"
            name, expected = (scene.ja, scene.expected_ja) if ja else (scene.name, scene.expected)
            say(f"{mark} {click.style(name, bold=True)}: {expected}")
            say(f"     {click.style(scene.seen, fg='cyan')}")

    from kakehashi.telemetry import setup_logging

    with tempfile.TemporaryDirectory(prefix="kakehashi-demo-") as folder:
        stage = Stage(Path(folder))
        on_the_way = not headless and not wants_json()
        if on_the_way:
            say(_opening(stage.base_url))
        why_not = stage.choose_ea()
        if on_the_way:
            say(_which(why_not))
        url = stage.prepare()
        setup_logging(stage.settings())
        script = Script(speed=speed, seconds=duration, tell=tell)

        async def play() -> None:
            await stage.furnish(url)
            await stage.perform(script.play)

        asyncio.run(play())
        report = script.report | {"ea": "python" if why_not else "native"}
        return Answer(report, 0 if report["ok"] else 1)
