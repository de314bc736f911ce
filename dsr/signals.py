"""The opt-out signal of a browser in which a person's own page is open: it is that person's opt-out of sale and sharing."""

from __future__ import annotations

from typing import Final

from dsr.desk import Desk
from dsr.person_page import PersonPages

_WAY: Final = {"kind": "email", "purpose": "sale_sharing"}


def honour_signal(desk: Desk, pages: PersonPages, ref: str, grant: str) -> bool:
    """Write the opt-out down for the proven address; False where it stands. Raises NotFound without a grant."""
    with desk.database.read() as session:
        ticket = pages.require_grant(session, ref, grant)
        if desk.suppressions.holds(session, value=ticket.contact, **_WAY):
            return False
    with desk.database.begin() as session:
        return desk.suppressions.add(session, value=ticket.contact, source="gpc", ref=f"ticket:{ticket.ref}", **_WAY)
