"""The rights that change no record, from the form to the answer: done at once, decided, answered, appealed, lifted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import freezegun
import pytest
import sqlalchemy as sa
from freezegun.api import FrozenDateTimeFactory, TickingDateTimeFactory

from core.clock import SystemClock
from core.database import Database
from core.errors import BadInput, Conflict, WaitsForPerson
from core.keys import derive_key
from core.operators import Role, add_operator
from core.personal import Personal
from dsr.answer_words import Kind
from dsr.choices import Ground, SaidChoice
from dsr.how import HOW, Way
from dsr.intake import FormRefused
from dsr.states import State
from dsr.views import Act
from policies.clauses import Right
from policies.consents import Consents, NewConsent
from policies.regimes import all_regimes, regime
from tests.dsr_house import ANNA, BRUNO, NOON, SECRET, STRANGER, House, build_house
from tests.schema import make_tables

Frozen = FrozenDateTimeFactory | TickingDateTimeFactory
START = datetime(2026, 6, 11, 10, 6, tzinfo=UTC)
POLICY = (Path(__file__).parent.parent / "examples" / "gateway" / "policy.md").read_text(encoding="utf-8")
POLICY = POLICY.replace("regimes: [gdpr, uk_gdpr, ccpa]", "regimes: [gdpr, uk_gdpr, ccpa, virginia]").replace(
    "  - {id: complaint, kind: right, right: complaint, to: authority}\n",
    "  - {id: complaint, kind: right, right: complaint, within: by_law, silent: true}\n"
    "  - {id: opting-out, kind: right, right: opt_out, within: by_law, silent: true}\n"
    "  - {id: limiting, kind: right, right: limit_sensitive, within: by_law, silent: true}\n"
    "  - {id: withdrawing, kind: right, right: withdraw_consent, within: at_once, silent: true}\n"
    "  - {id: appealing, kind: right, right: appeal, within: by_law, regimes: [virginia], silent: true}\n"
    "  - {id: news, kind: purpose, of: [account], why: [our newsletter], basis: consent, silent: true}\n",
)
REASONS = "We looked at every line.\n\nNothing of it was sold."


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """Kept's control database."""
    made = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(made)
    yield made
    made.close()


@pytest.fixture
def time() -> Iterator[Frozen]:
    """A day in June; time runs on from there."""
    with freezegun.freeze_time(NOON, tick=True) as frozen:
        yield frozen  # type: ignore[misc]


@pytest.fixture
def house(sqlite: Database, time: Frozen, tmp_path: Path) -> House:
    """A house whose policy gives every right; Anna's account is `u_anna`."""
    return build_house(sqlite, tmp_path / "house", policy=POLICY)


def operator(house: House, address: str) -> str:
    with house.database.begin() as session:
        return add_operator(session, email=address, name=address, role=Role.AGENT, now=START).id


def asked(house: House, right: str, email: str = ANNA, country: str = "DE", state: str = "", **chosen: str) -> str:
    """A request by the form whose link was pressed, and all that follows by itself."""
    waits = house.requests.submit_form(
        email=email, right=right, country=country, subdivision=state, source="192.0.2.7", chosen=SaidChoice(**chosen)
    )
    assert waits
    ref = house.requests.confirm(house.link_token(email))
    house.work()
    return ref


def listed(house: House, purpose: str, kind: str = "email", value: str = ANNA) -> bool:
    with house.database.read() as session:
        lists = house.requests._desk.suppressions  # the desk's own door to the lists
        return lists.holds(session, kind=kind, value=Personal(value), purpose=purpose)


def consents(house: House) -> Consents:
    return Consents(house.database, SystemClock(), house.ledger, house.policies, key=derive_key(SECRET, "consents"))


def kinds(house: House, ref: str) -> list[str]:
    return [entry.kind for entry in house.requests.view(ref).evidence]


def test_every_right_says_how_it_is_carried_out() -> None:
    """No right of a policy is without its way; the four over the stores go by a plan."""
    assert set(HOW) == set(Right)
    planned = {right for right, how in HOW.items() if how.way is Way.PLAN}
    assert planned == {Right.ACCESS, Right.PORTABILITY, Right.CORRECTION, Right.DELETION}


