"""What the law wants said in a policy and this one does not say: GDPR Art. 13 and 14, and the CCPA with its regulations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from policies.clauses import (
    Basis,
    ChannelClause,
    CollectsClause,
    CookieClause,
    NeverClause,
    NoticeClause,
    PledgeClause,
    PurposeClause,
    RecipientClause,
    Right,
    RightClause,
    Role,
)
from policies.documents import Document
from policies.periods import Period
from policies.regimes import regime

_GDPR: Final = frozenset({"gdpr", "uk_gdpr"})
_NEAR: Final = frozenset({"EU", "EEA", "UK"})
# The grounds of Art. 6; the others are grounds for keeping a record back, not for using it.
_GROUNDS: Final = frozenset(
    {Basis.CONSENT, Basis.CONTRACT, Basis.LEGAL_OBLIGATION, Basis.VITAL_INTERESTS, Basis.PUBLIC_INTEREST,
     Basis.LEGITIMATE_INTERESTS}
)  # fmt: skip
_CCPA_RIGHTS: Final = {
    Right.ACCESS: "1798.110", Right.CORRECTION: "1798.106", Right.DELETION: "1798.105", Right.OPT_OUT: "1798.120",
}  # fmt: skip
_OURSELVES: Final = frozenset({"person", "device", "us", "controller"})
_VAGUE: Final = frozenset({"other", "others", "elsewhere", "third party", "third parties", "third-party", "somebody"})

# A few things have no clause kind. The prose, or a pledge, says them; these are the words that are looked for.
_AUTOMATED: Final = re.compile(
    r"\b(?:automat\w+|profil(?:e|es|ing)|machines?|computers?|programs?|algorithms?)\b[^.]{0,200}\b(?:decisions?|decides?|decided)\b"
    r"|\b(?:decisions?|decides?|decided)\b[^.]{0,200}\b(?:automat\w+|profiling|machines?|computers?|programs?|algorithms?)\b"
    r"|automatisiert\w*[^.]{0,200}entsch\w+|entsch(?:eid|ied)\w*[^.]{0,200}(?:automat|maschin|programm)\w*",
    flags=re.IGNORECASE,
)
_OBLIGED: Final = re.compile(
    r"\b(?:without|unless you|if you)\b[^.]{0,160}\b(?:cannot|can't|can not|not possible|no account)\b"
    r"|\b(?:cannot|can't|can not)\b[^.]{0,160}\b(?:without|unless)\b"
    r"|\b(?:obliged|required|have to|must|duty|need to|need not|free to)\b[^.]{0,60}\b(?:give|provide|tell)\b|\bvoluntar"
    r"|\bohne\b[^.]{0,160}\b(?:nicht|kein\w*)\b|\bfreiwillig|\bverpflichtet\b[^.]{0,60}\b(?:geben|anzugeben|bereit)",
    flags=re.IGNORECASE,
)
_SALE: Final = re.compile(r"\b(?:sell|sells|sold|sale|sales|selling)\b|\b(?:ver)kauf\w*", flags=re.IGNORECASE)
_NO_SALE: Final = re.compile(
    r"\b(?:not|never|nor|no|nothing|nobody)\b[^.]{0,40}\b(?:sell|sold|sale|selling)\b(?![^.]{0,30}\bunrelated\b)|\b(?:nicht|nie|kein\w*)\b[^.]{0,40}verkauf",
    flags=re.IGNORECASE,
)
_EQUAL: Final = re.compile(
    r"discriminat|retaliat|\bworse\b|disadvantage|hold it against|benachteilig|nachteil|schlechter", flags=re.IGNORECASE
)
_AGENT: Final = re.compile(
    r"\bagents?\b|\bask\w* (?:for you|on your behalf|in your name)\b|bevollmächtig", flags=re.IGNORECASE
)
_NOBODY: Final = re.compile(
    r"\b(?:nobody|no one|no other|no recipients?|no third part\w+|(?:not|never) (?:passed|given|shared|disclosed|handed))\b"
    r"|\b(?:niemand\w*|keine[nr]? (?:empfänger|dritte)\w*|nicht weiter\w*)\b",
    flags=re.IGNORECASE,
)
_POLICY: Final = re.compile(r"\b(?:policy|page|notice|erklärung|seite)\b", flags=re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Unsaid:
    """Something the law wants said and is not."""

    line: int
    clause: str | None
    what: str
    remedy: str


def check_law(document: Document) -> Iterator[Unsaid]:
    """Everything that the laws of the document's regimes want said and the document leaves unsaid."""
    yield from _check_basics(document)
    if _GDPR & set(document.regimes) or "ccpa" in document.regimes:
        yield from _check_purposes(document)
        yield from _check_recipients(document)
    if _GDPR & set(document.regimes):
        yield from _check_identity(document)
        yield from _check_bases(document)
        yield from _check_transfers(document)
        yield from _check_gdpr_rights(document)
        yield from _check_source(document)
        yield from _check_prose(document)
    if "ccpa" in document.regimes:
        yield from _check_ccpa(document)


