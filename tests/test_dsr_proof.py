"""Proof of identity: what each law asks for, what a person gives for it, and that nothing of it is kept or told."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import freezegun
import pytest
import sqlalchemy as sa
from freezegun.api import FrozenDateTimeFactory, StepTickTimeFactory, TickingDateTimeFactory
from hypothesis import given as trying
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from core.database import Base, Database
from core.errors import Conflict, NotFound, TooMuch, WaitsForPerson
from core.settings_contact import PROOF_POINTS
from dsr.proof import PersonProof, ProofRefused
from dsr.proof_match import fold, held_marks, is_held
from dsr.proof_rules import POINT_WORDS, most_tries, rule_for
from dsr.proof_tables import DeclarationRow, OtherAddressRow, ProofPointRow
from dsr.states import State
from examples.gateway import build
from policies.clauses import Right
from tests.dsr_house import ANNA, ANNA_NAME, BRUNO, NOON, OPERATOR, STRANGER, House, build_house
from tests.schema import make_tables

Frozen = FrozenDateTimeFactory | TickingDateTimeFactory
START = datetime(2026, 6, 11, 10, 6, tzinfo=UTC)
RIGHT = {"user_id": "u_anna", "name": "anna QUILL"}
SIGNED = {"name": "Anna Quill", "declares": True}


@pytest.fixture
def time() -> Iterator[Frozen]:
    """A day in June; time runs on from there."""
    with freezegun.freeze_time(NOON, tick=True) as frozen:
        assert not isinstance(frozen, StepTickTimeFactory)
        yield frozen


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """What does not depend on the kind of database is tried on one."""
    made = Database(f"sqlite:///{tmp_path / 'control.db'}")
    make_tables(made)
    yield made
    made.close()


@pytest.fixture
def house(sqlite: Database, tmp_path: Path, time: Frozen) -> House:
    """The example's house."""
    return build_house(sqlite, tmp_path / "house")


def asked(house: House, email: str = ANNA, right: str = "access", *, country: str = "US", state: str = "CA") -> str:
    """A request whose address is shown, from California without another place."""
    house.requests.submit_form(
        email=email, right=right, country=country, subdivision=state, source="192.0.2.7", details=""
    )
    return house.requests.confirm(house.link_token(email))


def rows_of(house: House, table: type[Base]) -> list[str]:
    with house.database.read() as session:
        return [str(vars(row)) for row in session.execute(sa.select(table)).scalars()]


def plan(house: House, ref: str) -> None:
    house.requests.make_plan(ref, by=OPERATOR)


# the rules


def test_each_law_asks_for_what_it_says() -> None:
    """Control of the address under the GDPR; under the ccpa two points for categories and three with a declaration for a
    copy, two or three for a deletion; nothing at all for an opt-out; unknown laws ask for the address."""

    def of(regime: str | None, right: Right, *, sensitive: bool = False) -> tuple[int, bool]:
        rule = rule_for(regime, ["gdpr", "ccpa"], right, is_sensitive=sensitive)
        return rule.points, rule.declaration

    for regime in ("gdpr", "uk_gdpr", "quebec"):
        assert {of(regime, right, sensitive=True) for right in Right} == {(1, False)}
    assert of("ccpa", Right.ACCESS) == of("ccpa", Right.PORTABILITY) == (3, True)
    assert rule_for("ccpa", (), Right.ACCESS, is_sensitive=False).categories == 2
    assert (of("ccpa", Right.DELETION), of("ccpa", Right.DELETION, sensitive=True)) == ((2, False), (3, False))
    assert of("ccpa", Right.OPT_OUT, sensitive=True) == (0, False)
    assert of(None, Right.ACCESS) == (1, False)
    assert rule_for("ccpa", (), Right.ACCESS, is_sensitive=False).step_up is None
    assert rule_for("gdpr", (), Right.ACCESS, is_sensitive=False).step_up == 2
    assert set(POINT_WORDS) == set(PROOF_POINTS)


