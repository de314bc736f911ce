"""What a collection of `kept.yaml` says about proof: which fields show who somebody is, and when their contact was changed."""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import Schema, fields

from core.lined_yaml import Path
from core.refusals import Refusals
from core.settings import ContactSettings, TimeField

# What a person can be asked for: each has words of its own on their page. As an identifier of the map, or `proof:` of a field.
PROOF_POINTS: Final = (
    "user_id", "username", "name", "company", "phone", "postal_code", "city", "order_number", "invoice_number"
)  # fmt: skip


class ContactSchema(Schema):
    """`contact: {field: email, changed: email_changed, before: previous_email}`; `changed` is an event of the collection."""

    field = fields.Str(required=True)
    changed = fields.Str(required=True)
    before = fields.Str(load_default=None, allow_none=True)


def read_contact(
    given: Mapping[str, Any] | None,
    row: Mapping[str, Any],
    events: Mapping[str, TimeField],
    path: Path,
    refusals: Refusals,
) -> ContactSettings | None:
    """The contact of a collection: a field that identifies, and an event that says when it was changed."""
    if given is None or not {"field", "changed", "before"} <= set(given):
        return None  # refused already, with its line
    if given["field"] not in row["identifies"].values():
        known = ", ".join(row["identifies"].values()) or "none"
        refusals.add((*path, "field"), f"found {given['field']!r}. Write a field of `identifies`: {known}.")
    if given["changed"] not in events:
        refusals.add(
            (*path, "changed"),
            f"found {given['changed']!r}. Write an event of this collection: {', '.join(events) or 'none'}.",
        )
        return None
    return ContactSettings(field=given["field"], changed=events[given["changed"]], before=given["before"])
