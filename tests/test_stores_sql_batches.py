"""Batches of a SQL table whose size changes as they go: nothing is left out, nothing younger goes, none has too many."""

from dataclasses import replace
from itertools import cycle, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stores.contract import Batch
from tests.store_worlds import PostgresWorld, SqliteWorld, ago, delete_work, older_than
from tests.store_worlds_mariadb import MariaWorld

SqlWorld = SqliteWorld | PostgresWorld | MariaWorld
_ROWS = st.dictionaries(st.integers(-40, 200), st.sampled_from([None, 0, 10, 29, 31, 40, 400]), max_size=120)


def sweep(world: SqlWorld, sizes: list[int]) -> list[tuple[Batch, int]]:
    """Batch after batch, each of another size; twice over, since the first look may go by what is likely."""
    done: list[tuple[Batch, int]] = []
    after: Batch | None = None
    look = 0
    for size in cycle(sizes):
        work = replace(delete_work(world.at, older_than(30)), batch_rows=size, look=look)
        after = world.store.next_batch(work, after)
        if after is None and look:
            return done
        if after is None:
            look = 1
            continue
        done.append((after, world.store.act(work, after)))
        assert done[-1][1] <= size
    raise AssertionError("a cycle does not end")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_ROWS, sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_batches_of_any_size_take_what_is_over_and_nothing_else(
    sqlite_world: SqliteWorld, rows: dict[int, int | None], sizes: list[int]
) -> None:
    """Keys with gaps and below zero, times in any order along them: exact against a look at each row."""
    sqlite_world.ask("DELETE FROM requests")
    sqlite_world.put([{"id": -1_000, "ts": ago(0)}])  # how the column writes its times is known from the start
    sqlite_world.put({"id": key, "ts": None if days is None else ago(days)} for key, days in rows.items())
    over = {key for key, days in rows.items() if days is not None and days > 30}
    done = sweep(sqlite_world, sizes)
    assert set(sqlite_world.ids()) == {-1_000, *rows} - over
    assert sum(count for _, count in done) == len(over)
    assert all(later.low in (earlier.high, None) for (earlier, _), (later, _) in pairwise(done))
    assert sum(batch.low is None for batch, _ in done) <= 2, "more than two looks from the start"


def test_a_dense_key_is_counted_up_and_one_with_holes_is_searched(sql_world: SqlWorld) -> None:
    """Either way every row over its time goes once, in few batches, on every database."""
    dense = [{"id": number, "ts": ago(40 if number % 50 else 10)} for number in range(1, 401)]
    thin = [{"id": number * 1_000, "ts": ago(40)} for number in range(1, 101)]
    young = [{"id": 500_000 + number, "ts": ago(1)} for number in range(50)]
    sql_world.put([*dense, *thin, *young])
    done = sweep(sql_world, [50])
    assert sum(count for _, count in done) == 392 + 100
    assert len(done) <= 15
    assert len(sql_world.ids()) == 8 + 50


@pytest.mark.parametrize("direction", [1, -1])
def test_a_key_that_runs_against_the_time_is_worked_in_full_batches(sqlite_world: SqliteWorld, direction: int) -> None:
    """Where the youngest row that is over has the smallest key, the batches are as large all the same."""
    sqlite_world.put({"id": direction * number, "ts": ago(31 + number)} for number in range(1, 101))
    assert [count for _, count in sweep(sqlite_world, [25])] == [25, 25, 25, 25]
