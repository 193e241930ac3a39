"""The EA link's settings (section ``link``)."""

import msgspec

from kakehashi.config.section import Section, setting
from kakehashi.domain.linkwords import LinkSettings


class LinkSection(Section):
    heartbeat_s: float = setting(
        5.0,
        "Seconds between an EA's heartbeats over the link; the timers below follow it unless they are set.",
        "EA リンクのハートビート間隔（秒）。以下のタイマーは、設定しなければこれに比例する。",
        gt=0,
        le=600,
    )
    stale_s: float | None = setting(
        None,
        "Seconds without a matching heartbeat after which the mirror is stale (heartbeat x 1.3).",
        "一致するハートビートがこの秒数ないとミラーを stale とする（既定: heartbeat × 1.3）。",
        gt=0,
    )
    dead_s: float | None = setting(
        None,
        "Seconds of silence after which a connection is given up (heartbeat x 2.4).",
        "無通信がこの秒数続くと切断とみなす（既定: heartbeat × 2.4）。",
        gt=0,
    )
    lease_s: float | None = setting(
        None,
        "Seconds for which one EA holds an account after its last heartbeat (heartbeat x 3).",
        "最後のハートビートから EA が口座を担当し続ける秒数（既定: heartbeat × 3）。",
        gt=0,
    )
    full_sync_s: float = setting(
        300.0, "Seconds between whole snapshots of an account.", "口座の完全同期の間隔（秒）。", ge=5, le=86_400
    )
    recovery_alert_s: float = setting(
        30.0,
        "Seconds after a reconnect within which a snapshot must have come, or a person is told.",
        "再接続後この秒数以内にスナップショットが届かなければ通知する。",
        gt=0,
        le=3600,
    )
    status_s: float = setting(
        8.0,
        "Seconds after which an acknowledged command without a result is asked after.",
        "受領済みで結果のない注文を照会するまでの秒数。",
        gt=0,
        le=600,
    )
    in_flight_s: float = setting(
        10.0,
        "Seconds for which an answered request may still be at work at the broker.",
        "応答済みの注文がブローカーで処理中でありうる秒数。",
        gt=0,
        le=3600,
    )
    no_answer_s: float = setting(
        180.0,
        "The same for a request that was never answered.",
        "応答のない注文がブローカーで処理中でありうる秒数。",
        gt=0,
        le=3600,
    )
    max_unacked: int = setting(
        100,
        "Commands of one account that may be unacknowledged; entries beyond them are refused (BACKLOG).",
        "1 口座の未受領コマンドの上限。超えた新規は拒否（BACKLOG）。",
        ge=1,
        le=10_000,
    )
    max_sessions: int = setting(4000, "EAs connected at once.", "同時に接続できる EA の数。", ge=1, le=100_000)

    def timers(self) -> LinkSettings:
        """The link's timers in ms.

        :raises Rejected: BAD_LINK_TIMERS: heartbeat < stale < dead < lease does not hold
        """

        def ms(seconds: float | None) -> int | None:
            return None if seconds is None else int(seconds * 1000)

        scaled = LinkSettings.scaled(
            int(self.heartbeat_s * 1000), stale_ms=ms(self.stale_s), dead_ms=ms(self.dead_s), lease_ms=ms(self.lease_s)
        )
        return msgspec.structs.replace(
            scaled,
            full_sync_ms=int(self.full_sync_s * 1000),
            status_ms=int(self.status_s * 1000),
            in_flight_ms=int(self.in_flight_s * 1000),
            no_answer_ms=int(self.no_answer_s * 1000),
            max_unacked=self.max_unacked,
        )