def test_the_clocks_of_these_rights_are_those_of_the_law() -> None:
    """Appeals of Virginia and Colorado, complaints of the UK, opt-outs of California and of everywhere else."""
    day = START.date()
    assert str(regime("virginia").row(Right.APPEAL, day).clock) == "P60D"
    colorado = regime("colorado").row(Right.APPEAL, day)
    assert (str(colorado.clock), str(colorado.extension and colorado.extension.by)) == ("P45D", "P60D")
    told = regime("uk_gdpr").row(Right.COMPLAINT, day).acknowledge
    assert told is not None
    assert str(told.period) == "P30D"
    for right in (Right.OPT_OUT, Right.LIMIT_SENSITIVE):
        assert regime("ccpa").row(right, day).business == 15
    for name, law in all_regimes().items():
        assert law.row(Right.WITHDRAW_CONSENT, day).at_once
        assert name == "ccpa" or law.row(Right.OPT_OUT, day).at_once
    for right in (Right.RESTRICTION, Right.OBJECTION):
        assert str(regime("gdpr").row(right, day).clock) == "P1M"


def test_an_opt_out_is_done_once_the_address_is_shown_and_confirmed_as_done(house: House) -> None:
    """No operator: the address and the account's id are on the chosen list, and the mail says so."""
    ref = asked(house, "opt_out", opt_out="sale_sharing")
    view = house.requests.view(ref)
    assert (view.state, view.timeline[-1].by) == (State.ANSWERED, "system")
    assert listed(house, "sale_sharing")
    assert listed(house, "sale_sharing", "user_id", "u_anna")
    assert not listed(house, "marketing")
    assert not listed(house, "sale_sharing", "user_id", "u_bruno")
    mail = house.latest_mail(ANNA, "carried out")
    assert "We do not sell or share your data." in mail.text
    assert "Your choice is carried out" in mail.text
    assert "We do not sell" in str(house.requests.page(ref, house.open_page(ref)).outcome)
    house.ledger.settle()
    assert "request.carried_out" in kinds(house, ref)


def test_an_opt_out_of_california_needs_no_proof_and_looks_for_nobody(house: House) -> None:
    """What was typed is on the list without a link; whose account it is was not looked for. A stranger gets the same."""
    for email in (ANNA, STRANGER):
        waits = house.requests.submit_form(
            email=email, right="opt_out", country="US", subdivision="CA", source="192.0.2.7",
            chosen=SaidChoice(opt_out="both"),
        )  # fmt: skip
        assert not waits
        assert listed(house, "marketing", value=email) is False
        mail = house.latest_mail(email, "carried out")
        assert listed(house, "marketing", value=email)
        assert listed(house, "sale_sharing", value=email)
        assert "/requests/KEPT" not in mail.text  # nobody showed that the page is theirs
    assert not listed(house, "sale_sharing", "user_id", "u_anna")


def test_an_opt_out_says_of_what(house: House) -> None:
    """A form without a choice is shown again; one that the policy does not have is none."""
    for typed in ("", "everything"):
        with pytest.raises(FormRefused, match="Choose what we should stop"):
            house.requests.submit_form(
                email=ANNA, right="opt_out", country="DE", source="192.0.2.7", chosen=SaidChoice(opt_out=typed)
            )


def test_an_objection_to_advertising_is_followed_at_once_and_never_refused(house: House) -> None:
    """It is done before an operator sees it; one that came by letter cannot be refused either once that is said."""
    ref = asked(house, "objection", about="marketing")
    assert house.requests.view(ref).state is State.ANSWERED
    assert listed(house, "marketing", "user_id", "u_anna")
    other = asked(house, "objection", BRUNO, about="other")
    ines = operator(house, "ines@kept.example")
    house.requests.rights.object_to_advertising(other, by=ines)
    assert listed(house, "marketing", value=BRUNO)
    with pytest.raises(Conflict):
        house.requests.refuse(other, by=ines, ground="compelling", reason="No.")