@trying(st.text(max_size=40), st.lists(st.text(max_size=40), max_size=80))
def test_a_value_matches_just_those_that_fold_to_the_same(value: str, held: list[str]) -> None:
    """Every held value is compared, at least as many as ever are; an empty one matches nothing."""
    key = b"k" * 32
    assert is_held(value, held, key) == bool(fold(value) and fold(value) in {fold(one) for one in held})
    assert len(held_marks(held, key)) >= len(held_marks([], key)) == 64


# what a person gives


def test_a_californian_shows_three_points_and_signs(database: Database, tmp_path: Path, time: Frozen) -> None:
    """Nothing can be approved before; what was given is gone once compared, the declaration stays; then it goes through."""
    house = build_house(database, tmp_path / "house")  # on either database
    ref = asked(house)
    plan(house, ref)
    with pytest.raises(WaitsForPerson, match="1 of 3 points are shown, the signed declaration is missing"):
        house.requests.approve(ref, by=OPERATOR)
    page = house.open_page(ref)
    proof = house.requests.proof
    assert (proof.look(ref, page).more, bool(proof.look(ref, page).declaration)) == (2, True)
    proof.offer(ref, page, given=RIGHT, **SIGNED)  # type: ignore[arg-type]
    assert proof.look(ref, page).comparing
    kept = rows_of(house, ProofPointRow)
    assert len(kept) == 2
    assert not re.search("u_anna|quill", " ".join(kept), re.I)
    with pytest.raises(Conflict, match="still being compared"):
        proof.offer(ref, page, given=RIGHT, **SIGNED)  # type: ignore[arg-type]
    house.work()
    assert rows_of(house, ProofPointRow) == []
    assert len(rows_of(house, DeclarationRow)) == 1
    assert not proof.look(ref, page).is_asked
    house.requests.approve(ref, by=OPERATOR)
    house.work()
    view = house.requests.view(ref)
    assert view.state is State.ANSWERED
    told = " ".join(f"{one.kind} {one.why}" for one in view.timeline)
    assert "2 of 2 matched: customer" not in told
    assert "proof_compared 2 of 2 matched: name, user id" in told or "user id, name" in told
    assert "anna" not in told.lower()


def test_what_does_not_match_says_only_that_it_was_not_enough(house: House) -> None:
    """One of two right is told like none of two: which, nobody says, and it counts as a try; a match of one kind in one
    try and of another in the next does not add up; when no try is left the page says so, over a restart too."""
    ref, proof = asked(house), house.requests.proof
    page = house.open_page(ref)
    seen: list[PersonProof] = []
    for given in (
        {"user_id": "u_anna", "name": "Eve"},
        {"user_id": "u_eve", "name": ANNA_NAME},
        {"user_id": "u_eve", "name": "Eve"},
    ):
        proof.offer(ref, page, given=given, **({} if seen else SIGNED))  # type: ignore[arg-type]
        house.work()
        seen.append(proof.look(ref, page))
    assert len({(one.more, one.asks, one.failed, one.tried, one.declaration) for one in seen}) == 1
    assert [one.tries_left for one in seen] == [4, 3, 2]
    assert "1 of 2 matched" in " ".join(one.why for one in house.requests.view(ref).timeline)
    for _ in range(2):
        proof.offer(ref, page, given=RIGHT | {"name": "Eve"})
        house.work()
    assert proof.look(ref, page).failed
    with pytest.raises(TooMuch):
        proof.offer(ref, page, given=RIGHT)
    assert house.requests.view(ref).proof.standing.tries_left == 0
    # A new request of the same address brings one more try, then none for a day.
    other = asked(house)
    page = house.open_page(other)
    proof.offer(other, page, given=RIGHT | {"name": "Eve"}, **SIGNED)  # type: ignore[arg-type]
    house.work()
    with pytest.raises(TooMuch):
        proof.offer(other, page, given=RIGHT)


