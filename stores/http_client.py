"""Asks one vendor's API as its recipe says: the key, the pace, patience with a busy vendor, pages, and errors told in words.

No message, log or address ever holds the key, what was asked for, or what a vendor says about a person: of an error's body
only its code goes on.
"""

import base64
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from time import monotonic, sleep
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from core.clock import Clock
from core.errors import ConfigurationError, KeptError
from core.http_line import Broken, Line, Raw, Refused
from stores.contract import NotPermitted, StoreBusy, StoreUnreachable
from stores.http_paths import PathMissing, Values, fill_json, fill_pairs, fill_path, read_each, read_path
from stores.http_recipe import Absent, Auth, Listing, OutOfDate, Paging, Recipe, Request

_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_KEY: Final = re.compile(r"[\x21-\x7e]+")
Sleep = Callable[[float], None]


class _Again(Exception):
    """Worth another try: `after` seconds where the vendor said so. `told` is raised when there is no more patience."""

    def __init__(self, told: KeptError, *, after: float | None = None) -> None:
        super().__init__(type(told).__name__)
        self.told, self.after = told, after


@dataclass(frozen=True, kw_only=True)
class Key:
    """The secret that requests carry; it is shown nowhere."""

    secret: str
    user: str | None = None

    def __repr__(self) -> str:
        return "Key(***)"


