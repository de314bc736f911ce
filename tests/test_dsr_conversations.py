"""Tickets among each other: several rights in one letter, duplicates, whose work they are, parts refused, tests in no count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import freezegun
import pytest
import sqlalchemy as sa

from core.database import Database
from core.errors import BadInput, Conflict, KeptError, NotFound
from core.operators import Role, add_operator, part_with
from dsr.desk import find_ticket
from dsr.figures import count_rights
from dsr.listing import Wanted, Which
from dsr.states import ENDS, MOVES, OPEN, State
from dsr.tables import RequestCountRow, TicketRow
from dsr.views import Act, StepLine
from policies.clauses import Right
from tests.dsr_house import ANNA, BRUNO, NOON, OPERATOR, STRANGER, House, build_house

REASON = "Ines wrote in the same file."


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    """A house on either database, on a day in June."""
    with freezegun.freeze_time(NOON, tick=True):
        yield build_house(database, tmp_path / "house")


def letter(
    house: House, right: str = "deletion", *, days_ago: int = 3, email: str = ANNA, is_test: bool = False
) -> str:
    received = datetime.now(UTC) - timedelta(days=days_ago)
    return house.requests.open_by_hand(
        email=email, right=right, received_at=received, channel="letter", by=OPERATOR, is_test=is_test
    )


def kinds(house: House, ref: str) -> list[tuple[str, str, str]]:
    return [(one.kind, one.by, one.why) for one in house.requests.view(ref).timeline]


def entries(house: House, ref: str) -> list[str]:
    house.ledger.settle()
    return [one.kind for one in house.requests.view(ref).evidence]


def ticket(house: House, ref: str) -> TicketRow:
    with house.database.read() as session:
        return find_ticket(session, ref)


# several rights in one letter


def test_a_letter_with_two_rights_is_two_tickets_with_a_clock_each(house: House) -> None:
    """A right split off was received when the letter was and has its proof; what moves the day of the one moves no other."""
    ref = letter(house)
    house.requests.confirm(house.link_token(ANNA))
    other = house.requests.conversations.split(ref, right="access", by=OPERATOR)
    one, two = ticket(house, ref), ticket(house, other)
    assert one.conversation_id == two.conversation_id
    assert (two.received_at, two.identity_at, two.contact, two.version) == (
        one.received_at, one.identity_at, one.contact, one.version,
    )  # fmt: skip
    assert (two.state, two.plan_id, two.due_on) == ("received", None, one.due_on)
    assert kinds(house, ref)[-1] == ("split", OPERATOR, other)
    assert kinds(house, other) == [("opened", OPERATOR, ""), ("split_from", OPERATOR, ref)]
    assert "request.split" in entries(house, ref)
    assert "request.received" in entries(house, other)
    assert other in house.latest_mail(ANNA, "request").text

    house.requests.set_regime(ref, regime="gdpr", by=OPERATOR)
    house.requests.clocks.extend(ref, by=OPERATOR, reason="Very many places to look.")
    assert house.requests.view(ref).due_on > house.requests.view(other).due_on == two.due_on
    house.requests.make_plan(ref, by=OPERATOR)
    house.requests.withdraw(ref, by=OPERATOR, why="By phone.")
    assert (ticket(house, ref).state, ticket(house, other).state) == ("withdrawn", "received")
    near = house.requests.conversations.neighbours(other)
    assert [(one.ref, one.is_closed) for one in near.letter] == [(ref, True)]
    assert Right.DELETION in near.rights
    assert Right.ACCESS not in near.rights


def test_the_proof_of_one_right_of_a_letter_is_that_of_the_others(house: House) -> None:
    """Split before the link was pressed: pressing it proves the address for each, and each is told; a closed one is not."""
    ref = letter(house)
    other = house.requests.conversations.split(ref, right="portability", by=OPERATOR)
    closed = house.requests.conversations.split(ref, right="objection", by=OPERATOR)
    house.requests.withdraw(closed, by=OPERATOR, why="By phone.")
    assert house.requests.confirm(house.link_token(ANNA)) == ref
    proven = {one: ticket(house, one).identity_at for one in (ref, other, closed)}
    assert proven[ref] == proven[other] is not None
    assert proven[closed] is None
    assert kinds(house, other)[-1] == ("identity", "person", ref)
    told = [mail.text for mail in house.mails_to(ANNA) if "request" in mail.subject]
    assert any(other in text for text in told)
    assert not any(closed in text for text in told)
    page = house.requests.page(other, house.open_page(other))
    assert [one.ref for one in page.siblings] == [ref]


def test_what_cannot_be_split_off_is_refused_with_the_reason(house: House) -> None:
    """A right that there is not, one that is open in the same letter, and what is nobody's request yet."""
    ref, requests = letter(house), house.requests.conversations
    with pytest.raises(BadInput, match="no right"):
        requests.split(ref, right="everything", by=OPERATOR)
    with pytest.raises(Conflict, match=ref):
        requests.split(ref, right="deletion", by=OPERATOR)
    with pytest.raises(NotFound):
        requests.split("ZZZZZ-ZZZZ", right="access", by=OPERATOR)
    house.submit()
    with house.database.read() as session:
        unseen = session.execute(sa.select(TicketRow.ref).where(TicketRow.state == "unconfirmed")).scalar_one()
    with pytest.raises(Conflict, match="was not used"):
        requests.split(unseen, right="deletion", by=OPERATOR)
    house.requests.withdraw(ref, by=OPERATOR, why="By phone.")
    again = requests.split(ref, right="deletion", by=OPERATOR)
    assert ticket(house, again).state == "received"


