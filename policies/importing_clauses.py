"""What was found in a text as clauses of a document's head: which finding became which clause, and which became none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from policies.clauses import KINDS
from policies.facts_names import UNNAMED, UNREADABLE
from policies.facts_subjects import spell_plainly
from policies.facts_types import LEAST_DRAFTED, Fact, FactKind, Facts, PeriodRole

# A clause of these kinds is vouched for by a person: neither the owner nor the review stands in anyone's policy text.
_VOUCHED: Final = {"owner": "TODO", "review": "P1Y"}
_WHY: Final = (
    ("payment", r"payment|merchant\s+of\s+record|billing|Zahlung"),
    ("inference", r"\bllm\b|\bmodel|prompts?\b|generate\s+responses|\bai\b|api\s+requests"),
    ("analytics", r"analytics|tracking|page\s+views"),
    ("authentication", r"authenticat|sign[\s-]?in"),
    ("infrastructure", r"infrastructure|hosting|cloud|server|routing|request\s+handling"),
    ("e-mail", r"e-?mail|communicat|notification"),
    ("legal duties", r"authorit|law\s+enforcement|legal"),
)
_BY_WHY: Final = {
    "payment": "billing",
    "inference": "content",
    "analytics": "usage",
    "authentication": "account",
    "e-mail": "account",
}
_DEVICE: Final = frozenset(
    {"technical", "usage", "request_log", "security_log", "error_log", "analytics", "cookie_data"}
)
_VIA: Final = re.compile(r"\bprovided\s+(?:via|by|through)\s+([A-Z]\w+)")
_AUTHORITY: Final = re.compile(r"authorit|law\s+enforcement|Behörden", re.I)


@dataclass(frozen=True, kw_only=True)
class Binding:
    """One finding and the clause that holds it; `key`: what the prose can print in place of its words."""

    fact: Fact
    clause: str
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Unbound:
    """What the text says and no clause can hold as it stands, and why."""

    what: str
    why: str
    sentence: str
    line: int


@dataclass(kw_only=True)
class Drafted:
    """The head's clauses while they are made: id → keys, with the findings behind each."""

    clauses: dict[str, dict[str, Any]] = field(default_factory=dict)
    bindings: list[Binding] = field(default_factory=list)
    unbound: list[Unbound] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)

    def add(self, name: str, kind: str, facts: Iterable[Fact], key: str | None = None, /, **keys: Any) -> str:
        """Add a clause, or bind the findings to the one that says the same already. Gives its id."""
        wanted = {"kind": kind, **{one.rstrip("_"): value for one, value in keys.items()}}
        base = identify(name)
        clause_id, number = base, 2
        while clause_id in self.clauses and self.clauses[clause_id] != wanted:
            clause_id, number = f"{base}-{number}", number + 1
        self.clauses.setdefault(clause_id, wanted)
        self.bindings += [Binding(fact=fact, clause=clause_id, key=key) for fact in facts]
        return clause_id

    def leave(self, fact: Fact, what: str, why: str) -> None:
        """List a finding as one that nothing was bound to."""
        entry = Unbound(what=what, why=why, sentence=fact.sentence, line=fact.line)
        if entry not in self.unbound:
            self.unbound.append(entry)


def identify(words: str) -> str:
    """Words as a clause's id."""
    return re.sub(r"[^a-z0-9]+", "-", spell_plainly(words.lower())).strip("-")[:60] or "clause"


def draft_clauses(facts: Facts) -> Drafted:
    """Clauses for all findings that are likely enough; everything else is listed as unbound."""
    made = Drafted()
    for fact in facts.facts:
        if fact.confidence < LEAST_DRAFTED:
            made.leave(
                fact,
                f"{fact.kind.value.replace('_', ' ')} {fact.value}",
                "It may mean something else here; read the sentence.",
            )
    sure = Facts(facts=tuple(fact for fact in facts.facts if fact.confidence >= LEAST_DRAFTED))
    steps: tuple[Callable[[Drafted, Facts], None], ...] = (
        _draft_collected, _draft_purposes, _draft_retention, _draft_never, _draft_vouched, _draft_rights, _draft_recipients,
        _draft_cookies, _draft_notices, _draft_channels, _draft_rest,
    )  # fmt: skip
    for step in steps:
        step(made, sure)
    order = list(KINDS)
    made.clauses = dict(sorted(made.clauses.items(), key=lambda one: order.index(one[1]["kind"])))
    return made


