"""Materiality: what each kind of change weighs, from clauses where there are, else from facts and words."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.catalogue import LANGUAGES, SOURCE, catalogue
from policies.clause_differences import compare_clauses
from policies.differences import compare, judge
from policies.documents import Document, parse_document
from policies.materiality import Verdict, Weight, all_rules, prose_rules
from policies.period_order import Order, order_periods
from policies.periods import Period
from policies.plain_texts import read_plain
from tests.policy_texts import policy

LOGS = "{id: logs, kind: retention, of: request_log, for: P30D, then: delete}"
CLOSED = "{id: closed, kind: retention, of: [account], after: account_closed, for: P30D, then: delete}"
NEVER = "{id: no-content, kind: never, of: content, except: [request_log]}"
ACCESS = "{id: access, kind: right, right: access, within: P30D, self_service: true}"
GROQ = "{id: groq, kind: recipient, name: Groq, role: processor, why: [inference], of: [content], region: US, safeguard: scc}"
SESSION = "{id: session, kind: cookie, name: session, party: first, where: [console], storage: [cookie], why: [authentication], lasts: session}"
NO_ADS = "{id: no-ads, kind: cookie, none: true, party: third, why: [advertising, tracking]}"
NOTICE = "{id: changes, kind: notice, material: [email, banner], ahead: P14D}"
PURPOSE = "{id: use, kind: purpose, of: [billing_log], why: [billing], basis: contract}"
COLLECTS = "{id: data, kind: collects, category: account, from: person, fields: [email, name]}"
PLEDGE = "{id: no-sale, kind: pledge, says: personal data is not sold, owner: legal, review: P1Y}"
INBOX = "{id: inbox, kind: channel, email: privacy@ccr.dev}"
USE = "{id: use-accepts, kind: acceptance, by: use}"
CUSTOMERS = "{id: customers, kind: processor, forward_to: 'mailto:dpo@customer.example', within: P5D}"
TOTALS = "{id: totals, kind: retention, of: usage, for: P30D, then: aggregate, into: usage_daily, by: [day], k: 10}"
ADULTS = "{id: adults, kind: age_limit, minimum: 18}"


def happened(old: list[str], new: list[str]) -> tuple[str, set[str]]:
    """The weight of a change of clauses and every rule that fits."""
    changes = compare_clauses(policy(*old), policy(*new))
    found = {name for change in changes for name in (change.happened, *change.also)}
    return str(judge(policy(*old), policy(*new)).weight), found


CHANGES = [
    ("a longer period", LOGS, LOGS.replace("P30D", "P90D"), "material", "longer"),
    ("a shorter period", LOGS, LOGS.replace("P30D", "P14D"), "minor", "shorter"),
    ("days for months cannot be told", LOGS, LOGS.replace("P30D", "P1M"), "material", "period_untold"),
    ("a year is twelve months", LOGS.replace("P30D", "P1Y"), LOGS.replace("P30D", "P12M"), "editorial", "bookkeeping"),
    ("counted from an event", LOGS, LOGS.replace("for:", "after: account_closed, for:"), "material", "longer"),
    ("until an event", CLOSED, CLOSED.replace("after: account_closed, for: P30D", "until: account_closed"), "minor", "shorter"),
    ("less than deleted", LOGS, LOGS.replace("delete", "anonymise"), "material", "weaker_action"),
    ("more time to do it", LOGS, LOGS.replace("then", "within: P3D, then"), "material", "late_longer"),
    ("an exception", LOGS, LOGS.replace("delete}", "delete, except: [{of: invoice, basis: legal_obligation, for: P10Y}]}"),
     "material", "exception_added"),
    ("reaching back", LOGS, LOGS.replace("P30D", "P20D").replace("delete}", "delete, reaches_back: a new law}"), "material", "reaches_back"),
    ("smaller groups", TOTALS, TOTALS.replace("k: 10", "k: 3"), "material", "totals_weaker"),
    ("one more category under a period", LOGS, LOGS.replace("request_log", "[request_log, usage]"), "minor", "retention_added"),
    ("one category less under a period", LOGS.replace("request_log", "[request_log, usage]"), LOGS, "material", "retention_dropped"),
    ("never, but for more", NEVER, NEVER.replace("[request_log]", "[request_log, cache]"), "material", "promise_weaker"),
    ("never, but with consent", NEVER, NEVER.replace("except", "unless: {consent: audit}, except"), "material", "promise_weaker"),
    ("never, but for less", NEVER, "{id: no-content, kind: never, of: content}", "minor", "promise_added"),
    ("a slower answer", ACCESS, ACCESS.replace("P30D", "P45D"), "material", "right_slower"),
    ("a quicker answer", ACCESS, ACCESS.replace("P30D", "at_once"), "minor", "right_stronger"),
    ("no longer by oneself", ACCESS, ACCESS.replace(", self_service: true", ""), "material", "right_weaker"),
    ("what the law gives", ACCESS, ACCESS.replace("P30D", "by_law"), "material", "right_untold"),
    ("a recipient for more", GROQ, GROQ.replace("[inference]", "[inference, training]"), "material", "recipient_more"),
    ("another recipient under an old id", GROQ, GROQ.replace("Groq", "Grok"), "material", "new_recipient"),
    ("another region", GROQ, GROQ.replace("US", "CN"), "material", "region_changed"),
    ("another safeguard", GROQ, GROQ.replace("scc", "dpf"), "material", "safeguard_changed"),
    ("a recipient that decides itself", GROQ, GROQ.replace("processor", "controller"), "material", "recipient_role"),
    ("a cookie that tracks", SESSION, SESSION.replace("[authentication]", "[authentication, tracking]"), "material", "cookie_more"),
    ("a cookie that lasts", SESSION, SESSION.replace("lasts: session", "lasts: P1Y"), "material", "cookie_more"),
    ("less notice", NOTICE, NOTICE.replace("P14D", "P7D"), "material", "notice_weaker"),
    ("no notice ahead", NOTICE, NOTICE.replace(", ahead: P14D", ""), "material", "notice_weaker"),
    ("one channel of two", NOTICE, NOTICE.replace("[email, banner]", "{any: [email, banner]}"), "material", "notice_weaker"),
    ("more notice", NOTICE, NOTICE.replace("P14D", "P30D"), "minor", "notice_stronger"),
    ("a new purpose", PURPOSE, PURPOSE.replace("[billing]", "[billing, advertising]"), "material", "new_purpose"),
    ("another basis", PURPOSE, PURPOSE.replace("contract", "consent"), "material", "basis_changed"),
    ("one more field", COLLECTS, COLLECTS.replace("[email, name]", "[email, name, phone]"), "material", "new_category"),
    ("one field less", COLLECTS, COLLECTS.replace("[email, name]", "[email]"), "minor", "category_dropped"),
    ("a pledge that says something else", PLEDGE, PLEDGE.replace("is not sold", "is sold rarely"), "material", "promise_reworded"),
    ("a pledge that is spelled otherwise", PLEDGE, PLEDGE.replace("personal data is", "Personal data is"), "editorial", "bookkeeping"),
    ("another address", INBOX, INBOX.replace("privacy@", "data@"), "minor", "channel_changed"),
    ("asked first", USE, USE.replace("by: use", "by: click"), "minor", "accepted_explicitly"),
    ("passed on later", CUSTOMERS, CUSTOMERS.replace("P5D", "P10D"), "material", "forwarding_slower"),
    ("another age", ADULTS, ADULTS.replace("18", "16"), "material", "age_changed"),
    ("another owner", PLEDGE, PLEDGE.replace("legal", "privacy"), "editorial", "bookkeeping"),
    ("another row of promises", LOGS, LOGS.replace("delete}", "delete, promises: [ccr-2]}"), "editorial", "bookkeeping"),
    ("another name", LOGS, LOGS.replace("id: logs", "id: log-time"), "editorial", "renamed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "weight", "rule"), [one[1:] for one in CHANGES], ids=[one[0] for one in CHANGES]
)
def test_a_changed_clause_weighs_what_its_rule_says(old: str, new: str, weight: str, rule: str) -> None:
    """The rules stand in materiality.yaml; each change here is one that people would ask about."""
    found = happened([old], [new])
    assert found[0] == weight
    assert rule in found[1]


@pytest.mark.parametrize(
    ("clause", "added", "removed"),
    [
        (LOGS, "minor", "material"),
        (NEVER, "minor", "material"),
        (ACCESS, "minor", "material"),
        (GROQ, "material", "minor"),
        (SESSION, "minor", "minor"),
        (SESSION.replace("authentication", "advertising"), "material", "minor"),
        (NO_ADS, "minor", "material"),
        (NOTICE, "minor", "material"),
        (PURPOSE, "material", "minor"),
        (COLLECTS, "material", "minor"),
        (PLEDGE, "minor", "material"),
        (INBOX, "minor", "material"),
        (USE, "material", "minor"),
        (CUSTOMERS, "minor", "material"),
        (ADULTS, "material", "material"),
    ],
)
def test_a_clause_that_came_or_went_weighs_by_whom_it_serves(clause: str, added: str, removed: str) -> None:
    """What people gain is minor, what they lose is material."""
    other = "{id: tls, kind: safeguard, says: TLS in transit, owner: security, review: P1Y}"
    assert judge(policy(other), policy(other, clause)).weight == added
    assert judge(policy(other, clause), policy(other)).weight == removed


def test_a_category_that_another_clause_took_over_is_no_loss() -> None:
    """A clause split into two with the same period is arranged anew; with a longer one it is longer."""
    both = LOGS.replace("request_log", "[request_log, usage]")
    usage = "{id: usage, kind: retention, of: usage, for: P30D, then: delete}"
    assert happened([both], [LOGS, usage]) == ("editorial", {"regrouped"})
    assert "longer" in happened([both], [LOGS, usage.replace("P30D", "P60D")])[1]
    assert happened([both], [LOGS, usage.replace("P30D", "P60D")])[0] == "material"


def test_the_head_is_weighed_too() -> None:
    """Another controller and a law that is dropped are material; another address of the same controller is minor."""
    old = policy(LOGS)
    assert judge(old, _with(old, "name: Lanternway", "name: Moonway")).weight is Weight.MATERIAL
    assert judge(old, _with(old, "regimes: [gdpr]", "regimes: [ccpa]")).weight is Weight.MATERIAL
    assert judge(old, _with(old, "regimes: [gdpr]", "regimes: [gdpr, ccpa]")).weight is Weight.MINOR
    assert judge(old, _with(old, "privacy@lanternway", "data@lanternway")).weight is Weight.MINOR
    assert judge(old, _with(old, "title: Privacy Policy", "title: Privacy policy")).weight is Weight.EDITORIAL


def _with(document: Document, old: str, new: str) -> Document:
    assert old in document.text
    return parse_document(document.text.replace(old, new), "policy.md")


def test_reasons_name_what_changed_and_why_the_weightiest_first() -> None:
    """A verdict without its reasons is no verdict."""
    verdict = judge(
        policy(LOGS, GROQ),
        policy(LOGS.replace("P30D", "P14D"), GROQ, GROQ.replace("groq", "xai").replace("Groq", "xAI")),
    )
    assert verdict == Verdict(
        weight=Weight.MATERIAL,
        reasons=(
            "XAI (United States) gets content for inference: someone new gets data.",
            "Request logs are deleted 14 days after they are written (before: 30 days): data are kept for less time, in people's favour.",
        ),
    )


def test_what_cannot_be_told_is_material_and_says_so() -> None:
    """Between 30 days and a month nobody can say which is longer."""
    verdict = judge(policy(LOGS), policy(LOGS.replace("P30D", "P1M")))
    assert verdict.weight is Weight.MATERIAL
    assert "cannot be told, so it counts as material" in verdict.reasons[0]


def test_a_german_document_is_judged_in_german() -> None:
    """Reasons are in the document's language."""
    german = "language: de"
    verdict = judge(policy(LOGS, extra=german), policy(LOGS.replace("P30D", "P90D"), extra=german))
    assert verdict.reasons == (
        "Anfrageprotokolle: gelöscht 90 Tage nach dem Eintrag (vorher: 30 Tage): Daten bleiben länger als gesagt.",
    )