# requests that ask for the same


def test_duplicates_are_linked_and_neither_waits_for_the_other(house: House) -> None:
    """Both show the link; each is worked and answered for itself; the link can be taken away by either."""
    first, second = letter(house), letter(house, days_ago=1)
    elsewhere = letter(house, email=BRUNO)
    house.requests.confirm(house.link_token(ANNA))
    requests = house.requests.conversations
    assert [one.ref for one in requests.neighbours(first).address] == [second]
    requests.link(first, second, by=OPERATOR)
    for one, other in ((first, second), (second, first)):
        near = requests.neighbours(one)
        assert ([each.ref for each in near.linked], near.address) == ([other], ())
        assert kinds(house, one)[-1] == ("linked", OPERATOR, other)
        assert "request.linked" in entries(house, one)
    for wrong, error in ((first, BadInput), (second, Conflict), ("ZZZZZ-ZZZZ", NotFound)):
        with pytest.raises(error):
            requests.link(first, wrong, by=OPERATOR)
    with pytest.raises(BadInput, match="ask for the same"):
        requests.link(first, letter(house, "access"), by=OPERATOR)
    proven, waiting = (second, first) if ticket(house, second).identity_at else (first, second)
    house.requests.make_plan(proven, by=OPERATOR)
    house.requests.approve(proven, by=OPERATOR)
    house.work()
    assert (ticket(house, proven).state, ticket(house, waiting).state) == ("answered", "received")
    requests.link(elsewhere, waiting, by=OPERATOR)
    requests.unlink(second, first, by="opr_uwe")
    assert requests.neighbours(proven).linked == ()
    assert [one.ref for one in requests.neighbours(waiting).linked] == [elsewhere]
    with pytest.raises(Conflict, match="not linked"):
        requests.unlink(first, second, by=OPERATOR)


# whose work it is


