"""Which versions came into force one after the other, which is planned, and since when an acceptance is good enough. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from policies.clauses import AcceptanceClause
from policies.materiality import Weight
from policies.versions import Version, VersionState


class AcceptedBy(StrEnum):
    """USE: by using the service once the version was in force. EXPLICIT: by an act of its own, a click or a signature."""

    USE = "use"
    EXPLICIT = "explicit"


@dataclass(frozen=True, kw_only=True)
class Succession:
    """The versions of a policy at one moment. `reached`: every version that came into force, oldest first."""

    reached: tuple[Version, ...]
    planned: Version | None

    @property
    def current(self) -> Version | None:
        """The version in force."""
        return self.reached[-1] if self.reached else None

    @property
    def enough_from(self) -> int | None:
        """The oldest version whose acceptance still holds: the last one in force that changed something that matters."""
        if not self.reached:
            return None
        asked = [new.number for old, new in pairwise(self.reached) if matters_after(old, new)]
        return asked[-1] if asked else self.reached[0].number


def read_succession(versions: Iterable[Version]) -> Succession:
    """The succession, of every version there is."""
    every = sorted(versions, key=lambda one: one.number)
    planned = [one for one in every if one.state is VersionState.PLANNED]
    return Succession(
        reached=tuple(one for one in every if one.in_force_at is not None),
        planned=planned[-1] if planned else None,
    )


def matters_after(old: Version, new: Version) -> bool:
    """Whether who accepted `old` has to accept `new`. A minor or editorial change needs no new acceptance.

    A verdict that was given against another version than `old` (two were planned at once) says nothing about this step.
    """
    return new.previous != old.number or new.weight is None or new.weight is Weight.MATERIAL


def mode_of(version: Version) -> AcceptedBy | None:
    """How a version is accepted, by its clause; None where it has none. A click and a signature are explicit."""
    clauses = version.document.of_kind(AcceptanceClause)
    if not clauses:
        return None
    by_use = all(one.by == AcceptedBy.USE for one in clauses)
    return AcceptedBy.USE if by_use else AcceptedBy.EXPLICIT
