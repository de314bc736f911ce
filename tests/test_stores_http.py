"""The kind `http` with the Stripe recipe, against a server that behaves as Stripe's documentation says, failures included."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import KeptError
from core.http_line import Limits, Line, Resolve, resolve_name
from core.settings import StoreSettings, TimeField
from stores.conditions import AllOf, AnyOf, Before, Condition, Not, OneOf, Through, Unset
from stores.contract import (
    Batch,
    CannotCompare,
    Capability,
    CollectionMissing,
    Deed,
    FieldMissing,
    NotPermitted,
    StoreBusy,
    StoreUnreachable,
    Work,
)
from stores.http import HttpStore
from stores.http_client import HttpClient, Key
from stores.http_recipe_file import find_recipe, load_recipe
from stores.registry import open_store
from tests.servers_http import KEY, Fails, Vendor, customer, make_certificate, run_vendor
from tests.store_worlds import NOW, FixedClock, run_through

ANNA = OneOf(field="email", values=("anna@mail.test",))
JOBS = "/v1/privacy/redaction_jobs"


def make_store(
    base: str, *, pauses: list[float] | None = None, resolve: Resolve = resolve_name, **line: Any
) -> HttpStore:
    """A store over the stand-in; waits are noted, not waited."""
    recipe, clock = load_recipe(find_recipe("stripe")), FixedClock()
    limits = Limits(connect_seconds=2, answer_seconds=0.3, most_bytes=200_000)
    opened = Line(base, allow=line.get("allow", ("http", "private")), ca=line.get("ca"), limits=limits, resolve=resolve)
    noted = pauses if pauses is not None else []
    client = HttpClient("billing", recipe, opened, Key(secret=KEY), clock=clock, pause=noted.append)
    return HttpStore("billing", client, clock=clock)


@pytest.fixture
def running() -> Iterator[tuple[Vendor, str]]:
    with run_vendor() as (vendor, base):
        vendor.put(
            customer("cus_1", "anna@mail.test"),
            customer("cus_2", "Anna@mail.test"),
            customer("cus_3", "ben@mail.test", "Ben"),
            customer("cus_4", "hanna@mail.test.example"),
        )
        yield vendor, base


@pytest.fixture
def vendor(running: tuple[Vendor, str]) -> Vendor:
    return running[0]


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def store(running: tuple[Vendor, str], pauses: list[float]) -> HttpStore:
    return make_store(running[1], pauses=pauses)


def erase(where: Condition) -> Work:
    return Work(deed=Deed.DELETE, at="customers", where=where)


def ids(store: HttpStore, where: Condition) -> list[str]:
    return sorted(str(record["id"]) for record in store.records("customers", where))


def test_a_person_is_found_by_address_or_key_and_read(store: HttpStore, vendor: Vendor) -> None:
    """Search ignores capitals and finds parts of words: what comes back is read again and has to be the same address."""
    assert ids(store, ANNA) == ["cus_1", "cus_2"]
    assert store.measure("customers", ANNA).rows == 2
    assert ids(store, OneOf(field="id", values=("cus_3", "cus_none"))) == ["cus_3"]
    record = next(store.records("customers", OneOf(field="id", values=("cus_3",))))
    assert (record["name"], record["address"]) == ("Ben", '{"city": "Bonn", "line1": "1 Ash Way"}')
    assert list(store.values("customers", "id", ANNA)) == ["cus_1", "cus_2"]
    assert store.collections() == ("customers",)
    assert store.shape("customers").key == ("id",)


def test_conditions_join_identifiers_and_nothing_else(store: HttpStore) -> None:
    """All, any and not of identifiers; a time, a look through another collection, everything: refused, never guessed."""
    both = AnyOf(parts=(ANNA, OneOf(field="id", values=("cus_3",))))
    assert ids(store, both) == ["cus_1", "cus_2", "cus_3"]
    assert ids(store, AllOf(parts=(both, Not(part=OneOf(field="id", values=("cus_2",)))))) == ["cus_1", "cus_3"]
    assert ids(store, AllOf(parts=(ANNA, OneOf(field="name", values=("Anna Ash",))))) == ["cus_1", "cus_2"]
    assert ids(store, AnyOf(parts=())) == []
    through = Through(field="id", at="other", to_field="id", where=ANNA)
    before = Before(field=TimeField(name="created"), instant=NOW)
    name = OneOf(field="name", values=("Ben",))
    for where in (
        AllOf(parts=()),
        Not(part=ANNA),
        before,
        AllOf(parts=(ANNA, before)),
        through,
        Unset(field="email"),
        name,
    ):
        with pytest.raises(CannotCompare):
            store.measure("customers", where)
    with pytest.raises(FieldMissing):
        store.measure("customers", OneOf(field="shoe_size", values=("44",)))
    with pytest.raises(CollectionMissing):
        store.measure("shoes", ANNA)
    assert Capability.BY_TIME not in store.capabilities


@pytest.mark.parametrize("value", ["o'ash@mail.test", "x' OR email:'ben@mail.test", 'q"uote\\@mail.test', "back\\"])
def test_an_address_cannot_break_out_of_its_quotation_marks(store: HttpStore, vendor: Vendor, value: str) -> None:
    """Whatever stands in an address is looked for, and nothing else comes back."""
    vendor.put(customer("cus_9", value))
    assert ids(store, OneOf(field="email", values=(value,))) == ["cus_9"]


@pytest.mark.parametrize("value", ["../products", "cus_1/../cus_3", "cus_3?x=1", "cus_3#", "cus_3%2F"])
def test_a_key_stays_one_segment_of_the_address(store: HttpStore, vendor: Vendor, value: str) -> None:
    """No key leads to another address of the vendor."""
    assert ids(store, OneOf(field="id", values=(value,))) == []
    assert all(one.path.startswith("/v1/customers/") and one.path.count("/") == 3 for one in vendor.asked)


def test_every_page_is_read(store: HttpStore, vendor: Vendor) -> None:
    """By cursor in search, by the last key in lists; more pages than the recipe allows are refused, not cut off."""
    vendor.put(*(customer(f"cus_d{n:03}", "desk@mail.test") for n in range(7)))
    vendor.page = 2
    assert store.measure("customers", OneOf(field="email", values=("desk@mail.test",))).rows == 7
    vendor.put(*(customer(f"cus_e{n:03}", "many@mail.test") for n in range(60)))
    vendor.page = 1
    with pytest.raises(KeptError, match="more than 50 pages"):
        store.measure("customers", OneOf(field="email", values=("many@mail.test",)))


def test_an_erasure_is_a_job_that_is_driven_to_its_end_and_read_back(store: HttpStore, vendor: Vendor) -> None:
    """Validated, run, polled until it succeeded; then nothing matches, and doing it all again does nothing."""
    done = run_through(store, erase(ANNA))
    assert [rows for _, rows in done] == [2]
    assert store.measure("customers", ANNA).rows == 0
    assert store.measure("customers", OneOf(field="id", values=("cus_1", "cus_2"))).rows == 0
    assert ids(store, OneOf(field="id", values=("cus_3",))) == ["cus_3"]
    assert [job["status"] for job in vendor.jobs.values()] == ["succeeded"]
    assert run_through(store, erase(ANNA)) == []
    assert len(vendor.jobs) == 1


def test_a_search_index_that_lags_is_not_believed(store: HttpStore, vendor: Vendor) -> None:
    """An erased customer that search still names is gone; a new one that it does not name yet is found by the list."""
    vendor.index = {"cus_1": "anna@mail.test", "cus_2": "anna@mail.test"}
    run_through(store, erase(ANNA))
    assert store.measure("customers", ANNA).rows == 0
    vendor.put(customer("cus_5", "anna@mail.test"))
    assert ids(store, ANNA) == ["cus_5"]


def test_at_most_ten_go_into_one_job(store: HttpStore, vendor: Vendor) -> None:
    """The vendor's limit is the size of a batch."""
    vendor.put(*(customer(f"cus_d{n:03}", "desk@mail.test") for n in range(12)))
    done = run_through(store, erase(OneOf(field="email", values=("desk@mail.test",))))
    assert [rows for _, rows in done] == [10, 2]
    assert done[0][0].high == done[1][0].low


