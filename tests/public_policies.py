"""A policy in two languages and three versions, for the public pages: recipients come and go, a period shrinks, one change waits."""

from __future__ import annotations

_HEAD = """---
policy: small
title: {title}
language: {language}
controller: {{name: Lanternway, country: DE, timezone: Europe/Berlin, email: privacy@lanternway.example}}
regimes: [gdpr]
aliases: [{aliases}]
clauses:
  - {{id: account-data, kind: collects, category: account, from: person, fields: [email, name]}}
  - {{id: request-data, kind: collects, category: request_log, from: person, fields: [IP address, time]}}
  - {{id: request-logs, kind: retention, of: request_log, for: {period}, then: delete}}
  - {{id: closed, kind: retention, of: [account], after: account_closed, for: P30D, then: delete}}
  - {{id: access, kind: right, right: access, within: P30D}}
  - {{id: deletion, kind: right, right: deletion, within: P30D}}
  - {{id: complaint, kind: right, right: complaint, to: authority}}
  - {{id: tls, kind: safeguard, says: {tls}, owner: security, review: P1Y}}
  - {{id: hosting, kind: recipient, name: Brightrack, role: processor, why: [hosting], of: [account, request_log], region: DE,
     terms: agreement 7, when: hosted}}
{clauses}---
"""
_OPENAI = "  - {id: models, kind: recipient, name: Quillmind, role: processor, why: [inference], of: [request_log], region: US, safeguard: scc, tell: mailto:privacy@quillmind.example}\n"
_MAIL = (
    "  - {id: mail, kind: recipient, name: Postlane, role: controller, why: [delivery], of: [account], region: FR}\n"
)
_NOTICE = "  - {id: changes, kind: notice, material: [post], ahead: P14D}\n"
ENGLISH = """Lanternway passes requests to language models.

## What we collect

Your address and your name.{{ clause("account-data").cite }} For each request its time and the network address it came
from.{{ clause("request-data").cite }}

## How long we keep it

Request logs are kept for {{ clause("request-logs").for }}. Your account goes {{ clause("closed").for }} after you close it.

## Who gets it

{{ clause("hosting").name }} runs our servers.MORE

## Safety and your rights

We use {{ clause("tls").says }}. A copy of what we hold comes within {{ clause("access").within }}, a deletion within
{{ clause("deletion").within }}. You can complain to an authority.{{ clause("complaint").cite }}
"""
GERMAN = """Lanternway gibt Anfragen an Sprachmodelle weiter.

## Was wir erheben

Ihre Adresse und Ihren Namen.{{ clause("account-data").cite }} Zu jeder Anfrage die Zeit und die Netzadresse, von der sie
kam.{{ clause("request-data").cite }}

## Wie lange wir es behalten

Protokolle der Anfragen bleiben {{ clause("request-logs").for }}. Ihr Konto geht {{ clause("closed").for }}, nachdem Sie es
schließen.

## Wer es erhält

{{ clause("hosting").name }} betreibt unsere Server.MORE

## Sicherheit und Ihre Rechte

Wir nutzen {{ clause("tls").says }}. Eine Kopie kommt binnen {{ clause("access").within_dative }}, eine Löschung binnen
{{ clause("deletion").within_dative }}. Sie können sich bei einer Behörde beschweren.{{ clause("complaint").cite }}
"""
MORE = {
    "en": {
        "models": ' {{ clause("models").name }} answers your requests.',
        "mail": ' {{ clause("mail").name }} delivers our mail.',
        "changes": ' Changes are posted here {{ clause("changes").ahead }} before.',
    },
    "de": {
        "models": ' {{ clause("models").name }} beantwortet Ihre Anfragen.',
        "mail": ' {{ clause("mail").name }} stellt unsere Mail zu.',
        "changes": ' Änderungen stehen hier {{ clause("changes").ahead }} vorher.',
    },
}
CLAUSES = {"models": _OPENAI, "mail": _MAIL, "changes": _NOTICE}
TITLES = {"en": "Privacy Policy", "de": "Datenschutzerklärung"}
TLS = {"en": "TLS in transit", "de": "TLS bei jeder Übertragung"}
ALIASES = {
    "en": "/legal/privacy, {/legal/subprocessors: recipients, /security: security}",
    "de": "/legal/privacy, /datenschutz",
}


def text_of(language: str, *, period: str, more: tuple[str, ...] = ()) -> str:
    """The document in a language: how long request logs stay, and which further clauses it has."""
    head = _HEAD.format(
        title=TITLES[language], language=language, aliases=ALIASES[language], period=period, tls=TLS[language],
        clauses="".join(CLAUSES[one] for one in more),
    )  # fmt: skip
    body = {"en": ENGLISH, "de": GERMAN}[language]
    return head + body.replace("MORE", "".join(MORE[language][one] for one in more))


# What each version says beyond the first; the third waits for the notice that the second promises.
VERSIONS = (
    {"period": "P90D", "more": ("mail",)},
    {"period": "P30D", "more": ("models", "changes")},
    {"period": "P14D", "more": ("models", "mail", "changes")},
)
