"""The example policies: five published ones in words of our own, each promise bound to a clause, and Kept's own."""

import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from core.database import Database
from core.lined_yaml import load_lined
from policies.clauses import (
    Action,
    AgeLimitClause,
    Answer,
    Channels,
    CollectsClause,
    CookieClause,
    NeverClause,
    NoticeChannel,
    NoticeClause,
    RecipientClause,
    RetentionClause,
    RightClause,
    Role,
)
from policies.documents import Alias, AliasPage, Document, parse_document
from policies.lint import Level, lint, refusals
from policies.periods import Period
from policies.prose import render, render_text
from policies.translations import read_family
from policies.versions import VersionState
from tests.policy_house import House

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "policies" / "examples"
DATA = ROOT / "tests" / "data" / "policies"
FIVE = ("ccr", "crouter", "corouter", "self-hosted-proxy", "ai-max")
# What the law wants said and the original does not say, by the articles that lint names.
GDPR_RIGHTS = ["restriction", "objection", "portability", "complaint"]
CCPA = ["1798.125", "11 CCR 7011(e)(3)", "every 12 months"]
PROSE = ["13(2)(e)", "13(2)(f)"]
EXPECTED = {
    "ccr": [*GDPR_RIGHTS, *PROSE, *CCPA, "13(1)(f)"],
    "crouter": [*GDPR_RIGHTS, *PROSE, *CCPA, "13(1)(f)"],
    "corouter": ["withdraw_consent", *PROSE, *CCPA],
    "self-hosted-proxy": ["hear of changes", "has no date", "restriction", "complaint", *PROSE, *CCPA, "13(1)(f)"],
    "ai-max": ["cookies", *GDPR_RIGHTS, *PROSE, "1798.120", *CCPA, "13(1)(f)"],
    "kept": [],
}


@cache
def example(name: str) -> Document:
    return parse_document((EXAMPLES / f"{name}.md").read_text(encoding="utf-8"), f"{name}.md")


@cache
def rows() -> dict[str, dict[str, dict[str, Any]]]:
    source = DATA / "promises.yaml"
    data = load_lined(source.read_text(encoding="utf-8"), source=source.name).data
    return {name: {row["id"]: row for row in listed} for name, listed in data.items()}


def bearers(document: Document) -> dict[str, set[str]]:
    """Each promise that the document names, and the kinds of the clauses that name it."""
    found: dict[str, set[str]] = {promise: {"head"} for promise in document.promises}
    for clause in document.clauses:
        for promise in clause.promises:
            found.setdefault(promise, set()).add(clause.kind)
    return found


def text_of(name: str) -> str:
    html = render(example(name), in_force=date(2027, 1, 2), version=1).html
    return " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z0-9@.'-]+", text.lower())


@pytest.mark.parametrize("name", [*FIVE, "kept"])
def test_an_example_is_refused_in_nothing_and_warned_of_what_its_original_leaves_out(name: str) -> None:
    """No refusal; each warning is one that the original deserves, and no other comes."""
    findings = lint(example(name))
    assert not refusals(findings)
    warnings = [one.what for one in findings if one.level is Level.WARNING]
    for expected in EXPECTED[name]:
        assert any(expected in what for what in warnings), expected
    assert len(warnings) == len(EXPECTED[name]), warnings


def test_the_list_has_every_promise_of_the_five_policies() -> None:
    """17, 20, 17, 16 and 17 rows, by stable ids without a gap."""
    prefixes = ("ccr", "crouter", "corouter", "proxy", "aimax")
    counts = (17, 20, 17, 16, 17)
    assert tuple(rows()) == FIVE
    for (_, listed), prefix, count in zip(rows().items(), prefixes, counts, strict=True):
        assert list(listed) == [f"{prefix}-{number}" for number in range(1, count + 1)]


@pytest.mark.parametrize("name", FIVE)
def test_every_promise_is_carried_by_a_clause_of_its_kind_and_no_clause_names_another(name: str) -> None:
    """Both ways: each row is named by clauses of exactly the kinds that the list gives, and each name is a row."""
    listed = rows()[name]
    named = bearers(example(name))
    assert set(named) == set(listed)
    assert named == {promise: set(row["kinds"]) for promise, row in listed.items()}


def test_the_kinds_of_a_row_are_those_of_its_own_words() -> None:
    """The list's column of clauses names each kind; only a hold, which is no clause, is carried by a right's exception."""
    for row in (row for listed in rows().values() for row in listed.values()):
        if row["id"] != "aimax-6":
            assert all(kind in row["clause"] for kind in row["kinds"])


