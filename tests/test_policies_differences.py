"""Differences: clause by clause and word by word, on Kept documents and on any policy text, readable and complete."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from policies.differences import compare, judge, read_either
from policies.documents import Document
from policies.plain_texts import Block, BlockKind, PlainText, read_plain
from policies.prose_differences import BREAK, CELL_END, ProseChange, ProseHappening, compare_prose, shorten
from policies.word_differences import Run, RunKind, compare_words
from tests.policy_texts import logs_for, policy_text

SAME, DEL, INS = RunKind.SAME, RunKind.DEL, RunKind.INS


def blocks(*texts: str) -> tuple[Block, ...]:
    """Paragraphs; a text that begins with # is a heading."""
    return tuple(
        Block(
            kind=BlockKind.HEADING if text.startswith("#") else BlockKind.PARAGRAPH, text=text.lstrip("# "), line=number
        )
        for number, text in enumerate(texts, start=1)
    )


def marked(runs: Sequence[Run]) -> str:
    """Runs on one line: [-gone-] and {+come+}."""
    signs = {SAME: "{}", DEL: "[-{}-]", INS: "{{+{}+}}"}
    return "".join(signs[run.kind].format(run.text) for run in runs)


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("Logs are kept for 30 days for debugging.", "Logs are kept for 90 days for debugging.",
         "Logs are kept for [-30 days-]{+90 days+} for debugging."),
        ("Prompts go to Groq, Together AI and Cerebras, who answer.", "Prompts go to Groq, Together AI, Cerebras and OpenRouter, who answer.",
         "Prompts go to Groq, Together AI[- and Cerebras-]{+, Cerebras and OpenRouter+}, who answer."),
        ("We keep it. You can ask.", "We keep it. We tell you why. You can ask.", "We keep it.{+ We tell you why.+} You can ask."),
        ("Write to a@b.example now.", "Write to c@b.example now.", "Write to [-a@b.example-]{+c@b.example+} now."),
        ("Same words", "Same words", "Same words"),
        ("The big old red house burned.", "A small new red car drove.", "[-The big old red house burned-]{+A small new red car drove+}."),
    ],
)  # fmt: skip
def test_words_that_went_and_came_are_shown_in_pieces_a_person_can_read(old: str, new: str, shown: str) -> None:
    """No confetti: an equal word between two larger changes belongs to them; a whole new sentence stands in one piece."""
    assert marked(compare_words(old, new)) == shown


def test_a_long_sentence_is_not_lost_to_its_common_words() -> None:
    """difflib's autojunk drops words that stand often in more than 200; a change of one word must stay one word."""
    words = " ".join(f"the {number} of the day and" for number in range(100))
    runs = compare_words(f"{words} before the end", f"{words} after the end")
    assert [run.text for run in runs if run.kind is not SAME] == ["before", "after"]


def happenings(old: Sequence[Block], new: Sequence[Block]) -> list[tuple[ProseHappening, str]]:
    return [
        (change.happened, change.after or change.before)
        for change in compare_prose(old, new)
        if change.happened is not ProseHappening.SAME
    ]


CODE = "We do not train models on the code that you send us."
SHARE = "We share your data only as necessary to provide the service."
LOGS = "Request and response logs are kept for ninety days for debugging."


def test_a_paragraph_that_moved_is_moved_and_not_deleted_and_added() -> None:
    """It is shown once, where it stands now, with the heading it stood under."""
    old = blocks("# Safety", CODE, "# Sharing", SHARE, LOGS)
    new = blocks("# Safety", "# Sharing", SHARE, LOGS, CODE)
    [moved] = [change for change in compare_prose(old, new) if change.happened is not ProseHappening.SAME]
    assert (moved.happened, moved.after, moved.moved_from, moved.section) == (
        ProseHappening.MOVED,
        CODE,
        "Safety",
        "Sharing",
    )
    assert not moved.reworded


