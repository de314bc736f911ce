"""Policy documents: what is read, what is refused and how, what prose may hold, and what a page shows of it."""

from datetime import date
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from core.errors import BadInput
from policies.clause_words import describe_clause
from policies.clauses import KINDS, Action, Clause, NoticeChannel, NoticeClause, RetentionClause
from policies.documents import DocumentRefused, parse_document
from policies.lint import Finding, Level, lint, refusals
from policies.periods import Period
from policies.prose import render, render_text
from tests.policy_texts import logs_for, policy, policy_text

EXAMPLE = Path(__file__).parent.parent / "examples" / "gateway" / "policy.md"
LOGS = "{id: logs, kind: retention, of: request_log, for: P30D, then: delete}"
# One clause of each kind, and more of some, as the interface documents them.
EVERY_KIND = (
    "{id: account-data, kind: collects, category: account, from: person, fields: [email, name], promises: [ccr-1]}",
    "{id: billing-use, kind: purpose, of: [billing_log], why: [billing, rate limiting], basis: contract}",
    "{id: request-logs, kind: retention, of: request_log, for: P30D, then: delete, promises: [ccr-2]}",
    "{id: drafts, kind: retention, of: draft, until: account_closed, within: P1D, then: delete}",
    "{id: closed, kind: retention, of: [account, api_key], after: account_closed, for: P30D, then: delete,"
    " except: [{of: invoice, basis: legal_obligation, for: P10Y, note: tax records}]}",
    "{id: totals, kind: retention, of: usage, for: P30D, then: aggregate, into: usage_daily, by: [day, model], k: 10}",
    "{id: prompts, kind: retention, of: content, for: P3D, then: redact}",
    "{id: idle-keys, kind: retention, of: api_key, after: last_use, for: P90D, then: revoke}",
    "{id: no-content, kind: never, of: content, unless: {consent: audit_log}, except: [request_log]}",
    "{id: no-sale, kind: pledge, says: personal data is not sold, owner: legal, review: P1Y}",
    "{id: access, kind: right, right: access, within: P30D, self_service: true}",
    "{id: groq, kind: recipient, name: Groq, role: processor, why: [inference], of: [content], region: US,"
    " safeguard: scc, tell: mailto:privacy@groq.example}",
    "{id: session, kind: cookie, name: session, party: first, where: [console], storage: [cookie],"
    " why: [authentication], lasts: session}",
    "{id: no-ads, kind: cookie, none: true, party: third, why: [advertising, tracking]}",
    "{id: changes, kind: notice, material: {any: [email, banner]}, minor: [post], ahead: P14D}",
    "{id: use-accepts, kind: acceptance, by: use}",
    "{id: for-customers, kind: processor, forward_to: mailto:dpo@customer.example, within: P5D}",
    "{id: tls, kind: safeguard, says: TLS in transit, owner: security, review: P1Y}",
    "{id: inbox, kind: channel, email: privacy@ccr.dev}",
    "{id: adults, kind: age_limit, minimum: 18, or: majority}",
)


def refused(*clauses: str, body: str | None = None, extra: str = "") -> str:
    with pytest.raises(DocumentRefused) as found:
        parse_document(policy_text(*clauses, body=body, extra=extra), "p.md")
    return str(found.value)


def found_in(*clauses: str, body: str | None = None) -> list[Finding]:
    return refusals(lint(policy(*clauses, body=body)))


def said(findings: list[Finding]) -> str:
    return "\n".join(f"{one.line} {one.clause}: {one.what} {one.remedy}" for one in findings)


def test_every_kind_of_clause_is_read_and_can_be_said() -> None:
    """Each kind of the interface has its dataclass and a plain sentence in both languages."""
    document = policy(*EVERY_KIND)
    assert {clause.kind for clause in document.clauses} == set(KINDS)
    for clause in document.clauses:
        for language in ("en", "de"):
            words = describe_clause(clause, language)
            assert words
            assert not words.endswith(".")
    closed = document.clause("closed")
    assert isinstance(closed, RetentionClause)
    assert (closed.of, closed.after, closed.then) == (("account", "api_key"), "account_closed", Action.DELETE)
    assert closed.exceptions[0].period == Period(years=10)
    assert closed.within == Period(days=1)
    changes = document.clause("changes")
    assert isinstance(changes, NoticeClause)
    assert changes.material.any_of
    assert changes.material.ways == (NoticeChannel.EMAIL, NoticeChannel.BANNER)


