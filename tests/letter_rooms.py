"""A house of requests with its inbox: mails handed in as bytes, read into letters, and sorted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from core.clock import SystemClock
from core.database import Database
from core.leases import Leases
from core.settings_file import load_settings
from dsr.desk import Desk
from inbox.desk import InboxDesk, LetterLine, View
from inbox.incoming import Reading, TakeBounce, take_no_bounce
from inbox.ours import Ours
from inbox.service import ours_of
from inbox.taking import Taking
from plans.own import STORE, own_map, own_plans
from policies.own import OwnPolicies
from retention.own import OwnSweeps, with_own_sweeps
from stores.sql import SqlStore
from tests.dsr_house import ANNA, SECRET, House, build_house

HERE: Final = "privacy@lanternway.example"
MARK: Final = "bdfc5199edf3f012"
NOW: Final = datetime(2026, 6, 11, 10, 6, tzinfo=UTC)
DELETE: Final = "Hello,\n\nplease delete my account and all my personal data. Art. 17 GDPR.\n\nAnna"
COPY: Final = "Hello,\n\nplease send me a copy of my personal data under Art. 15 GDPR.\n\nAnna"
SALES: Final = (
    "Dear Sir or Madam, we offer 10,000 verified leads at a special price. Book a demo today, buy now and save 50%."
    " Our sales team looks forward to a call. Limited offer, best price, increase your revenue."
)


def mail(
    text: str = DELETE, *, sender: str = ANNA, subject: str = "A request", to: str = HERE, **headers: str
) -> bytes:
    """A mail as a person's program writes it. `headers`: more of them, `_` for a hyphen."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, to, subject
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given.setdefault("Date", format_datetime(NOW))
    for name, value in given.items():
        made[name] = value
    if "Message-ID" not in made:
        made["Message-ID"] = f"<{next(_numbers)}@mail.post.example>"
    made.set_content(text)
    return made.as_bytes()


def _count() -> Any:
    number = 0
    while True:
        number += 1
        yield number


_numbers: Final = _count()


@dataclass(kw_only=True)
class LetterRoom:
    """What is needed to take, read and sort."""

    house: House
    ours: Ours
    taking: Taking
    reading: Reading
    desk: InboxDesk
    handed: int = 0
    bounces: list[tuple[str, str, str, str]] = field(default_factory=list)

    def hand_in(self, *raws: bytes, at: datetime | None = None, **given: Any) -> None:
        """Take mails as a mailbox would, without reading them."""
        for raw in raws:
            self.handed += 1
            place = f"1/{self.handed}"
            moment = at or self.house.desk.clock.now()
            assert self.taking.take(raw, source="box", place=place, arrived_at=moment, **given)

    def receive(self, *raws: bytes, **given: Any) -> LetterLine:
        """Take mails and read them; gives the newest letter."""
        self.hand_in(*raws, **given)
        assert self.reading.read_new() == len(raws)
        return self.newest()

    def newest(self) -> LetterLine:
        """The letter that was read last."""
        with self.house.database.read() as session:
            wanted = sa.text("SELECT id FROM letters ORDER BY read_at DESC, id DESC LIMIT 1")
            name = session.execute(wanted).scalar_one()
        return self.line(name)

    def line(self, name: str) -> LetterLine:
        return next(one for view in View for one in self.desk.list_letters(view, limit=500) if one.id == name)

    def accept(self, letter_id: str, *rights: str, **given: Any) -> tuple[str, ...]:
        """Accept as an operator does with one key: the proposal as it is, unless other rights are named."""
        proposal = self.desk.letter(letter_id).proposal
        chosen: Sequence[str] = rights or [one.value for one in proposal.rights]
        return self.desk.accept(
            letter_id, rights=chosen, regime=given.pop("regime", proposal.regime), language=None, by="opr_ines", **given
        )

    def confirmed(self, letter_id: str, *rights: str, address: str = ANNA) -> str:
        """Accept, and let the person press the link; gives the reference."""
        ref = self.accept(letter_id, *rights)[0]
        self.house.requests.confirm(self.house.link_token(address))
        return ref

    def count(self, table: str, where: str = "1 = 1") -> int:
        with self.house.database.engine.connect() as connection:
            return int(connection.execute(sa.text(f"SELECT count(*) FROM {table} WHERE {where}")).scalar_one())

    def acknowledgements(self, address: str = ANNA) -> int:
        """How many mails that say that a letter came in went to an address."""
        return sum(one.subject == "We have your mail" for one in self.house.mails_to(address))

    def take_bounce(self, *, original_message_id: str, recipient: str, action: str, status: str) -> bool:
        self.bounces.append((original_message_id, recipient, action, status))
        return True


def build_room(database: Database, root: Path, **given: Any) -> LetterRoom:
    """The room, over a house of its own."""
    house = build_house(database, root, **given)
    return open_room(house)


def open_room(house: House, take_bounce: TakeBounce = take_no_bounce) -> LetterRoom:
    desk: Desk = house.desk
    settings = load_settings(house.root / "kept.yaml")
    settings = replace(settings, inbox=replace(settings.inbox, hosts=("mx1.lanternway.example",)))
    ours = ours_of(settings, SECRET, mark=MARK)
    room = LetterRoom(
        house=house,
        ours=ours,
        taking=Taking(desk.database, desk.clock, desk.ledger),
        reading=Reading(desk, ours, take_bounce=take_bounce),
        desk=InboxDesk(desk, ours),
    )
    if take_bounce is take_no_bounce:
        room.reading = Reading(desk, ours, take_bounce=room.take_bounce)
    return room


class OwnStore(SqlStore):
    """Kept's own database by the test's clock."""

    def now(self) -> datetime:
        return SystemClock().now()


def own_sweeps(house: House) -> OwnSweeps:
    """What sweeps Kept's own data, as `app.py` has it."""
    clock, leases = SystemClock(), Leases(house.database, SystemClock())
    policies = OwnPolicies(house.database, clock, house.ledger)
    policies.bring_up()
    store = OwnStore(STORE, house.database.url.render_as_string(hide_password=False), clock=clock)
    plans = own_plans(house.database, clock, house.ledger, leases, store, house.plans.holds)
    settings = with_own_sweeps(load_settings(house.root / "kept.yaml"), own_map())
    return OwnSweeps(house.database, clock, house.ledger, policies, plans, settings, host=house.policies)
