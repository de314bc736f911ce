"""Other ways in: hand-offs, requests of programs, closed accounts, requests that need no operator, post, and bad input of each."""

from __future__ import annotations

import base64
import json
import sqlite3
import time as clock_time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import freezegun
import jwt
import pytest
import sqlalchemy as sa
from freezegun.api import FrozenDateTimeFactory, StepTickTimeFactory, TickingDateTimeFactory

from core.clock import SystemClock
from core.database import Database
from core.errors import BadInput, ConfigurationError, Conflict, NotFound, Unreachable
from core.personal import Personal
from core.public_keys import read_public_keys
from core.settings_file import load_settings
from core.settings_handoff import HandoffSettings
from dsr.arrivals import NewRequest
from dsr.closed_accounts import ENDED_AS
from dsr.closed_events import AccountClosed, Closed
from dsr.handoff import HandoffRefused, KeyRing
from dsr.intake import FormRefused
from dsr.self_service import Served
from dsr.states import State
from dsr.tables import TicketRow
from dsr.ways_in_tables import ClosedAccountRow
from examples.gateway.build import write_configuration
from tests.dsr_house import ANNA, BRUNO, NOON, OPERATOR, House, build_house
from tests.handoff_keys import CURVE_KEY, KEY, NEW_KEY, claims, jwk, signed, with_handoff

Frozen = FrozenDateTimeFactory | TickingDateTimeFactory
DAY = timedelta(days=1)
PROGRAM = "tok_shop"
GATEWAY = Path(__file__).parent.parent / "examples" / "gateway"


@pytest.fixture
def time() -> Iterator[Frozen]:
    """A day in June; time runs on from there."""
    with freezegun.freeze_time(NOON, tick=True) as frozen:
        assert not isinstance(frozen, StepTickTimeFactory)
        yield frozen


def served_policy() -> str:
    """The example's policy with a copy and a deletion that need no operator."""
    text = (GATEWAY / "policy.md").read_text()
    for right in ("access", "deletion"):
        line = f"{{id: {right}, kind: right, right: {right}, within: P30D}}"
        assert line in text
        text = text.replace(line, line.replace("}", ", self_service: true}"))
    return text


@pytest.fixture
def house(database: Database, tmp_path: Path, time: Frozen) -> House:
    """A house that takes people whom the application hands over."""
    root = tmp_path / "house"
    configuration = with_handoff((GATEWAY / "kept.yaml").read_text(), root)
    return build_house(database, root, policy=served_policy(), configuration=configuration)


def token(sub: str = "u_anna", email: str = ANNA, **changes: Any) -> str:
    return signed(claims(sub, email, **changes))


def handed(house: House, *rights: str, sub: str = "u_anna", email: str = ANNA) -> list[tuple[str, str]]:
    """References and grants of what somebody asked for after a hand-off."""
    taken = house.requests.handoffs.begin(token(sub, email))
    return house.requests.arrivals.submit(taken.token, rights=rights, country="DE", language="en")


def ticket_of(house: House, ref: str) -> TicketRow:
    with house.database.read() as session:
        return session.execute(sa.select(TicketRow).where(TicketRow.ref == ref)).scalar_one()


# -- hand-offs


def test_somebody_who_is_handed_over_has_shown_who_they_are_without_a_mail(house: House) -> None:
    """The request counts as proven at once, by address and account id; no link and no code went out, one letter has several
    tickets, and the browser may open their pages."""
    opened = handed(house, "correction", "portability")
    assert [mail.subject for mail in house.mails_to(ANNA) if "Did you ask" in mail.subject] == []
    assert len(house.mails_to(ANNA)) == 2
    for ref, grant in opened:
        assert house.requests.page(ref, grant).ref == ref
        view = house.requests.view(ref)
        assert (view.line.identity_shown, view.line.channel, view.proof.missing) == (True, "handoff", "")
    first, second = (ticket_of(house, ref) for ref, _ in opened)
    assert first.conversation_id == second.conversation_id
    assert house.requests.self_service.read(opened[0][0]) is None


def test_an_account_is_found_by_its_id_although_the_address_stands_nowhere(house: House) -> None:
    """The application vouches for both; what is held under the id is found although its address is another one there."""
    ((ref, _),) = handed(house, "portability", email="anna.new@post.example")
    house.requests.make_plan(ref, by=OPERATOR)
    plan = house.requests.view(ref).plan
    assert plan is not None
    assert plan.total > 0