def test_documents_that_do_not_differ_are_editorial_and_say_so() -> None:
    """There is always a reason, if only that there is none."""
    assert judge(policy(LOGS), policy(LOGS)) == Verdict(weight=Weight.EDITORIAL, reasons=("Nothing differs.",))


CITE = '{{ clause("logs").cite }}'


@pytest.mark.parametrize(
    ("old", "new", "weight"),
    [
        ("We do not sell your data.", "We sell your data.", "material"),
        ("We look after your data.", "We look after your data well and with care.", "minor"),
        ("We look after you.", "We look after you!", "editorial"),
        (
            "We look after you.",
            "We look after you.\n\nWe also share what you write with our partners for advertising.",
            "material",
        ),
    ],
)
def test_prose_that_no_clause_holds_is_weighed_by_its_words(old: str, new: str, weight: str) -> None:
    """Where clauses say nothing, the free prose of a document may."""
    assert judge(policy(LOGS, body=f"{old} {CITE}"), policy(LOGS, body=f"{new} {CITE}")).weight == weight


def test_prose_that_prints_a_changed_clause_is_the_clauses_to_weigh() -> None:
    """A shorter period is minor, although the sentence that prints it differs too."""
    body = 'Request logs are kept for {{ clause("logs").for }}.'
    verdict = judge(
        policy(LOGS, body=body), policy(LOGS.replace("P30D", "P14D"), body=body.replace("kept", "stored by us"))
    )
    assert verdict.weight is Weight.MINOR
    turned = body.replace("are kept", "are not kept")
    assert judge(policy(LOGS, body=body), policy(LOGS.replace("P30D", "P14D"), body=turned)).weight is Weight.MATERIAL


