"""How a difference is shown: `kept policy diff` and the macros that the public page and the console draw it with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from click.testing import CliRunner, Result
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app import make_web, open_services
from core.catalogue import install_words
from core.words import FILTERS
from jobs.cli import kept
from jobs.services import Wiring
from policies.differences import Difference, compare, read_either
from tests.policy_texts import policy_text

HERE = Path(__file__).parent
HISTORY = HERE / "data" / "policies" / "history"
WIRING = Wiring(open_services=open_services, make_web=make_web, examples={})
CLAUSE = "{{id: logs, kind: retention, of: request_log, for: {}, then: delete}}"
BODY = """# Safety

We do not train models on the code that you send us.

# How long

Logs are kept for {{ clause("logs").for }}. <script>alert(1)</script> & more.

We look after everything that you give us.
"""
MOVED = (
    BODY.replace("We do not train models on the code that you send us.\n\n", "")
    + "\nWe do not train models on the code that you send us.\n"
)
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command where there is no configuration."""
    monkeypatch.delenv("KEPT_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return lambda *words, status=0, given=None: _run(words, status, given)


def _run(words: tuple[str, ...], status: int, given: str | None) -> Result:
    result = CliRunner().invoke(kept, ["policy", *words], obj=WIRING, input=given)
    assert result.exit_code == status, result.output
    return result


def write(name: str, period: str, body: str = BODY) -> str:
    Path(name).write_text(policy_text(CLAUSE.format(period), body=body), encoding="utf-8")
    return name


def test_two_files_are_compared_without_a_configuration(run: Run) -> None:
    """Status 0 whatever the verdict; JSON has these four keys and no others."""
    said = json.loads(run("diff", write("a.md", "P30D"), write("b.md", "P90D", MOVED), "--json").stdout)
    assert list(said) == ["verdict", "reasons", "clauses", "prose"]
    assert said["verdict"] == "material"
    assert [(one["id"], one["happened"], one["weight"]) for one in said["clauses"]] == [("logs", "longer", "material")]
    assert [one["happened"] for one in said["prose"]] == ["changed", "moved"]
    runs = said["prose"][0]["runs"]
    assert {"kind": "del", "text": "30 days"} in runs
    assert {"kind": "ins", "text": "90 days"} in runs


def test_any_text_is_compared_also_from_standard_input(run: Run) -> None:
    """A dash is standard input; it can be one side only."""
    text = "Privacy policy\n\nLogs are kept for {} days. Write to us.\n"
    Path("old.txt").write_text(text.format(30), encoding="utf-8")
    said = json.loads(run("diff", "old.txt", "-", "--json", given=text.format(90)).stdout)
    assert (said["verdict"], said["clauses"]) == ("material", [])
    run("diff", "-", "-", given=text, status=2)


def test_a_broken_capture_ends_with_status_2_and_words(run: Run) -> None:
    """And so does a file that is not there."""
    result = run(
        "diff",
        str(HISTORY / "le-chat" / "2025-11-11T1533.md"),
        str(HISTORY / "le-chat" / "2025-12-15T1134.md"),
        status=2,
    )
    assert "broken capture: 31 bytes" in result.output
    assert "nothing.md cannot be read" in run("diff", "nothing.md", "nothing.md", status=2).output


def test_a_person_reads_the_verdict_the_clauses_and_lines_with_signs(run: Run) -> None:
    """In a pipe a sign stands before each line, as other tools do it."""
    lines = run("diff", write("a.md", "P30D"), write("b.md", "P90D", MOVED)).stdout.splitlines()
    assert lines[0] == "Material"
    assert "Logs are kept for 30 days." in next(line for line in lines if line.startswith("- "))
    assert "Logs are kept for 90 days." in next(line for line in lines if line.startswith("+ "))
    assert next(line for line in lines if line.startswith("> ")).endswith("(moved here from “Safety”)")
    assert "Logs are kept" in run("diff", "a.md", "b.md", "--side-by-side").stdout


def test_versions_are_named_by_number(run: Run) -> None:
    """A number that is no file is a version; with one that was never published the status is 2."""
    run_kept = CliRunner()
    assert run_kept.invoke(kept, ["init", "."], obj=WIRING).exit_code == 0
    published = write("policies/policy.md", "P30D")
    assert run_kept.invoke(kept, ["policy", "publish", published], obj=WIRING).exit_code == 0
    said = json.loads(run("diff", "1", write("new.md", "P14D"), "--json").stdout)
    assert (said["verdict"], said["clauses"][0]["happened"]) == ("minor", "shorter")
    run("diff", "1", "9", status=2)


def difference() -> Difference:
    old, new = (
        read_either(policy_text(CLAUSE.format(each), body=body), "p.md")
        for each, body in (("P30D", BODY), ("P90D", MOVED))
    )
    return compare(old, new)


def draw(call: str, language: str = "en", **more: object) -> BeautifulSoup:
    """A macro as a template calls it."""
    environment = Environment(
        loader=FileSystemLoader(HERE.parent / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(FILTERS)
    install_words(environment, lambda: language)
    environment.globals["url_for"] = lambda *_, **words: f"/static/{words['filename']}"
    source = "{% import 'macros/differences.html' as shown %}{{ shown." + call + " }}"
    return BeautifulSoup(environment.from_string(source).render(difference=difference(), **more), "html.parser")


def test_word_for_word_has_a_sign_a_word_and_only_then_a_colour() -> None:
    """What went is in del, what came in ins, what moved says whence; all of it escaped."""
    page = draw("word_for_word(difference)")
    gone, new = page.select_one(".diff p.gone.is-broken"), page.select_one(".diff p.new.is-kept")
    assert gone is not None
    assert new is not None
    assert (gone.select_one(".sign[aria-hidden]"), gone.select_one(".sr")) != (None, None)
    assert [one.get_text() for one in (*gone.select("del"), *new.select("ins"))] == ["30 days", "90 days"]
    assert not gone.select("ins")
    shift = page.select_one("p.shift.is-held")
    assert shift is not None
    assert "Moved here from “Safety”. No word changed." in shift.get_text()
    assert [one.get_text() for one in page.select("h3")] == ["How long"]
    assert page.select_one("p.same") is not None
    assert page.find("script") is None


def test_side_by_side_has_the_old_text_left_and_the_new_one_right() -> None:
    """Each change is a pair; neither side shows what only the other has."""
    page = draw("side_by_side(difference, 'Version 1', 'Version 2')")
    left, right = page.select(".grid.two")[1].select(".diff")
    assert ("30 days" in left.get_text(), "90 days" in left.get_text()) == (True, False)
    assert ("30 days" in right.get_text(), "90 days" in right.get_text()) == (False, True)


def test_the_table_of_clauses_says_what_happened_and_what_it_weighs() -> None:
    """The icon has its word; the weight stands in the reader's language."""
    page = draw("clause_table(difference, 'Version 1', 'Version 2')")
    [row] = page.select("tbody tr")
    assert [cell.get_text(" ") for cell in row.select("td")][1:3] == [
        "logs longer",
        "Request logs are deleted 30 days after they are written",
    ]
    assert page.select("thead th")[2].get_text() == "Version 1"
    assert row.select("td")[-1].get_text(" ").startswith("material")
    german = draw("clause_table(difference)", language="de")
    assert german.select("tbody td")[-1].get_text(" ").startswith("wesentlich")
    assert len(draw("clause_table(difference, weights=false)").select("th")) == 4
