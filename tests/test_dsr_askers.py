"""People who ask for others: what each has to show, who is told what, and that nobody learns of data that is not theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import freezegun
import pytest
import sqlalchemy as sa
from freezegun.api import FrozenDateTimeFactory, StepTickTimeFactory, TickingDateTimeFactory

from core.database import Database
from core.errors import BadInput, Conflict, NotFound, WaitsForPerson
from dsr.asker_rules import ITEM_WORDS, AnswerTo, AskerKind, Item, Minor, notes_for, rule_for
from dsr.asker_standing import Asker
from dsr.asker_tables import TicketAskerRow
from dsr.askers import SaidAsker
from dsr.attachments import Attachment
from dsr.desk import find_ticket
from dsr.intake import FormRefused
from dsr.message_tables import AttachmentRow
from dsr.states import State
from policies.clauses import Right
from tests.dsr_house import ANNA, BRUNO, NOON, OPERATOR, STRANGER, House, build_house
from tests.schema import make_tables

Frozen = FrozenDateTimeFactory | TickingDateTimeFactory
AGENT = "robin@agents.example"
PAPER = Attachment(name="permission.pdf", content=b"%PDF-1.7 I permit Robin to ask for me. Anna Quill")
CUSTOMER = "dpo@customer.example"


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """What does not depend on the kind of database is tried on one."""
    made = Database(f"sqlite:///{tmp_path / 'control.db'}")
    make_tables(made)
    yield made
    made.close()


@pytest.fixture
def time() -> Iterator[Frozen]:
    """A day in June; time runs on from there."""
    with freezegun.freeze_time(NOON, tick=True) as frozen:
        assert not isinstance(frozen, StepTickTimeFactory)
        yield frozen


@pytest.fixture
def house(sqlite: Database, tmp_path: Path, time: Frozen) -> House:
    """The example's house."""
    return build_house(sqlite, tmp_path / "house")


def asked(
    house: House,
    *,
    person: str = ANNA,
    kind: str = "agent",
    right: str = "access",
    contact: str = AGENT,
    state: str = "CA",
    source: str = "192.0.2.7",
) -> None:
    """The form, filled in for somebody else."""
    country = "US" if state else "DE"
    asker = SaidAsker(kind=kind, name="Robin Agent", contact=contact)
    house.requests.submit_form(
        email=person, right=right, country=country, subdivision=state, source=source, details="", asker=asker
    )


def link(house: House, to: str, path: str) -> str:
    """The token of the newest mail to an address with a link of a kind."""
    for mail in house.mails_to(to):
        if found := re.search(rf"/requests/{path}/([\w-]+)", mail.text):
            return found[1]
    raise AssertionError(f"no link to {path} for {to}")


def ref_of(house: House) -> str:
    """The newest ticket's reference."""
    with house.database.read() as session:
        return str(session.execute(sa.text("SELECT ref FROM tickets ORDER BY rowid DESC LIMIT 1")).scalar_one())


def proven(house: House, **given: str) -> tuple[str, str]:
    """A request whose asker has pressed their link: its reference and the token of their page."""
    asked(house, **given)
    token = link(house, given.get("contact", AGENT), "asker")
    house.requests.asker_pages.prove(token)
    return ref_of(house), token


def state(house: House, ref: str) -> State:
    return house.requests.view(ref).state


def missing(house: House, ref: str) -> str:
    return house.requests.asker_panel(ref).missing


def who(house: House, ref: str) -> Asker:
    asker = house.requests.asker_panel(ref).asker
    assert asker is not None
    return asker


def accept(house: House, ref: str, item: str = "permission", until: date | None = None) -> None:
    house.requests.askers.accept(ref, item=item, note="Signed on 1 June.", by=OPERATOR, good_until=until)


def carried_out(house: House, ref: str) -> State:
    house.requests.make_plan(ref, by=OPERATOR)
    house.requests.approve(ref, by=OPERATOR)
    house.work()
    return state(house, ref)


# the rules


