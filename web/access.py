"""Who may reach which address: every endpoint is decided here, and one that is not is refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from flask import Flask, abort, g, request
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import KeptError
from core.operators import Permission, find_token
from web.metrics import SCOPE as METRICS_SCOPE
from web.metrics import comes_from_this_machine
from web.services import services


class Open(StrEnum):
    """ANYONE: no sign-in. PERSON: a person who has shown control of the contact; the view checks which. THIS_MACHINE: no
    token from a loopback address, one of the scope `metrics:read` from elsewhere."""

    ANYONE = "anyone"
    PERSON = "person"
    THIS_MACHINE = "this_machine"


Rule = Open | Permission | str  # a str is the scope a machine's token must carry

ACCESS: Final[dict[str, Rule]] = {
    "static": Open.ANYONE,
    "health.healthz": Open.ANYONE,
    "health.readyz": Open.ANYONE,
    "metrics.metrics": Open.THIS_MACHINE,
    "signin.sign_in": Open.ANYONE,
    "signin.sign_out": Permission.READ,
    "signin.choose_password": Open.ANYONE,
    "theme.choose_theme": Open.ANYONE,
    "public.home": Open.ANYONE,
    "public.policy": Open.ANYONE,
    "public.versions": Open.ANYONE,
    "public.version": Open.ANYONE,
    "public.alias": Open.ANYONE,
    "public.current": Open.ANYONE,
    "public.promises": Open.ANYONE,
    "public.badge": Open.ANYONE,
    "public.recipients": Open.ANYONE,
    "public.security": Open.ANYONE,
    "public.gpc": Open.ANYONE,
    "public.requests_of_year": Open.ANYONE,
    "public.difference": Open.ANYONE,
    "public.choose_difference": Open.ANYONE,
    "feeds.versions": Open.ANYONE,
    "feeds.recipients": Open.ANYONE,
    "feeds.banner": Open.ANYONE,
    "person.new_request": Open.ANYONE,
    "person.sent": Open.ANYONE,
    "person.confirm": Open.ANYONE,
    "person.page": Open.PERSON,
    "person.send_code": Open.PERSON,
    "person.enter_code": Open.PERSON,
    "person.withdraw": Open.PERSON,
    "person.open_package": Open.PERSON,
    "person.package": Open.PERSON,
    "person.certificate": Open.PERSON,
    "person.write": Open.PERSON,
    "person.file": Open.PERSON,
    "person.offer_proof": Open.PERSON,
    "person.propose_correction": Open.PERSON,
    "person.take_back_correction": Open.PERSON,
    "person.add_address": Open.PERSON,
    "person.confirm_address": Open.ANYONE,
    "person.stop": Open.ANYONE,
    "person.appeal": Open.PERSON,
    "person.asker": Open.ANYONE,
    "person.for_me": Open.ANYONE,
    "person.deny_asker": Open.PERSON,
    "person.hand_off": Open.ANYONE,
    "person.keep": Open.ANYONE,
    "tasks.task": Open.ANYONE,
    "tasks.telling": Open.ANYONE,
    "preferences.page": Open.ANYONE,
    "console.home": Permission.READ,
    "console.requests": Permission.READ,
    "console.open_request": Permission.WORK_REQUESTS,
    "console.ticket": Permission.READ,
    "console.note": Permission.WORK_REQUESTS,
    "console.plan": Permission.WORK_REQUESTS,
    "console.approve": Permission.WORK_REQUESTS,
    "console.refuse": Permission.WORK_REQUESTS,
    "console.nothing_found": Permission.WORK_REQUESTS,
    "console.answer_by_hand": Permission.WORK_REQUESTS,
    "console.retry": Permission.WORK_REQUESTS,
    "console.decide_texts": Permission.WORK_REQUESTS,
    "console.ask_again": Permission.WORK_REQUESTS,
    "console.show_identity": Permission.WORK_REQUESTS,
    "console.print_letter": Permission.WORK_REQUESTS,
    "console.letter_sent": Permission.WORK_REQUESTS,
    "console.hand_out": Permission.WORK_REQUESTS,
    "console.closed_accounts": Permission.READ,
    "console.withdraw": Permission.WORK_REQUESTS,
    "console.say_asker": Permission.WORK_REQUESTS,
    "console.accept_asker": Permission.WORK_REQUESTS,
    "console.take_back_asker": Permission.WORK_REQUESTS,
    "console.answer_asker": Permission.WORK_REQUESTS,
    "console.asker_goes_on": Permission.WORK_REQUESTS,
    "console.mail_asker_again": Permission.WORK_REQUESTS,
    "console.say_minor": Permission.WORK_REQUESTS,
    "console.hold_for_customer": Permission.WORK_REQUESTS,
    "console.forward": Permission.WORK_REQUESTS,
    "console.carry_out": Permission.WORK_REQUESTS,
    "console.restrict": Permission.WORK_REQUESTS,
    "console.follow_objection": Permission.WORK_REQUESTS,
    "console.object_to_advertising": Permission.WORK_REQUESTS,
    "console.restrict_meanwhile": Permission.WORK_REQUESTS,
    "console.answer_complaint": Permission.WORK_REQUESTS,
    "console.lift_restriction": Permission.WORK_REQUESTS,
    "console.keep_restriction": Permission.WORK_REQUESTS,
    "console.open_appeal": Permission.WORK_REQUESTS,
    "console.name_appealed": Permission.WORK_REQUESTS,
    "console.decide_appeal": Permission.WORK_REQUESTS,
    "console.accept_proof": Permission.WORK_REQUESTS,
    "console.lift_contest": Permission.WORK_REQUESTS,
    "console.set_regime": Permission.WORK_REQUESTS,
    "console.ask_person": Permission.WORK_REQUESTS,
    "console.take_answer": Permission.WORK_REQUESTS,
    "console.extend": Permission.WORK_REQUESTS,
    "console.ask_fee": Permission.WORK_REQUESTS,
    "console.take_fee": Permission.WORK_REQUESTS,
    "console.ticket_status": Permission.READ,
    "console.assign": Permission.WORK_REQUESTS,
    "console.split": Permission.WORK_REQUESTS,
    "console.add_correction": Permission.WORK_REQUESTS,
    "console.place_correction": Permission.WORK_REQUESTS,
    "console.decline_correction": Permission.WORK_REQUESTS,
    "console.leave_change": Permission.WORK_REQUESTS,
    "console.take_change": Permission.WORK_REQUESTS,
    "console.link": Permission.WORK_REQUESTS,
    "console.unlink": Permission.WORK_REQUESTS,
    "console.refuse_part": Permission.WORK_REQUESTS,
    "console.take_back_part": Permission.WORK_REQUESTS,
    "console.ticket_answer": Permission.READ,
    "console.write_answer": Permission.WORK_REQUESTS,
    "console.standard_answer": Permission.WORK_REQUESTS,
    "console.certificate": Permission.READ,
    "console.decide_found": Permission.WORK_REQUESTS,
    "console.decide_anew": Permission.WORK_REQUESTS,
    "console.stop_work": Permission.WORK_REQUESTS,
    "console.reply": Permission.WORK_REQUESTS,
    "console.settle_messages": Permission.WORK_REQUESTS,
    "console.settle_lost": Permission.WORK_REQUESTS,
    "console.ticket_file": Permission.WORK_REQUESTS,
    "console.throw_away_files": Permission.WORK_REQUESTS,
    "console.tasks": Permission.READ,
    "console.task": Permission.READ,
    "console.confirm_task": Permission.WORK_REQUESTS,
    "console.refuse_task": Permission.WORK_REQUESTS,
    "console.remind_task": Permission.WORK_REQUESTS,
    "console.ask_task_again": Permission.WORK_REQUESTS,
    "console.go_on_without_task": Permission.WORK_REQUESTS,
    "console.attach_evidence": Permission.WORK_REQUESTS,
    "console.task_evidence": Permission.WORK_REQUESTS,
    "console.telling": Permission.READ,
    "console.tell_by_hand": Permission.WORK_REQUESTS,
    "console.note_telling_answer": Permission.WORK_REQUESTS,
    "console.excuse_telling": Permission.WORK_REQUESTS,
    "console.remind_telling": Permission.WORK_REQUESTS,
    "console.tell_again": Permission.WORK_REQUESTS,
    "console.withdraw_telling": Permission.WORK_REQUESTS,
    "console.telling_file": Permission.WORK_REQUESTS,
    "console.promises": Permission.READ,
    "console.check_promises": Permission.WORK_REQUESTS,
    "console.promise": Permission.READ,
    "console.attest": Permission.VOUCH,
    "console.take_attestation_back": Permission.VOUCH,
    "console.attestation_file": Permission.READ,
    "console.retention": Permission.READ,
    "console.approve_sweep": Permission.APPROVE_SWEEPS,
    "console.running_sweeps": Permission.READ,
    "console.retention_clause": Permission.READ,
    "console.stop_sweep": Permission.APPROVE_SWEEPS,
    "console.resume_sweep": Permission.APPROVE_SWEEPS,
    "console.revoke_approval": Permission.APPROVE_SWEEPS,
    "console.erased": Permission.READ,
    "console.erase_again": Permission.WORK_REQUESTS,
    "console.leave_found": Permission.WORK_REQUESTS,
    "console.holds": Permission.READ,
    "console.add_hold": Permission.WORK_REQUESTS,
    "console.release_hold": Permission.APPROVE_SWEEPS,
    "console.keep_hold": Permission.APPROVE_SWEEPS,
    "console.policy": Permission.READ,
    "console.policy_version": Permission.READ,
    "console.withdraw_version": Permission.PUBLISH_POLICY,
    "console.new_draft": Permission.PUBLISH_POLICY,
    "console.draft": Permission.READ,
    "console.edit_draft": Permission.PUBLISH_POLICY,
    "console.overrule_draft": Permission.PUBLISH_POLICY,
    "console.delete_draft": Permission.PUBLISH_POLICY,
    "console.publish_draft": Permission.PUBLISH_POLICY,
    "console.campaign_mail": Permission.READ,
    "console.draft_mail": Permission.READ,
    "console.preview_campaign": Permission.PUBLISH_POLICY,
    "console.pause_campaign": Permission.PUBLISH_POLICY,
    "console.resume_campaign": Permission.PUBLISH_POLICY,
    "console.settle_campaign": Permission.PUBLISH_POLICY,
    "console.complete_campaign": Permission.PUBLISH_POLICY,
    "console.ledger": Permission.READ,
    "console.verify_ledger": Permission.READ,
    "console.ledger_proofs": Permission.READ,
    "console.export_ledger": Permission.READ,
    "console.outbox": Permission.READ,
    "console.letters": Permission.READ,
    "console.letter": Permission.READ,
    "console.letter_source": Permission.WORK_REQUESTS,
    "console.letter_file": Permission.WORK_REQUESTS,
    "console.letter_part": Permission.WORK_REQUESTS,
    "console.read_inbox": Permission.WORK_REQUESTS,
    "console.accept_letter": Permission.WORK_REQUESTS,
    "console.split_letter": Permission.WORK_REQUESTS,
    "console.reject_letter": Permission.WORK_REQUESTS,
    "console.letter_belongs_to": Permission.WORK_REQUESTS,
    "console.undo_letter": Permission.WORK_REQUESTS,
    "console.webhooks": Permission.READ,
    "console.delivery": Permission.READ,
    "console.send_webhook_again": Permission.MANAGE,
    "console.send_failed_webhooks_again": Permission.MANAGE,
    "console.test_webhook": Permission.MANAGE,
    "console.switch_webhook_on": Permission.MANAGE,
    "console.opt_outs": Permission.READ,
    "console.disclosures": Permission.READ,
    "console.add_disclosure": Permission.WORK_REQUESTS,
    "console.strike_disclosure": Permission.VOUCH,
    "console.figures": Permission.READ,
    "console.reports": Permission.READ,
    "console.ask_report": Permission.MANAGE,
    "console.report_file": Permission.READ,
    "console.figures_file": Permission.READ,
    "console.look_up_opt_out": Permission.READ,
    "console.lift_opt_out": Permission.WORK_REQUESTS,
    "console.outgoing": Permission.READ,
    "console.retry_mail": Permission.WORK_REQUESTS,
    "console.give_up_mail": Permission.WORK_REQUESTS,
    "console.take_mail_as_arrived": Permission.WORK_REQUESTS,
    "console.mails": Permission.READ,
    "console.mail_word": Permission.READ,
    "console.mail_html": Permission.READ,
    "console.try_mail_html": Permission.PUBLISH_POLICY,
    "console.change_mail": Permission.PUBLISH_POLICY,
    "console.restore_mail": Permission.PUBLISH_POLICY,
    "api.promises": "promises:read",
    "api.read_restriction": "restrictions:read",
    "api.follow_restrictions": "restrictions:read",
    "api.check_suppressions": "suppressions:read",
    "api.change_suppression": "suppressions:write",
    "api.take_signal": "suppressions:write",
    "api.make_preferences_link": "suppressions:write",
    "api.check_payload": "guard:check",
    "api.current_policy": "policy:read",
    "api.read_acceptance": "acceptances:read",
    "api.record_acceptance": "acceptances:write",
    "api.read_consents": "consents:read",
    "api.read_consent": "consents:read",
    "api.record_consent": "consents:write",
    "api.create_request": "requests:write",
    "api.follow_request": "requests:read",
    "api.list_requests": "requests:read",
    "api.account_closed": "events:write",
    "api.take_mail": "inbox:write",
    "api.openapi": Open.ANYONE,
    "api.docs": Open.ANYONE,
    "api.ledger_checkpoint": Open.ANYONE,
    "api.ledger_consistency": Open.ANYONE,
    "api.add_cosignatures": Open.ANYONE,
}


class ScopeMissing(KeptError):
    """A token that is good, but not for this."""

    status = 403


def enforce_access(app: Flask) -> None:
    """Check every request against the table before its view runs."""

    @app.before_request
    def check() -> Response | None:
        if request.endpoint is None:
            return None  # no such address: the 404 page answers
        rule = ACCESS.get(request.endpoint)
        if rule is None:
            abort(403)
        if rule is Open.THIS_MACHINE and not comes_from_this_machine(request):
            _check_token(METRICS_SCOPE)
        if isinstance(rule, Open):
            return None
        if isinstance(rule, Permission):
            return _check_operator(app, rule)
        _check_token(rule)
        return None


def _check_operator(app: Flask, permission: Permission) -> Response | None:
    if not current_user.is_authenticated:
        unauthorized: Response = app.login_manager.unauthorized()  # type: ignore[attr-defined]
        return unauthorized
    if not current_user.operator.may(permission):
        abort(403)
    return None


def _check_token(scope: str) -> None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        abort(401)
    with services().database.read() as session:
        found = find_token(session, token.strip())
    if found is None:
        abort(401)
    if scope not in found.scopes:
        raise ScopeMissing(
            f"This token does not carry the scope {scope}.",
            remedy=f"Make one that does: `kept token create NAME --scope {scope}`.",
        )
    g.token_id = found.id


def token_id() -> str:
    """The id of the token that this request carries: the actor of what it does."""
    return str(g.token_id)