def judged(old: str, new: str) -> Verdict:
    frame = "# Privacy Policy\n\nThis page tells you what we do with your data.\n\n{}\n\nWrite to us with any question."
    return compare(read_plain(frame.format(old), "a.md"), read_plain(frame.format(new), "b.md")).verdict


FORTY = (
    "We take great care of the people who use our product every day, and we try to be as plain as we possibly can about the things that matter to them.",
    "People use our product day after day, so we care about them a great deal, and about everything that matters to them we try to speak in the plainest words we can find.",
)  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "weight", "said"),
    [
        ("Logs are kept for 30 days.", "Logs are kept for 90 days.", "material", "longer"),
        ("Logs are kept for 90 days.", "Logs are kept for 30 days.", "minor", "shorter"),
        ("Logs are kept for 30 days.", "Logs are kept as long as needed.", "material", "30 days"),
        ("Logs are kept for thirty days.", "Logs are kept for ninety days.", "material", "ninety days"),
        ("Wir bewahren Protokolle für 30 Tage auf.", "Wir bewahren Protokolle für 90 Tage auf.", "material", "90 Tage"),
        ("Logs stay 30 days and invoices 90 days.", "Logs stay 90 days and invoices 30 days.", "material", "30 days, 90 days"),
        ("It is kept until 1 January 2027.", "It is kept until 1 January 2030.", "material", "2030"),
        ("We collect nothing from people under 18.", "We collect nothing from people under 16.", "material", "16"),
        ("We keep what Section 4 names.", "We keep what Section 5 names.", "editorial", "small words"),
        ("We keep it here. You can ask us.", "You can ask us. We keep it here.", "editorial", "moved"),
        ("You get an answer within 30 days.", "You get an answer within 60 days.", "material", "60 days"),
        ("We do not share your messages.", "We share your messages.", "material", "“not”"),
        ("We will delete your account on request.", "We may delete your account on request.", "material", "“may”"),
        ("We collect your name.", "We collect your name and precise location.", "material", "location"),
        (*FORTY, "minor", "Reworded"),
        ("Effective August 28, 2025", "Effective 28 August 2025", "editorial", "written otherwise"),
        ("Effective August 28, 2025", "Effective September 1, 2025", "editorial", "date"),
        ("Our logs live here.", "Our logs live here .", "editorial", "signs"),
        ("Data retention is activates here.", "Data retention is activated here.", "editorial", "Spelling"),
        ("We keep data safe.", "We keep data safe.\n\n## Advertising\n\nWe share what you write with advertising partners.", "material", "new part"),
        ("We keep data safe. You have the right to complain to the authority.", "We keep data safe.", "material", "gone"),
        ("We keep data safe.", "We keep data safe. You have the right to access your data.", "minor", "right"),
        ("We do not train on chats of Team and Enterprise users.", "We do not train on chats of Enterprise users.", "material", "team"),
    ],
)  # fmt: skip
def test_a_text_without_clauses_is_weighed_by_facts_and_words(old: str, new: str, weight: str, said: str) -> None:
    """A one-word change of a period is material; forty words of rephrasing are minor."""
    verdict = judged(old, new)
    assert (verdict.weight, said.lower() in " ".join(verdict.reasons).lower()) == (weight, True), verdict


