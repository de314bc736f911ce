"""The purpose of every mail: a clause of Kept's own policy, or of the one in force, names it, or the mail is refused."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from notify.transport import MailRefused
from policies.clauses import PurposeClause
from policies.documents import Document
from policies.own import OWN, own_document

ANSWERING: Final = "answering"
PROVING: Final = "proving-identity"
TELLING: Final = "telling"
WORKING: Final = "working"

# By event: the id of a clause `purpose`, of policies/examples/kept.md or of the policy in force.
PURPOSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "address_confirm": PROVING,
        "asker_confirm": PROVING,
        "asker_permission": PROVING,
        "contact_changed": PROVING,
        "request_confirm": PROVING,
        "status_code": PROVING,
        "answered_by_hand": ANSWERING,
        "appeal_decided": ANSWERING,
        "asker_done": ANSWERING,
        "asker_received": ANSWERING,
        "asker_refused": ANSWERING,
        "complaint_answered": ANSWERING,
        "complaint_received": ANSWERING,
        "correction_done": ANSWERING,
        "deletion_cooling": ANSWERING,
        "deletion_done": ANSWERING,
        "mail_received": ANSWERING,
        "message_from_us": ANSWERING,
        "nothing_found": ANSWERING,
        "package_ready": ANSWERING,
        "request_acknowledged": ANSWERING,
        "request_extended": ANSWERING,
        "request_fee": ANSWERING,
        "request_forwarded": ANSWERING,
        "request_received": ANSWERING,
        "request_refused": ANSWERING,
        "restriction_ends": ANSWERING,
        "right_carried_out": ANSWERING,
        # Whoever has to do a part of the work that a person asked for.
        "customer_request": ANSWERING,
        "task_asked": ANSWERING,
        "task_reminded": ANSWERING,
        "task_withdrawn": ANSWERING,
        "telling_asked": ANSWERING,
        "telling_reminded": ANSWERING,
        "telling_withdrawn": ANSWERING,
        "policy_change": TELLING,
        "policy_change_minor": TELLING,
        "policy_withdrawn": TELLING,
        # Those who run it here.
        "alarm_over": WORKING,
        "alarm_raised": WORKING,
        "attestation_due": WORKING,
        "hold_review": WORKING,
        "ledger_checkpoint": WORKING,
        "request_due": WORKING,
        "request_gave_up": WORKING,
        "sweep_waiting": WORKING,
    }
)


def find_purpose(event: str, given: str, in_force: Document | None) -> str:
    """The clause that a mail goes out under: `given`, else the one of its event. Kept's own begin with `kept:`. Raises
    MailRefused where no policy names it."""
    purpose = given or PURPOSES.get(event, "")
    if not purpose:
        raise MailRefused("Nobody said what this mail is for: its event names no purpose.")
    if in_force is not None and _names(in_force, purpose):
        return purpose
    if _names(own_document(), purpose):
        return f"{OWN}{purpose}"
    raise MailRefused(f"Neither the policy in force nor Kept's own names the purpose '{purpose}', so it is not sent.")


def _names(document: Document, purpose: str) -> bool:
    return any(one.id == purpose for one in document.of_kind(PurposeClause))
