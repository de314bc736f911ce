"""Sweeps that are killed at random and run again until they are done, beside a program that writes, and counted by others.

One scenario: records about the cutoff in a house, a fresh control database, a few kills, then the same command until it is
through. All that is chosen comes from one seed; what a moment hits does not."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from core.database import Database
from plans.tables import BatchRow, StepRow
from policies.documents import parse_document
from tests.killing_child import Ended, Engine, Kill, Order, wire
from tests.killing_houses import House, Row, text
from tests.policy_texts import policy_text
from tests.schema import make_tables

ROOT = Path(__file__).parent.parent
CLAUSE = "{id: logs, kind: retention, of: request_log, for: P30D, then: delete}"
PERIOD = timedelta(days=30)
CALLS = ("next_batch", "act", "act", "act", "measure", "commit", "commit")
RUNS_TO_THE_END = 8
MOST_WRONG = 5


class ForkServer:
    """A process that carries out orders in forks of itself."""

    def __init__(self) -> None:
        words = [sys.executable, "-c", "from tests.killing_child import main; main()"]
        self._process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, order: Order) -> Ended:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(order, self._process.stdin)
        self._process.stdin.flush()
        ended = pickle.load(self._process.stdout)
        assert isinstance(ended, Ended)
        return ended

    def close(self) -> None:
        self._process.communicate(timeout=20)


@contextmanager
def fork_server() -> Iterator[ForkServer]:
    server = ForkServer()
    try:
        yield server
    finally:
        server.close()


def make_template(folder: Path, house: House) -> Path:
    """A control database with the policy in force."""
    folder.mkdir()
    order = Order(root=folder, store=house.store, collections=house.collections, batch_rows=1, acts=folder / "none")
    database = Database(order.control)
    make_tables(database)
    database.close()
    engine = wire(order)
    body = '{{ clause("logs").cite }}'
    engine.policies.publish(parse_document(policy_text(CLAUSE, body=body), "policy.md"), actor="system")
    engine.database.close()
    return folder / "kept.db"


@dataclass
class Beside:
    """A program that refreshes records and adds some while the sweep runs, and remembers which."""

    house: House
    chance: random.Random
    numbers: list[int]
    refreshed: dict[int, str] = field(default_factory=dict)
    added: dict[int, str] = field(default_factory=dict)
    failed: list[BaseException] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Beside:
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        assert self._thread is not None
        self._thread.join()

    def _work(self) -> None:
        writer = self.house.writer()
        try:
            next_number = max(self.numbers) + 1
            while not self._ended.wait(self.chance.uniform(0.002, 0.04)):
                now = datetime.now(UTC)
                if self.chance.random() < 0.5:
                    number = self.chance.choice(self.numbers)
                    if writer.refresh(number, now):
                        self.refreshed[number] = text(now)
                elif writer.add((next_number, now)):
                    self.added[next_number] = text(now)
                    next_number += 1
        except BaseException as error:  # noqa: BLE001 - told by the test
            self.failed.append(error)
        finally:
            writer.close()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one scenario came to. `twice`: lines of the writer that stand there twice, which files may have."""

    seed: int
    kills: int
    runs: int
    expired: int
    batches: int
    redone: int
    settled: int
    refreshed: int
    added: int
    twice: int


