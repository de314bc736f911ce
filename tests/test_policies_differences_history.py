"""The differences of real policies over a year: each pair of captures, the verdict a person came to, and why."""

from functools import cache
from pathlib import Path

import pytest

from core.errors import BadInput
from policies.differences import Difference, compare, read_either
from policies.prose_differences import ProseHappening

HISTORY = Path(__file__).parent / "data" / "policies" / "history"
BROKEN = "le-chat/2025-12-15T1134"

# Old, new, verdict, a word of the weightiest reason; above each, what a person reads there.
PAIRS = [
    # The same day, written the American and the British way, back and forth.
    ("claude-ai/2026-04-28T1030", "claude-ai/2026-04-29T2230", "editorial", "written otherwise"),
    ("claude-ai/2026-04-29T2230", "claude-ai/2026-05-17T2230", "editorial", "written otherwise"),
    ("claude-ai/2026-05-17T2230", "claude-ai/2026-05-18T1031", "editorial", "written otherwise"),
    # A new version: identity checks with documents and faces, study data, third-party services, other ground for disclosing.
    ("claude-ai/2026-05-18T1031", "claude-ai/2026-06-09T1030", "material", "Verification Data"),
    ("claude-ai/2026-06-09T1030", "claude-ai/2026-06-09T2230", "editorial", "written otherwise"),
    # The notice on training is rewritten: bought data sets, a new part on each stage; "do not actively set out to collect" is gone.
    ("claude-ai/2026-06-09T2230", "claude-ai/2026-07-08T2231", "material", "purchase"),
    ("claude-ai/2026-07-08T2231", "claude-ai/2026-08-17T2231", "editorial", "written otherwise"),
    # Voice and photos are collected; shared links; a right not to be trained on.
    ("deepseek/2025-11-11T1523", "deepseek/2025-12-23T1131", "material", "voice, photos"),
    # Commercial messages, training within the group, location used for answers, vendors.
    ("deepseek/2025-12-23T1131", "deepseek/2026-02-10T1130", "material", "commercial"),
    # A product has another name; the capture holds the whole text twice.
    ("le-chat/2025-11-11T1533", "le-chat/2025-12-15T2334", "minor", "Reworded"),
    # Data sets of third parties for training, and a part for the United States.
    ("le-chat/2025-12-15T2334", "le-chat/2025-12-31T2335", "material", "third, parties"),
    # Letters go to another department; the data protection officer has an address.
    ("le-chat/2025-12-31T2335", "le-chat/2026-04-02T2233", "minor", "DPO"),
    # Two words: what users of the Team plan write may now be trained on.
    ("le-chat/2026-04-02T2233", "le-chat/2026-04-08T2233", "material", "team"),
]


@cache
def differ(old: str, new: str) -> Difference:
    return compare(*(read_either((HISTORY / f"{name}.md").read_text(encoding="utf-8"), name) for name in (old, new)))


@pytest.mark.parametrize(("old", "new", "verdict", "reason"), PAIRS)
def test_a_real_change_weighs_what_a_person_says_it_weighs(old: str, new: str, verdict: str, reason: str) -> None:
    """And the reason that decides is among the reasons given."""
    found = differ(old, new).verdict
    assert found.weight == verdict
    assert any(reason in sentence for sentence in found.reasons), found.reasons


@pytest.mark.parametrize("other", ["le-chat/2025-11-11T1533", "le-chat/2025-12-15T2334"])
def test_the_broken_capture_is_refused_as_such(other: str) -> None:
    """31 bytes of a redirect are no policy, on whichever side."""
    with pytest.raises(BadInput, match="broken capture: 31 bytes"):
        differ(BROKEN, other)
    with pytest.raises(BadInput, match="broken capture: 31 bytes"):
        differ(other, BROKEN)


def test_a_day_that_is_written_otherwise_is_the_only_difference_that_is_shown() -> None:
    """249 paragraphs stay, one differs, and of it three words."""
    difference = differ("claude-ai/2026-04-28T1030", "claude-ai/2026-04-29T2230")
    [change] = difference.changed_prose
    assert (change.before[:25], change.after[:24]) == ("Effective August 28, 2025", "Effective 28 August 2025")
    assert difference.verdict.reasons == ("A date is written otherwise: August 28, 2025, now 28 August 2025.",)


def test_two_words_that_narrow_a_promise_are_shown_as_two_words() -> None:
    """Nothing else of a long cell is marked."""
    changes = differ("le-chat/2026-04-02T2233", "le-chat/2026-04-08T2233").changed_prose
    gone = [run.text.strip() for change in changes for run in change.runs if run.kind == "del"]
    assert "Team, Le Chat" in gone


def test_most_of_a_rewritten_policy_stays_in_place() -> None:
    """60 kB with a hundred edits: few paragraphs are whole insertions, and hardly any is deleted to be added elsewhere."""
    difference = differ("claude-ai/2026-05-18T1031", "claude-ai/2026-06-09T1030")
    counted = [change.happened for change in difference.prose]
    assert counted.count(ProseHappening.SAME) > 140
    assert counted.count(ProseHappening.CHANGED) > 40
    assert counted.count(ProseHappening.REMOVED) <= 3
    assert counted.count(ProseHappening.ADDED) <= 14