def _unsaid(what: str, remedy: str, line: int = 1, clause: str | None = None) -> Unsaid:
    return Unsaid(line=line, clause=clause, what=what, remedy=remedy)


def _law(document: Document) -> str:
    return "GDPR" if "gdpr" in document.regimes else "UK GDPR"


def _cite(document: Document, gdpr: str, ccpa: str) -> str:
    """The articles that want a thing, of the laws that the document lists."""
    cites = [f"{_law(document)} {gdpr}"] if _GDPR & set(document.regimes) else []
    return "; ".join([*cites, ccpa] if "ccpa" in document.regimes else cites)


def _says(document: Document, words: re.Pattern[str]) -> bool:
    """Whether the literal prose or a pledge has such words. Lines of a paragraph are one sentence."""
    pledges = [pledge.says for pledge in document.of_kind(PledgeClause)]
    return any(words.search(" ".join(text.split())) for text in (document.prose.literal, *pledges))


def said_of_machines(document: Document) -> tuple[str, ...]:
    """The sentences of the prose and the pledges that say whether a machine decides, for answers to quote."""
    parts = [pledge.says for pledge in document.of_kind(PledgeClause)]
    parts += re.split(r"\n\s*\n|\n#+ |\n\s*[-*] ", document.prose.literal)
    sentences = (one for part in parts for one in re.split(r"(?<=[.!?])\s+", " ".join(part.split())))
    return tuple(dict.fromkeys(one.strip("*#- ") for one in sentences if _AUTOMATED.search(one)))


def _check_basics(document: Document) -> Iterator[Unsaid]:
    if not document.of_kind(NoticeClause):
        yield _unsaid("No clause says how people hear of changes.", "Add a notice clause.")
    if not document.of_kind(ChannelClause):
        yield _unsaid("No clause says where people can write.", "Add a channel clause.")
    if not document.of_kind(CookieClause):
        yield _unsaid("No clause says anything of cookies.", "Add a cookie clause, with none: true if there are none.")
    if "in_force" not in document.prose.facts:
        article = _cite(document, "Art. 12(1)", "11 CCR 7011(e)(4)")
        what = "The prose has no date" + (f" ({article})." if article else ".")
        yield _unsaid(what, "Print {{ in_force }}, the day from which the version holds.")


def _check_identity(document: Document) -> Iterator[Unsaid]:
    law, facts, literal = _law(document), document.prose.facts, document.prose.literal
    if "controller.name" not in facts and document.controller.name not in literal:
        yield _unsaid(
            f"The prose does not say who is responsible ({law} Art. 13(1)(a)).", "Print {{ controller.name }}."
        )
    dpo = document.controller.dpo
    if dpo and "controller.dpo" not in facts and dpo not in literal:
        what = f"The prose does not name the data protection officer's address ({law} Art. 13(1)(b))."
        yield _unsaid(what, "Print {{ controller.dpo }}.")


