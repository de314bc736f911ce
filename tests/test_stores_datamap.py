"""The data map: categories, borrowed events and the routes to a person."""

from pathlib import Path

import pytest

from core.errors import NotFound
from core.settings import CollectionSettings, FieldSettings, Reference, TimeField
from stores.conditions import Before, Through
from stores.datamap import DataMap, EventPath, to_condition
from tests.store_worlds import NOW, FilesWorld, SqliteWorld

CLOSED = TimeField(name="deleted_at")


def collection(
    name: str, *, store: str = "gateway", refers: dict[str, str] | None = None, **more: object
) -> CollectionSettings:
    person = tuple(
        Reference(field=field, to=target.split(".")[0], to_field=target.split(".")[1])
        for field, target in (refers or {}).items()
    )
    values: dict[str, object] = {"category": name, **more}
    return CollectionSettings(id=name, store=store, at=f"{name}_table", person=person, **values)  # type: ignore[arg-type] # test data


@pytest.fixture
def datamap(tmp_path: Path) -> DataMap:
    gateway, files = SqliteWorld(tmp_path), FilesWorld(tmp_path)
    return DataMap(
        [
            collection("accounts", events={"account_closed": CLOSED}, identifies={"email": "email", "user_id": "id"}),
            collection("keys", refers={"user_id": "accounts.id"}),
            collection("requests", refers={"key": "keys.token"}, fields={"prompt": FieldSettings(category="content")}),
            collection("days", store="files", refers={"user_id": "accounts.id"}),
            collection("attachments", refers={"day": "days.id"}),
            collection("messages", identifies={"email": "sender"}, refers={"user_id": "accounts.id"}),
            collection("loops", refers={"loop": "loops.id", "user_id": "accounts.id"}),
            collection("models"),
        ],
        {"gateway": gateway.store, "files": files.store},
    )


def test_a_category_is_found_in_collections_and_in_their_fields(datamap: DataMap) -> None:
    """A field with a category of its own counts for it too."""
    assert [found.id for found in datamap.of_category("content")] == ["requests"]
    assert [found.id for found in datamap.of_category("requests")] == ["requests"]
    assert datamap.of_category("nothing") == ()


def test_unknown_names_are_refused_with_those_there_are(datamap: DataMap) -> None:
    """Never None."""
    with pytest.raises(NotFound, match="accounts"):
        datamap.collection("acounts")
    with pytest.raises(NotFound, match="elsewhere"):
        datamap.store_of(collection("x", store="elsewhere"))


def test_an_event_is_borrowed_over_several_references(datamap: DataMap) -> None:
    """Own field first, then through person references within the store, as one semijoin inside another."""
    own = datamap.event_path(datamap.collection("accounts"), "account_closed")
    assert own == EventPath(field=CLOSED, hops=(), holder="accounts")
    path = datamap.event_path(datamap.collection("requests"), "account_closed")
    assert isinstance(path, EventPath)
    assert (path.holder, [hop.to for hop in path.hops]) == ("accounts", ["keys", "accounts"])
    inner = Before(field=CLOSED, instant=NOW)
    keys = Through(field="user_id", at="accounts_table", to_field="id", where=inner)
    assert to_condition(path, inner) == Through(field="key", at="keys_table", to_field="token", where=keys)


def test_an_event_across_stores_is_a_reason_not_a_path(datamap: DataMap) -> None:
    """Also where the way leaves the store and comes back."""
    for name in ("days", "attachments"):
        reason = datamap.event_path(datamap.collection(name), "account_closed")
        assert isinstance(reason, str)
        assert "another store" in reason
    reason = datamap.event_path(datamap.collection("models"), "account_closed")
    assert isinstance(reason, str)
    assert "No field of models" in reason


def test_a_person_is_found_breadth_first_and_each_collection_once(datamap: DataMap) -> None:
    """What identifies comes first; every hop leads to a route that stands before it, so cycles end."""
    routes = datamap.person_routes({"email"})
    order = [route.collection for route in routes]
    assert order == ["accounts", "messages", "keys", "days", "loops", "requests", "attachments"]
    assert [route.depth for route in routes] == [0, 0, 1, 1, 1, 2, 2]
    for place, route in enumerate(routes):
        assert all(hop.to in order[:place] for hop in route.hops)
    by_name = {route.collection: route for route in routes}
    assert by_name["messages"].identifiers == (("email", "sender"),)
    assert [hop.to for hop in by_name["messages"].hops] == ["accounts"]
    assert by_name["days"].crosses(by_name["days"].hops[0])
    assert not by_name["keys"].crosses(by_name["keys"].hops[0])


def test_only_the_identifiers_given_are_used(datamap: DataMap) -> None:
    """Nothing leads up from a record to another person."""
    assert datamap.person_routes({"phone"}) == ()
    assert "messages" in {route.collection for route in datamap.person_routes({"user_id"})}
    accounts = datamap.person_routes({"user_id"})[0]
    assert accounts.identifiers == (("user_id", "id"),)
