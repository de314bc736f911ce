"""Liveness and readiness, for whoever watches the process."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from core.errors import KeptError
from web.services import services

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """200 while the process answers; asks nothing else."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """200 when everything a request needs answers; 503 names what does not."""
    checks: dict[str, str] = {}
    for name, probe in services().probes.items():
        try:
            probe()
            checks[name] = "ok"
        except KeptError as error:
            checks[name] = type(error).__name__
    ready = all(state == "ok" for state in checks.values())
    return jsonify(status="ready" if ready else "not ready", checks=checks), 200 if ready else 503
