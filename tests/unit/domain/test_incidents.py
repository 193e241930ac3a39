"""What a person is told: once, when it has lasted, again while nobody looks, and that it is over."""

from typing import Any

import pytest
from test_markethours import at as on

from kakehashi.domain.errors import Rejected
from kakehashi.domain.incidentkinds import KINDS, Severity
from kakehashi.domain.incidents import Incident, Incidents, IncidentSettings, Notice, Rows, Standing, Telling
from kakehashi.domain.markethours import market_hours
from kakehashi.domain.notices import NoticeSettings, notices

T0 = on(18, 12)  # a Wednesday
MAIL = NoticeSettings(targets=("mail",))
MIN = 60_000


class Desk:
    """The machine with a memory of every row it gave."""

    def __init__(self, **settings: Any) -> None:
        self.settings = IncidentSettings(hours=market_hours("fx"), **settings)
        self.rows: dict[str, Incident] = {}
        self.told: list[Notice] = []
        self.machine = self.made()

    def made(self) -> Incidents:
        open_ = [i for i in self.rows.values() if i.state is not Standing.CLEARED]
        return Incidents(
            self.settings,
            tell=lambda incident, why, at: notices(incident, why, at, MAIL),
            look=lambda _account: {"open": ["EURUSD BUY 0.10"], "flight": []},
            standing=open_,
        )

    def take(self, rows: Rows) -> None:
        for row in rows:
            if isinstance(row, Incident):
                self.rows[row.id] = row
            elif isinstance(row, Notice):
                self.told.append(row)

    def began(self, code: str, at: int, account: str = "demo", **more: Any) -> None:
        self.take(self.machine.began(code, account=account, at=at, **more))

    def ended(self, code: str, at: int, account: str = "demo", **more: Any) -> None:
        self.take(self.machine.ended(code, account=account, at=at, **more))

    def happened(self, code: str, at: int, **more: Any) -> None:
        self.take(self.machine.happened(code, account="demo", at=at, **more))

    def until(self, at: int) -> None:
        """Let time pass, waking the machine only when it asked for it."""
        while (due := self.machine.next_deadline) is not None and due <= at:
            self.take(self.machine.due(due))

    @property
    def one(self) -> Incident:
        (incident,) = self.rows.values()
        return incident

    @property
    def titles(self) -> list[str]:
        return [notice.title.partition("]")[0].removeprefix("[") for notice in self.told]


def test_a_condition_that_does_not_last_is_told_to_nobody() -> None:
    desk = Desk()
    desk.began("EA_STALE", T0)
    desk.until(T0 + 19_999)
    desk.ended("EA_STALE", T0 + 19_999)
    desk.until(T0 + 60 * MIN)
    assert (desk.rows, desk.told) == ({}, [])


def test_a_condition_that_lasts_is_one_incident_and_its_end_is_told() -> None:
    desk = Desk()
    desk.began("EA_STALE", T0)
    desk.began("EA_STALE", T0 + 5_000)
    desk.until(T0 + 20_000)
    assert (desk.one.state, desk.one.opened_at, desk.one.severity) == (Standing.OPEN, T0 + 20_000, Severity.WARNING)
    desk.ended("EA_STALE", T0 + 50_000)
    assert (desk.one.state, desk.one.cleared_at) == (Standing.CLEARED, T0 + 50_000)
    assert desk.titles == ["WARNING", "over"]
    assert len({n.id for n in desk.told}) == 2


def test_a_weekend_is_no_outage_but_monday_is() -> None:
    desk = Desk()
    desk.began("EA_STOPPED", on(20, 22, 1))
    desk.until(on(22, 22) + 59_999)
    assert desk.rows == {}
    desk.until(on(22, 22) + 60_000)
    assert desk.one.opened_at == on(22, 22) + 60_000


