"""Policy documents: a YAML head of clauses and a Markdown body, read whole and refused whole, each refusal with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale
from marshmallow import Schema, ValidationError, fields, post_load

from core.canonical import digest
from core.errors import BadInput
from core.languages import LANGUAGES
from core.lined_yaml import LinedDocument, YamlRefused, load_lined
from policies.clause_fields import ID, NameList, Words
from policies.clause_schemas import Entry, flatten, read_clause
from policies.clauses import Clause, RightClause
from policies.expressions import ProseReading, read_prose
from policies.regimes import all_regimes

MAX_BYTES: Final = 400_000
MAX_CLAUSES: Final = 500
_FENCE: Final = re.compile(r"^---[ \t]*$", flags=re.MULTILINE)
_EMAIL: Final = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
_PATH: Final = re.compile(r"/[A-Za-z0-9/_.-]+")
AnyClause = TypeVar("AnyClause", bound=Clause)


class AliasPage(StrEnum):
    """The public pages that an address of before may lead to."""

    POLICY = "policy"
    RECIPIENTS = "recipients"
    SECURITY = "security"


@dataclass(frozen=True, kw_only=True)
class Alias:
    """An address under which people know a page from before; it leads to the page for good."""

    path: str
    page: AliasPage = AliasPage.POLICY


@dataclass(frozen=True, kw_only=True)
class Controller:
    """Who answers for the data. `country` and `subdivision` are ISO 3166 codes and decide which holidays count."""

    name: str
    country: str
    timezone: str
    email: str
    subdivision: str | None = None
    address: str | None = None
    dpo: str | None = None


@dataclass(frozen=True, kw_only=True)
class Document:
    """One policy document, read. `digest` is over the canonical head and body, so that spacing in the head is free.

    `promises`: rows of a list of promises kept elsewhere that no clause but the head carries (its date, its aliases).
    """

    policy: str
    title: str
    language: str
    controller: Controller
    regimes: tuple[str, ...]
    clauses: tuple[Clause, ...]
    body: str
    text: str = field(repr=False)
    digest: str
    prose: ProseReading = field(repr=False)
    first_body_line: int
    not_before: date | None = None
    aliases: tuple[Alias, ...] = ()
    promises: tuple[str, ...] = ()

    def clause(self, clause_id: str) -> Clause | None:
        """The clause of that id, if the document has it."""
        return next((each for each in self.clauses if each.id == clause_id), None)

    def of_kind(self, kind: type[AnyClause]) -> tuple[AnyClause, ...]:
        """All clauses of one kind, in the order they are written."""
        return tuple(each for each in self.clauses if isinstance(each, kind))

    @property
    def not_before_at(self) -> datetime | None:
        """The first instant of `not_before` where the controller is."""
        if self.not_before is None:
            return None
        zone = ZoneInfo(self.controller.timezone)
        return datetime(self.not_before.year, self.not_before.month, self.not_before.day, tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong: where, in which clause, what was found, and what is allowed."""

    source: str
    line: int
    clause: str | None
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        inside = f" clause {self.clause}:" if self.clause else ""
        return f"{self.source}:{self.line}:{inside} {self.what.rstrip('.')}. {self.remedy}".rstrip()


