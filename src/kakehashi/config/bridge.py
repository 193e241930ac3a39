"""The MT5 bridge's settings (section ``bridge``)."""

import sys
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator

from kakehashi.config.oncall import check_hours
from kakehashi.config.section import Host, Listed, Section, setting


def _origins(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        parts = urlsplit(entry)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
            raise ValueError(f"expected an origin such as https://desk.example.com, got {entry!r}")
    return entries


class BridgeSection(Section):
    enabled: bool = setting(
        False, "Whether `kakehashi up` runs the bridge too.", "`kakehashi up` でブリッジも起動するか。"
    )
    host: Host = setting("127.0.0.1", "The address the MT5 bridge listens on.", "MT5 ブリッジが待ち受けるアドレス。")
    port: int = setting(
        7802,
        "The port the MT5 bridge listens on; 0 takes a free one.",
        "MT5 ブリッジのポート。0 は空きポート。",
        ge=0,
        le=65535,
    )
    public: bool = setting(
        False,
        "Must be true before the bridge listens beyond this machine; put a TLS proxy in front.",
        "このマシンの外へ公開する場合は true が必要。前段に TLS プロキシを置くこと。",
    )
    terminal: Literal["simulated", "metatrader5"] = setting(
        lambda: "metatrader5" if sys.platform == "win32" else "simulated",
        "What runs in a session: the real MetaTrader5 package (Windows) or the simulated one.",
        "セッションで動かすもの。本物の MetaTrader5 パッケージ(Windows)または模擬版。",
        example="simulated",
    )
    broker: str = setting(
        "",
        "Socket of the simulated trade server; empty: the bridge runs one of its own.",
        "模擬取引サーバーのソケット。空ならブリッジが自分で起動する。",
        example="/run/kakehashi/broker.sock",
    )
    terminal_path: str = setting(
        "",
        "terminal64.exe of the installation that sessions are copied from; empty: the package finds one.",
        "セッションの元になる terminal64.exe。空ならパッケージが探す。",
    )
    folders: Path | None = setting(
        None,
        "Where each real session gets a portable terminal directory of its own; needs bridge.terminal_path.",
        "本物の端末のポータブルディレクトリを置く場所。bridge.terminal_path が必要。",
    )
    key: str = setting(
        "",
        "The key that seals sessions' passwords at rest: long random text.",
        "保存するパスワードを暗号化する鍵(長いランダムな文字列)。",
        secret=True,
        hidden=True,
    )
    key_file: Path | None = setting(
        None,
        "A file with that key; without both, one is made in the data directory on first use.",
        "鍵のファイル。どちらもなければデータディレクトリに自動で作る。",
        example="/run/secrets/bridge_key",
    )
    max_sessions: int = setting(50, "Sessions at once.", "同時セッション数の上限。", ge=1, le=1000)
    max_starts: int = setting(
        2, "Terminals that may be starting at once.", "同時に起動処理できる端末の数。", ge=1, le=64
    )
    command_timeout_s: float = setting(
        10.0, "Seconds a command has where it does not say.", "コマンドの既定の制限秒数。", gt=0, le=300
    )
    start_timeout_s: float = setting(
        60.0, "Seconds a terminal has to start and log in.", "端末の起動とログインの制限秒数。", gt=0, le=600
    )
    hang_s: float = setting(
        1.0,
        "A terminal is not taken for hung before so many seconds, however short a command's deadline.",
        "コマンドの期限が短くても、この秒数までは端末をハングと見なさない。",
        gt=0,
        le=60,
    )
    queue_max: int = setting(
        100, "Commands that may wait for one session.", "一つのセッションで待てるコマンド数。", ge=1, le=10_000
    )
    queue_age_s: float = setting(
        60.0,
        "Seconds after which a waiting command is not sent any more.",
        "待機コマンドを破棄するまでの秒数。",
        gt=0,
        le=3600,
    )
    idle_s: float = setting(
        0.0,
        "Seconds without commands after which a session's terminal is stopped until the next one; 0 is never.",
        "コマンドがないとき端末を止めるまでの秒数(次のコマンドで再開)。0 は止めない。",
        ge=0,
        le=604_800,
    )
    max_rss_mb: int = setting(
        1024,
        "A terminal process that grew beyond so many MiB is replaced.",
        "端末プロセスを入れ替えるメモリ量(MiB)。",
        ge=64,
        le=65_536,
    )
    health_s: float = setting(
        5.0, "Seconds between two looks at each session.", "各セッションを点検する間隔(秒)。", gt=0, le=600
    )
    tick_age_s: float = setting(
        300.0,
        "Seconds of market hours without a tick after which a session is not healthy; 0 is never.",
        "取引時間中にこの秒数ティックが来ないとセッションを異常とする。0 は判定しない。",
        ge=0,
        le=604_800,
    )
    market_hours: Annotated[str, AfterValidator(check_hours)] = setting(
        "fri 20:45-sun 22:15",
        "When no ticks are expected (UTC); the default suits summer and winter. Written as incidents.market_hours.",
        "ティックが来なくてよい時間帯(UTC)。既定は夏時間と冬時間の両方を含む。書式は incidents.market_hours と同じ。",
        example="fri 20:45-sun 22:15, mon 20:55-mon 22:05",
    )
    push_s: float = setting(
        0.1,
        "Seconds between two looks for what subscribers wait for.",
        "購読者向けの更新を調べる間隔(秒)。",
        gt=0,
        le=60,
    )
    push_queue: int = setting(
        1000,
        "Events that may wait for a slow WebSocket client before it is disconnected.",
        "遅い WebSocket クライアントを切断するまでに溜める通知の数。",
        ge=10,
        le=100_000,
    )
    origins: Annotated[Listed, AfterValidator(_origins)] = setting(
        (),
        "Web pages that may call the bridge from a browser (CORS): exact origins, separated by commas.",
        "ブラウザから利用できるページのオリジン(CORS)。カンマ区切り。",
        example="https://desk.example.com",
    )
