"""Scans the stores of an installation against its map and its policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from zoneinfo import available_timezones

from core.clock import Clock
from core.errors import BadInput, KeptError, NotFound
from core.settings import CollectionSettings, Settings, StoreSettings
from policies.clauses import CollectsClause, NeverClause, RetentionClause
from policies.documents import Document
from policies.translations import read_family
from stores.contract import Capability
from stores.registry import open_store
from stores.scanner import Bounds, Mapped, PolicyWords, Scan, scan_sources
from stores.scanner_contract import ContractSource
from stores.scanner_reading import Source
from stores.scanner_sql import SqlSource


def scan_installation(
    settings: Settings, clock: Clock, *, only: str | None = None, bounds: Bounds | None = None
) -> Scan:
    """What the map of an installation lacks; `only`: in this store."""
    if only is not None and only not in settings.stores:
        raise NotFound(f"There is no store '{only}'.", remedy=f"kept.yaml has: {', '.join(settings.stores) or 'none'}.")
    mapped = [_mapped(one) for one in settings.collections]
    stores = [store for name, store in settings.stores.items() if only in (None, name)]
    with ExitStack() as stack:
        sources = [source for store in stores for source in _open(store, clock, stack.callback)]
        return scan_sources(sources, policy=policy_words(settings.policy), mapped=mapped, bounds=bounds)


def policy_words(path: Path) -> PolicyWords:
    """The categories of the policy; none where it cannot be read, which `kept policy lint` says better."""
    try:
        document = read_family(path)[0]
    except KeptError:
        return PolicyWords()
    return PolicyWords(clauses=_speaking(document))


def check_zone(zone: str | None) -> None:
    """Raises BadInput for a zone that is not in the tz database."""
    if zone is not None and zone not in available_timezones():
        raise BadInput(f"There is no zone '{zone}'.", remedy="Write one of the tz database, such as Europe/Berlin.")


def _speaking(document: Document) -> Mapping[str, tuple[str, ...]]:
    words: dict[str, tuple[str, ...]] = {}
    for clause in document.clauses:
        if isinstance(clause, CollectsClause):
            words.setdefault(clause.category, ())
        elif isinstance(clause, RetentionClause | NeverClause):
            for category in clause.of:
                words[category] = (*words.get(category, ()), clause.id)
    return words


def _open(settings: StoreSettings, clock: Clock, at_end: Callable[[Callable[[], None]], object]) -> Iterator[Source]:
    if settings.kind == "sql":
        source = SqlSource(settings.name, str(settings.options["url"]), schema=settings.options.get("schema"))
        at_end(source.close)
        yield source
        return
    store = open_store(settings, clock=clock)
    at_end(store.close)
    if Capability.READ in store.capabilities:
        yield ContractSource(store)


def _mapped(collection: CollectionSettings) -> Mapped:
    named: Sequence[str] = [
        *collection.fields,
        *collection.identifies.values(),
        *(reference.field for reference in collection.person),
    ]
    return Mapped(id=collection.id, at=f"{collection.store}:{collection.at}", fields=frozenset(named))
