"""Certificates of what was deleted: each place with its count and its read-back, and the ledger entries that show it, as JSON and on paper."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import canonical
from core.catalogue import catalogue, mark
from core.clock import day_in, iso_utc
from core.errors import NotFound, Unreachable
from core.ids import new_id
from core.outbox import Event, post
from core.words import full_day, long_day
from dsr.answer_tables import CertificateRow
from dsr.desk import SYSTEM, Desk, find_ticket
from dsr.outcome_lines import say_plainly, title_of
from dsr.states import DONE, State
from dsr.tables import TicketRow
from ledger.proof_files import proof_archive
from ledger.reading import EntryProof
from plans.plan import StepDeed
from plans.standing import PlanView, StepResult
from plans.tables import StepRow
from policies.clauses import Right
from policies.documents import Document

MAKE: Final = "request.certificate"
FORMAT: Final = "kept/certificate-of-deletion/1"
FORMS: Final[Mapping[str, str]] = {"json": "application/json", "pdf": "application/pdf", "zip": "application/zip"}
_SAID: Final = (
    mark("gone"),
    mark("done by hand, as we were told"),
    mark("%(number)s left, for the reason below"),
    mark("nothing there that can go"),
)


@dataclass(frozen=True, kw_only=True)
class CertificateView:
    """A certificate that is there. `sha256`: of its JSON, as the ledger holds it."""

    id: str
    made_at: datetime
    sha256: str


@dataclass(frozen=True, kw_only=True)
class CertificateFile:
    """One form of a certificate on its way out."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class _Basis:
    """What a certificate is made of."""

    ticket: TicketRow
    document: Document
    words: Document
    views: tuple[PlanView, ...]
    ends: Mapping[str, datetime | None]
    entries: Mapping[str, tuple[str | None, str | None]]
    openings: Mapping[str, tuple[bytes, str]]


class Certificates:
    """Makes the certificate of an answered deletion, once, and hands it out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def schedule(self, session: Session, ticket: TicketRow) -> None:
        """Inside the caller's transaction, which answers the request: have the certificate made soon after."""
        post(session, MAKE, {"ref": ticket.ref}, now=self._desk.clock.now())

    def handle_make(self, event: Event) -> None:
        """The outbox's handler for the kind `request.certificate`; it is tried again until the entries are proven."""
        self.make(str(event.payload["ref"]))

    def make(self, ref: str) -> str:
        """Make the certificate; gives its id, that of the one there is where it was made before.

        Raises NotFound where nothing was deleted, Unreachable while entries wait for a checkpoint."""
        desk = self._desk
        with desk.database.read() as session:
            ticket = find_ticket(session, ref)
            if known := _row(session, ticket):
                return known.id
            basis = self._basis(session, ticket)
        proofs = self._prove(basis)
        body = _body(basis, proofs, origin=desk.ledger.key.name, key=str(desk.ledger.key), now=desk.clock.now())
        made = canonical(body)
        fingerprint = hashlib.sha256(made).hexdigest()
        # No transaction is open while the paper is made.
        paper = desk.render_pdf(desk.renderer.text("documents/certificate.html", **_paper(basis, body, fingerprint)))
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if known := _row(session, ticket):
                return known.id
            row = CertificateRow(
                id=body["certificate"],
                ticket_id=ticket.id,
                made_at=desk.clock.now(),
                sha256=fingerprint,
                body=made,
                paper=paper,
            )
            session.add(row)
            desk.note_event(session, ticket, "certified", by=SYSTEM)
            private = {"certificate": row.id, "sha256": fingerprint}
            desk.record(session, ticket, "request.certified", by=SYSTEM, private=private)
            return row.id

    def hand_out(self, session: Session, ticket: TicketRow, form: str) -> CertificateFile:
        """One form of a ticket's certificate. Raises NotFound where there is none."""
        row = _row(session, ticket)
        if row is None or form not in FORMS:
            raise NotFound(
                "There is no certificate of this request.", remedy="It is made within minutes of a deletion."
            )
        if form == "zip":
            content = proof_archive(json.loads(row.body)["ledger"]["entries"], {"certificate.json": row.body})
            return CertificateFile(name=f"{ticket.ref}-proofs.zip", media_type=FORMS[form], content=content)
        content = row.body if form == "json" else row.paper
        return CertificateFile(name=f"{ticket.ref}-certificate.{form}", media_type=FORMS[form], content=content)

    def _basis(self, session: Session, ticket: TicketRow) -> _Basis:
        if Right(ticket.right) is not Right.DELETION or State(ticket.state) not in DONE:
            raise NotFound(f"Nothing was deleted for request {ticket.ref}.", remedy="Look at what it came to.")
        names: list[str] = [*ticket.outcome.get("plans", []), *([ticket.plan_id] if ticket.plan_id else [])]
        views = tuple(self._desk.plans.load(name) for name in dict.fromkeys(names))
        steps = session.execute(sa.select(StepRow).where(StepRow.plan_id.in_(names))).scalars().all()
        return _Basis(
            ticket=ticket,
            document=self._desk.document(session, ticket),
            words=self._desk.words_of(session, ticket),
            views=views,
            ends={row.id: row.ended_at for row in steps},
            entries={row.id: (row.intent, row.outcome) for row in steps},
            # Counts only: with them anyone can check that the outcome's entry commits to what is said here.
            openings=self._desk.ledger.openings(session, [row.outcome for row in steps if row.outcome]),
        )

    def _prove(self, basis: _Basis) -> dict[str, EntryProof]:
        """The proofs of every entry about the request. Raises Unreachable while one of a step waits."""
        ledger = self._desk.ledger
        ledger.settle()
        proofs = {one.entry_id: one for one in ledger.proofs(f"ticket:{basis.ticket.ref}")}
        wanted = {entry for pair in basis.entries.values() for entry in pair if entry}
        if not wanted <= set(proofs):
            raise Unreachable(
                f"Entries about request {basis.ticket.ref} are under no checkpoint yet.",
                remedy="The certificate is made once they are.",
            )
        return proofs


