"""The words of pages and papers in other languages: catalogues under `translations/`, read as text; English is the source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from jinja2 import Environment, pass_context
from jinja2.runtime import Context

from core.languages import LANGUAGES, SOURCE, short_code

__all__ = ["LANGUAGES", "SOURCE", "TRANSLATIONS", "catalogue", "install_words", "join_words", "mark", "short_code"]
TRANSLATIONS: Final = Path(__file__).resolve().parent.parent / "translations"


@cache
def catalogue(language: str) -> NullTranslations:
    """The catalogue of a language, `de-AT` taken for `de`; English for one that has none."""
    path = TRANSLATIONS / short_code(language) / "LC_MESSAGES" / "messages.po"
    if not path.is_file():
        return NullTranslations()
    with path.open("rb") as source:
        words = read_po(source, abort_invalid=True)
    compiled = BytesIO()  # so that a checkout needs no build step
    write_mo(compiled, words)
    compiled.seek(0)
    return Translations(compiled)


def mark(message: str) -> str:
    """Marks a message that is looked up later, so that it stands in the catalogues."""
    return message


def join_words(items: Sequence[str], language: str, *, any_of: bool = False) -> str:
    """`a, b and c`, or `a, b or c`."""
    words = catalogue(language)
    word = words.gettext("or") if any_of else words.gettext("and")
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}" if items else ""


def install_words(environment: Environment, spoken: Callable[[], str] = lambda: SOURCE) -> None:
    """Give templates `_` and `ngettext`: in the language of the variable `language`, in macros in that of `spoken`."""

    def language_of(context: Context) -> str:
        named = context.get("language")
        return named if isinstance(named, str) else spoken()

    @pass_context
    def say(context: Context, message: str) -> str:
        return catalogue(language_of(context)).gettext(message)

    @pass_context
    def say_number(context: Context, one: str, many: str, number: int) -> str:
        return catalogue(language_of(context)).ngettext(one, many, number)

    environment.add_extension("jinja2.ext.i18n")
    extended: Any = environment
    extended.install_gettext_callables(gettext=say, ngettext=say_number, newstyle=True)
