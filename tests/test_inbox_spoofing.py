"""Signals of a forged sender: results of our own server only, addresses that look like others. Shown, never a verdict."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.authentication import read_authentication
from inbox.look_alikes import Likeness, is_mixed, look_alike, show_both_ways, skeleton
from inbox.parsing import parse
from inbox.spoofing import Signals, signals

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def read_signals(*results: str, sender: str = "Ada <ada@example.org>", more: str = "", trusted: tuple[str, ...] = ("mx.kept.example",)) -> Signals:  # fmt: skip
    lines = "".join(f"Authentication-Results: {one}\r\n" for one in results)
    raw = f"{lines}{more}From: {sender}\r\nMessage-ID: <a@example.org>\r\n\r\nhi".encode()
    return signals(parse(raw, now=NOW), trusted_servers=trusted)


def test_the_word_of_our_server_is_shown() -> None:
    """Three methods, what they looked at, and who says so."""
    found = read_signals(
        "mx.kept.example 1; spf=pass smtp.mailfrom=ada@example.org;\r\n dkim=pass (2048-bit key) header.d=example.org header.s=x;\r\n"
        " dmarc=pass (p=reject) header.from=example.org"
    )
    assert (found.spf, found.dkim, found.dmarc) == ("pass", "pass", "pass")
    assert found.server == "mx.kept.example"
    assert found.properties["dkim"]["header.d"] == "example.org"
    assert found.proven
    assert found.remarks == ()


def test_other_servers_are_ignored_and_named() -> None:
    """Anybody can write such a header: only the configured server's counts."""
    found = read_signals("mx.evil.org; dmarc=pass", "mx.kept.example; dmarc=fail header.from=example.org")
    assert found.dmarc == "fail"
    assert found.ignored == ("mx.evil.org",)
    assert not found.proven
    assert "Our server says that DMARC failed." in found.remarks


def test_a_second_header_in_our_name_does_not_change_the_first() -> None:
    """Our server writes on top; what stands below may be forged. A method that only the lower one tells is taken."""
    found = read_signals("mx.kept.example; dmarc=fail", "mx.kept.example; dmarc=pass; spf=neutral")
    assert (found.dmarc, found.spf) == ("fail", "neutral")
    assert found.ignored == ("mx.kept.example, a second time",)


def test_a_server_without_a_name_counts_only_where_it_is_configured() -> None:
    """Some large providers write no name."""
    said = "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.org; dkim=none;dmarc=pass action=none"
    assert read_signals(said).dmarc == ""
    assert read_signals(said).ignored == ("a server that gives no name",)
    assert read_signals(said, trusted=("",)).dmarc == "pass"


def test_a_result_in_a_comment_or_in_quotes_is_none() -> None:
    """What stands in brackets or quotes is not said."""
    found = read_signals('mx.kept.example; dmarc=fail (dmarc=pass; dkim=pass) reason="; spf=pass"')
    assert (found.dmarc, found.dkim, found.spf) == ("fail", "", "")


def test_one_signature_that_holds_is_enough() -> None:
    """Mailing services sign twice."""
    found = read_signals("mx.kept.example; dkim=fail header.d=a.org; dkim=pass header.d=example.org; dmarc=none")
    assert found.dkim == "pass"
    assert found.properties["dkim"]["header.d"] == "example.org"


def test_an_unknown_word_is_no_result() -> None:
    """Only the words of RFC 8601 count."""
    assert read_signals("mx.kept.example; dmarc=PASS; spf=great; dkim=passed").dmarc == "pass"
    assert read_signals("mx.kept.example; spf=great").spf == ""
    assert read_signals("mx.kept.example; none").dmarc == ""


def test_silence_is_said() -> None:
    """No header of ours is told in words, not taken for good."""
    assert read_signals().remarks == ("Our server says nothing about who sent this.",)


