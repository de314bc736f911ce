"""A raw mail becomes one value, whatever its bytes are: charsets, parts, quotes, files, dates, programs that answer."""

import base64
import random
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from inbox.bounces import read_bounce
from inbox.message import LARGEST, Message
from inbox.parsing import open_file, parse
from inbox.plain_text import make_plain, tidy
from inbox.quotes import split_quotes

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HEAD = (
    b"From: Ada Lovelace <Ada@Example.org>\r\nTo: privacy@kept.example\r\nSubject: My data\r\nMessage-ID: <one@example.org>\r\n"
    b"Date: Sat, 21 Nov 2026 10:00:00 +0100\r\n"
    b"Received: from mail.example.org by mx.kept.example with ESMTPS; Sat, 21 Nov 2026 09:00:05 +0000\r\n"
)


def read(raw: bytes) -> Message:
    return parse(raw, our_hosts=["kept.example"], now=NOW)


def read_body(body: bytes | str, *headers: str) -> Message:
    lines = "".join(f"{line}\r\n" for line in headers).encode()
    return read(HEAD + lines + b"\r\n" + (body.encode() if isinstance(body, str) else body))


def multipart(kind: str, *parts: str, more: str = "") -> bytes:
    inner = "".join(f"--edge\r\n{part}\r\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="edge"{more}\r\n\r\n{inner}--edge--\r\n'.encode()


def test_a_plain_mail_is_read_whole() -> None:
    """Every field of a well-formed mail is told, with nothing to complain of."""
    message = read_body(
        "Please delete my account.\r\n", "In-Reply-To: <zero@kept.example>", "References: <first@kept.example>"
    )
    assert message.text == "Please delete my account."
    assert (message.sender, message.sender_name) == ("ada@example.org", "Ada Lovelace")
    assert message.to == ("privacy@kept.example",)
    assert message.subject == "My data"
    assert message.message_id == "<one@example.org>"
    assert message.references == ("<first@kept.example>", "<zero@kept.example>")
    assert message.date == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert message.received_at == datetime(2026, 11, 21, 9, 0, 5, tzinfo=UTC)
    assert message.problems == ()
    assert message.auto == ""


def test_what_a_person_wrote_stands_in_no_repr() -> None:
    """A message that reaches a log by accident says nothing of the person."""
    shown = repr(read_body("My secret name is Ada."))
    assert "secret" not in shown
    assert "ada@example.org" not in shown.lower()


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("utf-8", "utf-8"), ("", "utf-8"), ("us-ascii", "utf-8"), ("iso-8859-1", "utf-8"), ("x-unknown", "utf-8"),
        ("iso-8859-1", "cp1252"), ("us-ascii", "cp1252"), ("", "cp1252"), ("utf-8", "cp1252"), ("rot13", "cp1252"), ("utf-7", "utf-7"), ("utf-16", "utf-16"),
    ],
)  # fmt: skip
def test_a_wrong_or_missing_charset_does_not_spoil_the_words(label: str, codec: str) -> None:
    """Declared rightly, wrongly or not at all: the words come out."""
    words = "Löschung – „alle Daten“, à réviser"
    header = f"Content-Type: text/plain; charset={label}" if label else "Content-Type: text/plain"
    message = read_body(base64.encodebytes(words.encode(codec)), header, "Content-Transfer-Encoding: base64")
    assert message.text == words


@pytest.mark.parametrize(
    ("codec", "words"),
    [
        ("cp1251", "Прошу удалить все мои персональные данные"),
        ("koi8-r", "Прошу удалить все мои персональные данные"),
        ("cp1253", "Παρακαλώ διαγράψτε τα προσωπικά μου δεδομένα"),
        ("cp1250", "Żądam usunięcia wszystkich moich danych, proszę o odpowiedź"),
        ("cp932", "私の個人データをすべて削除してください。よろしくお願いします。"),
        ("euc_jp", "私の個人データをすべて削除してください。よろしくお願いします。"),
        ("iso2022_jp", "私の個人データをすべて削除してください。"),
        ("gb18030", "请删除我的所有个人信息，谢谢。根据法律我有这个权利。"),
        ("cp949", "제 개인정보를 모두 삭제해 주시기 바랍니다. 감사합니다."),
    ],
)  # fmt: skip
def test_an_undeclared_charset_is_guessed_and_said_to_be(codec: str, words: str) -> None:
    """Eight-bit text without a label: the likeliest charset, and the operator is told that it is a guess."""
    message = read_body(words.encode(codec))
    assert message.text == words
    assert message.charset_guessed


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=200), codec=st.sampled_from(["utf-8", "utf-7", "gb18030", "utf-16"]))
def test_any_text_survives_any_charset_that_can_carry_it(text: str, codec: str) -> None:
    """What was written is what is read, but for what nobody sees."""
    lines = tidy(make_plain("x" + text + "x").text).split("\n")
    assume(not any(line.strip().startswith(("-", ">", "—", "–")) for line in lines))
    data = base64.encodebytes(("x" + text + "x").encode(codec, "surrogatepass" if codec == "utf-7" else "strict"))
    message = read_body(data, f"Content-Type: text/plain; charset={codec}", "Content-Transfer-Encoding: base64")
    assert message.text == tidy(make_plain("x" + text + "x").text)


