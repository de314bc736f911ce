"""The table `kept_receipts` in a SQL store: what a batch did, committed together with the batch."""

from collections.abc import Callable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from core.clock import iso_utc
from stores.contract import Receipt, StoreBusy
from stores.sql_tables import RECEIPTS_TABLE

_STEP = mysql.VARCHAR(190, charset="ascii", collation="ascii_bin")  # MariaDB has no key of unlimited text


class SqlReceipts:
    """Reads and writes receipts inside the transaction it is given. `schema` None: the default one."""

    def __init__(self, schema: str | None) -> None:
        self._table = sa.Table(
            RECEIPTS_TABLE,
            sa.MetaData(),
            sa.Column("step", sa.Text().with_variant(_STEP, "mariadb"), primary_key=True),
            sa.Column("batch", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("rows", sa.BigInteger, nullable=False),
            sa.Column("at", sa.Text, nullable=False),  # ISO UTC text, the same in every store
            schema=schema,
            mariadb_engine="InnoDB",
        )

    def exist(self, connection: sa.Connection) -> bool:
        return sa.inspect(connection).has_table(self._table.name, schema=self._table.schema)

    def create(self, connection: sa.Connection) -> None:
        self._table.create(connection, checkfirst=True)

    def find(self, connection: sa.Connection, receipt: Receipt) -> int | None:
        found: int | None = connection.scalar(sa.select(self._table.c.rows).where(*self._is(receipt)))
        return found

    def write(self, connection: sa.Connection, receipt: Receipt, rows: int, at: datetime) -> None:
        """Raises StoreBusy where another process did the same batch at the same time: this transaction then goes back."""
        try:
            connection.execute(
                self._table.insert().values(step=receipt.step, batch=receipt.batch, rows=rows, at=iso_utc(at))
            )
        except sa.exc.IntegrityError as error:
            raise StoreBusy(
                f"Batch {receipt.batch} of {receipt.step} was done by another process at the same time.",
                remedy="Nothing is lost: its receipt says what it did.",
            ) from error

    def write_stubs(self, connection: sa.Connection, receipt: Receipt, stubs: int, at: datetime) -> None:
        """How many of a batch's records were only emptied stands under the batch's number below zero."""
        if stubs:
            self.write(connection, Receipt(step=receipt.step, batch=-receipt.batch), stubs, at)

    def stubs(self, connection: sa.Connection, step: str) -> int:
        """All that the batches of a step only emptied."""
        found = sa.select(sa.func.sum(self._table.c.rows))
        return int(connection.scalar(found.where(self._table.c.step == step, self._table.c.batch < 0)) or 0)

    def drop(self, connection: sa.Connection, steps: Sequence[str]) -> None:
        connection.execute(self._table.delete().where(self._table.c.step.in_(steps)))

    def _is(self, receipt: Receipt) -> tuple[sa.ColumnElement[bool], ...]:
        return self._table.c.step == receipt.step, self._table.c.batch == receipt.batch


class Slip:
    """The receipt of one batch; it is blank, and does nothing, where none is asked for or the store keeps none."""

    def __init__(
        self,
        receipts: SqlReceipts,
        receipt: Receipt | None,
        keeps: Callable[[sa.Connection], bool],
        now: Callable[[], datetime],
    ) -> None:
        self._receipts = receipts
        self._receipt = receipt
        self._keeps = keeps
        self._now = now

    @property
    def words(self) -> str:
        """What tells this batch from every other one; '' for a blank slip."""
        return f"{self._receipt.step}/{self._receipt.batch}" if self._receipt else ""

    def found(self, connection: sa.Connection) -> int | None:
        """The count that was committed with the batch."""
        if self._receipt is None or not self._keeps(connection):
            return None
        return self._receipts.find(connection, self._receipt)

    def write(self, connection: sa.Connection, rows: int, *, stubs: int = 0) -> bool:
        """False where no receipt is kept. `stubs`: so many of the rows were only emptied."""
        if self._receipt is None or not self._keeps(connection):
            return False
        self._receipts.write(connection, self._receipt, rows, self._now())
        self._receipts.write_stubs(connection, self._receipt, stubs, self._now())
        return True
