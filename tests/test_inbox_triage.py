"""What triage makes of messages: the letters in every way they come, mails in people's own words, and what asks for nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import cache

import pytest

from inbox.findings import Flag, Kind, Offer, Part, Triage
from inbox.spelling import is_slip
from inbox.triage import triage
from policies.clauses import Right
from tests.inbox_letters import DATA, KNOWN, Letter, letters, message, no_requests, own_letters, rows

# What was reached, less a little: a change of words may cost one letter, not a language.
LETTERS_RIGHT = 0.98
OWN_WORDS_RIGHT = 0.95
FREE_RIGHT = {"tune": 0.95, "hold": 0.85}


@cache
def _proposed(language: str) -> list[tuple[Letter, Triage]]:
    made = [*letters([language], each=2, seed=11), *own_letters(language, "tune"), *own_letters(language, "hold")]
    return [(letter, triage(message(letter.text))) for letter in [*made, *no_requests(language)]]


def _asked(text: str, **others: object) -> set[str]:
    return {right.value for right in triage(message(text, **others)).rights}


def _freely(language: str, part: str) -> list[tuple[Letter, Triage]]:
    """Mails worded as people please, with some that ask for nothing between them."""
    made = []
    for split, label, text in rows(DATA / "own_letters" / "free" / f"{language}.txt"):
        if split == part:
            kind = label if label in ("reminder", "complaint", "request", "other") else "request"
            rights = frozenset(() if kind == label else label.split(","))
            made.append(Letter(language=language, source="free", how=part, text=text, kind=kind, rights=rights))
    return [(letter, triage(message(letter.text))) for letter in made]


def _share(pairs: Iterable[tuple[Letter, Triage]]) -> float:
    judged = [{right.value for right in found.rights} == set(letter.rights) for letter, found in pairs]
    return sum(judged) / len(judged)


@pytest.mark.parametrize("language", KNOWN)
def test_the_letters_give_the_rights_they_are_labelled_with(language: str) -> None:
    """Filled in, with and without their parts, shortened, misspelled, mixed, quoted and signed: rights exact."""
    made = [
        pair for pair in _proposed(language) if pair[0].how in ("whole", "misspelled", "dressed", "shortened", "mixed")
    ]
    assert _share(made) >= LETTERS_RIGHT
    assert sum(found.kind.value == letter.kind for letter, found in made) >= LETTERS_RIGHT * len(made)


@pytest.mark.parametrize("language", KNOWN)
def test_mails_in_peoples_own_words_give_the_rights_they_ask_for(language: str) -> None:
    """Short, casual, angry, without an article of a law."""
    made = [pair for pair in _proposed(language) if pair[0].source == "own words"]
    assert _share(made) >= OWN_WORDS_RIGHT


@pytest.mark.parametrize("language", KNOWN)
def test_no_request_is_called_other_and_what_asks_for_nothing_is(language: str) -> None:
    """A request lost is worse than a sale looked at: the first has no floor but none, the second may miss one."""
    assert not [
        letter.text for letter, found in _proposed(language) if letter.kind != "other" and found.kind is Kind.OTHER
    ]
    nothing = [found for letter, found in _proposed(language) if letter.kind == "other"]
    assert sum(found.kind is Kind.OTHER for found in nothing) >= len(nothing) - 1
    assert sum(bool(found.rights) for found in nothing) <= 1


@pytest.mark.parametrize("part", ["tune", "hold"])
@pytest.mark.parametrize("language", KNOWN)
def test_mails_worded_freely_give_their_rights_and_none_is_lost(language: str, part: str) -> None:
    """No law, few set phrases, support words between: a right that nobody asks for is as wrong as one that is missed."""
    made = _freely(language, part)
    judged = made if part == "tune" else [pair for one in KNOWN for pair in _freely(one, part)]
    assert _share(judged) >= FREE_RIGHT[part]
    assert not [letter.text for letter, found in made if letter.kind != "other" and found.kind is Kind.OTHER]
    assert sum(bool(found.rights) for letter, found in made if letter.kind == "other") <= 1


@pytest.mark.parametrize("language", KNOWN)
def test_the_language_of_a_letter_is_told(language: str) -> None:
    """By its small words; mails of two words may be told wrong."""
    made = _proposed(language)
    assert sum(found.language == language for _, found in made) >= 0.98 * len(made)


def test_other_languages_are_read_by_a_small_lexicon_and_flagged() -> None:
    """Two mails or more of each: the right is found, the operator is told that the language is foreign."""
    judged = []
    for language, label, text in rows(DATA / "own_letters" / "others.txt"):
        found = triage(message(text))
        judged.append(",".join(right.value for right in found.rights) == label.replace("request", ""))
        assert found.kind is Kind.REQUEST, (language, text)
        assert Flag.FOREIGN_LANGUAGE in found.flags, (language, text)
    assert sum(judged) >= len(judged) - 1


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Art. 15 DSGVO", "access"),
        ("article 17 du RGPD", "deletion"),
        ("artículo 16 del RGPD", "correction"),
        ("artikel 20 lid 1 AVG", "portability"),
        ("art. 18 RODO", "restriction"),
        ("GDPR 17. cikk", "deletion"),
        ("Artikel 7 Absatz 3 DSGVO", "withdraw_consent"),
        ("第15条 GDPR", "access"),
        ("Cal. Civ. Code § 1798.105", "deletion"),
        ("section 1798.106", "correction"),
        ("Section 1798.120 CCPA", "opt_out"),
        ("1798.121", "limit_sensitive"),
        ("art. 18, VI, da LGPD", "deletion"),
    ],
)
def test_an_article_of_a_law_is_enough(text: str, right: str) -> None:
    """However a language writes it."""
    assert right in _asked(f"{text}.")


@pytest.mark.parametrize(
    "text", ["Art. 12 Abs. 3 DSGVO", "Article 17(3) GDPR", "Art. 4 Nr. 1 DSGVO", "Articles 15-22 GDPR", "15 kg"]
)
def test_articles_that_give_nothing_ask_for_nothing(text: str) -> None:
    """Definitions, exceptions, clocks, and all of them at once."""
    assert _asked(f"See {text}.") == set()


@pytest.mark.parametrize(
    "text",
    [
        "I do not want my account deleted.",
        "Please do not delete my data.",
        "Ich möchte nicht, dass mein Konto gelöscht wird.",
        "Bitte löschen Sie mein Konto nicht.",
        "Je ne veux pas que mon compte soit supprimé.",
        "No quiero que eliminen mi cuenta.",
        "Non voglio che il mio account sia cancellato.",
        "Ik wil niet dat mijn account wordt verwijderd.",
        "If my objection leads to the deletion of my account, tell me in advance.",
    ],
)
def test_what_is_denied_or_supposed_is_not_asked_for(text: str) -> None:
    """The words are shown with what speaks against them; the mail stays a request for a person to read."""
    found = triage(message(text))
    assert Right.DELETION not in found.rights
    assert found.kind is Kind.REQUEST
    assert any(why.speaks_for == "deletion" and why.against for why in found.why)


def test_a_negation_of_something_else_leaves_the_request_standing() -> None:
    """'I do not use it any more, delete my account' asks."""
    assert _asked("I don't use your service any more. Please delete my account.") == {"deletion"}
    assert _asked("Do not hesitate to call me. Please erase all my data.") == {"deletion"}
    assert _asked("It would be great if you could delete my account.") == {"deletion"}


def test_an_errand_about_a_thing_asks_for_no_right() -> None:
    """Orders and brochures can be deleted and copied too; beside an account they do not hide the request for it."""
    assert _asked("Please delete my duplicate order 88123.") == set()
    assert _asked("May I send you a copy of our brochure?") == set()
    assert _asked("Please delete my order and my account.") == {"deletion"}
    assert triage(message("Please delete my account, my order and my invoices.")).kind is Kind.REQUEST


def test_what_a_person_did_himself_is_no_request() -> None:
    """Who deleted his photos by mistake wants them back."""
    assert _asked("I deleted my photos by mistake, how can I restore them?") == set()
    assert _asked("I want it deleted, the account was made by mistake.") == {"deletion"}
    assert _asked("I deleted the app. Now please delete my account too.") == {"deletion"}
    assert _asked("Ich habe aus Versehen ein Konto angelegt, das soll bitte wieder gelöscht werden.") == {"deletion"}
    assert _asked("Ik heb per ongeluk een account gemaakt, verwijder het aub.") == {"deletion"}


def test_words_in_any_order_are_known_near_each_other_alone() -> None:
    """`&` in a lexicon: verb and noun either way about, within one sentence."""
    assert _asked("The old address is still on my letters, update it.") == {"correction"}
    assert _asked("The old address was nicer. My cat sleeps. Letters update slowly.") == set()


def test_a_comma_ends_what_is_denied() -> None:
    """In "a copy I need not, I want my account deleted" only the copy is not wanted."""
    assert _asked("Eine Kopie brauche ich nicht, ich will nur, dass mein Konto verschwindet.") == {"deletion"}


def test_a_request_made_anew_is_no_mere_reminder() -> None:
    """Without a word of the earlier request the new one stands; with it the mail belongs to that one."""
    found = triage(message("This is the third time. Correct my surname, it is Brandt."))
    assert (found.kind, found.rights) == (Kind.REQUEST, (Right.CORRECTION,))
    assert triage(message("This is the third time. I asked you in May to correct my surname.")).kind is Kind.REMINDER


def test_quoted_and_forwarded_words_are_shown_but_ask_for_nothing() -> None:
    """A reply above an old letter is no second letter; the operator sees which words stand in the quote."""
    found = triage(
        message(
            "Thank you for the quick answer.", quoted="> Please delete my account and all my data.", subject="Re: x"
        )
    )
    assert found.rights == ()
    assert [(why.part, why.speaks_for, why.against) for why in found.why] == [
        (Part.QUOTED, "deletion", "quoted or forwarded")
    ]
    assert _asked("> Please delete my account.\nSee above.") == set()


def test_footers_and_newsletters_that_name_rights_ask_for_nothing() -> None:
    """'You have the right to access' speaks of rights in general."""
    footer = "You have the right to access, rectify and delete your personal data under Art. 15-17 GDPR."
    assert _asked(f"Thank you for your order.\n\n{footer}") == set()
    newsletter = f"Our weekly newsletter. Read more. You are receiving this email because you signed up. {footer}"
    assert triage(message(newsletter, auto="list")).kind is Kind.OTHER


def test_a_subject_speaks_unless_it_is_of_another_mail() -> None:
    """A request may stand in the subject alone; after 'Re:' it is what somebody wrote before."""
    assert _asked("see subject", subject="Delete my account") == {"deletion"}
    assert _asked("Thanks, all good.", subject="AW: Delete my account") == set()


def test_what_cannot_be_read_is_a_request_without_rights_and_flagged() -> None:
    """Empty, only an attachment, noise, an unknown language: never dropped."""
    for text in ("", "   \n", "\u200b\u200f\u202e", "asdf qwer zxcv", "Merhaba, bir sorum var.", "🙂🙂🙂"):
        found = triage(message(text))
        assert (found.kind, found.rights) == (Kind.REQUEST, ())
        assert Flag.UNREAD in found.flags


def test_invisible_characters_hide_nothing_and_places_stay_true() -> None:
    """Zero-width and right-to-left marks inside words; the place given is that of the text as it came."""
    text = "Please \u202edel\u200bete\u200d my ac\u00adcount\u2060."
    found = triage(message(text))
    assert found.rights == (Right.DELETION,)
    why = next(one for one in found.why if one.speaks_for == "deletion")
    assert text[why.start : why.end].replace("\u200b", "").startswith("delete")
    assert _asked("Please ｄｅｌｅｔｅ my account") == {"deletion"}
    assert _asked("Bitte lo\u0308schen Sie mein Konto") == {"deletion"}


@pytest.mark.parametrize(
    "piece",
    ["delete my ", "not ", "\u200f\u200b", "a" * 50, "art. 15 ", "((((", ",;:", "\n> ", "name: ", "@x", "１", "削除"],
)
def test_a_megabyte_of_anything_ends_soon(piece: str) -> None:
    """Bounded whatever is repeated, and what was not read whole is never called other."""
    text = (piece * (1_000_000 // len(piece)))[:1_000_000]
    started = time.process_time()
    found = triage(message(text))
    assert time.process_time() - started < 4
    assert found.kind is not Kind.OTHER


def test_misspelled_words_are_known_and_other_words_are_not() -> None:
    """One letter lost, doubled, changed, or two changed about; the first letter is never guessed."""
    assert all(is_slip(word, "delete") for word in ("delte", "dellete", "dleete", "delate", "delete"))
    assert not any(is_slip(word, "delete") for word in ("elete", "dlt", "relete", "delightful", "dteele"))
    assert _asked("Please delette all my perosnal informtaion.") == {"deletion"}


@pytest.mark.parametrize(
    ("text", "regime"),
    [
        ("under the GDPR", "gdpr"),
        ("nach der Datenschutz-Grundverordnung", "gdpr"),
        ("under the UK GDPR", "uk_gdpr"),
        ("I am a California resident", "ccpa"),
        ("nos termos da LGPD", "lgpd"),
        ("nothing named", None),
    ],
)
def test_the_law_that_a_mail_names_is_proposed(text: str, regime: str | None) -> None:
    """Only what it names: without a name there is none."""
    assert triage(message(f"Delete my data {text}.")).regime == regime


def test_identifiers_offered_are_collected_and_masked() -> None:
    """Addresses, numbers and names, each once, the sender's first; they print masked."""
    text = "Name: Anna Berg\nMy customer number is K-10234. Order no: 77/881\nOther address: anna.b@example.com, anna@example.org"
    found = triage(message(text, sender_name="Anna Berg"))
    offered = [(one.kind, one.value.reveal()) for one in found.identifiers]
    assert offered[0] == (Offer.EMAIL, "anna@example.org")
    assert {
        (Offer.NAME, "Anna Berg"),
        (Offer.CUSTOMER_NUMBER, "K-10234"),
        (Offer.ORDER_NUMBER, "77/881"),
        (Offer.EMAIL, "anna.b@example.com"),
    } <= set(offered)
    assert len(offered) == len(set(offered))
    assert "Berg" not in repr(found.identifiers)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Answer within two weeks.", date(2026, 3, 19)),
        ("Antworten Sie innerhalb von 14 Tagen.", date(2026, 3, 19)),
        ("dans un délai d'un mois", date(2026, 4, 5)),
        ("I expect an answer by 20 March 2026.", date(2026, 3, 20)),
        ("bis zum 1.4.2026", date(2026, 4, 1)),
        ("I wrote on 1 January 2026.", None),
    ],
)
def test_the_deadline_that_a_mail_sets_is_reckoned_from_its_arrival(text: str, day: date | None) -> None:
    """Spans count from the day it arrived; days of the past are none."""
    assert triage(message(text)).deadline == day


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("I write on behalf of my client Mr Smith. Please delete his account.", Flag.AGENT),
        ("Wir vertreten als Rechtsanwälte unsere Mandantin.", Flag.LAWYER),
        ("Please delete my daughter's account, she is 12.", Flag.MINOR),
        ("J'ai 14 ans, supprimez mon compte.", Flag.MINOR),
        ("I hereby request access to my data. I have not received an answer to my letter of May.", Flag.MIXED),
        (
            "Bitte löschen Sie mein Konto und alle meine Daten, die Sie über mich haben. Please also send me a copy of all of the data that you have about me before that.",
            Flag.MIXED,
        ),
    ],
)
def test_flags_say_what_an_operator_looks_at_twice(text: str, flag: Flag) -> None:
    """Agents, lawyers, minors, and two matters or languages in one."""
    assert flag in triage(message(text)).flags