@settings(max_examples=150, deadline=None)
@given(raw=st.binary(max_size=600))
@example(raw=b"")
@example(raw=b"\xff\xfe\x00")
@example(raw=b"Content-Type: multipart/mixed; boundary=\n\n--\n--")
@example(raw=b"Date: Mon, 99 Foo 99999999999999 99:99 +9999999\nReceived: by kept.example; 31 Feb 0000 1:1\n\n")
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    """Whatever comes, a message comes back."""
    assert isinstance(read(raw), Message)
    read_bounce(raw)


_PIECES = [
    b"From: ", b"Content-Type: multipart/mixed; boundary=b\n", b"\n", b"\n--b\n", b"\n--b--\n", b"=?utf-8?b?w7w=?=", b"=?x?q?=?=", b"(", b'"', b"<", b">", b"@",
    b"Content-Transfer-Encoding: base64\n", b"Content-Type: text/html; charset=utf-7\n", b"Content-Type: message/rfc822\n", b"a*0*=x''%", b"; ", b"<p hidden>", b"<!--",
    b"Content-Disposition: attachment; filename*=", b"Received: from x by kept.example; ", b"Date: 1 Jan 1970", b"\x80\xff", b"\x1b$B", b"On 10:00 a@b.c wrote:\n", b"From:\nTo:\nSent:\n",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(st.sampled_from(_PIECES), max_size=25))
def test_no_mixture_of_broken_syntax_makes_it_raise(pieces: list[bytes]) -> None:
    """Mail-like rubbish gets further into the reader than random bytes do."""
    raw = b"".join(pieces)
    assert isinstance(read(raw), Message)
    read_bounce(raw)


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        ("=?utf-8?q?L=C3=B6schung?= =?utf-8?q?_bitte?=", "Löschung bitte"),
        ("=?utf-8?B?TMO=?=\r\n =?utf-8?B?tnNjaHVuZw==?=", "Löschung"),  # broken inside a character
        ("=?utf-8?Q?L=C3=B6sch\r\n ung?=", "Löschung"),  # broken inside a word
        ("=?iso-2022-jp?B?GyRCOG8/TRsoQg==?=", "個人".replace("個人", base64.b64decode("GyRCOG8/TRsoQg==").decode("iso2022_jp"))),
        ("=?nonsense?q?caf=C3=A9?=", "café"),
        ("=?utf-8?b?broken", "=?utf-8?b?broken"),
        ("a\r\n\tfolded one", "a folded one"),
    ],
)  # fmt: skip
def test_words_of_a_subject_are_decoded_however_they_are_broken(written: str, subject: str) -> None:
    """RFC 2047, as programs write it."""
    raw = HEAD.replace(b"Subject: My data", b"Subject: " + written.encode())
    assert read(raw + b"\r\nx").subject == subject


def test_a_subject_of_10_kb_is_cut_and_said_to_be() -> None:
    """Ten thousand characters are no subject."""
    message = read(HEAD.replace(b"My data", b"x" * 10_000) + b"\r\nhello")
    assert len(message.subject) == 1_000
    assert message.problems == ("The subject has 10,000 characters; it was cut at 1,000.",)


def test_a_name_carries_no_header_into_anything() -> None:
    """Line breaks and marks of direction in a name are taken out, and the operator is told."""
    name = base64.b64encode("Ada\r\nBcc: all@x.org\u202e".encode()).decode()
    message = read(f"From: =?utf-8?b?{name}?= <a@b.org>\r\n\r\nhi".encode())
    assert message.sender_name == "Ada Bcc: all@x.org"
    assert message.sender == "a@b.org"
    assert any("line breaks" in one for one in message.problems)