def test_kepts_own_policy_promises_nothing_of_another_list() -> None:
    """The rows are those of the five."""
    assert not bearers(example("kept"))


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("ccr", ["30 days", "Groq", "Together AI", "Cerebras", "OpenRouter", "privacy@ccr.dev", "TLS", "indefinitely",
                 "confidentiality agreement", "own risk", "Terms of Service"]),
        ("crouter", ["Google", "Stripe", "Supabase", "Anthropic", "Cloudflare", "OpenPanel", "12 months", "30 days", "HTTPS",
                     "Cloudflare Workers", "contact@crouter.dev", "local storage", "remote", "dashboard", "rented"]),
        ("corouter", ["corouter.co", "console", "Creem", "merchant of record", "opt in to audit logging", "GDPR", "UK", "CCPA",
                      "CPRA", "18", "age of majority", "hi@corouter.co", "new date", "IP address", "balance"]),
        ("self-hosted-proxy", ["HMAC", "Anthropic", "/legal/subprocessors", "/security", "DPA", "GDPR", "UK GDPR", "CCPA", "TLS",
                               "at rest", "hash", "least privilege", "classifier", "referrers", "in memory", "reject"]),
        ("ai-max", ["latency", "quotas", "audit", "anomalies", "latest version", "new date", "unrelated advertising",
                    "legally and technically", "rotated", "security incident", "endpoint"]),
    ],
)  # fmt: skip
def test_every_number_name_and_condition_stays(name: str, facts: list[str]) -> None:
    """Words change; what was promised does not."""
    text = text_of(name)
    assert not [fact for fact in facts if fact.lower() not in text.lower()]


@pytest.mark.parametrize("name", FIVE)
def test_the_sentences_are_our_own_and_the_date_is_not_copied(name: str) -> None:
    """No eight words in a row are those of the original, nor is its date."""
    original = (DATA / "published" / f"{name}.txt").read_text(encoding="utf-8")
    theirs, ours = words_of(original), words_of(render_text(example(name)))
    copied = {tuple(theirs[at : at + 8]) for at in range(len(theirs) - 7)}
    assert not [" ".join(ours[at : at + 8]) for at in range(len(ours) - 7) if tuple(ours[at : at + 8]) in copied]
    for day in re.findall(r"[A-Z][a-z]+ \d{1,2}, \d{4}", original):
        assert day not in example(name).text


@pytest.mark.parametrize("name", ["ccr", "corouter", "crouter", "ai-max", "kept"])
def test_the_date_on_the_page_is_that_of_the_version_in_force(name: str) -> None:
    """The page prints the day of the event, none of its own."""
    assert "Saturday, 2 January 2027" in text_of(name)
    assert "not yet in force" in render_text(example(name))


def retention(name: str, clause_id: str) -> RetentionClause:
    clause = example(name).clause(clause_id)
    assert isinstance(clause, RetentionClause)
    return clause


def right(name: str, clause_id: str) -> RightClause:
    clause = example(name).clause(clause_id)
    assert isinstance(clause, RightClause)
    return clause


def test_the_periods_of_the_originals_are_those_of_the_clauses() -> None:
    """What the originals count in days and months."""
    logs = retention("ccr", "request-logs")
    assert (logs.of, logs.period, logs.then) == (("request_log",), Period(days=30), Action.DELETE)
    assert retention("ccr", "account-life").until == "account_closed"
    totals = retention("ccr", "usage-totals")
    assert (totals.then, totals.into, totals.k) == (Action.AGGREGATE, "usage_daily", 10)
    assert retention("crouter", "usage-logs").period == Period(months=12)
    assert retention("crouter", "account-life").within == Period(days=30)
    for name in ("copy", "correction", "deletion"):
        assert right("crouter", name).within == Period(days=30)
    assert right("crouter", "deletion").exceptions
    assert right("ccr", "access").within is Answer.BY_LAW
    idle, gone = retention("ai-max", "idle-credentials"), retention("ai-max", "revoked-credentials")
    assert (idle.after, idle.then) == ("last_use", Action.REVOKE)
    assert (gone.after, gone.then) == ("revoked", Action.DELETE)


def test_what_is_never_stored_is_never_stored_under_the_originals_conditions() -> None:
    """Save in the log, save with consent, or not at all."""
    never = {
        (name, category): (clause.exceptions, clause.unless_consent)
        for name in FIVE
        for clause in example(name).of_kind(NeverClause)
        for category in clause.of
    }
    assert never == {
        ("ccr", "code"): (("request_log",), None),
        ("crouter", "card_data"): ((), None),
        ("crouter", "content"): ((), None),
        ("crouter", "location"): ((), None),
        ("corouter", "content"): ((), "audit_log"),
        ("corouter", "card_data"): ((), None),
        ("self-hosted-proxy", "plaintext_password"): ((), None),
        ("self-hosted-proxy", "content"): ((), None),
        ("self-hosted-proxy", "provider_key"): ((), None),
    }