def test_each_kind_has_its_ways_under_each_law() -> None:
    """California's opt-outs by an agent take the signed permission alone, a power of attorney is never the only way, every
    kind but the person has a rule, and what operators read of an item has words."""

    def ways(kind: AskerKind, law: str, right: Right = Right.ACCESS) -> set[tuple[str, ...]]:
        return {tuple(one) for one in rule_for(kind, law, (), right).ways}

    assert ("permission",) in ways(AskerKind.AGENT, "ccpa", Right.OPT_OUT)
    assert ("permission",) not in ways(AskerKind.AGENT, "ccpa")
    assert {("permission", "confirmed"), ("permission", "identity")} < ways(AskerKind.AGENT, "ccpa")
    for kind in set(AskerKind) - {AskerKind.SELF}:
        for law in ("gdpr", "uk_gdpr", "ccpa", "virginia"):
            found = rule_for(kind, law, (), Right.DELETION)
            assert found.cite
            assert any("power_of_attorney" not in way for way in found.ways)
    assert set(ITEM_WORDS) == set(Item)
    assert [one.bars for one in notes_for(AskerKind.SELF, Minor.UNDER_13, "ccpa", ())].count(True) == 1
    assert not any(one.bars for one in notes_for(AskerKind.SELF, Minor.UNDER_13, None, ("ccpa", "gdpr")))
    assert not any(one.bars for one in notes_for(AskerKind.PARENT, Minor.UNDER_13, "ccpa", ()))


# agents


def test_an_agent_shows_the_permission_and_the_person_confirms_it(house: House) -> None:
    """Neither alone is enough; both are, in place of the points of California. The answer goes to the person, the agent hears
    only that it is closed, and what they handed in is gone then, while who looked at it stays."""
    ref, token = proven(house)
    house.requests.asker_pages.hand_in(token, words="", files=[PAPER])
    with pytest.raises(WaitsForPerson):
        house.requests.make_plan(ref, by=OPERATOR)
    house.requests.asker_pages.confirm(link(house, ANNA, "for-me"))
    house.requests.make_plan(ref, by=OPERATOR)
    with pytest.raises(WaitsForPerson, match="has not shown that they may"):
        house.requests.approve(ref, by=OPERATOR)
    accept(house, ref)
    assert missing(house, ref) == ""
    assert carried_out(house, ref) is State.ANSWERED
    assert any("copy" in one.subject.lower() for one in house.mails_to(ANNA))
    told = [one.subject for one in house.mails_to(AGENT)]
    assert told[0].endswith("is closed")
    assert not any("copy" in one.lower() for one in told)
    with house.database.read() as session:
        assert session.execute(sa.select(AttachmentRow)).first() is None
    line = who(house, ref).lines[-1]
    assert (line.item, line.by) == (Item.PERMISSION, OPERATOR)


def test_the_permission_alone_is_enough_for_an_opt_out_and_a_power_of_attorney_for_all(house: House) -> None:
    """What needs no word of the person counts as their address shown, by whoever looked; they hear of it."""
    ref, _ = proven(house)
    accept(house, ref, "power_of_attorney")
    assert missing(house, ref) == ""
    assert house.requests.view(ref).identity_at is not None
    assert any("have your request" in one.subject for one in house.mails_to(ANNA))
    assert carried_out(house, ref) is State.ANSWERED


def test_an_agent_gets_the_answer_only_where_the_permission_says_so(house: House) -> None:
    """Then both get the mail and the code; before the agent's own address is proven nothing can be sent there."""
    ref, _ = proven(house)
    house.requests.asker_pages.confirm(link(house, ANNA, "for-me"))
    accept(house, ref)
    with pytest.raises(BadInput, match="cannot go there"):
        house.requests.askers.send_answer_to(ref, to="asker", why="It says so.", by=OPERATOR)
    house.requests.askers.send_answer_to(ref, to="both", why="Its last line.", by=OPERATOR)
    assert carried_out(house, ref) is State.ANSWERED
    subjects = {one.subject for one in house.mails_to(AGENT)} & {one.subject for one in house.mails_to(ANNA)}
    assert any("copy" in one.lower() for one in subjects)