@pytest.mark.parametrize(
    ("said", "sender", "problem"),
    [
        ("a@b.org, c@d.org", "a@b.org", "The mail names 2 senders; the first one is shown."),
        ("nobody", "", "The sender's address cannot be read."),
        ("", "", "The mail names no sender."),
        ('"Lovelace, Ada" <a@b.org>', "a@b.org", ""),
        ("a@b.org (Ada (the first))", "a@b.org", ""),
        ("Ada <@relay.org:a@b.org>", "a@b.org", ""),
    ],
)  # fmt: skip
def test_odd_senders_are_told(said: str, sender: str, problem: str) -> None:
    """Several, none, or one written in a strange way."""
    message = read(f"From: {said}\r\n\r\nhi".encode())
    assert message.sender == sender
    assert not problem or problem in message.problems


def test_a_mail_without_message_id_gets_a_lasting_one() -> None:
    """The same bytes have the same id, others another: a mail is taken once."""
    one, again, other = (
        read(raw).message_id for raw in (b"From: a@b.c\n\nhi", b"From: a@b.c\n\nhi", b"From: a@b.c\n\nho")
    )
    assert one == again != other
    assert one.startswith("<")


@pytest.mark.parametrize(("said", "words"), [("Thu, 01 Jan 1970 00:00:00 +0000", "long ago"), ("Sun, 21 Nov 2027 00:00:00 +0000", "still to come"), ("yesterday", "cannot be read")])  # fmt: skip
def test_a_date_that_cannot_be_is_kept_and_flagged(said: str, words: str) -> None:
    """What the mail says of itself moves no clock."""
    message = read(HEAD.replace(b"Sat, 21 Nov 2026 10:00:00 +0100", said.encode()) + b"\r\nhi")
    assert any(words in one for one in message.problems)
    assert message.received_at == datetime(2026, 11, 21, 9, 0, 5, tzinfo=UTC)


def _received(*hops: tuple[str, str, datetime]) -> Message:
    lines = [f"Received: from {source} by {by} with ESMTP; {format_datetime(at)}\r\n" for source, by, at in hops]
    return read("".join(lines).encode() + b"From: a@b.c\r\n\r\nhi")


def test_the_clock_starts_at_the_first_time_at_our_server() -> None:
    """Down from the top while ours hand it on; what a stranger wrote below counts for nothing."""
    first = NOW - timedelta(hours=3)
    message = _received(
        ("relay.other.org", "fetch.other.org", NOW),
        ("mx.kept.example", "store.kept.example", first + timedelta(minutes=2)),
        ("evil.org", "mx.kept.example", first),
        ("mx.kept.example", "mx.kept.example", first - timedelta(days=20)),
    )
    assert message.received_at == first


@pytest.mark.parametrize("at", [NOW + timedelta(days=300), NOW - timedelta(days=91), datetime(1970, 1, 1, tzinfo=UTC)])
def test_an_implausible_time_of_receipt_is_not_used(at: datetime) -> None:
    """No time rather than a wrong one, and the reason is told."""
    message = _received(("a.org", "mx.kept.example", at))
    assert message.received_at is None
    assert any("it is not used" in one for one in message.problems)


def test_without_names_of_ours_the_topmost_header_counts() -> None:
    """The last server is the one that the mailbox is on."""
    raw = f"Received: by any.org; {format_datetime(NOW)}\r\nReceived: from x by y; {format_datetime(NOW - timedelta(days=1))}\r\n\r\nhi"
    assert parse(raw.encode(), now=NOW).received_at == NOW


def test_without_a_header_of_our_server_there_is_no_time() -> None:
    """A header by someone else starts no clock."""
    message = _received(("a.org", "mx.other.org", NOW))
    assert message.received_at is None
    assert "No server of ours says when it received the mail." in message.problems


def test_the_plain_text_of_alternatives_is_taken() -> None:
    """Plain first, whatever the order."""
    raw = multipart(
        "alternative",
        "Content-Type: text/html\r\n\r\n<p>Delete <b>me</b></p>",
        "Content-Type: text/plain\r\n\r\nDelete me",
    )
    assert read(HEAD + raw).text == "Delete me"


