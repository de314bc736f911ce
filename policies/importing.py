"""Drafts a policy document from any policy text: the prose kept, what it says proposed as clauses, the rest listed."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from policies.facts import find_facts
from policies.facts_types import Fact, FactKind, Facts
from policies.importing_clauses import Binding, Drafted, Unbound, draft_clauses, identify
from policies.importing_prose import write_prose, yaml_head, yaml_value
from policies.plain_texts import BlockKind, PlainText
from policies.regimes import all_regimes

__all__ = ["Draft", "Givens", "Proposal", "Unbound", "draft"]

TODO: Final = "TODO"


@dataclass(frozen=True, kw_only=True)
class Givens:
    """What a text does not say of its controller, as far as the person who imports it does. Unknown ones become TODO."""

    controller: str | None = None
    country: str | None = None
    timezone: str | None = None
    email: str | None = None
    policy: str | None = None
    regimes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One finding that a clause of the draft holds; `clause` is 'head' where it went into the document's head."""

    clause: str
    kind: str
    what: str
    value: str
    sentence: str
    line: int
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The drafted document, what it proposes with the sentence each came from, and what could not be bound.

    `open`: the keys of the head that stand as TODO, which lint refuses until a person writes them.
    """

    document: str
    proposals: tuple[Proposal, ...]
    unbound: tuple[Unbound, ...]
    open: tuple[str, ...]
    facts: Facts


def draft(text: PlainText, givens: Givens | None = None, facts: Facts | None = None) -> Draft:
    """Draft a document from a text. Every value in it stands in the text or among the givens, or is marked TODO."""
    given = givens or Givens()
    found = facts or find_facts(text)
    made = draft_clauses(found)
    head, still_open = _write_head(text, made, found, given)
    body = write_prose(text, made.bindings)
    proposals = [_propose(binding, made) for binding in made.bindings]
    return Draft(
        document=f"---\n{head}---\n{body}",
        proposals=tuple(sorted(dict.fromkeys(proposals), key=lambda one: (one.line, one.kind, one.clause))),
        unbound=tuple(sorted(made.unbound, key=lambda one: one.line)),
        open=tuple(still_open),
        facts=found,
    )


def _propose(binding: Binding, made: Drafted) -> Proposal:
    fact = binding.fact
    kind = made.clauses[binding.clause]["kind"] if binding.clause in made.clauses else "head"
    what = " ".join(part for part in (fact.kind.value.replace("_", " "), fact.role.replace("_", " ")) if part)
    subject = (
        f" ({fact.subject[:60]})" if fact.subject and fact.kind not in (FactKind.CATEGORY, FactKind.PLEDGE) else ""
    )
    return Proposal(
        clause=binding.clause, kind=kind, what=what, value=f"{fact.value}{subject}", sentence=fact.sentence, line=fact.line,
        confidence=fact.confidence,
    )  # fmt: skip


def _write_head(text: PlainText, made: Drafted, facts: Facts, given: Givens) -> tuple[str, list[str]]:
    controller, still_open = _controller(text, facts, given)
    regimes = _regimes(facts, given)
    named = given.regimes or facts.of_kind(FactKind.REGIME)
    if regimes == [TODO]:
        still_open.append("regimes")
    lines = [
        "# Drafted from a text by `kept policy import`: every clause below names what stands in the prose, and is a proposal.",
        "# To confirm: who data come from, bases, roles, purposes and categories of recipients, owners and reviews; TODO must go.",
        f"policy: {yaml_value(identify(given.policy or PurePath(text.name).stem))}",
        f"title: {yaml_value(_title(text))}",
        f"language: {text.language}",
        f"controller: {yaml_head(controller)}",
        f"regimes: {yaml_value(regimes)}"
        + ("" if named else "  # the text names no law; these are of the controller's country"),
    ]
    if made.aliases:
        lines.append(f"aliases: {yaml_value(list(dict.fromkeys(made.aliases)))}")
    lines.append("clauses:" if made.clauses else "clauses: []")
    lines += [f"  - {yaml_head({'id': name, **keys})}" for name, keys in made.clauses.items()]
    return "\n".join(lines) + "\n", still_open


def _controller(text: PlainText, facts: Facts, given: Givens) -> tuple[dict[str, str], list[str]]:
    addresses = [fact for fact in facts.of_kind(FactKind.ADDRESS) if "@" in fact.value and fact.subject != "dpo"]
    often = Counter(fact.value for fact in addresses).most_common(1)
    officers = [fact.value for fact in facts.of_kind(FactKind.ADDRESS) if "@" in fact.value and fact.subject == "dpo"]
    known = {
        "name": given.controller or _name_of(text, addresses),
        "country": given.country,
        "timezone": given.timezone,
        "email": given.email or (often[0][0] if often else None),
    }
    still_open = [f"controller.{key}" for key, value in known.items() if not value]
    controller = {key: value or ("" if key == "name" else TODO) for key, value in known.items()}
    if officers and officers[-1] != controller["email"]:
        controller["dpo"] = officers[-1]
    return controller, still_open


def _name_of(text: PlainText, addresses: list[Fact]) -> str | None:
    """The controller's name as its text spells the name in its own address: ccr for privacy@ccr.dev."""
    if not addresses:
        return None
    label = addresses[0].value.rsplit("@", 1)[1].split(".")[-2]
    spelled = Counter(
        word
        for block in text.blocks
        for word in re.findall(rf"(?<![\w@./-]){re.escape(label)}(?![\w@-]|\.\w)", block.text, re.I)
    )
    return spelled.most_common(1)[0][0] if spelled else None


def _regimes(facts: Facts, given: Givens) -> list[str]:
    """The laws that were given, else those the text names, else those of the controller's country."""
    if given.regimes:
        return list(given.regimes)
    known = all_regimes()
    named = list(dict.fromkeys(fact.value for fact in facts.of_kind(FactKind.REGIME) if fact.value in known))
    if named:
        return named
    country = given.country or ""
    there = [
        name
        for name, regime in known.items()
        if country and any(place.split("-")[0] == country for place in regime.places)
    ]
    return there or [TODO]


def _title(text: PlainText) -> str:
    headings = [block for block in text.blocks if block.kind is BlockKind.HEADING]
    first = next(
        (block.text for block in headings if block.level == 1), headings[0].text if headings else "Privacy Policy"
    )
    return first[:200]
