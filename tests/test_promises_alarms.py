"""Alarms: which stand, which are news, that each is told once and once more when it is over, and that silence is seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app import open_services
from core.database import Database
from core.heartbeats import Heartbeat, beat
from core.outbox import OutboxRow
from core.rendering import Renderer
from jobs.scheduler import standing_jobs
from promises.alarms import Alarm, AlarmKind, MissedRun, Standing, find_news, judge_alarms
from promises.alerting import Alarms, read_open_alarms
from promises.evidence import SweepEvidences
from promises.silence import WATCHED, Silence, find_silences
from promises.states import State, SweepEvidence
from tests.plan_rooms import CLAUSES, Gateway, Rooms, make_gateway, wire
from tests.web_installation import CONFIGURATION, write_installation

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def sweep(**found: Any) -> SweepEvidence:
    """What the last look found; nothing, if nothing is said."""
    nothing: dict[str, Any] = {
        "checked_at": NOW - HOUR, "due": 0, "broken": 0, "held": 0, "waits_for_approval": False, "trouble": (),
        "last_run_rows": 0, "last_run_at": None,
    }  # fmt: skip
    return SweepEvidence(**nothing | found)


def stand(state: State = State.KEPT, **known: Any) -> Standing:
    """What is known of the clause `logs`, whose work may take four days."""
    usual: dict[str, Any] = {"proof": "Words.", "checked_at": NOW - HOUR, "sweep": sweep(), "within": 4 * DAY}
    return Standing(clause="logs", state=state, **usual | known)


def kinds(standing: Standing) -> list[AlarmKind]:
    return [one.kind for one in judge_alarms([standing], [], NOW)]


@pytest.mark.parametrize(
    ("standing", "wanted"),
    [
        (stand(), []),
        (stand(State.DUE, sweep=sweep(due=3)), []),
        (stand(State.DUE, sweep=sweep(due=3, half=1)), [AlarmKind.HALF]),
        (stand(State.BROKEN, sweep=sweep(due=3, half=2, broken=1)), [AlarmKind.BROKEN, AlarmKind.HALF]),
        (stand(State.BROKEN, sweep=sweep(trouble=("No.",), unreached=("No.",))), [AlarmKind.UNREACHED]),
        (stand(State.BROKEN, sweep=sweep(trouble=("A gap.",))), [AlarmKind.BROKEN]),
        (stand(State.BROKEN, sweep=None, within=None), [AlarmKind.BROKEN]),
        (stand(State.BROKEN, sweep=None, within=None, checked_at=None), []),
        (stand(missed=MissedRun(due_at=NOW - DAY, more=2, began=NOW)), [AlarmKind.MISSED]),
        (stand(waits_since=NOW - 2 * DAY), []),
        (stand(waits_since=NOW - 2 * DAY - HOUR), [AlarmKind.WAITS]),
    ],
)
def test_what_stands_follows_from_what_is_known(standing: Standing, wanted: list[AlarmKind]) -> None:
    """Half used up, broken by evidence, a store that cannot be read, a missed run, an approval that waits for more than
    half of `within`: an alarm each. What nobody ever looked at is red on the board, and no alarm."""
    assert kinds(standing) == wanted


def alarm(kind: AlarmKind, about: str = "logs") -> Alarm:
    return Alarm(kind=kind, about=about, says="Words.", since=NOW)


def test_news_is_what_was_not_open_and_what_stands_no_longer() -> None:
    """Broken swallows half used up; while a store cannot be read, nobody knows that what was broken is over."""
    half, broken, unread = (alarm(one) for one in (AlarmKind.HALF, AlarmKind.BROKEN, AlarmKind.UNREACHED))
    assert find_news([], [broken, half]).raised == (broken,)
    assert find_news([half], [broken, half]).over == ()
    assert find_news([broken], [half]).raised == (half,)
    assert find_news([broken, half], [unread]).over == ()
    assert find_news([broken], [alarm(AlarmKind.UNREACHED, "other")]).over == (broken.key,)
    assert find_news([broken], [broken]) == find_news([], [])


def heard(job: str, ran: timedelta, good: timedelta | None = None, note: str = "") -> Heartbeat:
    return Heartbeat(job=job, ran_at=NOW - ran, good_at=NOW - (good or ran), note=note)


def test_silence_is_a_job_that_does_not_run_or_only_fails() -> None:
    """Ten minutes, or three rounds, without a sign; all of them: the scheduler. A sweep that works holds its lease, and a
    process that has just begun to lead does not blame its jobs for the time before."""
    assert find_silences([], NOW) == ()
    alive = heard("outbox", MINUTE)
    assert find_silences([alive, heard("sweeps", 9 * MINUTE)], NOW) == ()
    assert find_silences([alive, heard("promises", 14 * MINUTE)], NOW) == ()
    old = heard("sweeps", HOUR)
    (silent,) = find_silences([alive, old], NOW)
    assert silent == Silence(job="sweeps", since=NOW - HOUR, fails=False)
    assert find_silences([alive, old], NOW, busy={"sweeps"}) == ()
    assert find_silences([alive, old], NOW, awake_since=NOW - MINUTE) == ()
    assert len(find_silences([alive, old], NOW, awake_since=NOW - 11 * MINUTE)) == 1
    (dead,) = find_silences([heard("outbox", HOUR), heard("sweeps", 2 * HOUR)], NOW)
    assert dead == Silence(job="scheduler", since=NOW - HOUR, fails=False)
    (fails,) = find_silences([heard("outbox", MINUTE, good=HOUR, note="Unreachable: no")], NOW)
    assert (fails.fails, "no" in fails.words(NOW).split()) == (True, False)


@dataclass(kw_only=True)
class House:
    """A gateway with its rooms, and the alarms over them."""

    rooms: Rooms
    gateway: Gateway
    evidences: SweepEvidences
    alarms: Alarms

    def look(self) -> None:
        """What the scheduler does: look at the stores, then judge."""
        self.evidences.refresh()
        self.alarms.check()

    def mails(self) -> list[tuple[str, list[str]]]:
        """Every mail that was queued: its event and the titles in it."""
        with self.rooms.database.read() as session:
            rows = session.execute(sa.select(OutboxRow).where(OutboxRow.kind == "mail").order_by(OutboxRow.created_at))
            return [
                (row.payload["event"], [one["title"] for one in row.payload["vars"]["alarms"]])
                for row in rows.scalars()
            ]

    def standing(self) -> list[str]:
        with self.rooms.database.read() as session:
            return [one.alarm.key for one in read_open_alarms(session)]


def build(database: Database, root: Path, *addresses: str) -> House:
    gateway = make_gateway(root / "host")
    rooms = wire(database, gateway)
    rooms.publish(CLAUSES[0].replace("then:", "within: P4D, then:"))
    evidences = SweepEvidences(database, rooms.clock, rooms.sweeps)
    alarms = Alarms(
        database,
        rooms.clock,
        policies=rooms.policies,
        sweeps=rooms.sweeps,
        evidences=evidences,
        others=list,
        addresses=addresses,
        link="http://127.0.0.1/console/promises",
    )
    return House(rooms=rooms, gateway=gateway, evidences=evidences, alarms=alarms)


def test_an_alarm_is_told_once_and_once_more_when_it_is_over(database: Database, tmp_path: Path) -> None:
    """Half of `within`, then broken, then swept: three occurrences, a mail each as it begins, one when both are over; the
    same again a week later is a new one."""
    house = build(database, tmp_path, "lead@mail.test")
    house.look()
    assert house.mails() == []
    house.rooms.clock.advance(2 * DAY + HOUR)
    for _ in range(3):
        house.look()
    assert house.mails() == [("alarm_raised", ["request-logs: half of its time is used up"])]
    house.rooms.clock.advance(2 * DAY)
    house.look()
    house.look()
    assert house.mails()[1:] == [("alarm_raised", ["request-logs is broken"])]
    assert house.standing() == ["half_used:request-logs", "broken:request-logs"]
    house.rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    house.rooms.clock.advance(MINUTE)
    house.look()
    ends = ["request-logs: back inside half of its time", "request-logs is no longer broken"]
    assert house.mails()[2:] == [("alarm_over", ends)]
    assert house.standing() == []
    house.rooms.clock.advance(7 * DAY)
    house.look()
    assert house.mails()[3:] == [("alarm_raised", ["request-logs is broken"])]


def test_a_store_that_is_away_is_an_alarm_and_ends_no_other(database: Database, tmp_path: Path) -> None:
    """Without addresses alarms stand all the same, and are told once somebody is named."""
    house = build(database, tmp_path)
    house.rooms.clock.advance(5 * DAY)
    house.look()
    house.gateway.run("ALTER TABLE request_log RENAME TO elsewhere")
    house.rooms.clock.advance(MINUTE)
    house.look()
    assert house.standing() == ["broken:request-logs", "unreached:request-logs"]
    assert house.mails() == []
    house.alarms._addresses = ("lead@mail.test",)
    house.look()
    assert house.mails() == [
        ("alarm_raised", ["request-logs is broken", "request-logs: a store could not be read"]),
    ]
    house.gateway.run("ALTER TABLE elsewhere RENAME TO request_log")
    house.look()
    assert house.standing() == ["broken:request-logs"]


def test_a_missed_run_and_a_long_wait_for_approval_are_alarms(database: Database, tmp_path: Path) -> None:
    """The run that came days late is told until one comes on time; waiting is counted over all the runs that took each
    other's place."""
    house = build(database, tmp_path, "lead@mail.test")
    clock, sweeps = house.rooms.clock, house.rooms.sweeps
    sweeps.run_due(clock.now())
    house.look()
    assert house.standing() == []
    for _ in range(2):
        clock.advance(DAY)
        sweeps.run_due(clock.now())
    house.look()
    assert "waits:request-logs" not in house.standing()
    clock.advance(2 * HOUR)
    sweeps.run("request-logs")
    house.look()
    assert "waits:request-logs" in house.standing()
    clock.advance(3 * DAY)
    house.look()
    assert "run_missed:request-logs" in house.standing()
    sweeps.run_due(clock.now())
    house.look()
    assert "run_missed:request-logs" in house.standing()
    clock.instant = sweeps.state("request-logs").next_due
    sweeps.run_due(clock.now())
    house.look()
    assert "run_missed:request-logs" not in house.standing()


