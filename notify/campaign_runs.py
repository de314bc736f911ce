"""Runs campaigns: passes over the audience, sends at the configured rate, and says when everyone was told.

Bounded slices under one lease, so that one process sends at a time; killed anywhere, the next slice goes on. Each pass
puts in who is not there yet: the first is what the version waits for, later ones pick up people who joined meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.errors import Conflict, KeptError, NotFound
from core.ids import new_id
from core.outbox import Event
from core.personal import Personal
from notify.audience import Audience, NoAudience, Person
from notify.campaign_mails import Letter, Letters
from notify.campaign_rows import Claimed, People, digest_rows
from notify.campaign_sending import LIVE, SYSTEM, Held, Pace, Refusals, Sender
from notify.campaign_tables import CampaignPersonRow, CampaignRow, CampaignState, PersonState, Stage
from notify.campaign_views import TO_TELL, CampaignView, count_states, read_ways, someone_waits
from notify.campaigns import Campaigns, own_address
from notify.declining import Declining
from notify.mail_rates import DomainRates
from notify.transport import Envelope, Transport
from policies.clauses import NoticeChannel
from policies.documents import Document
from policies.versions import Policies

log = structlog.get_logger()
LEASE: Final = "campaigns"
PEOPLE_AT_ONCE: Final = 500
SLICE_SECONDS: Final = 5.0
JOINERS_EVERY: Final = timedelta(hours=1)
LAST_LOOK: Final = timedelta(minutes=10)
FIRST_RETRY: Final = timedelta(seconds=30)
LAST_RETRY: Final = timedelta(hours=1)
PATIENCE_SECONDS: Final = 15.0

Hold = Callable[[str], AbstractContextManager[Held]]
OnProgress = Callable[[str, int, int], None]


def _quiet(_what: str, _done: int, _expected: int) -> None:
    """Nobody looks on."""


@dataclass(kw_only=True)
class _Work:
    """One campaign under the lease, until `until` (monotonic). `in_force_at`: of its version, None while it is to come."""

    id: str
    stage: Stage
    version: int
    people: People
    held: Held
    until: float
    in_force_at: datetime | None
    on_progress: OnProgress

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.until


class CampaignRuns:
    """Does the work of campaigns. `hold` takes a lease by name for a block and raises Conflict while another has it;
    `key` is for hashes of people and addresses. `declining`: asked before a mail that nobody has to get."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        campaigns: Campaigns,
        policies: Policies,
        audience: Audience,
        letters: Letters,
        transport: Transport,
        hold: Hold,
        key: bytes,
        per_minute: int | None,
        declining: Declining | None = None,
        rates: DomainRates | None = None,
    ) -> None:
        self._declining, self._rates = declining, rates
        self._database = database
        self._clock = clock
        self._campaigns = campaigns
        self._policies = policies
        self._audience = audience
        self._letters = letters
        self._transport = transport
        self._hold, self._key = hold, key
        self._pace = Pace(per_minute)
        self._refusals: dict[str, Refusals] = {}
        self._turns = 0

    def run_slice(self, *, seconds: float = SLICE_SECONDS) -> None:
        """What the job does: a bounded piece of whatever is due; nothing while another process is at it."""
        if not (due := self._due()):
            return
        until = time.monotonic() + seconds
        try:
            with self._hold(LEASE) as held:
                # Each slice begins with another one: a long campaign does not keep the others from theirs.
                self._turns += 1
                first = self._turns % len(due)
                for campaign_id in (*due[first:], *due[:first]):
                    if time.monotonic() < until:
                        self._work(campaign_id, held, until, _quiet)
        except Conflict as conflict:
            log.info("campaigns.left_to_another", reason=conflict.message)

    def run(self, number: int, *, stage: Stage = Stage.NOTICE, on_progress: OnProgress = _quiet) -> CampaignView:
        """Tell people until nothing can be done now; gives how it stands. Raises Conflict while another process is at it."""
        with self._database.read() as session:
            campaign_id = self._campaigns.row(session, number, stage).id
        with self._patiently_held() as held:
            while campaign_id in self._due():
                self._work(campaign_id, held, time.monotonic() + SLICE_SECONDS, on_progress)
        with self._database.read() as session:
            return self._campaigns.view(session, number, stage)

    def preview(self, number: int, *, to: str, language: str | None = None, name: str | None = None) -> None:
        """Send the mail of a version to one address. Raises BadInput for none, and what the transport raises."""
        with self._database.read() as session:
            row = self._campaigns.row(session, number)
            letter = self._letters.letter(session, row, language)
        self._send_preview(letter, to, name)

    def preview_draft(self, document: Document, *, to: str) -> None:
        """Send the mail that publishing a document now would send to one address. Raises NotFound where none is in force."""
        with self._database.read() as session:
            current = self._policies.in_force(session)
        if current is None:
            raise NotFound("No version is in force, so nobody is told of the first.", remedy="Publish it.")
        self._send_preview(self._letters.draft(current.in_language(document.language), document), to, None)

    def _send_preview(self, letter: Letter, to: str, name: str | None) -> None:
        envelope = letter.envelope(name=name or new_id("pre"), to=Personal(own_address(to)), person=None)
        with self._transport.session() as out:
            out.send(envelope)
            out.flush()

    def handle_preview(self, event: Event) -> None:
        """The outbox's handler of `campaign.preview`."""
        asked = event.payload
        self.preview(asked["version"], to=asked["to"], language=asked["language"], name=event.id)

    def _due(self) -> list[str]:
        """The campaigns that have something to do now, the oldest first."""
        now = self._clock.now()
        with self._database.read() as session:
            rows = session.scalars(
                sa.select(CampaignRow)
                .where(CampaignRow.ended_at.is_(None), CampaignRow.state != CampaignState.PAUSED.value)
                .order_by(CampaignRow.begun_at)
            ).all()
            due = [row for row in rows if row.again_at is None or row.again_at <= now]
            return [row.id for row in due if row.completed_at is None or self._is_followed(session, row, now)]

    def _is_followed(self, session: Session, row: CampaignRow, now: datetime) -> bool:
        """Whether a campaign that is complete has something to do: a withdrawal, a joiner, or a look for joiners."""
        return (
            row.state == CampaignState.WITHDRAWN or self._pass_is_due(session, row, now) or someone_waits(session, row)
        )

    def _pass_is_due(self, session: Session, row: CampaignRow, now: datetime) -> bool:
        if row.state not in LIVE:
            return False
        if row.passed_at is None or row.place is not None:
            return True
        if row.completed_at is None or row.stage != Stage.NOTICE:
            return False
        version = self._policies.version(session, row.version)
        began = row.passing_since or row.passed_at
        if version.in_force_at is not None:
            return began < version.in_force_at
        is_near = version.planned_for is not None and version.planned_for - now <= LAST_LOOK
        return now - began >= (LAST_LOOK if is_near else JOINERS_EVERY)

    def _work(self, campaign_id: str, held: Held, until: float, on_progress: OnProgress) -> None:
        with self._database.read() as session:
            row = session.get_one(CampaignRow, campaign_id)
            work = _Work(
                id=row.id, stage=Stage(row.stage), version=row.version, people=People(row.id, self._key), held=held,
                until=until, in_force_at=self._policies.version(session, row.version).in_force_at, on_progress=on_progress,
            )  # fmt: skip
        try:
            self._recover(work)
            if row.state == CampaignState.WITHDRAWN:
                self._drop(work)
            else:
                self._tell(work)
        except NoAudience as error:
            self._note_no_audience(work, error)
        except KeptError as error:
            self._note_trouble(work, error)

    def _tell(self, work: _Work) -> None:
        """Nobody is even looked up while no policy names what they would be told for. Raises MailRefused then."""
        with self._database.read() as session:
            self._letters.find_purpose(session, session.get_one(CampaignRow, work.id))
        if self._pass(work):
            self._send(work)
            self._finish(work)

    def _recover(self, work: _Work) -> None:
        with self._database.begin() as session:
            work.held.require(session)
            left = work.people.recover(session, repeatable=self._transport.repeatable, now=self._clock.now())
        if left:
            log.warning("campaign.recovered", campaign=work.id, rows=left, repeatable=self._transport.repeatable)

    def _pass(self, work: _Work) -> bool:
        """Go over the audience where a pass is due; True unless the time was over before its end."""
        with self._database.begin() as session:
            row = self._locked(session, work)
            if not self._pass_is_due(session, row, self._clock.now()):
                return True
            if row.place is None:
                row.passing_since = self._clock.now()
            place, since = row.place, row.passing_since
        closing_pass = work.in_force_at if work.in_force_at and since and since >= work.in_force_at else None
        with self._database.read() as session:
            done = 0 if work.on_progress is _quiet else sum(count_states(session, work.id).values())
        with closing(self._audience.people(place, joined_before=closing_pass)) as people:
            while chunk := list(islice(people, PEOPLE_AT_ONCE)):
                if not self._put_in(work, chunk):
                    return False
                done += len(chunk)
                work.on_progress("accounts read", done, 0)
                if work.is_over:
                    return False
        with self._database.begin() as session:
            row = self._locked(session, work)
            row.place, row.passes, row.passed_at = None, row.passes + 1, self._clock.now()
        return True

    def _put_in(self, work: _Work, chunk: list[Person]) -> bool:
        """Put one batch of the pass in, and how far it came; False when the campaign was stopped meanwhile."""
        now = self._clock.now()
        rows = [work.people.values(person, now) for person in chunk]
        work.held.renew()
        with self._database.begin() as session:
            row = self._locked(session, work)
            if row.state not in LIVE:
                return False
            if work.stage is Stage.WITHDRAWN:
                rows = work.people.told_in(session, self._campaigns.row(session, work.version).id, rows)
            work.people.insert(session, rows)
            row.place = chunk[-1].place
        return True

    def _send(self, work: _Work) -> None:
        with self._database.read() as session:
            row = session.get_one(CampaignRow, work.id)
            if not someone_waits(session, row):
                return
            letters, event = self._letters.of(session, row), self._letters.event(session, row)
            counts = count_states(session, work.id) if work.on_progress is not _quiet else {}  # it takes its time
        total, left = sum(counts.values()), sum(counts.get(state, 0) for state in TO_TELL)

        def make_envelope(one: Claimed) -> Envelope:
            more = self._declining.headers(event, one.email) if self._declining else {}
            letter = letters(one.language)
            return letter.envelope(name=f"{work.id}_{one.person}", to=one.email, person=one.name, headers=more)

        def find_declined(session: Session, claimed: Sequence[Claimed]) -> set[int]:
            return (
                self._declining.declined(session, event, [one.email for one in claimed]) if self._declining else set()
            )

        sender = Sender(
            database=self._database, clock=self._clock, campaigns=self._campaigns, transport=self._transport,
            held=work.held, campaign_id=work.id, people=work.people, pace=self._pace, rates=self._rates,
            refusals=self._refusals.setdefault(work.id, Refusals()), make_envelope=make_envelope, find_declined=find_declined,
            on_progress=lambda: work.on_progress("people told", total - left + sender.handed_over, total),
        )  # fmt: skip
        sender.send(work.until)
        if sender.handed_over:
            self._forget_trouble(work)

    def _finish(self, work: _Work) -> None:
        """Say that it is complete, and when there is nothing left; else when to look again."""
        with self._database.read() as session:
            row = session.get_one(CampaignRow, work.id)
            to_complete = row.state == CampaignState.RUNNING and not someone_waits(session, row)
            counts = count_states(session, work.id) if to_complete else {}
            digest = digest_rows(session, work.id) if to_complete else ""
        with self._database.begin() as session:
            row, now = self._locked(session, work), self._clock.now()
            if row.state not in LIVE:
                return
            if row.deadline and row.completed_at is None:
                work.people.give_up_late(session, row.deadline, now=now)
            if to_complete and row.passed_at and count_states(session, work.id) == counts:
                row.state, row.completed_at, row.problem = CampaignState.COMPLETED.value, now, ""
                figures = {state.value: number for state, number in counts.items()}
                self._campaigns.note(session, "campaign.completed", row, SYSTEM, {**figures, "digest": digest})
            self._look_again(session, row, work, now)

    def _look_again(self, session: Session, row: CampaignRow, work: _Work, now: datetime) -> None:
        next_due = session.scalar(
            sa.select(sa.func.min(CampaignPersonRow.due_at)).where(
                CampaignPersonRow.campaign_id == row.id, CampaignPersonRow.state == PersonState.WAITING.value
            )
        )
        if row.completed_at is None:
            row.again_at = next_due if next_due and next_due > now else None
        elif next_due is None and not self._pass_is_due(session, row, now):
            row.again_at = None
            if row.stage == Stage.WITHDRAWN or work.in_force_at:
                row.ended_at = now

    def _drop(self, work: _Work) -> None:
        """A campaign that was withdrawn keeps nobody's address."""
        while not work.is_over:
            work.held.renew()
            with self._database.begin() as session:
                work.held.require(session)
                if work.people.drop_waiting(session, limit=PEOPLE_AT_ONCE * 10, now=self._clock.now()):
                    continue
                session.get_one(CampaignRow, work.id).ended_at = self._clock.now()
                return

    def _note_no_audience(self, work: _Work, error: NoAudience) -> None:
        """No mail can be sent: another channel may do where the clause lets it, else a person must decide."""
        with self._database.begin() as session:
            row, now = self._locked(session, work), self._clock.now()
            others = [way.value for way in read_ways(row.ways) if way is not NoticeChannel.EMAIL]
            row.problem = str(error)
            if row.completed_at is not None:
                row.ended_at = now
            elif row.any_of and others:
                row.state, row.completed_at, row.ended_at = CampaignState.COMPLETED.value, now, now
                row.problem = (
                    f"{error.message} People are told by {' and '.join(others)} alone, which the clause allows."
                )
                self._campaigns.note(session, "campaign.completed", row, SYSTEM, {"told": 0, "by": others})
            else:
                row.again_at = now + LAST_RETRY

    def _note_trouble(self, work: _Work, error: KeptError) -> None:
        """Wait longer each time; the words are for whoever looks at the campaign. Raises Conflict if the lease was lost."""
        with self._database.begin() as session:
            row = self._locked(session, work)
            row.problem, row.troubles = str(error), row.troubles + 1
            row.again_at = self._clock.now() + min(FIRST_RETRY * 2 ** min(row.troubles - 1, 10), LAST_RETRY)
        log.warning("campaign.trouble", campaign=work.id, trouble=str(error))

    def _forget_trouble(self, work: _Work) -> None:
        with self._database.begin() as session:
            work.held.require(session)
            session.execute(
                sa.update(CampaignRow)
                .where(
                    CampaignRow.id == work.id, CampaignRow.troubles > 0, CampaignRow.state != CampaignState.PAUSED.value
                )
                .values(troubles=0, problem="")
            )

    @staticmethod
    def _locked(session: Session, work: _Work) -> CampaignRow:
        """The campaign's row, for a write under the lease that nobody else changes meanwhile."""
        work.held.require(session)
        return session.get_one(CampaignRow, work.id, with_for_update=True)

    @contextmanager
    def _patiently_held(self) -> Iterator[Held]:
        """The lease, waited for while the server's own job has its slice."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with ExitStack() as stack:
            while True:
                try:
                    held = stack.enter_context(self._hold(LEASE))
                    break
                except Conflict:
                    if time.monotonic() >= deadline:
                        raise
                    time.sleep(0.2)
            yield held