def test_the_smaller_part_is_the_one_that_moved() -> None:
    """When one short paragraph changes places with three long ones, the short one moved."""
    rest = [f"{SHARE} Part {number} of the long story that we tell about it." for number in range(3)]
    assert happenings(blocks(CODE, *rest), blocks(*rest, CODE)) == [(ProseHappening.MOVED, CODE)]


def test_a_moved_paragraph_may_be_reworded_too() -> None:
    """Moving hides no change: its runs show the words."""
    [moved] = [
        change
        for change in compare_prose(blocks(CODE, SHARE, LOGS), blocks(SHARE, LOGS, CODE.replace("do not", "sometimes")))
        if change.happened is not ProseHappening.SAME
    ]
    assert moved.happened is ProseHappening.MOVED
    assert marked(moved.runs) == "We [-do not-]{+sometimes+} train models on the code that you send us."


def test_a_paragraph_that_was_split_or_merged_is_one_change() -> None:
    """A line end in the words marks where; no word is shown as new."""
    both = f"{SHARE} {LOGS}"
    [split] = [
        c for c in compare_prose(blocks(CODE, both), blocks(CODE, SHARE, LOGS)) if c.happened is not ProseHappening.SAME
    ]
    assert (split.happened, split.before, split.after) == (ProseHappening.CHANGED, both, f"{SHARE}{BREAK}{LOGS}")
    assert {run.text.strip() for run in split.runs if run.kind is not SAME} == {""}
    [merged] = [
        c for c in compare_prose(blocks(SHARE, LOGS, CODE), blocks(both, CODE)) if c.happened is not ProseHappening.SAME
    ]
    assert (merged.before, merged.after, merged.old_at) == (f"{SHARE}{BREAK}{LOGS}", both, (0, 1))


def test_one_changed_word_in_a_short_paragraph_is_a_change() -> None:
    """Between two paragraphs that stayed, the place pairs what is alike only in part."""
    assert happenings(blocks(CODE, "30 days", SHARE), blocks(CODE, "90 days", SHARE)) == [
        (ProseHappening.CHANGED, "90 days")
    ]


def test_the_cells_of_a_row_are_read_together() -> None:
    """A period alone in a cell says nothing; its row does."""
    table = "| Record | Kept |\n| --- | --- |\n| Logs of requests | {} |\n| Invoices of yours | 10 years |\n\nThat is all we keep."
    difference = compare(read_plain(table.format("30 days"), "a.md"), read_plain(table.format("90 days"), "b.md"))
    [change] = difference.changed_prose
    assert change.after == f"Logs of requests{CELL_END}90 days"


def test_what_stayed_is_counted_and_only_its_edge_is_shown() -> None:
    """The view is short: one unchanged paragraph around each change, the others as a number."""
    texts = [f"Paragraph number {name} of this text stays as it is." for name in "abcdefgh"]
    old, new = (
        blocks("# One", *texts),
        blocks("# One", *texts[:4], "Something wholly different stands here now.", *texts[5:]),
    )
    [section] = shorten(compare_prose(old, new), context=1)
    assert [(part.change.happened.value, part.skipped) for part in section.parts] == [
        ("same", 4), ("removed", 0), ("added", 0), ("same", 0),
    ]  # fmt: skip
    assert (section.title, section.skipped) == ("One", 2)


_SENTENCE = st.lists(
    st.sampled_from(
        [
            "we",
            "you",
            "share",
            "keep",
            "delete",
            "data",
            "logs",
            "for",
            "30",
            "90",
            "days",
            "not",
            "the",
            "Groq",
            "and.",
            "it,",
        ]
    ),
    max_size=9,
).map(" ".join)
_TEXT = st.lists(_SENTENCE.filter(bool), max_size=9)