def test_what_is_left_out_of_the_form_is_asked_for_at_its_field(house: House) -> None:
    """Fewer fields than are needed, no tick, no name, a value of any length: refused without using up a try."""
    ref, proof = asked(house), house.requests.proof
    page = house.open_page(ref)
    for given, signed, wrong in (
        ({"name": ANNA_NAME}, SIGNED, {"given"}),
        ({"name": ANNA_NAME, "shoe_size": "43"}, SIGNED, {"given"}),
        (RIGHT, {}, {"declares", "name_signed"}),
        (RIGHT | {"company": "x" * 201}, SIGNED, {"company"}),
    ):
        with pytest.raises(ProofRefused) as refused:
            proof.offer(ref, page, given=given, **signed)  # type: ignore[arg-type]
        assert set(refused.value.problems) == wrong
    assert (proof.look(ref, page).tries_left, rows_of(house, ProofPointRow)) == (most_tries(), [])
    with pytest.raises(NotFound):
        proof.offer(ref, "no grant", given=RIGHT)


def test_what_cannot_be_compared_is_deleted_after_a_day_and_does_not_count(house: House, time: Frozen) -> None:
    """A store that does not answer keeps nobody's words; a closed request keeps none either."""
    ref, proof = asked(house), house.requests.proof
    page = house.open_page(ref)
    proof.offer(ref, page, given=RIGHT, **SIGNED)  # type: ignore[arg-type]
    (house.root / "gateway.db").rename(house.root / "away.db")
    house.work()
    assert len(rows_of(house, ProofPointRow)) == 2
    time.tick(timedelta(days=1, minutes=1))
    house.requests.tidy()
    assert rows_of(house, ProofPointRow) == []
    standing = house.requests.view(ref).proof.standing
    assert (standing.tries_left, standing.comparing) == (most_tries(), False)
    (house.root / "away.db").rename(house.root / "gateway.db")
    page = house.open_page(ref)
    proof.offer(ref, page, given=RIGHT)
    house.requests.withdraw(ref, by=OPERATOR, why="By telephone")
    assert rows_of(house, ProofPointRow) == []


def test_an_operator_accepts_what_was_shown_in_another_way(house: House) -> None:
    """With a reason, written down with who did it; not before the address is shown, and not once it is closed."""
    ref = asked(house, right="deletion")
    plan(house, ref)
    with pytest.raises(WaitsForPerson):
        house.requests.approve(ref, by=OPERATOR)
    house.requests.proof.accept(ref, by=OPERATOR, why="Signed in while on the telephone.")
    house.requests.approve(ref, by=OPERATOR)
    event = next(one for one in house.requests.view(ref).timeline if one.kind == "proof_accepted")
    assert (event.by, event.why) == (OPERATOR, "Signed in while on the telephone.")
    by_hand = house.requests.open_by_hand(
        email=BRUNO, right="access", received_at=START, channel="letter", by=OPERATOR, country="US", subdivision="CA"
    )
    with pytest.raises(WaitsForPerson):
        house.requests.proof.accept(by_hand, by=OPERATOR, why="A nice letter.")


def test_a_regime_that_asks_for_more_stops_what_was_approved(house: House) -> None:
    """Approved as from Germany, then put under the law of California: the work does not begin, the ticket is planned."""
    ref = asked(house, country="DE", state="")
    plan(house, ref)
    house.requests.approve(ref, by=OPERATOR)
    house.requests.set_regime(ref, regime="ccpa", by=OPERATOR)
    house.work()
    view = house.requests.view(ref)
    assert view.state is State.PLANNED
    assert "1 of 3 points" in view.timeline[-1].why
    assert house.count("request_log", "user_id = 'u_anna'") == 7


