"""What happens in host applications: accounts that were closed."""

from __future__ import annotations

from flask import Response, jsonify

from web.access import token_id
from web.api.request_bodies import read_closed
from web.api_blueprint import blueprint
from web.services import services


@blueprint.post("/events/account-closed")
def account_closed() -> tuple[Response, int]:
    """Take closed accounts, one or up to 1,000; 202, all or none. The same event again changes nothing. Scope `events:write`."""
    taken = services().requests.closed_accounts.take(read_closed(), by=token_id())
    return jsonify(new=taken.new, known=taken.known), 202
