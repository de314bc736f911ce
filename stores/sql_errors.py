"""What the errors of SQL drivers mean, in a store's own words. Their texts may quote a row: of those only names go on."""

import re
import sqlite3
from collections.abc import Mapping
from typing import Final

from sqlalchemy import exc

from core.errors import KeptError
from stores.contract import CollectionMissing, FieldMissing, NotPermitted, Refused, StoreBusy, StoreUnreachable

_CHANGED = "Compare the map with the schema: `kept doctor` names what does not fit."
_BUSY_STATES = {"55P03": "a lock was not given in time", "57014": "a time limit was reached", "40P01": "a deadlock"}
_MISSING_STATES: Final[Mapping[str, type[KeptError]]] = {
    "42P01": CollectionMissing,
    "3F000": CollectionMissing,
    "42703": FieldMissing,
}
_BUSY_CODES: Final = {
    1205: "a lock was not given in time",
    1213: "a deadlock",
    1969: "a time limit was reached",
    1317: "somebody stopped the statement",
    1020: "a record changed meanwhile",
}
_MISSING_CODES: Final[Mapping[int, type[KeptError]]] = {
    1146: CollectionMissing,
    1051: CollectionMissing,
    1054: FieldMissing,
}
_REFUSED_CODES: Final = {1451, 1452, 1062, 1048, 4025, 1364}
_RAISED_STATE: Final = "P0001"
_RAISED_CODE: Final = 1644
_FORBIDDEN_CODES: Final = {1142, 1143, 1370, 1227}
_READ_ONLY_STATE: Final = "25006"
_FULL_STATE: Final = "53100"
_FULL_CODES: Final = {1021, 1114}
_READ_ONLY_CODES: Final = {1290, 1792, 1836}
_NO_ENTRY_CODES: Final = {1044, 1045, 1698, 1862, 4151}
_MISFIT_CODES: Final = {1264, 1265, 1292, 1366, 1406, 3140}
_AWAY_CODES: Final = {0, 1040, 1049, 1053, 1129, 1130}
_REFUSED_ENTRY = re.compile(r"authentication failed|role \"[^\"]*\" (?:does not exist|is not permitted)|no pg_hba")
_CONSTRAINT = re.compile(r"CONSTRAINT `([^`]+)`|for key '([^']+)'|Column '([^']+)'|Field '([^']+)'")
_FORBIDDEN_NAME = re.compile(r"for (?:table|relation|view|column|schema|routine) [`\"']?([\w $.`]+?)[`\"']?$")


