"""B8: the copy of one person's data as a sealed package, against the same rows by COPY into files; and its memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import sqlalchemy as sa

from bench.comparing import Comparison, Goal, Spread
from bench.erasure_world import TABLES, PeopleWorld, people_map, people_world
from core.clock import SystemClock
from core.database import Database
from core.ids import new_id
from core.leases import Leases
from core.personal import Personal
from core.rendering import PdfWorker, Renderer
from dsr.desk import Desk
from dsr.package import Packages
from dsr.tables import ConversationRow, PackageRow, TicketRow
from ledger.log import Ledger
from notify.mail import queue_mail
from plans.engine import Plans
from plans.reading import Reading
from policies.clauses import Right
from policies.documents import parse_document
from policies.versions import Policies
from stores.contract import Store
from stores.datamap import DataMap
from stores.sql import SqlStore
from tests.schema import make_tables

INCLUDES: Final = (
    "JSON, CSV and schema of each place, the page, the manifest, hashes, texts looked into, all sealed on disk; intents, "
    "outcomes, ledger settled"
)
AGAINST: Final = "time, raw COPY = 1"
SECONDS: Final = "s"
MEMORY: Final = "MB at most"
_RAW, _KEPT, _LETTER = "COPY … TO STDOUT into files", "Kept", "Kept, with the letter in PDF"
_PEOPLE: Final = 100
_WARM: Final = 2
_SECRET: Final = b"a secret of the bench, long enough"
_POLICY: Final = Path(__file__).parent.parent / "examples" / "gateway" / "policy.md"
_ROWS_OF_MEMORY: Final = (10_000, 1_000_000)


class PackageHouse:
    """Makes packages of the people of one store: a control database of its own, the ledger on."""

    def __init__(self, folder: Path, store: Store, *, render_pdf: Callable[[str], bytes]) -> None:
        clock = SystemClock()
        self._database = Database(f"sqlite:///{folder / 'kept.db'}")
        make_tables(self._database)
        leases = Leases(self._database, clock)
        ledger = Ledger(self._database, clock, leases, secret=_SECRET, origin="bench/kept")
        policies = Policies(self._database, clock, ledger)
        self._document = parse_document(_POLICY.read_text(encoding="utf-8"), "policy.md")
        policies.publish(self._document, actor="system")
        self._plans = Plans(self._database, clock, ledger, leases, DataMap(people_map("gateway"), {"gateway": store}))
        desk = Desk(
            database=self._database,
            clock=clock,
            ledger=ledger,
            policies=policies,
            plans=self._plans,
            queue_mail=queue_mail,
            renderer=Renderer(base_url="https://kept.example"),
            render_pdf=render_pdf,
            base_url="https://kept.example",
            packages=folder / "packages",
            secret=_SECRET,
        )
        self._clock, self._folder = clock, folder
        self._packages = Packages(desk, Reading(self._database, clock, ledger, leases, self._plans))

    def prepare(self, email: str) -> TicketRow:
        """A ticket whose plan is made, looked at and approved."""
        now, ref = self._clock.now(), new_id("ref")[-12:].upper()
        plan, _ = self._plans.draft_request(
            ref=f"ticket:{ref}", version=1, clauses=(), right=Right.ACCESS, identifiers={"email": [email]}
        )
        self._plans.store(plan, preview=self._plans.look(plan))
        self._plans.approve(plan.id, by="opr_bench", reason="measured")
        talk = new_id("cnv")
        given: dict[str, Any] = {
            "received_at": now,
            "identity_at": now,
            "version": 1,
            "contact": Personal(email),
            "language": "en",
        }
        ticket = TicketRow(
            id=new_id("tkt"), ref=ref, conversation_id=talk, right="access", channel="form", state="running",
            regime="gdpr", plan_id=plan.id, outcome={}, details="", is_test=False, **given,
        )  # fmt: skip
        with self._database.begin() as session:
            session.add(ConversationRow(id=talk, created_at=now))
            session.flush()
            session.add(ticket)
        return ticket

    def make(self, ticket: TicketRow) -> PackageRow:
        return self._packages.make(ticket, self._document, (), actor="system").row

    def tidy(self) -> None:
        """Away with the files of packages."""
        for path in (self._folder / "packages").glob("*.kept"):
            path.unlink()

    def close(self) -> None:
        self._database.close()


@contextmanager
def package_house(store: Store, *, render_pdf: Callable[[str], bytes]) -> Iterator[PackageHouse]:
    """A house in a folder on the disk, gone at the end."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        house = PackageHouse(Path(folder), store, render_pdf=render_pdf)
        try:
            yield house
        finally:
            house.close()