def test_periods_are_compared_by_the_calendar() -> None:
    """A month is now longer and now shorter than 30 days; a year is never shorter than 365."""

    def order(old: str, new: str) -> Order:
        return order_periods(Period.parse(old), Period.parse(new))

    assert order("P30D", "P1M") is Order.UNTOLD
    assert order("P1M", "P31D") is Order.LONGER
    assert order("P1Y", "P365D") is Order.SHORTER
    assert order("P12M", "P1Y") is Order.SAME
    assert order("P4W", "P28D") is Order.SAME


_PERIODS = st.builds(
    Period, years=st.integers(0, 2), months=st.integers(0, 14), weeks=st.integers(0, 5), days=st.integers(1, 400)
)


# Months against about as many days: where the order is hardest to tell.
_NEAR = st.builds(
    lambda months, more: (Period(months=months), Period(days=months * 30 + more)),
    st.integers(1, 24),
    st.integers(-3, 14),
)


@given(
    st.one_of(_NEAR, st.tuples(_PERIODS, _PERIODS)),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 12, 31), timezones=st.just(UTC)),
)
@settings(max_examples=300, deadline=None)
def test_the_order_of_two_periods_holds_from_every_day(pair: tuple[Period, Period], start: datetime) -> None:
    """What is called shorter is never later and what is called longer never earlier, leap days and month ends included."""
    old, new = pair
    order, apart = order_periods(old, new), new.after_instant(start) - old.after_instant(start)
    assert order is not Order.SHORTER or apart <= timedelta(0)
    assert order is not Order.LONGER or apart >= timedelta(0)
    assert order is not Order.SAME or apart == timedelta(0)
    turned = {Order.SHORTER: Order.LONGER, Order.LONGER: Order.SHORTER}
    assert order_periods(new, old) is turned.get(order, order)


def test_every_rule_has_its_words_in_each_language() -> None:
    """A rule that cannot be told to people is no rule."""
    for rule in all_rules().values():
        assert all(
            rule.word != catalogue(one).gettext(rule.word) for one in LANGUAGES if one != SOURCE and " " in rule.word
        )
        assert all(rule.why != catalogue(one).gettext(rule.why) for one in LANGUAGES if one != SOURCE)
        assert not rule.unsure or rule.weight is Weight.MATERIAL
    for prose in prose_rules().values():
        assert all(prose.sentence != catalogue(one).gettext(prose.sentence) for one in LANGUAGES if one != SOURCE)
