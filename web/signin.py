"""Sign-in of operators: a password checked with argon2id, sessions that a reset ends, one-time links for a first password."""

from __future__ import annotations

from flask import Blueprint, Flask, flash, redirect, render_template, request, session, url_for
from flask_login import LoginManager, UserMixin, login_user, logout_user
from werkzeug.wrappers import Response

from core.errors import BadInput, NotFound
from core.one_time import look_up_token, spend_token, void_tokens
from core.operators import PASSWORD_LINK, Operator, check_password, load_operator, set_password
from web.security import limiter, own_path
from web.services import services

blueprint = Blueprint("signin", __name__)


class SignedIn(UserMixin):  # type: ignore[misc]
    """The operator of a session. The session names the operator and the epoch, so that a reset ends it."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator

    def get_id(self) -> str:
        return f"{self.operator.id}.{self.operator.session_epoch}"


def set_up_sign_in(app: Flask) -> None:
    """Teach Flask-Login where operators come from and where to send those who are not signed in."""
    manager = LoginManager(app)
    manager.login_view = "signin.sign_in"
    manager.login_message = None
    manager.session_protection = "basic"

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(session_name: str) -> SignedIn | None:
        operator_id, _, epoch = session_name.partition(".")
        with services().database.read() as database_session:
            operator = load_operator(database_session, operator_id)
        return SignedIn(operator) if operator and str(operator.session_epoch) == epoch else None

    app.register_blueprint(blueprint)


@blueprint.route("/console/sign-in", methods=["GET", "POST"])
@limiter.limit("10 per minute; 60 per hour", methods=["POST"])
def sign_in() -> str | Response | tuple[str, int]:
    """GET shows the form; POST signs in or says, in the same words for every reason, that it did not fit."""
    if request.method == "GET":
        return render_template("console/sign_in.html", failed=False, address="")
    address, password = request.form.get("email", ""), request.form.get("password", "")
    kept = services()
    with kept.database.begin() as database_session:
        operator = check_password(database_session, address[:254], password[:1024])
        if operator:
            kept.ledger.record(
                database_session, kind="operator.signed_in", actor=operator.id, refs=[operator.id], private={}
            )
    if operator is None:
        return render_template("console/sign_in.html", failed=True, address=address[:254]), 401
    return _start_session(operator)


@blueprint.post("/console/sign-out")
def sign_out() -> Response:
    """End the session."""
    logout_user()
    session.clear()
    return redirect(url_for("signin.sign_in"))


@blueprint.route("/console/password/<token>", methods=["GET", "POST"])
@limiter.limit("20 per minute", methods=["POST"])
def choose_password(token: str) -> str | Response | tuple[str, int]:
    """GET shows the form and changes nothing; POST spends the link, sets the password and signs in."""
    kept = services()
    now = kept.clock.now()
    if request.method == "GET":
        with kept.database.read() as database_session:
            operator = load_operator(
                database_session, look_up_token(database_session, token, purpose=PASSWORD_LINK, now=now)
            )
        return render_template("console/password.html", operator=operator, problem="")
    password = request.form.get("password", "")
    try:
        operator = _spend_link(token, password)
    except NotFound:
        raise
    except BadInput as error:
        with kept.database.read() as database_session:
            known = load_operator(
                database_session, look_up_token(database_session, token, purpose=PASSWORD_LINK, now=now)
            )
        return render_template("console/password.html", operator=known, problem=str(error)), 400
    flash("Your password is set. Use it from now on; this link is spent.")
    return _start_session(operator)


def _spend_link(token: str, password: str) -> Operator:
    kept = services()
    with kept.database.begin() as database_session:
        operator_id = spend_token(database_session, token, purpose=PASSWORD_LINK, now=kept.clock.now())
        set_password(database_session, operator_id, password[:1024])
        # Links of earlier resets and starts would set another one.
        void_tokens(database_session, purpose=PASSWORD_LINK, subject=operator_id, now=kept.clock.now())
        kept.ledger.record(
            database_session, kind="operator.password_set", actor=operator_id, refs=[operator_id], private={}
        )
        operator = load_operator(database_session, operator_id)
    if operator is None:
        raise NotFound("This operator may not sign in any more.", remedy="Ask an administrator.")
    return operator


def _start_session(operator: Operator) -> Response:
    session.clear()
    login_user(SignedIn(operator))
    home = url_for("console.home")
    target = own_path(request.args.get("next", ""), home)
    return redirect(target if target.startswith("/console/") else home)
