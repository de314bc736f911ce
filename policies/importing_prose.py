"""The prose of an imported text as Markdown: words kept, values that clauses hold printed from them, citations where they are said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from core.errors import BadInput
from policies.facts_types import FactKind, PeriodRole
from policies.importing_clauses import Binding
from policies.periods import Period
from policies.plain_texts import Block, BlockKind, PlainText, escape_markdown

_OPENS_MARKDOWN: Final = re.compile(r"^(?:#{1,6}\s|[-+>]\s|\d{1,9}[.)]\s|={3,}|-{3,}|~{3}|`{3})")
_UNUSED: Final = re.compile(r"\{(?=[{%#])")
_LINK: Final = re.compile(r"\[(?:[^\[\]\\]|\\.)*\]\([^()\s]*\)|`[^`]*`")
_DEEPEST: Final = 5
Edit = tuple[int, int, str]


def write_prose(text: PlainText, bindings: Sequence[Binding]) -> str:
    """The body of a document: the text's blocks, each with the expressions of the findings that stand in it."""
    by_block: dict[int, list[Binding]] = {}
    for binding in bindings:
        if binding.clause != "head" or binding.fact.kind is FactKind.DAY:
            by_block.setdefault(binding.fact.block, []).append(binding)
    written = [_edited(block, by_block.get(number, []), text.language) for number, block in enumerate(text.blocks)]
    return "\n".join(_lay_out(text.blocks, written)).strip() + "\n"


def _edited(block: Block, bindings: Sequence[Binding], language: str) -> str:
    source = _UNUSED.sub("&#123;", block.markdown or block.text)
    if not bindings:
        return source
    edits, printed = _prints(source, bindings, language)
    edits += _cites(source, bindings, printed)
    for start, end, words in sorted(edits, key=lambda edit: (edit[0], edit[1]), reverse=True):
        source = source[:start] + words + source[end:]
    return source


def _prints(source: str, bindings: Sequence[Binding], language: str) -> tuple[list[Edit], set[tuple[str, str]]]:
    """Edits that print a clause in place of words which say exactly that; and (clause, sentence) of those."""
    edits: list[Edit] = []
    done: set[tuple[str, str]] = set()
    taken: set[int] = set()
    for binding in bindings:
        fact = binding.fact
        expression = _expression(binding, language)
        if not expression or not fact.found:
            continue
        for start, end in _occurrences(source, fact.found, fact.sentence, all_of_them=fact.kind is FactKind.ADDRESS):
            if start not in taken:
                taken.add(start)
                edits.append((start, end, expression))
            done.add((binding.clause, fact.sentence))
    return edits, done


def _expression(binding: Binding, language: str) -> str:
    """What prints the clause's value where the words of the text say just that; empty where they say more, or differ."""
    fact = binding.fact
    if fact.kind is FactKind.DAY and fact.subject == "updated":
        return "{{ in_force }}"
    if fact.kind is FactKind.ADDRESS and binding.key == "email":
        return f'{{{{ clause("{binding.clause}").email }}}}'
    if fact.kind is not FactKind.PERIOD or binding.key is None or fact.role == PeriodRole.OTHER:
        return ""
    try:
        period = Period.parse(fact.value)
    except BadInput:
        return ""
    said = " ".join(fact.found.split())
    if period.words(language) == said:
        return f'{{{{ clause("{binding.clause}").{binding.key} }}}}'
    if period.words(language, dative=True) == said:
        return f'{{{{ clause("{binding.clause}").{binding.key}_dative }}}}'
    return ""


def _occurrences(source: str, found: str, sentence: str, *, all_of_them: bool) -> Iterator[tuple[int, int]]:
    """Where words of a sentence stand in the Markdown of its block: once in that sentence, or nowhere that is certain."""
    places = [(match.start(), match.end()) for match in re.finditer(rf"(?<!\w){re.escape(found)}(?!\w)", source)]
    if all_of_them:
        yield from places
        return
    end = _end_of(source, sentence)
    start = source.find(sentence)
    inside = [place for place in places if start >= 0 and end is not None and start <= place[0] < end]
    if len(inside) == 1:
        yield inside[0]
    elif len(places) == 1:
        yield places[0]