def test_a_ticket_is_the_work_of_one_operator_until_it_is_closed(house: House) -> None:
    """The list shows mine, and what is nobody's: that of who has left too. Who does not work on requests gets none."""
    with house.database.begin() as session:
        now = datetime.now(UTC)
        ines, uwe = (
            add_operator(session, email=f"{name}@kept.example", name=name, role=Role.AGENT, now=now).id
            for name in ("ines", "uwe")
        )
    mine, theirs, nobodys = letter(house), letter(house, email=BRUNO), letter(house, email=STRANGER)
    requests, listed = house.requests.conversations, house.requests.find_tickets
    requests.assign(mine, to=ines, by=ines)
    requests.assign(theirs, to=uwe, by=ines)
    assert kinds(house, theirs)[-1] == ("assigned", ines, uwe)
    assert "request.assigned" in entries(house, theirs)
    assert [one.ref for one in listed(Wanted(assigned_to=ines))] == [mine]
    assert [one.ref for one in listed(Wanted(is_unassigned=True))] == [nobodys]
    with pytest.raises(BadInput, match="Nobody of this name"):
        requests.assign(nobodys, to="opr_nobody", by=ines)
    with house.database.begin() as session:
        part_with(session, uwe, now)
    assert {one.ref for one in listed(Wanted(is_unassigned=True))} == {theirs, nobodys}
    requests.assign(mine, to="", by=ines)
    events = kinds(house, mine)
    requests.assign(mine, to="", by=ines)
    assert kinds(house, mine) == events
    house.requests.withdraw(mine, by=ines, why="By phone.")
    with pytest.raises(Conflict, match="closed"):
        requests.assign(mine, to=ines, by=ines)


# the list


def test_a_list_is_paged_and_counted_in_a_fixed_order(house: House) -> None:
    """Pages of a list together are the list, by due date; closed ones by when they were closed, the latest first."""
    refs = [letter(house, days_ago=days) for days in (1, 9, 4, 9, 2)]
    whole = [one.ref for one in house.requests.find_tickets(Wanted())]
    assert set(whole) == set(refs)
    assert whole[-1] == refs[0]
    pages = [house.requests.find_tickets(Wanted(), limit=2, offset=at) for at in (0, 2, 4)]
    assert [one.ref for page in pages for one in page] == whole
    assert house.requests.count_tickets(Wanted()) == len(refs)
    for ref in (refs[3], refs[0]):
        house.requests.withdraw(ref, by=OPERATOR, why="By phone.")
    assert [one.ref for one in house.requests.find_tickets(Wanted(which=Which.CLOSED))] == [refs[0], refs[3]]
    assert house.requests.count_tickets(Wanted(which=Which.CLOSED)) == 2
    assert house.requests.count_tickets(Wanted(search=refs[1][:4])) == 1
    assert house.requests.count_tickets(Wanted(which=Which.ALL, search=ANNA.upper())) == len(refs)


# parts that are refused


def planned(house: House, right: str) -> str:
    ref = house.confirmed(right=right)
    house.requests.make_plan(ref, by=OPERATOR)
    return ref


def test_a_part_of_a_deletion_is_refused_and_the_rest_is_done(house: House) -> None:
    """What is refused stays, by counts of SQL; the mail, the page and the ticket have it with ground and reason; the
    ticket ends partly refused, with the ledger's entry."""
    ref = planned(house, "deletion")
    before = house.requests.view(ref).plan
    assert before is not None
    assert Act.REFUSE_PART in house.requests.view(ref).acts
    house.requests.parts.refuse(
        ref, by=OPERATOR, collections=["requests"], ground="legal_claims", reason=f"{REASON}\x00"
    )
    view = house.requests.view(ref)
    assert view.plan is not None
    assert (view.state, view.plan.id != before.id) == (State.PLANNED, True)
    assert "requests" not in {step.collection for step in view.plan.steps}
    stays = next(one for one in view.plan.stays if one.basis == "refused")
    assert (stays.collection, stays.rows) == ("requests", 7)
    assert "GDPR Art. 17(3)(e)" in stays.reason
    with pytest.raises(Conflict, match="changed since"):
        house.requests.approve(ref, by=OPERATOR, seal=before.seal)
    house.requests.approve(ref, by=OPERATOR, seal=view.plan.seal)
    house.work()
    done = house.requests.view(ref)
    assert (done.state, done.line.is_closed) == (State.PARTLY_REFUSED, True)
    assert house.count("request_log", "user_id = 'u_anna'") == 7
    assert house.count("playground", "user_id = 'u_anna'") == 0
    assert ("part_refused", OPERATOR) in [(kind, by) for kind, by, _ in kinds(house, ref)]
    assert {"request.part_refused", "request.partly_refused", "request.outcome_told"} <= set(entries(house, ref))
    mail = house.latest_mail(ANNA, "Part of your data is deleted")
    for words in (REASON.rstrip("."), "The data is needed for legal claims", "Art. 17(3)(e)", "7 records", "court"):
        assert words in " ".join(mail.text.replace("\u202f", " ").split())
    assert "Nothing stays" not in mail.text
    page = house.requests.page(ref, house.open_page(ref))
    assert REASON.rstrip(".") in page.outcome["refused"][0]["why"]
    assert page.may_withdraw is False
    with house.database.read() as session:
        assert count_rights(session, datetime.now(UTC).date())[Right.DELETION].answered == 1