def test_another_objection_is_weighed_and_meanwhile_the_data_is_only_stored(house: House) -> None:
    """A restriction of its own stands while it is weighed; then the purposes are stopped, by their names."""
    ines = operator(house, "ines@kept.example")
    ref = asked(house, "objection", about="other")
    assert house.requests.view(ref).state is State.RECEIVED
    beside = house.requests.rights.restrict_meanwhile(ref, by=ines)
    state = house.requests.restrictions.look(Personal("u_anna"))
    assert (state.restricted, state.everything, state.objects_to) == (True, True, ())
    assert house.requests.restrictions.list(beside)[0].ground is Ground.OBJECTION
    with pytest.raises(BadInput, match="nothing to stop"):
        house.requests.rights.stop_purposes(ref, by=ines, purposes=["tax-use"])
    house.requests.rights.stop_purposes(ref, by=ines, purposes=["support-use"])
    state = house.requests.restrictions.look(Personal("u_anna"))
    assert state.objects_to == ("support-use",)
    assert "answering letters" in house.latest_mail(ANNA, f"{ref} is carried out").text
    assert "compelling" in [one.id for one in house.requests.view(asked(house, "objection", about="other")).grounds]


@pytest.mark.parametrize(
    ("ground", "keeps"), [("claims", True), ("unlawful", True), ("accuracy", False), ("objection", False)]
)
def test_what_the_person_wants_kept_no_sweep_deletes(house: House, ground: str, keeps: bool) -> None:
    """Art. 18(1)(b) and (c) make a hold named after the request; under (a) and (d) sweeps go on, and the answer says so."""
    ref = asked(house, "restriction", ground=ground)
    house.requests.rights.restrict(ref, by=operator(house, "ines@kept.example"))
    holds = [one for one in house.plans.holds.list() if one.reason == f"restriction {ref}"]
    assert bool(holds) is keeps
    if keeps:
        assert holds[0].person["user_id"] == ("u_anna",)
        assert holds[0].by == "system"
    text = " ".join(house.latest_mail(ANNA, "carried out").text.split())
    assert ("We keep it until you no longer need it" in text) is keeps
    assert "We tell you before that ends" in text


def test_a_restriction_can_be_of_some_categories(house: House) -> None:
    """The host application reads which; the hold is on the collections of those alone."""
    ref = asked(house, "restriction", ground="claims")
    ines = operator(house, "ines@kept.example")
    with pytest.raises(BadInput, match="no such category"):
        house.requests.rights.restrict(ref, by=ines, categories=["tea"])
    house.requests.rights.restrict(ref, by=ines, categories=["request_log"])
    state = house.requests.restrictions.look(Personal("u_anna"))
    assert (state.restricted, state.everything, state.categories) == (True, False, ("request_log",))
    held = {one.collection for one in house.plans.holds.list()}
    assert held
    assert held <= {"requests", "request-days"}
    assert not house.requests.restrictions.look(Personal("u_bruno")).restricted


def test_the_feed_has_each_change_once_in_its_order_and_names_no_address(house: House) -> None:
    """Set, told, lifted: three numbers of the same subject. Whoever follows goes on from the last."""
    ines = operator(house, "ines@kept.example")
    ref = asked(house, "restriction", ground="accuracy")
    house.requests.rights.restrict(ref, by=ines)
    first, after = house.requests.restrictions.changes(after=0, limit=100)
    assert [(one.subject.reveal(), one.state.restricted) for one in first] == [("u_anna", True)]
    house.requests.restrictions.lift(ref, by=ines, why="It was right.")
    more, last = house.requests.restrictions.changes(after=after, limit=100)
    assert [one.state.ends_at is not None for one in more] == [True]
    assert house.requests.restrictions.changes(after=last, limit=100) == ((), last)
    with pytest.raises(BadInput, match="no place in the feed"):
        house.requests.restrictions.changes(after=-1, limit=100)


def test_nothing_is_lifted_before_the_person_was_told(house: House, time: Frozen) -> None:
    """A mail names the day; until then it stands, then it ends by itself with its hold. Lifting twice is refused, and it can be kept."""
    ines = operator(house, "ines@kept.example")
    ref = asked(house, "restriction", ground="claims")
    house.requests.rights.restrict(ref, by=ines)
    lifts = house.requests.restrictions
    ends = lifts.lift(ref, by=ines, why="Your case is closed.")
    mail = house.latest_mail(ANNA, "ends on Thursday, 18 June 2026")
    assert "Your case is closed." in mail.text
    with pytest.raises(Conflict, match="told already"):
        lifts.lift(ref, by=ines, why="Again.")
    assert lifts.tick() == 0
    assert lifts.look(Personal("u_anna")).restricted
    lifts.keep(ref, by=ines, why="The court has not decided.")
    assert "The court has not decided." in house.latest_mail(ANNA, "Nothing changes").text
    time.move_to(ends + timedelta(days=1))
    assert lifts.tick() == 0
    assert lifts.look(Personal("u_anna")).restricted
    ends = lifts.lift(ref, by=ines, why="Now it is.")
    time.move_to(ends + timedelta(minutes=1))
    assert lifts.tick() == 1
    assert lifts.tick() == 0
    assert not lifts.look(Personal("u_anna")).restricted
    assert not [one for one in house.plans.holds.list() if one.reason == f"restriction {ref}"]
    house.ledger.settle()
    assert {"request.restriction_set", "request.lift_told", "request.lift_kept", "request.lifted"} <= set(
        kinds(house, ref)
    )


