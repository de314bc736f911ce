"""What leaves by a mail server: over TLS that is checked, signed, with headers that nobody's words can change, and no attachments."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.database import Database
from core.errors import ConfigurationError
from core.keys import derive_key
from core.rendering import Renderer
from core.reply_addresses import ReplyAddresses
from core.settings_mail import DkimSettings, MailSettings
from dsr.answer_examples import example_blocks
from jobs.mail_checks import check_signatures
from notify.mail import Mailer
from notify.mail_examples import MailExamples, Shape
from notify.mail_headers import LONGEST_SUBJECT, clean_line, clean_references
from notify.mail_natures import NATURES
from notify.mail_purposes import PURPOSES, find_purpose
from notify.mail_signing import DkimSigner
from notify.tables import MailState
from notify.transport import MailRefused, SigningTransport, SmtpTransport
from tests.ledger_rooms import SECRET, StandingClock
from tests.mail_rooms import ANSWER, SENDER, knows, open_room, post, server_context
from tests.policy_texts import policy
from tests.schema import make_tables
from tests.servers_http import make_certificate
from tests.test_notify_campaign_transport import mail as campaign_mail

FOLDERS = Path(__file__).parent.parent / "templates" / "email"
# A mail of a campaign is the same folder under another name.
EVENTS = sorted({folder.name for folder in FOLDERS.iterdir() if folder.is_dir()})
OTHER_NAMES = {"policy_change_minor"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """On SQLite alone: what leaves by the wire does not depend on it."""
    made = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def rsa_key() -> str:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_tls_is_checked_from_the_start_and_after_starttls(database: Database, tmp_path: Path) -> None:
    """With the certificate that kept.yaml names mail goes out, signed in; with another one nothing does, not even a password."""
    certificate, key = make_certificate(tmp_path, "127.0.0.1")
    stranger, _ = make_certificate(tmp_path, "mail.stranger.example")
    context, login = server_context(certificate, key), knows(b"kept", b"s3cret")
    with (
        post(ssl_context=context, authenticator=login, auth_require_tls=False) as whole,
        post(tls_context=context, require_starttls=True, authenticator=login) as after,
    ):
        urls = [f"smtps://kept:s3cret@127.0.0.1:{whole.port}", f"smtp+starttls://kept:s3cret@127.0.0.1:{after.port}"]
        for url in urls:
            room = open_room(database, tmp_path, smtp=url, ca=certificate)
            room.queue_many(3)
            assert room.rounds.run() == 3
            refused = open_room(database, tmp_path, smtp=url, ca=stranger)
            refused.queue_many(1)
            assert refused.rounds.run() == 0
            refused.pass_time(refused.mailer.rests_until - refused.clock.now())  # type: ignore[operator]
            with database.begin() as session:
                session.connection().exec_driver_sql("DELETE FROM outbox")
        assert (len(whole.contents), len(after.contents)) == (3, 3)
        wrong = open_room(database, tmp_path, smtp=urls[0].replace("s3cret", "guess"), ca=certificate)
        wrong.queue()
        assert wrong.rounds.run() == 0
        assert wrong.states()[MailState.WAITING] == 3
    assert isinstance(context, ssl.SSLContext)


def _lookup(*signers: DkimSigner) -> dict[bytes, bytes]:
    return {f"{one.record_name}.".encode(): one.record.encode() for one in signers}


def test_a_signed_mail_verifies_as_it_arrived_and_no_header_that_counts_can_be_changed(
    database: Database, tmp_path: Path, rsa_key: str
) -> None:
    """Relaxed over headers and body, the answer's address and the way to decline it included; mails of campaigns too."""
    settings = DkimSettings(domain="ccr.example", selector="kept1", key=rsa_key)
    names = _lookup(DkimSigner(settings))

    def txt(name: bytes, timeout: int = 5) -> bytes:
        return names[name]

    with post() as server:
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}", dkim=(settings,))
        room.queue(reply_ref="K7F3Q-2MXB", in_reply_to=["<a@post.example>"])
        assert room.rounds.run() == 1
        way = SigningTransport(SmtpTransport(f"smtp://127.0.0.1:{server.port}"), (settings,))
        with way.session() as out:
            out.send(campaign_mail(content=b"From: privacy@ccr.example\r\nSubject: dots\r\n\r\n.one\r\n..two\r\n"))
        first, second = server.contents
    signed = message_from_bytes(first)["DKIM-Signature"]
    assert "c=relaxed/relaxed" in signed
    for header in (
        "from",
        "to",
        "subject",
        "date",
        "message-id",
        "reply-to",
        "in-reply-to",
        "references",
        "content-type",
    ):
        assert header in signed
    assert dkim.verify(first, dnsfunc=txt)
    assert dkim.verify(second, dnsfunc=txt)
    assert not dkim.verify(first.replace(b"Subject: Subject", b"Subject: Another"), dnsfunc=txt)
    assert not dkim.verify(first.replace(b"Words", b"Lies!"), dnsfunc=txt)
    assert not dkim.verify(b"From: Eve <eve@ccr.example>\r\n" + first, dnsfunc=txt)


