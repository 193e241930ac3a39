"""The watch over real links: what an account's EA does becomes incidents, messages and figures, and survives a restart."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from linkdesk import WALL, Desk, row

from kakehashi.domain import frames as f
from kakehashi.domain import linkwords as w
from kakehashi.domain.errors import Rejected
from kakehashi.domain.incidents import Incident, IncidentSettings, Notice, Post, Rows, Standing
from kakehashi.domain.markethours import market_hours
from kakehashi.domain.messages import IncidentAcked, IncidentClosed, MaintenanceSet
from kakehashi.domain.notices import NoticeSettings, NoticeTold
from kakehashi.domain.orders import Op, Order, State
from kakehashi.domain.reliability import figures
from kakehashi.domain.values import Account, Side
from kakehashi.domain.views import BrokerPosition
from kakehashi.engine.outcome import Outcome
from kakehashi.ports import StateRow
from kakehashi.services.watch import Watch, WatchSettings, picture, row_key

SETTINGS = WatchSettings(
    incidents=IncidentSettings(hours=market_hours("always")),
    notices=NoticeSettings(targets=("mail",), attempts=3),
)
NAME = "demo"


class Tower:
    """A watch, the link it looks at, and everything that was written."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.kept: dict[tuple[str, str], msgspec.Struct] = {}
        self.accounts = [Account(name=NAME, number="77")]
        self.watch = Watch(SETTINGS, look=lambda _account: picture([POSITION], [order(State.SENT)]))

    def take(self, rows: Rows) -> None:
        self.kept.update({row_key(row): row for row in rows})

    def does(self, *steps: w.Steps) -> None:
        for step in steps:
            self.take(self.watch.link_facts(NAME, step.facts, at=self.desk.at))

    def passes(self, seconds: float) -> None:
        """Both machines are woken whenever they asked for it."""
        end = self.desk.at + int(seconds * 1000)
        while self.desk.at < end:
            due = self.watch.next_deadline or end
            self.does(*self.desk.passes(max(1, min(due, end) - self.desk.at)))
            self.take(self.watch.due(self.desk.at))

    def beats(self, seconds: int) -> None:
        """A healthy EA for a while."""
        for _ in range(seconds // 5):
            self.passes(5)
            self.does(self.desk.beat())

    def restart(self) -> None:
        """Another hub takes up what was written."""
        self.desk.link = Desk(self.desk.link.record).link
        self.watch = Watch(SETTINGS)
        states = {row.key: row.body for row in self.kept.values() if isinstance(row, StateRow)}
        self.watch.load(at=self.desk.at, incidents=self.standing, states=states, accounts=self.accounts)

    @property
    def incidents(self) -> list[Incident]:
        return [row for row in self.kept.values() if isinstance(row, Incident)]

    @property
    def standing(self) -> list[Incident]:
        return [i for i in self.incidents if i.state is not Standing.CLEARED]

    @property
    def codes(self) -> list[str]:
        return [i.code for i in self.standing]

    @property
    def notices(self) -> list[Notice]:
        return [row for row in self.kept.values() if isinstance(row, Notice)]

    def figures(self) -> dict[str, Any]:
        return figures(self.watch.reliability[NAME].months.values())


POSITION = BrokerPosition(
    account=NAME, ident="501", ticket="501", symbol="EURUSD", side=Side.BUY, volume=Decimal("0.30"),
    open_price=Decimal("1.1"), sl=Decimal("1.09"),
)  # fmt: skip


def order(state: State, name: str = "o-1", **more: Any) -> Order:
    given: dict[str, Any] = {
        "id": name, "seq": 7, "account": NAME, "route": "r", "signal_id": "s", "trace_id": "t", "op": Op.OPEN,
        "symbol": "EURUSD", "side": Side.BUY, "volume": Decimal("0.10"), "magic": 9007, "created_at": WALL,
        "expires_at": WALL, "updated_at": WALL, "state": state,
    }  # fmt: skip
    return Order(**(given | more))


@pytest.fixture
def tower() -> Tower:
    tower = Tower()
    tower.does(tower.desk.hello("c1"), tower.desk.snap(), tower.desk.beat())
    assert tower.desk.link.session is w.Session.FRESH
    return tower


def test_an_ea_that_is_cut_is_stale_then_stopped_and_clears_when_it_is_back(tower: Tower) -> None:
    tower.does(tower.desk.step(w.Lost, conn="c1"))
    tower.passes(19)
    assert tower.codes == []
    tower.passes(1)
    assert tower.codes == ["EA_STALE"]
    tower.passes(40)
    assert tower.codes == ["EA_STALE", "EA_STOPPED"]
    page = next(n for n in tower.notices if "EA_STOPPED" in n.title)
    for wanted in (
        "EURUSD BUY 0.30 at 1.1, SL 1.09",
        "OPEN BUY 0.10 EURUSD (SENT), o-1, magic 9007",
        "1. Start MetaTrader",
    ):
        assert wanted in page.body
    tower.does(tower.desk.hello("c2"))
    assert tower.codes == ["EA_STALE"], "it is back, but nothing is proven yet"
    tower.does(tower.desk.snap(), tower.desk.beat())
    assert tower.codes == []
    assert tower.figures()["recoveries"] == 1
    assert (tower.figures()["mean_recovery_s"], tower.figures()["downtime_s"]) == (60.0, 60.0)


def test_an_ea_that_flaps_is_one_alert(tower: Tower) -> None:
    for n in range(3):
        tower.does(tower.desk.step(w.Lost, conn=tower.desk.conn))
        tower.passes(25)
        tower.does(tower.desk.hello(f"again{n}"), tower.desk.snap(), tower.desk.beat())
    assert ([i.count for i in tower.incidents], tower.figures()["alerts"]) == ([3], 1)


def test_who_says_bye_is_not_missed(tower: Tower) -> None:
    tower.does(tower.desk.hear(f.Bye(reason="update")))
    tower.passes(600)
    assert (tower.codes, tower.figures()["watched_s"]) == ([], 0.0)
    tower.restart()
    tower.passes(600)
    assert tower.codes == []


def test_a_snapshot_that_does_not_come_is_told(tower: Tower) -> None:
    tower.does(tower.desk.step(w.Lost, conn="c1"))
    tower.passes(1)
    tower.does(tower.desk.hello("c2"))
    for _ in range(10):
        tower.passes(3)
        tower.does(tower.desk.beat(synced=False))
    assert tower.codes == ["EA_STALE", "SYNC_OVERDUE"]
    tower.does(tower.desk.snap(), tower.desk.beat())
    assert tower.codes == []


def test_maintenance_is_no_outage_and_outlives_a_restart(tower: Tower) -> None:
    until = tower.desk.at + 3_600_000
    tower.take(tower.watch.wish(MaintenanceSet(at=tower.desk.at, account=NAME, on=True, by="me", until=until)))
    tower.does(tower.desk.step(w.Lost, conn="c1"))
    tower.passes(1800)
    tower.restart()
    tower.passes(1800)
    assert (tower.codes, tower.figures()["watched_s"]) == ([], 0.0)
    tower.passes(60)
    assert tower.codes == ["EA_STALE", "EA_STOPPED"]


def test_a_disabled_account_is_not_missed_until_it_is_enabled(tower: Tower) -> None:
    tower.take(tower.watch.know(Account(name=NAME, number="77", enabled=False), at=tower.desk.at))
    tower.does(tower.desk.step(w.Lost, conn="c1"))
    tower.passes(600)
    assert tower.codes == []
    tower.take(tower.watch.know(Account(name=NAME, number="77"), at=tower.desk.at))
    tower.passes(60)
    assert tower.codes == ["EA_STALE", "EA_STOPPED"]


def test_the_time_the_hub_was_down_is_downtime(tower: Tower) -> None:
    tower.beats(60)
    down = tower.desk.at
    tower.desk.tick(100_000)
    tower.restart()
    tower.passes(1)
    tower.does(tower.desk.hello("c2"), tower.desk.snap(), tower.desk.beat())
    assert 101 <= tower.figures()["downtime_s"] <= 101 + 30, down


def test_a_restart_keeps_an_open_incident_and_its_end_is_noticed(tower: Tower) -> None:
    tower.does(tower.desk.step(w.Lost, conn="c1"))
    tower.passes(60)
    before = {i.id for i in tower.standing}
    tower.restart()
    tower.passes(120)
    assert {i.id for i in tower.standing} == before
    tower.does(tower.desk.hello("c2"), tower.desk.snap(), tower.desk.beat())
    assert tower.codes == []
    assert tower.watch.reliability[NAME].months["2026-09"].alerts == 2


def test_a_command_in_doubt_for_a_minute_is_told_until_it_is_known(tower: Tower) -> None:
    moved = w.CommandMoved(id="o-1", before=State.SENT, after=State.UNKNOWN, happening=None)
    tower.take(tower.watch.link_facts(NAME, [moved], at=tower.desk.at))
    tower.take(tower.watch.outcome(Outcome(orders={"o-1": order(State.UNKNOWN)}), at=tower.desk.at))
    tower.beats(60)
    assert [(i.code, i.subject) for i in tower.standing] == [("IN_DOUBT", "o-1")]
    tower.take(tower.watch.outcome(Outcome(orders={"o-1": order(State.FILLED)}), at=tower.desk.at))
    assert tower.codes == []


def test_a_position_that_goes_without_a_deal_is_told_after_a_while(tower: Tower) -> None:
    missing = w.PositionMoved(change=w.Change.MISSING, row=row())
    tower.take(tower.watch.link_facts(NAME, [missing], at=tower.desk.at))
    tower.beats(10)
    assert [(i.code, i.text) for i in tower.standing] == [("POSITION_MISSING", "EURUSD BUY 0.10, ticket 1001")]
    tower.take(tower.watch.link_facts(NAME, [w.PositionMoved(change=w.Change.FOUND, row=row())], at=tower.desk.at))
    assert tower.codes == []


def test_dead_letters_are_one_incident_until_the_last_is_settled(tower: Tower) -> None:
    for name in ("a", "b", "a"):
        dead = order(State.DEAD, name, code="ATTEMPTS", reason="5 tries")
        outcome = Outcome(orders={name: dead}, alerts=[("ATTEMPTS", name, "5 tries")])
        tower.take(tower.watch.outcome(outcome, at=tower.desk.at))
    assert [(i.code, i.values["items"], i.count) for i in tower.standing] == [("DEAD_LETTER", ["a", "b"], 2)]
    for name in ("a", "b"):
        tower.take(tower.watch.outcome(Outcome(orders={name: order(State.CANCELLED, name)}), at=tower.desk.at))
    assert tower.codes == []


def test_expired_entries_partial_exits_and_unconfirmed_deliveries_are_told(tower: Tower) -> None:
    expired = Outcome(orders={"e": order(State.EXPIRED, "e")})
    partial = Outcome(orders={"p": order(State.FILLED, "p", op=Op.CLOSE)}, alerts=[("PARTIAL_FILL", "p", "0.1 of 0.3")])
    taken = Outcome(orders={"u": order(State.UNCONFIRMED, "u")}, alerts=[("UNCONFIRMED", "u", "no result")])
    quiet = Outcome(orders={"x": order(State.EXPIRED, "x", op=Op.CLOSE), "f": order(State.FILLED, "f")})
    for outcome in (expired, partial, taken, quiet):
        tower.take(tower.watch.outcome(outcome, at=tower.desk.at))
    assert tower.codes == ["EXPIRED_ENTRY", "PARTIAL_FILL", "UNCONFIRMED"]
    tower.take(tower.watch.outcome(Outcome(orders={"u": order(State.FILLED, "u")}), at=tower.desk.at))
    assert tower.codes == ["EXPIRED_ENTRY", "PARTIAL_FILL"]


def test_an_alarm_of_the_link_names_its_subject(tower: Tower) -> None:
    alarms = [
        w.Alarm(code="RESULT_CONFLICT", subject="o-9", text="FILLED and then REJECTED"),
        w.Alarm(code="LEASE_HELD", subject=NAME),
    ]
    tower.take(tower.watch.link_facts(NAME, alarms, at=tower.desk.at))
    assert [(i.code, i.subject) for i in tower.standing] == [("RESULT_CONFLICT", "o-9"), ("LEASE_HELD", "")]


def test_people_acknowledge_and_close_as_false(tower: Tower) -> None:
    tower.take(tower.watch.link_facts(NAME, [w.Alarm(code="EVENTS_LOST", text="3 to 4")], at=tower.desk.at))
    (incident,) = tower.standing
    tower.take(tower.watch.wish(IncidentAcked(at=tower.desk.at, incident=incident.id, by="me")))
    assert tower.standing[0].state is Standing.ACKED
    tower.take(tower.watch.wish(IncidentClosed(at=tower.desk.at, incident=incident.id, by="me", false=True)))
    assert (tower.standing, tower.figures()["false_alerts_percent"]) == ([], 100.0)
    with pytest.raises(Rejected, match="INCIDENT_OVER"):
        tower.watch.wish(IncidentAcked(at=tower.desk.at, incident=incident.id, by="me"))


def test_a_notice_that_cannot_be_delivered_is_tried_again_and_then_visible(tower: Tower) -> None:
    tower.take(tower.watch.link_facts(NAME, [w.Alarm(code="EVENTS_LOST")], at=tower.desk.at))
    waits = []
    for _ in range(3):
        (notice,) = tower.notices
        tower.desk.tick(notice.due_at - tower.desk.at)
        tower.take(tower.watch.told(NoticeTold(at=tower.desk.at, notice=notice, sent=False, error="refused")))
        waits.append(tower.notices[0].due_at - tower.desk.at)
    assert waits[:2] == [5_000, 10_000]
    assert (tower.notices[0].state, tower.codes) == (Post.FAILED, ["EVENTS_LOST", "NOTICE_UNDELIVERED"])
    assert len(tower.notices) == 1, "nothing is sent to a target about its own failure"
    tower.take(tower.watch.told(NoticeTold(at=tower.desk.at, notice=tower.notices[0], sent=True)))
    assert tower.codes == ["EVENTS_LOST"]


def test_an_ea_that_only_polls_is_missed_when_it_falls_silent() -> None:
    tower = Tower()
    for _ in range(100):
        tower.take(tower.watch.heard(NAME, at=tower.desk.at))
        tower.passes(5)
    assert tower.incidents == []
    tower.passes(55)
    assert tower.codes == ["EA_STOPPED"]
    tower.take(tower.watch.heard(NAME, at=tower.desk.at))
    assert tower.codes == []
