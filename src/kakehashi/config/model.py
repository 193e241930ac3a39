"""The settings themselves: type, default, limits and meaning of each."""

import os
import re
import sys
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, InstanceOf
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from kakehashi.config.bridge import BridgeSection
from kakehashi.config.link import LinkSection
from kakehashi.config.oncall import IncidentsSettings, NotifySettings
from kakehashi.config.secrets import bad_config, resolve_secret
from kakehashi.config.section import Host, Listed, Section, setting

PREFIX: Final = "KAKEHASHI_"

TRADINGVIEW_IPS: Final = ("52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7")
"""Where alerts come from. Source: TradingView support, article 43000529348."""

Network: TypeAlias = IPv4Network | IPv6Network


class Rate(msgspec.Struct, frozen=True):
    """So many in so long; ``count`` 0 means no limit."""

    count: int
    period_s: int = 1

    @property
    def unlimited(self) -> bool:
        return self.count == 0

    def __str__(self) -> str:
        unit = {1: "s", 60: "m", 3600: "h"}[self.period_s]
        return "off" if self.unlimited else f"{self.count}/{unit}"


def parse_rate(text: object) -> Rate:
    """``20/s``, ``600/m``, ``5000/h`` or ``off``.

    :raises ValueError: anything else
    """
    if isinstance(text, Rate):
        return text
    if text == "off":
        return Rate(0)
    match = re.fullmatch(r"([1-9]\d{0,8})/([smh])", str(text))
    if match is None:
        raise ValueError(f"expected a rate such as 20/s, 600/m or off, got {text!r}")
    return Rate(int(match[1]), {"s": 1, "m": 60, "h": 3600}[match[2]])


def networks(entries: tuple[str, ...]) -> tuple[Network, ...]:
    """The networks an address list means; ``tradingview`` stands for TradingView's own addresses.

    :raises ValueError: an entry that is neither, or one that would allow everybody
    """
    found: list[Network] = []
    for entry in entries:
        expanded = TRADINGVIEW_IPS if entry == "tradingview" else (entry,)
        found.extend(ip_network(address, strict=False) for address in expanded)
    if any(network.prefixlen == 0 for network in found):
        raise ValueError("a list that holds every address (/0) protects nothing: name the addresses, or leave it empty")
    return tuple(found)


