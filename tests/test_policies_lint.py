"""Lint: what it refuses, what the law wants said, and what bad input is told."""

import time
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from core.errors import BadInput
from core.lined_yaml import YamlRefused, load_lined
from policies.documents import DocumentRefused, parse_document
from policies.lint import CALENDAR, Level, lint
from policies.prose import render, render_text
from stores.periods import PERIODS
from tests.policy_texts import policy, policy_text

LOGS = "{id: logs, kind: retention, of: request_log, for: P30D, then: delete}"
CITE = '{{ clause("logs").cite }}'
ACCOUNT = "{id: account-data, kind: collects, category: account, from: person, fields: [email]}"
CLOSED = "{id: closed, kind: retention, of: account, until: account_closed, then: delete}"
USE = "{id: use, kind: purpose, of: [account], why: [service], basis: contract}"
RIGHTS = tuple(
    f"{{id: {right}, kind: right, right: {right}, within: by_law}}"
    for right in ("access", "correction", "deletion", "restriction", "portability", "objection", "withdraw_consent")
)
# A policy of which the law wants nothing more, clause by clause.
COMPLETE = (
    ACCOUNT,
    CLOSED,
    USE,
    *RIGHTS,
    "{id: complaint, kind: right, right: complaint, to: authority}",
    "{id: host, kind: recipient, name: Host, role: processor, why: [hosting], of: [account], region: DE}",
    "{id: inbox, kind: channel, email: privacy@lanternway.example}",
    "{id: cookies, kind: cookie, none: true, party: third, why: [advertising]}",
    "{id: changes, kind: notice, material: [email], ahead: P14D}",
    "{id: no-sale, kind: pledge, says: personal data is not sold, owner: legal, review: P1Y}",
    "{id: yearly, kind: pledge, says: this policy is looked at again, owner: legal, review: P12M}",
)
SAID = (
    "{{ in_force }} {{ controller.name }}. Without an address we cannot open an account. No decision is made by a machine "
    "alone. Nobody is treated worse for asking, and an agent may ask for you. "
)


def cites(clauses: tuple[str, ...]) -> str:
    ids = [clause.split("id: ")[1].split(",")[0] for clause in clauses]
    return "".join(f'{{{{ clause("{name}").cite }}}}' for name in ids)


def found(*clauses: str, body: str | None = None, regimes: str = "gdpr, ccpa", level: Level = Level.WARNING) -> str:
    text = policy_text(*clauses, body=body).replace("regimes: [gdpr]", f"regimes: [{regimes}]")
    findings = lint(parse_document(text, "p.md"))
    return "\n".join(f"{one.line} {one.clause}: {one.what} {one.remedy}" for one in findings if one.level is level)


def refused(*clauses: str, body: str | None = None) -> str:
    return found(*clauses, body=body, level=Level.REFUSED)