def test_a_withdrawn_consent_ends_at_once_and_twice_is_nothing_new(house: House) -> None:
    """Each open consent of the account has ended, by name; the second request finds none and says so."""
    book = consents(house)
    for who in ("u_anna", "u_bruno"):
        book.record(
            NewConsent(subject=Personal(who), purpose="news", given=True, channel="web", text="Yes"), actor="tok"
        )
    ref = asked(house, "withdraw_consent")
    assert house.requests.view(ref).state is State.ANSWERED
    assert not book.state(Personal("u_anna"), "news").given
    assert book.state(Personal("u_bruno"), "news").given
    text = " ".join(house.latest_mail(ANNA, "carried out").text.split())
    assert "Your consent has ended: our newsletter." in text
    assert "/requests/new" in text
    again = asked(house, "withdraw_consent")
    assert again != ref
    assert house.requests.view(again).state is State.ANSWERED
    assert "no consent that still stands" in " ".join(house.latest_mail(ANNA, again).text.split())
    assert len(book.state(Personal("u_anna"), "news").history) == 2


def test_a_limit_of_sensitive_data_is_a_list_of_its_own(house: House) -> None:
    """The right to limit is neither an opt-out of sale nor of advertising."""
    asked(house, "limit_sensitive")
    assert listed(house, "sensitive", "user_id", "u_anna")
    assert not listed(house, "sale_sharing")
    assert not listed(house, "marketing")


def test_a_complaint_is_answered_with_outcome_reasons_and_authority(house: House) -> None:
    """Nothing is done to data; the answer cannot go out without saying who is right, or without a reason."""
    ines = operator(house, "ines@kept.example")
    ref = asked(house, "complaint", country="GB")
    assert house.latest_mail(ANNA, "We have your complaint")  # receipt is confirmed in its own time
    view = house.requests.view(ref)
    assert view.clock.acknowledged_on is not None
    for outcome, reasons in (("maybe", REASONS), ("wrong", " ")):
        with pytest.raises(BadInput):
            house.requests.rights.answer_complaint(ref, by=ines, outcome=outcome, reasons=reasons)
    parts = {one.name for one in house.requests.answers.read(ref, Kind.COMPLAINT).parts if one.is_needed}
    assert parts == {"outcome", "reasons", "complaint"}
    house.requests.rights.answer_complaint(ref, by=ines, outcome="partly", reasons=REASONS)
    text = " ".join(house.latest_mail(ANNA, "Our answer to your complaint").text.split())
    assert "your complaint is right in part" in text
    assert "Nothing of it was sold." in text
    assert "Information Commissioner" in text


def refused_in_virginia(house: House, by: str) -> str:
    ref = asked(house, "access", country="US", state="VA")
    house.requests.refuse(ref, by=by, ground="unfounded", reason="You asked yesterday.")
    return ref


