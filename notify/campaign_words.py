"""The words of the mails that tell people of a version, in every language that documents can be in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.catalogue import SOURCE

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "numbers": "one two three four five six seven eight nine ten eleven twelve", "hello": "Hello", "bye": "Kind regards", "mark": "privacy",
        "subject_day": "Our privacy policy changes on {day}", "subject": "Our privacy policy changes",
        "title": "Our privacy policy changes", "preview": "Preview: ",
        "one": "one thing changes that you should know of.", "many": "{n} things change that you should know of.",
        "small": "our privacy policy changes a little. Nothing that we promised you gets weaker.",
        "wording": "our privacy policy is worded anew. What we promise you stays as it is.",
        "label_day": "It is planned to change on",
        "label_after": "It changes, at the earliest, on",
        "note_after": "It takes effect {ahead} after everyone has been told.",
        "label_told": "It changes", "told": "as soon as everyone has been told",
        "label_since": "It has been in force since",
        "now": "Now", "then": "Then", "nothing": "Nothing is said about this.",
        "gone": "This is no longer promised.", "added": "New",
        "reaches_back": "This holds for what was collected before, too. The reason: {reason}.",
        "smaller": "What changes besides", "more": "and {n} more, which the page below shows.",
        "every_word": "See every word that changes", "do": "What you can do",
        "see": "See, correct or delete your data.", "see_free": "It is free:",
        "say_no": "Say no to a use of your data, or take a consent back:",
        "ask": "Ask us.", "ask_how": "Just answer this mail, or write to {email}.",
        "nothing_to_do": "Do nothing.", "then_applies": "The new policy then applies to you. That is not a consent to anything.",
        "why": "You get this because you have an account with {name} and our privacy policy promises to tell you of such a change{ahead}. It is not advertising, so it comes even if you stopped our other mail.",
        "why_ahead": " {ahead} before it",
        "complain": "You may complain to your data protection authority at any time.",
        "version": "Version {number}", "policy": "Our privacy policy", "sent": "sent on {day}",
        "w_subject": "Our privacy policy stays as it is", "w_title": "Our privacy policy stays as it is",
        "w_text": "we told you of a change of our privacy policy, version {number}. That version will not come. The policy that is in force stays in force, and what it promises you still holds.",
        "w_overtaken": "we told you of a change of our privacy policy, version {number}. That version will not come: version {newer} has taken its place.",
        "w_reason": "There is nothing for you to do.", "w_link": "Read the policy that is in force",
        "w_why": "You get this because you have an account with {name} and were told of that change. It is not advertising, so it comes even if you stopped our other mail.",
    },
    "de": {
        "numbers": "eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf", "hello": "Guten Tag", "bye": "Mit freundlichen Grüßen", "mark": "Datenschutz",
        "subject_day": "Unsere Datenschutzerklärung ändert sich am {day}",
        "subject": "Unsere Datenschutzerklärung ändert sich",
        "title": "Unsere Datenschutzerklärung ändert sich", "preview": "Vorschau: ",
        "one": "es ändert sich etwas, das Sie wissen sollten.", "many": "es ändern sich {n} Dinge, die Sie wissen sollten.",
        "small": "unsere Datenschutzerklärung ändert sich ein wenig. Nichts von dem, was wir Ihnen zugesagt haben, wird schwächer.",
        "wording": "unsere Datenschutzerklärung ist neu formuliert. Was wir Ihnen zusagen, bleibt, wie es ist.",
        "label_day": "Die Änderung ist geplant für",
        "label_after": "Sie ändert sich frühestens am",
        "note_after": "Sie gilt {ahead}, nachdem alle davon erfahren haben.",
        "label_told": "Sie ändert sich", "told": "sobald alle davon erfahren haben",
        "label_since": "In Kraft ist sie seit",
        "now": "Jetzt", "then": "Dann", "nothing": "Darüber steht nichts.",
        "gone": "Das wird nicht mehr zugesagt.", "added": "Neu",
        "reaches_back": "Das gilt auch für das, was vorher erhoben wurde. Der Grund: {reason}.",
        "smaller": "Was sich sonst ändert", "more": "und {n} weitere, die die Seite unten zeigt.",
        "every_word": "Jedes Wort sehen, das sich ändert", "do": "Was Sie tun können",
        "see": "Ihre Daten sehen, berichtigen oder löschen.", "see_free": "Das kostet nichts:",
        "say_no": "Einer Nutzung Ihrer Daten widersprechen oder eine Einwilligung zurücknehmen:",
        "ask": "Uns fragen.", "ask_how": "Antworten Sie einfach auf diese Mail, oder schreiben Sie an {email}.",
        "nothing_to_do": "Nichts tun.", "then_applies": "Dann gilt für Sie die neue Erklärung. Das ist keine Einwilligung in irgendetwas.",
        "why": "Sie bekommen diese Mail, weil Sie ein Konto bei {name} haben und unsere Datenschutzerklärung zusagt, Ihnen eine solche Änderung{ahead} mitzuteilen. Sie ist keine Werbung und kommt deshalb auch, wenn Sie andere Mails abbestellt haben.",
        "why_ahead": " {ahead} vorher",
        "complain": "Sie können sich jederzeit bei Ihrer Datenschutzbehörde beschweren.",
        "version": "Version {number}", "policy": "Unsere Datenschutzerklärung", "sent": "gesendet am {day}",
        "w_subject": "Unsere Datenschutzerklärung bleibt, wie sie ist",
        "w_title": "Unsere Datenschutzerklärung bleibt, wie sie ist",
        "w_text": "wir haben Ihnen eine Änderung unserer Datenschutzerklärung mitgeteilt, Version {number}. Diese Version kommt nicht. Die Erklärung, die gilt, gilt weiter, und was sie Ihnen zusagt auch.",
        "w_overtaken": "wir haben Ihnen eine Änderung unserer Datenschutzerklärung mitgeteilt, Version {number}. Diese Version kommt nicht: An ihre Stelle ist Version {newer} getreten.",
        "w_reason": "Sie brauchen nichts zu tun.", "w_link": "Die Erklärung lesen, die gilt",
        "w_why": "Sie bekommen diese Mail, weil Sie ein Konto bei {name} haben und wir Ihnen diese Änderung mitgeteilt hatten. Sie ist keine Werbung und kommt deshalb auch, wenn Sie andere Mails abbestellt haben.",
    },
}  # fmt: skip


def words_in(language: str) -> Mapping[str, str]:
    """The words of a language, English where there are none."""
    return WORDS.get(language.partition("-")[0].lower(), WORDS[SOURCE])