def test_a_policy_that_says_all_the_law_wants_is_warned_of_nothing() -> None:
    """The other tests take one thing away from it, or add one."""
    assert not found(*COMPLETE, body=SAID + cites(COMPLETE))
    assert not refused(*COMPLETE, body=SAID + cites(COMPLETE))


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ("access", "GDPR Art. 13(2)(b) wants the right access"),
        ("access", "Civil Code 1798.110"),
        ("correction", "Civil Code 1798.106"),
        ("deletion", "Civil Code 1798.105"),
        ("restriction", "Art. 13(2)(b) wants the right restriction"),
        ("portability", "Art. 13(2)(b) wants the right portability"),
        ("complaint", "Art. 13(2)(d)"),
        ("use", "No purpose is given for account (GDPR Art. 13(1)(c); Civil Code 1798.110(c)(3))"),
        ("host", "No recipient is named (GDPR Art. 13(1)(e); Civil Code 1798.130(a)(5)(B))"),
        ("inbox", "where people can write"),
        ("cookies", "anything of cookies"),
        ("changes", "how people hear of changes"),
        ("no-sale", "Civil Code 1798.130(a)(5)(C)"),
        ("no-sale", "wants the right opt_out"),
        ("yearly", "every 12 months (Civil Code 1798.130(a)(5))"),
    ],
)
def test_a_clause_that_is_missing_is_named_with_its_article(clause: str, words: str) -> None:
    """One clause less, and the warning says which law wants it where."""
    rest = tuple(one for one in COMPLETE if not one.startswith(f"{{id: {clause},"))
    assert len(rest) == len(COMPLETE) - 1
    assert words in found(*rest, body=SAID + cites(rest))


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("{{ in_force }}", "has no date (GDPR Art. 12(1); 11 CCR 7011(e)(4))"),
        ("{{ controller.name }}", "Art. 13(1)(a)"),
        ("Without an address we cannot open an account.", "Art. 13(2)(e)"),
        ("No decision is made by a machine alone.", "Art. 13(2)(f)"),
        ("Nobody is treated worse for asking, and", "Civil Code 1798.125"),
        ("an agent may ask for you.", "11 CCR 7011(e)(3)"),
    ],
)
def test_what_only_prose_can_say_is_looked_for_in_the_prose(sentence: str, words: str) -> None:
    """Things without a clause kind: one sentence less, and the warning names the article."""
    assert sentence in SAID
    warnings = found(*COMPLETE, body=SAID.replace(sentence, "") + cites(COMPLETE))
    assert words in warnings
    assert len(warnings.splitlines()) == 1


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            "basis: contract",
            "basis: legitimate_interests",
            "does not name its legitimate interest (GDPR Art. 13(1)(d))",
        ),
        ("basis: contract", "basis: research", "no ground of GDPR Art. 6"),
        (", region: DE", "", "Nothing says where these recipients are: Host (GDPR Art. 13(1)(f))"),
        ("region: DE", "region: US", "in US under no safeguard (GDPR Art. 13(1)(f), 46)"),
        ("from: person", "from: others", "names nobody (GDPR Art. 14(2)(f))"),
        (
            "from: person",
            "from: your employer",
            "does not say that account comes from your employer (GDPR Art. 14(2)(f))",
        ),
        ("of: [account], why: [hosting]", "of: [acount], why: [hosting]", "names acount, which no clause collects"),
    ],
)
def test_a_clause_that_says_too_little_is_warned_of(before: str, after: str, words: str) -> None:
    """The interest, the ground, the place, the safeguard, the source; a category that is misspelt."""
    changed = tuple(clause.replace(before, after) for clause in COMPLETE)
    if changed == COMPLETE:
        changed = (
            *COMPLETE,
            "{id: other, kind: recipient, name: O, role: processor, why: [x], of: [acount], region: DE}",
        )
    assert words in found(*changed, body=SAID + cites(changed))


def test_consent_wants_its_withdrawal_said() -> None:
    """Art. 13(2)(c), for a purpose on consent and for content that is kept with consent."""
    rest = tuple(one for one in COMPLETE if "withdraw_consent" not in one)
    assert "13(2)(c)" not in found(*rest, body=SAID + cites(rest))
    on_consent = tuple(one.replace("basis: contract", "basis: consent") for one in rest)
    assert "GDPR Art. 13(2)(c), since use rests on consent" in found(*on_consent, body=SAID + cites(on_consent))
    unless = (*rest, "{id: none, kind: never, of: content, unless: {consent: audit_log}}")
    assert "since none rests on consent" in found(*unless, body=SAID + cites(unless))


def test_the_law_asks_only_under_the_regimes_of_the_document() -> None:
    """Without GDPR no warning names it; without the CCPA none names the Civil Code; a right counts under its regimes."""
    assert "GDPR" not in found(LOGS, regimes="ccpa")
    assert "Civil Code" not in found(LOGS, regimes="uk_gdpr")
    assert "UK GDPR Art. 13(2)(d)" in found(LOGS, regimes="uk_gdpr")
    narrowed = tuple(
        one.replace("within: by_law", "within: by_law, regimes: [ccpa]") if "id: access" in one else one
        for one in COMPLETE
    )
    warnings = found(*narrowed, body=SAID + cites(narrowed))
    assert "13(2)(b) wants the right access" in warnings
    assert "1798.110" not in warnings


def test_a_pledge_says_that_there_are_no_recipients() -> None:
    """Nobody to name is said, not left open."""
    rest = tuple(one for one in COMPLETE if "id: host" not in one)
    pledge = "{id: nobody, kind: pledge, says: your data is passed to nobody, owner: legal, review: P1Y}"
    assert "No recipient" not in found(*rest, pledge, body=SAID + cites((*rest, pledge)))


def test_a_restricted_pledge_is_not_taken_for_one_that_nothing_is_sold() -> None:
    """Not sold "for unrelated advertising" leaves the rest open."""
    changed = tuple(one.replace("is not sold", "is not sold for unrelated advertising") for one in COMPLETE)
    assert "1798.120" in found(*changed, body=SAID + cites(changed))