class Telling:
    """Turns the errors of one store's driver into errors to raise."""

    def __init__(self, name: str, dialect: str) -> None:
        self._name = name
        self._dialect = dialect

    def told(self, error: exc.DBAPIError) -> KeptError:
        original = error.orig
        if isinstance(original, sqlite3.Error):
            return self._by_sqlite(original)
        return self._by_mariadb(original) if self._dialect == "mariadb" else self._by_postgresql(error)

    def busy(self, why: str) -> StoreBusy:
        return StoreBusy(
            f"The store {self._name} was too busy: {why}. This batch was rolled back.",
            remedy="Run it again later, in smaller batches if it stays so.",
        )

    def unreachable(self, why: str) -> StoreUnreachable:
        return StoreUnreachable(
            f"The store {self._name} did not answer: {why}.",
            remedy="Start it or correct its url, and run the same command again.",
        )

    def unreadable(self) -> KeptError:
        return KeptError(
            f"The store {self._name} holds text that is not UTF-8.",
            remedy="Correct the values, or declare the database's encoding.",
        )

    def _by_postgresql(self, error: exc.DBAPIError) -> KeptError:
        original = error.orig
        state, text = str(getattr(original, "sqlstate", None) or ""), _first_line(original)
        if state in _BUSY_STATES:
            return self.busy(_BUSY_STATES[state])
        if state in _MISSING_STATES:
            return self._lacks(_MISSING_STATES[state])
        if isinstance(error, exc.IntegrityError):
            return self._refused(str(getattr(getattr(original, "diag", None), "constraint_name", None) or "unnamed"))
        if state == _RAISED_STATE:
            return self._refused("of a trigger")
        if state == "42501":
            return self._not_permitted(text)
        if state == _READ_ONLY_STATE:
            return self._read_only()
        if state == _FULL_STATE:
            return self._full()
        if state[:2] == "22":
            return self._does_not_fit()
        if state in ("28000", "28P01") or _REFUSED_ENTRY.search(str(original)):
            return self.unreachable("it refused the credentials")
        if isinstance(error, exc.OperationalError | exc.InterfaceError) or not state or state[:2] in ("08", "57", "53"):
            return self.unreachable(text)
        return self._other(state)

    def _by_mariadb(self, original: BaseException | None) -> KeptError:
        args: tuple[object, ...] = getattr(original, "args", ())
        code, text = (args[0], str(args[1])) if len(args) > 1 and isinstance(args[0], int) else (0, str(original))
        if code in _BUSY_CODES:
            return self.busy(_BUSY_CODES[code])
        if code in _MISSING_CODES:
            return self._lacks(_MISSING_CODES[code])
        if code in _REFUSED_CODES:
            found = _CONSTRAINT.search(text)
            return self._refused(next((name for name in found.groups() if name), "unnamed") if found else "unnamed")
        if code == _RAISED_CODE:
            return self._refused("of a trigger")
        if code in _READ_ONLY_CODES:
            return self._read_only()
        if code in _FULL_CODES:
            return self._full()
        if code in _FORBIDDEN_CODES:
            return self._not_permitted(text)
        if code in _NO_ENTRY_CODES:
            return self.unreachable("it refused the credentials")
        if code in _MISFIT_CODES:
            return self._does_not_fit()
        if code in _AWAY_CODES or 2000 <= code < 3000:
            return self.unreachable(_first_line(text))
        return self._other(f"error {code}")

    def _by_sqlite(self, original: sqlite3.Error) -> KeptError:
        text = _first_line(original)
        if "locked" in text or "busy" in text:
            return self.busy("another program held its write lock")
        if text.startswith(("no such table", "no such column")):
            kind = CollectionMissing if text.startswith("no such table") else FieldMissing
            return kind(f"The store {self._name} has {text}.", remedy=_CHANGED)
        if isinstance(original, sqlite3.IntegrityError):
            return self._refused(text.removesuffix(" failed").removesuffix(" constraint"))
        if "is full" in text:
            return self._full()
        if "readonly" in text:
            return NotPermitted(
                f"The file of the store {self._name} is read-only.", remedy="Give Kept the right to write it."
            )
        return self.unreachable(text)

    def _lacks(self, kind: type[KeptError]) -> KeptError:
        return kind(f"The store {self._name} lacks a table or a column that was there before.", remedy=_CHANGED)

    def _refused(self, constraint: str) -> KeptError:
        return Refused(
            f"The store {self._name} refused this: the constraint {constraint} forbids it. Nothing of this batch was changed.",
            remedy="Cover the records that the constraint protects by a clause of their own, or change the constraint.",
        )

    def _not_permitted(self, text: str) -> NotPermitted:
        found = _FORBIDDEN_NAME.search(text.strip())
        name = found[1].replace("`", "") if found else ""
        return NotPermitted(
            f"The store {self._name} does not permit this to its user{f' on {name}' if name else ''}.",
            remedy=f"Its owner runs GRANT SELECT, UPDATE, DELETE ON {name or 'each mapped table'} TO that user.",
        )

    def _full(self) -> StoreUnreachable:
        return StoreUnreachable(
            f"The disk of the store {self._name} is full. This batch was rolled back.",
            remedy="Make room, and run the same command again: what was done stands.",
        )

    def _read_only(self) -> NotPermitted:
        return NotPermitted(
            f"The database of the store {self._name} is read-only, or a replica: it takes no changes.",
            remedy="Name the primary in the store's url, or make the database writable.",
        )

    def _does_not_fit(self) -> KeptError:
        return KeptError(
            f"The store {self._name} refused a value that does not fit its column. Nothing of this batch was changed.",
            remedy="Give a value of the column's type, no longer than it holds.",
        )

    def _other(self, code: str) -> KeptError:
        return KeptError(
            f"The store {self._name} refused a statement ({code}).", remedy="Its own log says which and why."
        )


def _first_line(error: BaseException | str | None) -> str:
    lines = str(error or "no answer").strip().splitlines()
    return lines[0].rstrip(".") if lines else "no answer"
