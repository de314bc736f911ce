"""Requests as the other rooms use them: one class over intake, planning, answering, packages and the person's page."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial

from core.errors import BadInput
from core.outbox import Event
from core.settings_handoff import HandoffSettings
from dsr.answer_drafts import AnswerDrafts
from dsr.answering import Answering
from dsr.appeals import Appeals
from dsr.arrivals import Arrivals
from dsr.asker_pages import AskerPages
from dsr.asker_panel import AskerPanel, read_panel
from dsr.askers import THEMSELVES, Askers, SaidAsker
from dsr.bounced import Bounced
from dsr.by_hand import ByHand
from dsr.by_post import ByPost
from dsr.certificates import CertificateFile, Certificates
from dsr.choices import NOTHING_SAID, SaidChoice
from dsr.clock_acts import Clocks, note_answer
from dsr.closed_accounts import ClosedAccounts, OnClosed
from dsr.conversations import Conversations
from dsr.corrections import Corrections
from dsr.desk import Desk, find_ticket
from dsr.erasure_replay import Replays
from dsr.erasures import Erasures
from dsr.figures import forget_tests
from dsr.finding import Finding
from dsr.forwarding import Forwarding
from dsr.handoff import HandOffs
from dsr.intake import ConfirmView, Intake, OfferedRight
from dsr.listing import TicketLine, Wanted, Which, count_lines, count_overdue, count_states, list_lines
from dsr.messages import Messages
from dsr.other_rights import OtherRights
from dsr.package import Download, Packages
from dsr.parts import Parts
from dsr.person_page import PersonPages, PersonView
from dsr.planning import Planning
from dsr.proof import ProofDesk
from dsr.proof_addresses import Addresses
from dsr.proof_changes import Changes
from dsr.redactions import Redactions
from dsr.reminders import Reminders
from dsr.request_figures import Figures
from dsr.restrictions import Restrictions
from dsr.self_service import SelfService
from dsr.signals import honour_signal
from dsr.states import ENDS, State
from dsr.telling import Told
from dsr.views import TicketView, read_view
from plans.execute import Progress
from plans.reading import Reading
from policies.clauses import Right

LONGEST_NOTE = 20_000


class Requests:
    """All that can be done with requests. Each method is a use case with its own transactions.

    Ledger entries that a method wrote are under a checkpoint once `Ledger.settle` has run: commands call it before they
    return, the server within a second. The outbox handlers are `handle_run` (kind `request.run`) and the mailer's.
    """

    def __init__(
        self,
        desk: Desk,
        reading: Reading,
        *,
        handoff: HandoffSettings | None = None,
        on_account_closed: Sequence[OnClosed] = (),
    ) -> None:
        packages = Packages(desk, reading)
        self._desk = desk
        self._intake = Intake(desk)
        self._planning = Planning(desk)
        self._answering = Answering(desk, packages)
        self._packages = packages
        self._pages = PersonPages(desk, packages)
        self.conversations = Conversations(desk)
        self.parts = Parts(desk, lambda ref, by: self._planning.make_plan(ref, by=by))
        self.proof = ProofDesk(desk, self._pages)
        self.addresses = Addresses(desk, self._pages)
        self.changes = Changes(desk)
        self.corrections = Corrections(desk, self._pages, lambda ref, by: self._planning.make_plan(ref, by=by))
        self.finding = Finding(desk, lambda ref, by: self._planning.make_plan(ref, by=by))
        self.messages = Messages(desk, self._pages, on_person_message=[partial(note_answer, desk)])
        self.answers = AnswerDrafts(desk)
        self.clocks = Clocks(desk, self.messages, self.answers)
        self.reminders = Reminders(desk)
        self.redactions = Redactions(desk)
        self.told = Told(desk)
        self.restrictions = Restrictions(desk, self.told)
        self.rights = OtherRights(desk, self.restrictions, self.conversations)
        self.appeals = Appeals(desk, self._pages)
        self.erasures = Erasures(desk)
        self.figures = Figures(desk.database)
        self.replays = Replays(desk, self.erasures)
        self.askers = Askers(desk)
        self.forwarding = Forwarding(desk)
        self.asker_pages = AskerPages(desk, self.askers, self._pages)
        self._certificates = Certificates(desk)
        self.by_hand = ByHand(desk)
        self.bounced = Bounced(desk)
        self.by_post = ByPost(desk, packages)
        self.handoffs = HandOffs(desk, handoff)
        self.self_service = SelfService(desk, self._planning)
        self.arrivals = Arrivals(desk, self.handoffs, self.self_service)
        self.closed_accounts = ClosedAccounts(desk, on_closed=on_account_closed, on_gone=[self.erasures.note_all])

    # -- the public form

    def offered_rights(self) -> tuple[OfferedRight, ...]:
        """What the form offers; empty without a policy in force."""
        return self._intake.offered_rights()

    def submit_form(
        self,
        *,
        email: str,
        right: str,
        country: str = "",
        subdivision: str = "",
        details: str = "",
        source: str,
        language: str = "en",
        asker: SaidAsker = THEMSELVES,
        chosen: SaidChoice = NOTHING_SAID,
    ) -> bool:
        """Take the form; gives whether a link has to be pressed now; the answer is the same whoever's address it is. Raises FormRefused with what to put right."""
        return self._intake.submit_form(
            email=email,
            right=right,
            country=country,
            subdivision=subdivision,
            details=details,
            source=source,
            language=language,
            asker=asker,
            chosen=chosen,
        )

    def look_at_confirm(self, token: str) -> ConfirmView:
        """What the link's page shows; changes nothing. Raises NotFound."""
        return self._intake.look_at_confirm(token)

    def confirm(self, token: str, *, source: str = "") -> str:
        """Press the link's button; gives the reference. Raises NotFound, TooMuch."""
        return self._intake.confirm(token, source=source)

    # -- the person's page

    def ask_code(self, ref: str, *, source: str) -> None:
        """Send a code to the proven address; the answer is the same for an unknown reference."""
        self._pages.ask_code(ref, source=source)

    def open_page(self, ref: str, code: str) -> str:
        """A grant for a right code, for the browser's session. Raises WrongCode."""
        return self._pages.open(ref, code)

    def page_certificate(self, ref: str, grant: str, form: str) -> CertificateFile:
        """The certificate of a deletion, for whoever has its page open. Raises NotFound."""
        with self._desk.database.read() as session:
            return self._certificates.hand_out(session, self._pages.require_grant(session, ref, grant), form)

    def certificate(self, ref: str, form: str) -> CertificateFile:
        """The same, for operators."""
        with self._desk.database.read() as session:
            return self._certificates.hand_out(session, find_ticket(session, ref), form)

    def handle_certificate(self, event: Event) -> None:
        """The outbox's handler for the kind `request.certificate`."""
        self._certificates.handle_make(event)

    def page(self, ref: str, grant: str) -> PersonView:
        """The person's page. Raises NotFound."""
        return self._pages.view(ref, grant)

    def honour_signal(self, ref: str, grant: str) -> bool:
        """The page is open in a browser that sends the opt-out signal: kept for its person; False where it was."""
        return honour_signal(self._desk, self._pages, ref, grant)

    def withdraw_page(self, ref: str, grant: str) -> None:
        """The person ends their request. Raises Conflict once the work has begun."""
        self._pages.withdraw(ref, grant)

    def download(self, ref: str, grant: str, code: str) -> Download:
        """The package after a fresh code. Raises WrongCode, NotFound."""
        return self._pages.download(ref, grant, code)

    def take_up_download(self, ref: str, token: str) -> Download:
        """A download that was begun, for the browser that holds its token. Raises NotFound."""
        return self._pages.take_up_download(ref, token)

    # -- the operators

    def list_tickets(
        self,
        *,
        state: State | None = None,
        right: Right | None = None,
        search: str = "",
        is_open: bool = True,
        due_before: date | None = None,
        limit: int = 200,
    ) -> list[TicketLine]:
        """Tickets by what is due next; open ones unless a state is given or `is_open` is False."""
        which = Which.OPEN if is_open else Which.ALL
        wanted = Wanted(which=which, state=state, right=right, search=search, due_before=due_before)
        return self.find_tickets(wanted, limit=limit)

    def find_tickets(self, wanted: Wanted, *, limit: int = 200, offset: int = 0) -> list[TicketLine]:
        """One page of a list of tickets."""
        with self._desk.database.read() as session:
            return list_lines(session, wanted, limit=limit, offset=offset)

    def count_tickets(self, wanted: Wanted) -> int:
        """How many tickets a list has in all."""
        with self._desk.database.read() as session:
            return count_lines(session, wanted)

    def count_states(self) -> dict[State, int]:
        """How many tickets are in each state."""
        with self._desk.database.read() as session:
            return count_states(session)

    def count_overdue(self, today: date) -> int:
        """How many open tickets were due before this day."""
        with self._desk.database.read() as session:
            return count_overdue(session, today)

    def asker_panel(self, ref: str) -> AskerPanel:
        """Who asks for whom on a ticket, and whom it could be passed on to. Raises NotFound."""
        return read_panel(self._desk, ref)

    def view(self, ref: str) -> TicketView:
        """Everything about a ticket. Raises NotFound."""
        return read_view(self._desk, ref)

    def open_by_hand(
        self,
        *,
        email: str,
        right: str,
        received_at: datetime,
        channel: str,
        by: str,
        note: str = "",
        country: str = "",
        subdivision: str = "",
        is_test: bool = False,
    ) -> str:
        """Open a ticket for a request that came another way; gives its reference. The address gets a link to prove it. For
        several rights at once, and for who has no address of mail, see `by_hand`."""
        opened = self.by_hand.open(
            email=email,
            rights=[right],
            received_at=received_at,
            channel=channel,
            by=by,
            note=note,
            country=country,
            subdivision=subdivision,
            is_test=is_test,
        )
        return opened[0]

    def ask_again(self, ref: str, *, by: str) -> None:
        """Send the link that proves the address once more."""
        self.by_hand.ask_again(ref, by=by)

    def add_note(self, ref: str, *, by: str, text: str) -> None:
        """Write a note that only operators see."""
        words = text.strip()
        if not words or len(words) > LONGEST_NOTE:
            remedy = "Write it in fewer words." if words else "Write something."
            raise BadInput(f"A note has 1 to {LONGEST_NOTE} characters.", remedy=remedy)
        with self._desk.database.begin() as session:
            self._desk.write(session, find_ticket(session, ref), direction="note", author=by, body=words)

    def set_regime(self, ref: str, *, regime: str, by: str) -> None:
        """Say under which law a request is; the due date is reckoned again."""
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            offered = self._desk.document(session, ticket).regimes
            if regime not in offered or State(ticket.state) in ENDS:
                raise BadInput(
                    f"Request {ticket.ref} cannot be put under '{regime}'.",
                    remedy=f"While it is open, use one of: {', '.join(offered)}.",
                )
            before, ticket.regime = ticket.regime or "unknown", regime
            self._desk.note_event(session, ticket, "regime", by=by, why=f"{before} to {regime}")
            self._desk.record(session, ticket, "request.regime", by=by, private={"from": before, "to": regime})

    def make_plan(self, ref: str, *, by: str) -> str:
        """Find the person by the proven address, build the plan, ask the stores; gives the plan's id."""
        return self._planning.make_plan(ref, by=by)

    def approve(self, ref: str, *, by: str, seal: str | None = None, reason: str = "") -> None:
        """Approve exactly what `PlanPanel.seal` names, and schedule the work."""
        self._planning.approve(ref, by=by, seal=seal, reason=reason)

    def schedule_run(self, ref: str, *, by: str) -> None:
        """Try again now what is left of an approved request. Raises Conflict where nothing is."""
        self._planning.schedule_run(ref, by=by)

    def run(self, ref: str, *, by: str = "system", on_progress: Progress | None = None) -> State:
        """Carry out an approved request and answer it. Raises NotDone, WaitsForPerson, Conflict."""
        return self._answering.run(ref, by=by, on_progress=on_progress)

    def handle_run(self, event: Event) -> None:
        """The outbox's handler for the kind `request.run`."""
        self._answering.handle_run(event)

    def refuse(self, ref: str, *, by: str, ground: str, reason: str) -> None:
        """Refuse with a ground of the regime and a reason for the person."""
        self._answering.refuse(ref, by=by, ground=ground, reason=reason)

    def answer_by_hand(self, ref: str, *, by: str, words: str) -> None:
        """Tell the person what was done for a right that no plan carries out. Raises BadInput, Conflict."""
        self._answering.answer_by_hand(ref, by=by, words=words)

    def answer_nothing_found(self, ref: str, *, by: str, looked_by_hand: str = "") -> None:
        """Answer that nothing is held, after a plan that found nothing."""
        self._answering.answer_nothing_found(ref, by=by, looked_by_hand=looked_by_hand)

    def withdraw(self, ref: str, *, by: str, why: str) -> None:
        """End a request that the person took back in another way. Raises Conflict once the work has begun."""
        with self._desk.database.begin() as session:
            self._desk.move(session, find_ticket(session, ref, lock=True), State.WITHDRAWN, by=by, why=why)

    # -- the clock's work

    def tidy(self) -> None:
        """Forget unconfirmed forms, codes, grants, counters and packages that are over their time."""
        self._intake.expire()
        self._pages.expire()
        self.proof.expire()
        self.handoffs.expire()
        self._packages.expire()
        with self._desk.database.begin() as session:
            forget_tests(session)
