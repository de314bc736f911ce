"""The policy, for host applications: what is in force, how it is accepted, in which languages, and what is planned."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from core.errors import NotFound
from policies.purposes import consent_purposes
from policies.succession import mode_of, read_succession
from policies.versions import Version
from web.api_blueprint import blueprint
from web.public.as_json import summarise
from web.services import services


@blueprint.get("/policy/current")
def current_policy() -> Response:
    """The version in force, like `/privacy/current.json` and more. Scope `policy:read`."""
    kept = services()
    with kept.database.read() as session:
        succession = read_succession(kept.policies.versions(session))
    if succession.current is None:
        raise NotFound("No version of the policy is in force yet.", remedy="Publish one with `kept policy publish`.")
    planned = _tell(succession.planned) if succession.planned else None
    return jsonify(_tell(succession.current) | {"planned": planned})


def _tell(version: Version) -> dict[str, Any]:
    return summarise(version, version.document) | {
        "weight": version.weight,
        "reasons": list(version.reasons),
        "acceptance": mode_of(version),
        "consents": [
            {"purpose": one.name, "clauses": list(one.clauses)} for one in consent_purposes(version.document).values()
        ],
    }