def test_a_key_that_cannot_sign_holds_mail_back_and_says_what_is_wrong(
    database: Database, tmp_path: Path, rsa_key: str
) -> None:
    """An unsigned mail would be taken for spam: it waits. A short key, another kind, and no key at all are named."""
    small = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
    assert DkimSigner(DkimSettings(domain="a.example", selector="s", key=rsa_key)).record.startswith(
        "v=DKIM1; k=rsa; p=MII"
    )
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    edwards = DkimSettings(domain="a.example", selector="s", key=pem)
    (said,) = check_signatures([edwards], lambda _name: None)
    assert "it is an Ed25519 key, and Kept signs with RSA alone" in said.state
    assert said.exit_status
    for text in ("", "-----BEGIN PRIVATE KEY-----\nnone", "c2hvcnQ="):
        with pytest.raises(ConfigurationError, match=r"s\._domainkey\.a\.example"):
            DkimSigner(DkimSettings(domain="a.example", selector="s", key=text)).check()
    assert small.key_size == 1_024
    bad = DkimSettings(domain="ccr.example", selector="kept1", key="nonsense")
    with post() as server:
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}", dkim=(bad,))
        mail_id = room.queue()
        assert room.rounds.run() == 0
        assert (room.row(mail_id).state, server.contents) == (MailState.WAITING, [])
        assert "cannot sign" in room.row(mail_id).why


def test_an_answer_comes_back_to_an_address_that_names_its_thread(database: Database, tmp_path: Path) -> None:
    """Signed, so that nobody makes one up; what it answers stands in the headers that threads go by."""
    replies = ReplyAddresses(SENDER, derive_key(SECRET, "reply addresses"))
    ids = ["<first@post.example>", "no id", "<x y>", "<second@post.example>"]
    with post() as server:
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}")
        room.queue(reply_ref="thr_" + "0af3" * 6, in_reply_to=ids)
        room.queue()
        open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}", signed_replies=False).queue()
        room.rounds.run()
    answer, other = server.messages[:2]
    assert replies.read(str(answer["Reply-To"])) == "thr_" + "0af3" * 6
    assert (answer["In-Reply-To"], answer["References"]) == (ids[3], f"{ids[0]} {ids[3]}")
    assert answer["X-Kept"] == "0123456789abcdef"
    assert other["Reply-To"] is None


NASTY = [
    "K7\r\nBcc: eve@post.example",
    "K7\n\nbody",
    "K7\x00\x0b\x85\u2028Bcc: eve@x.example",
    "\u202eelpmaxe\u2066\u200f" + "K7",
]


@pytest.mark.parametrize("words", [*NASTY, "x" * 10_000])
def test_no_word_of_a_person_adds_a_header_or_turns_a_line_around(
    tmp_path: Path, database: Database, words: str
) -> None:
    """In a subject of any length, whatever the bytes: one line, as it reads, with an end to it."""
    mailer = Mailer(
        MailSettings(sender=SENDER), tmp_path, Renderer(base_url="https://kept.example"), clock=StandingClock(),
        database=database, key=b"k" * 32,
    )  # fmt: skip
    given = {**MailExamples(example_blocks)("status_code", "en"), "ref": words}
    message = mailer.render("status_code", "en", to="anna@post.example", event_id="evt_1", variables=given)
    wire = message_from_bytes(message.as_bytes())
    assert set(wire.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Language",
    }  # fmt: skip
    subject = str(message["Subject"])
    assert len(subject) <= LONGEST_SUBJECT
    assert not set(subject) & set("\r\n\x00\x0b\x85\u2028\u202e\u2066\u200f")
    assert all(len(line) <= 998 for line in message.as_bytes().splitlines())


