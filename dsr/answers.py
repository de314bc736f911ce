"""What an answer says, each line from a clause or the data map: the sections of the letter for access and portability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from core.catalogue import SOURCE, catalogue, join_words, mark
from core.words import long_day, records
from dsr.complaints import Authority
from dsr.outcome_lines import say_plainly
from dsr.words import say_right
from plans.plan import Gap
from policies.clause_words import describe_clause, many, plain, said, say_region, titled
from policies.clauses import (
    Clause,
    CollectsClause,
    PurposeClause,
    RecipientClause,
    RetentionClause,
    Right,
    RightClause,
)
from policies.documents import Document
from policies.law_checks import said_of_machines

COVERS_ALL: Final = "*"
LEFT_OUT_NOTE: Final = mark("To see all we hold, ask us for a copy of your data: that right has no such limits.")
# The laws under which a person can have data restricted and object, whatever a policy says (Art. 15(1)(e)).
EUROPEAN: Final = frozenset({"gdpr", "uk_gdpr"})


@dataclass(frozen=True, kw_only=True)
class HeldCollection:
    """What was read out of one collection. `withheld`: fields that are named and never sent back; `left_out`: fields that
    the right does not cover, with the reason."""

    collection: str
    rows: int
    categories: frozenset[str]
    withheld: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return titled(self.collection)


@dataclass(frozen=True, kw_only=True)
class Letter:
    """The letter of answer as values, all in `language`; `sections` are what templates/documents/letter.html takes.
    `page_summary`: the summary as the page beside the letter says it; `complaint`: the way to complain under a law that
    knows another than the authority and the court."""

    ref: str
    title: str
    controller: Mapping[str, str]
    written_on: date
    received_on: date
    summary: str
    page_summary: str
    opening: str
    sections: tuple[Mapping[str, Any], ...]
    authority: Authority | None
    complaint: str = ""
    language: str = SOURCE

    def variables(self) -> dict[str, Any]:
        """What the template takes."""
        return {
            "controller": dict(self.controller),
            "ref": self.ref,
            "person_name": "",
            "date": long_day(self.written_on, self.language),
            "received": long_day(self.received_on, self.language),
            "title": self.title,
            "opening": self.opening,
            "summary": self.summary,
            "sections": [dict(section) for section in self.sections],
            "authority": vars(self.authority) if self.authority else None,
            "complaint": self.complaint,
            "language": self.language,
        }


def write_access_letter(
    *,
    ref: str,
    right: Right,
    document: Document,
    held: Sequence[HeldCollection],
    gaps: Sequence[Gap],
    left_out: Sequence[Mapping[str, str]] = (),
    received_on: date,
    written_on: date,
    authority: Authority | None,
    complaint: str = "",
    language: str = SOURCE,
) -> Letter:
    """The letter that goes with a copy (Art. 15): the data, purposes, categories, recipients, periods, rights, source.

    `document`: the policy in `language`, where it is published in it. `left_out`: what the right does not cover (title,
    why), as portability (Art. 20) leaves some of it."""
    letter = _Writer(language, document, right, held).write(
        ref=ref, gaps=gaps, left_out=left_out, received_on=received_on, written_on=written_on, authority=authority
    )
    return replace(letter, complaint=complaint)


class _Writer:
    """Writes one letter: each line from a clause or the data map, in the person's language."""

    def __init__(self, language: str, document: Document, right: Right, held: Sequence[HeldCollection]) -> None:
        self._language = language
        self._document = document
        self._right = right
        self._held = held
        self._categories = frozenset[str]().union(*(one.categories for one in held if one.rows))

    def write(
        self,
        *,
        ref: str,
        gaps: Sequence[Gap],
        left_out: Sequence[Mapping[str, str]],
        received_on: date,
        written_on: date,
        authority: Authority | None,
    ) -> Letter:
        document, rows = self._document, sum(one.rows for one in self._held)
        used, kept = self._cover(document.of_kind(PurposeClause)), self._cover(document.of_kind(RetentionClause))
        sections = [
            self._what_we_hold(),
            _section(self._say(mark("What it is used for")), used),
            _section(self._say(mark("How long it is kept")), kept, self._exceptions()),
            *self._recipients(),
            self._sources(),
            self._decisions(),
            self._rights(),
            self._left_out(left_out),
            self._gaps(gaps),
        ]
        asked, places = say_right(self._right, self._language), sum(1 for one in self._held if one.rows)
        return Letter(
            ref=ref,
            title=self._say(mark("A copy of your data")),
            controller=_controller(document),
            written_on=written_on,
            received_on=received_on,
            opening=self._opening(rows, is_whole=not left_out) % {"request": asked},
            summary=self._summary(rows, places, mark("The data is in the files beside this letter.")),
            page_summary=self._summary(rows, places, mark("The data is on this page and in the files beside it.")),
            sections=tuple(section for section in sections if section),
            authority=authority,
            language=self._language,
        )

    def _say(self, message: str, **values: str) -> str:
        words = catalogue(self._language).gettext(message)
        return words % values if values else words

    def _opening(self, rows: int, *, is_whole: bool) -> str:
        if self._right is not Right.PORTABILITY and not is_whole:
            return self._say(
                mark(
                    "you asked us: %(request)s. Yes, we keep data about you, and this letter comes with all of it but for "
                    "what is named below as left out."
                )
            )
        if self._right is not Right.PORTABILITY:
            return self._say(
                mark("you asked us: %(request)s. Yes, we keep data about you, and this letter comes with all of it.")
            )
        if rows:
            return self._say(
                mark(
                    "you asked us: %(request)s. Yes, we keep data about you, and this letter comes with what you gave us "
                    "yourself and we use with your consent or for a contract."
                )
            )
        return self._say(
            mark(
                "you asked us: %(request)s. Yes, we keep data about you, but none that is what you gave us yourself and we "
                "use with your consent or for a contract."
            )
        )

    def _summary(self, rows: int, places: int, where: str) -> str:
        found = catalogue(self._language).ngettext(
            "%(records)s in %(places)s place.", "%(records)s in %(places)s places.", places
        ) % {"records": records(rows, self._language), "places": str(places)}
        if self._right is Right.PORTABILITY and not rows:
            where = mark("What is left out stands below, with the reason.")
        return f"{found} {self._say(where)}"

    def _what_we_hold(self) -> dict[str, Any]:
        if not self._held:
            return {}
        is_part = self._right is Right.PORTABILITY
        title = self._say(mark("What is in this copy")) if is_part else self._say(mark("What we hold"))
        rows = [
            [
                one.title,
                join_words([many(name, self._language) for name in sorted(one.categories)], self._language),
                one.rows,
            ]
            for one in self._held
            if one.rows
        ]
        withheld = [self._field(field, one) for one in self._held if one.rows for field in one.withheld]
        names = join_words(withheld, self._language)
        notes = [self._say(mark("Held, and never sent back: %(names)s."), names=names)] if withheld else []
        if nothing := [one.title for one in self._held if not one.rows]:
            notes.append(self._say(mark("Nothing held: %(names)s."), names=join_words(nothing, self._language)))
        head = [self._say(mark("Where")), self._say(mark("What kind")), self._say(mark("Records"))]
        table = {"table": {"head": head, "rows": rows, "num": [2]}} if rows else {}
        return {"title": title, **table, **({"note": " ".join(notes)} if notes else {})}

    def _field(self, name: str, held: HeldCollection) -> str:
        return self._say(mark("%(field)s in %(place)s"), field=name, place=held.title)

    def _cover(self, clauses: Sequence[Clause]) -> list[str]:
        covered = self._categories | {COVERS_ALL}
        return [f"{describe_clause(one, self._language)}." for one in clauses if set(getattr(one, "of", ())) & covered]

    def _exceptions(self) -> str:
        words, document = [], self._document
        found = [one for clause in document.of_kind(RetentionClause) for one in clause.exceptions]
        found += [one for clause in document.of_kind(RightClause) for one in clause.exceptions]
        for one in found:
            what, why = said(one, self._language), said(one.basis, self._language)
            if one.period:
                period = one.period.words(self._language)
                words.append(
                    self._say(mark("%(what)s stay for %(period)s: %(why)s"), what=what, period=period, why=why)
                )
            else:
                words.append(self._say(mark("%(what)s stay: %(why)s"), what=what, why=why))
        return self._say(mark("Exceptions: %(list)s."), list="; ".join(dict.fromkeys(words))) if words else ""

    def _recipients(self) -> list[dict[str, Any]]:
        language, home = self._language, self._document.controller.country
        near, abroad = list[str](), list[str]()
        for one in self._document.of_kind(RecipientClause):
            if not set(one.of) & (self._categories | {COVERS_ALL}):
                continue
            place = f" ({say_region(one.region, language)})" if one.region and one.region != home else ""
            words = f"{one.name}{place}, {said(one.role, language)}: {join_words(one.why, language)}"
            if not one.region or one.region == home:
                near.append(f"{words}.")
            elif one.safeguard:
                under = said(one.safeguard, language)
                abroad.append(self._say(mark("%(who)s, under %(safeguard)s."), who=words, safeguard=under))
            else:
                abroad.append(f"{words}.")
        return [
            _section(self._say(mark("Who gets it")), near),
            _section(self._say(mark("Who gets it abroad, and under which safeguard")), abroad),
        ]

    def _sources(self) -> dict[str, Any]:
        collected = [one for one in self._document.of_kind(CollectsClause) if one.category in self._categories]
        points = [
            self._say(
                mark("%(what)s: from %(source)s."),
                what=_capital(many(one.category, self._language)),
                source=self._source(one.source),
            )
            for one in collected
            if one.source != "person"
        ]
        ours = dict.fromkeys(many(one.category, self._language) for one in collected if one.source == "person")
        if ours:
            names = join_words(list(ours), self._language)
            points.insert(0, self._say(mark("From you, or from your use of the service: %(names)s."), names=names))
        return _section(self._say(mark("Where it comes from")), points)

    def _source(self, source: str) -> str:
        words = {"us": mark("our own records"), "controller": mark("our own records"), "device": mark("your device")}
        return self._say(words[source]) if source in words else plain(source)

    def _decisions(self) -> dict[str, Any]:
        """What the policy says of them, in its own words: a pledge of it, or a sentence."""
        if self._right is not Right.ACCESS:
            return {}
        title = self._say(mark("Decisions that a program makes alone"))
        said_there = said_of_machines(self._document)
        return {"title": title, "lines": list(said_there) or [self._say(mark("Our privacy policy names none."))]}

    def _rights(self) -> dict[str, Any]:
        points = [f"{describe_clause(one, self._language)}." for one in self._document.of_kind(RightClause)]
        law = mark(
            "The law gives you the rights to have your data corrected, deleted or its use restricted, and to object to "
            "its use."
        )
        note = self._say(law) if EUROPEAN & set(self._document.regimes) else ""
        return _section(self._say(mark("Your rights")), points, note)

    def _left_out(self, left_out: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        points = [f"{one['title']}: {one['why']}." for one in left_out]
        points += [
            f"{self._field(name, one)}: {say_plainly(why, self._language)}."
            for one in self._held
            if one.rows
            for name, why in one.left_out.items()
        ]
        # A copy leaves out what is somebody else's; only the narrower right has another one beside it that shows more.
        note = self._say(LEFT_OUT_NOTE) if self._right is Right.PORTABILITY else ""
        return _section(self._say(mark("What is left out, and why")), points, note)

    def _gaps(self, gaps: Sequence[Gap]) -> dict[str, Any]:
        points = [f"{gap.what}: {say_plainly(gap.why, self._language)}" for gap in gaps]
        return _section(self._say(mark("Where no program could look")), points)


def _controller(document: Document) -> dict[str, str]:
    controller = document.controller
    given = {"name": controller.name, "email": controller.email}
    return {**given, "address": controller.address} if controller.address else given


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _section(title: str, points: Sequence[str], note: str = "") -> dict[str, Any]:
    if not points:
        return {}
    return {"title": title, "points": list(points), **({"note": note} if note else {})}
