"""Signals that a mail may not be from whom it names: shown to the operator, never a verdict, never a reason to drop it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from inbox.authentication import METHODS, Result, read_authentication
from inbox.look_alikes import Likeness, LookAlike, is_mixed, look_alike, show_both_ways
from inbox.message import Message

__all__ = ["Likeness", "LookAlike", "Signals", "look_alike", "signals"]

_IN_NAME: Final = re.compile(r"[\w.+-]{1,64}@[\w.-]{1,255}\.\w{2,}")


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What speaks for and against a sender.

    `spf`, `dkim`, `dmarc`: the word of our receiving server (RFC 8601), '' where it says nothing. `server`: that server.
    `properties`: what it looked at, such as header.d, by method. `ignored`: other servers that say something (anybody can
    write that). `sender`: the address with its domain both ways. `remarks`: what an operator should know, in sentences.
    """

    spf: str = ""
    dkim: str = ""
    dmarc: str = ""
    server: str = ""
    properties: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    ignored: tuple[str, ...] = ()
    sender: str = field(default="", repr=False)
    remarks: tuple[str, ...] = field(default=(), repr=False)

    @property
    def proven(self) -> bool:
        """Whether our server says that the domain of the sender stands by this mail. The person is not proven by it."""
        return self.dmarc == "pass"


def signals(message: Message, *, trusted_servers: Sequence[str]) -> Signals:
    """The signals of a mail. `trusted_servers`: the names that our receiving servers write into Authentication-Results;
    an empty name stands for one that writes none. Such a server has to take away headers that use its name (RFC 8601, 5).

    Of several headers by it, the topmost that speaks of a method counts: a forged one can only stand below.
    """
    trusted = {one.strip().lower() for one in trusted_servers}
    words: dict[str, Result] = {}
    servers: list[str] = []
    ignored: list[str] = []
    for value in message.authentication:
        said = read_authentication(value)
        if said.server not in trusted:
            ignored.append(said.server or "a server that gives no name")
            continue
        fresh = _by_method(said.results)
        if any(method in words for method in fresh):
            ignored.append(f"{said.server or 'our server'}, a second time")
        servers += [said.server] * bool(fresh.keys() - words.keys())
        words = fresh | words
    return Signals(
        spf=words["spf"].result if "spf" in words else "",
        dkim=words["dkim"].result if "dkim" in words else "",
        dmarc=words["dmarc"].result if "dmarc" in words else "",
        server=servers[0] if servers else "",
        properties={method: result.properties for method, result in words.items()},
        ignored=tuple(dict.fromkeys(ignored)),
        sender=show_both_ways(message.sender),
        remarks=tuple(_remarks(message, words)),
    )


def _by_method(results: Sequence[Result]) -> dict[str, Result]:
    """One word per method: of several DKIM signatures one that passes is enough, elsewhere the first counts."""
    words: dict[str, Result] = {}
    for one in results:
        if one.method in METHODS and (
            one.method not in words or (one.method == "dkim" and _better(one, words["dkim"]))
        ):
            words[one.method] = one
    return words


def _better(one: Result, other: Result) -> bool:
    return one.result == "pass" and other.result != "pass"


def _remarks(message: Message, words: Mapping[str, Result]) -> list[str]:
    remarks = []
    domain = message.sender.rpartition("@")[2]
    failed = [
        name.upper() for name in METHODS if name in words and words[name].result in ("fail", "softfail", "permerror")
    ]
    if failed:
        remarks.append(f"Our server says that {' and '.join(failed)} failed.")
    if not words:
        remarks.append("Our server says nothing about who sent this.")
    if message.reply_to and message.reply_to.rpartition("@")[2] != domain:
        remarks.append(f"Answers would go to another domain: {show_both_ways(message.reply_to)}.")
    claimed = _IN_NAME.search(message.sender_name)
    if claimed and claimed[0].lower() != message.sender:
        remarks.append(f"The sender's name is an address that is not theirs: {claimed[0]}.")
    if is_mixed(domain):
        remarks.append(f"The sender's domain mixes alphabets: {show_both_ways(message.sender)}.")
    signed = words["dkim"].properties.get("header.d", "") if "dkim" in words else ""
    if signed and words["dkim"].result == "pass" and "dmarc" not in words and not _is_under(domain, signed):
        remarks.append(f"It is signed by {signed}, not by the sender's domain.")
    return remarks


def _is_under(domain: str, signed: str) -> bool:
    return domain == signed or domain.endswith("." + signed) or signed.endswith("." + domain)