class HttpClient:
    """The API behind one store of kind http."""

    def __init__(self, name: str, recipe: Recipe, line: Line, key: Key, *, clock: Clock, pause: Sleep = sleep) -> None:
        if not _KEY.fullmatch(key.secret):
            raise ConfigurationError(
                f"The key of the store {name} is empty, or has characters that no header can carry.",
                remedy="Set the variable or file that `key:` names to the key alone.",
            )
        self.name = name
        self.recipe = recipe
        self._line = line
        self._key = key
        self._clock = clock
        self.pause = pause
        self._turn = threading.Lock()
        self._next = 0.0

    def ask(self, request: Request, values: Values, *, absent: Absent | None = None, once: str | None = None) -> Any:
        """The JSON of the answer; None where it says that there is no such thing. Sent again where that is safe; `once` is
        the idempotency key of a writing request. Raises NotPermitted, StoreBusy, StoreUnreachable, OutOfDate; KeptError for
        what the vendor refuses."""
        query = urlencode(fill_pairs(request.query, values))
        target = fill_path(request.path, values) + (f"?{query}" if query else "")
        return self._ask(request, target, values, absent, once or secrets.token_hex(16))

    def listed(self, listing: Listing, values: Values, *, key: str) -> Iterator[Any]:
        """Every item of every page, as the vendor orders them. `key`: the path of an item's key, for pages of kind last."""
        pages, target, sent = listing.pages, None, dict[str, str]()
        number = pages.first
        for _ in range(pages.most):
            request = listing.request
            query = urlencode([*fill_pairs(request.query, values), *sent.items()])
            path = target or fill_path(request.path, values) + (f"?{query}" if query else "")
            data = self._ask(request, path, values, None, "")
            items = self._list_at(data, listing.items)
            yield from items
            if pages.more is not None and self.at(data, pages.more) is not True:
                return
            cursor: Any = None
            match pages.kind:
                case Paging.NONE:
                    return
                case Paging.CURSOR | Paging.LINK:
                    cursor = self.at(data, pages.next or "")
                case Paging.LAST:
                    cursor = self.at(items[-1], key) if items else None
                case Paging.NUMBER:
                    number += 1
                    cursor = str(number) if items else None
            if cursor in (None, ""):
                return
            if pages.kind is Paging.LINK:
                target = self._same_place(str(cursor))
            else:
                sent = {pages.send or "": str(cursor)}
        raise KeptError(
            f"The store {self.name} has more than {pages.most} pages for one question.",
            remedy="Raise `most:` in its recipe if one person can have that much; nothing was concluded from a part.",
        )

    def at(self, data: Any, path: str) -> Any:
        """What stands at a path of an answer. Raises OutOfDate where the recipe expects something that is not there."""
        try:
            return read_path(data, path)
        except PathMissing as missing:
            raise self.out_of_date(missing.message) from None

    def each_at(self, data: Any, path: str) -> list[Any]:
        try:
            return read_each(data, path)
        except PathMissing as missing:
            raise self.out_of_date(missing.message) from None

    def out_of_date(self, what: str) -> OutOfDate:
        return OutOfDate(
            f"The store {self.name} answers in a way its recipe {self.recipe.name} does not know. {what}",
            remedy="Compare the recipe with the vendor's documentation; nothing was concluded from the answer.",
        )

    def _list_at(self, data: Any, path: str) -> list[Any]:
        items = self.at(data, path)
        if not isinstance(items, list):
            raise self.out_of_date(f"Its '{path}' is no list.")
        return items

    def _same_place(self, address: str) -> str:
        parts = urlsplit(address)
        if parts.netloc and parts.hostname != self._line.host:
            raise self.out_of_date("Its next page lies at another host.")
        prefix = urlsplit(self.recipe.base).path.rstrip("/")
        return parts.path.removeprefix(prefix) + (f"?{parts.query}" if parts.query else "")

    def _ask(self, request: Request, target: str, values: Values, absent: Absent | None, once: str) -> Any:
        body, headers = _body(request, values)
        headers |= {**self.recipe.headers, **request.headers, **self._signed()}
        repeats = request.method in ("GET", "PUT", "DELETE")
        if request.writes and self.recipe.idempotency:
            headers[self.recipe.idempotency], repeats = once, True
        spent = _Patience(self.recipe.patience)
        retrying = Retrying(
            retry=retry_if_exception_type(_Again),
            stop=lambda state: stop_after_attempt(self.recipe.tries)(state) or spent.is_over(),
            wait=spent.wait,
            sleep=self.pause,
            retry_error_callback=_give_up,
        )
        return retrying(self._once, request.method, target, headers, body, absent, repeats)

    def _once(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        absent: Absent | None,
        repeats: bool,
    ) -> Any:
        self._wait_for_turn()
        try:
            raw = self._line.send(method, target, headers, body)
        except Refused as refused:
            raise NotPermitted(
                f"The store {self.name} is not asked: {refused}.",
                remedy="Correct its address; `allow: [private]` is for a server of yours on a private network.",
            ) from None
        except Broken as broken:
            told = self._unreachable(str(broken))
            if not broken.final and (repeats or not broken.sent):
                raise _Again(told) from None
            raise told from None
        return self._read(raw, absent, repeats)

    def _read(self, raw: Raw, absent: Absent | None, repeats: bool) -> Any:
        if 200 <= raw.status < 300:
            return self._parsed(raw) if raw.body.strip() else {}
        if 300 <= raw.status < 400:
            raise self.out_of_date(f"It redirects ({raw.status}), which is not followed.")
        code = self._code(raw)
        if absent and raw.status in absent.statuses and (absent.code is None or code == absent.code):
            return None
        said = f"{raw.status}{f', {code}' if code else ''}"
        if raw.status in (401, 403):
            raise NotPermitted(
                f"The store {self.name} does not let this key do that ({said}).",
                remedy="Check that the key is the right one and not withdrawn, and which rights it was given.",
            )
        if raw.status in (409, 429):
            after = self._after(raw)
            wait = f", in {after:.0f} seconds" if after else ""
            busy = StoreBusy(
                f"The store {self.name} asks for fewer requests, or for later ({said}{wait}).",
                remedy="Run it again later; `per_second:` in its recipe sets the pace.",
            )
            raise _Again(busy, after=after)
        if raw.status >= 500 or raw.status == 408:
            told = self._unreachable(f"an error of its own ({said})")
            raise _Again(told, after=self._after(raw)) if repeats else told
        raise KeptError(
            f"The store {self.name} refuses the request ({said}).",
            remedy="Look the code up in the vendor's documentation; the recipe may be out of date.",
        )

    def _parsed(self, raw: Raw) -> Any:
        try:
            return json.loads(raw.body)
        except (ValueError, RecursionError):
            raise self.out_of_date("Its answer is no JSON.") from None

    def _code(self, raw: Raw) -> str | None:
        """The code alone: the message beside it may quote a person."""
        if self.recipe.error_code is None:
            return None
        try:
            code = read_path(json.loads(raw.body), self.recipe.error_code)
        except (ValueError, RecursionError, PathMissing):
            return None
        return code if isinstance(code, str) and _CODE.fullmatch(code) else None

    def _after(self, raw: Raw) -> float | None:
        """`Retry-After`: seconds, or a date."""
        text = raw.headers.get("retry-after", "").strip()
        if text.isdecimal() and len(text) < 10:
            return float(text)
        try:
            when: datetime = parsedate_to_datetime(text)
            return max(0.0, (when - self._clock.now()).total_seconds())
        except (ValueError, TypeError):
            return None

    def _unreachable(self, why: str) -> StoreUnreachable:
        return StoreUnreachable(
            f"The store {self.name} did not answer: {why}.",
            remedy="Correct its address or certificate if that is it; else run the same command again later.",
        )

    def _signed(self) -> dict[str, str]:
        match self.recipe.auth:
            case Auth.BEARER:
                return {"Authorization": f"Bearer {self._key.secret}"}
            case Auth.HEADER:
                return {self.recipe.auth_header or "": self._key.secret}
            case Auth.BASIC:
                user, secret = self._key.user or "", self._key.secret
                pair = f"{secret}:" if self.recipe.key_as_user else f"{user}:{secret}"
                return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def _wait_for_turn(self) -> None:
        with self._turn:
            now = monotonic()
            start = max(now, self._next)
            self._next = start + 1 / self.recipe.per_second
        if start > now:
            self.pause(start - now)


class _Patience:
    """How long is waited between tries: what the vendor says, else twice as long each time; never more than all there is."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._spent = 0.0

    def wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        after = error.after if isinstance(error, _Again) else None
        seconds = after if after is not None else 0.5 * 2 ** (state.attempt_number - 1)
        self._spent += seconds
        return seconds

    def is_over(self) -> bool:
        return self._spent > self._seconds


def _give_up(state: RetryCallState) -> Any:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _Again):
        raise error.told from None
    raise KeptError("A request was given up without a reason.", remedy="Run the same command again.")


def _body(request: Request, values: Values) -> tuple[bytes | None, dict[str, str]]:
    if request.form is not None:
        form = urlencode(fill_pairs({_name(name, values): text for name, text in request.form.items()}, values))
        return form.encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    if request.body is not None:
        return json.dumps(fill_json(request.body, values)).encode(), {"Content-Type": "application/json"}
    return (b"" if request.method in ("POST", "PUT", "PATCH") else None), {}


def _name(name: str, values: Values) -> str:
    # The one place in a name: which field is corrected; it is a word of the recipe's.
    return name.replace("{name}", str(values["name"])) if "name" in values else name