class DocumentRefused(BadInput):
    """A document that cannot be read as a policy; `problems` has every reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class _Country(Words):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> str:
        code = super()._deserialize(value, attr, data, **more)
        if len(code) != 2 or code != code.upper() or code not in Locale("en").territories:
            raise ValidationError(f"is '{code}'; write a country's two letters, as DE or US")
        return code


class _Zone(Words):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> str:
        name = super()._deserialize(value, attr, data, **more)
        if name not in available_timezones():
            raise ValidationError(f"is '{name}'; write a zone such as Europe/Berlin")
        return name


class _Language(Words):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> str:
        code = super()._deserialize(value, attr, data, **more)
        if code not in LANGUAGES:
            raise ValidationError(f"is '{code}'; allowed: {', '.join(LANGUAGES)}")
        return code


class _Day(fields.Field[date]):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> date:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        raise ValidationError(f"is '{value}'; write a day as 2026-12-15")


class _RegimeList(NameList):
    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any
    ) -> tuple[str, ...]:
        names = super()._deserialize(value, attr, data, **more)
        if unknown := [name for name in names if name not in all_regimes()]:
            raise ValidationError(f"names '{unknown[0]}'; allowed: {', '.join(all_regimes())}")
        return names


class _Aliases(fields.Field[tuple[Alias, ...]]):
    """`[/legal/privacy, {/legal/subprocessors: recipients}]`: a path alone leads to the policy."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any
    ) -> tuple[Alias, ...]:
        listed = value if isinstance(value, list) else [value]
        pairs = [pair for one in listed for pair in (one.items() if isinstance(one, dict) else [(one, "policy")])]
        for path, page in pairs:
            if not isinstance(path, str) or not _PATH.fullmatch(path):
                raise ValidationError(f"is '{path}'; allowed: paths such as /legal/privacy")
            if page not in list(AliasPage):
                raise ValidationError(f"leads to '{page}'; allowed: {', '.join(AliasPage)}")
        return tuple(Alias(path=path.rstrip("/") or path, page=AliasPage(page)) for path, page in pairs)


class _Controller(Entry):
    name = Words(required=True)
    country = _Country(required=True)
    subdivision = Words(r"^[A-Z0-9]{1,3}$", allowed="a subdivision's ISO 3166-2 code, as CA or BY")
    timezone = _Zone(required=True)
    email = Words(_EMAIL, required=True, allowed="an e-mail address")
    address = Words()
    dpo = Words(_EMAIL, allowed="the e-mail address of the data protection officer")

    @post_load
    def make(self, data: dict[str, Any], **more: Any) -> Controller:
        return Controller(**data)


class _Head(Entry):
    policy = Words(
        r"^[a-z0-9][a-z0-9_-]{0,63}$", required=True, allowed="a name in lower-case letters, digits, - and _"
    )
    title = Words(required=True)
    language = _Language(load_default="en")
    not_before = _Day()
    controller: Any = fields.Nested(_Controller, required=True)
    regimes = _RegimeList(required=True)
    aliases = _Aliases(load_default=())
    promises = NameList(ID, least=0, load_default=(), allowed="ids of promises")
    clauses: Any = fields.List(fields.Raw(), required=True)


def parse_document(text: str, source: str) -> Document:
    """Read a policy document. Raises DocumentRefused with every problem, each with file, line, clause and remedy."""
    head_text, body, head_line, body_line = _split(text, source)
    lined = _load_head(head_text, source, head_line)
    head, problems = _read_head(lined, source)
    clauses = tuple(_read_clauses(lined, source, problems))
    if not problems:
        problems += _cross_check(clauses, head["regimes"], source)
    known = {clause.id: clause for clause in clauses}
    prose = read_prose(body, first_line=body_line, clauses=known)
    if not problems:
        problems += [
            Problem(source=source, line=each.line, clause=None, what=each.what, remedy=each.remedy)
            for each in prose.problems
        ]
    if problems:
        raise DocumentRefused(sorted(problems, key=lambda problem: problem.line))
    head.pop("clauses")
    canonical_body = "\n".join(line.rstrip() for line in body.strip().splitlines())
    return Document(
        **head,
        clauses=clauses,
        body=body,
        text=text,
        digest=digest({"head": _plain(lined.data), "body": canonical_body}),
        prose=prose,
        first_body_line=body_line,
    )


