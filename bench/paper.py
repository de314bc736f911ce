"""Writes docs/benchmarks.md out of what was measured: ratios, and the command that gives them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

_HEAD: Final = """# Benchmarks

Machines differ, so no figure here is a time: each is a ratio to the raw limit of the same engine, measured in the same run, the
ways one after the other in turn, on data filled anew each time. Told are the median of the pairs and, in brackets, the least and
the most. A writer beside each way inserts fifty rows a second, one commit each; `p99` is what 99 of 100 of its inserts stay under,
as a multiple of the same with nothing else at work. "Kept" is a run of an approved plan with all of its evidence on: the intent,
bounds of each batch before it, holds read again, a receipt in the batch's transaction, counts, read-back to zero, the outcome, and
the ledger settled.

    make bench                                     all of it
    .venv/bin/python -m bench postgresql           one of: {names}
    .venv/bin/python -m bench postgresql --rows 5000000 --pairs 5

The servers are started by the command, with commits that reach the disk. See that nothing else runs on the machine.
"""
_NAMES: Final = (
    "differences, guard, finding, postgresql, partitions, mariadb, sqlite, files, redis, s3, erasure, packages, ledger"
)
_SWEEPS: Final = """## Where the time goes: sweeps of tables

- **The DELETE itself** is most of it, and mostly the flush of the write-ahead log: right after a checkpoint each page goes into it
  whole. The bare loop is what the same statements cost without anything else; Kept is to be read against it.
- **The read-back** comes next: the index still holds an entry for each row that went, and whoever asks first walks past all of
  them. It is walked once, by the count that the evidence needs; the end of the key is not looked for besides.
- **The count of the intent** is that of the preview, where that is no older than ten minutes and no hold came since.
- **The control database**: one durable transaction a batch, for the count of the last, the bounds of the next, the holds and
  the approval as they stand.
- Two connections at once, each with half a batch, gave a twelfth more throughput and half as much again of the writer's p99:
  the gain was not worth it. On SQLite a waiting writer asks again after up to 100 ms, so its longest wait is not our longest
  lock: both are told.
"""
_STORES: Final = """## Where the time goes: files, keys, objects

Kept's figure for these three is the store's part: the search for each batch, its bounds, the condition asked again at the deed,
exact counts, and (keys, objects) the read-back to zero. The control database's part is in the figures above.

- **Files by day.** Counting the lines of a file took twice what reading it does: counting line ends and looking for blank lines
  are two slow passes in Python. Cutting a piece of 1 MiB into lines and taking the least of them tells both in a quarter of the
  time. The count of the look is taken over where inode, size and time of change are the same under the lease, so no file is read
  twice; what is left is the system giving the space back, on two threads.
- **One person in JSONL.** One search for the bytes of the value (0.1 to 0.4 ms a MiB, by which characters it has), a copy by the
  system around what was found, and the flush.
- **Redis.** Commands were packed and answers read one by one by redis-py: both are done for many keys at once now.
  Keys known by name go ten thousand a round. An expiry is compared and set by the server (`PEXPIRE ... LT`), never made longer.
  What a value decides is read while the key is watched, and goes only if nobody wrote to it: that is a second look that the bare
  loop does not take, hence the lower figure by a time in JSON.
- **S3.** Most of a listing's cost was the reading of its thousand dates. Names do not change, so what was listed by the date in
  its name is not listed again; where the last change decides, each goes only as it was listed. Four requests of a thousand are
  under way at a time. The rest is the server's.
"""
_REQUESTS: Final = """## Where the time goes: requests

Both are of one person in a million rows, in an account and five tables with declared keys. Finding the person and the preview come
before, and are not in the figures.

- **Erasure.** The rows go in one batch a table: its bounds, the DELETE with the condition asked again, the receipt in the same
  transaction, the read-back to zero. What it costs beside the DELETE is fixed, not by the row: a commit in the store and some
  durable ones in Kept's own database for each place, and the ledger settled once at the end.
- **A copy.** Each record is read once and leaves as JSON, CSV and the page at the same time; each file is deflated, hashed and
  sealed by a thread of its own. Work is done by columns of a thousand records: what kind of values a column holds, and whether one
  of them is a formula, needs quotes or looks like a secret, is asked once for all of them.
- **What a copy waits for** besides the server: seven commits of Kept's own database and one flush of the sealed file. The intents
  of all places are one transaction before the first record, the outcomes one after the last.
- **Python's collector of cycles** made every fourth copy slower by half and more. It goes through the whole process once a
  quarter more has outlived it, and row objects of SQLAlchemy, iterators and views of a batch did. A copy takes the driver's own
  tuples now, which it does not follow: a quarter as many rounds, and a whole one seldom.
