"""Finding a person: from proven identifiers along the map's references, within a store and across stores, circles too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from core.errors import KeptError, WaitsForPerson
from plans.identifying import Identified, can_look, identify
from plans.lanes import Ask, ask_all
from plans.people import MOST_VALUES, Found, FoundCollection, any_of
from plans.plan import Gap
from plans.questions import NO_RULINGS, Matter, Question, Rulings
from plans.sharing import Sharing
from stores.conditions import AllOf, Condition, OneOf, Through
from stores.contract import Asks, Capability
from stores.datamap import DataMap, Hop, PersonRoute

MOST_ROUNDS: Final = 50  # a chain of merged accounts that is longer than this is a mistake in the data
_Carried = tuple[str, ...] | KeptError


def find(
    datamap: DataMap,
    identifiers: Mapping[str, Sequence[str]],
    *,
    rulings: Rulings = NO_RULINGS,
    count: bool = True,
    patience: float | None = None,
) -> Found:
    """Look for a person in every store, all stores at once. Changes nothing.

    `rulings`: what a person decided of earlier questions. `count`: also how many records are where; without it a preview
    counts them. `patience`: seconds that the stores get for each look; what one of them does not answer is a question,
    and the others go on. Raises BadInput for an empty identifier, NeedsReview where every one was left out."""
    identified = identify(datamap, identifiers, rulings, patience=patience)
    walk = _Walk(datamap, identified, patience)
    walk.go()
    sharing = Sharing(datamap=datamap, known=identified.known, carried=walk.carried, patience=patience)
    places, unsure = sharing.look(walk.places, walk.routes)
    if count:
        places = _count(datamap, places, patience)
    return Found(
        identifiers=identified.known,
        collections=tuple(places),
        gaps=tuple(walk.gaps),
        asked=tuple(walk.asked),
        questions=(*identified.questions, *walk.questions(), *unsure),
        matches=identified.matches,
    )


@dataclass(frozen=True, kw_only=True)
class _Back:
    """A reference against the order of the routes: to the collection itself, or to one that is looked into later."""

    collection: str
    hop: Hop


class _Walk:
    """Conditions by collection, breadth first. A circle of references is gone round until nothing new turns up."""

    def __init__(self, datamap: DataMap, identified: Identified, patience: float | None) -> None:
        self._datamap = datamap
        self._identified = identified
        self._patience = patience
        self.routes = datamap.person_routes(identified.known.keys())
        self.places: dict[str, FoundCollection] = {}
        self.asked: list[FoundCollection] = []
        self.gaps: list[Gap] = []
        self._back = tuple(self._find_back())
        self._found_back: dict[tuple[str, str], tuple[str, ...]] = {}
        self._values: dict[tuple[str, str], _Carried] = {}
        self._unreached: dict[str, KeptError] = {}

    def go(self) -> None:
        """Look until the circles are closed."""
        for _ in range(MOST_ROUNDS):
            self._pass()
            if not self._go_back():
                return
        for back in self._back:
            self._unreached.setdefault(
                back.collection,
                WaitsForPerson(
                    f"Records of {back.collection} lead to each other without end.",
                    remedy="Look at them, and at the map.",
                ),
            )

    def carried(self, hop: Hop) -> tuple[str, ...]:
        """The person's values of what a hop leads to, as they were read from its store."""
        values = self._values.get((hop.to, hop.to_field), ())
        return () if isinstance(values, KeptError) else values

    def questions(self) -> list[Question]:
        """What could not be looked into, and must be before anything is approved."""
        return [
            Question(matter=Matter.UNREACHED, subject=name, why=error.message, remedy=error.remedy)
            for name, error in self._unreached.items()
        ]

    def _pass(self) -> None:
        """All collections once, in waves: what a wave needs of other stores is asked of all of them together."""
        self.places, self.asked, self.gaps = {}, [], []
        self._values, self._unreached = {}, {}
        waiting = list(self.routes)
        while waiting:
            names = {route.collection for route in waiting}
            wave = [route for route in waiting if not any(hop.to in names for hop in route.hops)]
            waiting = [route for route in waiting if route not in wave]
            self._carry([hop for route in wave for hop in route.hops if self._needs_values(route, hop)])
            for route in wave:
                self._place(route)
        order = {route.collection: number for number, route in enumerate(self.routes)}
        self.places = dict(sorted(self.places.items(), key=lambda item: order[item[0]]))

    def _place(self, route: PersonRoute) -> None:
        hops = [hop for hop in route.hops if hop.to in self.places]
        if not can_look(self._datamap, route):
            self._place_by_hand(route, hops)
            return
        parts = [*self._direct(route), *(part for hop in hops if (part := self._follow(route, hop)) is not None)]
        condition = any_of(parts)
        if condition is None:
            return
        if (picked := self._identified.narrowed.get(route.collection)) is not None:
            condition = AllOf(parts=(condition, picked))
        leads = {hop.to for hop in hops}
        self.places[route.collection] = FoundCollection(
            collection=route.collection,
            store=route.store,
            at=route.at,
            condition=condition,
            rows=None,
            leads_to=frozenset(leads.union(*(self.places[name].leads_to for name in leads))),
        )

    def _direct(self, route: PersonRoute) -> list[Condition]:
        known = self._identified.known
        parts: list[Condition] = [OneOf(field=field, values=known[kind]) for kind, field in route.identifiers]
        for back in self._back:
            values = self._found_back.get((back.collection, back.hop.field))
            if back.collection == route.collection and values:
                parts.append(OneOf(field=back.hop.field, values=values))
        return parts

    def _follow(self, route: PersonRoute, hop: Hop) -> Condition | None:
        if not self._needs_values(route, hop):
            return Through(field=hop.field, at=hop.at, to_field=hop.to_field, where=self.places[hop.to].condition)
        values = self._values[hop.to, hop.to_field]
        if isinstance(values, KeptError):
            self._unreached.setdefault(route.collection, values)
            return None
        return OneOf(field=hop.field, values=values)

    def _needs_values(self, route: PersonRoute, hop: Hop) -> bool:
        looks_through = Capability.THROUGH in self._datamap.stores[route.store].capabilities
        return hop.to in self.places and (route.crosses(hop) or not looks_through)

    def _carry(self, hops: Sequence[Hop]) -> None:
        wanted = {(hop.to, hop.to_field): hop for hop in hops if (hop.to, hop.to_field) not in self._values}
        asks = [Ask(store=hop.store, call=self._reader(hop)) for hop in wanted.values()]
        self._values.update(zip(wanted, ask_all(asks, patience=self._patience), strict=True))

    def _reader(self, hop: Hop) -> "_Values":
        return _Values(self._datamap, hop, self.places[hop.to].condition)

    def _place_by_hand(self, route: PersonRoute, hops: Sequence[Hop]) -> None:
        """People are asked who do the work there, by what they know the person by; else it is a gap."""
        store = self._datamap.stores[route.store]
        asks = isinstance(store, Asks)
        parts = [*self._direct(route), *(self._follow(route, hop) for hop in hops)] if asks else []
        condition = any_of([part for part in parts if isinstance(part, OneOf) and part.values])
        if condition is not None:
            place = FoundCollection(
                collection=route.collection, store=route.store, at=route.at, condition=condition, rows=None
            )
            self.asked.append(place)
        elif not (asks and len(hops) == len(route.hops)):  # else all that leads there holds nothing of this person
            self.gaps.append(_gap(self._datamap, route))

    def _find_back(self) -> list[_Back]:
        names = {route.collection for route in self.routes}
        return [
            _Back(collection=route.collection, hop=hop)
            for route in self.routes
            if can_look(self._datamap, route)
            for hop in self._datamap.hops_of(route.collection)
            if hop.to in names and hop not in route.hops
        ]

    def _go_back(self) -> bool:
        """Follow the references against the order; whether that led to more."""
        ways = [back for back in self._back if back.hop.to in self.places]
        asks = [Ask(store=back.hop.store, call=self._reader(back.hop)) for back in ways]
        grew = False
        for back, values in zip(ways, ask_all(asks, patience=self._patience), strict=True):
            if isinstance(values, KeptError):
                self._unreached.setdefault(back.collection, values)
                continue
            key = (back.collection, back.hop.field)
            more = tuple(sorted({*self._found_back.get(key, ()), *values}))
            grew = grew or more != self._found_back.get(key, ())
            self._found_back[key] = more
        return grew


