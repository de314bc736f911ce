"""The cookie check: visits the pages every night, keeps what it saw, and says of a clause what speaks against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from checks.cookie_visits import visit_pages
from checks.cookies import Asked, CookieLook, How, Left, Visit, compare
from checks.nights import is_due
from checks.tables import CookieLookRow
from core.clock import Clock
from core.database import Database
from core.settings_cookies import CookieSettings
from policies.clauses import CookieClause
from policies.documents import Document
from policies.versions import Policies

_LAST: Final = "last"


@dataclass(frozen=True, kw_only=True)
class CookieFindings:
    """What the last visit says of one clause. `found`: sentences that speak against it. `seen`: it was there, as promised."""

    look: CookieLook
    found: tuple[str, ...]
    seen: bool


class CookieCheck:
    """Visits, and reads what was seen. Without pages in kept.yaml there is nothing to visit, and `last` is None."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        policies: Policies,
        settings: CookieSettings,
        *,
        visit: Callable[..., Visit] = visit_pages,
    ) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies
        self._settings = settings
        self._visit = visit

    @property
    def settings(self) -> CookieSettings:
        return self._settings

    def look(self) -> CookieLook | None:
        """Visit now; None where no pages are named. No transaction is open meanwhile."""
        if not self._settings.pages:
            return None
        now = self._clock.now()
        look = CookieLook(
            checked_at=now, places=tuple(self._settings.pages), visit=self._visit(self._settings, now=now)
        )
        with self._database.begin() as session:
            row = session.get(CookieLookRow, _LAST) or CookieLookRow(id=_LAST)
            row.checked_at, row.how, row.pages = now, look.visit.how.value, look.visit.pages
            row.places = list(look.places)
            row.left = [one.as_json() for one in look.visit.left]
            row.asked = [vars(one) for one in look.visit.asked]
            row.trouble = list(look.visit.trouble)
            session.add(row)
        return look

    def look_if_due(self) -> None:
        """The visit of the night; sooner again where a page did not answer or something was wrong."""
        with self._database.read() as session:
            version, last = self._policies.in_force(session), self.last(session)
        if version is None or not self._settings.pages or not version.document.of_kind(CookieClause):
            return
        document = version.document
        doubt = last is not None and (
            bool(last.visit.trouble)
            or any(compare(one, document, last, self._settings.asked) for one in document.of_kind(CookieClause))
        )
        zone = document.controller.timezone
        if last is None or is_due(last.checked_at, self._clock.now(), zone, in_doubt=doubt):
            self.look()

    def last(self, session: Session) -> CookieLook | None:
        """The last visit of the pages that are named now."""
        row = session.get(CookieLookRow, _LAST)
        if row is None or set(row.places) != set(self._settings.pages):
            return None
        visit = Visit(
            how=How(row.how),
            pages=row.pages,
            left=tuple(Left.of_json(one) for one in row.left),
            asked=tuple(Asked(**one) for one in row.asked),
            trouble=tuple(row.trouble),
        )
        return CookieLook(checked_at=row.checked_at, places=tuple(row.places), visit=visit)

    def of_clause(self, session: Session, clause: CookieClause, document: Document) -> CookieFindings | None:
        """What the last visit says of a clause; None if there was none, or none of the places that it names was visited."""
        look = self.last(session)
        if look is None or (clause.where and not set(clause.where) & set(look.places)):
            return None
        return CookieFindings(
            look=look,
            found=compare(clause, document, look, self._settings.asked),
            seen=any(one.name == clause.name for one in look.visit.left),
        )
