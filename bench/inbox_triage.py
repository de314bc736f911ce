"""How much triage gets right, by language and by how a mail was made, and how long it takes: the figures of docs/inbox.md."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from inbox.findings import Kind
from inbox.triage import triage
from tests.inbox_letters import DATA, KNOWN, Letter, letters, message, no_requests, own_letters, rows

EACH, SEED = 6, 7


def mails(language: str) -> Iterator[Letter]:
    """Every mail of a language that is judged."""
    yield from letters([language], each=EACH, seed=SEED)
    yield from own_letters(language, "tune")
    yield from own_letters(language, "hold")
    yield from no_requests(language)
    yield from free(language)


def free(language: str) -> Iterator[Letter]:
    """Mails worded as people please: those tuned by, those held out, and what asks for nothing among them."""
    for part, label, text in rows(DATA / "own_letters" / "free" / f"{language}.txt"):
        kind = label if label in ("reminder", "complaint", "request", "other") else "request"
        rights = frozenset(() if kind == label else label.split(","))
        yield Letter(language=language, source="free", how=f"free {part}", text=text, kind=kind, rights=rights)


def main() -> None:
    """One line for each language and way: mails, rights exact, kind right, requests called other."""
    print(f"{'':3}{'':12}{'mails':>6}{'rights':>8}{'kind':>6}{'lost':>6}")
    spent, judged = 0.0, 0
    for language in KNOWN:
        tally: dict[str, Counter[str]] = {}
        for mail in mails(language):
            started = time.perf_counter()
            found = triage(message(mail.text))
            spent, judged = spent + time.perf_counter() - started, judged + 1
            counts = tally.setdefault(
                "no request" if mail.kind == "other" and mail.source != "free" else mail.how, Counter()
            )
            counts["mails"] += 1
            counts["rights"] += {right.value for right in found.rights} == set(mail.rights)
            counts["kind"] += found.kind.value == mail.kind
            counts["lost"] += found.kind is Kind.OTHER and mail.kind != "other"
        for how, counts in tally.items():
            print(
                f"{language:3}{how:12}{counts['mails']:>6}{counts['rights']:>8}{counts['kind']:>6}{counts['lost']:>6}"
            )
    print(f"{spent / judged * 1000:.1f} ms a mail")


if __name__ == "__main__":
    main()