def _draft_collected(made: Drafted, facts: Facts) -> None:
    grouped: dict[str, list[Fact]] = {}
    for fact in facts.of_kind(FactKind.CATEGORY):
        grouped.setdefault(fact.value, []).append(fact)
    for category, found in grouped.items():
        fields = list(dict.fromkeys(one for fact in found for one in fact.subject.split(", ") if one)) or [category]
        named = next((match[1] for fact in found if (match := _VIA.search(fact.sentence))), "")
        who = named or ("device" if category in _DEVICE else "person")
        made.add(f"collect-{category}", "collects", found, category=category, from_=who, fields=fields[:20])


def _draft_purposes(made: Drafted, facts: Facts) -> None:
    collected = [fact.value for fact in facts.of_kind(FactKind.CATEGORY)] or ["account"]
    grouped: dict[str, list[Fact]] = {}
    for fact in facts.of_kind(FactKind.PURPOSE):
        grouped.setdefault(fact.subject, []).append(fact)
    for subject, found in grouped.items():
        of = [subject] if subject else list(dict.fromkeys(collected))
        why = list(dict.fromkeys(fact.value for fact in found if fact.value))
        made.add(f"use-{subject}" if subject else "purposes", "purpose", found, of=of, why=why, basis="contract")


def _draft_retention(made: Drafted, facts: Facts) -> None:
    closing = {fact.subject: fact for fact in facts.of_kind(FactKind.PERIOD) if fact.role == PeriodRole.AFTER_CLOSING}
    _draft_until(made, facts, closing)
    for fact in facts.of_kind(FactKind.PERIOD):
        subject = fact.subject or "personal_data"
        if fact.role == PeriodRole.RETENTION:
            made.add(f"keep-{subject}", "retention", [fact], "for", of=subject, for_=fact.value, then=_then(fact))
        elif fact.role == PeriodRole.AFTER_CLOSING and not any(one.fact is fact for one in made.bindings):
            event = (
                "contract_ended" if "contract" in fact.sentence and "account" not in fact.sentence else "account_closed"
            )
            name = f"{subject}-after-closing"
            made.add(name, "retention", [fact], "for", of=subject, after=event, for_=fact.value, then=_then(fact))
    for fact in facts.of_kind(FactKind.INDEFINITE):
        subject = fact.subject or "usage"
        if "ggregat" in fact.sentence or "nonymi" in fact.sentence:
            made.add(
                f"{subject}-totals",
                "retention",
                [fact],
                of=subject,
                then="aggregate",
                into=f"{subject}_daily",
                by=["day"],
                k=10,
            )
        made.leave(
            fact,
            f"{subject} is kept indefinitely",
            "A retention clause needs a period after which the rows go or become totals.",
        )
    _leave_open(made, facts)


def _draft_until(made: Drafted, facts: Facts, closing: dict[str, Fact]) -> None:
    """Kept until an event; where the text also says how long the work then takes, that is the clause's `within`."""
    by_sentence: dict[tuple[str, int], list[Fact]] = {}
    for fact in facts.of_kind(FactKind.EVENT):
        by_sentence.setdefault((fact.sentence, fact.line), []).append(fact)
    for found in by_sentence.values():
        of = list(dict.fromkeys(fact.subject or "personal_data" for fact in found))
        late = next((closing[name] for name in of if name in closing and "within" in closing[name].sentence), None)
        keys: dict[str, Any] = {"of": of if len(of) > 1 else of[0], "until": "account_closed"}
        if late is not None:
            keys["within"] = late.value
        clause_id = made.add(f"keep-{'-and-'.join(of)}", "retention", found, **keys, then="delete")
        if late is not None:
            made.bindings.append(Binding(fact=late, clause=clause_id, key="within"))


def _leave_open(made: Drafted, facts: Facts) -> None:
    held = {
        name
        for clause in made.clauses.values()
        if clause["kind"] == "retention" and clause["then"] != "aggregate"
        for name in _names(clause["of"])
    }
    for fact in facts.of_kind(FactKind.VAGUE_PERIOD):
        why = "The text names no period; write one: P30D is 30 days."
        if fact.role:
            why = "No clause holds a period in working days or in parts; write it in calendar days."
        elif fact.subject in held:
            why = "Write it as an exception with its basis and a period."
        elif fact.subject:
            held.add(fact.subject)
            made.add(f"keep-{fact.subject}", "retention", [fact], of=fact.subject, then=_then(fact))
        made.leave(fact, f"{fact.subject or 'data'}: '{fact.value}'", why)
    for fact in facts.of_kind(FactKind.EXCEPTION):
        made.leave(
            fact,
            f"an exception to deletion: '{fact.value}'",
            "Write except: with the categories, the basis and a period.",
        )
    for fact in facts.of_kind(FactKind.CATEGORY):
        if fact.value not in held:
            held.add(fact.value)
            made.leave(fact, f"{fact.value} is collected and no period is stated for it", "Add a retention clause.")