def test_a_person_who_knows_nothing_of_it_ends_it(house: House) -> None:
    """A forged permission: the request is refused with its ground, also after an operator took it for good; the agent hears
    that they may not ask, and no word about data."""
    ref, token = proven(house, person=STRANGER)
    house.requests.asker_pages.hand_in(token, words="", files=[PAPER])
    accept(house, ref)
    house.requests.asker_pages.deny(link(house, STRANGER, "for-me"))
    view = house.requests.view(ref)
    assert view.state is State.REFUSED
    assert view.outcome["ground"] == "no_permission"
    mail = house.mails_to(AGENT)[0]
    assert "is refused" in mail.subject
    assert "do not say whether we hold anything" in " ".join(mail.text.split())
    assert not any("refus" in one.subject.lower() for one in house.mails_to(STRANGER))
    with pytest.raises(NotFound):
        house.requests.asker_pages.hand_in(token, words="", files=[PAPER])


def test_what_an_agent_sees_is_the_same_for_a_stranger(house: House) -> None:
    """Page and mails, up to the refusal, for an address with an account and for one without."""
    seen = []
    for person in (ANNA, STRANGER):
        agent = f"to.{person.split('@')[0]}@agents.example"
        _, token = proven(house, person=person, contact=agent)
        page = vars(house.requests.asker_pages.look(token))
        house.requests.asker_pages.deny(link(house, person, "for-me"))
        said = [
            re.sub(r"\b[0-9A-Z]{5}-[0-9A-Z]{4}\b|[\w-]{40,}", "…", f"{one.subject}\n{one.text}")
            for one in house.mails_to(agent)
        ]
        seen.append(({name: value for name, value in page.items() if name not in ("person", "asked_at")}, sorted(said)))
    assert seen[0] == seen[1]
    assert len(seen[0][1]) == 3


def test_an_expired_permission_stops_the_request(house: House, time: Frozen) -> None:
    """One that is over is not taken; one that ends before the work begins lets the approval lapse; a new one goes on."""
    ref, _ = proven(house)
    house.requests.asker_pages.confirm(link(house, ANNA, "for-me"))
    with pytest.raises(BadInput, match="over already"):
        accept(house, ref, until=date(2026, 6, 1))
    accept(house, ref, until=date(2026, 6, 11))
    house.requests.make_plan(ref, by=OPERATOR)
    house.requests.approve(ref, by=OPERATOR)
    time.tick(timedelta(days=1))
    house.work()
    assert state(house, ref) is State.PLANNED
    assert "good until Thursday, 11 June 2026" in missing(house, ref)
    accept(house, ref, until=date(2026, 12, 31))
    assert carried_out(house, ref) is State.ANSWERED


def test_a_permission_that_is_taken_back_in_the_last_moment_stops_the_work(house: House) -> None:
    """From the person's own page, after the approval: nothing is deleted."""
    ref, _ = proven(house, right="deletion", state="")
    house.requests.asker_pages.confirm(link(house, ANNA, "for-me"))
    accept(house, ref)
    page = house.open_page(ref)
    house.requests.make_plan(ref, by=OPERATOR)
    house.requests.approve(ref, by=OPERATOR)
    before = house.count("request_log", "user_id = 'u_anna'")
    house.requests.asker_pages.deny_as_person(ref, page)
    house.work()
    assert state(house, ref) is State.REFUSED
    assert house.count("request_log", "user_id = 'u_anna'") == before == 7


def test_the_agent_and_the_person_at_once_are_two_requests(house: House) -> None:
    """Each has its clock and its proof: the person's goes on without the agent's permission, the agent's waits."""
    theirs, _ = proven(house, state="")
    own = house.confirmed(ANNA)
    assert carried_out(house, own) is State.ANSWERED
    assert state(house, theirs) is State.RECEIVED
    assert theirs in {one.ref for one in house.requests.conversations.neighbours(own).address}
    assert house.requests.asker_panel(own).asker is None