def measure(_rows: int, pairs: int, say: Callable[[str], None]) -> list[Comparison]:
    """B8: 10,000 rows in five tables of a million, then the memory of much larger copies."""
    with people_world(_PEOPLE) as world:
        compared = _compare(world, pairs, say)
    return [compared, _memory(say)]


def _compare(world: PeopleWorld, pairs: int, say: Callable[[str], None]) -> Comparison:
    store, pdf = SqlStore("gateway", world.url, clock=SystemClock()), PdfWorker()
    taken: dict[str, list[float]] = {name: [] for name in (_RAW, _KEPT, _LETTER)}
    with (
        package_house(store, render_pdf=lambda _html: b"%PDF-1.7") as plain,
        package_house(store, render_pdf=pdf.render) as whole,
    ):
        tickets = [(plain, plain.prepare("person7@post.example")), (whole, whole.prepare("person7@post.example"))]
        for pair in range(pairs + _WARM):
            ways: dict[str, Callable[[], object]] = {
                _RAW: lambda: _copy_out(world.url),
                _KEPT: lambda: tickets[0][0].make(tickets[0][1]),
                _LETTER: lambda: tickets[1][0].make(tickets[1][1]),
            }
            for name, work in ways.items():
                start = time.perf_counter()
                work()
                taken[name].append(time.perf_counter() - start)
            plain.tidy()
            whole.tidy()
            ratio = taken[_KEPT][-1] / taken[_RAW][-1]
            say(f"pair {pair + 1 - _WARM} of {pairs}: {taken[_RAW][-1]:.3f} s, {taken[_KEPT][-1]:.3f} s, {ratio:.2f}")
    store.close()
    pdf.close()
    raw = taken[_RAW][_WARM:]
    figures = {
        name: {
            AGAINST: Spread.of([mine / limit for mine, limit in zip(seconds[_WARM:], raw, strict=True)]),
            SECONDS: Spread.of(seconds[_WARM:]),
        }
        for name, seconds in taken.items()
    }
    goals = (Goal(way=_KEPT, figure=AGAINST, floor=3.5, stretch=2.5),)
    what = f"the copy of one person, {world.rows:,} rows in 6 tables of a million on PostgreSQL"
    return Comparison(bench="B8", what=what, includes=INCLUDES, pairs=pairs, figures=figures, goals=goals)


def _copy_out(url: str) -> None:
    plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder, psycopg.connect(plain) as connection:
        for table in TABLES:
            wanted = f"COPY (SELECT * FROM {table} WHERE user_id = 7 ORDER BY id) TO STDOUT"
            with Path(folder, table).open("wb") as file, connection.cursor().copy(wanted.encode()) as rows:
                for piece in rows:
                    file.write(piece)


def _memory(say: Callable[[str], None]) -> Comparison:
    """Each size in a process of its own, on a store that makes its rows up: only Kept's own memory shows."""
    figures = {}
    for rows in _ROWS_OF_MEMORY:
        told = subprocess.run(
            [sys.executable, "-m", "bench.package_memory", str(rows)], capture_output=True, text=True, check=True
        ).stdout.split()
        figures[f"{rows:,} rows"] = {MEMORY: Spread.of([float(told[0])]), SECONDS: Spread.of([float(told[1])])}
        say(f"{rows:,} rows: {told[0]} MB, {told[1]} s")
    goals = tuple(Goal(way=way, figure=MEMORY, floor=200) for way in figures)
    what = "memory while a copy is made, whatever its size"
    return Comparison(bench="B8", what=what, includes=INCLUDES, pairs=1, figures=figures, goals=goals)


def peak_megabytes() -> float:
    """The most memory that this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