def test_account_numbers_go_out_after_one_point_more_and_never_under_the_ccpa(
    sqlite: Database, tmp_path: Path, time: Frozen
) -> None:
    """The page offers it, the request goes on without it; under the law of California the rule leaves no way."""
    shipped = Path(build.__file__).with_name("kept.yaml").read_text()
    text = shipped.replace(
        "{fideslang: user.contact.organization, proof: company}", "{fideslang: user.financial.bank_account}"
    )
    assert text != shipped
    house = build_house(sqlite, tmp_path / "house", configuration=text)
    ref, proof = asked(house, country="DE", state=""), house.requests.proof
    page = house.open_page(ref)
    seen = proof.look(ref, page)
    assert (seen.more, seen.optional, seen.declaration) == (1, True, "")
    assert not house.requests.view(ref).proof.missing
    assert not house.requests.view(ref).proof.standing.may_have_numbers
    proof.offer(ref, page, given={"name": ANNA_NAME})
    house.work()
    assert house.requests.view(ref).proof.standing.may_have_numbers
    assert not proof.look(ref, page).is_asked
    house.requests.set_regime(ref, regime="ccpa", by=OPERATOR)
    house.requests.proof.accept(ref, by=OPERATOR, why="By telephone.")
    assert not house.requests.view(ref).proof.standing.may_have_numbers


# two identifiers, one proven


def test_of_two_addresses_only_the_proven_one_is_looked_for(house: House) -> None:
    """Another address is named, and nothing under it is found before its own link was pressed by POST; then both are."""
    ref = asked(house, country="DE", state="")
    page, addresses = house.open_page(ref), house.requests.addresses
    addresses.add(ref, page, email=BRUNO, source="192.0.2.9")
    assert [one.proven for one in addresses.list_as_person(ref, page)] == [False]

    def found() -> int:
        plan(house, ref)
        panel = house.requests.view(ref).plan
        assert panel
        return sum(step.rows or 0 for step in panel.steps)

    alone = found()
    token = re.search(r"/requests/address/(\S+)", house.latest_mail(BRUNO, "yours too").text)
    assert token
    assert addresses.look(token[1]).ref == ref  # looking changes nothing
    assert found() == alone
    assert addresses.confirm(token[1]) == ref
    assert found() > alone
    with pytest.raises(NotFound):
        addresses.confirm(token[1])
    house.requests.withdraw(ref, by=OPERATOR, why="By telephone")
    with pytest.raises(Conflict):
        addresses.add(ref, page, email=STRANGER, source="192.0.2.9")


def test_another_address_that_is_never_shown_goes_with_the_request(house: House) -> None:
    """Whoever names a stranger's address leaves nothing behind, and sends them no more mails than the form does."""
    ref = asked(house, country="DE", state="")
    page = house.open_page(ref)
    for _ in range(5):
        house.requests.addresses.add(ref, page, email=STRANGER, source="192.0.2.9")
    assert len(house.mails_to(STRANGER)) == 3
    house.requests.withdraw(ref, by=OPERATOR, why="By telephone")
    assert rows_of(house, OtherAddressRow) == []


# a contact that was changed


def change_contact(house: House, at: str, before: str = "anna.alt@post.example") -> None:
    """The gateway remembers when an address was changed, and what it was."""
    with closing(sqlite3.connect(house.root / "gateway.db")) as connection, connection:
        connection.execute("UPDATE users SET email_changed_at = ?, former_email = ? WHERE id = 'u_anna'", (at, before))


@pytest.fixture
def watched(sqlite: Database, tmp_path: Path, time: Frozen) -> House:
    """A house whose map says when an account's address was changed, and what it was before."""
    shipped = Path(build.__file__).with_name("kept.yaml").read_text()
    text = shipped.replace(
        "    events: {account_closed: deleted_at}    # empty while the account is open\n",
        "    events: {account_closed: deleted_at, email_changed: email_changed_at}\n"
        "    contact: {field: email, changed: email_changed, before: former_email}\n",
    )
    assert text != shipped
    made = build_house(sqlite, tmp_path / "house", configuration=text)
    with closing(sqlite3.connect(made.root / "gateway.db")) as connection, connection:
        for column in ("email_changed_at", "former_email"):
            connection.execute(f"ALTER TABLE users ADD COLUMN {column} TEXT")
    return made


