"""Which words of one text count: a phrase that is denied, supposed, told of the past or of others' rights does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from inbox.articles import Citation
from inbox.lexicons import Hit
from inbox.reading import Reading
from policies.clauses import Right

RIGHTS: Final = frozenset(right.value for right in Right if right is not Right.COMPLAINT)
REMINDER, EARLIER, COMPLAINT, MAYBE = "reminder", "earlier", "complaint", "maybe"
# What else can be deleted, corrected or copied: an order, an invoice, a brochure.
THINGS: Final = "things"
# How many words a denial reaches: a plain "not", one with its own verb ("do not want"), one that stands behind.
_DENIES_NEAR, _DENIES_FAR, _DENIES_BEHIND = 1, 9, 4


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """Words `start` up to, not with, `end`, and what they speak for; `against` says why they do not count."""

    speaks_for: str
    start: int
    end: int
    sentence: int
    against: str = ""
    weak: bool = False
    strong: bool = False
    fresh: bool = False  # said as something new: with a formula, or with an article of a law
    cited: bool = False  # the article alone


class Weighing:
    """The phrases and citations of one text, each weighed against what stands around it."""

    def __init__(self, reading: Reading, hits: Iterable[Hit], citations: Sequence[Citation]) -> None:
        self._reading = reading
        self._citations = citations
        self._by_sentence: dict[int, dict[str, list[Hit]]] = {}
        self._hits = list(hits)
        for hit in self._hits:
            self._by_sentence.setdefault(reading.sentences[hit.start], {}).setdefault(hit.category, []).append(hit)

    def weigh(self) -> list[Weighed]:
        """Everything that speaks for a right, a kind or a flag, in the order of the text."""
        found = [self._weigh_hit(hit) for hit in self._hits if hit.category not in _CONTEXT]
        for citation in self._citations:
            found += self._weigh_citation(citation)
        found += self._restricted_meanwhile(found)
        clear = {
            (one.sentence, one.speaks_for)
            for one in found
            if one.speaks_for in RIGHTS and not one.weak and not one.against
        }
        sentences = {sentence for sentence, _ in clear}
        kept = [
            one
            for one in found
            if not (one.weak and one.sentence in sentences and (one.sentence, one.speaks_for) not in clear)
        ]
        return sorted(kept, key=lambda one: (one.start, one.end))

    def _weigh_hit(self, hit: Hit) -> Weighed:
        sentence = self._reading.sentences[hit.start]
        around = self._by_sentence[sentence]
        against = ""
        if hit.category in RIGHTS:
            against = self._against(hit, around) or self._of_things(hit, around)
        elif hit.category == COMPLAINT:
            against = self._against_complaint(hit, around)
        elif hit.category == MAYBE:
            against = "said of rights in general" if "theirs" in around else self._of_things(hit, around)
        elif hit.category in (REMINDER, EARLIER):
            against = "supposed" if self._is_supposed(hit, around) else ""
        return Weighed(
            speaks_for=hit.category, start=hit.start, end=hit.end, sentence=sentence, against=against,
            weak=hit.weak, strong=hit.strong, fresh=self._is_fresh(sentence, around),
        )  # fmt: skip

    def _against_complaint(self, hit: Hit, around: dict[str, list[Hit]]) -> str:
        if "reserve" in around or "if" in around:
            return "threatened"
        if hit.weak and "theirs" in around:
            return "said of rights in general"
        return "denied" if self._is_denied(hit, around) else ""

    @staticmethod
    def _of_things(hit: Hit, around: dict[str, list[Hit]]) -> str:
        """Whether words that could ask tell of an errand ("delete my second order") or of what the sender did himself."""
        joined = {one.start for one in around.get("but", ())}
        weak = hit.weak or hit.category == MAYBE
        told = [(one, "said of a thing") for one in around.get(THINGS, ()) if weak]
        if hit.category in (MAYBE, Right.DELETION.value):
            told += [(one, "done already") for one in around.get("did", ())]
        for one, against in told:
            if one.start < hit.end and hit.start < one.end and joined.isdisjoint(range(one.start, one.end)):
                return against
        return ""

    def _weigh_citation(self, citation: Citation) -> list[Weighed]:
        sentence = self._reading.sentences[citation.start]
        around = self._by_sentence.get(sentence, {})
        stand_in = Hit(
            category="", start=citation.start, end=citation.end, weak=False, strong=False,
            immune=frozenset({"not"}), language="",
        )  # fmt: skip
        names = [COMPLAINT] if citation.is_complaint else [right.value for right in citation.rights]
        against = self._against(stand_in, around)
        if citation.is_complaint and not against and ("reserve" in around or "if" in around):
            against = "threatened"
        return [
            Weighed(
                speaks_for=name,
                start=citation.start,
                end=citation.end,
                sentence=sentence,
                against=against,
                strong=True,
                fresh=True,
                cited=True,
            )
            for name in names
        ]

    def _restricted_meanwhile(self, found: Sequence[Weighed]) -> list[Weighed]:
        """An erasure asked for together with an objection under Art. 21(1): the data rest while it is weighed (Art. 18(1)(d))."""
        live = {(one.speaks_for, one.start) for one in found if not one.against}
        if Right.DELETION.value not in {name for name, _ in live}:
            return []
        return [
            Weighed(
                speaks_for=Right.RESTRICTION.value,
                start=one.start,
                end=one.end,
                sentence=self._reading.sentences[one.start],
                strong=True,
            )
            for one in self._citations
            if (one.article, one.paragraph) == ("21", "1") and (Right.OBJECTION.value, one.start) in live
        ]

    def _is_fresh(self, sentence: int, around: dict[str, list[Hit]]) -> bool:
        cited = any(self._reading.sentences[one.start] == sentence and one.rights for one in self._citations)
        return cited or "fresh" in around

    def _against(self, hit: Hit, around: dict[str, list[Hit]]) -> str:
        if "theirs" in around:
            return "said of rights in general"
        told = [one for one in (*around.get(EARLIER, ()), *around.get(REMINDER, ())) if one.start <= hit.end]
        if told and not any(one.start >= told[-1].end and one.start <= hit.start for one in around.get("fresh", ())):
            return "asked earlier"
        if self._is_supposed(hit, around):
            return "supposed"
        return "denied" if self._is_denied(hit, around) else ""

    def _is_supposed(self, hit: Hit, around: dict[str, list[Hit]]) -> bool:
        if "if" in hit.immune or "polite" in around:
            return False
        return any(
            one.start <= hit.start and not self._pause_between(one.start, hit.start) for one in around.get("if", ())
        )

    def _is_denied(self, hit: Hit, around: dict[str, list[Hit]]) -> bool:
        if "not" in hit.immune:
            return False
        fine = {one.start + offset for one in around.get("fine_not", ()) for offset in range(one.end - one.start)}
        for one in around.get("not", ()):
            if one.start in fine or self._is_parted(one, around):
                continue
            reach = _DENIES_FAR if one.strong else _DENIES_NEAR
            inside = hit.start <= one.start < hit.end and not one.strong
            ahead = one.end <= hit.start <= one.end + reach and not self._breaks(one, hit, around)
            over = one.start <= hit.start < one.end
            if inside or ahead or over:
                return True
        return any(
            hit.end <= one.start <= hit.end + _DENIES_BEHIND and not self._pause_between(hit.end - 1, one.start)
            for one in around.get("not_after", ())
            if one.start not in fine
        )

    def _is_parted(self, denial: Hit, around: dict[str, list[Hit]]) -> bool:
        """Whether a comma stands within: in "a copy I need not, I want" nobody says that he does not want."""
        that = {one.start for one in around.get("that", ())}
        return any(at in self._reading.pauses and at not in that for at in range(denial.start + 1, denial.end))

    def _breaks(self, denial: Hit, hit: Hit, around: dict[str, list[Hit]]) -> bool:
        """Whether what stands between a denial and a phrase ends the denial."""
        if any(denial.end <= one.start <= hit.start for one in around.get("but", ())):
            return True
        that = {one.start for one in around.get("that", ())}
        between = range(denial.end, hit.start + 1)
        return any(at in self._reading.pauses and not (denial.strong and at in that) for at in between)

    def _pause_between(self, start: int, end: int) -> bool:
        return any(at in self._reading.pauses for at in range(start + 1, end + 1))


_CONTEXT: Final = frozenset(
    {"not", "not_after", "fine_not", "if", "polite", "theirs", "reserve", "fresh", "but", "that", "ordinary", "did"}
)