def _split(text: str, source: str) -> tuple[str, str, int, int]:
    """Head, body, and the lines of the file on which they begin."""
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        what = f"the document is larger than {MAX_BYTES // 1000} kB"
        raise DocumentRefused(
            [Problem(source=source, line=1, clause=None, what=what, remedy="A policy is a few pages.")]
        )
    if broken := re.search(r"[\ud800-\udfff]", text):
        line = text.count("\n", 0, broken.start()) + 1
        what = "there is half a character, which no encoding has"
        raise DocumentRefused([Problem(source=source, line=line, clause=None, what=what, remedy="Save it as UTF-8.")])
    cleaned = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    fences = [found for found, _ in zip(_FENCE.finditer(cleaned), range(2), strict=False)]
    if len(fences) < 2 or cleaned[: fences[0].start()].strip():
        what = "there is no head between two lines of ---"
        remedy = "Begin with ---, then the YAML head, then --- and the prose."
        raise DocumentRefused([Problem(source=source, line=1, clause=None, what=what, remedy=remedy)])
    head_text = cleaned[fences[0].end() + 1 : fences[1].start()]
    head_line = cleaned.count("\n", 0, fences[0].end() + 1) + 1
    body_line = cleaned.count("\n", 0, fences[1].end() + 1) + 1
    return head_text, cleaned[fences[1].end() + 1 :], head_line, body_line


def _load_head(text: str, source: str, line: int) -> LinedDocument:
    try:
        return load_lined(text, source=source, first_line=line)
    except YamlRefused as error:
        problem = Problem(source=source, line=error.line, clause=None, what=error.what, remedy=error.remedy)
        raise DocumentRefused([problem]) from error


def _read_head(lined: LinedDocument, source: str) -> tuple[dict[str, Any], list[Problem]]:
    if not isinstance(lined.data, dict):
        what = "the head is not a mapping"
        return {}, [
            Problem(source=source, line=lined.line(()), clause=None, what=what, remedy="Write policy: NAME and so on.")
        ]
    schema: Schema = _Head()
    try:
        return dict(schema.load(lined.data)), []
    except ValidationError as error:
        return {}, [_problem(lined, source, path, message) for path, message in flatten(error.messages_dict)]


def _problem(
    lined: LinedDocument,
    source: str,
    path: tuple[str | int, ...],
    message: str,
    clause: str | None = None,
    skip: int = 0,
) -> Problem:
    what, _, remedy = message.partition("\n")
    said = ".".join(str(key) for key in path[skip:])
    if not remedy and "; " in what:
        what, remedy = what.split("; ", 1)
        remedy = remedy[0].upper() + remedy[1:] + "."
    return Problem(source=source, line=lined.line(path), clause=clause, what=f"{said} {what}".strip(), remedy=remedy)


def _read_clauses(lined: LinedDocument, source: str, problems: list[Problem]) -> Iterator[Clause]:
    listed = lined.data.get("clauses") if isinstance(lined.data, dict) else None
    if not isinstance(listed, list):
        return
    if len(listed) > MAX_CLAUSES:
        what = f"the head has {len(listed)} clauses"
        problems.append(_problem(lined, source, ("clauses",), f"{what}\nAllowed are {MAX_CLAUSES}.", skip=1))
        return
    for index, data in enumerate(listed):
        made, wrong = read_clause(data)
        name = str(data["id"])[:64] if isinstance(data, dict) and "id" in data else f"number {index + 1}"
        problems += [_problem(lined, source, ("clauses", index, *path), said, name, skip=2) for path, said in wrong]
        if made is not None:
            yield replace(made, line=lined.line(("clauses", index)))


def _cross_check(clauses: Sequence[Clause], regimes: Sequence[str], source: str) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for clause in clauses:
        if clause.id in seen:
            what = f"the id stands at line {seen[clause.id]} already"
            yield Problem(
                source=source, line=clause.line, clause=clause.id, what=what, remedy="Give each clause its own."
            )
        seen.setdefault(clause.id, clause.line)
        if isinstance(clause, RightClause):
            for name in set(clause.regimes) - set(regimes):
                what = f"regimes names '{name}', which the document does not list"
                yield Problem(
                    source=source,
                    line=clause.line,
                    clause=clause.id,
                    what=what,
                    remedy=f"Allowed: {', '.join(regimes)}.",
                )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_plain(below) for below in value]
    return value.isoformat() if isinstance(value, date) else value