def data_dir() -> Path:
    """Where this user's data lives: ``LOCALAPPDATA`` on Windows, else ``XDG_DATA_HOME`` or ``~/.local/share``."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "kakehashi"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "kakehashi"


def _default_store() -> str:
    return "sqlite:///" + quote((data_dir() / "kakehashi.db").as_posix(), safe="/:")


def _check_addresses(entries: tuple[str, ...]) -> tuple[str, ...]:
    networks(entries)
    return entries


def _check_store_url(url: str) -> str:
    if not url.startswith(("sqlite:///", "postgresql://", "secret://")):
        raise ValueError("expected sqlite:////abs/file.db, postgresql://... or secret://aws|gcp/...")
    return url


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError) as e:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"not a time zone: {name!r}") from e
    except KeyError as e:
        raise ValueError(f"expected a time zone such as Europe/Athens, got {name!r}") from e
    return name


RateField: TypeAlias = Annotated[InstanceOf[Rate], BeforeValidator(parse_rate)]
Addresses: TypeAlias = Annotated[Listed, AfterValidator(_check_addresses)]


class StoreSettings(Section):
    url: Annotated[str, AfterValidator(_check_store_url)] = setting(
        _default_store,
        "Where everything durable is kept: a SQLite file or a PostgreSQL server.",
        "永続データの保存先。SQLite ファイルまたは PostgreSQL サーバー。",
        secret=True,
        example="sqlite:////var/lib/kakehashi/kakehashi.db",
    )
    url_file: Path | None = setting(
        None,
        "A file that holds the store's URL, so that its password is in no environment.",
        "ストアの URL を書いたファイル。パスワードを環境変数に置かないため。",
        example="/run/secrets/store_url",
    )

    def resolved_url(self) -> str:
        """The URL itself, from the file or the secret manager where one is named.

        :raises KakehashiError: BAD_CONFIG: it cannot be read, or its password is one everybody knows
        """
        url = resolve_secret(self.url, self.url_file, key="store.url")
        try:
            _check_store_url(url)
        except ValueError as e:
            raise bad_config("store.url", str(e)) from None  # the URL itself must not reach the message
        return url


class HubSettings(Section):
    host: Host = setting("127.0.0.1", "The address the hub listens on.", "ハブが待ち受けるアドレス。")
    port: int = setting(
        7800, "The port the hub listens on; 0 takes a free one.", "ハブのポート。0 は空きポート。", ge=0, le=65535
    )
    public: bool = setting(
        False,
        "Must be true before the hub listens beyond this machine; put a TLS proxy in front.",
        "このマシンの外へ公開する場合は true が必要。前段に TLS プロキシを置くこと。",
    )
    head_timeout_s: float = setting(
        5.0,
        "Seconds a request's header may take to arrive, counted from the connection or from its first byte.",
        "リクエストヘッダーの受信を待つ秒数（接続時、または先頭バイトから）。",
        gt=0,
        le=60,
    )
    body_timeout_s: float = setting(
        5.0,
        "Seconds a request's body may take to arrive.",
        "リクエスト本文の受信を待つ秒数。",
        gt=0,
        le=60,
    )
    answer_timeout_s: float = setting(
        10.0,
        "Seconds a peer may leave a large answer unread before it is cut off.",
        "大きな応答を相手が読まないとき、切断するまでの秒数。",
        gt=0,
        le=300,
    )
    keep_alive_s: int = setting(
        75, "Seconds a connection may be idle between two requests.", "リクエスト間の無通信を許す秒数。", ge=1, le=3600
    )
    max_connections: int = setting(
        2000,
        "Connections at once; when full, those that completed no request leave first. The file limit may lower it.",
        "同時接続数の上限。満杯なら、リクエストを終えていない古い接続から切る。ファイル数の上限で下がることがある。",
        ge=16,
        le=100_000,
    )
    max_per_address: int = setting(
        100,
        "Connections at once from one address (IPv6: one /64); TradingView's and trusted proxies have no such limit.",
        "一つのアドレス（IPv6 は /64）からの同時接続数。TradingView と信頼するプロキシは対象外。",
        ge=1,
        le=100_000,
    )
    uncapped_ips: Addresses = setting(
        ("127.0.0.0/8", "::1"),
        "More addresses without that limit, such as a proxy on this machine.",
        "同時接続数を制限しない追加のアドレス。このマシン上のプロキシなど。",
        example="127.0.0.0/8,::1",
    )


class IngestSettings(Section):
    rate_per_token: RateField = setting(
        "20/s",
        "Alerts accepted per webhook token; over it the answer is 503. Exits are never limited.",
        "トークンごとのアラート上限。超過は 503。決済は制限しない。",
        validate_default=True,
    )
    rate_per_ip: RateField = setting(
        "600/m",
        "Requests accepted per sender address; TradingView's own have no such limit.",
        "送信元アドレスごとの上限。TradingView のアドレスは対象外。",
        validate_default=True,
    )
    allow_ips: Addresses = setting(
        (),
        "Who may send alerts: addresses, networks or the word tradingview, separated by commas; empty means anyone.",
        "アラートを送れる送信元。アドレス、ネットワーク、または tradingview（カンマ区切り）。空なら制限なし。",
        example="tradingview",
    )
    trusted_proxies: Addresses = setting(
        (),
        "Proxies whose X-Forwarded-For is believed; anyone else's is ignored.",
        "X-Forwarded-For を信用するプロキシ。それ以外からのものは無視する。",
        example="127.0.0.1",
    )
    client_cert_header: str = setting(
        "",
        "Header in which a trusted proxy forwards the subject of TradingView's client certificate; empty: not checked.",
        "信頼するプロキシが TradingView のクライアント証明書を渡すヘッダー名。空なら検査しない。",
        example="X-Client-Cert-Subject",
    )
    commit_timeout_s: float = setting(
        2.0,
        "Seconds an alert may wait for the disk before the answer is 503; TradingView hangs up after 3.",
        "書き込みを待つ秒数。超過は 503。TradingView は 3 秒で切断する。",
        gt=0,
        lt=3,
    )
    max_body: int = setting(
        65_536, "Largest alert accepted, in bytes.", "アラート本文の最大バイト数。", ge=1024, le=1_048_576
    )


class MailboxSettings(Section):
    rate_per_token: RateField = setting(
        "20/s", "Requests accepted per EA token.", "EA トークンごとの上限。", validate_default=True
    )
    lease_s: float = setting(
        15.0,
        "Seconds an EA has to report what it did with a delivery; afterwards the outcome is UNKNOWN.",
        "配信後、EA が結果を報告するまでの秒数。過ぎると UNKNOWN になる。",
        gt=0,
        le=3600,
    )
    max_attempts: int = setting(
        5,
        "Times one order is offered before it goes to the dead letters.",
        "同じ注文を配信する最大回数。",
        ge=1,
        le=100,
    )
    require_hmac: bool = setting(
        False, "Refuse EA requests without a signature.", "署名のない EA リクエストを拒否する。"
    )
    allow_ips: Addresses = setting(
        (), "Addresses EAs may come from; empty means anyone.", "EA の送信元アドレス。空なら制限なし。"
    )
    stale_s: float = setting(
        60.0,
        "Seconds after which an account's last report is too old to open on; closing goes on.",
        "口座の最終報告がこの秒数より古いと新規は不可。決済は可能。",
        gt=0,
    )
    unconfirmed_alert_s: float = setting(
        300.0,
        "Seconds a delivery may stay UNCONFIRMED (taken, no result) before a person is told.",
        "UNCONFIRMED(受領済み・結果なし)がこの秒数続くと通知する。",
        gt=0,
        le=86_400,
    )


class TtlSettings(Section):
    entry_s: float = setting(
        30.0, "Seconds after which an entry is too late to send.", "新規注文の有効秒数。", gt=0, le=86_400
    )
    exit_s: float = setting(
        86_400.0, "Seconds after which an exit is given up to a person.", "決済注文の有効秒数。", gt=0, le=604_800
    )


class RiskSettings(Section):
    day_zone: Annotated[str, AfterValidator(_check_zone)] = setting(
        "UTC",
        "Time zone in which the trading day begins at 00:00, for daily limits.",
        "日次制限の「1 日」を区切るタイムゾーン。",
        example="Europe/Athens",
    )


class BrokerSettings(Section):
    socket: Path = setting(
        lambda: data_dir() / "broker.sock",
        "Local socket of the simulated broker.",
        "模擬ブローカーのローカルソケット。",
        example="/run/kakehashi/broker.sock",
    )


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = setting("info", "Least severity logged.", "ログレベル。")
    format: Literal["json", "console"] = setting("json", "json, or console for a person.", "json または console。")


class Settings(BaseSettings):
    """All settings, checked. Made by :func:`load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
    )

    store: StoreSettings = Field(default_factory=StoreSettings)
    hub: HubSettings = Field(default_factory=HubSettings)
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    mailbox: MailboxSettings = Field(default_factory=MailboxSettings)
    link: LinkSection = Field(default_factory=LinkSection)
    ttl: TtlSettings = Field(default_factory=TtlSettings)
    risk: RiskSettings = Field(default_factory=RiskSettings)
    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    bridge: BridgeSection = Field(default_factory=BridgeSection)
    incidents: IncidentsSettings = Field(default_factory=IncidentsSettings)
    notify: NotifySettings = Field(default_factory=NotifySettings)
    log: LogSettings = Field(default_factory=LogSettings)


def setting_fields() -> Iterator[tuple[str, FieldInfo]]:
    """Every dotted key with its field."""
    for section, outer in Settings.model_fields.items():
        model = outer.annotation
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"{section} is no section of settings")
        for name, field in model.model_fields.items():
            yield f"{section}.{name}", field


def env_name(key: str) -> str:
    """``store.url`` to ``KAKEHASHI_STORE__URL``."""
    return PREFIX + key.replace(".", "__").upper()
