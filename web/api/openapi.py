"""The machine interface described for machines (OpenAPI 3.1) and on a page: made from the addresses, scopes and bodies that run."""

from __future__ import annotations

import re
from typing import Any, Final

from flask import Response, current_app, jsonify, render_template
from marshmallow import Schema, fields

from web.access import ACCESS
from web.api.bodies import AcceptanceBody, ConsentBody, _Number, _Time, _YesNo
from web.api.request_bodies import AccountClosedBody, RequestBody
from web.api.suppressions import CheckBody, LinkBody, SignalBody, SuppressionBody
from web.api_blueprint import blueprint

BODIES: Final[dict[str, type[Schema]]] = {
    "api.record_acceptance": AcceptanceBody,
    "api.record_consent": ConsentBody,
    "api.create_request": RequestBody,
    "api.account_closed": AccountClosedBody,
    "api.change_suppression": SuppressionBody,
    "api.check_suppressions": CheckBody,
    "api.take_signal": SignalBody,
    "api.make_preferences_link": LinkBody,
}
RAW_BODIES: Final = {"api.take_mail": "message/rfc822", "api.add_cosignatures": "text/plain"}
IDEMPOTENT: Final = frozenset({"api.record_acceptance", "api.create_request"})
_PARAMETER: Final = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_PROBLEM: Final = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """This interface as OpenAPI 3.1. Open to anyone."""
    paths: dict[str, dict[str, Any]] = {}
    for one in _operations():
        paths.setdefault(one["path"], {})[one["method"].lower()] = _describe(one)
    return jsonify(
        openapi="3.1.0",
        info={"title": "Kept", "version": "1", "summary": "What host applications ask and tell."},
        paths=paths,
        components={
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _PROBLEM},
        },
    )


@blueprint.get("/docs")
def docs() -> str:
    """This interface as a page. Open to anyone."""
    return render_template("pages/api.html", here="", operations=list(_operations()))


def _operations() -> list[dict[str, Any]]:
    """Every address below /api/v1, method by method, with its scope, first words and body."""
    found = []
    for rule in current_app.url_map.iter_rules():
        if not rule.endpoint.startswith("api."):
            continue
        view = current_app.view_functions[rule.endpoint]
        scope = ACCESS[rule.endpoint]
        words = " ".join((view.__doc__ or "").split("\n\n")[0].split())
        body = BODIES.get(rule.endpoint)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            found.append(
                {
                    "endpoint": rule.endpoint,
                    "path": _PARAMETER.sub(r"{\1}", rule.rule),
                    "method": method,
                    "scope": str(scope) if ":" in str(scope) else "",
                    "words": words,
                    "parameters": _PARAMETER.findall(rule.rule),
                    "fields": _fields(body()) if body else [],
                }
            )
    return sorted(found, key=lambda one: (one["path"], one["method"]))


def _describe(one: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": one["endpoint"].partition(".")[2],
        "summary": one["words"],
        "responses": {
            "2XX": {"description": "Done."},
            "default": {
                "description": "What is wrong, and what to do next (RFC 9457).",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in one["parameters"]
    ]
    if one["endpoint"] in IDEMPOTENT:
        parameters.append({"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 255}})
    if parameters:
        told["parameters"] = parameters
    if one["scope"]:
        told["security"] = [{"token": [one["scope"]]}]
    if one["fields"]:
        schema = {
            "type": "object",
            "properties": {each["name"]: each["schema"] for each in one["fields"]},
            "required": [each["name"] for each in one["fields"] if each["required"]],
            "additionalProperties": False,
        }
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if raw := RAW_BODIES.get(one["endpoint"]):
        told["requestBody"] = {"required": True, "content": {raw: {"schema": {"type": "string", "format": "binary"}}}}
    return told


def _fields(schema: Schema) -> list[dict[str, Any]]:
    return [{"name": name, "required": one.required, "schema": _type(one)} for name, one in schema.fields.items()]


def _type(one: fields.Field[Any]) -> dict[str, Any]:
    if "schema" in one.metadata:
        return dict(one.metadata["schema"])
    if isinstance(one, fields.Nested):
        inner = _fields(one.schema)
        return {"type": "object", "properties": {each["name"]: each["schema"] for each in inner}}
    if isinstance(one, _YesNo):
        return {"type": "boolean"}
    if isinstance(one, _Number):
        return {"type": "integer"}
    return {"type": "string", "format": "date-time"} if isinstance(one, _Time) else {"type": "string"}
