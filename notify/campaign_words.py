"""The words of the mails that tell people of a version, English in the source, looked up in the catalogues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.catalogue import catalogue, mark

WORDS: Final[Mapping[str, str]] = {
    "numbers": mark("one two three four five six seven eight nine ten eleven twelve"), "hello": mark("Hello"),
    "bye": mark("Kind regards"), "mark": mark("privacy"), "subject_day": mark("Our privacy policy changes on {day}"),
    "subject": mark("Our privacy policy changes"), "title": mark("Our privacy policy changes"),
    "preview": mark("Preview: "), "one": mark("one thing changes that you should know of."),
    "many": mark("{n} things change that you should know of."),
    "small": mark("our privacy policy changes a little. Nothing that we promised you gets weaker."),
    "wording": mark("our privacy policy is worded anew. What we promise you stays as it is."),
    "label_day": mark("It is planned to change on"), "label_after": mark("It changes, at the earliest, on"),
    "note_after": mark("It takes effect {ahead} after everyone has been told."), "label_told": mark("It changes"),
    "told": mark("as soon as everyone has been told"), "label_since": mark("It has been in force since"),
    "now": mark("Now"), "then": mark("Then"), "nothing": mark("Nothing is said about this."),
    "gone": mark("This is no longer promised."), "added": mark("New"),
    "reaches_back": mark("This holds for what was collected before, too. The reason: {reason}."),
    "smaller": mark("What changes besides"), "more": mark("and {n} more, which the page below shows."),
    "every_word": mark("See every word that changes"), "do": mark("What you can do"),
    "see": mark("See, correct or delete your data."), "see_free": mark("It is free:"),
    "say_no": mark("Say no to a use of your data, or take a consent back:"), "ask": mark("Ask us."),
    "ask_how": mark("Just answer this mail, or write to {email}."), "nothing_to_do": mark("Do nothing."),
    "then_applies": mark("The new policy then applies to you. That is not a consent to anything."),
    "why": mark("You get this because you have an account with {name} and our privacy policy promises to tell you of such a change{ahead}. It is not advertising, so it comes even if you stopped our other mail."),
    "why_ahead": mark(" {ahead} before it"),
    "complain": mark("You may complain to your data protection authority at any time."),
    "version": mark("Version {number}"), "policy": mark("Our privacy policy"), "sent": mark("sent on {day}"),
    "w_subject": mark("Our privacy policy stays as it is"), "w_title": mark("Our privacy policy stays as it is"),
    "w_text": mark("we told you of a change of our privacy policy, version {number}. That version will not come. The policy that is in force stays in force, and what it promises you still holds."),
    "w_overtaken": mark("we told you of a change of our privacy policy, version {number}. That version will not come: version {newer} has taken its place."),
    "w_reason": mark("There is nothing for you to do."), "w_link": mark("Read the policy that is in force"),
    "w_why": mark("You get this because you have an account with {name} and were told of that change. It is not advertising, so it comes even if you stopped our other mail."),
}  # fmt: skip


def words_in(language: str) -> Mapping[str, str]:
    """The words in a language, by name."""
    say = catalogue(language).gettext
    return {name: say(words) for name, words in WORDS.items()}