def test_half_done_is_not_done_and_the_next_run_takes_the_same_job_up(
    store: HttpStore, vendor: Vendor, pauses: list[float]
) -> None:
    """While the vendor is at it, the step stays open; done again, it is counted exactly, and no second job is made."""
    vendor.stuck = "redacting"
    work = erase(ANNA)
    batch = store.next_batch(work, None)
    assert batch is not None
    with pytest.raises(StoreBusy, match=r"prj_1 \(redacting\).*not done"):
        store.act(work, batch)
    assert pauses.count(3.0) == 20
    for key in ("cus_1", "cus_2"):
        vendor.redact(key)  # what a customer looks like already says nothing of the rest
    with pytest.raises(StoreBusy):
        store.act(work, batch)
    vendor.stuck = None
    assert store.act(work, batch) == 2
    assert store.act(work, batch) == 2
    assert len(vendor.jobs) == 1
    assert store.next_batch(work, batch) is None


def test_a_job_that_fails_to_validate_says_why_and_is_validated_anew(store: HttpStore, vendor: Vendor) -> None:
    """The codes are named, no person is; after it was resolved there the same job goes on."""
    vendor.invalid = {"cus_1"}
    work = erase(ANNA)
    batch = store.next_batch(work, None)
    assert batch is not None
    with pytest.raises(KeptError, match=r"prj_1 .* failed: it stopped \(payment_intent_not_terminal\)") as refused:
        store.act(work, batch)
    assert "Dashboard" in str(refused.value)
    assert store.measure("customers", ANNA).rows == 2
    vendor.invalid = set()
    assert store.act(work, batch) == 2
    assert len(vendor.jobs) == 1


