"""What must hold between policies and the ledger: every version and its text, every acceptance, every turn of a consent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.errors import KeptError
from ledger.agreement import Agreement, Disagreement
from policies.acceptance_tables import AcceptanceRow, ConsentRow
from policies.documents import parse_document
from policies.version_reading import IN_FORCE, PUBLISHED, WITHDRAWN
from policies.version_tables import PolicyEventRow, TranslationRow, VersionRow
from policies.version_values import digest_of

_VERSION: Final = sa.literal("version:")

AGREEMENTS: Final = (
    Agreement(
        what="version",
        rows=VersionRow.__table__,
        ref=_VERSION.concat(sa.cast(VersionRow.number, sa.String())),
        prefix="version:",
        kinds=(PUBLISHED,),
        facts={"digest": VersionRow.digest, "policy": VersionRow.policy, "weight": VersionRow.weight},
    ),
    *(
        Agreement(
            what=f"version {said}",
            rows=PolicyEventRow.__table__,
            ref=_VERSION.concat(sa.cast(PolicyEventRow.number, sa.String())),
            prefix="version:",
            kinds=(f"policy.{kind}",),
            where=PolicyEventRow.kind == kind,
            binds=True,
        )
        for kind, said in ((IN_FORCE, "in force"), (WITHDRAWN, "withdrawn"))
    ),
    Agreement(
        what="acceptance",
        rows=AcceptanceRow.__table__,
        ref=sa.literal("acceptance:").concat(AcceptanceRow.id),
        prefix="acceptance:",
        kinds=("acceptance.recorded",),
        goes_by=("kept:acceptances",),
        facts={
            "by": AcceptanceRow.by,
            "channel": AcceptanceRow.channel,
            "language": AcceptanceRow.language,
            "at": AcceptanceRow.at,
        },
    ),
    Agreement(
        what="consent",
        rows=ConsentRow.__table__,
        ref=sa.literal("consent:").concat(ConsentRow.id),
        prefix="consent:",
        kinds=("consent.given", "consent.withdrawn"),
        goes_by=("kept:consents",),
        state=sa.case((ConsentRow.given, "given"), else_="withdrawn"),
        states={"consent.given": "given", "consent.withdrawn": "withdrawn"},
        facts={"channel": ConsentRow.channel, "text": ConsentRow.text},
    ),
)


def check_texts(session: Session) -> Iterator[Disagreement]:
    """Every published text against the digest that the ledger committed to."""
    for row in session.execute(sa.select(VersionRow).order_by(VersionRow.number)).scalars():
        others = session.execute(
            sa.select(TranslationRow).where(TranslationRow.number == row.number).order_by(TranslationRow.position)
        ).scalars()
        try:
            documents = [parse_document(one.text, f"version {row.number}") for one in (row, *others)]
            same = digest_of(documents) == row.digest
        except KeptError:
            same = False
        if not same:
            yield Disagreement(problem=f"The text of version {row.number} is not the one that was published.")
