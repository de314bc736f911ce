"""Builds the web application from its services."""

from __future__ import annotations

from flask import Flask

from core.keys import derive_key
from core.rendering import STATIC, TEMPLATES, prepare_environment
from web.access import enforce_access
from web.context import set_up_context
from web.errors import set_up_errors
from web.languages import page_language, set_up_languages
from web.security import secure
from web.services import EXTENSION, WebServices
from web.signals import set_up_signals
from web.signin import set_up_sign_in


def create_app(kept: WebServices) -> Flask:
    """The Flask application of one installation."""
    from web import api, console, feeds, health, metrics, person, public

    app = Flask("kept", static_folder=str(STATIC), template_folder=str(TEMPLATES))
    app.secret_key = derive_key(kept.settings.service.secret_key, "web sessions")
    app.extensions[EXTENSION] = kept
    prepare_environment(app.jinja_env, page_language)
    secure(app, https=kept.settings.service.base_url.startswith("https://"))
    set_up_sign_in(app)
    set_up_context(app)
    set_up_languages(app)
    set_up_signals(app)
    for blueprint in (
        health.blueprint,
        metrics.blueprint,
        public.blueprint,
        feeds.blueprint,
        person.blueprint,
        person.tasks,
        person.preferences_blueprint,
        console.blueprint,
        api.blueprint,
    ):
        app.register_blueprint(blueprint)
    enforce_access(app)
    set_up_errors(app)
    return app
