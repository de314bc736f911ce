"""What is left of a letter after a split, on its page, in the list and in a terminal; and the alarm about letters that wait."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.database import Database
from core.errors import BadInput
from inbox.desk import LetterLine
from inbox.letter_words import waiting_sentence
from policies.clauses import Right
from promises.alarms import AlarmKind, LettersWait, judge_alarms
from tests.letter_rooms import COPY, NOW, LetterRoom, build_room, mail
from tests.schema import make_tables

BOTH = COPY.replace("Anna", "And delete my account after that.\n\nAnna")
OPERATOR = "opr_ines"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[LetterRoom]:
    database = Database(f"sqlite:///{tmp_path}/kept.db")
    make_tables(database)
    yield build_room(database, tmp_path)
    database.close()


def _received(room: LetterRoom) -> LetterLine:
    line = room.receive(mail(BOTH))
    assert set(line.rights) == {Right.ACCESS, Right.DELETION}
    return line


def test_what_was_split_off_is_proposed_no_more(room: LetterRoom) -> None:
    """The page, the list and an accept without rights hold what is left; undo proposes all of it again."""
    line = _received(room)
    (ref,) = room.desk.split(line.id, rights=["access"], by=OPERATOR)
    view, left = room.desk.letter(line.id), room.line(line.id)
    assert view.proposal.rights == left.rights == (Right.DELETION,)
    assert left.says.startswith("Deletion")
    assert {one.right: one.opened for one in view.proposal.lines if one.opened} == {Right.ACCESS: ref}
    room.desk.undo(line.id, by=OPERATOR)
    assert set(room.desk.letter(line.id).proposal.rights) == {Right.ACCESS, Right.DELETION}
    room.desk.split(line.id, rights=["access"], by=OPERATOR)
    assert len(room.accept(line.id)) == 1
    assert room.desk.figures().accepted == 1


def test_nothing_proposed_is_left_when_all_of_it_was_split_off(room: LetterRoom) -> None:
    """The letter says so and opens nothing twice; setting the rest aside closes it as accepted."""
    line = _received(room)
    room.desk.split(line.id, rights=["access"], by=OPERATOR)
    room.desk.split(line.id, rights=["deletion"], by=OPERATOR)
    assert room.line(line.id).says == "What is left after a split"
    with pytest.raises(BadInput, match="No right is chosen"):
        room.accept(line.id)
    room.desk.not_a_request(line.id, why="nothing else is in it", by=OPERATOR)
    assert len(room.line(line.id).refs) == 2


def test_letters_that_wait_too_long_are_an_alarm(room: LetterRoom) -> None:
    """One for all of them, since the oldest came in; none while they are young."""
    _received(room)
    waits = room.desk.waiting()
    now = room.house.desk.clock.now()
    assert waits.oldest_at is not None
    assert waiting_sentence(waits, now, NOW.date()) == ""
    later = now + timedelta(days=2)
    says = waiting_sentence(waits, later, later.date())
    (alarm,) = judge_alarms([], [], later, letters=LettersWait(says=says, since=waits.oldest_at))
    assert (alarm.kind, alarm.key, alarm.since) == (AlarmKind.LETTERS, "letters_wait:inbox", waits.oldest_at)
    assert "to be sorted, the oldest for" in alarm.says
    assert judge_alarms([], [], later) == ()