def test_a_stub_of_plain_text_gives_way_to_the_page() -> None:
    """'Your program cannot show HTML' is nobody's request."""
    page = "<p>" + "Please delete all of my data under Article 17. " * 5 + "</p>"
    raw = multipart("alternative", "Content-Type: text/plain\r\n\r\nNo HTML?", f"Content-Type: text/html\r\n\r\n{page}")
    assert read(HEAD + raw).text.startswith("Please delete all")


@pytest.mark.parametrize("boundary", ["", "; boundary=", "; boundary=other"])
def test_parts_are_found_where_the_boundary_is_missing_or_wrong(boundary: str) -> None:
    """The first line that looks like one is taken for it."""
    raw = multipart("mixed", "\r\nDelete me", "\r\nand my mails").replace(b'; boundary="edge"', boundary.encode())
    assert read(HEAD + raw).text == "Delete me\n\nand my mails"


def test_two_texts_that_differ_are_both_shown() -> None:
    """A mail that shows people one thing and machines another is flagged."""
    raw = multipart(
        "alternative", "Content-Type: text/plain\r\n\r\nBuy cheap watches today", "Content-Type: text/html\r\n\r\n<p>Delete my account, please</p>"
    )  # fmt: skip
    message = read(HEAD + raw)
    assert "watches" in message.text
    assert "Delete my account" in message.text
    assert any("differ" in one for one in message.problems)


def test_a_page_alone_becomes_text_with_its_structure() -> None:
    """Paragraphs, lists, tables; no scripts, nothing hidden, quotes told apart."""
    page = (
        "<html><head><title>t</title><style>p{}</style></head><body><p>I want:</p><ul><li>a copy</li><li>deletion</li></ul>"
        "<table><tr><td>Name</td><td>Ada</td></tr></table><div style='display: none'>secret <b>words</b></div>"
        "<script>alert(1)</script><p>Thanks&nbsp;&amp; bye<br>Ada</p><blockquote>our words</blockquote></body></html>"
    )
    message = read_body(page, "Content-Type: text/html; charset=utf-8")
    assert message.text == "I want:\n\n- a copy\n- deletion\n\nName | Ada\n\nThanks & bye\nAda"
    assert message.quoted == "> our words"
    assert any("hides" in one for one in message.problems)


@pytest.mark.parametrize(
    "page",
    [
        "<p hidden>Delete me",
        "<a <a <a Delete me",
        "Delete me<!-- no end",
        '<p title="no end>Delete me</p>',
        "<<<>Delete me",
    ],
)
def test_a_broken_page_loses_no_words(page: str) -> None:
    """Tags that never close hide nothing but themselves."""
    assert "Delete me" in read_body(page, "Content-Type: text/html").text


_ATTRIBUTIONS = [
    "On Fri, 20 Nov 2026 at 10:00, Kept <privacy@kept.example> wrote:",
    "Am Fr., 20. Nov. 2026 um 10:00 Uhr schrieb Kept <privacy@kept.example>:",
    "Le ven. 20 nov. 2026 à 10:00, Kept <privacy@kept.example> a écrit :",
    "El vie, 20 nov 2026 a las 10:00, Kept (<privacy@kept.example>) escribió:",
    "Il giorno ven 20 nov 2026 alle ore 10:00 Kept <privacy@kept.example> ha scritto:",
    "Op vr 20 nov 2026 om 10:00 schreef Kept <privacy@kept.example>:",
    "On Fri, 20 Nov 2026 at 10:00, Kept with a long name\n<privacy@kept.example> wrote:",
    "-----Original Message-----",
    "-----Ursprüngliche Nachricht-----",
    "-----Message d'origine-----",
    "-----Mensaje original-----",
    "-----Messaggio originale-----",
    "-----Oorspronkelijk bericht-----",
    "From: Kept <privacy@kept.example>\nSent: Friday, 20 November 2026 10:00\nTo: Ada\nSubject: Your request",
    "________________________________\nVon: Kept <privacy@kept.example>\nGesendet: Freitag, 20. November 2026 10:00\nAn: Ada\nBetreff: Ihre Anfrage",
    "De : Kept <privacy@kept.example>\nEnvoyé : vendredi 20 novembre 2026 10:00\nÀ : Ada\nObjet : Votre demande",
    "Da: Kept\nInviato: venerdì 20 novembre 2026\nA: Ada\nOggetto: richiesta",
    "Van: Kept\nVerzonden: vrijdag 20 november 2026\nAan: Ada\nOnderwerp: verzoek",
    "De: Kept\nEnviado el: viernes, 20 de noviembre de 2026\nPara: Ada\nAsunto: solicitud",
]


