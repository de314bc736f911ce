"""The control database: transactions, leases, outbox, one-time tokens, operators, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from core.clock import Clock
from core.database import Database
from core.errors import BadInput, ConfigurationError, Conflict, NotFound, Unreachable
from core.heartbeats import beat, heartbeats
from core.leases import Leases
from core.one_time import OneTimeToken, issue_token, look_up_token, spend_token
from core.operators import (
    GRANTS,
    OperatorRow,
    Permission,
    Role,
    add_operator,
    check_password,
    create_token,
    find_token,
    load_operator,
    set_password,
)
from core.outbox import Dispatcher, Event, OutboxRow, post

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class HandClock:
    """A clock that a test moves by hand."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> HandClock:
    """Half past nine, until a test says otherwise."""
    return HandClock()


def test_an_error_rolls_the_whole_use_case_back(database: Database) -> None:
    """A service's transaction is all or nothing."""

    def write_and_stop() -> None:
        with database.begin() as session:
            beat(session, "job", NOW)
            session.flush()
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        write_and_stop()
    with database.read() as session:
        assert heartbeats(session) == []


def test_instants_come_back_aware_and_in_utc(database: Database) -> None:
    """What is stored as an instant is read as the same instant, whatever the database."""
    with database.begin() as session:
        beat(session, "job", NOW.astimezone(datetime.now().astimezone().tzinfo))
    with database.read() as session:
        found = heartbeats(session)[0].ran_at
    assert found == NOW
    assert found.utcoffset() == timedelta(0)


def test_a_naive_instant_is_refused_at_the_door(database: Database) -> None:
    """Nobody can store a time without a zone."""
    naive = OneTimeToken(hash="0" * 64, purpose="test", subject="tkt_1", expires_at=datetime(2026, 1, 1))
    with pytest.raises((BadInput, sa.exc.StatementError)), database.begin() as session:
        session.add(naive)


def test_a_database_that_is_down_is_said_to_be_unreachable() -> None:
    """Exit status 3, with the address and without the password."""
    with pytest.raises(Unreachable) as caught:
        Database("postgresql+psycopg://kept:hunter2@127.0.0.1:1/kept").ping()
    assert "hunter2" not in str(caught.value)


def test_an_unknown_kind_of_database_is_refused() -> None:
    """SQLite and PostgreSQL, nothing that merely looks like them."""
    with pytest.raises(ConfigurationError):
        Database("mysql+pymysql://localhost/kept")


def test_a_lease_has_one_holder_until_it_ends(database: Database, clock: HandClock) -> None:
    """A second holder gets nothing while the first one's time runs, and everything after it."""
    leases = Leases(database, clock)
    first = leases.take("sweep", holder="a", lasts=timedelta(minutes=1))
    assert first is not None
    assert leases.take("sweep", holder="b", lasts=timedelta(minutes=1)) is None
    clock.at += timedelta(minutes=2)
    second = leases.take("sweep", holder="b", lasts=timedelta(minutes=1))
    assert second is not None
    assert second.token > first.token
    with pytest.raises(Conflict), database.begin() as session:
        leases.require(session, first)


def test_a_released_lease_is_free_at_once(database: Database, clock: HandClock) -> None:
    """held() gives the name back at the end of its block, and names the holder to those who wait."""
    leases = Leases(database, clock)
    with (
        leases.held("x", holder="a", lasts=timedelta(minutes=1)),
        pytest.raises(Conflict, match="by a"),
        leases.held("x", holder="b", lasts=timedelta(minutes=1)),
    ):
        pass
    assert leases.take("x", holder="b", lasts=timedelta(minutes=1)) is not None