def test_a_part_of_a_copy_is_refused_and_named_in_it(house: House) -> None:
    """The package leaves it out, and its letter and the answer say on which ground."""
    ref = planned(house, "access")
    house.requests.parts.refuse(
        ref, by=OPERATOR, collections=["requests", "playground"], ground="others_rights", reason=REASON
    )
    house.requests.approve(ref, by=OPERATOR)
    house.work()
    view = house.requests.view(ref)
    assert view.state is State.PARTLY_REFUSED
    assert view.package is not None
    assert "requests" not in view.outcome["rows"]
    assert "usage" in view.outcome["rows"]
    assert len(view.outcome["refused"]) == 2
    assert "harm the rights of other people" in house.latest_mail(ANNA, "copy").text


def test_the_refusal_of_a_part_can_be_taken_back_before_approval(house: House) -> None:
    """The plan then holds it again; after the approval it is too late for both."""
    ref, parts = planned(house, "deletion"), house.requests.parts
    whole = {step.collection for step in _steps(house, ref)}
    parts.refuse(ref, by=OPERATOR, collections=["playground"], ground="legal_claims", reason=REASON)
    assert {step.collection for step in _steps(house, ref)} == whole - {"playground"}
    (part,) = parts.list(ref)
    with pytest.raises(NotFound):
        parts.take_back(ref, "prt_other", by=OPERATOR)
    parts.take_back(ref, part.id, by=OPERATOR)
    assert {step.collection for step in _steps(house, ref)} == whole
    assert kinds(house, ref)[-2][:2] == ("part_taken_back", OPERATOR)
    parts.refuse(ref, by=OPERATOR, collections=["playground"], ground="legal_claims", reason=REASON)
    house.requests.approve(ref, by=OPERATOR)
    with pytest.raises(Conflict, match="approved"):
        parts.take_back(ref, parts.list(ref)[0].id, by=OPERATOR)
    with pytest.raises(Conflict, match="approved"):
        parts.refuse(ref, by=OPERATOR, collections=["usage"], ground="legal_claims", reason=REASON)


def test_what_is_no_part_or_no_ground_is_refused_with_what_there_is(house: House) -> None:
    """All of it is no part; a name that the plan lacks, a ground against another right and an empty reason change nothing."""
    ref, parts = planned(house, "deletion"), house.requests.parts
    everything = [step.collection for step in _steps(house, ref)]
    wrong: list[tuple[dict[str, object], type[KeptError]]] = [
        ({"collections": everything}, Conflict),
        ({"collections": []}, BadInput),
        ({"collections": ["passwd"]}, BadInput),
        ({"ground": "others_rights"}, BadInput),
        ({"ground": "made_up"}, BadInput),
        ({"reason": " \x00"}, BadInput),
        ({"reason": "x" * 5_001}, BadInput),
    ]
    for change, error in wrong:
        given = {"collections": ["playground"], "ground": "legal_claims", "reason": REASON, **change}
        with pytest.raises(error):
            parts.refuse(ref, by=OPERATOR, **given)  # type: ignore[arg-type]
    assert parts.list(ref) == ()
    fresh = house.confirmed(BRUNO, "deletion")
    with pytest.raises(Conflict, match="once a plan"):
        parts.refuse(fresh, by=OPERATOR, collections=["playground"], ground="legal_claims", reason=REASON)


