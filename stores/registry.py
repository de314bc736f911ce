"""Which kinds of store there are, and how one is opened from its settings."""

from collections.abc import Callable
from pathlib import Path

from core.clock import Clock
from core.errors import ConfigurationError
from core.http_line import Line
from core.settings import StoreSettings
from stores.contract import Store
from stores.files import FilesStore
from stores.http import HttpStore
from stores.http_client import HttpClient, Key
from stores.http_recipe_file import find_recipe, load_recipe
from stores.manual import ManualStore
from stores.redis import RedisStore
from stores.s3 import S3Store
from stores.s3_client import S3Bucket
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
    root, delimiter = Path(str(settings.options["root"])), settings.options.get("delimiter")
    return FilesStore(settings.name, root, clock=clock, delimiter=str(delimiter) if delimiter is not None else None)


def _open_manual(settings: StoreSettings, clock: Clock) -> Store:
    spans = {name: settings.options[name] for name in ("remind", "due") if name in settings.options}
    return ManualStore(settings.name, str(settings.options["contact"]), clock=clock, **spans)


def _open_s3(settings: StoreSettings, clock: Clock) -> Store:
    given = {name: str(value) for name, value in settings.options.items()}
    bucket = S3Bucket(
        settings.name,
        given["bucket"],
        endpoint=given.get("endpoint"),
        region=given.get("region"),
        key_id=given.get("key_id"),
        secret=given.get("secret"),
        ca=Path(given["ca"]) if "ca" in given else None,
    )
    return S3Store(settings.name, bucket, clock=clock, delimiter=given.get("delimiter"))


def _open_redis(settings: StoreSettings, clock: Clock) -> Store:
    ca = settings.options.get("ca")
    return RedisStore(settings.name, str(settings.options["url"]), clock=clock, ca=Path(str(ca)) if ca else None)


def _open_http(settings: StoreSettings, clock: Clock) -> Store:
    given = settings.options
    recipe = load_recipe(find_recipe(str(given["recipe"])))
    ca, user = given.get("ca"), given.get("user")
    line = Line(str(given.get("base") or recipe.base), allow=given.get("allow", ()), ca=Path(str(ca)) if ca else None)
    key = Key(secret=str(given["key"]), user=str(user) if user is not None else None)
    return HttpStore(settings.name, HttpClient(settings.name, recipe, line, key, clock=clock), clock=clock)


_KINDS: dict[str, Callable[[StoreSettings, Clock], Store]] = {
    "sql": _open_sql,
    "files": _open_files,
    "s3": _open_s3,
    "redis": _open_redis,
    "http": _open_http,
    "manual": _open_manual,
}
