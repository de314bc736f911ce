"""Example data for every mail, in each language: invented people, the domains `example` and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Final

from core.catalogue import catalogue, mark, short_code
from core.words import full_day, long_day
from notify.campaign_words import words_in
from policies.periods import Period

# The middle of an answer, made by whoever knows how answers are worded: event, language and the other variables.
Answers = Callable[[str, str, Mapping[str, Any]], list[dict[str, Any]]]


class Shape(StrEnum):
    """USUAL: what most people get. FULL: with everything that may be in it, and long. BARE: with nothing that may be left out."""

    USUAL = "usual"
    FULL = "full"
    BARE = "bare"


CONTROLLER: Final = {
    "name": "Lanternway",
    "email": "privacy@lanternway.example",
    "address": "Lindenweg 4, 10115 Berlin",
}
AUTHORITY: Final = {
    "name": "Berliner Beauftragte für Datenschutz und Informationsfreiheit",
    "address": "Alt-Moabit 59–61, 10555 Berlin",
    "url": "https://authority.example/complaint",
}
_AHEAD: Final = Period.parse("P14D")
_SITE: Final = "https://privacy.lanternway.example"
# What a policy, an operator or a store would say in its own words.
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "logs": {"en": "Request and response logs", "de": "Protokolle der Anfragen", "fr": "Journaux des requêtes", "es": "Registros de peticiones", "it": "Registri delle richieste", "nl": "Logboeken van verzoeken"},
    "account": {"en": "Account", "de": "Konto", "fr": "Compte", "es": "Cuenta", "it": "Account", "nl": "Account"},
    "invoices": {"en": "Invoices", "de": "Rechnungen", "fr": "Factures", "es": "Facturas", "it": "Fatture", "nl": "Facturen"},
    "letters": {"en": "Letters", "de": "Briefe", "fr": "Lettres", "es": "Cartas", "it": "Lettere", "nl": "Brieven"},
    "tax": {"en": "tax law asks for them (Art. 17(3)(b) GDPR)", "de": "das Steuerrecht verlangt sie (Art. 17 Abs. 3 Buchst. b DSGVO)", "fr": "le droit fiscal les exige (art. 17, § 3, b, du RGPD)", "es": "la ley fiscal las exige (art. 17.3.b del RGPD)", "it": "la legge fiscale le richiede (art. 17, par. 3, lett. b, GDPR)", "nl": "de belastingwet vraagt erom (art. 17, lid 3, onder b, AVG)"},
    "by_hand": {"en": "deleted by hand, confirmed to us", "de": "von Hand gelöscht, uns bestätigt", "fr": "supprimées à la main, on nous l’a confirmé", "es": "borradas a mano, nos lo han confirmado", "it": "cancellate a mano, ci è stato confermato", "nl": "met de hand verwijderd, aan ons bevestigd"},
    "reason": {"en": "Our records show that the same request was answered on 2 May 2026, and nothing has changed since; a further copy is free after 12 months.", "de": "Dieselbe Anfrage wurde am 2. Mai 2026 beantwortet, und seither hat sich nichts geändert; eine weitere Kopie ist nach 12 Monaten kostenlos.", "fr": "La même demande a reçu une réponse le 2 mai 2026 et rien n’a changé depuis ; une autre copie est gratuite après 12 mois.", "es": "La misma solicitud se respondió el 2 de mayo de 2026 y nada ha cambiado desde entonces; otra copia es gratuita pasados 12 meses.", "it": "La stessa richiesta ha avuto risposta il 2 maggio 2026 e da allora nulla è cambiato; un’altra copia è gratuita dopo 12 mesi.", "nl": "Hetzelfde verzoek is op 2 mei 2026 beantwoord, en sindsdien is er niets veranderd; een volgende kopie is na 12 maanden gratis."},
    "told": {"en": "told on 12 June 2026", "de": "am 12. Juni 2026 benachrichtigt", "fr": "prévenu le 12 juin 2026", "es": "avisado el 12 de junio de 2026", "it": "informato il 12 giugno 2026", "nl": "ingelicht op 12 juni 2026"},
    "effect": {"en": "All of your data is only stored.", "de": "Alle Ihre Daten werden nur noch gespeichert.", "fr": "Toutes vos données sont seulement conservées.", "es": "Todos sus datos solo se conservan.", "it": "Tutti i Suoi dati sono soltanto conservati.", "nl": "Al uw gegevens worden alleen nog bewaard."},
    "permission": {"en": "that you gave permission for it", "de": "dass Sie es erlaubt haben", "fr": "que vous l’avez autorisé", "es": "que usted lo ha autorizado", "it": "che Lei l’ha autorizzato", "nl": "dat u er toestemming voor gaf"},
    "change": {"en": "Someone new gets data", "de": "Jemand Neues erhält Daten", "fr": "Quelqu’un de nouveau reçoit des données", "es": "Alguien nuevo recibe datos", "it": "Qualcuno di nuovo riceve dati", "nl": "Iemand nieuws krijgt gegevens"},
    "before": {"en": "Prompts go to Paperlamp.", "de": "Eingaben gehen an Paperlamp.", "fr": "Les saisies vont à Paperlamp.", "es": "Las entradas van a Paperlamp.", "it": "I testi vanno a Paperlamp.", "nl": "Invoer gaat naar Paperlamp."},
    "after": {"en": "Prompts go to Paperlamp and, in the United States, to Fernlight, under standard contractual clauses.", "de": "Eingaben gehen an Paperlamp und, in den USA, an Fernlight, unter Standardvertragsklauseln.", "fr": "Les saisies vont à Paperlamp et, aux États-Unis, à Fernlight, sous clauses contractuelles types.", "es": "Las entradas van a Paperlamp y, en Estados Unidos, a Fernlight, con cláusulas contractuales tipo.", "it": "I testi vanno a Paperlamp e, negli Stati Uniti, a Fernlight, con clausole contrattuali tipo.", "nl": "Invoer gaat naar Paperlamp en, in de Verenigde Staten, naar Fernlight, onder modelcontractbepalingen."},
    "rule": {"en": "Article 12(5) GDPR", "de": "Artikel 12 Absatz 5 DSGVO", "fr": "article 12, paragraphe 5, du RGPD", "es": "artículo 12.5 del RGPD", "it": "articolo 12, paragrafo 5, del GDPR", "nl": "artikel 12, lid 5, AVG"},
}  # fmt: skip
# What was asked for, where it is not a copy; the catalogues have these words from the form.
_ASKED: Final = {
    "deletion_cooling": mark("Delete my account and my data"),
    "deletion_done": mark("Delete my account and my data"),
    "right_carried_out": mark("I withdraw my consent"),
    "restriction_ends": mark("Stop using my data for now"),
    "answered_by_hand": mark("Stop using my data for now"),
    "complaint_received": mark("I have a complaint"),
    "complaint_answered": mark("I have a complaint"),
    "appeal_decided": mark("Look at your decision again"),
}
_COPY: Final = mark("Send me a copy of my data")
_WORK: Final = mark("Send a copy of what you hold about one person")
_LIST: Final = [
    {"ref": "K7F3Q-2MXB", "right": "Access", "due": "Friday, 19 June 2026", "left": "7 days", "state": "New",
     "link": f"{_SITE}/console/requests/K7F3Q-2MXB"},
    {"ref": "T4R8W-9HDN", "right": "Deletion", "due": "Monday, 22 June 2026", "left": "10 days", "state": "Needs approval",
     "link": f"{_SITE}/console/requests/T4R8W-9HDN"},
]  # fmt: skip
_ALARMS: Final = [
    {"title": "request-logs is broken", "says": "1 902 records are over their time, the oldest by 3 days.",
     "to_do": "Look at the sweep, or let it run: `kept sweep --clause request-logs`."},
    {"title": "The job sweeps is silent", "says": "It has not run for 12 min.", "to_do": "Run `kept doctor`."},
]  # fmt: skip


_VOUCHED: Final = [
    {"title": "no-sale: look at it again", "says": "Nobody has vouched for it since 1 June 2025.", "link": f"{_SITE}/console/promises/no-sale"},
    {"title": "tls: nobody vouches for it", "says": "It has no word from anybody yet.", "link": f"{_SITE}/console/promises/tls"},
]  # fmt: skip
_NOTE: Final = "privacy.lanternway.example/log\n4812\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


class MailExamples:
    """The variables of an invented mail. `answers` makes the middle of an answer; without it that stays empty."""

    def __init__(self, answers: Answers | None = None) -> None:
        self._answers = answers

    def __call__(self, event: str, language: str, shape: Shape = Shape.USUAL) -> dict[str, Any]:
        """All that the templates of a mail may name. Languages beyond those of the catalogues are as English."""
        code = short_code(language)
        given = _usual(event, code) | _policy(code)
        if shape is Shape.FULL:
            given |= _full(code, given)
        elif shape is Shape.BARE:
            given |= _bare(code)
        if event.startswith("policy_"):  # they name the policy in their own words
            given["policy_link"] = ""
        given["blocks"] = self._answers(event, code, given) if self._answers else []
        return given | {"language": code}


def _usual(event: str, code: str) -> dict[str, Any]:
    say = catalogue(code).gettext
    day = long_day(date(2026, 6, 19), code)
    return {
        "controller": CONTROLLER, "ref": "K7F3Q-2MXB", "right_words": say(_ASKED.get(event, _COPY)), "right": "Access",
        "due": day, "received": long_day(date(2026, 5, 20), code), "expires": long_day(date(2026, 6, 14), code), "asked_at": long_day(date(2026, 5, 20), code),
        "at": "09:14 UTC+2", "done_on": full_day(date(2026, 6, 12), code), "changed": full_day(date(2026, 6, 8), code), "until": full_day(date(2026, 6, 18), code),
        "asked_on": long_day(date(2026, 6, 5), code), "day": day, "added": "Friday, 1 May 2026", "review": "Thursday, 11 June 2026",
        "link": f"{_SITE}/requests/confirm/" + "a1" * 24, "policy_link": f"{_SITE}/privacy", "code": "481 207",
        "items": [{"title": _said("logs", code), "count": 1902}, {"title": _said("account", code), "count": 1}],
        "kept_back": [{"title": _said("invoices", code), "why": _said("tax", code), "until": full_day(date(2036, 12, 31), code)}],
        "reason": _said("reason", code), "reasons": _said("reason", code), "words": _said("reason", code), "ground": _said("rule", code),
        "rule": _said("rule", code), "amount": "12.50 EUR", "authority": AUTHORITY, "complaint": "", "closing": "", "follows": "",
        "searched": 6, "in_part": False, "waits": False, "more": False, "by_itself": False, "has_files": False,
        "effects": [_said("effect", code)], "told": [{"title": "Paperlamp", "why": _said("told", code)}], "told_note": "",
        "goes_on": False, "is_restriction": True, "work": say(_WORK), "store": "helpdesk", "collection": "letters",
        "is_overdue": False, "asker": "Robin Marsh", "says": _said("permission", code), "customer": "dpo@customer.example",
        "person": "anna.quill@post.example", "proven": True, "details": "", "recipient": "Paperlamp", "what": "deleted",
        "clause": "request-logs", "rows": 1903, "hold": "hold_7f3a90c2", "tries": 24, "requests": _LIST[:1], "is_fallback": False,
        "alarms": _ALARMS[:1], "clauses": _VOUCHED[:1], "origin": "privacy.lanternway.example/log", "size": "4.2\u202fMB",
        "note": _NOTE,
        "preheader": "",
    }  # fmt: skip


def _policy(code: str) -> dict[str, Any]:
    words, day = words_in(code), long_day(date(2026, 7, 1), code)
    change = {
        "title": _said("change", code),
        "more": "",
        "before": _said("before", code),
        "after": _said("after", code),
        "reaches_back": "",
    }
    return {
        "w": words, "greeting": f"{words['hello']} Anna Quill,", "subject": words["subject_day"].format(day=full_day(date(2026, 7, 1), code)),
        "title": words["w_title"], "intro": words["one"], "preheader": _said("change", code), "when_label": words["label_day"], "when_value": day,
        "when_note": "", "changes": [change], "smaller": [], "left_out": 0, "difference_link": f"{_SITE}/privacy/diff/7/8",
        "read_link": f"{_SITE}/privacy", "requests_link": f"{_SITE}/requests/new", "can_ask": True, "can_refuse": False,
        "why": words["why"].format(name=CONTROLLER["name"], ahead=words["why_ahead"].format(ahead=_AHEAD.words(code))), "number": 8,
        "sent": full_day(date(2026, 6, 11), code),
    }  # fmt: skip


def _full(code: str, given: Mapping[str, Any]) -> dict[str, Any]:
    reason, words = _said("reason", code), given["w"]
    back = {
        "title": _said("change", code),
        "more": reason,
        "before": _said("before", code),
        "after": "",
        "reaches_back": reason,
    }
    return {
        "more": True, "waits": True, "has_files": True, "in_part": True, "is_overdue": True, "is_fallback": True, "is_restriction": False,
        "details": reason, "follows": reason, "closing": _said("effect", code), "what": "corrected",
        "words": f"{_said('effect', code)}\n{_said('account', code)}\n\n{reason}", "reasons": f"{reason}\n\n{_said('effect', code)}",
        "asked": [{"title": _said("letters", code), "why": _said("by_hand", code)}],
        "refused": [{"title": _said("account", code), "why": reason}, {"title": _said("letters", code), "why": _said("tax", code)}],
        "told": [{"title": "Paperlamp", "why": reason}, {"title": "Fernlight", "why": _said("told", code)}],
        "effects": [_said("effect", code), reason], "requests": _LIST, "alarms": _ALARMS, "clauses": _VOUCHED,
        "changes": [given["changes"][0], back], "smaller": [reason, _said("effect", code)], "left_out": 3, "can_refuse": True,
        "when_note": words["note_after"].format(ahead=_AHEAD.words(code)),
    }  # fmt: skip


def _bare(code: str) -> dict[str, Any]:
    return {
        "items": [], "kept_back": [], "told": [], "told_note": _said("told", code), "authority": None, "complaint": _said("reason", code),
        "searched": 0, "asked_at": "", "at": "", "policy_link": "", "by_itself": True, "proven": False, "asker": "", "what": "lifted",
        "goes_on": True, "day": "", "effects": [_said("effect", code)], "changes": [], "can_ask": False, "requests": _LIST[1:],
    }  # fmt: skip


def _said(name: str, code: str) -> str:
    return _WORDS[name][code]