def view_certificate(session: Session, ticket: TicketRow) -> CertificateView | None:
    """The ticket's certificate, once it is made."""
    row = _row(session, ticket)
    return CertificateView(id=row.id, made_at=row.made_at, sha256=row.sha256) if row else None


def _row(session: Session, ticket: TicketRow) -> CertificateRow | None:
    wanted = sa.select(CertificateRow).where(CertificateRow.ticket_id == ticket.id)
    return session.execute(wanted).scalar_one_or_none()


def _body(basis: _Basis, proofs: Mapping[str, EntryProof], *, origin: str, key: str, now: datetime) -> dict[str, Any]:
    ticket, controller = basis.ticket, basis.document.controller
    zone = controller.timezone
    return {
        "format": FORMAT,
        "certificate": new_id("crt"),
        "made_at": iso_utc(now),
        "request": ticket.ref,
        "received_on": day_in(ticket.received_at, zone).isoformat(),
        "answered_at": iso_utc(ticket.closed_at) if ticket.closed_at else None,
        "controller": {"name": controller.name, "email": controller.email},
        "policy_version": ticket.version,
        "language": ticket.language,
        "plans": [
            {
                "id": view.plan.id,
                "digest": view.plan.digest,
                "approved_at": iso_utc(view.approved_at) if view.approved_at else None,
            }
            for view in basis.views
        ],
        "steps": [line for view in basis.views for line in _steps(view, basis)],
        "stays": [dict(one) for one in ticket.outcome.get("kept", [])],
        "ledger": {
            "origin": origin,
            "key": key,
            "entries": [
                {"id": one.entry_id, "position": one.position, "entry": one.entry, "proof": one.text}
                | _opening(basis.openings.get(one.entry_id))
                for one in sorted(proofs.values(), key=lambda one: one.position)
            ],
        },
    }


def _opening(found: tuple[bytes, str] | None) -> dict[str, str]:
    return {"salt": found[0].hex(), "private": found[1]} if found else {}


def _steps(view: PlanView, basis: _Basis) -> Iterator[dict[str, Any]]:
    """Each place of a plan that was worked on; what a later plan took over is told there."""
    for result in view.steps:
        step, ended = view.plan.step(result.step_id), basis.ends.get(result.step_id)
        intent, outcome = basis.entries.get(result.step_id, (None, None))
        if outcome is None:
            continue
        yield {
            "step": step.id,
            "collection": step.collection,
            "store": step.store,
            "deed": step.deed.value,
            "clause": step.clause,
            "state": result.state.value,
            "records": result.rows,
            "batches_settled_by_read_back": result.settled,
            "read_back": {"at": iso_utc(ended) if ended else None, "remaining": result.remaining},
            "entries": {"intent": intent, "outcome": outcome},
        }


def _paper(basis: _Basis, body: Mapping[str, Any], fingerprint: str) -> dict[str, Any]:
    """What templates/documents/certificate.html takes, in the person's language."""
    ticket, controller = basis.ticket, basis.words.controller
    language, zone = ticket.language, ZoneInfo(controller.timezone)
    said, closed = catalogue(language), ticket.closed_at or ticket.received_at
    places = {entry["id"]: entry["position"] + 1 for entry in body["ledger"]["entries"]}
    rows = [_row_on_paper(view, result, basis, places) for view in basis.views for result in view.steps]
    number = body["ledger"]["entries"][-1]["position"] + 1 if places else 0
    return {
        "controller": {"name": controller.name, "email": controller.email}
        | ({"address": controller.address} if controller.address else {}),
        "ref": ticket.ref,
        "date": long_day(day_in(closed, controller.timezone), language),
        "received": long_day(day_in(ticket.received_at, controller.timezone), language),
        "title": said.gettext(mark("Certificate of deletion")),
        "certificate": body["certificate"],
        "places": [row for row in rows if row],
        "total": sum(step["records"] for step in body["steps"]),
        "kept_back": ticket.outcome.get("kept", []),
        "asked": ticket.outcome.get("asked", []),
        "policy_version": ticket.version,
        "fingerprint": fingerprint,
        "origin": body["ledger"]["origin"],
        "last_entry": number,
        "zone": str(zone),
        "language": language,
    }


def _row_on_paper(
    view: PlanView, result: StepResult, basis: _Basis, places: Mapping[str, int]
) -> dict[str, Any] | None:
    step, ended = view.plan.step(result.step_id), basis.ends.get(result.step_id)
    _, outcome = basis.entries.get(result.step_id, (None, None))
    if outcome is None or ended is None:
        return None
    language, zone = basis.ticket.language, ZoneInfo(basis.document.controller.timezone)
    there, said = ended.astimezone(zone), catalogue(language)
    gone, by_hand, left, nothing = (said.gettext(one) for one in _SAID)
    found = left % {"number": result.remaining} if result.remaining else gone
    if step.deed is StepDeed.ASK:
        found = by_hand
    elif not result.rows and not result.remaining:
        found = nothing
    return {
        "title": title_of(step.collection),
        "store": step.store,
        "rows": result.rows,
        "found": found,
        "note": say_plainly(result.note, language) if result.remaining and result.note else "",
        "at": f"{full_day(there.date(), language)}, {there:%H:%M}",
        "entry": places.get(outcome, 0),
    }