def test_a_request_beside_a_reminder_or_complaint_stays_a_request() -> None:
    """The clock of the new request must start, whatever else the mail says."""
    found = triage(
        message("This is a reminder of my letter of 3 May. In addition I hereby request the deletion of my data.")
    )
    assert (found.kind, found.rights) == (Kind.REQUEST, (Right.DELETION,))


@pytest.mark.parametrize(
    ("auto", "kind"), [("bounce", Kind.BOUNCE), ("auto-reply", Kind.OTHER), ("generated", Kind.REQUEST)]
)
def test_the_envelope_says_what_is_automatic(auto: str, kind: Kind) -> None:
    """A bounce is one; an automatic answer that asks for nothing is no request; a program may well ask."""
    assert triage(message("I shall be back on Monday.", auto=auto)).kind is kind


def test_an_automatic_answer_that_asks_is_still_a_request() -> None:
    """Services that write for people send as programs do."""
    assert triage(message("Please delete my account.", auto="auto-reply")).kind is Kind.REQUEST


def test_an_erasure_with_an_objection_under_the_article_rests_meanwhile() -> None:
    """Art. 21(1) beside an erasure: restriction is proposed with it (Art. 18(1)(d)); an objection alone does not."""
    both = "Please delete my data. I object to the processing according to Article 21(1) GDPR."
    assert _asked(both) == {"deletion", "objection", "restriction"}
    assert _asked("I object to the processing according to Article 21(1) GDPR.") == {"objection"}


def test_the_same_message_gives_the_same_proposal_whatever_came_before() -> None:
    """Nothing is learned between messages."""
    texts = [letter.text for letter in own_letters("en", "tune")]
    first = [triage(message(text)) for text in texts]
    random.Random(3).shuffle(texts)
    for text in texts:
        triage(message(text))
    again = [triage(message(letter.text)) for letter in own_letters("en", "tune")]
    assert [(one.kind, one.rights, one.why) for one in first] == [(one.kind, one.rights, one.why) for one in again]
    assert triage(message("x", received_at=None, date=datetime(2026, 1, 1, tzinfo=UTC))).deadline is None


def test_requests_in_the_words_of_support_and_sales_are_kept_apart() -> None:
    """Whoever cannot log in and wants the account gone asks; whoever sells help with requests does not."""
    wrong = []
    for label, text in rows(DATA / "own_letters" / "hard.txt"):
        found = triage(message(text))
        got = ",".join(right.value for right in found.rights) or found.kind.value
        if got != label:
            wrong.append((label, got, text))
    assert not wrong