def test_who_gets_what_is_told_and_how_is_as_in_the_originals() -> None:
    """Recipients by name and condition, notices by channel, the age, the cookies, the old addresses."""

    def names(name: str) -> list[str]:
        return [one.name for one in example(name).of_kind(RecipientClause)]

    assert names("ccr") == ["Groq", "Together AI", "Cerebras", "OpenRouter", "service providers"]
    assert names("crouter") == ["Stripe", "Supabase", "Anthropic", "Cloudflare", "OpenPanel"]
    authorities = example("corouter").clause("authorities")
    assert isinstance(authorities, RecipientClause)
    assert (authorities.role, authorities.when) == (Role.AUTHORITY, "the law requires it")

    def ways(name: str) -> Channels | None:
        return next((one.material for one in example(name).of_kind(NoticeClause)), None)

    assert ways("ccr") == Channels(ways=(NoticeChannel.EMAIL, NoticeChannel.BANNER), any_of=True)
    assert ways("crouter") == Channels(ways=(NoticeChannel.EMAIL,))
    assert ways("corouter") == Channels(ways=(NoticeChannel.POST,))
    assert ways("self-hosted-proxy") is None
    (adults,) = example("corouter").of_kind(AgeLimitClause)
    assert (adults.minimum, adults.alternative) == (18, "majority")
    set_here = [one.name for one in example("self-hosted-proxy").of_kind(CookieClause) if not one.none]
    assert set_here == ["session"]
    assert example("self-hosted-proxy").aliases == (
        Alias(path="/legal/subprocessors", page=AliasPage.RECIPIENTS),
        Alias(path="/security", page=AliasPage.SECURITY),
    )


@pytest.mark.parametrize("name", FIVE)
def test_what_we_state_where_the_original_is_vague_is_said_in_a_comment(name: str) -> None:
    """Whoever takes an example sees which periods, names and grounds are not from the original."""
    comments = [line for line in example(name).text.splitlines() if line.strip().startswith("#")]
    assert any("stated here" in line for line in comments)


def test_the_german_translation_promises_the_same() -> None:
    """ccr.de.md has the clauses of ccr.md by the same ids; its prose prints periods in German."""
    original, german = read_family(EXAMPLES / "ccr.md")
    assert [clause.id for clause in original.clauses] == [clause.id for clause in german.clauses]
    assert not refusals(lint(german))
    text = render_text(german)
    assert "nach\n30 Tagen gelöscht" in text
    assert "innerhalb der gesetzlichen Frist" in text


def test_kepts_own_policy_says_how_long_each_thing_it_collects_is_kept() -> None:
    """Each category has its end, and it has recipients only where the controller adds them."""
    document = example("kept")
    collected = {clause.category for clause in document.of_kind(CollectsClause)}
    kept = {category for clause in document.of_kind(RetentionClause) for category in clause.of}
    assert collected == kept
    assert not document.of_kind(RecipientClause)
    assert {
        "request", "request_message", "message_original", "consent", "acceptance", "notice_record", "operator",
        "ledger_detail", "package", "identity_proof", "suppression", "erasure_register",
    } <= collected  # fmt: skip


@pytest.mark.parametrize("name", [*FIVE, "kept", "ccr.de"])
def test_an_example_reads_as_a_page(name: str) -> None:
    """A table of contents' worth of headings, sentences that end, and nothing of the template left."""
    soup = BeautifulSoup(render(example(name), in_force=date(2027, 1, 2), version=1).html, "html.parser")
    assert len(soup.find_all("h2")) >= 7
    text = soup.get_text()
    for trace in ("{{", "}}", "**", "_log", "by_law", "\ue000"):
        assert trace not in text
    sentences = re.split(r"(?<=[.!?:;])\s", " ".join(p.get_text(" ") for p in soup.find_all(["p", "li"])))
    lengths = sorted(len(sentence.split()) for sentence in sentences)
    assert lengths[len(lengths) // 2] <= 20


@pytest.mark.parametrize("name", [*FIVE, "kept"])
def test_an_example_publishes_as_a_first_version_in_force_at_once(name: str, tmp_path: Path) -> None:
    """Each is whole: it goes from the file into force, with its translation if it has one, and reads back the same."""
    database = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    house = House(database)
    house.make_tables()
    original, *translations = read_family(EXAMPLES / f"{name}.md")
    version = house.policies.publish(original, translations=translations, actor="opr_1")
    assert (version.number, version.state) == (1, VersionState.IN_FORCE)
    assert [document.digest for document in version.documents] == [each.digest for each in (original, *translations)]
    assert house.current() == 1
    database.close()
