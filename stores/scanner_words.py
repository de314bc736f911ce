"""The words that names of tables and columns are known by: what they hold, in the policy's words and in Fideslang's."""

import re
from dataclasses import dataclass

from stores.scanner_reading import Shape

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_FILE_END = re.compile(r"(\.(jsonl|ndjson|csv|json))?(\.(gz|zst))?$")
_NO_NOUN = frozenset({"table", "tbl", "tab", "data", "list", "record", "records", "row", "rows", "entity"})

# One meaning, the words that policies have for it: the first that the policy at hand uses is taken.
ALTERNATES = {
    "account": ("account", "user", "customer", "profile"),
    "api_key": ("api_key", "credential", "key"),
    "credential": ("credential", "provider_key", "secret", "api_key"),
    "request_log": ("request_log", "log", "access_log", "metadata", "usage_log", "usage"),
    "usage": ("usage", "usage_log", "usage_total", "metadata", "performance_metric"),
    "audit_log": ("audit_log", "security_log", "log"),
    "content": ("content", "code", "message", "document"),
    "invoice": ("invoice", "billing", "billing_log"),
    "billing": ("billing", "billing_log", "payment", "invoice"),
    "support_message": ("support_message", "support", "message", "request_message"),
    "session": ("session", "technical", "security_log"),
    "page_view": ("page_view", "analytics", "usage", "technical"),
    "mail_log": ("mail_log", "notification", "outgoing_mail"),
    "marketing": ("marketing", "newsletter"),
    "consent": ("consent", "acceptance"),
    "location": ("location",),
    "card_data": ("card_data", "payment", "billing"),
}
# What a table's name says it holds; the first that fits decides.
_TABLES: tuple[tuple[str, str], ...] = (
    (r"(^|_)(audit|security|admin)(_|$)|login_(attempt|event)|(^|_)activity_log", "audit_log"),
    (r"(^|_)(assertion|credential|secret|oauth|env_vars?|identit(y|ies)_token|mfa|totp|passkey)s?(_|$)", "credential"),
    (r"(^|_)((api|access|auth|refresh|verification|personal|bearer)_)?(key|token)s?(_mapping)?s?$", "api_key"),
    (r"(^|_)(invoice|receipt)s?(_|$)", "invoice"),
    (r"(^|_)(billing|payment|refund)s?(_|$)", "billing"),
    (r"(^|_)(e?mail|sms|push)_(log|event)s?|(^|_)(notification|outbox)s?(_|$)", "mail_log"),
    (r"(^|_)consents?(_|$)|(^|_)acceptances?(_|$)", "consent"),
    (r"newsletter|marketing|(^|_)(campaign|lead)s?(_|$)|(^|_)subscribers?$", "marketing"),
    (r"page_?views?|(^|_)(visit|click|impression|pageview)s?(_|$)|analytics", "page_view"),
    (r"(^|_)(daily|hourly|monthly|usage|metric|counter|stat|total|consumption|quota|spend)s?(_|$)(?!.*log)", "usage"),
    (r"(^|_)logs?(_|$)|(^|_)(request|call|access)s?$", "request_log"),
    (r"(^|_)(charge|order|subscription|transaction|purchase)s?(_|$)", "billing"),
    (r"(^|_)(support|feedback|ticket|complaint|inquir(y|ie)|helpdesk)s?(_|$)", "support_message"),
    (
        r"(^|_)(message|conversation|chat|memor(y|ie)|file|document|note|comment|post|upload|attachment|draft|image|photo|video"
        r"|embedding|vector_store|completion|transcript|workflow)s?(_|$)",
        "content",
    ),
    (r"(^|_)(login_|user_|web_)?sessions?$", "session"),
    (r"(^|_)(location|position|checkin|gps)s?(_|$)", "location"),
    (
        r"(^|_)(user|account|customer|member|membership|person|people|profile|client|contact|employee|invitation|subject|patient"
        r"|student|passenger|guest)s?(_|$)",
        "account",
    ),
)
TABLE_CATEGORIES = tuple((re.compile(pattern), category) for pattern, category in _TABLES)
# The noun of a table that lists people, when it stands last.
PERSON_NOUNS = frozenset(
    [
        "user",
        "account",
        "customer",
        "member",
        "person",
        "people",
        "profile",
        "client",
        "contact",
        "employee",
        "patient",
        "student",
        "guest",
        "subscriber",
    ]
)
MACHINES = frozenset(
    {"oauth", "auth", "api", "server", "service", "system", "bot"}
)  # their clients and accounts are no people
# Columns that say who set a row up, not whose it is.
ACTOR = re.compile(r"(^|_)by($|_api_key$|_user(_id)?$|_id$)|^(created|updated|deleted|changed)_by")
MAKER = re.compile(r"^(created|uploaded|added|submitted|written|started)_by(_id|_user_id)?$|^(author|creator)(_id)?$")
PERSON_FIELD = re.compile(
    r"^((app|end|auth|owner|author|creator|sender|recipient|target)_?)?"
    r"(user|customer|account|member|person|profile|contact|employee|owner|author|patient|student|subscriber)(_?(id|uuid|key))?$|^uid$"
)
KEY_FIELD = re.compile(r"(^|_)((api|access|virtual|hashed)_?key(_id|_hash)?|key_(id|hash)|token(_id|_hash)?)$")
FOREIGN_ID = re.compile(
    r"^(sso|external|oauth|auth0|google|github|stripe|okta|azure|apple|ldap)_?(user_|customer_)?(id|sub|uid)$"
)