def _then(fact: Fact) -> str:
    return "revoke" if re.search(r"\brevoke", fact.sentence, re.I) else "delete"


def _names(of: str | list[str]) -> list[str]:
    return of if isinstance(of, list) else [of]


def _draft_never(made: Drafted, facts: Facts) -> None:
    grouped: dict[str, list[Fact]] = {}
    for fact in facts.of_kind(FactKind.NEVER):
        grouped.setdefault(fact.value, []).append(fact)
    for category, found in grouped.items():
        keys: dict[str, Any] = {"of": category}
        if any(fact.subject == "opt_in" for fact in found):
            keys["unless"] = {"consent": "opt_in"}
        elif found[0].subject == "by_default":
            made.leave(
                found[0],
                f"{category} is not stored by default",
                "Say when it is: unless: a consent, or except: a category.",
            )
        if any(fact.subject == "request_log" for fact in found):
            keys["except"] = ["request_log"]
        made.add(f"no-{category}", "never", found, **keys)


def _draft_vouched(made: Drafted, facts: Facts) -> None:
    for kind in (FactKind.PLEDGE, FactKind.SAFEGUARD):
        grouped: dict[str, list[Fact]] = {}
        for fact in facts.of_kind(kind):
            grouped.setdefault(fact.subject or fact.value, []).append(fact)
        for name, found in grouped.items():
            says = max((fact.value for fact in found), key=len)
            clause = f"no-{name}" if kind is FactKind.PLEDGE else name
            made.add(clause, kind.value, found, says=says, **_VOUCHED)


def _draft_rights(made: Drafted, facts: Facts) -> None:
    answers = [fact for fact in facts.of_kind(FactKind.PERIOD) if fact.role == PeriodRole.ANSWER]
    grouped: dict[tuple[str, str], list[Fact]] = {}
    for fact in facts.of_kind(FactKind.RIGHT):
        grouped.setdefault((fact.value, fact.subject), []).append(fact)
    for (right, narrowed), found in grouped.items():
        keys: dict[str, Any] = {"right": right}
        if right == "complaint" and any(
            re.search(r"authorit|regulator|commissioner|behörde", fact.sentence, re.I) for fact in found
        ):
            keys["to"] = "authority"
        elif answers:
            keys["within"] = answers[0].value
        else:
            made.leave(
                found[0], f"the right {right}: no time to be answered in", "Write within: P30D, by_law or at_once."
            )
        if narrowed:
            keys["of"] = [narrowed]
        if any(fact.role == "self_service" for fact in found):
            keys["self_service"] = True
        made.add(f"{right}-{narrowed}" if narrowed else right, "right", found, **keys)
    _bind_answers(made, answers)


def _bind_answers(made: Drafted, answers: list[Fact]) -> None:
    for fact in answers:
        holder = next(
            (
                name
                for name, keys in made.clauses.items()
                if keys.get("within") == fact.value and keys["kind"] == "right"
            ),
            None,
        )
        if holder is None:
            made.leave(fact, f"requests are answered within {fact.found}", "No right is named that it could belong to.")
        else:
            made.bindings.append(Binding(fact=fact, clause=holder, key="within"))


def _draft_recipients(made: Drafted, facts: Facts) -> None:
    grouped: dict[str, list[Fact]] = {}
    for fact in facts.of_kind(FactKind.RECIPIENT, FactKind.RECIPIENTS):
        grouped.setdefault(fact.value, []).append(fact)
    collected = {fact.value for fact in facts.of_kind(FactKind.CATEGORY)}
    for name, found in grouped.items():
        words = " ".join(fact.subject or fact.sentence for fact in found)
        stated = next((fact.subject for fact in found if fact.subject), "")
        why = next((short for short, said in _WHY if re.search(said, stated or words, re.I)), "operating the service")
        of = _BY_WHY.get(why, "account")
        role = "authority" if _AUTHORITY.search(name) else "processor"
        if of not in collected and collected:
            of = "code" if of == "content" and "code" in collected else of
        made.add(name, "recipient", found, name=name, role=role, why=[stated or why], of=[of])