@pytest.mark.parametrize("attribution", _ATTRIBUTIONS)
def test_an_answer_on_top_is_told_from_what_it_answers(attribution: str) -> None:
    """In six languages, as the large mail programs write it."""
    split = split_quotes(f"Yes, that is me.\n\n{attribution}\n\nPlease prove who you are.")
    assert split.text == "Yes, that is me."
    assert "Please prove who you are." in split.quoted


@pytest.mark.parametrize(
    ("page", "text", "quoted"),
    [
        ('<div>Yes, delete it.</div><div><br></div>-- <br><div class="gmail_signature">Ada</div><br><div class="gmail_quote"><div class="gmail_attr">On Fri, Nov 20, 2026 at 10:00 AM Kept &lt;p@k.e&gt; wrote:<br></div><blockquote class="gmail_quote">Who?</blockquote></div>', "Yes, delete it.", "> Who?"),
        ('<p>Ja, löschen.<o:p></o:p></p><div style="border:none"><p><b>Von:</b> Kept &lt;p@k.e&gt;<br><b>Gesendet:</b> Freitag<br><b>An:</b> Ada<br><b>Betreff:</b> x</p></div><p>Wer?</p>', "Ja, löschen.", "Wer?"),
        ('Oui.<br><br><div>Envoyé de mon iPhone</div><blockquote type="cite">Le 20 nov. 2026 à 10:00, Kept &lt;p@k.e&gt; a écrit :<br><br></blockquote><blockquote>Qui ?</blockquote>', "Oui.", "> Qui ?"),
        ('<div>Sí, por favor.</div><div class="yahoo_quoted"><div>En viernes, 20 de noviembre de 2026, 10:00:00 CET, Kept &lt;p@k.e&gt; escribió: </div><div><br></div><div>Hola</div></div>', "Sí, por favor.", "Hola"),
    ],
)  # fmt: skip
def test_pages_of_the_large_programs_are_told_apart(page: str, text: str, quoted: str) -> None:
    """Gmail, Outlook, Apple and Yahoo, as they write an answer; the sentence right above is kept."""
    message = read_body(page, "Content-Type: text/html; charset=utf-8")
    assert message.text == text
    assert quoted in message.quoted


def test_answers_below_and_between_are_kept() -> None:
    """Only the lines with a mark are somebody else's."""
    split = split_quotes(
        "On 20 Nov 2026 10:00 Kept <p@kept.example> wrote:\n> Is this you?\nYes.\n> Which account?\nNumber 7.\n"
    )
    assert split.text == "Yes.\nNumber 7."
    assert split.quoted.count(">") == 3


_LINES = [
    "Delete my data", "> quoted", ">> deeper", "", "-- ", "--", "On 20 Nov 2026 10:00 Kept <p@kept.example> wrote:", "From: Kept", "Sent: today", "To: me", "Subject: x", "_____",
    "-----Original Message-----", "---------- Forwarded message ---------", "Sent from my iPhone", "This e-mail is confidential and intended for you", "Am 3.3. schrieb", "wrote:", "> ",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(st.sampled_from(_LINES), max_size=20), subject=st.sampled_from(["", "Fwd: x"]))
def test_every_line_is_either_written_or_quoted(lines: list[str], subject: str) -> None:
    """Telling them apart loses nothing and says nothing twice."""
    split = split_quotes("\n".join(lines), subject)
    told = (split.text + "\n" + split.quoted).split("\n")
    assert sorted(filter(None, (one.strip("> ") for one in told))) == sorted(
        filter(None, (one.strip("> ") for one in lines))
    )


@pytest.mark.parametrize(
    "letter",
    [
        "Von: Ada Lovelace\nAn: Kept GmbH\nDatum: 21.11.2026\nBetreff: Auskunft\n\nIch bitte um Auskunft nach Art. 15 DSGVO.",
        "On 3 March 2026 at 10:00 I wrote:\n\nplease delete my account. Nothing happened.",
        "Am 3. März um 10:00 schrieb ich Ihnen:\n\nBitte löschen Sie alles. Bis heute keine Antwort.",
        "> Please delete everything you have about me.",
        "The message is confidential and intended for your privacy officer.\n\nDelete my data.",
        "- name: Ada\n- account: 7\n\nDelete these -- all of them.",
    ],
)
def test_a_letter_is_not_taken_for_a_quote(letter: str) -> None:
    """A heading of a letter, a story of an earlier one, or marks before every line take nothing away."""
    split = split_quotes(letter)
    assert split.quoted == ""
    assert split.text == letter.removeprefix("> ")


