"""A policy in several languages: the documents that belong together, and what a translation may say in other words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final

from core.errors import NotFound
from core.languages import LANGUAGES
from policies.clauses import Clause
from policies.documents import Document, DocumentRefused, Problem, parse_document

# Words for people, which a translation says in its own language; everything else in a clause is the promise itself.
_WORDS: Final = frozenset({"says", "why", "fields", "interest", "reaches_back", "note", "terms", "when"})
_UNSEEN: Final = frozenset({"line"})
_HEAD: Final = ("policy", "controller", "regimes", "not_before", "promises")  # an old address may be one language's own
_NAMED: Final = re.compile(rf"(?P<base>.+)\.(?P<language>{'|'.join(LANGUAGES)})\.md")


def read_family(path: Path) -> tuple[Document, ...]:
    """The document at a path and the translations beside it (`gateway.md`: `gateway.de.md`), the original first.

    Raises NotFound for a file that cannot be read, DocumentRefused with every problem of every document.
    """
    named = _NAMED.fullmatch(path.name)
    if named and (original := path.with_name(f"{named['base']}.md")).exists():
        what = f"{path.name} is a translation of {original.name}"
        remedy = f"Name {original}: the translations beside it come with it."
        raise DocumentRefused([Problem(source=str(path), line=1, clause=None, what=what, remedy=remedy)])
    beside = [path.with_name(f"{path.stem}.{language}.md") for language in LANGUAGES]
    files = [path, *(file for file in beside if file.exists())]
    return family_of({str(file): read_file(file) for file in files})


def read_one(path: Path) -> Document:
    """One document by itself; a translation is held against its original, which stands beside it. Raises as read_family."""
    named = _NAMED.fullmatch(path.name)
    original = path.with_name(f"{named['base']}.md") if named else None
    if original is None or not original.exists():
        return parse_document(read_file(path), str(path))
    return family_of({str(file): read_file(file) for file in (original, path)})[1]


def read_file(path: Path) -> str:
    """The text of a document. Raises NotFound where there is none that can be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}.", remedy="Name a policy document.") from error
    except UnicodeDecodeError as error:
        raise NotFound(f"{path} is not UTF-8 text.", remedy="Save it as UTF-8.") from error


def family_of(texts: Mapping[str, str]) -> tuple[Document, ...]:
    """The documents of texts by their names, the original first. Raises DocumentRefused with every problem of all of them."""
    problems: list[Problem] = []
    read: list[tuple[str, Document]] = []
    for source, text in texts.items():
        try:
            read.append((source, parse_document(text, source)))
        except DocumentRefused as refusal:
            problems += refusal.problems
    if len(read) == len(texts):
        problems += _check_family(read)
    if problems:
        raise DocumentRefused(problems)
    return tuple(document for _, document in read)


def _check_family(read: Sequence[tuple[str, Document]]) -> Iterator[Problem]:
    (first, original), *others = read
    spoken = {original.language: first}
    for source, translation in others:
        named = _NAMED.fullmatch(Path(source).name)
        if named and named["language"] != translation.language:
            what = f"language is '{translation.language}', and the file's name says '{named['language']}'"
            yield Problem(source=source, line=1, clause=None, what=what, remedy="Correct one of the two.")
        elif translation.language in spoken:
            what = f"language is '{translation.language}', and {spoken[translation.language]} is in that language"
            yield Problem(source=source, line=1, clause=None, what=what, remedy="Write each language once.")
        spoken.setdefault(translation.language, source)
        yield from check_translation(original, translation, source)


def check_translation(original: Document, translation: Document, source: str) -> list[Problem]:
    """What keeps a document from being a translation of another: clauses and head must promise the same. [] if nothing does."""

    def problem(line: int, clause: str | None, what: str, remedy: str) -> Problem:
        return Problem(source=source, line=line, clause=clause, what=what, remedy=remedy)

    found = [
        problem(1, None, f"{name} is not that of the original", f"Write {name} as the document in {original.language} does.")
        for name in _HEAD
        if getattr(original, name) != getattr(translation, name)
    ]  # fmt: skip
    wanted = {clause.id: clause for clause in original.clauses}
    for clause in translation.clauses:
        if (same := wanted.pop(clause.id, None)) is None:
            found.append(problem(clause.line, clause.id, "the original has no such clause", "Write it there too."))
        elif differing := _differing(same, clause):
            said = " and ".join(differing)
            found.append(
                problem(clause.line, clause.id, f"{said} is not that of the original", "Only words may differ.")
            )
    return found + [
        problem(1, missing, "the clause is missing", "A translation has every clause of its original, by the same id.")
        for missing in wanted
    ]


def _differing(original: Clause, translation: Clause) -> list[str]:
    if original.kind != translation.kind:
        return ["kind"]
    names = (one.name for one in fields(original) if one.name not in _UNSEEN)
    return [name for name in names if _promised(name, original) != _promised(name, translation)]


def _promised(name: str, holder: Any) -> Any:
    """A value without its wording: how many words there are, and which promise each belongs to, must stay."""
    value = getattr(holder, name)
    if name in _WORDS:
        return len(value) if isinstance(value, tuple) else value is not None
    if isinstance(value, tuple):
        return tuple(_unworded(one) for one in value)
    return _unworded(value)


def _unworded(value: Any) -> Any:
    if not is_dataclass(value) or isinstance(value, type):
        return value
    worded = {one.name: None for one in fields(value) if one.name in _WORDS and getattr(value, one.name) is not None}
    return replace(value, **worded) if worded else value