def test_of_many_takers_at_once_one_wins(database: Database, clock: HandClock) -> None:
    """Ten threads, one lease."""
    leases = Leases(database, clock)
    won: list[str] = []

    def take(name: str) -> None:
        if leases.take("one", holder=name, lasts=timedelta(minutes=1)):
            won.append(name)

    threads = [threading.Thread(target=take, args=(f"t{n}",)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_an_outbox_event_is_handed_on_once_and_then_emptied(database: Database, clock: HandClock) -> None:
    """Personal data leaves the outbox when the event is done."""
    seen: list[Event] = []
    with database.begin() as session:
        event_id = post(session, "mail", {"to": "a@example.com"}, now=clock.now())
    dispatcher = Dispatcher(database, clock, {"mail": seen.append})
    assert dispatcher.dispatch() == 1
    assert dispatcher.dispatch() == 0
    assert [one.id for one in seen] == [event_id]
    with database.read() as session:
        assert session.get_one(OutboxRow, event_id).payload == {}


def test_a_failing_event_is_kept_and_tried_again_later(database: Database, clock: HandClock) -> None:
    """Nothing is lost: the trouble is written down, the next try comes after a while."""
    answers = [Unreachable("no server"), None]

    def handle(event: Event) -> None:
        answer = answers.pop(0)
        if answer:
            raise answer

    with database.begin() as session:
        event_id = post(session, "mail", {"to": "a@example.com"}, now=clock.now())
    dispatcher = Dispatcher(database, clock, {"mail": handle})
    assert dispatcher.dispatch() == 0
    with database.read() as session:
        assert "no server" in session.get_one(OutboxRow, event_id).trouble
    assert dispatcher.dispatch() == 0
    clock.at += timedelta(hours=7)
    assert dispatcher.dispatch() == 1
    assert dispatcher.waiting() == 0


def test_a_token_is_stored_hashed_spent_once_and_ends(database: Database, clock: HandClock) -> None:
    """Looking changes nothing; spending works once; time ends it; another purpose does not open it."""
    with database.begin() as session:
        token = issue_token(session, purpose="confirm", subject="tkt_1", now=clock.now(), lasts=timedelta(hours=1))
        late = issue_token(session, purpose="confirm", subject="tkt_2", now=clock.now(), lasts=timedelta(hours=1))
    with database.begin() as session:
        assert token not in {row.hash for row in session.execute(sa.select(OneTimeToken)).scalars()}
        assert look_up_token(session, token, purpose="confirm", now=clock.now()) == "tkt_1"
        with pytest.raises(NotFound):
            look_up_token(session, token, purpose="other", now=clock.now())
        assert spend_token(session, token, purpose="confirm", now=clock.now()) == "tkt_1"
        with pytest.raises(NotFound):
            spend_token(session, token, purpose="confirm", now=clock.now())
        with pytest.raises(NotFound):
            spend_token(session, late, purpose="confirm", now=clock.now() + timedelta(hours=2))


def add(database: Database, clock: Clock, role: Role = Role.AGENT) -> str:
    """An operator with a password."""
    with database.begin() as session:
        made = add_operator(session, email="ines@example.com", name="Ines", role=role, now=clock.now())
        set_password(session, made.id, "correct horse battery")
    return made.id


def test_a_password_opens_only_its_own_account(database: Database, clock: HandClock) -> None:
    """Right address and right password together; argon2id on disk."""
    operator_id = add(database, clock)
    with database.read() as session:
        found = check_password(session, "ines@example.com", "correct horse battery")
        assert found is not None
        assert found.id == operator_id
        assert check_password(session, "ines@example.com", "wrong") is None
        assert check_password(session, "nobody@example.com", "correct horse battery") is None
        assert str(session.get_one(OperatorRow, operator_id).password_hash).startswith("$argon2id$")


def test_a_new_password_ends_old_sessions(database: Database, clock: HandClock) -> None:
    """The epoch in the session no longer fits after a reset."""
    operator_id = add(database, clock)
    with database.begin() as session:
        before = load_operator(session, operator_id)
        set_password(session, operator_id, "another good sentence")
        after = load_operator(session, operator_id)
    assert before is not None
    assert after is not None
    assert after.session_epoch > before.session_epoch


def test_a_short_password_and_a_second_account_are_refused(database: Database, clock: HandClock) -> None:
    """With the remedy in the message."""
    operator_id = add(database, clock)
    with pytest.raises(BadInput, match="at least 12"), database.begin() as session:
        set_password(session, operator_id, "short")
    with pytest.raises(Conflict, match="kept user reset"):
        add(database, clock)


def test_an_agent_may_work_on_requests_and_not_approve_sweeps() -> None:
    """Roles are decided in one place; an administrator may do all of it."""
    assert Permission.WORK_REQUESTS in GRANTS[Role.AGENT]
    assert Permission.APPROVE_SWEEPS not in GRANTS[Role.AGENT]
    assert GRANTS[Role.ADMINISTRATOR] == frozenset(Permission)


def test_a_machine_has_only_the_scopes_of_its_token(database: Database, clock: HandClock) -> None:
    """A token nobody issued has none."""
    with database.begin() as session:
        token = create_token(session, name="board", scopes=frozenset({"promises:read"}), now=clock.now())
    with database.read() as session:
        found = find_token(session, token)
        assert found is not None
        assert found.scopes == {"promises:read"}
        assert find_token(session, token + "x") is None
