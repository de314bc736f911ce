"""The audience of campaigns: the accounts of the data map, read as a stream of the few fields that telling people takes."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import datetime
from typing import Any, Final

from core.personal import Personal
from core.settings import CollectionSettings
from notify.audience import NoAudience, Person
from stores.conditions import AllOf, Before, Condition, Unset
from stores.contract import Capability
from stores.datamap import DataMap

EMAIL: Final = "email"
CLOSED: Final = "account_closed"
_NAMES: Final = ("user.name", "user.name.first")
_LANGUAGES: Final = ("user.language", "user.demographic.language")


class MappedAudience:
    """Everyone with an open account in a collection that holds e-mail addresses.

    Accounts are the collections that others refer to; where none is referred to, all that identify by e-mail.
    """

    def __init__(self, datamap: DataMap) -> None:
        self._datamap = datamap

    def people(self, after: str | None, *, joined_before: datetime | None = None) -> Generator[Person, None, None]:
        """Collection by collection, in the order of the map. Raises NoAudience, and what the stores raise."""
        collections = self.collections()
        begun, _, place = after.partition("\n") if after is not None else ("", "", "")
        names = [collection.id for collection in collections]
        if begun in names:
            collections = collections[names.index(begun) :]
        for collection in collections:
            if joined_before is not None and collection.time is None:
                continue
            resumed = place if collection.id == begun else None
            yield from self._people_of(collection, resumed, joined_before)

    def collections(self) -> tuple[CollectionSettings, ...]:
        """The collections of accounts. Raises NoAudience."""
        found = [one for one in self._datamap.collections if EMAIL in one.identifies]
        referred = {reference.to for one in self._datamap.collections for reference in one.person}
        accounts = [one for one in found if one.id in referred] or found
        for one in accounts:
            if Capability.STREAM not in self._datamap.store_of(one).capabilities:
                raise NoAudience(
                    f"The collection {one.id} lies in the store {one.store}, which no program can read.",
                    remedy="Tell these people by hand, then run `kept campaign complete`.",
                )
        if not accounts:
            raise NoAudience(
                "No collection of the map identifies people by e-mail, so nobody can be told by mail.",
                remedy="Add `identifies: {email: …}` in kept.yaml, or tell them by hand and run `kept campaign complete`.",
            )
        return tuple(accounts)

    def _people_of(
        self, collection: CollectionSettings, after: str | None, joined_before: datetime | None
    ) -> Generator[Person, None, None]:
        store = self._datamap.store_of(collection)
        fields = _fields(collection)
        where = _open_accounts(collection, joined_before)
        for record in store.stream(collection.at, tuple(dict.fromkeys(fields.values())), where, after):
            told = {kind: record.values[field] for kind, field in fields.items()}
            subject = _text(told.get("subject")) or record.place
            yield Person(
                subject=f"{collection.id}/{subject}",
                email=_personal(told[EMAIL]),
                name=_personal(told.get("name")),
                language=_text(told.get("language")) or None,
                place=f"{collection.id}\n{record.place}",
            )


def _fields(collection: CollectionSettings) -> Mapping[str, str]:
    """What is read of an account: kind of fact → field."""
    fields = {EMAIL: collection.identifies[EMAIL]}
    others = [field for kind, field in collection.identifies.items() if kind != EMAIL]
    if others:
        fields["subject"] = collection.identifies.get("user_id", others[0])
    for kind, keys in (("name", _NAMES), ("language", _LANGUAGES)):
        named = (name for key in keys for name, field in collection.fields.items() if field.fideslang == key)
        if (found := next(named, None)) is not None:
            fields[kind] = found
    return fields


def _open_accounts(collection: CollectionSettings, joined_before: datetime | None) -> Condition:
    parts: list[Condition] = []
    if CLOSED in collection.events:
        parts.append(Unset(field=collection.events[CLOSED].name))
    if joined_before is not None and collection.time is not None:
        parts.append(Before(field=collection.time, instant=joined_before))
    return AllOf(parts=tuple(parts))


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _personal(value: Any) -> Personal | None:
    text = _text(value).strip()
    return Personal(text) if text else None