def test_a_freshly_changed_address_waits_and_the_former_one_is_told(watched: House, time: Frozen) -> None:
    """Seven days from the warning, told once and without the new address; then it goes on."""
    change_contact(watched, "2026-06-08T09:00:00Z")
    ref = asked(watched, country="DE", state="")
    assert len(watched.mails_to("anna.alt@post.example")) == 1  # before anybody has looked
    time.tick(timedelta(hours=3))
    plan(watched, ref)
    plan(watched, ref)
    with pytest.raises(WaitsForPerson, match="18 June 2026"):
        watched.requests.approve(ref, by=OPERATOR)
    warned = watched.mails_to("anna.alt@post.example")
    assert len(warned) == 1
    assert ANNA not in warned[0].text
    assert "18 June 2026" in warned[0].text
    page = watched.open_page(ref)
    assert "18 June 2026" in watched.requests.proof.look(ref, page).waits_until
    time.tick(timedelta(days=7, minutes=1))
    watched.requests.approve(ref, by=OPERATOR)
    assert watched.requests.view(ref).state is State.APPROVED


def test_an_address_that_was_changed_long_ago_waits_for_nothing(watched: House) -> None:
    """Before the days of the wait, never, or for a right that neither sends nor deletes."""
    change_contact(watched, "2026-06-03T09:00:00Z")
    ref = asked(watched, country="DE", state="")
    plan(watched, ref)
    watched.requests.approve(ref, by=OPERATOR)
    assert watched.mails_to("anna.alt@post.example") == []


def test_the_former_address_stops_it_by_a_button(watched: House, time: Frozen) -> None:
    """Looking changes nothing; the button stops it, after the approval too; an operator can go on, with a reason."""
    change_contact(watched, "2026-06-08T09:00:00Z")
    ref = asked(watched, right="deletion", country="DE", state="")
    plan(watched, ref)
    found = re.search(r"/requests/stop/(\S+)", watched.mails_to("anna.alt@post.example")[0].text)
    assert found
    changes = watched.requests.changes
    assert changes.look(found[1]).ref == ref
    time.tick(timedelta(days=8))
    watched.requests.approve(ref, by=OPERATOR)
    changes.stop(found[1])
    with pytest.raises(NotFound):
        changes.stop(found[1])
    watched.work()
    assert watched.requests.view(ref).state is State.PLANNED
    assert watched.count("users", "id = 'u_anna'") == 1
    plan(watched, ref)
    with pytest.raises(WaitsForPerson, match="not theirs"):
        watched.requests.approve(ref, by=OPERATOR)
    changes.lift(ref, by=OPERATOR, why="They called from both addresses.")
    watched.requests.approve(ref, by=OPERATOR)
    watched.work()
    view = watched.requests.view(ref)
    assert view.state is State.ANSWERED, view.timeline[-1].why


# what a stranger learns


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement that goes to any database meanwhile, without its values: the work that was done."""
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        said.append(re.sub(r"\s+", " ", statement))

    sa.event.listen(Engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        sa.event.remove(Engine, "before_cursor_execute", note)


def test_the_same_work_is_done_whether_or_not_there_is_an_account(house: House) -> None:
    """From the form to the comparing, an address with an account and one without take the same statements in the same
    order, here and in the stores, which no clock on a wall could tell apart."""
    work, mails = [], []
    # The first is left out: a store is asked once what its tables look like.
    for email, source in ((BRUNO, "198.51.100.3"), (ANNA, "198.51.100.1"), (STRANGER, "198.51.100.2")):
        with statements() as said:
            house.requests.submit_form(
                email=email, right="access", country="US", subdivision="CA", source=source, details=""
            )
        token = house.link_token(email)
        with statements() as more:
            ref = house.requests.confirm(token, source=source)
            house.requests.ask_code(ref, source=source)
        page = house.requests.open_page(ref, house.code(email))
        with statements() as shown:
            house.requests.proof.offer(ref, page, given={"user_id": "u_eve", "name": "Eve"}, **SIGNED)  # type: ignore[arg-type]
            house.work()
            house.requests.proof.look(ref, page)
        work.append([said, more, shown])
        mails.append([mail.subject.replace(ref, "REF") for mail in house.mails_to(email)])
    assert not any("FROM users" in one for one in work[1][0] + work[1][1])
    assert any("users" in one for one in work[1][2])
    assert work[1] == work[2]
    assert mails[1] == mails[2]
