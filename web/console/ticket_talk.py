"""What is written to a person from the ticket's page, and the files of both sides."""

from __future__ import annotations

from flask import Response as FlaskResponse
from flask import request

from web.console.ticket import Answer, act_on
from web.console_blueprint import blueprint
from web.message_files import hand_out, taken_files
from web.services import services


@blueprint.post("/requests/<ref>/reply")
def reply(ref: str) -> Answer:
    """Write to the person: the words stand on their page, a mail says that something does."""
    words, messages = request.form.get("reply", ""), services().requests.messages
    done = "Your message stands on the person’s page. A mail tells them so, without its words."
    return act_on(ref, lambda by: messages.reply(ref, by=by, words=words, files=taken_files()), done, field="reply")


@blueprint.post("/requests/<ref>/messages/settle")
def settle_messages(ref: str) -> Answer:
    """What the person wrote needs no answer."""
    return act_on(ref, lambda by: services().requests.messages.settle(ref, by=by), "Nothing waits for an answer.")


@blueprint.get("/requests/<ref>/files/<file_id>")
def ticket_file(ref: str, file_id: str) -> FlaskResponse:
    """A file of the conversation, as a download."""
    return hand_out(services().requests.messages.open_as_operator(ref, file_id))


@blueprint.post("/requests/<ref>/files/throw-away")
def throw_away_files(ref: str) -> Answer:
    """Delete every file of the request by its key."""
    why, messages = request.form.get("files_why", ""), services().requests.messages
    done = "The files are deleted, with their key. What was written stays."
    return act_on(ref, lambda by: messages.throw_away_files(ref, by=by, why=why), done, field="files_why")