def test_a_name_keeps_its_letters_and_an_address_takes_no_line_break(tmp_path: Path, database: Database) -> None:
    """Joiners that some scripts need stay; a recipient with a break in it is refused, without a word of it."""
    assert clean_line("نامه\u200cها  and\r\nmore") == "نامه\u200cها and more"
    assert clean_references([f"<{number}@x.example>" for number in range(40)])[-1] == "<39@x.example>"
    room = open_room(database, tmp_path)
    mail_id = room.queue(to="anna@post.example\r\nBcc: eve@post.example")
    room.rounds.run()
    assert (room.row(mail_id).state, "eve" in room.row(mail_id).why) == (MailState.REFUSED, False)


@pytest.mark.parametrize("event", EVENTS)
def test_every_mail_has_a_nature_and_a_purpose_and_nothing_attached(
    event: str, tmp_path: Path, database: Database
) -> None:
    """With everything that may be in it: text and HTML and no more. Personal data is behind the link to the person's page."""
    assert event in NATURES
    assert find_purpose(event, "", None) == f"kept:{PURPOSES[event]}"
    if event.startswith("policy_"):
        return  # written by Letters, of the same two parts; test_notify_campaigns looks at them
    mailer = Mailer(
        MailSettings(sender=SENDER), tmp_path, Renderer(base_url="https://kept.example"), clock=StandingClock(),
        database=database, key=b"k" * 32,
    )  # fmt: skip
    given = MailExamples(example_blocks)(event, "en", Shape.FULL)
    message = mailer.render(event, "en", to="anna@post.example", event_id="evt_1", variables=given)
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert not any(part.get_filename() or part.get_content_disposition() for part in message.walk())


def test_a_mail_whose_purpose_no_policy_names_is_refused_and_says_so(database: Database, tmp_path: Path) -> None:
    """It stands in the outbox as refused, with the reason; the policy in force may name more than Kept's own."""
    assert set(NATURES) - OTHER_NAMES == set(PURPOSES) - OTHER_NAMES == set(EVENTS)
    room = open_room(database, tmp_path)
    mail_id = room.queue(ANSWER, purpose="marketing")
    assert room.rounds.run() == 1
    row = room.row(mail_id)
    assert (row.state, row.why) == (
        MailState.REFUSED,
        "Neither the policy in force nor Kept's own names the purpose 'marketing', so it is not sent.",
    )
    clauses = "{id: marketing, kind: purpose, of: [account], why: [news], basis: consent}"
    named = policy(clauses)
    assert find_purpose(ANSWER, "marketing", named) == "marketing"
    with pytest.raises(MailRefused, match="names no purpose"):
        find_purpose("nobody_knows_it", "", named)


def test_the_doctor_says_which_record_to_publish_and_whether_it_is_there(rsa_key: str) -> None:
    """A DNS that cannot be asked is no fault; one that has no record, or another key, is."""
    key = DkimSettings(domain="ccr.example", selector="kept1", key=rsa_key)
    record = DkimSigner(key).record
    spaced = record.replace("; ", ";").replace("p=", "p= ")
    for texts, state, status in (
        ([record], "well", 0),
        (["v=spf1 -all", spaced], "well", 0),
        (None, "the DNS could not be asked", 0),
        ([], "has no record", 1),
        (["v=DKIM1; k=rsa; p=AAAA"], "has another key", 1),
    ):
        (found,) = check_signatures([key], lambda _name, texts=texts: texts)  # type: ignore[misc]
        assert state in found.state
        assert found.exit_status == status
        assert (record in found.remedy) is (state != "well")
    (bad,) = check_signatures([DkimSettings(domain="ccr.example", selector="kept1", key="x")], lambda _name: None)
    assert (bad.exit_status, "cannot sign" in bad.state) == (2, True)
    assert check_signatures([]) == []