def test_the_jobs_that_are_watched_are_the_schedulers(tmp_path: Path) -> None:
    """A job that is renamed or slowed down would be watched in vain; and a command says that the scheduler is dead."""
    root = tmp_path / "kept"
    write_installation(root, CONFIGURATION)
    with open_services(root / "kept.yaml") as kept:
        every = {job.name: timedelta(seconds=job.every) for job in standing_jobs(kept)}
        with kept.database.begin() as session:
            beat(session, "sweeps", kept.clock.now() - HOUR)
        board = kept.board()
        kept.alarms.check()
    assert {name: every.get(name) for name in WATCHED} == dict(WATCHED)
    assert [one.job for one in board.silences] == ["scheduler"]
    assert board.as_json()["silent"][0]["says"].startswith("The scheduler has not run for 1\u202fh")


@pytest.mark.parametrize("event", ["alarm_raised", "alarm_over"])
def test_the_mail_of_an_alarm_says_what_and_where_to_look(event: str) -> None:
    """One alarm is the subject itself; several are counted, and each stands in the mail."""
    one = {"title": "request-logs is broken", "says": "3 records are over.", "to_do": "Look."}
    many = [one, one | {"title": "billing is broken"}]
    for alarms in ([one], many):
        variables = {
            "controller": {"name": "ccr", "email": "p@ccr.example"},
            "alarms": alarms,
            "link": "https://ccr.example/b",
        }
        subject, text = (
            Renderer(base_url="").text(f"email/{event}/{part}.txt", **variables) for part in ("subject", "body")
        )
        assert ("request-logs is broken" if len(alarms) == 1 else "2 alarms") in subject
        assert all(each["title"] in text and each["says"] in text for each in alarms)
        assert "https://ccr.example/b" in text