def test_a_job_of_others_that_covers_more_is_left_alone(store: HttpStore, vendor: Vendor) -> None:
    """What nobody approved here is not run, however ready it is."""
    objects = {"customers": ["cus_1", "cus_3"]}
    vendor.jobs["prj_0"] = {"id": "prj_0", "status": "ready", "objects": objects, "created": 0}
    work = erase(ANNA)
    with pytest.raises(KeptError, match="it covers others too"):
        store.act(work, Batch(low=None, high=["cus_1", "cus_2"]))
    assert vendor.sent("POST", JOBS) == []


def test_a_vendor_that_says_done_and_shows_the_person_still_is_not_believed(store: HttpStore, vendor: Vendor) -> None:
    """Gone is what can be read, not what was promised."""
    vendor.blanks = False
    with pytest.raises(KeptError, match="2 of 2 customers can still be read"):
        run_through(store, erase(ANNA))


def test_a_deleted_customer_is_gone_and_one_without_a_mapped_field_is_never_counted_as_none(
    store: HttpStore, vendor: Vendor
) -> None:
    """`deleted: true` is how Stripe says it; an answer that lacks what the recipe maps is an error."""
    vendor.customers["cus_3"] = {"id": "cus_3", "object": "customer", "deleted": True}
    assert store.measure("customers", OneOf(field="id", values=("cus_3",))).rows == 0
    del vendor.customers["cus_1"]["phone"]
    with pytest.raises(KeptError, match="has no 'phone'"):
        store.measure("customers", ANNA)
    vendor.fail("/v1/customers/search", Fails(status=200, body=b'{"object": "search_result"}'))
    with pytest.raises(KeptError, match="has no 'data'"):
        store.measure("customers", ANNA)


def test_fields_are_corrected_and_read_back(store: HttpStore, vendor: Vendor) -> None:
    """Only what is wrong is written; twice is once."""
    right = (("name", "Anna Birch"), ("email", "anna@mail.test"))
    work = Work(deed=Deed.CORRECT, at="customers", where=ANNA, corrections=right)
    assert [rows for _, rows in run_through(store, work)] == [1, 1]
    assert sorted(one.form for one in vendor.sent("POST", "/v1/customers/")) == [
        [("email", "anna@mail.test")], [("name", "Anna Birch")], [("name", "Anna Birch")],
    ]  # fmt: skip
    assert run_through(store, work) == []