@pytest.mark.parametrize(
    "footer",
    [
        "-- \nAda Lovelace\nTel. 0123", "--\nAda", "Sent from my iPhone", "Von meinem iPhone gesendet", "Envoyé de mon iPhone", "Enviado desde mi iPhone", "Inviato da iPhone",
        "Verstuurd vanaf mijn iPhone", "Get Outlook for Android", "Gesendet mit der GMX Mail App",
        "This e-mail is confidential and may be privileged. If you are not the intended recipient, delete this message.",
        "Diese E-Mail enthält vertrauliche und/oder rechtlich geschützte Informationen. Wenn Sie nicht der richtige Adressat sind, löschen Sie diese Nachricht.",
        "Ce message est confidentiel. Si vous n'êtes pas le destinataire, supprimez ce courriel.",
    ],
)  # fmt: skip
def test_signatures_and_footers_are_no_part_of_what_was_asked(footer: str) -> None:
    """A disclaimer says 'delete': that is nobody's request. It is kept with the quotes."""
    split = split_quotes(f"Send me a copy of my data.\n\nRegards, Ada\n\n{footer}\n")
    assert split.text == "Send me a copy of my data.\n\nRegards, Ada"
    assert tidy(footer).splitlines()[0] in split.quoted


def test_what_was_forwarded_stands_in_quoted() -> None:
    """Inside the text or as a mail of its own: the message says that it passes something on."""
    inline = read_body(
        "FYI\n\n---------- Forwarded message ---------\nFrom: Bob <bob@x.org>\nSubject: Delete\n\nDelete me."
    )
    assert (inline.text, inline.forwarded) == ("FYI", True)
    assert "Delete me." in inline.quoted
    inner = "Content-Type: message/rfc822\r\n\r\nFrom: Bob <bob@x.org>\r\nSubject: =?utf-8?q?L=C3=B6schen?=\r\n\r\nDelete me."
    attached = read(HEAD + multipart("mixed", "\r\nFYI", inner))
    assert (attached.text, attached.forwarded) == ("FYI", True)
    assert attached.quoted == "From: Bob <bob@x.org>\nSubject: Löschen\n\nDelete me."
    assert [one.name for one in attached.attachments] == ["message.eml"]


def test_lines_that_a_program_broke_are_whole_again() -> None:
    """format=flowed, with quotes and a signature."""
    message = read_body(
        "Please delete \r\nall of it.\r\n> old \r\n> words\r\n-- \r\nAda\r\n", "Content-Type: text/plain; format=flowed"
    )
    assert message.text == "Please delete all of it."
    assert message.quoted == "> old words\n\n--\nAda"


def test_files_are_named_safely_and_never_unpacked() -> None:
    """RFC 2231 names, folders, marks that hide an end."""
    named = "Content-Type: application/pdf\r\nContent-Disposition: attachment;\r\n filename*0*=utf-8''%e2%80%ae../..%2fl%C3%B6sch;\r\n filename*1*=ung.pdf\r\n\r\nPDF"
    sly = 'Content-Type: text/plain; name="C:\\\\temp\\\\a\u202etxt.exe"\r\n\r\nx'
    message = read(HEAD + multipart("mixed", "\r\nHello", named, sly))
    assert [one.name for one in message.attachments] == ["löschung.pdf", "atxt.exe"]
    assert message.text == "Hello"
    content = open_file(HEAD + multipart("mixed", "\r\nHello", named, sly), 0)
    assert content is not None
    assert content.data == b"PDF"
    assert open_file(HEAD + b"\r\nHello", 0) is None


def test_files_have_limits_of_size_number_and_growth() -> None:
    """Beyond them a file is named with its reason, and not handed on."""
    many = [f"Content-Type: image/png; name={number}.png\r\n\r\nx" for number in range(60)]
    message = read(HEAD + multipart("mixed", *many))
    assert len(message.attachments) == 50
    assert "The mail has 60 files; only the first 50 are listed." in message.problems
    large = read(HEAD + b"Content-Type: image/png; name=a.png\r\n\r\n" + b"x" * 10_000_001)
    assert large.attachments[0].refused == "it has more than 10 MB."
    bomb = b"PK\x03\x04" + b"\0" * 40 + b"PK\x01\x02" + b"\0" * 20 + b"\xff\xff\xff\x7f" + b"\0" * 30
    archive = read(HEAD + b"Content-Type: application/zip; name=a.zip\r\n\r\n" + bomb)
    assert "unpacks to 2,147,483,647" in archive.attachments[0].refused