def _check_purposes(document: Document) -> Iterator[Unsaid]:
    used = {category for clause in document.of_kind(PurposeClause) for category in clause.of}
    for collected in document.of_kind(CollectsClause):
        if collected.category not in used:
            article = _cite(document, "Art. 13(1)(c)", "Civil Code 1798.110(c)(3)")
            what = f"No purpose is given for {collected.category} ({article})."
            yield _unsaid(what, "Name it in a purpose clause.", collected.line, collected.id)


def _check_bases(document: Document) -> Iterator[Unsaid]:
    law = _law(document)
    for purpose in document.of_kind(PurposeClause):
        if purpose.basis not in _GROUNDS:
            what = f"Clause {purpose.id} rests on {purpose.basis}, which is no ground of {law} Art. 6 (Art. 13(1)(c))."
            remedy = f"Name one of: {', '.join(sorted(_GROUNDS))}."
            yield _unsaid(what, remedy, purpose.line, purpose.id)
        if purpose.basis is Basis.LEGITIMATE_INTERESTS and not purpose.interest:
            what = f"Clause {purpose.id} does not name its legitimate interest ({law} Art. 13(1)(d))."
            yield _unsaid(what, "Add interest: and the interest in words.", purpose.line, purpose.id)


def _check_recipients(document: Document) -> Iterator[Unsaid]:
    pledges = document.of_kind(PledgeClause)
    if not document.of_kind(RecipientClause) and not any(_NOBODY.search(pledge.says) for pledge in pledges):
        article = _cite(document, "Art. 13(1)(e)", "Civil Code 1798.130(a)(5)(B)")
        remedy = "Add a recipient clause for each, or a pledge which says that there are no recipients."
        yield _unsaid(f"No recipient is named ({article}).", remedy)


def _check_transfers(document: Document) -> Iterator[Unsaid]:
    law = _law(document)
    near = {*regime("gdpr").places, *regime("uk_gdpr").places, *_NEAR}
    # An authority is where the person's case is, and is no transfer that a safeguard could cover.
    recipients = [one for one in document.of_kind(RecipientClause) if one.role is not Role.AUTHORITY]
    if placeless := [one for one in recipients if not one.region]:
        names = ", ".join(one.name for one in placeless)
        what = f"Nothing says where these recipients are: {names} ({law} Art. 13(1)(f))."
        yield _unsaid(what, "Add region: to each, and safeguard: where it is abroad.", placeless[0].line)
    for one in recipients:
        if one.region and one.region not in near and one.safeguard is None:
            what = f"Recipient {one.name} is in {one.region} under no safeguard ({law} Art. 13(1)(f), 46)."
            yield _unsaid(what, "Add safeguard: scc or another.", one.line, one.id)


def _given(document: Document, laws: frozenset[str]) -> set[Right]:
    """The rights that are given under one of the laws."""
    clauses = document.of_kind(RightClause)
    return {clause.right for clause in clauses if not clause.regimes or laws & set(clause.regimes)}


def _check_gdpr_rights(document: Document) -> Iterator[Unsaid]:
    law, given = _law(document), _given(document, _GDPR)
    bases = {purpose.basis for purpose in document.of_kind(PurposeClause)} or set(Basis)
    wanted = dict.fromkeys((Right.ACCESS, Right.CORRECTION, Right.DELETION, Right.RESTRICTION), "13(2)(b)")
    if bases & {Basis.LEGITIMATE_INTERESTS, Basis.PUBLIC_INTEREST}:
        wanted[Right.OBJECTION] = "13(2)(b)"
    if bases & {Basis.CONSENT, Basis.CONTRACT}:
        wanted[Right.PORTABILITY] = "13(2)(b)"
    if consented := _rests_on_consent(document):
        wanted[Right.WITHDRAW_CONSENT] = "13(2)(c)"
    wanted[Right.COMPLAINT] = "13(2)(d)"
    for right, article in wanted.items():
        if right not in given:
            because = f", since {consented} rests on consent," if right is Right.WITHDRAW_CONSENT else ""
            what = f"{law} Art. {article}{because} wants the right {right} said, and no clause gives it."
            yield _unsaid(what, f"Add a right: {right}.")