@pytest.mark.parametrize(
    "words",
    ["Last updated: April 30, 2026", "Effective as of 1 May 2026", "Stand: 30. April 2026", "Updated: 2026-04-30"],
)
def test_a_date_of_its_own_is_warned_of(words: str) -> None:
    """The day comes from the version in force; one that is written out goes stale."""
    assert "Print it: {{ in_force }}" in found(LOGS, body=f"{CITE}{words}")
    assert "written out as the policy's date" not in found(LOGS, body=f"{CITE}Since 1 May 2026 we are in Bonn.")


@pytest.mark.parametrize(
    "words",
    ["thirty-six hours", "forty-five days", "30 (thirty) weeks", "within a year", "for a month", "einen Monat",
     "neunzig Tage", "twenty years", "after an hour"],
)  # fmt: skip
def test_a_period_in_words_is_a_period(words: str) -> None:
    """Numbers that are spelled, in English and German."""
    assert "No clause holds" in refused(LOGS, body=f"{CITE}It stays {words} with us.")


@pytest.mark.parametrize(
    "words", ["Once a month we look.", "One may ask.", "On the day it happens.", "At a later day."]
)
def test_words_that_are_no_period_pass(words: str) -> None:
    """An article alone is no number."""
    assert not refused(LOGS, body=CITE + words)


@pytest.mark.parametrize(
    "words",
    ["[email protected]", "privacy (at) lanternway.example", "+49 30 1234567", "[call](tel:+49301234567)"],
)
def test_an_address_that_is_hidden_or_a_number_that_no_clause_holds_is_refused(words: str) -> None:
    """Nobody can write to what a page has hidden."""
    assert "No clause holds the address" in refused(LOGS, body=f"{CITE}Reach us: {words}.")


def test_a_number_that_a_channel_holds_passes() -> None:
    """However it is spaced."""
    phone = "{id: phone, kind: channel, phone: +49 30 1234567}"
    assert not refused(LOGS, phone, body=f'{CITE}{{{{ clause("phone").cite }}}}+49 (30) 123 45 67')


def test_two_clauses_for_one_right_do_not_hide_what_else_is_wrong() -> None:
    """Each finding is told, the pair once, whatever number of regimes it is wrong under."""
    again = RIGHTS[0].replace("id: access", "id: again")
    message = refused(RIGHTS[0], again, "{id: late, kind: right, right: deletion}")
    assert message.count("both give the right access") == 1
    assert "late has no time" in message


def test_two_clauses_for_one_category_are_one_too_many_only_for_one_event() -> None:
    """Until the account is closed and after the last use are two promises; two periods from one instant are not."""
    assert not refused(
        CLOSED, CLOSED.replace("id: closed", "id: idle").replace("until: account_closed", "after: last_use, for: P90D")
    )
    message = refused(CLOSED, CLOSED.replace("id: closed", "id: again").replace("until:", "for: P1D, after:"))
    assert "Clauses closed and again both say how long account is kept, counted after account_closed" in message


@pytest.mark.parametrize(
    ("by", "words"),
    [("[model]", "makes totals by no period"), ("[day, month]", "makes totals by day and month")],
)
def test_totals_are_by_one_period_of_the_calendar(by: str, words: str) -> None:
    """Only a period that is over can be counted once; two of them say nothing of when that is."""
    clause = "{id: totals, kind: retention, of: usage, for: P30D, then: aggregate, into: usage_daily, by: BY, k: 10}"
    assert words in refused(clause.replace("BY", by))
    assert "totals" not in refused(clause.replace("BY", "[day, model]"))


def test_a_period_longer_than_the_work_may_take_is_warned_of() -> None:
    """A month is counted when it is over: by then its first day is a month over its time."""
    clause = "{id: totals, kind: retention, of: usage, for: P30D, within: P1D, then: aggregate, into: sums, by: [month], k: 9}"
    assert "counts a month when it is over" in found(clause)
    assert "when it is over" not in found(clause.replace("P1D", "P1M"))
    assert "when it is over" not in found(clause.replace("[month]", "[day]"))


def test_lint_and_stores_know_the_same_periods() -> None:
    """Policies know no stores; the words that both understand are the same."""
    assert tuple(CALENDAR) == PERIODS