def test_an_agent_who_asks_for_many_has_a_request_for_each_within_the_limits(house: House) -> None:
    """Until the agent's address is proven it gets three mails a day, whatever is typed; afterwards one for each person."""
    for number in range(5):
        asked(house, person=f"p{number}@post.example", source=f"192.0.2.{number}")
    assert len(house.mails_to(AGENT)) == 3
    assert not house.mails_to("p0@post.example")
    house.requests.asker_pages.prove(link(house, AGENT, "asker"))
    for number in range(10, 20):
        asked(house, person=f"p{number}@post.example", source=f"192.0.2.{number}")
    assert len([one for one in house.mails_to(AGENT) if "One press" in one.subject]) == 13


def test_a_form_for_somebody_else_needs_a_name_that_is_one(house: House) -> None:
    """A name with an address in it would make our mail an advertisement; a kind that is none is none."""
    for name, contact, kind, field in (
        ("Win at www.shop.example", AGENT, "agent", "asker_name"),
        ("Robin", "no address", "agent", "asker_email"),
        ("Robin", AGENT, "lawyer", "asks_for"),
    ):
        asker = SaidAsker(kind=kind, name=name, contact=contact)
        with pytest.raises(FormRefused) as refused:
            house.requests.submit_form(email=ANNA, right="access", source="192.0.2.9", asker=asker)
        assert field in refused.value.problems


def test_a_form_that_nobody_confirmed_leaves_no_name(house: House, time: Frozen) -> None:
    """After three days the asker is forgotten with the rest, and the person never hears of it."""
    asked(house)
    time.tick(timedelta(days=4))
    house.requests.tidy()
    with house.database.read() as session:
        row = session.execute(sa.select(TicketAskerRow)).scalar_one()
        assert (row.name.reveal(), row.contact.reveal()) == ("", "")
    assert house.mails_to(ANNA) == []
    with pytest.raises(NotFound):
        house.requests.asker_pages.look(link(house, AGENT, "asker"))


# parents and minors


def test_a_parent_shows_control_of_the_account_or_an_operator_judges(house: House) -> None:
    """The child's address confirms it, or the parent's own is the account's; else an operator says why they believe it."""
    ref, _ = proven(house, kind="parent", state="", contact="parent@post.example")
    assert "control of the address" in missing(house, ref)
    house.requests.asker_pages.confirm(link(house, ANNA, "for-me"))
    assert missing(house, ref) == ""
    asked(house, kind="parent", state="", person=BRUNO, contact=BRUNO)
    same = house.requests.confirm(house.link_token(BRUNO))
    assert missing(house, same) == ""
    assert not [one for one in house.mails_to(BRUNO) if "Do you know" in one.subject]
    judged, _ = proven(house, kind="parent", state="", contact="other@post.example", right="deletion")
    accept(house, judged, "judged")
    assert missing(house, judged) == ""


def test_the_parent_of_an_adult_is_stopped_by_the_adult(house: House) -> None:
    """It is not refused by itself: an operator looks, and goes on only with a reason."""
    ref, _ = proven(house, kind="parent", state="", contact="parent@post.example")
    accept(house, ref, "judged")
    house.requests.asker_pages.deny(link(house, ANNA, "for-me"))
    house.requests.make_plan(ref, by=OPERATOR)
    with pytest.raises(WaitsForPerson, match="know nothing of it"):
        house.requests.approve(ref, by=OPERATOR)
    with pytest.raises(BadInput):
        house.requests.askers.go_on(ref, why=" ", by=OPERATOR)
    house.requests.askers.go_on(ref, why="The court's paper of May.", by=OPERATOR)
    assert missing(house, ref) == ""


def test_a_child_may_ask_alone_but_under_californias_law_below_thirteen(house: House) -> None:
    """A flag with its notes, not a bar; below 13 in California a parent asks, but to erase an account that should not be
    there, control of it is enough."""
    ref = house.confirmed(ANNA)
    house.requests.askers.set_minor(ref, age="from_13_to_15", by=OPERATOR)
    assert "understand" in " ".join(one.words for one in who(house, ref).notes)
    assert carried_out(house, ref) is State.ANSWERED
    house.requests.submit_form(email=BRUNO, right="access", country="US", subdivision="CA", source="192.0.2.8")
    alone = house.requests.confirm(house.link_token(BRUNO))
    house.requests.askers.set_minor(alone, age="under_13", by=OPERATOR)
    assert "a parent or guardian asks" in missing(house, alone)
    house.requests.askers.set_minor(alone, age="", by=OPERATOR)
    assert missing(house, alone) == ""
    with pytest.raises(BadInput):
        house.requests.askers.set_minor(alone, age="newborn", by=OPERATOR)