def test_an_appeal_is_decided_by_somebody_else_and_reopens_the_request(house: House) -> None:
    """Who refused cannot decide while there is another; overturned, the same right is a new request beside the first."""
    ines, tom = operator(house, "ines@kept.example"), operator(house, "tom@kept.example")
    first = refused_in_virginia(house, ines)
    ref = house.requests.appeals.open_as_person(first, house.open_page(first), words="I asked once.")
    view = house.requests.view(ref)
    assert (view.line.right, view.line.regime, view.details) == (Right.APPEAL, "virginia", "I asked once.")
    assert (view.due_on - START.date()).days == 60
    assert Act.REFUSE not in view.acts
    assert Act.ANSWER_BY_HAND not in view.acts
    with pytest.raises(Conflict, match="somebody else decides"):
        house.requests.appeals.decide(ref, by=ines, outcome="upheld", reasons=REASONS)
    with pytest.raises(Conflict, match="appealed already"):
        house.requests.appeals.open(first, by=tom)
    fresh = house.requests.appeals.decide(ref, by=tom, outcome="overturned", reasons=REASONS)
    text = " ".join(house.latest_mail(ANNA, "appeal").text.split())
    assert fresh in text
    assert "Attorney General of Virginia" in text
    assert "no part in it" in text
    again = house.requests.view(fresh)
    assert (again.line.right, again.state) == (Right.ACCESS, State.RECEIVED)
    assert first in [
        one.ref
        for one in house.requests.conversations.neighbours(fresh).linked
        + house.requests.conversations.neighbours(fresh).letter
    ]
    with pytest.raises(Conflict, match="no appeal of an appeal"):
        house.requests.appeals.open(ref, by=tom)


def test_where_there_is_one_operator_the_appeal_needs_a_note(house: House) -> None:
    """The same person decides only with a note of how, which is written down; the person is told that it was the same."""
    ines = operator(house, "ines@kept.example")
    first = refused_in_virginia(house, ines)
    ref = house.requests.appeals.open(first, by=ines, words="By letter.")
    assert house.requests.appeals.view(ref).alone
    with pytest.raises(Conflict, match="no other operator"):
        house.requests.appeals.decide(ref, by=ines, outcome="upheld", reasons=REASONS)
    house.requests.appeals.decide(ref, by=ines, outcome="upheld", reasons=REASONS, alone_why="A lawyer read it.")
    assert "nobody else works on requests" in " ".join(house.latest_mail(ANNA, "appeal").text.split())
    house.ledger.settle()
    assert "request.appeal_alone" in kinds(house, ref)


def test_an_appeal_is_of_what_was_refused_or_is_late_where_the_law_has_one(house: House, time: Frozen) -> None:
    """Not of an answer that is not due, not under a law without appeals."""
    ines = operator(house, "ines@kept.example")
    ref = asked(house, "access", country="US", state="VA")
    with pytest.raises(Conflict, match="neither refused nor late"):
        house.requests.appeals.open(ref, by=ines)
    german = asked(house, "access", BRUNO)
    house.requests.refuse(german, by=ines, ground="unfounded", reason="No.")
    with pytest.raises(Conflict, match="knows no appeal"):
        house.requests.appeals.open(german, by=ines)
    time.move_to(START + timedelta(days=60))
    late = house.requests.appeals.open(ref, by=ines)
    assert house.requests.appeals.decide(late, by=ines, outcome="overturned", reasons=REASONS) == ""
    assert house.requests.view(ref).state is State.RECEIVED


def test_nothing_is_carried_out_before_the_address_is_shown(house: House) -> None:
    """A restriction that came by letter waits; an opt-out under the GDPR does too."""
    ines = operator(house, "ines@kept.example")
    for right in ("restriction", "opt_out", "withdraw_consent"):
        ref = house.requests.open_by_hand(
            email=BRUNO, right=right, received_at=datetime.now(UTC), channel="letter", by=ines, country="DE"
        )
        deed = (
            partial(house.requests.rights.restrict, ground="claims")
            if right == "restriction"
            else house.requests.rights.carry_out
        )
        with pytest.raises(WaitsForPerson):
            deed(ref, by=ines)
    assert not listed(house, "sale_sharing", value=BRUNO)


def test_what_is_kept_of_a_restriction_is_hashed_but_for_the_id(house: House) -> None:
    """No address stands among the identifiers, only its keyed hash; the ledger has neither."""
    ref = asked(house, "restriction", ground="accuracy")
    house.requests.rights.restrict(ref, by=operator(house, "ines@kept.example"))
    house.ledger.settle()
    with house.database.read() as session:
        rows = session.execute(sa.text("SELECT kind, hash, subject FROM restriction_people")).all()
        entries = "".join(str(row) for row in session.execute(sa.text("SELECT * FROM ledger_private")))
    assert {row.kind for row in rows} == {"email", "user_id"}
    assert [row.subject for row in rows if row.kind == "email"] == [None]
    assert all(len(row.hash) == 64 and ANNA not in row.hash for row in rows)
    assert ANNA not in entries
    assert "u_anna" not in entries
