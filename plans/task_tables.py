"""The tables of work for people: one task for each step that somebody is asked to do, what happened to it, its evidence."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, PersonalText
from core.personal import Personal


class TaskRow(Base):
    """One task. `trigger_ref`: what it is for, such as `ticket:K7F3Q-2MXB`. `contact`: the mailbox asked. `mails`: how
    many were queued so far; `mail_at`: when the next one is due, None where none is. `note`: what the answer says."""

    __tablename__ = "plan_tasks"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    step_id: Mapped[str] = mapped_column(sa.String(40), unique=True)
    plan_id: Mapped[str] = mapped_column(sa.ForeignKey("plans.id"), index=True)
    trigger_ref: Mapped[str] = mapped_column(sa.String(200), index=True)
    store: Mapped[str] = mapped_column(sa.String(120))
    collection: Mapped[str] = mapped_column(sa.String(120))
    asked_for: Mapped[str] = mapped_column(sa.String(20))
    contact: Mapped[Personal] = mapped_column(PersonalText(254))
    state: Mapped[str] = mapped_column(sa.String(20), index=True)
    asked_at: Mapped[datetime]
    due_at: Mapped[datetime]
    remind_seconds: Mapped[int] = mapped_column(sa.BigInteger)
    mails: Mapped[int] = mapped_column(default=0)
    mailed_at: Mapped[datetime | None]
    mail_at: Mapped[datetime | None] = mapped_column(index=True)
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None] = mapped_column(sa.String(80))
    note: Mapped[str] = mapped_column(sa.Text, default="")


class TaskEventRow(Base):
    """One thing that happened to a task: who, when, why. `before` and `after` are states."""

    __tablename__ = "plan_task_events"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    task_id: Mapped[str] = mapped_column(sa.ForeignKey("plan_tasks.id"), index=True)
    position: Mapped[int]
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(sa.String(30))
    before: Mapped[str] = mapped_column(sa.String(20))
    after: Mapped[str] = mapped_column(sa.String(20))
    by: Mapped[str] = mapped_column(sa.String(80))
    why: Mapped[str] = mapped_column(sa.Text, default="")
    __table_args__ = (sa.UniqueConstraint("task_id", "position"),)


class EvidenceRow(Base):
    """One file of evidence: its bytes stand here, so that they are kept, backed up and thrown away with the task."""

    __tablename__ = "plan_task_files"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    task_id: Mapped[str] = mapped_column(sa.ForeignKey("plan_tasks.id"), index=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    size: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    content: Mapped[bytes] = mapped_column(sa.LargeBinary, deferred=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(80))
