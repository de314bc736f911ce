"""What the law wants said in a policy and this one does not say: a first set, of GDPR Art. 13 and the CCPA."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from policies.clauses import (
    Basis,
    ChannelClause,
    CollectsClause,
    CookieClause,
    NoticeClause,
    PurposeClause,
    RecipientClause,
    Right,
    RightClause,
)
from policies.documents import Document
from policies.regimes import regime

_GDPR: Final = frozenset({"gdpr", "uk_gdpr"})
_GDPR_RIGHTS: Final = (
    Right.ACCESS, Right.CORRECTION, Right.DELETION, Right.RESTRICTION, Right.PORTABILITY, Right.OBJECTION, Right.COMPLAINT,
)  # fmt: skip
_CCPA_RIGHTS: Final = (Right.ACCESS, Right.CORRECTION, Right.DELETION, Right.OPT_OUT)


@dataclass(frozen=True, kw_only=True)
class Unsaid:
    """Something the law wants said and is not."""

    line: int
    clause: str | None
    what: str
    remedy: str


def check_law(document: Document) -> Iterator[Unsaid]:
    """Everything of the first set that the document leaves unsaid."""
    if not document.of_kind(NoticeClause):
        yield _unsaid("No clause says how people hear of changes.", "Add a notice clause.")
    if not document.of_kind(ChannelClause):
        yield _unsaid("No clause says where people can write.", "Add a channel clause.")
    if not document.of_kind(CookieClause):
        yield _unsaid("No clause says anything of cookies.", "Add a cookie clause, with none: true if there are none.")
    if _GDPR & set(document.regimes):
        yield from _check_purposes(document)
        yield from _check_recipients(document)
        yield from _check_rights(document, _GDPR_RIGHTS, "GDPR Art. 13(2)")
    if "ccpa" in document.regimes:
        yield from _check_rights(document, _CCPA_RIGHTS, "the CCPA")


def _unsaid(what: str, remedy: str, line: int = 1, clause: str | None = None) -> Unsaid:
    return Unsaid(line=line, clause=clause, what=what, remedy=remedy)


def _check_purposes(document: Document) -> Iterator[Unsaid]:
    used = {category for clause in document.of_kind(PurposeClause) for category in clause.of}
    for collected in document.of_kind(CollectsClause):
        if collected.category not in used:
            what = f"No purpose is given for {collected.category} (GDPR Art. 13(1)(c))."
            yield _unsaid(what, "Name it in a purpose clause.", collected.line, collected.id)
    for purpose in document.of_kind(PurposeClause):
        if purpose.basis is Basis.LEGITIMATE_INTERESTS and not purpose.interest:
            what = f"Clause {purpose.id} does not name its legitimate interest (GDPR Art. 13(1)(d))."
            yield _unsaid(what, "Add interest: and the interest in words.", purpose.line, purpose.id)
    consent = [one for one in document.of_kind(PurposeClause) if one.basis is Basis.CONSENT]
    if consent and not any(one.right is Right.WITHDRAW_CONSENT for one in document.of_kind(RightClause)):
        what = f"Clause {consent[0].id} rests on consent, and none says it can be withdrawn (GDPR Art. 13(2)(c))."
        yield _unsaid(what, "Add a right: withdraw_consent.", consent[0].line, consent[0].id)


def _check_recipients(document: Document) -> Iterator[Unsaid]:
    recipients = document.of_kind(RecipientClause)
    if not recipients:
        yield _unsaid("No recipient is named (GDPR Art. 13(1)(e)).", "Add a recipient clause for each.")
    near = {*regime("gdpr").places, *regime("uk_gdpr").places, "EU", "EEA", "UK"}
    for one in recipients:
        if not one.region:
            yield _unsaid(f"Recipient {one.name} has no region (GDPR Art. 13(1)(f)).", "Add region:.", one.line, one.id)
        elif one.region not in near and one.safeguard is None:
            what = f"Recipient {one.name} is in {one.region} under no safeguard (GDPR Art. 13(1)(f), 46)."
            yield _unsaid(what, "Add safeguard: scc or another.", one.line, one.id)


def _check_rights(document: Document, wanted: tuple[Right, ...], law: str) -> Iterator[Unsaid]:
    given = {clause.right for clause in document.of_kind(RightClause)}
    for right in wanted:
        if right not in given:
            what = f"{law} wants the right {right} said, and no clause gives it."
            yield _unsaid(what, f"Add a right: {right}.")