def test_a_clause_may_be_cited_twice_and_must_be_cited_once() -> None:
    """Never is refused by line and name, unless the clause says that it is silent."""
    assert not refused(LOGS, body=CITE + CITE + "{{ clause('logs').for }}")
    message = refused(LOGS, body="Nothing.")
    assert message.startswith("7 logs: The prose never cites clause logs.")
    assert "silent: true" in message
    assert not refused(LOGS.replace("then: delete", "then: delete, silent: true"), body="Nothing.")


def test_what_is_never_stored_and_kept_all_the_same_is_warned_of() -> None:
    """Unless an exception or a consent says how both can hold."""
    never = "{id: none, kind: never, of: request_log}"
    assert "never stored by clause none, and kept by clause logs" in found(LOGS, never)
    assert "and kept by" not in found(LOGS, never.replace("of: request_log", "of: request_log, unless: {consent: x}"))


# Bad input


def refusal_of(text: str) -> str:
    with pytest.raises(DocumentRefused) as caught:
        parse_document(text, "p.md")
    for problem in caught.value.problems:
        assert str(problem).startswith(f"p.md:{problem.line}:")
        assert problem.remedy
    return str(caught.value)


def test_a_document_of_fifty_megabytes_is_refused_by_its_size() -> None:
    """Before anything of it is read."""
    begun = time.monotonic()
    assert "larger than 400 kB" in refusal_of(policy_text(LOGS, body="word " * 10_000_000))
    assert time.monotonic() - begun < 5


LAUGHS = "\n".join(
    ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (LAUGHS, "unfolds to more than 50000 values"),
        ("a: &a [*a]", "p.md:2: *a stands inside itself"),
        ("a: &a {<<: *a}", "stands inside itself"),
        ("x: 1\na: " + "[" * 5000, "p.md:3: values stand inside each other too deeply"),
        ("a: " + "{b: " * 5000, "too deeply"),
        ("- " * 3000 + "a", "too deeply"),
        ("\n".join(" " * n + "a:" for n in range(500)), "too deeply"),
        ("x: 1\na: !!python/object/apply:os.system [ls]", "p.md:3: the tag"),
        ("a: !!set {b, c}", "the tag"),
        ("a: 2026-02-31", "there is no day 2026-02-31"),
        ("a: 2026-02-01T25:00:00Z", "cannot be read"),
        ("a: " + "9" * 10_000, "a number has 10000 digits"),
        ("? [a, b]\n: 1", "a key is neither text nor a number"),
        ("a: \x01", "p.md"),
        ("a: *b", "undefined alias"),
        ("a: 1\na: 2", "p.md:3"),
    ],
    ids=range(16),
)  # fmt: skip
def test_a_head_that_is_no_plain_data_is_refused_by_line(head: str, words: str) -> None:
    """Laughs, loops, depth, tags, impossible days: told in words, and soon, whoever reads YAML."""
    begun = time.monotonic()
    assert words in refusal_of(f"---\n{head}\n---\nProse.\n")
    with pytest.raises(YamlRefused):
        load_lined(head, source="kept.yaml")
    assert time.monotonic() - begun < 10


def test_a_list_without_end_is_refused_by_the_line_where_it_became_too_long() -> None:
    """Values are counted while they are read."""
    with pytest.raises(YamlRefused, match=r"kept\.yaml:50000: there are more than 50000 values"):
        load_lined("- a\n" * 60_000, source="kept.yaml")


def test_aliases_that_unfold_to_little_are_read() -> None:
    """They are plain YAML."""
    assert load_lined("a: &a {b: 1}\nc: *a\nd: {<<: *a, e: 2}", source="k").data["d"] == {"b": 1, "e": 2}
    assert load_lined("a: 2026-02-31st of May", source="k").data == {"a": "2026-02-31st of May"}


def test_half_a_character_is_refused_by_line() -> None:
    """A lone surrogate has no encoding and no hash."""
    assert "p.md:9: there is half a character" in refusal_of(policy_text(LOGS, body="a\ud800b"))


def test_html_and_scripts_in_the_prose_are_text_on_the_page() -> None:
    """Nothing of it runs, in a paragraph, in a heading, in a table or in a link."""
    body = (
        f"## <script>alert(1)</script>\n\n{CITE}<svg/onload=alert(2)><iframe src=x></iframe>\n\n<style>*{{}}</style>\n\n"
        "|a|b|\n|-|-|\n|<img src=x onerror=alert(3)>|<a href='javascript:alert(4)'>c</a>|\n\n[d](JaVaScRiPt:alert(5))\n"
    ).replace("{}", "")
    soup = BeautifulSoup(render(policy(LOGS, body=body), in_force=None).html, "html.parser")
    assert not soup.find_all(["script", "svg", "iframe", "style", "img"])
    assert not soup.find_all("a", href=True)
    assert "alert(3)" in soup.get_text()