# heirs, lawyers, customers


def test_an_heir_shows_both_papers_and_gets_the_answer_alone(house: House) -> None:
    """The GDPR note and its ground are offered; one paper is not enough; the answer and the codes go to the heir."""
    ref, _ = proven(house, kind="guardian", state="", contact="heir@post.example")
    house.requests.askers.say_who(ref, kind="heir", name="Hedwig Erbe", contact="heir@post.example", by=OPERATOR)
    house.requests.asker_pages.prove(link(house, "heir@post.example", "asker"))
    assert "does not cover the dead" in " ".join(one.words for one in who(house, ref).notes)
    assert "not_living" in {one.id for one in house.requests.view(ref).grounds}
    accept(house, ref, "death")
    assert "who the heirs are" in missing(house, ref)
    house.requests.askers.send_answer_to(ref, to="asker", why="The person has died.", by=OPERATOR)
    accept(house, ref, "inheritance")
    assert carried_out(house, ref) is State.ANSWERED
    assert any("copy" in one.subject.lower() for one in house.mails_to("heir@post.example"))
    house.requests.ask_code(ref, source="192.0.2.7")
    assert house.code("heir@post.example")
    assert not any("code" in one.subject.lower() or "copy" in one.subject.lower() for one in house.mails_to(ANNA))


def test_a_lawyers_letter_shows_the_mandate(house: House) -> None:
    """Opened by hand, without an address of the lawyer's: the answer can go to nobody but the person."""
    ref = house.confirmed(ANNA)
    house.requests.askers.say_who(ref, kind="lawyer", name="Lena Law", by=OPERATOR)
    assert "mandate" in missing(house, ref)
    with pytest.raises(Conflict, match="not proven"):
        house.requests.askers.send_answer_to(ref, to="both", why="Page 2", by=OPERATOR)
    with pytest.raises(BadInput, match="not asked for here"):
        accept(house, ref, "death")
    accept(house, ref, "mandate")
    house.requests.askers.take_back(ref, item="mandate", why="Signed by nobody.", by=OPERATOR)
    assert "mandate" in missing(house, ref)


def test_the_record_names_nobody(house: House) -> None:
    """The ledger and the events hold no name and no address of an asker."""
    ref, _ = proven(house)
    house.requests.asker_pages.confirm(link(house, ANNA, "for-me"))
    accept(house, ref)
    view = house.requests.view(ref)
    told = f"{view.timeline} {view.evidence}"
    assert "Robin" not in told
    assert AGENT not in told
    kinds = [one.kind for one in view.timeline]
    assert {"asker_declared", "asker_proven", "asker_item", "asker_shown", "identity"} <= set(kinds)
    assert who(house, ref).answer_to is AnswerTo.PERSON
    with house.database.read() as session:
        assert find_ticket(session, ref).identity_at == view.identity_at
    assert datetime(2026, 6, 11, tzinfo=UTC) < (view.identity_at or datetime.min.replace(tzinfo=UTC))


def test_an_opt_out_by_an_agent_takes_the_signed_permission_alone(house: House) -> None:
    """Kept carries it out as soon as an operator has looked; nobody's word is waited for."""
    ref = house.requests.open_by_hand(
        email=ANNA,
        right="limit_sensitive",
        received_at=datetime(2026, 6, 10, tzinfo=UTC),
        channel="letter",
        by=OPERATOR,
        country="US",
        subdivision="CA",
    )
    house.requests.askers.say_who(ref, kind="agent", name="Robin Agent", contact=AGENT, by=OPERATOR)
    house.work()
    assert state(house, ref) is State.RECEIVED
    assert "a signed permission" in missing(house, ref)
    accept(house, ref)
    house.work()
    assert missing(house, ref) == ""
    assert house.requests.view(ref).identity_at is not None
