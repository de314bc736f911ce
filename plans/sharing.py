"""Records that are about more than one person: two references that lead to two people, a team's, or parts of such a record."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from core.errors import KeptError
from plans.lanes import Ask, ask_all
from plans.people import FoundCollection, Identifiers, Way, any_of
from plans.questions import Matter, Question
from stores.conditions import AllOf, AnyOf, Condition, Not, OneOf, Through, Unset
from stores.contract import Capability, Shape
from stores.datamap import DataMap, Hop, PersonRoute

Carried = Callable[[Hop], tuple[str, ...]]
Keys = Mapping[str, frozenset[str]]


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """What is needed to tell whose records are. `carried`: the person's values of what a hop leads to, where they were read."""

    datamap: DataMap
    known: Identifiers
    carried: Carried
    patience: float | None = None

    def look(
        self, places: Mapping[str, FoundCollection], routes: Sequence[PersonRoute]
    ) -> tuple[list[FoundCollection], list[Question]]:
        """The places, each with what of it is other people's too, and what nobody could tell. Asks only about collections
        that more than one field leads from, or one that names more than one record, and about parts of shared records."""
        found, questions = dict(places), list[Question]()
        waiting = [route for route in routes if route.collection in places]
        keys = self._keys([hop for route in waiting for hop in route.hops if hop.to in places])
        while waiting:
            names = {route.collection for route in waiting}
            wave = [route for route in waiting if not any(hop.to in names for hop in route.hops)]
            waiting = [route for route in waiting if route not in wave]
            asks = [Ask(store=route.store, call=_Judge(self, route, found, keys)) for route in wave]
            quiet = [number for number, route in enumerate(wave) if not self._must_ask(route, found, keys)]
            told = [asks[number].call() for number in quiet]
            rest = [number for number in range(len(wave)) if number not in quiet]
            answers = ask_all([asks[number] for number in rest], patience=self.patience)
            for number, answer in (*zip(quiet, told, strict=True), *zip(rest, answers, strict=True)):
                if isinstance(answer, KeptError):
                    questions.append(_unsure(wave[number], answer))
                else:
                    found[answer.collection] = answer
        return list(found.values()), questions

    def judge(self, route: PersonRoute, found: Mapping[str, FoundCollection], keys: Keys) -> FoundCollection:
        """One place with what of it is shared."""
        ways = tuple(self._ways(route, found, keys))
        place = replace(found[route.collection], ways=ways)
        if Capability.BY_TIME not in self.datamap.stores[route.store].capabilities:
            return place  # it only tells of the person who is asked for
        parts = [way.elsewhere for way in ways if way.elsewhere is not None]
        for hop in route.hops:
            target = found.get(hop.to)
            if target is not None and target.shared is not None:
                parts.append(self._part_of(route, hop, AllOf(parts=(target.condition, target.shared))))
        other = any_of(parts)
        if other is None:
            return place
        where = AllOf(parts=(place.condition, other))
        rows = self.datamap.stores[route.store].measure(route.at, where).rows
        return replace(place, shared=other, shared_rows=rows) if rows else place

    def _must_ask(self, route: PersonRoute, found: Mapping[str, FoundCollection], keys: Keys) -> bool:
        hops = [hop for hop in route.hops if hop.to in found]
        if len(_fields(route, hops)) > 1:
            return bool(hops)
        return any(hop.to_field not in keys[hop.to] or found[hop.to].shared is not None for hop in hops)

    def _keys(self, hops: Sequence[Hop]) -> Keys:
        """The fields that name one record each, of every collection that is referred to."""
        targets = {hop.to: hop for hop in hops}
        able = {name for name, hop in targets.items() if self._has(hop.store, Capability.THROUGH)}
        asked = [hop for name, hop in targets.items() if name in able]
        asks = [Ask(store=hop.store, call=_ShapeOf(self.datamap, hop)) for hop in asked]
        keys = {name: frozenset(self.datamap.collection(name).identifies.values()) for name in targets}
        for hop, shape in zip(asked, ask_all(asks, patience=self.patience), strict=True):
            if isinstance(shape, Shape) and len(shape.key) == 1:
                keys[hop.to] = keys[hop.to] | frozenset(shape.key)
        return keys

    def _ways(self, route: PersonRoute, found: Mapping[str, FoundCollection], keys: Keys) -> Iterator[Way]:
        """How records of a collection lead to the person."""
        hops = [hop for hop in route.hops if hop.to in found]
        several = len(_fields(route, hops)) > 1
        for hop in hops:
            target, alone = found[hop.to].condition, hop.to_field in keys[hop.to]
            leads: Condition = OneOf(field=hop.field, values=self.carried(hop))
            if self._looks_through(route, hop):
                leads = Through(field=hop.field, at=hop.at, to_field=hop.to_field, where=target)
            elsewhere = self._elsewhere(route, hop, target, several, alone) if several or not alone else None
            yield Way(field=hop.field, leads=leads, elsewhere=elsewhere, alone=alone)
        for kind, name in route.identifiers:
            if name not in {hop.field for hop in hops}:
                yield Way(field=name, leads=OneOf(field=name, values=self.known[kind]))

    def _elsewhere(
        self, route: PersonRoute, hop: Hop, target: Condition, several: bool, alone: bool
    ) -> Condition | None:
        """Where the field names a record of somebody else. A pointer at nothing is nobody's, where the store can tell."""
        if self._looks_through(route, hop):
            return Through(field=hop.field, at=hop.at, to_field=hop.to_field, where=Not(part=target))
        mine = self.carried(hop)
        parts: list[Condition] = []
        if several:
            nobodys = AnyOf(parts=(Unset(field=hop.field), OneOf(field=hop.field, values=mine)))
            parts.append(Not(part=nobodys))
        if not alone and mine:
            where = AllOf(parts=(OneOf(field=hop.to_field, values=mine), Not(part=target)))
            parts.append(OneOf(field=hop.field, values=self._values(hop, where)))
        return any_of(parts)

    def _part_of(self, route: PersonRoute, hop: Hop, shared: Condition) -> Condition:
        if self._looks_through(route, hop):
            return Through(field=hop.field, at=hop.at, to_field=hop.to_field, where=shared)
        return OneOf(field=hop.field, values=self._values(hop, shared))

    def _values(self, hop: Hop, where: Condition) -> tuple[str, ...]:
        return tuple(sorted(self.datamap.stores[hop.store].values(hop.at, hop.to_field, where)))

    def _looks_through(self, route: PersonRoute, hop: Hop) -> bool:
        return not route.crosses(hop) and self._has(route.store, Capability.THROUGH)

    def _has(self, store: str, capability: Capability) -> bool:
        return capability in self.datamap.stores[store].capabilities


def _fields(route: PersonRoute, hops: Sequence[Hop]) -> set[str]:
    return {*(hop.field for hop in hops), *(name for _, name in route.identifiers)}


def _unsure(route: PersonRoute, error: KeptError) -> Question:
    why = f"Nobody can tell which records of {route.collection} are other people's too. {error.message}"
    return Question(matter=Matter.UNREACHED, subject=route.collection, of="shared", why=why, remedy=error.remedy)


class _Judge:
    """Looks at one place, as its store's lane calls it."""

    def __init__(self, sharing: Sharing, route: PersonRoute, found: Mapping[str, FoundCollection], keys: Keys) -> None:
        self._given = sharing, route, dict(found), keys

    def __call__(self) -> FoundCollection:
        sharing, route, found, keys = self._given
        return sharing.judge(route, found, keys)


class _ShapeOf:
    """Asks what a collection is made of."""

    def __init__(self, datamap: DataMap, hop: Hop) -> None:
        self._store, self._at = datamap.stores[hop.store], hop.at

    def __call__(self) -> Shape:
        return self._store.shape(self._at)
