"""A proposed map as the text that `kept.yaml` has for it, each line with how sure it is and why."""

import json
import re
from collections.abc import Iterator, Sequence

from core.settings import TimeField
from stores.scanner import Proposal, Scan
from stores.scanner_fields import TimeGuess

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./*:@>-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
COMMENT_AT = 44


def collection_lines(scan: Scan, *, zone: str | None = None) -> list[str]:
    """The items of `collections:`, as lines without the indentation of the list; a comment says what was left."""
    lines: list[str] = []
    for proposal in scan.proposals:
        lines += [*_collection(proposal, zone), ""]
    return lines[:-1]


def remark_lines(scan: Scan) -> list[str]:
    """What stands in no collection, as lines without a comment sign: fields of mapped ones, tables left, unread, not people's."""
    lines: list[str] = []
    for collection, guesses in scan.unmapped_fields.items():
        named = ", ".join(f"{guess.name} ({guess.fideslang}, {guess.confidence:.2f})" for guess in guesses)
        lines.append(f"The collection {collection} does not say what these fields hold: {named}.")
    lines += [f"The store {name} was not scanned: {why}" for name, why in scan.unreached.items()]
    lines += [f"{one.at} was not read: {one.why}" for one in scan.unread]
    if scan.left_out:
        lines.append(f"Left out, beyond the bounds of one scan: {_named(scan.left_out)}.")
    if scan.without_people:
        lines.append(f"Nothing of people found in {_named(scan.without_people)}.")
    return lines


def time_field(guess: TimeGuess, zone: str | None) -> TimeField:
    """What the map says of a time: `zone` where the column has none and somebody declared it."""
    return TimeField(name=guess.name, form=guess.form, zone=zone if guess.naive else None)


def quoted(text: str) -> str:
    """A scalar that YAML reads back as this text."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS and not text.endswith(":")
    return text if plain else json.dumps(text, ensure_ascii=False)


def _collection(proposal: Proposal, zone: str | None) -> Iterator[str]:
    yield f"- id: {proposal.id}"
    yield f"  at: {quoted(proposal.at)}"
    clause = f"clause {', '.join(proposal.clauses)}" if proposal.clauses else "no clause speaks for it"
    yield _with(f"  category: {quoted(proposal.category)}", f"{proposal.confidence:.2f}, {proposal.why}; {clause}")
    if proposal.time is not None and not proposal.time.trouble:
        yield _with(f"  time: {_time(proposal.time, zone)}", _time_remark(proposal.time, zone))
    if proposal.events:
        yield "  events:"
        for event, moment in proposal.events:
            yield _with(f"    {quoted(event)}: {_time(moment, zone)}", _zone_remark(moment, zone))
    if proposal.identifies:
        pairs = ", ".join(f"{kind}: {quoted(name)}" for kind, name in proposal.identifies)
        yield f"  identifies: {{{pairs}}}"
    if proposal.person:
        yield "  person:"
        for way in proposal.person:
            yield _with(f"    {quoted(way.field)}: {way.to}.{way.to_field}", f"{way.confidence:.2f}, {way.why}")
    if proposal.fields:
        yield "  fields:"
        for guess in proposal.fields:
            said = [f"category: {quoted(guess.category)}"] if guess.category else []
            said.append(f"fideslang: {guess.fideslang}")
            yield _with(f"    {quoted(guess.name)}: {{{', '.join(said)}}}", f"{guess.confidence:.2f}, {guess.why}")
    for remark in proposal.uncertain:
        yield f"  # {_one_line(remark)}"


def _time(guess: TimeGuess, zone: str | None) -> str:
    field = time_field(guess, zone)
    more = [f"as: {field.form}"] if field.form else []
    more += [f"zone: {field.zone}"] if field.zone else []
    return f"{{field: {quoted(field.name)}, {', '.join(more)}}}" if more else quoted(field.name)


def _time_remark(guess: TimeGuess, zone: str | None) -> str:
    return "; ".join(part for part in (f"{guess.confidence:.2f}, {guess.why}", _zone_remark(guess, zone)) if part)


def _zone_remark(guess: TimeGuess, zone: str | None) -> str:
    if guess.trouble:
        return guess.trouble
    return (
        f"it has no zone: say which, {{field: {guess.name}, zone: UTC}} or another" if guess.naive and not zone else ""
    )


def _with(line: str, remark: str) -> str:
    return f"{line:<{COMMENT_AT - 2}}  # {_one_line(remark)}" if remark else line


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _named(names: Sequence[str], most: int = 40) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