@dataclass(frozen=True, kw_only=True)
class FieldWord:
    """What a column's name says. `category`: where it is not that of its table. `leads`: alone it makes a table people's."""

    pattern: re.Pattern[str]
    fideslang: str
    category: str | None = None
    shapes: frozenset[Shape] = frozenset({Shape.TEXT, Shape.OTHER})
    confidence: float = 0.8
    leads: bool = True


_ANY = frozenset(Shape)
_TEXTS = frozenset({Shape.TEXT, Shape.JSON, Shape.LIST, Shape.BINARY, Shape.OTHER})
_CONTENT = (
    r"(?<!error)(?<!error_)(?<!status_)(?<!commit_)(^|_)(prompts?|messages?|responses?|completions?|content|body|transcript|conversation"
    r"|reply|answers?|question|comments?|input|output|utterance|tool_call_history)$"
)


def _word(pattern: str, fideslang: str, category: str | None = None, **more: object) -> FieldWord:
    return FieldWord(pattern=re.compile(pattern), fideslang=fideslang, category=category, **more)  # type: ignore[arg-type]


# The first that fits a name (in small_letters) and whose shapes hold the column's decides.
FIELD_WORDS: tuple[FieldWord, ...] = (
    _word(r"(^|_)(e_?mail|mail)(_addr(ess)?)?$|email$", "user.contact.email", confidence=0.9),
    _word(
        r"(^|_)(phone|mobile|telephone|tel|msisdn|fax)(_?(no|num|number))?$", "user.contact.phone_number", shapes=_ANY
    ),
    _word(r"(^|_)(first|given|fore)_?name$", "user.name.first", confidence=0.9),
    _word(r"(^|_)(last|family|sur)_?name$", "user.name.last", confidence=0.9),
    _word(r"(^|_)(full|real|legal|person|customer|contact|recipient|user)_?name$|^user_alias$", "user.name"),
    _word(r"^(username|login|handle|nickname|screen_name)$", "user.account.username"),
    _word(
        r"(^|_)(street|address_?(line)?_?\d?|address1|address2)$(?<!ip_address)(?<!mac_address)",
        "user.contact.address.street",
    ),
    _word(r"(^|_)(city|town)$", "user.contact.address.city", confidence=0.6, leads=False),
    _word(
        r"(^|_)(zip|zip_?code|post_?code|postal_code)$", "user.contact.address.postal_code", shapes=_ANY, confidence=0.7
    ),
    _word(
        r"(^|_)ip(v4|v6)?(_?addr(ess)?)?$|(^|_)(remote|client|source|peer)_(addr|ip|host)$",
        "user.device.ip_address",
        confidence=0.9,
    ),
    _word(r"(^|_)user_?agent$", "user.device", leads=False),
    _word(r"(^|_)(device|advertising|installation)_?(id|uuid|token)$|^(idfa|gaid|imei)$", "user.device.device_id"),
    _word(r"(^|_)cookie(_id)?$", "user.device.cookie_id"),
    _word(
        r"(^|_)(dob|birth_?(day|date)?|date_of_birth)$", "user.demographic.date_of_birth", shapes=_ANY, confidence=0.9
    ),
    _word(r"^(gender|sex)$", "user.demographic.gender"),
    _word(
        r"(^|_)(ssn|social_security(_number)?|passport(_no|_number)?|national_id|tax_id|vat_id)$",
        "user.government_id",
        shapes=_ANY,
    ),
    _word(
        r"(^|_)(iban|bank_account|account_number|sort_code|routing_number)$", "user.financial.bank_account", shapes=_ANY
    ),
    _word(r"(^|_)(card_?(no|number)|pan|credit_card)$", "user.financial.credit_card", "card_data", shapes=_ANY),
    _word(
        r"(^|_)(lat|latitude|lon|lng|longitude|coordinates|geo(m|metry|point)?)$",
        "user.location.precise",
        "location",
        shapes=_ANY,
    ),
    _word(
        r"(^|_)(password|passwd|pwd|passphrase|pin)(_?(hash|digest))?$", "user.authorization.credentials", leads=False
    ),
    _word(
        r"(^|_)(secret|api_?key|access_?key|private_key|key_?hash|(access|refresh|session|auth|id|api)?_?token(_?hash)?|credentials?"
        r"(_b64|_values)?|assertion(_b64)?|otp|mfa_secret|values_b64|by_api_key)$",
        "user.authorization.credentials",
        shapes=_TEXTS,
        confidence=0.7,
        leads=False,
    ),
    _word(_CONTENT, "user.content", "content", shapes=_TEXTS),
    _word(r"(^|_)(notes?|remarks?|justification|bio|about)$", "user.content", "content", confidence=0.5, leads=False),
    _word(
        r"(^|_)(request|response|prompt)(_(kwargs|body|payload|data|text|json|content))?$|(^|_)(user|assistant|file)_content$|^file_object$",
        "user.content",
        "content",
        shapes=frozenset({Shape.JSON, Shape.BINARY, Shape.TEXT}),
        confidence=0.7,
    ),
    _word(r"^(company|employer|organi[sz]ation(_name)?)$", "user.contact.organization", confidence=0.6, leads=False),
    _word(r"^(job_title|occupation)$", "user.job_title", leads=False),
    _word(r"^(oid|subject_id|claim_value|jwt_claim_value|sub|uuid)$", "user.unique_id", confidence=0.5, leads=False),
)
# A person's name stands under such a word only where the table lists people.
OWN_NAME = re.compile(r"^(name|alias|display_name|label)$")

