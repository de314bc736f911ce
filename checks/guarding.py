"""The guard of an installation: what the version in force says is never stored, for a body that a host application asks about."""

from __future__ import annotations

from checks.guard import require_clean
from checks.sought import Sought, sought_for, sought_in
from core.database import Database
from core.personal import Personal
from policies.consents import Consents
from policies.versions import Policies


class Guard:
    """Answers by the version in force; without one nothing is forbidden."""

    def __init__(self, database: Database, policies: Policies, consents: Consents) -> None:
        self._database = database
        self._policies = policies
        self._consents = consents
        self._known: tuple[int, tuple[Sought, ...]] = (0, ())

    def check(self, body: bytes, *, into: str | None = None, subject: Personal | None = None) -> None:
        """Return where the body holds nothing of what is never stored. Raises Forbidden, Unreadable; stores and logs nothing of it.

        `into`: the category of the record it is meant for; `subject`: the person, for clauses that a consent lifts."""
        sought = sought_for(self._sought(), into=into)
        asked = {one.consent for one in sought if one.consent} if subject else set()
        given = {purpose for purpose in asked if subject and self._consents.state(subject, purpose).given}
        require_clean(body, tuple(one for one in sought if one.consent not in given))

    def _sought(self) -> tuple[Sought, ...]:
        with self._database.read() as session:
            version = self._policies.in_force(session)
        if version is None:
            return ()
        if self._known[0] != version.number:
            self._known = (version.number, sought_in(version.document))
        return self._known[1]
