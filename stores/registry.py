"""Which kinds of store there are, and how one is opened from its settings."""

from collections.abc import Callable
from pathlib import Path

from core.clock import Clock
from core.errors import ConfigurationError
from core.settings import StoreSettings
from stores.contract import Store
from stores.files import FilesStore
from stores.manual import ManualStore
from stores.sql import SqlStore


def open_store(settings: StoreSettings, *, clock: Clock) -> Store:
    """The store that an entry under `stores:` describes. Opens no connection yet: a store that is down says so when asked."""
    if settings.kind not in _KINDS:
        raise ConfigurationError(
            f"The store {settings.name} is of kind '{settings.kind}'.", remedy=f"Allowed: {', '.join(_KINDS)}."
        )
    return _KINDS[settings.kind](settings, clock)


def _open_sql(settings: StoreSettings, clock: Clock) -> Store:
    return SqlStore(
        settings.name,
        str(settings.options["url"]),
        clock=clock,
        receipts=settings.receipts,
        schema=settings.options.get("schema"),
    )


def _open_files(settings: StoreSettings, clock: Clock) -> Store:
    return FilesStore(settings.name, Path(str(settings.options["root"])), clock=clock)


def _open_manual(settings: StoreSettings, clock: Clock) -> Store:
    return ManualStore(settings.name, str(settings.options["contact"]), clock=clock)


_KINDS: dict[str, Callable[[StoreSettings, Clock], Store]] = {
    "sql": _open_sql,
    "files": _open_files,
    "manual": _open_manual,
}
