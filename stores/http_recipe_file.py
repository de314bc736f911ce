"""Reads a recipe: marshmallow checks the shape, this module the sense, and all refusals come together with lines."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate

from core.errors import ConfigurationError
from core.lined_yaml import Path as KeyPath
from core.lined_yaml import load_lined
from stores.http_paths import FORMS, PATH_FORM, places_of
from stores.http_recipe import (
    Absent,
    ApiObject,
    Auth,
    Compare,
    Correct,
    Erase,
    Gone,
    Job,
    JobState,
    Listing,
    Move,
    Pages,
    Paging,
    Recipe,
    Request,
)

BUILT_IN: Final = Path(__file__).parent / "recipes"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_NAME = validate.Regexp(r"^[a-z0-9][a-z0-9_-]*$", error="Use lower-case letters, digits, - and _.")
_TARGET = validate.Regexp(r"^/[^\s?#]*$", error="Write a path that begins with /; what follows ? stands under query.")
_HEADER = validate.Regexp(r"^[A-Za-z0-9-]+$", error="Write the name of a header.")
_SECONDS = validate.Range(0, 3_600)
_FOUND = ("value", "cursor")
_JOB = ("job",)


def _path_in_json(text: str) -> None:
    if text and not all(PATH_FORM.fullmatch(part) for part in text.split("[].")):
        raise ValidationError("Write names with dots between them, such as data.email; a ? for one that may be absent.")


class _Request(Schema):
    get = fields.Str(validate=_TARGET)
    post = fields.Str(validate=_TARGET)
    put = fields.Str(validate=_TARGET)
    patch = fields.Str(validate=_TARGET)
    delete = fields.Str(validate=_TARGET)
    query = fields.Dict(keys=fields.Str(), values=fields.Raw(), load_default=dict)
    headers = fields.Dict(keys=fields.Str(validate=_HEADER), values=fields.Str(), load_default=dict)
    form = fields.Dict(keys=fields.Str(), values=fields.Raw(), load_default=None)
    json = fields.Raw(load_default=None)


class _Pages(Schema):
    kind = fields.Enum(Paging, by_value=True, required=True)
    next = fields.Str(load_default=None, validate=_path_in_json)
    more = fields.Str(load_default=None, validate=_path_in_json)
    send = fields.Str(load_default=None)
    first = fields.Int(load_default=1, strict=True)
    most = fields.Int(load_default=50, strict=True, validate=validate.Range(1, 1_000))


class _Listing(_Request):
    items = fields.Str(required=True, validate=_path_in_json)
    pages = fields.Nested(_Pages, load_default=None)


class _Read(_Request):
    item = fields.Str(load_default="", validate=_path_in_json)


class _Absent(Schema):
    statuses = fields.List(fields.Int(strict=True, validate=validate.Range(400, 499)), load_default=lambda: [404])
    code = fields.Str(load_default=None)


class _Gone(Schema):
    flag = fields.Str(load_default=None, validate=_path_in_json)
    blank = fields.List(fields.Str(), load_default=list)
    words = fields.List(fields.Str(validate=validate.Length(1)), load_default=list)


class _State(_Request):
    do = fields.Enum(Move, by_value=True, required=True)
    say = fields.Str(load_default="")


class _Job(Schema):
    submit = fields.Nested(_Request, required=True)
    read = fields.Nested(_Request, required=True)
    id = fields.Str(required=True, validate=_path_in_json)
    state = fields.Str(required=True, validate=_path_in_json)
    states = fields.Dict(keys=fields.Str(), values=fields.Nested(_State), required=True, validate=validate.Length(1))
    known = fields.Nested(_Listing, load_default=None)
    covers = fields.Str(load_default=None, validate=_path_in_json)
    why = fields.Str(load_default=None, validate=_path_in_json)
    every = fields.Float(load_default=2.0, validate=_SECONDS)
    within = fields.Float(load_default=60.0, validate=_SECONDS)


class _Erase(_Request):
    job = fields.Nested(_Job, load_default=None)
    at_once = fields.Int(load_default=1, strict=True, validate=validate.Range(1, 1_000))


class _Correct(_Request):
    fields_ = fields.Dict(keys=fields.Str(), values=fields.Str(), required=True, data_key="fields")


class _Object(Schema):
    key = fields.Str(required=True)
    fields_ = fields.Dict(
        keys=fields.Str(), values=fields.Str(validate=_path_in_json), required=True, data_key="fields"
    )
    find = fields.Dict(
        keys=fields.Str(), values=fields.List(fields.Nested(_Listing), validate=validate.Length(1)), load_default=dict
    )
    compare = fields.Dict(keys=fields.Str(), values=fields.Enum(Compare, by_value=True), load_default=dict)
    read = fields.Nested(_Read, required=True)
    not_found = fields.Nested(_Absent, load_default=lambda: _Absent().load({}))
    gone = fields.Nested(_Gone, load_default=lambda: _Gone().load({}))
    erase = fields.Nested(_Erase, load_default=None)
    correct = fields.Nested(_Correct, load_default=None)


class _Auth(Schema):
    kind = fields.Enum(Auth, by_value=True, required=True)
    header = fields.Str(load_default=None, validate=_HEADER)
    key_as_user = fields.Bool(load_default=False)


class _Recipe(Schema):
    recipe = fields.Str(required=True, validate=_NAME)
    about = fields.Str(load_default="")
    sources = fields.List(fields.Str(), load_default=list)
    base = fields.Str(required=True)
    auth = fields.Nested(_Auth, required=True)
    headers = fields.Dict(keys=fields.Str(validate=_HEADER), values=fields.Str(), load_default=dict)
    idempotency = fields.Str(load_default=None, validate=_HEADER)
    per_second = fields.Float(load_default=10.0, validate=validate.Range(0.01, 1_000))
    tries = fields.Int(load_default=4, strict=True, validate=validate.Range(1, 10))
    patience = fields.Float(load_default=30.0, validate=_SECONDS)
    error_code = fields.Str(load_default=None, validate=_path_in_json)
    ping = fields.Nested(_Request, required=True)
    objects = fields.Dict(
        keys=fields.Str(validate=_NAME), values=fields.Nested(_Object), required=True, validate=validate.Length(1)
    )


def find_recipe(name: str) -> Path:
    """The file of a recipe: one that comes with Kept by its name, else a path. Raises ConfigurationError."""
    built_in = {path.stem: path for path in sorted(BUILT_IN.glob("*.yaml"))}
    path = built_in.get(name) or Path(name)
    if not path.is_file():
        raise ConfigurationError(
            f"There is no recipe '{name}'.", remedy=f"Write one of {', '.join(built_in)}, or the path of a YAML file."
        )
    return path


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe. Raises ConfigurationError with every refusal, a line each."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.", remedy="A recipe is YAML in UTF-8.") from error
    document = load_lined(text, source=str(path))
    found: list[tuple[KeyPath, str]] = []
    recipe: Recipe | None = None
    try:
        loaded = _Recipe().load(document.data)
    except ValidationError as error:
        found = list(_flatten(error.messages, ()))
    else:
        reader = _Reader()
        recipe = reader.recipe(loaded)
        found = reader.refusals
    if found or recipe is None:
        lines = sorted({(document.line(where), f"{_dotted(where)}{problem}") for where, problem in found})
        raise ConfigurationError(
            "\n".join(f"{path}:{line}: {text}" for line, text in lines), remedy="\nNothing was sent anywhere."
        )
    return recipe


def _dotted(where: KeyPath) -> str:
    return f"{'.'.join(str(part) for part in where)}: " if where else ""


def _flatten(messages: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(messages, dict):
        for key, value in messages.items():
            # a level of marshmallow's own, not of the file
            yield from _flatten(value, path if key in ("value", "_schema") else (*path, key))
    else:
        for message in messages:
            text = str(message)
            text = "this version knows no such key. Correct or remove it." if text == "Unknown field." else text
            yield path, "this key is missing. Add it." if text.startswith("Missing data") else text


class _Reader:
    """Turns what the schema let through into a recipe, and collects what makes no sense in it."""

    def __init__(self) -> None:
        self.refusals: list[tuple[KeyPath, str]] = []

    def recipe(self, data: Mapping[str, Any]) -> Recipe:
        auth = data["auth"]
        if auth["kind"] is Auth.HEADER and not auth["header"]:
            self.refusals.append((("auth",), "kind header needs `header:`, its name."))
        return Recipe(
            name=data["recipe"],
            base=data["base"],
            auth=auth["kind"],
            auth_header=auth["header"],
            key_as_user=auth["key_as_user"],
            headers=data["headers"],
            idempotency=data["idempotency"],
            per_second=data["per_second"],
            tries=data["tries"],
            patience=data["patience"],
            error_code=data["error_code"],
            ping=self._request(data["ping"], ("ping",), ()),
            objects={name: self._object(name, one) for name, one in data["objects"].items()},
        )

    def _object(self, name: str, data: Mapping[str, Any]) -> ApiObject:
        path: KeyPath = ("objects", name)
        mapped, key, gone = data["fields_"], data["key"], data["gone"]
        for field in [key, *data["find"], *data["compare"], *gone["blank"]]:
            if field not in mapped:
                self.refusals.append((path, f"'{field}' is none of its fields: {', '.join(mapped)}."))
        find = {
            field: tuple(
                self._listing(one, (*path, "find", field, place), _FOUND) for place, one in enumerate(listings)
            )
            for field, listings in data["find"].items()
        }
        return ApiObject(
            name=name,
            key=key,
            fields=mapped,
            find=find,
            compare=data["compare"],
            read=self._request(data["read"], (*path, "read"), ("key",)),
            item=data["read"]["item"],
            absent=Absent(statuses=tuple(data["not_found"]["statuses"]), code=data["not_found"]["code"]),
            gone=Gone(flag=gone["flag"], blank=tuple(gone["blank"]), words=tuple(gone["words"])),
            erase=self._erase(data["erase"], (*path, "erase")) if data["erase"] else None,
            correct=self._correct(data["correct"], (*path, "correct"), mapped) if data["correct"] else None,
        )

    def _erase(self, data: Mapping[str, Any], path: KeyPath) -> Erase:
        has_request = any(data.get(method) for method in _METHODS)
        if has_request == bool(data["job"]):
            self.refusals.append((path, "write either one request, such as `delete:`, or a `job:`."))
            return Erase()
        if data["job"]:
            return Erase(job=self._job(data["job"], (*path, "job")), at_once=data["at_once"])
        return Erase(request=self._request(data, path, ("key",)), at_once=data["at_once"])

    def _job(self, data: Mapping[str, Any], path: KeyPath) -> Job:
        states = {word: self._state(one, (*path, "states", word)) for word, one in data["states"].items()}
        if not any(state.move is Move.DONE for state in states.values()):
            self.refusals.append(((*path, "states"), "no state says `do: done`."))
        if (data["known"] is None) != (data["covers"] is None):
            self.refusals.append((path, "`known:` and `covers:` go together."))
        known = self._listing(data["known"], (*path, "known"), ("cursor",)) if data["known"] else None
        return Job(
            submit=self._request(data["submit"], (*path, "submit"), ("keys", "key")),
            read=self._request(data["read"], (*path, "read"), _JOB),
            id=data["id"],
            state=data["state"],
            states=states,
            known=known,
            covers=data["covers"],
            why=data["why"],
            every=data["every"],
            within=data["within"],
        )

    def _state(self, data: Mapping[str, Any], path: KeyPath) -> JobState:
        has_request = any(data.get(method) for method in _METHODS)
        if data["do"] is Move.SEND and not has_request:
            self.refusals.append((path, "`do: send` needs a request, such as `post:`."))
        if has_request and data["do"] not in (Move.SEND, Move.STOP):
            self.refusals.append((path, f"`do: {data['do'].value}` sends nothing."))
        send = self._request(data, path, _JOB) if has_request else None
        return JobState(move=data["do"], send=send, say=data["say"])

    def _correct(self, data: Mapping[str, Any], path: KeyPath, mapped: Mapping[str, str]) -> Correct:
        for field in set(data["fields_"]) - set(mapped):
            self.refusals.append(((*path, "fields", field), "this is none of the object's fields."))
        return Correct(request=self._request(data, path, ("key", "name", "value")), fields=data["fields_"])

    def _listing(self, data: Mapping[str, Any], path: KeyPath, places: tuple[str, ...]) -> Listing:
        given = data["pages"] or {"kind": Paging.NONE}
        pages = Pages(**given)
        needs = {Paging.CURSOR: ("next", "send"), Paging.LAST: ("send",), Paging.LINK: ("next",)}
        for name in (*needs.get(pages.kind, ()), *(("send",) if pages.kind is Paging.NUMBER else ())):
            if getattr(pages, name) is None:
                self.refusals.append(((*path, "pages"), f"kind {pages.kind.value} needs `{name}:`."))
        return Listing(request=self._request(data, path, places), items=data["items"], pages=pages)

    def _request(self, data: Mapping[str, Any], path: KeyPath, places: tuple[str, ...]) -> Request:
        methods = [method for method in _METHODS if data.get(method)]
        if len(methods) != 1:
            self.refusals.append((path, f"a request has exactly one of {', '.join(_METHODS)}."))
            return Request(method="GET", path="/")
        if data["form"] is not None and data["json"] is not None:
            self.refusals.append((path, "a request has `form:` or `json:`, not both."))
        target = data[methods[0]]
        for name, form in sorted(places_of([target, data["query"], data["form"], data["json"]]), key=str):
            if name not in places:
                allowed = ", ".join(f"{{{one}}}" for one in places) or "none"
                self.refusals.append((path, f"{{{name}}} is no place of this request. It has: {allowed}."))
            if form is not None and form not in FORMS:
                self.refusals.append((path, f"{{{name}:{form}}}: there is only {', '.join(FORMS)}."))
        if re.search(r"\{", "".join(data["headers"].values())):
            self.refusals.append(((*path, "headers"), "no value is put into a header."))
        return Request(
            method=methods[0].upper(),
            path=target,
            query=data["query"],
            headers=data["headers"],
            form=data["form"],
            body=data["json"],
        )