# Times by which a record is dated: the earlier in the list, the surer. Others are events.
TIMES: tuple[tuple[re.Pattern[str], float], ...] = tuple(
    (re.compile(pattern), weight)
    for pattern, weight in (
        (
            r"^(created|inserted|added)(_?(at|on|time|date|ts|utc))?$|^(creation|create)_?(date|time)$|^date_created$|^ctime$",
            1.0,
        ),
        (
            r"^(registered|registration|signup|sign_up|joined|issued|sent|received|ordered|placed|submitted|posted|uploaded)"
            r"(_?(at|on|date|time))?$|^date_joined$",
            0.9,
        ),
        (
            r"^(occurred|happened|logged|recorded|requested|captured|measured|event|request|observed)(_?(at|on|date|time|ts))$",
            0.95,
        ),
        (r"^(time_?stamp|ts|time|datetime|when|at|event_?time)$", 0.9),
        (
            r"^(start(ed)?|begin|began|first|window_start)(_.*)?(_?(at|on|time|date|seen))?$|^(start|begin)_?time$|^window_start$",
            0.85,
        ),
        (r"^(date|day|(usage|report|stat)_?(date|day))$", 0.8),
        (
            r"^(verified|confirmed|accepted|visited|viewed|paid|retired|checked|classified|published)_?(at|on|date)$",
            0.5,
        ),
        (r"^(last|latest)_.*|^(updated|modified|changed)(_?(at|on|time|date))?$|^last_update[d]?$", 0.3),
        (r"^(end|ended|finish(ed)?|complet(ed|ion))(_.*)?(_?(at|on|time|date))$", 0.3),
        (r"^deleted_?(at|on)$|^deletion_date$", 0.1),
    )
)
LOOKS_TIMED = re.compile(
    r"(^|_)(at|on|time|date|day|ts|timestamp|start|end|since|until|expires|expiry|dob)$|^(ts|time|when)"
)
# Events that clauses count `after:` and `until:`: (pattern, event, the categories it is of or () for any).
EVENTS: tuple[tuple[re.Pattern[str], str, frozenset[str]], ...] = tuple(
    (re.compile(pattern), event, frozenset(of))
    for pattern, event, of in (
        (
            r"^((account|profile)_)?(closed|deleted|deactivated|cancell?ed|terminated|removed)_?(at|on|date)?$",
            "account_closed",
            ("account",),
        ),
        (r"^(revoked?|disabled|deactivated|deleted)_?(at|on)$", "revoked", ("api_key", "credential", "session")),
        (
            r"^last_?(used?|active|access(ed)?|seen|activity|authenticated)(_?(at|on))?$",
            "last_use",
            ("api_key", "credential", "session"),
        ),
        (r"^last_?(login|seen|active|activity|sign_?in|used)(_?(at|on|date))?$", "last_seen", ("account",)),
        (r"^(closed|resolved)_?(at|on|date)$", "closed", ()),
        (r"^(paid|settled)_?(at|on|date)$", "paid", ("invoice", "billing")),
        (r"^(unsubscribed|opted_out|withdrawn)_?(at|on|date)?$", "withdrawn", ()),
        (r"^(expires?|expired|expiry|expiration|ends)(_?(at|on|date))?$", "expired", ()),
        (r"^(deleted|archived|removed)_?(at|on|date)$", "deleted", ()),
    )
)


