"""The words of every mail, in every language: text and HTML say the same facts, what the law wants is there, and own words keep it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup, Doctype, Tag

from core.catalogue import catalogue
from core.languages import LANGUAGES
from core.rendering import TEMPLATES, Renderer
from dsr.answer_examples import example_blocks
from notify.mail_examples import MailExamples, Shape
from notify.mail_kinds import KINDS, PARTS, Block
from notify.mail_natures import NATURES
from notify.mail_reading import read_words
from notify.mail_writing import MailWriter, WrittenMail, find_value

EVENTS = sorted(one.name for one in (TEMPLATES / "email").iterdir() if one.is_dir())
EXAMPLES = MailExamples(example_blocks)
RENDERER = Renderer(base_url="https://privacy.lanternway.example")
WRITER = MailWriter(RENDERER)
FACT = re.compile(r"https?://[^\s<>]+|[\w.+-]+@[\w.-]+\w|\d[\d\u202f.,:]*")


def write(event: str, language: str, shape: Shape = Shape.USUAL) -> WrittenMail:
    return WRITER.write(event, language, EXAMPLES(event, language, shape))


def facts(words: str) -> list[str]:
    """Links, addresses and numbers in order; the same one again straight after is one."""
    found = [one.rstrip(".,:") for one in FACT.findall(words)]
    return [one for at, one in enumerate(found) if at == 0 or one != found[at - 1]]


def bare(words: str) -> str:
    """Words alone: a full stop at the end of a line of text is a cell in HTML, and marks stand close to what is bold."""
    return " ".join(re.sub(r"[.:,;?*()„“”«»]", " ", words).split())


def body_of(mail: WrittenMail) -> str:
    """The text, without a first line that the HTML has as its title."""
    title = BeautifulSoup(mail.html, "html.parser").h1
    first, _, rest = mail.text.partition("\n")
    return rest if title and bare(first) == bare(title.get_text()) else mail.text


def test_every_mail_is_described_once() -> None:
    """A folder of templates has its nature, its kind and its example; nothing is described that is not there."""
    assert set(EVENTS) == set(KINDS)
    assert set(EVENTS) <= set(NATURES)


@pytest.mark.parametrize("event", EVENTS)
def test_text_and_html_say_the_same_facts_in_the_same_order(event: str) -> None:
    """In each language, with all there may be in it and with the least: links, addresses, numbers and days, and every sentence."""
    for language in LANGUAGES:
        for shape in Shape:
            mail = write(event, language, shape)
            text, shown = body_of(mail), read_words(mail.html)
            assert facts(" ".join(text.split())) == facts(shown), (language, shape)
            without, at = bare(BeautifulSoup(mail.html, "html.parser").get_text(" ")), 0
            for block in re.split(r"\n\n|\n(?=\*  )", text.replace("\n-- \n", "\n\n")):
                for line in [block] if "http" not in block else block.split("\n"):
                    found = without.find(bare(line), at)
                    assert found >= 0, (language, shape, line)
                    at = found


@pytest.mark.parametrize("event", EVENTS)
def test_a_text_has_lines_of_72_characters_and_a_subject_of_78(event: str) -> None:
    """Only a link may be longer, and it stands alone; nothing is left open, and what a person has to do is said in words."""
    for language in LANGUAGES:
        for shape in Shape:
            mail = write(event, language, shape)
            assert 0 < len(mail.subject) <= 78, (language, mail.subject)
            assert "\n\n\n" not in mail.text
            assert "\n-- \n" in mail.text
            assert not re.search(r"[{}]|%\(|\bNone\b|&\w+;", mail.text + mail.subject), (language, shape)
            for line in mail.text.splitlines():
                assert len(line) <= 72 or re.fullmatch(r"\s*https?://\S+", line), (language, line)


@pytest.mark.parametrize("event", EVENTS)
def test_the_html_of_a_mail_is_built_for_mail_programs(event: str) -> None:
    """Tables of presentation with widths, every style inline, a language, colours for both schemes, and nothing fetched; the comment at the top names
    the variables."""
    html = write(event, "de", Shape.FULL).html
    soup = BeautifulSoup(html, "html.parser")
    assert soup.html is not None
    assert soup.html["lang"] == "de"
    for name in ("color-scheme", "supported-color-schemes"):
        found = soup.find("meta", {"name": name})
        assert isinstance(found, Tag)
        assert found["content"] == "light dark"
    contract = (TEMPLATES / "email" / event / "body.txt").read_text(encoding="utf-8").split("#}")[0]
    assert "controller {name, email}" in contract
    assert not soup.find_all(["style", "script", "img", "link", "iframe", "form"])
    assert not re.search(r"url\(|\bclass=|\bon[a-z]+=", html)
    for table in soup.find_all("table"):
        assert table["role"] == "presentation"
        assert {"cellpadding", "cellspacing", "border"} <= set(table.attrs)
    for cell in soup.find_all(True, style=re.compile(r"(?<!max-)width:\d+px")):
        assert cell.get("width"), cell
    assert all(one.get("style") for one in soup.find_all(["p", "a", "h1", "h2"]))


def colour_of(tag: Tag | None, name: str) -> str:
    """The colour that holds for a tag: its own, or that of the nearest one around it."""
    while tag is not None and tag.name != "[document]":
        found = re.search(rf"(?:^|;)\s*{name}:\s*(#[0-9a-f]{{6}})", str(tag.get("style", "")))
        if found or (name == "background" and tag.get("bgcolor")):
            return found[1] if found else str(tag["bgcolor"])
        tag = tag.parent
    return ""


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("event", EVENTS)
def test_every_word_of_a_mail_has_a_colour_and_a_ground_of_its_own(event: str) -> None:
    """A program that is dark turns what nobody coloured: so each word has both, and a contrast of 4.5 at least."""
    soup = BeautifulSoup(write(event, "en", Shape.FULL).html, "html.parser")
    for text in (one for one in soup.find_all(string=True) if one.strip() and one.parent is not None):
        tag = text.parent
        if not isinstance(tag, Tag) or tag.find_parent("head") or "display:none" in str(tag.get("style", "")):
            continue
        if text == "\xa0" or isinstance(text, Doctype):
            continue
        words, ground = colour_of(tag, "color"), colour_of(tag, "background")
        assert words, text
        assert ground, text
        low, high = sorted((luminance(words), luminance(ground)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, words, ground)


@pytest.mark.parametrize("event", EVENTS)
def test_a_mail_says_what_it_needs_to_in_each_language(event: str) -> None:
    """The parts that stand as data are in the text and in the HTML of the original, so the check of own words can want them."""
    kind = KINDS[event]
    for language in LANGUAGES:
        given = EXAMPLES(event, language)
        mail = WRITER.write(event, language, given)
        for name in kind.needs:
            if name == "complaint":
                continue
            wanted = " ".join(find_value(given, PARTS[name].path).split())
            assert wanted, name
            assert wanted in " ".join(mail.text.split()), (language, name)
            assert wanted in read_words(mail.html), (language, name)
        for name in kind.subject_needs:
            assert find_value(given, PARTS[name].path) in mail.subject


def test_the_receipt_of_a_complaint_does_not_promise_a_search() -> None:
    """A complaint is looked into; nobody looks in every place that holds data for it. Nor for an appeal or an objection."""
    for language in LANGUAGES:
        complaint = " ".join(write("complaint_received", language).text.split())
        search = "we look in every place we keep data, a person checks what was found, and you get an answer by mail. If we hold nothing about you, we tell you that too."
        said = catalogue(language).gettext(search)
        assert said not in complaint
        post = RENDERER.text("post/complaint_received/body.txt", **EXAMPLES("complaint_received", language))
        assert catalogue(language).gettext("we have your complaint of %(day)s.")[:16] in post
        appeal = WRITER.write(
            "request_received", language, EXAMPLES("request_received", language) | {"right": "appeal"}
        )
        assert said not in " ".join(appeal.text.split())
        assert said in " ".join(write("request_received", language).text.split())


def test_own_words_may_name_only_what_a_mail_always_has() -> None:
    """A name that is never filled in would keep the original for ever, with nobody to notice."""
    assert "amount" not in KINDS["request_received"].names
    assert "code" not in KINDS["status_code"].names
    assert {"ref", "request", "received", "due", "link", "complaint"} <= set(KINDS["request_received"].names)


@pytest.mark.parametrize("event", EVENTS)
def test_the_original_words_hold_names_where_a_mail_has_its_facts(event: str) -> None:
    """Whoever begins with the original sends nobody a day or an address of the example."""
    for language in LANGUAGES:
        given = EXAMPLES(event, language)
        for words in WRITER.originals(event, language, given).values():
            assert not facts(words), (language, words)
            assert not any(
                find_value(given, name) in words for name in ("right_words", "intro", "asker", "store", "work")
            )


def test_examples_name_nobody_real() -> None:
    """Invented people, and the domains that are kept free for examples."""
    source = Path("notify/mail_examples.py")
    words = (TEMPLATES.parent / source).read_text(encoding="utf-8")
    hosts = set(re.findall(r"(?:@|https?://)([\w.-]+)", words))
    assert all(host.endswith(".example") for host in hosts), hosts


# own words


class Kept:
    """Words that hold, by hand."""

    def __init__(self, **blocks: str) -> None:
        self.blocks = blocks

    def __call__(self, event: str, language: str) -> dict[str, str]:
        return self.blocks


def test_own_words_stand_where_the_original_stood() -> None:
    """In text and HTML, filled in, each paragraph and line; what is not changed is the original, and markup is text."""
    words = Kept(
        subject="Angekommen: {ref}",
        lead="Ihr Anliegen ({request}) ist da.\n\n<b>Danke</b> & bis\n{due}.",
        note="Fragen? {email}",
        closing="Ihre\nInes Vogelsang, {controller}",
        foot="{complaint}",
    )
    given = EXAMPLES("request_received", "de")
    mail = MailWriter(RENDERER, words).write("request_received", "de", given)
    assert mail.subject == "Angekommen: K7F3Q-2MXB"
    text = mail.text
    assert text.startswith("Guten Tag,\n\nIhr Anliegen (")
    assert "\n\n<b>Danke</b> & bis\nFreitag, 19. Juni 2026.\n\nSie hören von uns bis" in text
    assert "\n\nFragen? privacy@lanternway.example\n\nIhre\nInes Vogelsang, Lanternway\n\n-- \n" in text
    assert "&lt;b&gt;Danke&lt;/b&gt; &amp; bis<br>Freitag" in mail.html
    assert '<a href="mailto:privacy@lanternway.example"' in mail.html
    assert facts(" ".join(body_of(mail).split())) == facts(read_words(mail.html))
    assert all(len(line) <= 72 or line.startswith("https://") for line in text.splitlines())


def test_words_that_name_what_a_mail_has_not_give_way_to_the_original() -> None:
    """A mail is never late, and never holds an empty place, for the sake of its wording."""
    words = Kept(lead="Es kam am {received}.", note="Bis bald.")
    given: dict[str, Any] = EXAMPLES("request_received", "de") | {"received": ""}
    mail = MailWriter(RENDERER, words).write("request_received", "de", given)
    assert "Es kam am" not in mail.text
    assert "wir haben Ihre Anfrage" in mail.text
    assert "Bis bald." in mail.text


def test_nothing_that_an_operator_types_is_run_as_a_template() -> None:
    """Own words are filled in by name and shown; braces, tags and line breaks in values stay what they are."""
    words = Kept(lead="{request}")
    given = EXAMPLES("request_received", "en") | {"right_words": "{{ 7 * 7 }} {% raw %} <script>"}
    mail = MailWriter(RENDERER, words).write("request_received", "en", given)
    assert "{{ 7 * 7 }} {% raw %} <script>" in mail.text
    assert "<script" not in mail.html
    assert "49" not in mail.text


def test_mails_to_operators_and_policy_subjects_cannot_be_worded() -> None:
    """What the law and the notice clause want in them stands outside of what can be changed."""
    assert not KINDS["alarm_raised"].blocks
    assert Block.SUBJECT not in KINDS["policy_change"].blocks
    mail = MailWriter(RENDERER, Kept(subject="X", note="Y")).write(
        "policy_change", "en", EXAMPLES("policy_change", "en")
    )
    assert mail.subject != "X"
    assert "\nY\n" in mail.text