- **The letter** in PDF is made by a process that is warm already; it is told apart, since it costs
  the same for a copy of any size.
- **Memory** is that of a few batches, whatever the size of the copy.
"""
_LEDGER: Final = """## Where the time goes: the ledger

- **Where rows lie** was more than all hashing. Ids of entries were random, so that each insert and each look-up of a verification
  went to another page of four indexes: of 200,000 entries on SQLite, reading alone took 2.2 s of processor time, and takes 0.6 s
  since ids begin with the time. Entries that were recorded before keep their ids and are read as before.
- **Verification** takes the driver's own tuples and hashes what the columns say by one format string, which is the canonical form
  for everything that the tables' checks let in; the tree grows level by level in pieces of 8,192 leaves. Of what is left, half is
  SQLite, a quarter the commitments and leaves (three SHA-256 an entry), and the rest the tree. It uses one core. The figures above
  were taken while a test suite ran on the same two cores, and tell the time by the clock: by processor time it was 78,000 to
  135,000 entries a second over seven runs, 90,000 in the middle. A figure from an idle machine is still to be had; the stretch is
  not in reach of one core.
- **Appends** cost a commitment, a salt, a canonical entry, and the same statements as without: most of the difference is hashing
  and JSON in Python.
- **Two million entries** (a file of 1.5 GB, 200 checkpoints), on a machine of two cores that other work kept busy: verified in
  24.5 s of processor time (81,600 a second; 50 s by the clock), exported in 28 s (71 s; 663 MB), and the export checked by
  `verify_kept.py` in a bare Python in 22 s (60 s). Memory as it was during the run, not only at its most: 93 MB after a tenth of
  the way and 95 MB at the end, 95 MB while exporting, and 26 MB all along for the standalone program.
"""


def write_paper(path: Path, kept: Mapping[str, Any]) -> None:
    """`kept`: bench/results.json."""
    parts = [_HEAD.format(names=_NAMES)]
    parts += [_comparison(name, one) for name, rows in kept["comparisons"].items() for one in rows]
    if {"postgresql", "mariadb", "sqlite"} & set(kept["comparisons"]):
        parts.append(_SWEEPS)
    if {"files", "redis", "s3"} & set(kept["comparisons"]):
        parts.append(_STORES)
    if {"erasure", "packages"} & set(kept["comparisons"]):
        parts.append(_REQUESTS)
    if "ledger" in kept["comparisons"]:
        parts.append(_LEDGER)
    timed = [one for rows in kept["results"].values() for one in rows]
    if timed:
        parts.append(_timed(timed))
    path.write_text("\n".join(parts), encoding="utf-8")


def _comparison(name: str, one: Mapping[str, Any]) -> str:
    figures: list[str] = list(dict.fromkeys(figure for row in one["figures"].values() for figure in row))
    lines = [
        f"## {one['bench']}: {one['what']}",
        "",
        f"`python -m bench {name} --rows {one['rows']} --pairs {one['pairs']}`",
        "",
    ]
    lines += [f"| way | {' | '.join(figures)} |", f"|---|{'---:|' * len(figures)}"]
    for way, row in one["figures"].items():
        lines.append(f"| {way} | {' | '.join(_spread(row.get(figure)) for figure in figures)} |")
    return "\n".join([*lines, "", *_goals(one), ""])


def _goals(one: Mapping[str, Any]) -> Iterator[str]:
    for goal in one["goals"]:
        reached = one["figures"][goal["way"]][goal["figure"]]["median"]
        wanted = f"floor {goal['floor']:g}" + (f", stretch {goal['stretch']:g}" if goal["stretch"] is not None else "")
        yield f"- {goal['way']}, {goal['figure']}: {reached:.2f} ({wanted}): **{goal['verdict']}**"


def _spread(spread: Mapping[str, float] | None) -> str:
    if spread is None:
        return ""
    digits = 0 if spread["median"] >= 100 else 2
    return f"{spread['median']:.{digits}f} ({spread['least']:.{digits}f}–{spread['most']:.{digits}f})"


def _timed(rows: list[Mapping[str, Any]]) -> str:
    lines = ["## Other", "", "| what | Kept against the raw way | reaches |", "|---|---:|---|"]
    for row in rows:
        ratio = f"{row['ratio']:.1f} ×" if row["ratio"] else ""
        lines.append(
            f"| {row['bench']}: {row['what']} | {ratio} the time of {row['timings'][0]['way']} | {row['verdict']} |"
        )
    return "\n".join([*lines, ""])
