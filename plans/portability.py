"""What the right to take data elsewhere covers (Art. 20): what the person provided, used under consent or a contract."""

from collections.abc import Sequence
from typing import Final

from policies.clauses import Basis, Clause, CollectsClause, PurposeClause

NOT_PROVIDED: Final = "the policy does not say that the person provides it"
OTHER_GROUND: Final = "the policy names neither consent nor a contract as its ground"
_GROUNDS: Final = frozenset({Basis.CONSENT, Basis.CONTRACT})
_EVERY: Final = "*"


def why_not_portable(clauses: Sequence[Clause], category: str) -> str:
    """Why the right does not cover a category, from the clauses of one version; '' where it does."""
    provided = {one.category for one in clauses if isinstance(one, CollectsClause) and one.source == "person"}
    if category not in provided:
        return NOT_PROVIDED
    purposes = [one for one in clauses if isinstance(one, PurposeClause) and one.basis in _GROUNDS]
    return "" if any({category, _EVERY} & set(one.of) for one in purposes) else OTHER_GROUND
