"""Holds a proposed map against what a person would have written, and names each difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stores.scanner import Proposal, Scan


@dataclass(kw_only=True)
class Score:
    """What was right of all that stands in the truth or in the proposal: what is proposed and not true counts as wrong."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.right + len(self.wrong)

    @property
    def share(self) -> float:
        return self.right / self.total if self.total else 1.0

    def compare(self, where: str, expected: object, found: object) -> None:
        if expected == found:
            self.right += expected is not None
        else:
            self.wrong.append(f"{where}: {found or 'nothing'} instead of {expected or 'nothing'}")


def read_truth(path: Path) -> Mapping[str, Any]:
    """The map that a person wrote down."""
    truth: Mapping[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return truth


def judge(scan: Scan, truth: Mapping[str, Any]) -> dict[str, Score]:
    """Scores for time columns, identifiers (with the references to people), categories, and Fideslang keys apart."""
    scores = {name: Score() for name in ("time", "identifiers", "categories", "fideslang")}
    proposed = {_table(proposal): proposal for proposal in scan.proposals}
    tables = {proposal.id: _table(proposal) for proposal in scan.proposals}
    for at in sorted({*truth["collections"], *proposed} - set(truth["either"])):
        expected = truth["collections"].get(at, {})
        _judge_one(at, expected, proposed.get(at), tables, scores)
    return scores


def _judge_one(
    at: str, expected: Mapping[str, Any], found: Proposal | None, tables: Mapping[str, str], scores: dict[str, Score]
) -> None:
    time = found.time.name if found and found.time else None
    scores["time"].compare(at, expected.get("time"), time)
    scores["categories"].compare(at, expected.get("category"), found.category if found else None)
    for name in sorted({*expected.get("content", []), *_of_own(found)}):
        said = "content" if name in expected.get("content", []) else None
        scores["categories"].compare(f"{at}.{name}", said, _of_own(found).get(name))
    pairs = dict(expected.get("identifies", {}))
    proposed = dict(found.identifies) if found else {}
    for kind in sorted({*pairs, *proposed}):
        scores["identifiers"].compare(f"{at}: {kind}", pairs.get(kind), proposed.get(kind))
    ways = {way.field: f"{tables[way.to]}.{way.to_field}" for way in (found.person if found else ())}
    for name in sorted({*expected.get("person", {}), *ways}):
        scores["identifiers"].compare(f"{at}.{name}", expected.get("person", {}).get(name), ways.get(name))
    keys = {guess.name: guess.fideslang for guess in (found.fields if found else ())}
    for name, key in expected.get("fideslang", {}).items():
        scores["fideslang"].compare(f"{at}.{name}", key, keys.get(name))


def _of_own(found: Proposal | None) -> dict[str, str]:
    return {guess.name: guess.category for guess in found.fields if guess.category} if found else {}


def _table(proposal: Proposal) -> str:
    return proposal.at.partition(":")[2]