def _rests_on_consent(document: Document) -> str | None:
    purposes = [one.id for one in document.of_kind(PurposeClause) if one.basis is Basis.CONSENT]
    return next(iter([*purposes, *(one.id for one in document.of_kind(NeverClause) if one.unless_consent)]), None)


def _check_source(document: Document) -> Iterator[Unsaid]:
    law, literal = _law(document), document.prose.literal.lower()
    for clause in document.of_kind(CollectsClause):
        source = clause.source.lower()
        if source in _VAGUE:
            what = f"Clause {clause.id} says that {clause.category} comes from '{clause.source}', which names nobody"
            yield _unsaid(f"{what} ({law} Art. 14(2)(f)).", "Name the source in from:.", clause.line, clause.id)
        elif source not in _OURSELVES and source not in literal and not document.prose.prints(clause.id, "from"):
            what = f"The prose does not say that {clause.category} comes from {clause.source} ({law} Art. 14(2)(f))."
            remedy = f'Say it, or print {{{{ clause("{clause.id}").from }}}}.'
            yield _unsaid(what, remedy, clause.line, clause.id)


def _check_prose(document: Document) -> Iterator[Unsaid]:
    law = _law(document)
    if not _says(document, _OBLIGED):
        what = (
            f"Nothing says whether people must give their data, and what happens if they do not ({law} Art. 13(2)(e))."
        )
        yield _unsaid(what, "Say it in the prose, as: Without an address we cannot open an account.")
    if not _says(document, _AUTOMATED):
        what = f"Nothing says whether decisions are automated ({law} Art. 13(2)(f))."
        yield _unsaid(what, "Say it in the prose or a pledge, as: No decision about you is made by a machine alone.")


def _check_ccpa(document: Document) -> Iterator[Unsaid]:
    given = _given(document, frozenset({"ccpa"}))
    for right, section in _CCPA_RIGHTS.items():
        if right is Right.OPT_OUT and _says(document, _NO_SALE):
            continue
        if right not in given:
            what = f"The CCPA (Civil Code {section}, 1798.130(a)(5)(A)) wants the right {right} said, and no clause gives it."
            yield _unsaid(what, f"Add a right: {right}.")
    if not _says(document, _SALE):
        what = "Nothing says whether personal data is sold or shared (Civil Code 1798.130(a)(5)(C))."
        yield _unsaid(what, "Say it in a pledge, or give the right opt_out of: [sale, sharing].")
    if not _says(document, _EQUAL):
        what = "Nothing says that nobody is treated worse for using a right (Civil Code 1798.125, 1798.130(a)(5)(A))."
        yield _unsaid(what, "Say it in the prose or a pledge.")
    if not _says(document, _AGENT):
        what = "Nothing says how an agent can ask for a person (11 CCR 7011(e)(3))."
        yield _unsaid(what, "Say in the prose that an authorised agent may write, and what shows the authority.")
    yearly = [one for one in document.of_kind(PledgeClause) if _POLICY.search(one.says) and _within_a_year(one.review)]
    if not yearly:
        what = "No clause has this policy brought up to date every 12 months (Civil Code 1798.130(a)(5))."
        yield _unsaid(what, "Add a pledge which says that this policy is looked at again, with review: P12M.")


def _within_a_year(period: Period) -> bool:
    return period.years * 12 + period.months + period.weeks / 4.3 + period.days / 30.4 <= 12.05