class _Values:
    """Reads the values of one field that belong to the person."""

    def __init__(self, datamap: DataMap, hop: Hop, where: Condition) -> None:
        self._store, self._hop, self._where = datamap.stores[hop.store], hop, where

    def __call__(self) -> tuple[str, ...]:
        values = self._store.values(self._hop.at, self._hop.to_field, self._where)
        carried = tuple(sorted(islice(values, MOST_VALUES + 1)))
        if len(carried) > MOST_VALUES:
            raise WaitsForPerson(
                f"More than {MOST_VALUES} values of {self._hop.to}.{self._hop.to_field} belong to this person.",
                remedy="Look at them: that is more than one person has.",
            )
        return carried


def _gap(datamap: DataMap, route: PersonRoute) -> Gap:
    store = datamap.stores[route.store]
    contact = getattr(store, "contact", "")
    return Gap(
        what=f"{route.collection} in {route.store}",
        why=f"No program can read a store of kind {store.kind}.",
        remedy=f"Ask {contact} and note the answer." if contact else "Look there by hand and note what you found.",
    )


def _count(datamap: DataMap, places: Sequence[FoundCollection], patience: float | None) -> list[FoundCollection]:
    asks = [Ask(store=place.store, call=_Rows(datamap, place)) for place in places]
    told = ask_all(asks, patience=patience)
    return [
        place if isinstance(rows, KeptError) else replace(place, rows=rows)
        for place, rows in zip(places, told, strict=True)
    ]


class _Rows:
    """Counts the person's records in one collection."""

    def __init__(self, datamap: DataMap, place: FoundCollection) -> None:
        self._store, self._place = datamap.stores[place.store], place

    def __call__(self) -> int:
        return self._store.measure(self._place.at, self._place.condition).rows