def sides(changes: Sequence[ProseChange]) -> tuple[dict[int, str], list[tuple[tuple[int, ...], str]]]:
    """The old paragraphs by place and the new ones in the order of the changes, from the runs alone."""
    old: dict[int, str] = {}
    new = []
    for change in changes:
        before = "".join(run.text for run in change.runs if run.kind is not INS)
        after = "".join(run.text for run in change.runs if run.kind is not DEL)
        assert (before, after) == (change.before, change.after)
        old |= dict(zip(change.old_at, before.split(BREAK), strict=True)) if change.old_at else {}
        if change.new_at:
            new.append((change.new_at, after))
    return old, new


@given(_TEXT, _TEXT)
@settings(max_examples=150, deadline=None)
def test_a_difference_applied_to_the_old_text_gives_the_new_one(old: list[str], new: list[str]) -> None:
    """Nothing is lost and nothing invented: what stayed and went is the old text, what stayed and came the new, in order."""
    before, after = blocks(*old), blocks(*new)
    was, now = sides(compare_prose(before, after))
    assert [was[place] for place in range(len(before))] == [block.text for block in before]
    assert [place for places, _ in now for place in places] == list(range(len(after)))
    assert [text for _, words in now for text in words.split(BREAK)] == [block.text for block in after]


@given(st.text(alphabet="ab. ,\n|(ÄZ9“”", max_size=60), st.text(alphabet="ab. ,\n|(ÄZ9“”", max_size=60))
@settings(max_examples=200, deadline=None)
def test_runs_give_back_both_wordings_to_the_last_sign(old: str, new: str) -> None:
    """Also where there are only signs, or only spaces."""
    runs = compare_words(old, new)
    assert "".join(run.text for run in runs if run.kind is not INS) == old
    assert "".join(run.text for run in runs if run.kind is not DEL) == new


@given(_TEXT.map(lambda texts: [*texts, "One line that is here on both sides."]))
@settings(max_examples=50, deadline=None)
def test_a_text_does_not_differ_from_itself(texts: list[str]) -> None:
    """Whatever stands in it, also the same paragraph five times."""
    assert all(change.happened is ProseHappening.SAME for change in compare_prose(blocks(*texts), blocks(*texts)))


def test_documents_are_compared_by_clause_and_by_what_their_prose_prints() -> None:
    """The reader of the prose sees the period, not the expression that prints it."""
    body = 'Logs are kept for {{ clause("logs").for }}.'
    clause = "{{id: logs, kind: retention, of: request_log, for: {}, then: delete}}"
    old, new = (read_either(policy_text(clause.format(each), body=body), "p.md") for each in ("P30D", "P90D"))
    difference = compare(old, new)
    [change] = difference.clauses
    assert (change.clause_id, change.kind, change.happened, change.weight) == (
        "logs",
        "retention",
        "longer",
        "material",
    )
    assert (change.before, change.after) == (
        "Request logs are deleted 30 days after they are written", "Request logs are deleted 90 days after they are written",
    )  # fmt: skip
    assert marked(difference.changed_prose[0].runs) == "Logs are kept for [-30 days-]{+90 days+}."
    assert isinstance(old, Document)
    assert isinstance(new, Document)
    assert judge(old, new) == difference.verdict
    assert difference.same_clauses == 0


def test_a_document_and_a_plain_text_are_compared_as_texts() -> None:
    """One side without clauses: facts and words decide."""
    text = read_either("# Privacy Policy\n\nLogs are kept for 90 days. Write to us.", "b.md")
    assert isinstance(text, PlainText)
    difference = compare(logs_for("P30D"), text)
    assert difference.clauses == ()
    assert difference.as_json().keys() == {"verdict", "reasons", "clauses", "prose"}


def test_a_broken_capture_is_refused_in_words() -> None:
    """A few bytes are no policy, and a difference from them would say that everything changed."""
    with pytest.raises(BadInput, match="broken capture"):
        read_either("Redirecting to legal.mistral.ai", "2025-12-15T1134.md")
