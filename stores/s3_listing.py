"""Walking through the objects of a collection, key by key, and what is noted on the way."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from stores.contract import NotPermitted
from stores.s3_bounds import Place
from stores.s3_client import S3Bucket
from stores.s3_names import ObjectNames
from stores.s3_objects import Group, Named


@dataclass(kw_only=True)
class Notes:
    """What was left, by reason; how many of the `prefixes` may not be listed, how many objects not be read. No key."""

    left: Counter[str] = field(default_factory=Counter)
    prefixes: int = 0
    denied: int = 0
    unseen: int = 0
    versions_unknown: bool = False

    @property
    def words_of_denial(self) -> str:
        found = [f"403 on {self.denied} of {self.prefixes} prefixes"] if self.denied else []
        return ", ".join([*found, *([f"403 on {self.unseen} objects"] if self.unseen else [])])

    @property
    def words(self) -> tuple[str, ...]:
        found = [f"{number} objects: {reason}" for reason, number in sorted(self.left.items())]
        if self.words_of_denial:
            found.append(self.words_of_denial)
        if self.versions_unknown:
            found.append("whether the bucket keeps older versions may not be known (403)")
        return tuple(found)


def list_groups(
    bucket: S3Bucket, names: ObjectNames, notes: Notes, after: Place | None, to: Place | None
) -> Iterator[Group]:
    """All keys from after a place up to and with another, with what the bucket has under each."""
    versions = bucket.keeps_versions()
    notes.versions_unknown = versions is None
    notes.prefixes, notes.denied = len(names.patterns), 0
    for place, pattern in enumerate(names.patterns):
        if after is not None and place < after[0]:
            continue
        begun = after[1] if after is not None and place == after[0] else ""
        listed = bucket.entries(pattern.head, begun, versions=bool(versions))
        try:
            for key, entries in groupby(listed, key=lambda entry: entry.key):
                if to is not None and (place, key.encode()) > (to[0], to[1].encode()):
                    return
                if (fields := names.read(place, key)) is not None:
                    named = [Named(entry=one, fields=fields, times=names.times(place, one)) for one in entries]
                    yield Group(place=place, key=key, entries=named)
        except NotPermitted:
            notes.denied += 1