def test_a_busy_vendor_is_waited_for_as_long_as_it_says(store: HttpStore, vendor: Vendor, pauses: list[float]) -> None:
    """429 with Retry-After: that long, then again; an hour is not waited, and the answer says so."""
    vendor.fail("/v1/customers/cus_3", Fails(status=429, headers={"Retry-After": "7"}))
    assert ids(store, OneOf(field="id", values=("cus_3",))) == ["cus_3"]
    assert 7.0 in pauses
    vendor.fail("/v1/customers/cus_3", Fails(status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(StoreBusy, match="in 3600 seconds"):
        ids(store, OneOf(field="id", values=("cus_3",)))
    vendor.fail("/v1/customers/cus_3", *[Fails(status=429)] * 4)
    with pytest.raises(StoreBusy):
        ids(store, OneOf(field="id", values=("cus_3",)))
    assert max(pauses) < 30


@pytest.mark.parametrize(
    "fails", [Fails(), Fails(how="hang"), Fails(how="reset"), Fails(how="cut")], ids=lambda f: f.how
)
def test_an_error_that_passes_is_waited_out_and_one_that_stays_is_told(
    store: HttpStore, vendor: Vendor, fails: Fails
) -> None:
    """500, silence, a connection that ends: once is nothing, each time is a store that did not answer."""
    vendor.fail("/v1/customers/cus_3", fails)
    assert ids(store, OneOf(field="id", values=("cus_3",))) == ["cus_3"]
    vendor.fail("/v1/customers/cus_3", *[fails] * 4)
    with pytest.raises(StoreUnreachable, match="billing did not answer"):
        ids(store, OneOf(field="id", values=("cus_3",)))


def test_a_job_whose_answer_was_lost_is_not_made_twice(store: HttpStore, vendor: Vendor) -> None:
    """The repeated request carries the same idempotency key."""
    vendor.fail(JOBS, Fails(status=200, body=b'{"data": [], "has_more": false}'), Fails(how="lost"))
    assert [rows for _, rows in run_through(store, erase(ANNA))] == [2]
    first, second = [one for one in vendor.sent("POST", JOBS) if one.path == JOBS]
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert len(vendor.jobs) == 1


def test_every_refusal_has_its_name(store: HttpStore, vendor: Vendor) -> None:
    """The key, a right, a redirect, no JSON, too much, a 404 that is no "not found", a state with no word."""
    path, one = "/v1/customers/cus_3", OneOf(field="id", values=("cus_3",))
    cases: list[tuple[Fails, type[KeptError], str]] = [
        (Fails(status=401), NotPermitted, "401"),
        (Fails(status=403), NotPermitted, "rights"),
        (Fails(status=302, headers={"Location": "http://127.0.0.1:9/steal"}), KeptError, "redirects"),
        (Fails(status=200, body=b"<html>"), KeptError, "no JSON"),
        (Fails(status=200, body=b'"' + b"a" * 300_000 + b'"'), StoreUnreachable, "larger than"),
        (Fails(status=200, headers={"Content-Encoding": "gzip"}), StoreUnreachable, "packed"),
        (Fails(status=404), KeptError, "api_error"),
        (Fails(status=402), KeptError, "402"),
        (Fails(status=200, body=b"[]"), KeptError, "something else than an object"),
    ]
    for fails, kind, words in cases:
        vendor.fail(path, fails)
        with pytest.raises(kind, match=words) as refused:
            store.measure("customers", one)
        assert "anna" not in str(refused.value)
        assert refused.value.remedy
    assert store.measure("customers", one).rows == 1
    vendor.fail(JOBS, Fails(status=200, body=b'{"data": [], "has_more": false}'))
    vendor.fail(JOBS, Fails(status=200, body=b'{"id": "prj_7", "status": "asleep"}'))
    with pytest.raises(KeptError, match="'asleep'"):
        run_through(store, erase(one))


def test_neither_key_nor_person_is_in_an_error_a_log_or_a_repr(
    running: tuple[Vendor, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong, at whatever level logs are kept."""
    caplog.set_level(logging.DEBUG)
    vendor, base = running
    store = make_store(base)
    said = [repr(store), repr(vars(store)), repr(vars(store._client)), repr(store._client._key)]
    for fails in (Fails(), Fails(how="hang"), Fails(how="reset"), Fails(status=401), Fails(status=418)):
        vendor.fail("/v1/customers", *[fails] * 4)
        with pytest.raises(KeptError) as refused:
            store.measure("customers", ANNA)
        seen: BaseException | None = refused.value
        while seen is not None:
            said.append(f"{seen} {seen!r}")
            seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
        vendor.asked.clear()
        vendor.forget_failures()
    whole = "\n".join([*said, caplog.text])
    assert KEY not in whole
    assert "anna" not in whole.lower()


def test_only_https_and_public_addresses_unless_they_are_allowed(running: tuple[Vendor, str]) -> None:
    """What a name leads to is judged, all of it; nothing is sent to what is not allowed."""
    vendor, base = running
    with pytest.raises(KeptError, match="is not https"):
        make_store(base, allow=("private",))
    with pytest.raises(NotPermitted, match=r"127\.0\.0\.1, which is not a public address"):
        make_store(base, allow=("http",)).ping()
    hidden = (
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "fd00::1",
        "::ffff:192.168.0.1",
        "2002:a00:1::",
        "0.0.0.0",
        "224.0.0.1",
    )
    for address in (*hidden, "64:ff9b::7f00:1", "100.64.0.1"):
        with pytest.raises(NotPermitted, match="not a public address"):
            make_store("https://api.vendor.test", allow=(), resolve=lambda *_, a=address: ["8.8.8.8", a]).ping()
    assert vendor.asked == []
    with pytest.raises(KeptError, match="Take user, password"):
        make_store("https://key@api.vendor.test")


def test_the_connection_goes_to_the_address_that_was_checked_and_tls_asks_for_the_name(tmp_path: Path) -> None:
    """A name that leads elsewhere a moment later changes nothing: it is asked once for each connection."""
    files = make_certificate(tmp_path, "api.vendor.test")
    asked: list[str] = []

    def flips(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) % 2 else ["203.0.113.9"]

    with run_vendor(files) as (vendor, base):
        port = base.rpartition(":")[2]
        store = make_store(f"https://api.vendor.test:{port}", ca=files[0], allow=("private",), resolve=flips)
        store.ping()
        assert asked == ["api.vendor.test"]
        assert vendor.asked[0].headers["host"] == f"api.vendor.test:{port}"
        other = make_store(
            f"https://other.vendor.test:{port}", ca=files[0], allow=("private",), resolve=lambda *_: ["127.0.0.1"]
        )
        with pytest.raises(StoreUnreachable, match="certificate is not trusted"):
            other.ping()


def test_a_certificate_of_an_unknown_authority_is_not_trusted(tmp_path: Path) -> None:
    """Unless `ca:` names it; and a server that speaks no TLS is no vendor."""
    files = make_certificate(tmp_path, "127.0.0.1")
    with run_vendor(files) as (vendor, base):
        with pytest.raises(StoreUnreachable, match="certificate is not trusted"):
            make_store(base).ping()
        assert vendor.asked == []
        options = {"recipe": "stripe", "key": KEY, "base": base, "ca": str(files[0]), "allow": ["private"]}
        opened = open_store(StoreSettings(name="billing", kind="http", options=options), clock=FixedClock())
        opened.ping()
        opened.close()
    with run_vendor() as (_, base), pytest.raises(StoreUnreachable, match="TLS failed"):
        make_store(base.replace("http:", "https:")).ping()


def test_a_wrong_key_and_a_host_that_is_away_are_told_by_ping(running: tuple[Vendor, str]) -> None:
    """What `kept doctor` shows."""
    recipe, clock = load_recipe(find_recipe("stripe")), FixedClock()
    line = Line(running[1], allow=("http", "private"))
    client = HttpClient("billing", recipe, line, Key(secret="sk_wrong"), clock=clock, pause=lambda _: None)
    with pytest.raises(NotPermitted, match="does not let this key"):
        HttpStore("billing", client, clock=clock).ping()
    with pytest.raises(StoreUnreachable, match="no connection"):
        make_store("http://127.0.0.1:1").ping()
    with pytest.raises(KeptError, match="no header can carry"):
        HttpClient("billing", recipe, line, Key(secret="two\nlines"), clock=clock)
