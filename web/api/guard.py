"""The payload guard, for host applications: whether a body may be stored, by the policy in force."""

from __future__ import annotations

from flask import Response, request

from policies.subjects import read_subject
from web.api_blueprint import blueprint
from web.services import services


@blueprint.post("/guard")
def check_payload() -> Response:
    """204, or 422 with the paths of what is never stored. Keeps nothing of the body. Scope `guard:check`.

    `into` in the address: the category it is meant for; `subject`: whose it is, by the host application's id.
    """
    subject = request.args.get("subject")
    services().guard.check(
        request.get_data(cache=False),
        into=request.args.get("into"),
        subject=read_subject(subject) if subject is not None else None,
    )
    return Response(status=204)