def _cites(source: str, bindings: Sequence[Binding], printed: set[tuple[str, str]]) -> list[Edit]:
    """A citation of each clause at the end of each sentence that says it and prints nothing of it."""
    at: dict[int, list[str]] = {}
    seen: set[tuple[str, str]] = set(printed)
    for binding in bindings:
        key = (binding.clause, binding.fact.sentence)
        if key in seen or binding.clause == "head":
            continue
        seen.add(key)
        end = _end_of(source, binding.fact.sentence)
        place = len(source) if end is None else end
        at.setdefault(place, []).append(binding.clause)
    return [
        (place, place, "".join(f'{{{{ clause("{name}").cite }}}}' for name in dict.fromkeys(names)))
        for place, names in at.items()
    ]


def _end_of(source: str, sentence: str) -> int | None:
    """Where a sentence ends in the Markdown of its block, None where its marks hide it or a link would be cut."""
    said = next((one for one in (sentence, escape_markdown(sentence)) if one in source), None)
    if said is not None:
        end = source.find(said) + len(said)
    else:
        tail = sentence[-30:].strip()
        if len(tail) < 8 or source.count(tail) != 1:
            return None
        end = source.find(tail) + len(tail)
    if any(link.start() < end < link.end() for link in _LINK.finditer(source)):
        return None
    # Closing emphasis belongs to the sentence: a mark between two stars would end it.
    while end < len(source) and source[end] in '*_”"’)':
        end += 1
    return end


def _lay_out(blocks: Sequence[Block], written: Sequence[str]) -> Iterator[str]:
    index, depth = 0, 0
    while index < len(blocks):
        block = blocks[index]
        if block.kind is BlockKind.CELL:
            rows, index = _table_at(blocks, written, index)
            yield from _table(rows)
            yield ""
            continue
        words = written[index]
        index += 1
        listed_next = index < len(blocks) and blocks[index].kind is BlockKind.ITEM
        if block.kind is BlockKind.HEADING:
            yield f"{'#' * min(max(block.level, 1), 6)} {words}"
            yield ""
        elif block.kind is BlockKind.ITEM:
            # An item deeper than the one above it by more than a step would be read as code.
            depth = min(max(1, block.level), depth + 1, _DEEPEST)
            yield f"{'    ' * (depth - 1)}{block.marker} {_safe_start(words)}"
            if not listed_next:
                depth = 0
                yield ""
        else:
            yield _safe_start(words)
            yield ""


def _safe_start(words: str) -> str:
    """A paragraph that would begin another kind of block says so with a backslash."""
    found = _OPENS_MARKDOWN.match(words)
    if found is None:
        return words
    number = re.match(r"^(\d{1,9})([.)])", words)
    return f"{number[1]}\\{words[len(number[1]) :]}" if number else f"\\{words}"


def _table_at(blocks: Sequence[Block], written: Sequence[str], index: int) -> tuple[list[list[str]], int]:
    """The rows of the table that begins at a block: cells of one row share their level, and a lower one begins a new table."""
    rows: list[list[str]] = []
    level = -1
    while index < len(blocks) and blocks[index].kind is BlockKind.CELL and blocks[index].level >= level:
        if blocks[index].level != level:
            rows.append([])
        level = blocks[index].level
        rows[-1].append(re.sub(r"(?<!\\)\|", r"\\|", written[index]))
        index += 1
    return rows, index


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    width = max(map(len, rows))
    for number, row in enumerate(rows):
        yield "| " + " | ".join([*row, *[""] * (width - len(row))]) + " |"
        if number == 0:
            yield "|" + " --- |" * width


def yaml_head(keys: Mapping[str, object]) -> str:
    """A mapping as YAML in one line, as documents write their clauses."""
    return "{" + ", ".join(f"{key}: {yaml_value(value)}" for key, value in keys.items()) + "}"


_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9 _/.@+'’()&-]*[A-Za-z0-9_)]|[A-Za-z]")
_NOT_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def yaml_value(value: object) -> str:
    """One value in YAML's flow style, quoted where YAML would read something else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return yaml_head(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(yaml_value(each) for each in value) + "]"
    text = str(value)
    if isinstance(value, int) or (_PLAIN.fullmatch(text) and text.lower() not in _NOT_WORDS):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