def records(chance: random.Random, now: datetime) -> list[Row]:
    """Some hundred, over and not over, in the order of time or in none; some close to the cutoff."""
    count = chance.randint(180, 320)
    cutoff = now - PERIOD
    over = [
        cutoff - timedelta(minutes=chance.choice((1, 5, 60))) - timedelta(days=30 * chance.random())
        for _ in range(count * 2 // 3)
    ]
    # a run that began late counts back from later
    not_over = [
        cutoff + timedelta(minutes=chance.choice((15, 30, 60))) + timedelta(days=29 * chance.random())
        for _ in range(count // 3)
    ]
    times = [at.replace(microsecond=at.microsecond // 1000 * 1000) for at in (*over, *not_over)]
    if chance.random() < 0.5:
        chance.shuffle(times)
    else:
        times.sort()
    return list(enumerate(times, start=1))


def random_kill(chance: random.Random, length: float) -> Kill:
    """`length`: about how long a run takes, in seconds."""
    how = chance.choices(("moment", "within", "call"), (40, 25, 35))[0]
    if how == "moment":
        return Kill(how=how, seconds=chance.uniform(0, length))
    if how == "within":
        name = chance.choice(("act", "act", "next_batch"))
        return Kill(how=how, name=name, nth=chance.randint(1, 8), seconds=chance.uniform(0, 0.03))
    name = chance.choice(CALLS)
    nth = chance.randint(1, 30 if name == "commit" else 8)
    return Kill(how=how, name=name, when=chance.choice(("before", "after")), nth=nth)


class Killing:
    """Scenarios over one house. `lengths`: how long runs that were not killed took."""

    def __init__(self, house: House, server: ForkServer, folder: Path) -> None:
        self.house = house
        self._server = server
        self._folder = folder
        self._template = make_template(folder / "template", house)
        self._length = 0.5

    def until(self, kills: int, *, seed: int) -> list[Verdict]:
        """Scenario after scenario until so many processes were killed."""
        verdicts: list[Verdict] = []
        wrong: list[str] = []
        while (left := kills - sum(one.kills for one in verdicts)) > 0 and len(wrong) < MOST_WRONG:
            number = seed + len(verdicts) + len(wrong)
            assert number - seed < 10 * kills, f"seed {seed}: hardly any run is killed"
            try:
                verdicts.append(self.scenario(number, most_kills=left))
            except AssertionError as one:  # the other seeds are told as well
                wrong.append(str(one))
        assert not wrong, "\n".join([f"{sum(one.kills for one in verdicts)} kills were finished exactly", *wrong])
        return verdicts

    def scenario(self, seed: int, *, most_kills: int = 4) -> Verdict:
        chance = random.Random(seed)
        root = self._folder / f"s{seed}"
        root.mkdir()
        shutil.copyfile(self._template, root / "kept.db")
        rows = records(chance, datetime.now(UTC))
        self.house.fill(rows, chance)
        order = Order(
            root=root,
            store=self.house.store,
            collections=self.house.collections,
            batch_rows=self.house.most if self.house.keeps_receipts else 15,
            acts=root / "acts",
        )
        beside = Beside(self.house, random.Random(seed + 1), [number for number, _ in rows])
        with beside:
            kills, runs = self._kill(order, chance, min(most_kills, chance.randint(1, 4)))
        runs += self._finish(order, seed)
        assert not beside.failed, f"seed {seed}: {beside.failed}"
        verdict = self._judge(order, seed, rows, beside, kills, runs)
        shutil.rmtree(root)
        return verdict

    def _kill(self, order: Order, chance: random.Random, wanted: int) -> tuple[int, int]:
        """Runs that are to be killed, one after another; gives how many were, and how many there were."""
        kills = 0
        for run in range(wanted):
            ended = self._server.run(replace(order, kill=random_kill(chance, self._length)))
            if not ended.was_killed:
                assert ended.status in (0, 256), f"{ended.status} {ended.told}"
                return kills, run + 1
            kills += 1
        return kills, wanted

    def _finish(self, order: Order, seed: int) -> int:
        """The same command until it is done: what gave way, or was being written to, waits for the next."""
        for run in range(RUNS_TO_THE_END):
            began = time.monotonic()
            ended = self._server.run(order)
            if run == 0:
                self._length += (time.monotonic() - began - self._length) / 4
            if ended.is_done and not self._over(order):
                return run + 1
            time.sleep(0.1 * run)
        raise AssertionError(f"seed {seed}: not done after {RUNS_TO_THE_END} runs: {ended.status} {ended.told}")

    def _over(self, order: Order) -> int:
        limit = datetime.now(UTC) - PERIOD
        return sum(ts < limit for _, ts in self.house.rows())

    def _judge(self, order: Order, seed: int, rows: list[Row], beside: Beside, kills: int, runs: int) -> Verdict:
        said = f"seed {seed}, {kills} kills, {runs} runs"
        limit = datetime.now(UTC) - PERIOD
        over = {number for number, ts in rows if ts < limit}
        expected = {number: text(ts) for number, ts in rows if number not in over} | beside.refreshed | beside.added
        found = Counter((number, text(ts)) for number, ts in self.house.rows())
        there = dict(found)
        lost = {(n, ts) for n, ts in expected.items() if (n, ts) not in there}
        assert not lost, f"{said}: lost {sorted(lost)}"
        more = {one for one in there if expected.get(one[0]) != one[1]}
        assert not more, f"{said}: still there {sorted(more)}"
        twice = {one[0] for one, times in found.items() if times > 1}
        assert twice <= set(beside.added), f"{said}: twice {twice}"
        assert self.house.left_behind() == [], said
        gone = len(over - set(beside.refreshed))
        return self._judge_counts(order, said, seed, gone, beside, kills, runs, len(twice))

    def _judge_counts(
        self, order: Order, said: str, seed: int, gone: int, beside: Beside, kills: int, runs: int, twice: int
    ) -> Verdict:
        engine = wire(order)
        done, settled, batches, open_ones = count(engine)
        acts = Counter(order.acts.read_text().split() if order.acts.exists() else [])
        redone = acts["begun"] - acts["busy"] - batches
        assert open_ones == 0, f"{said}: {open_ones} batches have no count"
        assert redone <= kills, f"{said}: {redone} batches were done twice"
        assert settled <= kills, f"{said}: {settled} counts settled by read-back"
        if self.house.keeps_receipts:
            assert (done, settled) == (gone, 0), f"{said}: {done} counted, {settled} settled, {gone} went"
        else:
            exact = done == gone if not settled else gone - settled * self.house.most <= done <= gone
            assert exact, f"{said}: {done} counted, {settled} settled, {gone} went"
        with engine.database.read() as session:
            outcomes = engine.ledger.entries(session, kind="sweep.outcome")
            states = {row.outcome: (row.rows, row.settled) for row in session.execute(sa.select(StepRow)).scalars()}
        told = {one.id: one.private or {} for one in outcomes}
        for outcome, numbers in states.items():
            assert outcome is not None, f"{said}: a step has no outcome"
            assert (told[outcome]["rows"], told[outcome]["settled_batches"]) == numbers, said
        verified = engine.ledger.verify()
        assert verified.ok, f"{said}: {verified}"
        engine.database.close()
        return Verdict(
            seed=seed, kills=kills, runs=runs, expired=gone, batches=batches, redone=redone, settled=settled,
            refreshed=len(beside.refreshed), added=len(beside.added), twice=twice,
        )  # fmt: skip


def count(engine: Engine) -> tuple[int, int, int, int]:
    """Records done, counts settled by read-back, batches, batches without a count."""
    with engine.database.read() as session:
        done, settled = session.execute(sa.select(sa.func.sum(StepRow.rows), sa.func.sum(StepRow.settled))).one()
        rows = list(session.execute(sa.select(BatchRow.rows)).scalars())
    return int(done or 0), int(settled or 0), len(rows), rows.count(None)


def fast_folder(made: Path) -> Path:
    """Where a control database may stand that need not outlive the machine: it is synced at each commit."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        return made
    folder = memory / f"kept-kill-{os.getpid()}-{os.urandom(3).hex()}"
    folder.mkdir()
    return folder