def test_a_clause_is_said_in_one_sentence() -> None:
    """The board says what the clause says, in the same words everywhere."""

    def sentence(clause: str, language: str = "en") -> str:
        document = policy(clause)
        first: Clause = document.clauses[0]
        return describe_clause(first, language)

    assert sentence(LOGS) == "Request logs are deleted 30 days after they are written"
    assert sentence(LOGS, "de") == "Anfrageprotokolle: gelöscht 30 Tage nach dem Eintrag"
    assert sentence(EVERY_KIND[4]) == "Accounts and API keys are deleted 30 days after the account is closed"
    assert sentence(EVERY_KIND[3]) == "Drafts are kept until the account is closed, then deleted"


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ("{id: a, kind: retention, of: x, for: 30, then: delete}", "p.md:7: clause a: for '30' is not a period. Say of what: P30D"),
        ("{id: a, kind: retention, of: x, for: 30d, then: delete}", "Write P30D."),
        ("{id: a, kind: retention, of: x, for: P0D, then: delete}", "no time at all"),
        ("{id: a, kind: retention, of: x, for: P1D, then: burn}", "'burn'. Allowed: delete, anonymise, redact"),
        ("{id: a, kind: retention, of: x, for: P1D, then: delete, zap: 1}", "zap is not a key here. Allowed: id, kind"),
        ("{id: a, kind: retention, of: x, for: P1D}", "then is missing"),
        ("{id: a, kind: retention, of: [], for: P1D, then: delete}", "of is empty"),
        ("{id: a, kind: retention, of: x, after: e, then: delete}", "after has no 'for'"),
        ("{id: a, kind: retention, of: x, until: e, for: P1D, then: delete}", "until stands beside"),
        ("{id: a, kind: retention, of: x, for: P1D, then: aggregate}", "into is missing"),
        ("{id: a, kind: retention, of: x, for: P1D, then: delete, k: 3}", "belongs to 'then: aggregate'"),
        ("{id: a, kind: retention, of: x, for: P1D, then: delete, except: [{of: y}]}", "except.0.basis is missing"),
        ("{id: a, kind: retention, of: x, for: P1D, then: delete, silent: maybe}", "write true or false".capitalize()),
        ("{id: a, kind: sorcery}", "kind is 'sorcery'. Allowed: collects, purpose"),
        ("{id: a, of: x}", "kind is missing"),
        ("{id: A b, kind: acceptance, by: use}", "id is 'A b'"),
        ("{id: a, kind: right, right: flight, within: P1D}", "right is 'flight'. Allowed: access"),
        ("{id: a, kind: right, right: access, within: soon}", "'soon' is not a period"),
        ("{id: a, kind: right, right: access, to: authority}", "belongs to a complaint"),
        ("{id: a, kind: right, right: access, within: P1D, regimes: [ccpa]}", "which the document does not list"),
        ("{id: a, kind: cookie, party: first, why: x}", "name is either given"),
        ("{id: a, kind: channel}", "name email, phone, post or url".capitalize()),
        ("{id: a, kind: age_limit, minimum: eighteen}", "whole number from 1 to 120"),
        ("{id: a, kind: notice, material: owl}", "a list such as"),
        ("{id: a, kind: notice, material: [owl]}", "'owl'. Allowed: email, banner, post"),
        ("{id: a, kind: recipient, name: G, role: friend, why: x, of: y, tell: g@g.example}", "mailto:ADDRESS"),
    ],
)  # fmt: skip
def test_a_clause_that_is_wrong_is_refused_by_line_and_name(clause: str, words: str) -> None:
    """Each refusal names the file, the line, the clause, what was found and what is allowed."""
    message = refused(clause, body="")
    assert words in message
    assert message.startswith("p.md:7: clause ")


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file() -> None:
    """One run of lint is enough to see every problem."""
    text = policy_text(
        "{id: a, kind: retention, of: x, for: 30d, then: delete}",
        "{id: b, kind: pledge, says: something}",
        extra="language: tlh",
    ).replace("country: DE", "country: Germany")
    with pytest.raises(DocumentRefused) as found:
        parse_document(text, "p.md")
    assert [problem.line for problem in found.value.problems] == [4, 5, 8, 9, 9]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no head", "no head between two lines"),
        ("---\n- a\n---\n", "not a mapping"),
        ("---\npolicy: [\n---\n", "p.md:"),
        ("---\na: 1\na: 2\n---\n", "p.md:3"),
        ("x" * 500_000, "larger than 400 kB"),
        ("---\n" + "[" * 5000 + "\n---\n", "p.md"),
        ("---\na: &a [1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
         "d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n---\n", "p.md"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_policy_is_refused(text: str, words: str) -> None:
    """Broken YAML, no head, too large, too deep, unfolding without end: each a message with the file's name."""
    with pytest.raises(BadInput) as found:
        parse_document(text, "p.md")
    assert words in str(found.value)


def test_an_id_stands_once() -> None:
    """Two clauses of one id could not be told apart."""
    assert "stands at line 7 already" in refused(LOGS, LOGS, body="")


def test_the_digest_is_of_what_is_said_and_not_of_how_the_head_is_laid_out() -> None:
    """Spacing in the head and at line ends is free; a changed period is another document."""
    text = policy_text(LOGS)
    same = text.replace("of: request_log, for", "of:   request_log,  for").replace("\n", "\r\n") + "\n\n"
    digest = parse_document(text, "p.md").digest
    assert parse_document(same, "q.md").digest == digest
    assert parse_document(text.replace("P30D", "P31D"), "p.md").digest != digest
    assert parse_document(text + "More.\n", "p.md").digest != digest


def test_not_before_is_the_first_instant_of_the_day_where_the_controller_is() -> None:
    """A day in Berlin begins at 23:00 UTC in winter."""
    planned = policy(LOGS, extra="not_before: 2026-12-15").not_before_at
    assert planned is not None
    assert planned.isoformat() == "2026-12-14T23:00:00+00:00"


@pytest.mark.parametrize(
    ("prose", "words"),
    [
        ("{% for x in y %}{% endfor %}", "a statement"),
        ("{% raw %}30 days{% endraw %}", "a statement"),
        ("{%- set x = 1 %}", "a statement"),
        ("{{ 9 ** 999999999 }}", "not understood"),
        ('{{ "x" * 999999999 }}', "not understood"),
        ("{{ range(999999999) | list }}", "not understood"),
        ("{{ clause.__class__ }}", "not understood"),
        ('{{ clause("logs").__class__ }}', "no key '__class__'"),
        ('{{ clause("logs").for.__class__ }}', "not understood"),
        ("{{ controller.__init__ }}", "controller has no"),
        ('{{ clause("logs")["for"] }}', "not understood"),
        ('{{ clause("lo" ~ "gs").for }}', "not understood"),
        ('{{ clause("nothing").for }}', "which the head does not have"),
        ('{{ clause("logs").four }}', "no key 'four'"),
        ("{{ self }}", "not understood"),
        ("{{ clause( }}", "p.md:9"),
        ("{{ " + "(" * 100_000, "p.md:9"),
    ],
)
def test_prose_holds_plain_expressions_only(prose: str, words: str) -> None:
    """No statement, no arithmetic, no way to an attribute: refused by line before anything is rendered."""
    message = refused(LOGS, body=prose)
    assert words in message
    assert message.startswith("p.md:9:")


def test_the_period_on_the_page_is_the_clauses_own() -> None:
    """Prose prints the clause's keys in words of the document's language."""
    body = 'Logs: {{ clause("logs").for }}. Von {{ controller.name }}, nach {{ clause("logs").for_dative }}, {{ in_force }}.'
    assert "Logs: 30 days. Von Lanternway, nach 30 days, Saturday, 2 January 2027." in render_text(
        policy(LOGS, body=body), in_force=date(2027, 1, 2)
    )
    german = render_text(policy(LOGS, body=body, extra="language: de"))
    assert "Logs: 30 Tage. Von Lanternway, nach 30 Tagen, noch nicht in Kraft." in german


def test_a_value_is_never_read_as_markdown_or_html() -> None:
    """What a clause holds is printed as it is: in text, in code, in a table and in a link."""
    clause = "{id: sly, kind: pledge, says: '<script>*a*|[x](javascript:1) `b`', owner: legal, review: P1Y}"
    body = 'It: {{ clause("sly").says }} and `{{ clause("sly").says }}`\n\n|a|b|\n|-|-|\n|{{ clause("sly").says }}|c|\n'
    soup = BeautifulSoup(render(policy(clause, body=body), in_force=None).html, "html.parser")
    assert soup.find("script") is None
    assert soup.find("a") is None
    assert soup.get_text().count("<script>*a*|[x](javascript:1) `b`") == 3
    assert [cell.get_text() for cell in soup.find_all("td")] == ["<script>*a*|[x](javascript:1) `b`", "c"]


def test_html_and_strange_links_in_prose_do_not_reach_the_page() -> None:
    """HTML is shown as text, and only http, https, mailto and tel are links."""
    body = (
        '<img src=x onerror=alert(1)> <a href="javascript:x">x</a> [a](javascript:alert(1)) [b](data:text/html,x)\n\n'
        '[c]({{ clause("groq").tell }}) [d](https://example.org "t") ![i](https://example.org/x.png)'
    )
    soup = BeautifulSoup(render(policy(EVERY_KIND[11], body=body), in_force=None).html, "html.parser")
    assert soup.find("img") is None
    assert {link["href"] for link in soup.find_all("a") if link.get("href")} == {
        "mailto:privacy@groq.example",
        "https://example.org",
    }
    assert "onerror" in soup.get_text()


def test_headings_get_ids_and_a_table_of_contents() -> None:
    """Each heading has an anchor of its own, and none takes one that the page uses."""
    rendered = render(policy(LOGS, body="## Über uns\n\n### Main\n\n## Über uns\n\n## **!**\n"), in_force=None)
    assert [(one.level, one.id, one.text) for one in rendered.toc] == [
        (2, "ueber-uns", "Über uns"),
        (3, "main-2", "Main"),
        (2, "ueber-uns-2", "Über uns"),
        (2, "section", "!"),
    ]
    assert '<h2 id="ueber-uns-2">' in rendered.html


def test_lint_wants_every_clause_cited_unless_it_is_silent() -> None:
    """A promise nobody can read is refused; `silent: true` says that it is meant so."""
    assert "never cites clause logs" in said(found_in(LOGS, body="Nothing."))
    assert not found_in(LOGS.replace("then: delete", "then: delete, silent: true"), body="Nothing.")
    assert not found_in(LOGS, body='We keep logs.{{ clause("logs").cite }}')


@pytest.mark.parametrize(
    "words",
    [
        "90 days", "90 **days**", "90&nbsp;days", "90-day", "12 months", "3.5 days", "two weeks", "90 Tage", "90 Tagen",
        "10 Werktage", "zum 90-tägigen Ablauf, 90-tägig", "24 hours", "`90 days`", "5 Jahre", "90\ndays", "10 business days",
    ],
)  # fmt: skip
def test_lint_refuses_a_period_that_no_clause_holds(words: str) -> None:
    """In English and German, whatever Markdown stands between the number and its unit."""
    cite = '{{ clause("logs").cite }}'
    findings = found_in(LOGS, body=f"{cite}\n\nFirst.\n\nWe keep it {words} and no longer.")
    assert "No clause holds" in said(findings)
    assert findings[0].line == 13


def test_lint_warns_of_a_period_that_is_written_out() -> None:
    """It is true today; it will not follow its clause tomorrow. What an expression prints is no literal."""
    document = policy(LOGS, body='Kept 30 days, that is {{ clause("logs").for }}, in 2026.')
    assert not refusals(lint(document))
    literal = [one for one in lint(document) if "written out" in one.what]
    assert [one.level for one in literal] == [Level.WARNING]


@pytest.mark.parametrize(
    ("prose", "words"),
    [
        ("Write to someone@else.example.", "the address someone@else.example"),
        ("Write [here](mailto:someone@else.example).", "the address someone@else.example"),
        ("We use Stripe for payments.", "the recipient Stripe"),
        ("You have the right to restrict processing.", "restriction"),
        ("You can ask for a copy of your data.", "access"),
        ("Sie haben das Recht auf Löschung.", "deletion"),
        ("You have the right to:\n\n- See it\n- Request **deletion** of it\n", "deletion"),
    ],
)
def test_lint_refuses_what_the_prose_offers_alone(prose: str, words: str) -> None:
    """An address, a well-known recipient and a right stand in the prose only if a clause holds them."""
    cite = '{{ clause("logs").cite }}'
    assert words in said(found_in(LOGS, body=f"{prose}{cite}"))


def test_lint_lets_pass_what_clauses_hold() -> None:
    """The same words with their clauses are fine."""
    clauses = (
        EVERY_KIND[11].replace("Groq", "Stripe"),
        "{id: inbox, kind: channel, email: help@lanternway.example}",
        "{id: access, kind: right, right: access, within: P30D}",
        EVERY_KIND[19],
    )
    body = (
        'Stripe {{ clause("groq").cite }} help@lanternway.example {{ clause("inbox").cite }} privacy@lanternway.example. '
        'You have a right of access.{{ clause("access").cite }} 18 years old.{{ clause("adults").cite }}'
    )
    assert not said(found_in(*clauses, body=body))


@pytest.mark.parametrize(
    ("clauses", "words"),
    [
        (["{id: a, kind: retention, of: x, then: delete}"], "keeps data without a period"),
        (["{id: a, kind: collects, category: x, from: person, fields: [y]}"], "x is collected, and no clause says"),
        (["{id: a, kind: right, right: access}"], "no time to be answered in"),
        (["{id: a, kind: right, right: complaint}"], "no time to be answered in"),
        ([LOGS, LOGS.replace("id: logs", "id: more").replace("P30D", "P60D")], "Clauses logs and more both say"),
        ([EVERY_KIND[4].replace(", for: P10Y", "")], "keeps invoice back without a period"),
        ([EVERY_KIND[10], EVERY_KIND[10].replace("id: access", "id: again")], "both give the right access"),
    ],
)
def test_lint_refuses_a_clause_that_leaves_its_promise_open(clauses: list[str], words: str) -> None:
    """No period, no retention for what is collected, no time for a right, two clauses for one thing."""
    assert words in said(found_in(*clauses))


def test_a_complaint_to_the_authority_has_no_time_and_two_events_are_two_clauses() -> None:
    """What the authority does is not the controller's promise; idle and closed keys go by different events."""
    assert not found_in("{id: a, kind: right, right: complaint, to: authority}")
    assert not found_in(EVERY_KIND[4], EVERY_KIND[7])


def test_lint_warns_of_what_the_law_wants_said() -> None:
    """Rights, recipients, purposes, notice and cookies that Art. 13 and the CCPA ask for."""
    warnings = "\n".join(one.what for one in lint(policy(LOGS)) if one.level is Level.WARNING)
    for words in (
        "how people hear of changes",
        "where people can write",
        "No recipient",
        "right portability",
        "cookies",
    ):
        assert words in warnings


def test_the_example_policy_is_read_and_refused_in_nothing() -> None:
    """The policy that ships with the example stands up to its own lint, and its periods are its clauses'."""
    document = parse_document(EXAMPLE.read_text(encoding="utf-8"), EXAMPLE.name)
    assert not said(refusals(lint(document)))
    soup = BeautifulSoup(render(document, in_force=date(2026, 1, 1), version=1).html, "html.parser")
    assert "30 days" in soup.get_text()
    assert "12 months" in soup.get_text()
    assert "{{" not in soup.get_text()


def test_what_is_equal_does_not_depend_on_its_line() -> None:
    """Two documents with the same clause further down promise the same."""
    assert logs_for("P30D").clauses == policy(LOGS, extra="language: en").clauses