def test_a_right_done_by_hand_is_refused_in_part_in_words(house: House) -> None:
    """The part is named in words; the answer in the operator's words goes out with it, and the ticket ends partly refused."""
    ref = letter(house, "objection")
    house.requests.confirm(house.link_token(ANNA))
    with pytest.raises(BadInput, match="A part has"):
        house.requests.parts.refuse(ref, by=OPERATOR, ground="national_limit", reason=REASON)
    house.requests.parts.refuse(ref, by=OPERATOR, what="Fraud checks", ground="national_limit", reason=REASON)
    house.requests.answer_by_hand(ref, by=OPERATOR, words="We stopped the newsletter.")
    assert house.requests.view(ref).state is State.PARTLY_REFUSED
    mail = " ".join(house.latest_mail(ANNA, "What we did").text.split())
    for words in ("We stopped the newsletter.", "Fraud checks", "A national law limits this right", REASON.rstrip(".")):
        assert words in mail


def _steps(house: House, ref: str) -> tuple[StepLine, ...]:
    plan = house.requests.view(ref).plan
    assert plan is not None
    return plan.steps


# nothing, and tests


def test_that_nothing_is_held_is_said_only_after_proof(house: House) -> None:
    """Without proof nobody has looked, so it cannot be said, whatever is known of the address."""
    ref = letter(house, email=STRANGER)
    with pytest.raises(Conflict, match="Nobody has looked"):
        house.requests.answer_nothing_found(ref, by=OPERATOR)
    assert Act.NOTHING_FOUND not in house.requests.view(ref).acts
    house.requests.confirm(house.link_token(STRANGER))
    with pytest.raises(Conflict, match="Nobody has looked"):
        house.requests.answer_nothing_found(ref, by=OPERATOR)
    house.requests.make_plan(ref, by=OPERATOR)
    house.requests.answer_nothing_found(ref, by=OPERATOR, looked_by_hand="Looked, nothing there.")
    assert house.requests.view(ref).state is State.NOTHING_FOUND


def test_a_test_ticket_is_marked_and_stands_in_no_count(house: House) -> None:
    """Open and late, answered, split off: in the list with its mark, in no number, and in none that is left of it later."""
    late, closed = letter(house, "objection", days_ago=90, is_test=True), letter(house, is_test=True)
    other = house.requests.conversations.split(closed, right="access", by=OPERATOR)
    house.requests.refuse(closed, by=OPERATOR, ground="unfounded", reason="A test.")
    assert {one.ref for one in house.requests.list_tickets() if one.is_test} == {late, other}
    assert set(house.requests.count_states().values()) == {0}
    today = datetime.now(UTC).date()
    assert house.requests.count_overdue(today) == 0
    assert house.requests.find_tickets(Wanted(with_tests=False)) == []
    with house.database.begin() as session:
        assert count_rights(session, today) == {}
        assert ticket(house, closed).ended_as == "test"
        for outcome in ("test", "answered"):
            row = RequestCountRow(
                year=today.replace(month=1, day=1), right="access", regime=None, outcome=outcome, rows=6
            )
            session.add(row)
    house.requests.tidy()
    with house.database.read() as session:
        assert session.execute(sa.select(RequestCountRow.outcome)).scalars().all() == ["answered"]


# every change is a row


def test_every_move_is_a_row_that_follows_the_one_before(house: House) -> None:
    """From, to, who, why, when: no state is skipped, and each follows by the machine's own table."""
    ref = planned(house, "deletion")
    house.requests.parts.refuse(ref, by=OPERATOR, collections=["usage"], ground="legal_claims", reason=REASON)
    house.requests.approve(ref, by=OPERATOR, reason="Looked at it.")
    house.work()
    line = house.requests.view(ref).timeline
    assert line[0].before is State.UNCONFIRMED
    assert all(one.after is two.before for one, two in pairwise(line))
    assert all(one.after in MOVES[one.before] | {one.before} for one in line)
    assert all(one.by and one.at for one in line)
    assert (line[-1].after, line[-1].after in ENDS, line[-1].after in OPEN) == (State.PARTLY_REFUSED, True, False)
    assert "Looked at it." in [one.why for one in line]
