"""What categories of data are called where a sentence speaks of all of one kind: those that policies often name, in every language."""

from typing import Final

from core.catalogue import SOURCE, catalogue, mark, short_code

# Singular or not at all, so that no rule makes a plural of them; and those that need a word of their own in other languages.
_CALLED: Final[dict[str, str]] = {
    "acceptance": mark("acceptances"),
    "account": mark("accounts"),
    "api_key": mark("API keys"),
    "audit_log": mark("audit logs"),
    "billing": mark("billing data"),
    "billing_log": mark("billing logs"),
    "card_data": mark("card data"),
    "code": mark("code"),
    "company": mark("company data"),
    "consent": mark("consents"),
    "content": mark("content"),
    "credential": mark("credentials"),
    "feedback": mark("feedback"),
    "invoice": mark("invoices"),
    "location": mark("location data"),
    "mail_log": mark("mail logs"),
    "marketing": mark("marketing data"),
    "message": mark("messages"),
    "metadata": mark("metadata"),
    "order": mark("orders"),
    "page_view": mark("page views"),
    "payment": mark("payments"),
    "performance_metric": mark("performance metrics"),
    "playground": mark("playground messages"),
    "profile": mark("profiles"),
    "request": mark("requests"),
    "request_log": mark("request logs"),
    "request_message": mark("messages about requests"),
    "security_log": mark("security logs"),
    "support_message": mark("support messages"),
    "technical": mark("technical data"),
    "usage": mark("usage"),
    "usage_log": mark("usage logs"),
    "usage_total": mark("usage totals"),
    "workspace": mark("workspaces"),
}
# Those that take "is".
UNCOUNTED: Final = frozenset(
    name
    for name, word in _CALLED.items()
    if word in ("code", "content", "feedback", "metadata", "usage") or "data" in word
)


def call_many(category: str, words: str, language: str) -> str:
    """A category in the plural. `words`: its name as words, which are kept where no language has another."""
    known = _CALLED.get(category)
    if known is not None:
        said = catalogue(language).gettext(known)
        return known if short_code(language) == SOURCE else said if said != known else words
    if short_code(language) != SOURCE or words.endswith("s"):
        return words
    return f"{words[:-1]}ies" if words.endswith("y") and words[-2:-1] not in "aeiou" else f"{words}s"