def spoiled(how: str) -> str:
    said = claims("u_anna", ANNA)
    now = datetime.now(UTC)
    later, ago = int((now + timedelta(minutes=3)).timestamp()), int((now - timedelta(minutes=20)).timestamp())
    made: dict[str, Callable[[], str]] = {
        "future": lambda: signed(said | {"iat": later, "exp": later + 60}),
        "not_yet": lambda: signed(said | {"nbf": later}),
        "expired": lambda: signed(said | {"iat": ago, "exp": ago + 60}),
        "old_and_long": lambda: signed(said | {"iat": ago}),
        "lives_too_long": lambda: signed(said | {"exp": said["iat"] + 3_600}),
        "audience": lambda: signed(said | {"aud": "https://elsewhere.example"}),
        "issuer": lambda: signed(said | {"iss": "https://evil.example"}),
        "another_key": lambda: signed(said, key=NEW_KEY),
        "another_kind": lambda: signed(said, key=CURVE_KEY),
        "alg_none": lambda: jwt.encode(said, "", algorithm="none"),
        "alg_hmac": lambda: hmac_signed(said),
        "no_jti": lambda: signed({name: value for name, value in said.items() if name != "jti"}),
        "short_jti": lambda: signed(said | {"jti": "1"}),
        "times_as_words": lambda: signed(said | {"nbf": "soon"}),
        "endless": lambda: signed(said | {"exp": 10**18}),
        "no_address": lambda: signed({name: value for name, value in said.items() if name != "email"}),
        "unconfirmed": lambda: signed(said | {"email_verified": False}),
        "list_as_id": lambda: signed(said | {"sub": "x" * 300}),
        "large": lambda: signed(said | {"more": "x" * 1_000_000}),
        "empty": lambda: "",
        "no_token": lambda: "a.b.c",
        "no_json": lambda: f"{base64.urlsafe_b64encode(b'[1]').decode().rstrip('=')}.e30.",
    }
    return made[how]()