def small_letters(name: str) -> str:
    """`requesterIPAddress` → `requester_ip_address`."""
    return re.sub(r"[^a-z0-9]+", "_", _CAMEL.sub("_", name.replace("OAuth", "Oauth")).lower()).strip("_")


def noun_of(table: str, prefix: str = "") -> str:
    """The words of a table's name without what all tables share and without `table`: `LiteLLM_UserTable` → `user`."""
    bare = _FILE_END.sub("", table.rpartition(":")[2].rpartition("/")[2]).rpartition(".")[2]
    if prefix and bare.startswith(prefix) and len(bare) > len(prefix):
        bare = bare[len(prefix) :]
    words = [word for word in small_letters(bare).split("_") if word]
    while len(words) > 1 and words[-1] in _NO_NOUN:
        words.pop()
    return "_".join(words)


def singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def shared_prefix(tables: list[str]) -> str:
    """The beginning up to an underscore that nearly all tables have (`LiteLLM_`, `app_`), '' where there is none."""
    bare = [table.rpartition(":")[2].rpartition(".")[2] for table in tables]
    heads = [name.partition("_")[0] + "_" for name in bare if "_" in name.strip("_")]
    if len(bare) < 4 or not heads:
        return ""
    common = max(set(heads), key=heads.count)
    return common if heads.count(common) >= 0.8 * len(bare) else ""