@pytest.mark.parametrize(
    ("sender", "more", "words"),
    [
        ('"support@kept.example" <x@evil.org>', "", "The sender's name is an address that is not theirs"),
        ("Ada <ada@example.org>", "Reply-To: ada@evil.org\r\n", "Answers would go to another domain: ada@evil.org"),
        ("Ada <ada@exаmple.org>", "", "mixes alphabets: ada@xn--exmple-4nf.org (exаmple.org)"),
    ],
)
def test_what_an_operator_should_know_is_a_sentence(sender: str, more: str, words: str) -> None:
    """Names, addresses for answers and alphabets."""
    found = read_signals("mx.kept.example; dmarc=pass", sender=sender, more=more)
    assert any(words in one for one in found.remarks)


def test_a_signature_of_somebody_else_is_told() -> None:
    """DKIM alone says who signed, not who wrote."""
    found = read_signals("mx.kept.example; dkim=pass header.d=mailer.net")
    assert "It is signed by mailer.net, not by the sender's domain." in found.remarks
    assert not found.proven


KNOWN = ("ada@example.org", "bob@gmail.com", "kept.example")


@pytest.mark.parametrize(
    ("address", "likeness"),
    [
        ("ada@exаmple.org", Likeness.SAME_LOOK),  # Cyrillic
        ("аdа@example.org", Likeness.SAME_LOOK),
        ("ada@xn--exmple-4nf.org", Likeness.SAME_LOOK),  # the same, as machines write it
        ("ada@ｅxample.org", Likeness.SAME_LOOK),  # full-width
        ("ada@exarnple.org", Likeness.SAME_LOOK),  # r and n
        ("bob@gmaiӏ.com", Likeness.SAME_LOOK),
        ("bob@gmai1.com", Likeness.SAME_LOOK),
        ("ada@examp1e.org", Likeness.SAME_LOOK),
        ("bob@gmial.com", Likeness.NEAR),  # swapped
        ("bob@gmil.com", Likeness.NEAR),
        ("bob@gmaill.com", Likeness.NEAR),
        ("bob@gmajl.com", Likeness.NEAR),
        ("anyone@kepd.example", Likeness.NEAR),
        ("anyone@kерt.example", Likeness.SAME_LOOK),
    ],
)
def test_addresses_that_look_like_known_ones_are_found(address: str, likeness: Likeness) -> None:
    """Other alphabets, digits, pairs that run together, and slips of the finger."""
    found = look_alike(address, KNOWN)
    assert found is not None
    assert found.likeness is likeness


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.org",
        "ADA@Example.org",
        "anyone@kept.example",
        "eve@gmail.com",
        "eve@gmial.com",
        "bob@web.de",
        "",
        "@",
        "no address",
    ],
)
def test_known_and_unlike_addresses_are_none(address: str) -> None:
    """The address itself, its capitals, another person of the same provider."""
    assert look_alike(address, KNOWN) is None


def test_short_domains_are_not_near_by_chance() -> None:
    """a.de and b.de are two firms."""
    assert look_alike("x@ab.de", ["x@ac.de"]) is None


def test_a_domain_is_shown_both_ways() -> None:
    """As machines write it, and as people read it where that differs."""
    assert show_both_ways("zoe@müller.example") == "zoe@xn--mller-kva.example (müller.example)"
    assert show_both_ways("zoe@xn--mller-kva.example") == "zoe@xn--mller-kva.example (müller.example)"
    assert show_both_ways("ada@example.org") == "ada@example.org"
    assert show_both_ways("a@xn--99999999.org") == "a@xn--99999999.org"


def test_languages_that_mix_scripts_are_not_suspected() -> None:
    """Japanese writes three together; Latin with Cyrillic is a trick."""
    assert not is_mixed("日本のメール.example")
    assert not is_mixed("почта.example")
    assert is_mixed("pаypal.example")


@settings(max_examples=100, deadline=None)
@given(one=st.text(max_size=60), other=st.text(max_size=60))
def test_no_text_makes_it_raise(one: str, other: str) -> None:
    """Whatever stands in an address or a header, something comes back; a skeleton is the same taken twice."""
    look_alike(one, [other, f"{other}@{one}"])
    show_both_ways(f"{one}@{other}")
    is_mixed(other)
    read_authentication(one)
    read_authentication(f"mx; dkim={one} {other}")
    assert skeleton(skeleton(one)) == skeleton(one)