def hmac_signed(said: dict[str, Any]) -> str:
    """Signed with the public key as if it were a shared secret: the old trick."""
    from tests.handoff_keys import public_pem

    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()).decode().rstrip("=")
    body = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    import hashlib
    import hmac

    mac = hmac.new(public_pem(KEY), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


HOW = (
    "future", "not_yet", "expired", "old_and_long", "lives_too_long", "audience", "issuer", "another_key", "another_kind",
    "alg_none", "alg_hmac", "no_jti", "short_jti", "times_as_words", "endless", "no_address", "unconfirmed", "list_as_id",
    "large", "empty", "no_token", "no_json",
)  # fmt: skip


def test_a_token_that_is_not_exactly_right_is_refused_with_what_to_do(house: House) -> None:
    """Forged, stale, early, for others, too long-lived, too large: each is refused in words, and nothing is kept of it."""
    for how in HOW:
        with pytest.raises(HandoffRefused) as refused:
            house.requests.handoffs.begin(spoiled(how))
        assert refused.value.remedy, how
        assert refused.value.status == 400
    with house.database.read() as session:
        assert session.execute(sa.text("SELECT count(*) FROM handoffs")).scalar_one() == 0
        assert session.execute(sa.text("SELECT count(*) FROM tickets")).scalar_one() == 0


def test_a_token_is_good_once_and_its_minutes_end(house: House, time: Frozen) -> None:
    """Replayed, it is refused, also after its form was sent; who does not send the form in time starts again."""
    said = token()
    taken = house.requests.handoffs.begin(said)
    with pytest.raises(HandoffRefused, match="used before"):
        house.requests.handoffs.begin(said)
    time.tick(timedelta(minutes=16))
    with pytest.raises(NotFound, match="minutes"):
        house.requests.arrivals.submit(taken.token, rights=["access"], language="en")
    house.requests.tidy()
    with house.database.read() as session:
        assert session.execute(sa.text("SELECT count(*) FROM handoffs")).scalar_one() == 0
    again = house.requests.handoffs.begin(token())
    with pytest.raises(FormRefused):
        house.requests.arrivals.submit(again.token, rights=[], language="en")
    assert house.requests.arrivals.submit(again.token, rights=["correction"], language="en")
    with pytest.raises(NotFound):
        house.requests.arrivals.submit(again.token, rights=["correction"], language="en")


def test_keys_turn_over_and_unknown_names_ask_for_them_seldom(time: Frozen) -> None:
    """Two keys at once are good; a name that is new fetches the set, once a minute at most; an address that is down leaves
    what was known good, and without any it is said that the keys did not come."""
    asked: list[str] = []
    served = {"keys": [jwk(KEY, "old")]}

    def fetch(address: str) -> str:
        asked.append(address)
        if not served["keys"]:
            raise Unreachable("It is down.")
        return json.dumps(served)

    settings = HandoffSettings(issuer="i", audience="a", addresses=("https://shop.example/keys",))
    ring = KeyRing(settings, SystemClock(), fetch)
    assert [one.kid for one in ring.find("old")] == ["old"]
    served["keys"] = [jwk(KEY, "old"), jwk(CURVE_KEY, "new")]
    assert ring.find("new") == ()  # asked a moment ago
    time.tick(timedelta(minutes=2))
    assert [one.algorithm for one in ring.find("new")] == ["ES256"]
    for name in range(50):
        assert ring.find(f"made-up-{name}") == ()
    assert len(asked) == 2
    served["keys"] = []
    time.tick(timedelta(hours=2))
    assert [one.kid for one in ring.find("old")] == ["old"]
    with pytest.raises(Unreachable):
        KeyRing(settings, SystemClock(), fetch).find("old")


def test_a_set_of_keys_leaves_out_what_cannot_sign_and_refuses_what_is_secret() -> None:
    """Shared secrets and private halves are never taken; a set may hold keys for other uses beside ours."""
    mixed = {"keys": [{"kty": "oct", "k": "c2VjcmV0"}, jwk(KEY, "ours") | {"use": "enc"}, jwk(NEW_KEY, "new")]}
    assert [one.kid for one in read_public_keys(json.dumps(mixed), lenient=True)] == ["new"]
    for text in (json.dumps(mixed), json.dumps(jwk(KEY, "x") | {"d": "AA"}), "{", "[]", '{"keys": []}'):
        with pytest.raises(BadInput):
            read_public_keys(text)


def test_what_is_wrong_with_the_section_is_named_with_its_lines(tmp_path: Path) -> None:
    """An unknown kind, a shared secret, http, an hour of life: all at once, each with line and remedy."""
    root = tmp_path / "kept"
    write_configuration(root)
    (root / "var").mkdir()
    (root / "var" / "secret.key").write_text("0" * 64)
    (root / "secret.txt").write_text("a shared secret")
    lines = (
        "handoff:\n  issuer: https://shop.example\n  keys: [file:secret.txt, http://shop.example/keys]\n"
        "  max_age: 2h\n  identifiers: {customer: sub}\n"
    )
    path = root / "kept.yaml"
    whole = path.read_text()
    path.write_text(f"{whole}\n{lines}")
    with pytest.raises(ConfigurationError) as refused:
        load_settings(path)
    said, first = str(refused.value), whole.count("\n") + 2
    for line, words in (
        (first + 2, "handoff.keys.0"),
        (first + 2, "https alone"),
        (first + 3, "at most 15m"),
        (first + 4, "no collection identifies people by it"),
        (first + 4, "no 'email'"),
    ):
        assert any(f":{line}:" in one and words in one for one in said.splitlines()), (line, words, said)


# -- requests that need no operator


def test_a_copy_of_who_was_handed_over_is_made_without_an_operator(house: House) -> None:
    """The clause says so, all is clean: plan, check and approval are the clause's, in the timeline and in the ledger, and the
    copy is there within the same round of the jobs."""
    ((ref, grant),) = handed(house, "access")
    house.work()
    view = house.requests.view(ref)
    assert (view.state, view.package is not None) == (State.ANSWERED, True)
    said = [one.words for one in house.requests.page(ref, grant).steps]
    assert "What was found was checked by fixed rules. Nobody had to decide." in said
    assert not any("A person" in one for one in said)
    mail = " ".join(house.latest_mail(ANNA, "We have your request").text.split())
    assert "ask a person where they do not decide" in mail
    assert "a person checks" not in mail
    assert view.plan is not None
    assert view.plan.approved_by == "clause:access"
    assert {one.by for one in view.timeline if one.after in (State.PLANNED, State.APPROVED)} == {"clause:access"}
    assert {one.actor for one in view.evidence if one.kind == "request.approved"} == {"clause:access"}
    house.ledger.settle()
    assert house.ledger.verify().ok


def test_a_deletion_waits_for_its_day_and_then_goes_by_itself(house: House, time: Frozen) -> None:
    """Nothing goes before the cool-off; the mail names the day and holds a link that stops it; then it goes and is read back."""
    ((ref, _),) = handed(house, "deletion")
    house.work()
    view, service = house.requests.view(ref), house.requests.self_service.read(ref)
    assert service is not None
    assert (view.state, service.state, service.runs_on) == (State.PLANNED, Served.COOLING, "Thursday, 18 June 2026")
    assert "18 June 2026" in house.latest_mail(ANNA, "Your data goes").text
    assert house.count("users", "id = 'u_anna'") == 1
    time.tick(6 * DAY)
    house.work()
    assert house.count("users", "id = 'u_anna'") == 1
    time.tick(DAY + timedelta(hours=1))
    house.work()
    assert house.requests.view(ref).state is State.ANSWERED
    assert (house.count("users", "id = 'u_anna'"), house.count("users", "id = 'u_bruno'")) == (0, 1)


def stop_token(house: House) -> str:
    return house.latest_mail(ANNA, "Your data goes").text.split("/requests/keep/")[1].split()[0].split("?")[0]


def test_the_link_stops_a_deletion_until_it_begins(house: House, time: Frozen) -> None:
    """Looking changes nothing, the button withdraws the request, the day passes and nothing goes."""
    ((ref, _),) = handed(house, "deletion")
    house.work()
    link = stop_token(house)
    assert house.requests.self_service.look_at_stop(link).ref == ref
    assert house.requests.view(ref).state is State.PLANNED
    house.requests.self_service.stop(link)
    with pytest.raises(NotFound):
        house.requests.self_service.stop(link)
    time.tick(10 * DAY)
    house.work()
    assert house.requests.view(ref).state is State.WITHDRAWN
    assert house.count("users", "id = 'u_anna'") == 1


def test_what_is_not_clean_waits_for_an_operator_and_says_so(house: House) -> None:
    """Nobody found, or a legal hold: an operator gets it with the reason on the ticket, and nothing is approved."""
    house.plans.holds.add(reason="A dispute", by=OPERATOR, person={"user_id": ["u_bruno"]})
    cases = (
        (handed(house, "access", sub="u_nobody", email="nobody.here@post.example"), "Nothing was found."),
        (handed(house, "deletion", sub="u_bruno", email=BRUNO), "A legal hold keeps some of it."),
    )
    house.work()
    for ((ref, _),), why in cases:
        view, service = house.requests.view(ref), house.requests.self_service.read(ref)
        assert service is not None
        assert (service.state, why in service.why) == (Served.OPERATOR, True), service.why
        assert view.state is State.PLANNED
        assert view.timeline[-1].kind == "needs_operator"


def test_a_clause_serves_nobody_whom_the_application_did_not_hand_over(house: House) -> None:
    """A link in a mail proves an address; it opens no way past the operators."""
    ref = house.confirmed(ANNA, "access")
    house.work()
    assert house.requests.view(ref).state is State.RECEIVED
    assert house.requests.self_service.read(ref) is None


# -- requests of programs


def test_a_program_opens_a_request_by_address_and_its_person_proves_it(house: House) -> None:
    """The word of a program is no proof: the address gets its link, and the clock runs from when it came in."""
    received = datetime(2026, 6, 11, 10, 6, tzinfo=UTC) + timedelta(minutes=1)
    with pytest.raises(FormRefused) as refused:
        house.requests.arrivals.open(NewRequest(right="access", email=ANNA, received_at=received + DAY), by=PROGRAM)
    assert set(refused.value.problems) == {"received_at"}
    ref, is_new = house.requests.arrivals.open(NewRequest(right="access", email=ANNA, details="All of it"), by=PROGRAM)
    assert is_new
    assert house.requests.arrivals.follow(ref).identity_shown is False
    assert house.requests.confirm(house.link_token(ANNA)) == ref
    followed = house.requests.arrivals.follow(ref)
    assert (followed.identity_shown, followed.channel) == (True, "api")
    assert [one.by for one in followed.history] == ["application", "person"]
    assert ANNA not in str(followed)


def test_of_an_id_alone_the_address_on_file_gets_the_link(house: House) -> None:
    """The application names an account: known, and not proven. The link goes to the address that the stores have."""
    ref, _ = house.requests.arrivals.open(NewRequest(right="deletion", subject=Personal("u_anna")), by=PROGRAM)
    house.work()
    assert house.requests.confirm(house.link_token(ANNA)) == ref
    lost, _ = house.requests.arrivals.open(NewRequest(right="deletion", subject=Personal("u_lost")), by=PROGRAM)
    house.work()
    view = house.requests.view(lost)
    assert (view.timeline[-1].kind, view.line.identity_shown) == ("no_contact", False)


def test_every_field_that_is_wrong_is_named_and_nothing_is_opened(house: House) -> None:
    """One answer for all of it; what a hand-off says goes before what the program says."""
    wrong = NewRequest(right="everything", email="no address", country="Germany", language="tlh", details="x" * 10_001)
    with pytest.raises(FormRefused) as refused:
        house.requests.arrivals.open(wrong, by=PROGRAM)
    assert set(refused.value.problems) == {"right", "email", "country", "language", "details"}
    both = NewRequest(right="access", handoff=token(), subject=Personal("u_bruno"), email=BRUNO)
    with pytest.raises(FormRefused) as refused:
        house.requests.arrivals.open(both, by=PROGRAM)
    assert set(refused.value.problems) == {"subject", "email"}
    with pytest.raises(FormRefused):
        house.requests.arrivals.open(NewRequest(right="access"), by=PROGRAM)
    assert house.requests.arrivals.list_page() == ([], "")


def test_a_list_is_read_page_by_page_and_nobody_is_left_out(house: House, time: Frozen) -> None:
    """In the order they came in; a cursor leads on, also when others come meanwhile; a cursor of somebody's own is refused."""
    refs = []
    for number in range(5):
        new = NewRequest(right="correction", email=f"p{number}@post.example")
        refs.append(house.requests.arrivals.open(new, by=PROGRAM)[0])
        time.tick(timedelta(minutes=1))
    seen, cursor = list[str](), ""
    while True:
        page, cursor = house.requests.arrivals.list_page(after=cursor, limit=2, state=State.RECEIVED)
        seen += [one.ref for one in page]
        if not cursor:
            break
    assert seen == refs
    with pytest.raises(BadInput, match="cursor"):
        house.requests.arrivals.list_page(after="DROP TABLE")


# -- closed accounts


def closing_of(number: int, at: datetime, count: int = 1) -> list[AccountClosed]:
    return [AccountClosed(subject=Personal(f"u_{n}"), closed_at=at) for n in range(number, number + count)]


def states(house: House) -> dict[str, int]:
    return {one.value: number for one, number in house.requests.closed_accounts.counts().items() if number}


def test_a_closed_account_is_a_silent_ticket_that_its_sweep_settles(house: House, time: Frozen) -> None:
    """Due by the clause, in no list of what is to be done, no mail to anybody; once the account is gone the ticket says so, in
    the ledger too; one that is not gone in time is an operator's."""
    at = SystemClock().now() - timedelta(hours=1)
    accounts = house.requests.closed_accounts
    both = [AccountClosed(subject=Personal(one), closed_at=at, reason="user") for one in ("u_anna", "u_bruno")]
    assert (accounts.take(both, by=PROGRAM).new, accounts.take(both, by=PROGRAM).new) == (2, 0)
    house.work()
    assert states(house) == {"waiting": 2}
    assert house.mailbox.list_mails() == []
    assert house.requests.list_tickets() == []
    (found, _) = house.requests.arrivals.list_page(state=State.SCHEDULED)
    assert {(one.channel, str(one.due_on)) for one in found} == {("account_closed", "2026-07-12")}
    time.tick(29 * DAY)
    assert accounts.tick() == 0
    time.tick(DAY)
    in_gateway(house, "DELETE FROM users WHERE id = ?", [("u_anna",)])
    assert accounts.tick() == 1
    assert states(house) == {"waiting": 1, "done": 1}
    with house.database.read() as session:
        erased = house.requests.erasures.erased(session, [("user_id", "u_anna"), ("user_id", "u_bruno")])
    assert erased == {0}, "whoever is gone is in the register, so that an old copy does not bring them back"
    time.tick(3 * DAY)
    assert accounts.tick() == 1
    assert states(house) == {"by_hand": 1, "done": 1}
    (line,) = house.requests.list_tickets()
    assert (line.state, line.identity_shown, str(line.due_on)) == (State.RECEIVED, True, "2026-07-12")
    house.requests.make_plan(line.ref, by=OPERATOR)
    panel = house.requests.view(line.ref).plan
    assert panel is not None
    house.requests.approve(line.ref, by=OPERATOR, seal=panel.seal)
    house.work()
    assert house.count("users") == 0
    house.ledger.settle()
    assert house.ledger.verify().ok
    with house.database.read() as session:
        ended = [str(one) for one in session.execute(sa.select(TicketRow.ended_as)).scalars()]
    assert sorted(ended) == sorted([ENDED_AS, "answered"])


def test_what_cannot_be_and_whom_nobody_knows(house: House) -> None:
    """An account closed tomorrow is refused with all of its list; one that nobody knows is written down and shown; closed
    again later, the last time counts."""
    accounts, now = house.requests.closed_accounts, SystemClock().now()
    with pytest.raises(BadInput, match="future"):
        accounts.take([*closing_of(1, now), *closing_of(2, now + DAY)], by=PROGRAM)
    assert states(house) == {}
    accounts.take(closing_of(1, now - DAY), by=PROGRAM)
    house.work()
    assert states(house) == {"unknown": 1}
    (line,) = accounts.lines(Closed.UNKNOWN)
    assert (line.subject.reveal(), line.ref) == ("u_1", "")
    for hours in (5, 2):
        accounts.take([AccountClosed(subject=Personal("u_anna"), closed_at=now - timedelta(hours=hours))], by=PROGRAM)
        house.work()
    assert states(house) == {"unknown": 1, "replaced": 1, "waiting": 1}


def in_gateway(house: House, statement: str, rows: list[tuple[str, ...]]) -> None:
    """What the gateway does in its own database."""
    with closing(sqlite3.connect(house.root / "gateway.db")) as connection, connection:
        connection.executemany(statement, rows)


def many_closed(house: House, count: int) -> tuple[float, float]:
    """How long it took to take so many events, a thousand a call, and to make their tickets, in seconds."""
    at = SystemClock().now() - timedelta(hours=1)
    words = "INSERT INTO users (id, email, name, created_at) VALUES (?, ?, 'P', '2026-01-01T00:00:00Z')"
    in_gateway(house, words, [(f"u_{number}", f"p{number}@post.example") for number in range(count)])
    begun = clock_time.perf_counter()
    for first in range(0, count, 1_000):
        assert house.requests.closed_accounts.take(closing_of(first, at, 1_000), by=PROGRAM).new == 1_000
    taken = clock_time.perf_counter() - begun
    house.work()
    made = clock_time.perf_counter() - begun - taken
    with house.database.read() as session:
        waiting = sa.select(sa.func.count()).where(ClosedAccountRow.state == Closed.WAITING.value)
        tickets = sa.select(sa.func.count()).where(TicketRow.state == State.SCHEDULED.value)
        assert session.execute(waiting).scalar_one() == session.execute(tickets).scalar_one() == count
    return taken, made


def test_two_thousand_events_become_two_thousand_tickets(house: House) -> None:
    """None is lost between the calls, the outbox and the chunks, and the ledger holds an entry for each."""
    many_closed(house, 2_000)
    house.ledger.settle()
    assert house.ledger.verify().ok


@pytest.mark.slow
def test_a_hundred_thousand_events_are_taken_in_a_minute(house: House) -> None:
    """A provider that closes all its free accounts at once: taken within the minute; tickets follow in the background, here
    those of the first five thousand."""
    at, begun = SystemClock().now() - timedelta(hours=1), clock_time.perf_counter()
    for first in range(0, 100_000, 1_000):
        assert house.requests.closed_accounts.take(closing_of(first, at, 1_000), by=PROGRAM).new == 1_000
    taken = clock_time.perf_counter() - begun
    assert house.dispatcher.dispatch(limit=5) == 5
    print(f"taken in {taken:.1f} s, 5,000 looked up in {clock_time.perf_counter() - begun - taken:.1f} s")
    assert taken < 60
    assert states(house) == {"taken": 95_000, "unknown": 5_000}


# -- what operators write down, and post


def by_hand(house: House, **given: Any) -> list[str]:
    usual: dict[str, Any] = {
        "rights": ["access", "objection"],
        "received_at": SystemClock().now() - timedelta(hours=2),
        "channel": "letter",
        "by": OPERATOR,
        "postal_address": "Anna Quill\nLindenweg 4\n10115 Berlin",
    }
    return house.requests.by_hand.open(**(usual | given))


def test_a_letter_with_several_rights_and_no_mail_is_answered_by_post(house: House, time: Frozen) -> None:
    """One conversation; nobody is mailed; an operator says how they showed who they are and under what they are found; the
    answer is a letter to print, which waits until somebody posted it."""
    access, objection = by_hand(house, note="She rang twice.")
    assert ticket_of(house, access).conversation_id == ticket_of(house, objection).conversation_id
    with pytest.raises(Conflict, match="no e-mail address"):
        house.requests.ask_again(access, by=OPERATOR)
    post = house.requests.by_post
    with pytest.raises(BadInput, match="find them by"):
        post.show_identity(access, by=OPERATOR, why="By the contract.", identifiers={})
    post.show_identity(access, by=OPERATOR, why="By the contract.", identifiers={"user_id": "u_anna", "email": ANNA})
    assert house.requests.view(objection).line.identity_shown
    house.requests.make_plan(access, by=OPERATOR)
    panel = house.requests.view(access).plan
    assert panel is not None
    house.requests.approve(access, by=OPERATOR, seal=panel.seal)
    house.work()
    assert house.requests.view(access).state is State.ANSWERED
    assert house.mailbox.list_mails() == []
    look = post.look(access)
    assert look is not None
    assert [one.title for one in look.waiting] == [
        f"We have your request {access}",
        f"The copy of your data ({access})",
    ]
    paper = post.print_letter(access, look.waiting[-1].id).decode()
    assert all(words in paper for words in ("Lindenweg 4", "with this letter comes", access))
    assert "/requests/" not in paper
    assert len(b"".join(post.hand_out(access, by=OPERATOR).chunks)) > 1_000
    with pytest.raises(BadInput, match="that day"):
        post.note_sent(access, look.waiting[-1].id, on=SystemClock().now().date() + DAY, by=OPERATOR)
    for letter in look.waiting:
        post.note_sent(access, letter.id, on=SystemClock().now().date(), by=OPERATOR)
    assert {one.ref for one in post.waiting()} == {objection}
    with pytest.raises(Conflict, match="posted already"):
        post.note_sent(access, look.letters[0].id, on=SystemClock().now().date(), by=OPERATOR)


def test_what_an_operator_writes_down_has_to_be_possible(house: House) -> None:
    """Neither address is refused, as is a time to come, a channel that there is not, a language that is not offered."""
    for given, field in (
        ({"postal_address": ""}, "email"),
        ({"language": "tlh"}, "language"),
        ({"rights": []}, "right"),
        ({"postal_address": "x" * 700}, "postal_address"),
    ):
        with pytest.raises(FormRefused) as refused:
            by_hand(house, **given)
        assert field in refused.value.problems
    for name, value in (("received_at", SystemClock().now() + timedelta(minutes=1)), ("channel", "pigeon")):
        with pytest.raises(BadInput):
            by_hand(house, **{name: value})


def test_a_letter_older_than_the_first_policy_is_opened_under_that_policy(house: House) -> None:
    """Whoever wrote before Kept was there has to be answered too; the timeline says why no version of that day is taken."""
    (ref,) = by_hand(house, rights=["access"], received_at=SystemClock().now() - 20 * DAY, email=ANNA)
    view = house.requests.view(ref)
    assert (view.version, view.line.received_at.date().isoformat()) == (1, "2026-05-22")
    assert "before the first policy" in view.timeline[0].why
