"""Translations: the documents beside one another promise the same, in other words."""

from pathlib import Path

import pytest

from core.errors import NotFound
from policies.documents import DocumentRefused
from policies.translations import family_of, read_family
from tests.policy_texts import policy_text

LOGS = "{id: logs, kind: retention, of: request_log, for: P30D, then: delete}"
PLEDGE = "{id: no-sale, kind: pledge, says: personal data is not sold, owner: legal, review: P1Y}"
PLEDGE_DE = "{id: no-sale, kind: pledge, says: personenbezogene Daten werden nicht verkauft, owner: legal, review: P1Y}"
GERMAN = "language: de"


def refused(original: str, translation: str) -> str:
    with pytest.raises(DocumentRefused) as caught:
        family_of({"gateway.md": original, "gateway.de.md": translation})
    return caught.value.message


def test_the_files_beside_a_document_are_its_translations(tmp_path: Path) -> None:
    """`gateway.de.md` stands beside `gateway.md`; words may differ, and the original comes first."""
    (tmp_path / "gateway.md").write_text(policy_text(LOGS, PLEDGE))
    (tmp_path / "gateway.de.md").write_text(policy_text(LOGS, PLEDGE_DE, extra=GERMAN))
    family = read_family(tmp_path / "gateway.md")
    assert [document.language for document in family] == ["en", "de"]


def test_a_document_without_others_is_a_family_of_one(tmp_path: Path) -> None:
    """No translation is needed."""
    (tmp_path / "gateway.md").write_text(policy_text(LOGS))
    assert len(read_family(tmp_path / "gateway.md")) == 1


def test_a_translation_is_not_published_for_its_original(tmp_path: Path) -> None:
    """Naming gateway.de.md where gateway.md stands would publish half a version."""
    (tmp_path / "gateway.md").write_text(policy_text(LOGS))
    (tmp_path / "gateway.de.md").write_text(policy_text(LOGS, extra=GERMAN))
    with pytest.raises(DocumentRefused, match=r"is a translation of gateway\.md"):
        read_family(tmp_path / "gateway.de.md")


@pytest.mark.parametrize(
    ("translation", "said"),
    [
        (policy_text(LOGS.replace("P30D", "P90D"), PLEDGE_DE, extra=GERMAN), "clause logs: period is not that"),
        (policy_text(LOGS.replace("id: logs", "id: log"), PLEDGE_DE, extra=GERMAN), "clause log: the original has no such"),
        (policy_text(LOGS, extra=GERMAN), "clause no-sale: the clause is missing"),
        (policy_text(LOGS, PLEDGE_DE.replace("pledge", "safeguard"), extra=GERMAN), "clause no-sale: kind is not that"),
        (policy_text(LOGS, PLEDGE_DE, extra=f"{GERMAN}\nnot_before: 2027-01-01"), "not_before is not that"),
        (policy_text(LOGS, PLEDGE), "language is 'en', and the file's name says 'de'"),
    ],
)  # fmt: skip
def test_a_translation_that_promises_something_else_is_refused(translation: str, said: str) -> None:
    """The refusal names the file, the clause and what differs."""
    message = refused(policy_text(LOGS, PLEDGE), translation)
    assert message.startswith("gateway.de.md:")
    assert said in message


def test_one_language_is_written_once() -> None:
    """Two texts in one language would leave open which of them holds."""
    with pytest.raises(DocumentRefused, match=r"and first\.md is in that language"):
        family_of({"first.md": policy_text(LOGS), "second.md": policy_text(LOGS)})


def test_the_problems_of_every_document_are_told_together() -> None:
    """Whoever corrects two files need not publish twice to see what is wrong with the second."""
    message = refused("no head", policy_text(LOGS.replace("P30D", "30"), extra=GERMAN))
    assert "gateway.md:1:" in message
    assert "gateway.de.md:" in message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Bad input in words."""
    with pytest.raises(NotFound, match="cannot be read"):
        read_family(tmp_path / "none.md")
