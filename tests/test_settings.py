"""kept.yaml: read whole, refused whole, each refusal with its line, what was found and what is allowed."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.settings_file import load_settings

GOOD = """\
policy: policies/p.md
service:
  base_url: http://127.0.0.1:8080
  database: sqlite:///var/kept.db
  secret_key: env:KEPT_TEST_SECRET
mail:
  from: Privacy <privacy@example.com>
stores:
  main: {kind: sql, url: sqlite:///main.db}
  days: {kind: files, root: logs}
collections:
  - id: accounts
    at: main:users
    category: account
    time: {field: made, zone: Europe/Berlin}
    identifies: {email: email}
  - id: log
    at: days:log-*.jsonl
    category: log
    time: ts
    person: {user_id: accounts.id}
sweeps:
  default: {every: 1d, window: 01:00-05:00}
  log: {every: 1h, breaker: 50%}
"""


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every configuration here takes its secret from the environment."""
    monkeypatch.setenv("KEPT_TEST_SECRET", "s" * 64)


def write(tmp_path: Path, text: str) -> Path:
    """A kept.yaml with this text."""
    path = tmp_path / "kept.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(tmp_path: Path, text: str) -> str:
    """What is said when this text is refused."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(write(tmp_path, text))
    return caught.value.message


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """A command run from anywhere means the same database, stores and policy."""
    settings = load_settings(write(tmp_path, GOOD))
    assert settings.service.database == f"sqlite:///{tmp_path}/var/kept.db"
    assert settings.stores["main"].options["url"] == f"sqlite:///{tmp_path}/main.db"
    assert settings.stores["days"].options["root"] == f"{tmp_path}/logs"
    assert settings.policy == tmp_path / "policies" / "p.md"


def test_a_clause_without_an_entry_is_swept_as_the_default_says(tmp_path: Path) -> None:
    """sweeps.default speaks for every clause that has no entry of its own."""
    settings = load_settings(write(tmp_path, GOOD))
    assert settings.sweep("anything").window == (time(1), time(5))
    assert settings.sweep("log").every == timedelta(hours=1)
    assert settings.sweep("log").breaker == 0.5


def test_a_sweeps_rate_and_budget_are_read(tmp_path: Path) -> None:
    """Rows a second, and a span; neither where nothing is said."""
    sweeps = "every: 1h, rate: 5000, budget: 20m"
    settings = load_settings(write(tmp_path, GOOD.replace("every: 1h", sweeps)))
    assert (settings.sweep("log").rate, settings.sweep("log").budget) == (5_000, timedelta(minutes=20))
    assert (settings.sweep("other").rate, settings.sweep("other").budget) == (None, None)


@pytest.mark.parametrize("option", ["rate: 0", "rate: fast", "budget: 20", "budget: long"])
def test_a_rate_or_budget_that_there_cannot_be_is_refused(tmp_path: Path, option: str) -> None:
    """Never read as none at all, with which a run would take all it can."""
    with pytest.raises(ConfigurationError, match=option.split(":")[0]):
        load_settings(write(tmp_path, GOOD.replace("every: 1h", f"every: 1h, {option}")))


def test_everything_wrong_is_named_in_one_run_with_its_line(tmp_path: Path) -> None:
    """Unknown keys, missing keys and bad values are refused together."""
    text = GOOD.replace("policy: policies/p.md", "polcy: policies/p.md").replace("kind: files", "kind: tape")
    text = (
        text.replace("accounts.id", "acounts.id")
        .replace("every: 1h", "every: hourly")
        .replace("Europe/Berlin", "Europe/Bern")
    )
    message = refusal(tmp_path, text)
    for line, words in [
        (1, "polcy: this version knows no such key"),
        (1, "policy: this key is missing"),
        (10, "kind is 'tape'. Allowed: sql, files, "),
        (15, "Europe/Bern"),
        (21, "there is no collection 'acounts'"),
        (24, "found 'hourly'"),
    ]:
        assert any(one.startswith(f"{tmp_path}/kept.yaml:{line}:") and words in one for one in message.splitlines()), (
            line,
            words,
            message,
        )


def test_a_secret_that_is_not_there_is_named_and_never_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """env: and file: stand for secrets; one that cannot be read is a refusal."""
    monkeypatch.delenv("KEPT_TEST_SECRET")
    assert "the environment has no KEPT_TEST_SECRET" in refusal(tmp_path, GOOD)
    assert "cannot be read" in refusal(tmp_path, GOOD.replace("env:KEPT_TEST_SECRET", "file:nowhere"))


def test_secrets_do_not_show_when_settings_are_printed(tmp_path: Path) -> None:
    """repr of the settings holds neither the key nor a store's address with its password."""
    settings = load_settings(write(tmp_path, GOOD.replace("sqlite:///main.db", "postgresql+psycopg://a:hunter2@h/d")))
    assert "hunter2" not in repr(settings)
    assert "ssss" not in repr(settings)


@pytest.mark.parametrize("text", ["[1, 2]", "a: b: c", "x: &x [*x, *x]\n", "\t- no"])
def test_what_is_no_configuration_is_refused_in_words(tmp_path: Path, text: str) -> None:
    """A list, broken YAML, a document that contains itself: a refusal with the file's name, no traceback."""
    from core.errors import BadInput

    with pytest.raises(BadInput, match=r"kept\.yaml"):
        load_settings(write(tmp_path, text))


def test_yaml_that_unfolds_without_end_is_stopped(tmp_path: Path) -> None:
    """Aliases of aliases are cut off by a budget before they fill the memory."""
    from core.errors import BadInput

    layers = ["a0: &a0 [1,1,1,1,1,1,1,1,1]"] + [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    with pytest.raises(BadInput, match="unfolds"):
        load_settings(write(tmp_path, "\n".join(layers)))


def test_the_points_of_reminding_are_read_and_have_a_default(tmp_path: Path) -> None:
    """Rule: `requests` says how many days before its due date a request is brought to mind, and who comes after."""
    plain = load_settings(write(tmp_path, GOOD)).requests
    assert plain.remind == (timedelta(days=7), timedelta(days=2), timedelta(0))
    assert plain.fallback == ()
    assert plain.cool_off == timedelta(days=7)
    said = load_settings(
        write(tmp_path, GOOD + "requests: {remind: [0d, 14d], fallback: [lead@example.com], cool_off: 3d}\n")
    ).requests
    assert said.remind == (timedelta(days=14), timedelta(0))
    assert said.fallback == ("lead@example.com",)
    assert said.cool_off == timedelta(days=3)


def test_what_is_wrong_with_requests_is_named_with_its_line_and_what_is_allowed(tmp_path: Path) -> None:
    """Rule: a point that is no whole number of days, twice the same, no mailbox, or an unknown key is refused, together."""
    text = GOOD + "requests:\n  remind: [7d, 3h, 7d]\n  fallback: [nobody]\n  cool_off: 1w\n  chase: true\n"
    first = len(GOOD.splitlines()) + 1
    said = refusal(tmp_path, text)
    assert f":{first + 2}: requests.fallback.0: found 'nobody'. Not a valid email address." in said
    assert f":{first + 4}: requests.chase: this version knows no such key." in said
    said = refusal(tmp_path, text.replace("nobody", "lead@example.com").replace("  chase: true\n", ""))
    assert f":{first + 1}: requests.remind.1: found '3h'. Write whole days from 0d to 999d, such as 7d." in said
    assert f":{first + 1}: requests.remind.2: found '7d' twice. Write each day once." in said
    assert f":{first + 3}: requests.cool_off: found '1w'. Write whole days" in said


def test_what_proves_somebody_is_read_and_refused_with_its_line(tmp_path: Path) -> None:
    """A contact that is changed names a field that identifies and an event of its collection; a point is one of those known."""
    more = (
        "    identifies: {email: email}\n"
        "    events: {email_changed: changed_at}\n"
        "    contact: {field: email, changed: email_changed, before: former}\n"
        "    fields: {name: {proof: name}}\n"
    )
    text = GOOD.replace("    identifies: {email: email}\n", more)
    accounts = load_settings(write(tmp_path, text)).collections[0]
    assert accounts.contact is not None
    assert (accounts.contact.field, accounts.contact.changed.name, accounts.contact.before) == (
        "email",
        "changed_at",
        "former",
    )
    assert accounts.fields["name"].proof == "name"
    said = refusal(tmp_path, text.replace("field: email, changed: email_changed", "field: mail, changed: moved"))
    assert "found 'mail'. Write a field of `identifies`: email." in said
    assert "found 'moved'. Write an event of this collection: email_changed." in said
    assert "Must be one of" in refusal(tmp_path, text.replace("proof: name", "proof: shoe_size"))
    assert "collections.0.contact" in refusal(tmp_path, text.replace("changed: email_changed, ", ""))
