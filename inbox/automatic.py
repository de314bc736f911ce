"""Whether a program sent a mail, and of which kind: bounces, loops, automatic replies, mailing lists."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

# The ids that Kept gives to its own mails: of the outbox and of campaigns.
_OURS: Final = re.compile(r"<[a-z]{2,5}_[0-9a-f]{24}(?:_[0-9a-f]{1,64})?@[^>\s]+>")
_DAEMON: Final = re.compile(r"(?:mailer-daemon|mail-daemon|postmaster|mdaemon)@", re.IGNORECASE)
_UNDELIVERED: Final = re.compile(
    r"undeliver|delivery (?:status notification|failure|has failed)|mail delivery (?:failed|system)|returned (?:mail|to sender)"
    r"|failure notice|unzustellbar|nicht zugestellt|non remis|échec de (?:la )?remise|no se puede entregar|no entregado"
    r"|mancata consegna|onbestelbaar",
    re.IGNORECASE,
)
_REPLY_SUBJECT: Final = re.compile(
    r"\s*(?:(?:re|aw|sv|antw)\s*:\s*)?(?:auto(?:matic|mated)?[- ]?(?:reply|response)|out of (?:the )?office|automatische antwort"
    r"|abwesenheit(?:snotiz|sbenachrichtigung|:|$)|automatische abwesenheit|réponse automatique|absence du bureau"
    r"|message d.absence|respuesta automática|fuera de (?:la )?oficina|risposta automatica|fuori ufficio|automatisch antwoord"
    r"|afwezigheids?(?:bericht|melding|assistent)|autosvar|automatiskt svar|automatyczna odpowiedź|resposta automática|自動返信|自動応答)",
    re.IGNORECASE,
)
_REPLY_HEADERS: Final = (
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-auto-reply",
    "auto-reply",
    "x-mail-autoreply",
)
_LIST_HEADERS: Final = ("list-id", "list-post", "list-unsubscribe", "mailing-list")


def why_automatic(
    headers: Mapping[str, str],
    *,
    kind: str,
    report: str,
    subject: str,
    sender: str,
    to: Sequence[str],
    our_hosts: Sequence[str],
) -> str:
    """'' or one of 'bounce', 'loop', 'auto-reply', 'list', 'generated'. `kind`, `report`: of the content type."""
    if _is_bounce(headers, kind, report, subject, sender):
        return "bounce"
    if "x-kept" in headers or _OURS.fullmatch(headers.get("message-id", "").strip()):
        return "loop"
    said = headers.get("auto-submitted", "no").partition(";")[0].strip().lower()
    precedence = headers.get("precedence", "").strip().lower()
    if kind == "multipart/report" and report == "disposition-notification":
        return "auto-reply"
    if said.startswith("auto-replied") or precedence == "auto_reply" or _REPLY_SUBJECT.match(subject):
        return "auto-reply"
    if any(headers.get(name, "no").strip().lower() not in ("no", "false", "") for name in _REPLY_HEADERS):
        return "auto-reply"
    if any(name in headers for name in _LIST_HEADERS) and not _is_own_group(headers.get("list-id", ""), to, our_hosts):
        return "list"
    if said not in ("no", "") or (precedence in ("bulk", "junk", "list") and "list-id" not in headers):
        return "generated"
    return ""


def _is_bounce(headers: Mapping[str, str], kind: str, report: str, subject: str, sender: str) -> bool:
    if kind == "multipart/report" and report in ("delivery-status", ""):
        return True
    if "x-failed-recipients" in headers:
        return True
    from_nobody = headers.get("return-path", "").strip() == "<>" or _DAEMON.match(sender) is not None
    return from_nobody and _UNDELIVERED.search(subject) is not None


def _is_own_group(list_id: str, to: Sequence[str], our_hosts: Sequence[str]) -> bool:
    """Whether a list is a mailbox of ours that a group of people reads: what comes through it was written to us."""
    name = list_id.rpartition("<")[2].rstrip("> ").lower()
    domains = tuple(one.lower() for one in our_hosts)
    ours = any(name.endswith("." + domain) or domain.endswith("." + name.partition(".")[2]) for domain in domains)
    return bool(name) and ours and any(address.replace("@", ".") == name for address in to)