def _draft_cookies(made: Drafted, facts: Facts) -> None:
    lasting = {fact.block: fact for fact in facts.of_kind(FactKind.PERIOD) if fact.role == PeriodRole.LASTS}
    grouped: dict[str, list[Fact]] = {}
    for fact in facts.of_kind(FactKind.COOKIE):
        grouped.setdefault(fact.value, []).append(fact)
    for name, found in grouped.items():
        keys: dict[str, Any] = {"lasts": "session"} if "session" in name else {}
        late = next((lasting[fact.block] for fact in found if fact.block in lasting), None)
        if late is not None:
            keys["lasts"] = late.value
        clause_id = made.add(
            f"cookie-{name}", "cookie", found, name=name, party="first", why=[found[0].subject or name], **keys
        )
        if late is not None and not any(one.fact is late for one in made.bindings):
            made.bindings.append(Binding(fact=late, clause=clause_id, key="lasts"))
    for fact in facts.of_kind(FactKind.NO_COOKIE):
        why = fact.subject.split(", ")
        made.add(f"no-{fact.value}-party-cookies", "cookie", [fact], none=True, party=fact.value, why=why)


def _draft_notices(made: Drafted, facts: Facts) -> None:
    found = sorted(facts.of_kind(FactKind.NOTICE), key=lambda fact: -fact.confidence)
    ahead = [fact for fact in facts.of_kind(FactKind.PERIOD) if fact.role == PeriodRole.AHEAD]
    if found:
        ways = found[0].value.split()
        material: Any = {"any": ways[1:]} if ways[0] == "any" else ways
        keys = {"ahead": ahead[0].value} if ahead else {}
        clause_id = made.add("changes", "notice", found, material=material, **keys)
        made.bindings += [
            Binding(fact=fact, clause=clause_id, key="ahead") for fact in ahead if fact.value == ahead[0].value
        ]
    for fact in ahead:
        if not found or fact.value != ahead[0].value:
            made.leave(fact, f"changes are told {fact.found} ahead", "No way of telling people is named.")


def _draft_channels(made: Drafted, facts: Facts) -> None:
    grouped: dict[str, list[Fact]] = {}
    for fact in facts.of_kind(FactKind.ADDRESS):
        if fact.value == UNREADABLE:
            made.leave(
                fact,
                "an address that the page hides: unreadable",
                "Ask for the address and write {kind: channel, email: …}.",
            )
        elif fact.value == UNNAMED:
            made.leave(
                fact, f"'{fact.found}' without an address", "Write a channel clause with email, phone, post or url."
            )
        else:
            grouped.setdefault(fact.value.lower(), []).append(fact)
    for found in grouped.values():
        name = "officer" if all(fact.subject == "dpo" for fact in found) else "inbox"
        made.add(name, "channel", found, "email", email=found[0].value)
    streets: dict[str, list[Fact]] = {}
    for fact in facts.of_kind(FactKind.POST):
        streets.setdefault(re.sub(r"^\D*", "", fact.value)[:24], []).append(fact)
    for found in streets.values():
        made.add("post", "channel", found, post=min((fact.value for fact in found), key=len)[:400])
    for fact in facts.of_kind(FactKind.WEB):
        if fact.value.startswith("/"):
            made.aliases.append(fact.value)
            made.bindings.append(Binding(fact=fact, clause="head"))
        elif fact.subject == "contact":
            made.add("form", "channel", [fact], url=fact.value)
        else:
            made.leave(fact, f"recipients are listed elsewhere: {fact.value}", "Give each one a recipient clause.")


def _draft_rest(made: Drafted, facts: Facts) -> None:
    ages = facts.of_kind(FactKind.AGE)
    if ages:
        lowest = str(min(int(fact.value) for fact in ages))
        keys: dict[str, Any] = {"or": "majority"} if any(fact.subject for fact in ages) else {}
        made.add("age", "age_limit", [fact for fact in ages if fact.value == lowest], minimum=int(lowest), **keys)
    if accepted := facts.of_kind(FactKind.ACCEPTANCE):
        made.add("use-accepts", "acceptance", accepted, by="use")
    for fact in facts.of_kind(FactKind.REGIME, FactKind.DAY):
        made.bindings.append(Binding(fact=fact, clause="head"))
    for fact in facts.of_kind(FactKind.PROCESSOR):
        made.leave(fact, "data held for customers", "A processor clause says where their requests go, and how soon.")
    for fact in facts.of_kind(FactKind.DISCLOSURE):
        made.leave(fact, f"data are passed on '{fact.value}'", "Name who gets them: a recipient clause for each.")
    for fact in facts.of_kind(FactKind.TRANSFER):
        made.leave(fact, "transfers abroad", "Give each recipient abroad a region and a safeguard.")