@pytest.mark.parametrize(
    ("prose", "words"),
    [
        ("{{ clause.__class__ }}", "not understood"),
        ('{{ clause("logs").__class__.__mro__ }}', "not understood"),
        ('{{ clause("logs").__init__ }}', "clause logs has no key '__init__'"),
        ("{{ ''.join(['a'] * 10**9) }}", "not understood"),
        ('{{ "a" * 10**9 }}', "not understood"),
        ("{{ '%9999999999s'|format('a') }}", "not understood"),
        ("{{ lipsum(n=10**6) }}", "not understood"),
        ("{{ cycler }}", "not understood"),
        ("{% for a in range(10**9) %}{% endfor %}", "a statement"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", "a statement"),
        ("{% include 'x' %}", "a statement"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "nested too deeply"),
        ('{{ clause("gone").for }}', "cites clause 'gone', which the head does not have. Correct the id."),
    ],
)
def test_a_template_that_reaches_further_is_refused_by_line(prose: str, words: str) -> None:
    """No attribute, no loop, no call, no string that grows: refused when it is read, before anything is printed."""
    message = refusal_of(policy_text(LOGS, body=f"First.\n{prose}"))
    assert words in message
    assert message.startswith(("p.md:10:", "p.md:9: an expression is nested"))


def test_what_expressions_print_together_has_a_limit() -> None:
    """A long clause that is printed again and again is a huge page; so are very many expressions."""
    fields = ", ".join(f"{'x' * 400}{number}" for number in range(90))
    wide = f"{{id: wide, kind: collects, category: account, from: person, fields: [{fields}]}}"
    assert "print more than 500 kB" in refusal_of(policy_text(wide, body='{{ clause("wide").fields }}\n\n' * 50))
    assert "more than 2000 expressions" in refusal_of(policy_text(LOGS, body=f"{CITE}\n\n" * 2001))
    assert len(render_text(policy(wide, body='{{ clause("wide").fields }}\n\n' * 10))) < 500_000


def test_a_list_of_names_has_a_limit() -> None:
    """A clause is a sentence, not a data base."""
    names = ", ".join(f"n{number}" for number in range(101))
    message = refusal_of(policy_text(f"{{id: a, kind: purpose, of: [{names}], why: x, basis: contract}}", body=""))
    assert "p.md:7: clause a: of has 101 names. At most 100 are read." in message


@pytest.mark.parametrize(
    ("prose", "words"),
    [("word " * 4000, "a paragraph has 20001 characters"), ("[" * 5000, "times the sign ["), ("a\n\n" * 8000, "lines")],
)
def test_prose_that_no_reader_of_markdown_gets_through_is_refused(prose: str, words: str) -> None:
    """Endless paragraphs, brackets that never close, lines without number."""
    assert words in refusal_of(policy_text(LOGS, body=prose))


@pytest.mark.parametrize(
    "piece", ["a", "a@", "rights ", "you may ", "+1 ", "a.b@c.", "automated ", "without ", "1 day "]
)
def test_lint_takes_the_worst_prose_in_its_stride(piece: str) -> None:
    """No search of it costs the square of the length."""
    body = "\n\n".join([(piece * 15_000)[:15_000]] * 4)
    begun = time.monotonic()
    lint(policy(LOGS, body=body))
    assert time.monotonic() - begun < 5


def test_terms_and_conditions_of_a_recipient_are_words_a_translation_may_change() -> None:
    """`terms:` and `when:` are printed like other words of the clause."""
    clause = (
        "{id: host, kind: recipient, name: Host, role: processor, why: [x], of: [y], terms: our contract, when: asked}"
    )
    document = policy(clause, body='{{ clause("host").terms }}, {{ clause("host").when }}')
    assert render_text(document) == "our contract, asked\n"


def test_the_head_names_promises_that_no_clause_carries() -> None:
    """`promises:` beside `aliases`, by the same ids as in a clause."""
    document = policy(LOGS, extra="promises: [ccr-15]")
    assert document.promises == ("ccr-15",)
    assert replace(document, promises=()) == replace(policy(LOGS), text=document.text, digest=document.digest,
                                                     first_body_line=document.first_body_line, prose=document.prose)  # fmt: skip
    with pytest.raises(BadInput, match="promises"):
        policy(LOGS, extra="promises: [CCR 15]")