def test_what_cannot_be_read_is_told() -> None:
    """Outlook's own format, encrypted mails, broken codings."""
    assert any(
        "winmail.dat" in one
        for one in read(HEAD + b"Content-Type: application/ms-tnef; name=winmail.dat\r\n\r\nx").problems
    )
    assert any(
        "S/MIME" in one
        for one in read(HEAD + b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nx").problems
    )
    assert any("PGP" in one for one in read_body("-----BEGIN PGP MESSAGE-----\n\nabc").problems)
    broken = read_body("Hel=lo =ZZ w=C3=B6rld", "Content-Transfer-Encoding: quoted-printable")
    assert "wörld" in broken.text
    assert any("broken" in one for one in broken.problems)
    half = read_body(base64.b64encode(b"Delete me please")[:-3] + b"!!", "Content-Transfer-Encoding: base64")
    assert half.text.startswith("Delete me ple")


def test_words_that_have_a_file_name_are_words_where_they_are_all_there_is() -> None:
    """Some programs name the text itself."""
    assert read(HEAD + b'Content-Type: text/plain; name="mail.txt"\r\n\r\nDelete me').text == "Delete me"


def test_a_class_called_hidden_hides_nothing() -> None:
    """Only what a browser would not show is left out."""
    assert read_body('<p class="no hidden fee">Delete me</p>', "Content-Type: text/html").text == "Delete me"
    assert read_body("<p>Delete</p><p hidden class=x>everyone</p>", "Content-Type: text/html").text == "Delete"


def test_a_mail_of_files_alone_says_so() -> None:
    """A letter as a scan is no empty mail."""
    message = read(HEAD + multipart("mixed", "\r\n", "Content-Type: application/pdf; name=letter.pdf\r\n\r\nPDF"))
    assert message.text == ""
    assert message.problems == ("The mail has no words of its own: what is asked may stand in its files.",)


def test_a_body_without_a_blank_line_above_is_a_body() -> None:
    """No word is lost because somebody's program forgot a line."""
    assert read(b"Subject: x\nI want my data deleted.\nThank you").text == "I want my data deleted.\nThank you"
    assert read(b"I want my data deleted.\n\nThank you").text == "I want my data deleted.\n\nThank you"
    assert read(b"Subject: x\r\rOld lines\rof a Mac").text == "Old lines\nof a Mac"


@pytest.mark.parametrize(
    ("headers", "auto"),
    [
        (("Auto-Submitted: auto-replied (vacation)",), "auto-reply"), (("X-Autoreply: yes",), "auto-reply"), (("Precedence: auto_reply",), "auto-reply"),
        (("Auto-Submitted: no",), ""), (("Auto-Submitted: auto-generated",), "generated"), (("Precedence: bulk",), "generated"),
        (("List-Id: News <news.other.org>",), "list"), (("List-Id: Privacy <privacy.kept.example>",), ""), (("X-Kept: 1",), "loop"),
        (("Content-Type: multipart/report; report-type=disposition-notification; boundary=x",), "auto-reply"),
    ],
)  # fmt: skip
def test_mails_of_programs_are_told_apart(headers: tuple[str, ...], auto: str) -> None:
    """Replies, lists, programs and our own: a group of ours is a person's way in."""
    assert read_body("hi", *headers).auto == auto


@pytest.mark.parametrize("subject", ["Automatic reply: x", "Automatische Antwort: x", "Abwesenheitsnotiz", "Réponse automatique : x", "Respuesta automática: x", "Risposta automatica: x", "Automatisch antwoord: x", "Out of Office"])  # fmt: skip
def test_an_automatic_reply_is_known_by_its_subject(subject: str) -> None:
    """Six languages, where no header says it."""
    assert read(HEAD.replace(b"My data", subject.encode()) + b"\r\nhi").auto == "auto-reply"


def test_our_own_mail_that_comes_back_is_a_loop() -> None:
    """It is known by the form of its id; an answer to it is none."""
    ours = b"<out_" + b"0123456789ab" * 2 + b"@kept.example>"
    assert read(HEAD.replace(b"<one@example.org>", ours) + b"\r\nhi").auto == "loop"
    assert read_body("hi", f"In-Reply-To: {ours.decode()}").auto == ""


def test_a_bounce_says_which_mail_reached_whom() -> None:
    """RFC 3464: recipient, action, status, and the id of what was sent."""
    status = (
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.x.org\r\n\r\nOriginal-Recipient: rfc822;Bob@x.org\r\n"
        "Final-Recipient: rfc822;robert@y.org\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp;\r\n 550 no such user"
    )
    original = "Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\nMessage-ID: <out_1@kept.example>"
    raw = HEAD + multipart("report", "\r\nSorry.", status, original, more="; report-type=delivery-status")
    bounce = read_bounce(raw)
    assert bounce is not None
    assert bounce.original_id == "<out_1@kept.example>"
    (failed,) = bounce.failed
    assert (failed.recipient, failed.status, failed.diagnostic) == ("bob@x.org", "5.1.1", "smtp; 550 no such user")
    assert read(raw).auto == "bounce"
    assert read(raw).attachments == ()
    assert read_bounce(HEAD + b"\r\nhi") is None


def test_characters_that_nobody_sees_are_counted_and_left_out() -> None:
    """A body of marks hides no words from the machine."""
    message = read_body("\u200f" * 3_000 + "De\u200blete\u202e my\xa0data")
    assert message.text == "Delete my data"
    assert message.problems == (
        "3002 characters that nobody sees (marks of direction, of no width) are left out of the text.",
    )


def test_a_mail_of_60_mb_costs_little_beyond_its_bytes() -> None:
    """Its first 50 MB are looked at; what is read of them is bounded."""
    line = b"QUJD" * 19 + b"\r\n"
    raw = (
        HEAD
        + multipart(
            "mixed", "\r\nDelete me", "Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        )[:-12]
    )
    raw += line * (60_000_000 // len(line))
    tracemalloc.start()
    message = read(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message.text == "Delete me"
    assert message.problems[0] == "The mail has more than 50 MB: what is beyond was not read."
    assert len(raw) > LARGEST
    assert peak < 2_000_000


_HOSTILE = {
    "parts": HEAD + multipart("mixed", *["\r\nx"] * 10_000),
    "depth": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(500)) + b"\nx",
    "headers": HEAD + b"X-Long: yes\r\n" * 80_000 + b"\r\nx",
    "one header": HEAD + b"X-Long: " + b"a " * 500_000 + b"\r\n\r\nx",
    "comments": b"From: " + b"(" * 60_000 + b"\r\n\r\nx",
    "words": b"Subject: " + b"=?a?q?" * 10_000 + b"\r\n\r\nx",
    "tags": HEAD + b'Content-Type: text/html\r\n\r\n' + b'<a "><a " ' * 30_000 + b"x",
    "attributions": HEAD + b"\r\n" + b"On 10:00 a@b.c wrote\n" * 10_000,
    "marks": HEAD + b"\r\n" + "a\u0315\u0301\u0316".encode() * 50_000,
    "delimiters": HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"\n--bb" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("name", _HOSTILE)
def test_no_shape_of_mail_takes_long(name: str) -> None:
    """Ten thousand parts, a megabyte of headers, whatever never closes: two seconds at most, and something comes back."""
    begun = time.process_time()
    assert isinstance(read(_HOSTILE[name]), Message)
    assert time.process_time() - begun < 2


def test_a_mail_that_the_library_makes_is_read_as_it_was_meant() -> None:
    """A round through the standard library: text, page, file, names beyond ASCII."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = (
        "Zoë Müller <zoe@example.org>",
        "privacy@kept.example",
        "Löschung – 全部",
    )
    mail.set_content("Bitte löschen Sie alles.\n")
    mail.add_alternative("<p>Bitte löschen Sie <b>alles</b>.</p>", subtype="html")
    mail.add_attachment(
        random.Random(1).randbytes(5_000), maintype="application", subtype="pdf", filename="Ausweis Zoë.pdf"
    )
    message = read(mail.as_bytes())
    assert (message.sender_name, message.subject, message.text) == (
        "Zoë Müller",
        "Löschung – 全部",
        "Bitte löschen Sie alles.",
    )
    assert [(one.name, one.size) for one in message.attachments] == [("Ausweis Zoë.pdf", 5_000)]