def test_what_began_just_before_the_close_waits_for_the_open() -> None:
    desk = Desk()
    desk.began("EA_STALE", on(20, 21, 59) + 50_000)
    desk.until(on(22, 22) + 9_999)
    assert desk.rows == {}
    desk.until(on(22, 22) + 10_000)
    assert desk.one.code == "EA_STALE"


def test_an_account_may_have_hours_of_its_own() -> None:
    desk = Desk()
    desk.machine.hours["demo"] = market_hours("always")
    desk.began("EA_STOPPED", on(21))
    desk.until(on(21) + 60_000)
    assert desk.one.code == "EA_STOPPED"


def test_the_same_again_is_counted_not_told() -> None:
    desk = Desk()
    for second in range(5):
        desk.happened("MIRROR_MISMATCH", T0 + second * 1000, text=f"at {second}")
    assert (desk.one.count, desk.one.last_at, desk.one.text, desk.titles) == (5, T0 + 4000, "at 4", ["WARNING"])


def test_nobody_looks_and_it_is_told_again_as_critical_each_time_later() -> None:
    desk = Desk()
    desk.happened("UNCONFIRMED", T0, item="o1")
    desk.until(T0 + 300 * MIN)
    assert [(n.at - T0) // MIN for n in desk.told] == [0, 30, 90, 210]
    assert desk.titles == ["WARNING", *["CRITICAL, still open"] * 3]
    assert desk.one.severity is Severity.CRITICAL


def test_who_acknowledged_is_not_told_again() -> None:
    desk = Desk()
    desk.happened("DEAD_LETTER", T0, item="o1")
    desk.take(desk.machine.acked(desk.one.id, by="me", at=T0 + MIN))
    desk.until(T0 + 24 * 60 * MIN)
    assert (desk.one.state, desk.one.acked_by, desk.titles) == (Standing.ACKED, "me", ["CRITICAL"])


def test_what_only_happened_is_over_once_seen_and_quiet() -> None:
    desk = Desk()
    desk.happened("EXPIRED_ENTRY", T0, item="o1")
    desk.until(T0 + 60 * MIN)
    assert desk.one.state is Standing.OPEN
    desk.take(desk.machine.acked(desk.one.id, by="me", at=T0 + 60 * MIN))
    desk.happened("EXPIRED_ENTRY", T0 + 65 * MIN, item="o2")
    desk.until(T0 + 75 * MIN - 1)
    assert (desk.one.state, desk.one.values["items"]) == (Standing.ACKED, ["o1", "o2"])
    desk.until(T0 + 75 * MIN)
    assert desk.one.state is Standing.CLEARED


def test_what_stopped_repeating_is_over_by_itself() -> None:
    desk = Desk()
    desk.happened("LEASE_HELD", T0)
    desk.happened("LEASE_HELD", T0 + 9 * MIN)
    desk.until(T0 + 19 * MIN)
    assert (desk.one.state, desk.one.cleared_at, desk.titles) == (Standing.CLEARED, T0 + 19 * MIN, ["WARNING", "over"])


def test_what_comes_back_within_minutes_is_the_same_incident_and_not_told_twice() -> None:
    desk = Desk()
    for start in (0, 60_000, 120_000):
        desk.began("EA_STALE", T0 + start)
        desk.until(T0 + start + 20_000)
        desk.ended("EA_STALE", T0 + start + 30_000)
    assert (desk.one.count, desk.titles) == (3, ["WARNING", "over"])
    desk.began("EA_STALE", T0 + 60 * MIN)
    desk.until(T0 + 61 * MIN)
    assert len(desk.rows) == 2


def test_a_critical_one_that_comes_back_is_told_every_time() -> None:
    desk = Desk()
    for start in (0, 120_000):
        desk.began("EA_STOPPED", T0 + start)
        desk.until(T0 + start + 60_000)
        desk.ended("EA_STOPPED", T0 + start + 90_000)
    assert (desk.one.count, desk.titles) == (2, ["CRITICAL", "over", "CRITICAL", "over"])


def test_a_false_alert_is_not_raised_again_before_its_condition_has_gone() -> None:
    desk = Desk()
    desk.began("EA_STOPPED", T0)
    desk.until(T0 + 60_000)
    desk.take(desk.machine.closed(desk.one.id, by="me", false=True, at=T0 + 90_000))
    desk.until(T0 + 300 * MIN)
    assert (desk.one.false, desk.one.cleared_by) == (True, "me")
    desk.ended("EA_STOPPED", T0 + 301 * MIN)
    desk.began("EA_STOPPED", T0 + 302 * MIN)
    desk.until(T0 + 303 * MIN)
    assert len(desk.rows) == 2


def test_maintenance_hides_an_outage_and_its_end_brings_it_back() -> None:
    desk = Desk()
    desk.began("EA_STOPPED", T0)
    desk.until(T0 + 60_000)
    desk.take(desk.machine.maintained("demo", on=True, until=T0 + 60 * MIN, at=T0 + 2 * MIN))
    assert (desk.one.state, desk.one.cleared_by) == (Standing.CLEARED, "maintenance")
    desk.until(T0 + 60 * MIN + 59_999)
    assert len(desk.rows) == 1
    desk.until(T0 + 61 * MIN)
    assert len(desk.rows) == 2
    desk.happened("RESULT_CONFLICT", T0 + 62 * MIN, subject="o1")
    assert len(desk.rows) == 3, "what is no outage is told all the same"


def test_orders_are_gathered_and_the_last_one_settles_it() -> None:
    desk = Desk()
    for order in ("a", "b"):
        desk.happened("DEAD_LETTER", T0, item=order)
    desk.take(desk.machine.settled("DEAD_LETTER", account="demo", item="a", at=T0 + 1))
    assert (desk.one.state, desk.one.values["items"]) == (Standing.OPEN, ["b"])
    desk.take(desk.machine.settled("DEAD_LETTER", account="demo", item="b", at=T0 + 2))
    assert desk.one.state is Standing.CLEARED


def test_a_restart_goes_on_where_it_was() -> None:
    desk = Desk()
    desk.began("EA_STOPPED", T0)
    desk.until(T0 + 60_000)
    desk.machine = desk.made()
    desk.began("EA_STOPPED", T0 + 2 * MIN)
    desk.until(T0 + 32 * MIN)
    assert desk.titles == ["CRITICAL", "CRITICAL, still open"]
    desk.ended("EA_STOPPED", T0 + 33 * MIN)
    assert desk.one.state is Standing.CLEARED


def test_who_acts_on_what_is_over_is_told_so() -> None:
    desk = Desk()
    with pytest.raises(Rejected, match="INCIDENT_OVER"):
        desk.machine.acked("i-none", by="me", at=T0)


def test_the_page_of_a_stopped_ea_names_what_is_open_what_was_in_flight_and_what_to_do() -> None:
    desk = Desk()
    desk.began("EA_STOPPED", T0)
    desk.until(T0 + 60_000)
    (page,) = desk.told
    assert page.title.startswith("[CRITICAL] demo: the EA has stopped")
    for wanted in (
        "Account: demo",
        "- EURUSD BUY 0.10",
        "In flight (outcome not known): none",
        "4. Do not repeat by hand",
    ):
        assert wanted in page.body
    assert "docs/en/runbook/EA_STOPPED.md" in page.body
    (ja,) = notices(desk.one, Telling.RAISED, T0, NoticeSettings(targets=("x",), lang="ja"))
    assert "保有ポジション" in ja.body


def test_what_is_not_severe_enough_is_listed_but_not_sent() -> None:
    desk = Desk()
    desk.happened("EA_ERROR", T0)
    assert (desk.one.severity, desk.told) == (Severity.INFO, [])


def test_every_kind_says_what_to_do_in_both_languages() -> None:
    for kind in KINDS.values():
        assert kind.text("en") != kind.code, "its text is a reason code's"
        assert kind.text("ja") != kind.text("en")
        assert len(kind.actions_en) == len(kind.actions_ja) > 0
