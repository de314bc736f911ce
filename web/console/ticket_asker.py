"""Who asks for whom, on the ticket: said, shown, taken back; who gets the answer; and passing on what is held for a customer."""

from __future__ import annotations

from datetime import date

from flask import request

from core.errors import BadInput
from web.console.ticket import Answer, act_on
from web.console_blueprint import blueprint
from web.services import services


@blueprint.post("/requests/<ref>/asker")
def say_asker(ref: str) -> Answer:
    """Write down that somebody asks for the person; both get a mail."""
    kind, askers = request.form.get("asker_kind", ""), services().requests.askers
    name, contact = request.form.get("asker_name", ""), request.form.get("asker_contact", "")
    done = "Written down. Both get a mail, and nothing is approved before it is shown."
    return act_on(
        ref, lambda by: askers.say_who(ref, kind=kind, name=name, contact=contact, by=by), done, field="asker_kind"
    )


@blueprint.post("/requests/<ref>/asker/shown")
def accept_asker(ref: str) -> Answer:
    """Write down what was shown, with who looked at it and until when it is good."""
    item, note = request.form.get("asker_item", ""), request.form.get("asker_note", "")
    askers, done = services().requests.askers, "Written down, with your name and the time."

    def act(by: str) -> None:
        askers.accept(ref, item=item, note=note, by=by, good_until=_day(request.form.get("asker_until", "")))

    return act_on(ref, act, done, field="asker_note")


@blueprint.post("/requests/<ref>/asker/taken-back")
def take_back_asker(ref: str) -> Answer:
    """What was shown does not hold after all."""
    item, why, askers = (
        request.form.get("asker_item", ""),
        request.form.get("asker_why", ""),
        services().requests.askers,
    )
    done = "It counts no more."
    return act_on(ref, lambda by: askers.take_back(ref, item=item, why=why, by=by), done, field="asker_why")


@blueprint.post("/requests/<ref>/asker/answer")
def answer_asker(ref: str) -> Answer:
    """Say who gets the answer."""
    to, why, askers = request.form.get("answer_to", ""), request.form.get("answer_why", ""), services().requests.askers
    done = "From now on the answer goes there."
    return act_on(ref, lambda by: askers.send_answer_to(ref, to=to, why=why, by=by), done, field="answer_why")


@blueprint.post("/requests/<ref>/asker/go-on")
def asker_goes_on(ref: str) -> Answer:
    """Go on against the word of somebody at the person's address."""
    why, askers = request.form.get("go_on_why", ""), services().requests.askers
    return act_on(ref, lambda by: askers.go_on(ref, why=why, by=by), "The request goes on.", field="go_on_why")


@blueprint.post("/requests/<ref>/asker/mail")
def mail_asker_again(ref: str) -> Answer:
    """Send the links again."""
    askers = services().requests.askers
    return act_on(ref, lambda by: askers.mail_again(ref, by=by), "The links are on their way again.")


@blueprint.post("/requests/<ref>/minor")
def say_minor(ref: str) -> Answer:
    """Write down how old somebody under age is."""
    age, askers = request.form.get("minor", ""), services().requests.askers
    return act_on(ref, lambda by: askers.set_minor(ref, age=age, by=by), "Written down.")


@blueprint.post("/requests/<ref>/customer")
def hold_for_customer(ref: str) -> Answer:
    """Say whose data it is; the agreement's period counts from here on."""
    clause, forwarding = request.form.get("customer", ""), services().requests.forwarding
    done = "The due date is reckoned by the agreement."
    return act_on(ref, lambda by: forwarding.hold_for(ref, clause=clause, by=by), done)


@blueprint.post("/requests/<ref>/forward")
def forward(ref: str) -> Answer:
    """Pass the request on to the customer, and tell the person who decides."""
    how, forwarding = request.form.get("forward_how", ""), services().requests.forwarding
    done = "The request is passed on. The person is told who decides."
    return act_on(ref, lambda by: forwarding.forward(ref, by=by, how=how), done, field="forward_how")


def _day(text: str) -> date | None:
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise BadInput("This is no day.", remedy="Give the last day on which it is good, or none.") from None
