"""What the columns of one table hold: personal data by name and by value, and times with the form they are written in. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from statistics import mean

from core.detectors import Kind, count_kinds, leaves_of
from core.settings import TimeField
from stores.contract import CannotCompare
from stores.scanner_reading import Column, Shape, Table
from stores.scanner_words import EVENTS, FIELD_WORDS, LOOKS_TIMED, OWN_NAME, TIMES, FieldWord, small_letters
from stores.sql_paths import ARROW
from stores.times import find_number_form, find_text_form

MOST_JUDGED = 200  # values of a column that the detectors look at
MOSTLY = 0.8
FEW, SPOKEN = 5, 0.2
_TALK = frozenset({"content", "text", "prompt", "message", "input", "output", "answer"})
_IN_TEXT = frozenset({Shape.TEXT, Shape.OTHER, Shape.NUMBER})
# What values say whatever the column is called: kind → Fideslang key, category of its own, share that is enough.
_BY_VALUE: tuple[tuple[Kind, str, str | None, float], ...] = (
    (Kind.EMAIL, "user.contact.email", None, 0.7),
    (Kind.CARD_NUMBER, "user.financial.credit_card", "card_data", 0.7),
    (Kind.COORDINATES, "user.location.precise", "location", 0.8),
    (Kind.IP_ADDRESS, "user.device.ip_address", None, 0.8),
    (Kind.PASSWORD_HASH, "user.authorization.credentials", None, 0.5),
)
_IN_JSON = {Kind.EMAIL, Kind.IP_ADDRESS, Kind.CARD_NUMBER, Kind.COORDINATES}


@dataclass(frozen=True, kw_only=True)
class FieldGuess:
    """One field: its Fideslang key, the category it has of its own (None: the table's), how sure (0 to 1), and why."""

    name: str
    fideslang: str
    category: str | None = None
    confidence: float
    why: str
    leads: bool = True


@dataclass(frozen=True, kw_only=True)
class TimeGuess:
    """A column that holds times. `form` None: the type says it. `naive`: its zone has to be declared. `trouble`: mixed forms."""

    name: str
    form: str | None = None
    naive: bool = False
    trouble: str = ""
    confidence: float = 0.0
    why: str = ""


def guess_fields(table: Table, *, lists_people: bool) -> tuple[FieldGuess, ...]:
    """Every column that seems to hold something of a person, in the order of the table."""
    guesses: list[FieldGuess] = []
    for column in table.columns:
        values = table.values.get(column.name, ())[:MOST_JUDGED]
        guess = _by_value(column, values) or _by_name(column, values)
        if guess is None and lists_people and OWN_NAME.match(small_letters(column.name)) and column.shape is Shape.TEXT:
            why = "named so in a table of people"
            guess = FieldGuess(name=column.name, fideslang="user.name", confidence=0.7, why=why)
        if guess is not None:
            guesses.append(guess)
        elif column.shape in (Shape.JSON, Shape.TEXT):
            guesses += _free_text(column, values) or _inside_json(column.name, values)
    return tuple(guesses)


def guess_times(table: Table) -> tuple[TimeGuess, ...]:
    """Every column that holds times."""
    return tuple(guess for column in table.columns if (guess := _time(table, column)) is not None)


def record_time(
    table: Table, times: Sequence[TimeGuess], *, of_days: bool, archive: bool, log: bool
) -> TimeGuess | None:
    """The column by which a record is dated. `of_days`: totals of a day; `archive`: of what was deleted; `log`: of what happened."""
    best, best_weight = None, 0.0
    for time in times:
        weight, why = _weight(small_letters(time.name), of_days=of_days, archive=archive, log=log)
        if not weight and len(times) == 1:
            weight, why = 0.2, "the only time there is"
        column = table.column(time.name)
        factor = (1.0 if column is None or not column.nullable else 0.9) * (0.4 + 0.6 * table.filled(time.name))
        factor *= (0.3 if time.trouble else 1.0) * (1.05 if column is not None and column.indexed else 1.0)
        if weight * factor > best_weight:
            best_weight = weight * factor
            best = replace(time, confidence=round(min(weight * factor, 0.99), 2), why=why)
    return best


def _weight(name: str, *, of_days: bool, archive: bool, log: bool) -> tuple[float, str]:
    """How much a name speaks for being the record's time, and why; 0 where it does not."""
    if of_days and name in ("date", "day"):
        return 1.5, "the rows are totals of a day"
    if archive and name.startswith(("deleted", "archived")):
        return 1.5, "a row begins with the deletion"
    if log and name.startswith(("start", "begin")):
        return 1.2, "what is logged began then"
    return next((weight for pattern, weight in TIMES if pattern.search(name)), 0.0), "named so"


def guess_events(
    times: Sequence[TimeGuess], category: str, record: TimeGuess | None
) -> tuple[tuple[str, TimeGuess], ...]:
    """The moments that clauses count from, by the words that clauses have for them; each once."""
    found: dict[str, TimeGuess] = {}
    for time in times:
        if record is not None and time.name == record.name:
            continue
        for pattern, event, of in EVENTS:
            if (not of or category in of) and pattern.search(small_letters(time.name)):
                found.setdefault(event, time)
                break
    return tuple(found.items())


def _by_value(column: Column, values: Sequence[str]) -> FieldGuess | None:
    if column.shape not in _IN_TEXT or len(values) < 2:
        return None
    shares = count_kinds(values)
    for kind, key, category, enough in _BY_VALUE:
        share = shares.get(kind, 0.0)
        if share >= enough:
            why = f"{share:.0%} of the values look like {kind.value.replace('_', ' ')}"
            return FieldGuess(
                name=column.name, fideslang=key, category=category, confidence=min(0.95, 0.5 + share / 2), why=why
            )
    return None


def _by_name(column: Column, values: Sequence[str]) -> FieldGuess | None:
    name = small_letters(column.name)
    word = next((word for word in FIELD_WORDS if column.shape in word.shapes and word.pattern.search(name)), None)
    if word is None or _belies(word, values):
        return None
    confidence = word.confidence if values else word.confidence - 0.2
    why = "named so" if values else "named so; no value to look at"
    return FieldGuess(
        name=column.name,
        fideslang=word.fideslang,
        category=word.category,
        confidence=round(confidence, 2),
        why=why,
        leads=word.leads,
    )


def _belies(word: FieldWord, values: Sequence[str]) -> bool:
    """Do the values speak against the name? A column `content` of three short words is a state, no text of a person."""
    if len(values) < 20 or word.category != "content":
        return len(values) >= 5 and word.fideslang == "user.contact.email" and not any("@" in value for value in values)
    return len(set(values)) <= 5 and mean(len(value) for value in values) < 20


def _free_text(column: Column, values: Sequence[str]) -> list[FieldGuess]:
    """Sentences that differ from row to row, by themselves or as a conversation in JSON."""
    if len(values) < FEW:
        return []
    talk = [
        any(path and path[-1] in _TALK and _is_sentence(leaf) for path, leaf in leaves_of(value)) for value in values
    ]
    plain = [_is_sentence(value) and value[:1] not in "{[" for value in values]
    if sum(talk) >= len(values) * SPOKEN:
        return [_written_by_people(column.name, "what stands in it reads like a conversation", 0.7, leads=True)]
    if sum(plain) >= len(values) / 2 and len(set(values)) > len(values) / 2:
        return [_written_by_people(column.name, "its values are sentences", 0.5, leads=False)]
    return []


def _is_sentence(text: str) -> bool:
    return text.count(" ") >= 4 and len(text) >= 25


def _written_by_people(name: str, why: str, confidence: float, *, leads: bool) -> FieldGuess:
    return FieldGuess(
        name=name, fideslang="user.content", category="content", confidence=confidence, why=why, leads=leads
    )


def _inside_json(name: str, values: Sequence[str]) -> list[FieldGuess]:
    leaves: dict[tuple[str, ...], list[str]] = {}
    for value in values:
        for path, leaf in leaves_of(value):
            if path and len(leaves) < 200:
                leaves.setdefault(path, []).append(leaf)
    guesses = []
    for path, found in leaves.items():
        shares = count_kinds(found)
        for kind, key, category, enough in _BY_VALUE:
            if kind in _IN_JSON and len(found) >= 2 and shares.get(kind, 0.0) >= enough:
                why = f"{shares[kind]:.0%} of what stands under it look like {kind.value.replace('_', ' ')}"
                guesses.append(
                    FieldGuess(
                        name=ARROW.join((name, *path)),
                        fideslang=key,
                        category=category,
                        confidence=0.8,
                        why=why,
                        leads=False,
                    )
                )
                break
    return guesses


def _time(table: Table, column: Column) -> TimeGuess | None:
    name = small_letters(column.name)
    if column.shape in (Shape.INSTANT, Shape.DATE):
        return TimeGuess(name=column.name)
    if column.shape is Shape.NAIVE:
        return TimeGuess(name=column.name, naive=True)
    values = table.values.get(column.name, ())
    known = any(pattern.search(name) for pattern, _ in TIMES) or LOOKS_TIMED.search(name)
    if column.shape is Shape.NUMBER and known:
        return _epoch(table, column.name, values)
    if column.shape in (Shape.TEXT, Shape.OTHER) and (known or column.shape is Shape.OTHER):
        if not values and (name in ("date", "day") or name.endswith(("_at", "_on"))):
            return TimeGuess(name=column.name)
        return _written(table, column.name, values)
    return None


def _epoch(table: Table, name: str, values: Sequence[str]) -> TimeGuess | None:
    if not values and small_letters(name).endswith(("_at", "_ts", "timestamp")):
        return TimeGuess(
            name=name, trouble="a number without a value to look at: say how it counts, such as as: epoch_s"
        )
    try:
        numbers = [Decimal(value) for value in values[:MOST_JUDGED]]
        form = find_number_form([number for number in numbers if number], TimeField(name=name), table.at)
    except (InvalidOperation, CannotCompare):
        return None
    return TimeGuess(name=name, form=form.word)


def _written(table: Table, name: str, values: Sequence[str]) -> TimeGuess | None:
    if not values:
        return None
    numbers = sum(value.isdigit() for value in values)
    if numbers == len(values):
        return _epoch(table, name, values)
    timed = sum(value[:4].isdigit() and value[4:5] == "-" for value in values) / len(values)
    if timed < MOSTLY:
        return None
    try:
        form = find_text_form(values, TimeField(name=name, zone="UTC"), table.at)
    except CannotCompare as error:
        return TimeGuess(name=name, trouble=error.message)
    return TimeGuess(name=name, form=None, naive=form.word == "iso" and not form.suffix)
