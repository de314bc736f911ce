"""Papers: one PDF for each version and language, there without anybody waiting, and honest about where the version stands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pypdf import PdfReader

from app import make_web, open_services
from core.database import Database
from core.errors import Unreachable
from core.rendering import PdfWorker, Renderer
from jobs.cli import kept as commands
from jobs.services import Wiring
from policies.documents import parse_document
from policies.papers import Papers
from tests.policy_house import House
from tests.public_policies import VERSIONS, text_of
from tests.web_installation import CONFIGURATION, write_installation


@pytest.fixture(scope="module")
def worker() -> Iterator[PdfWorker]:
    """The warm process that makes PDF, once for this file."""
    made = PdfWorker()
    yield made
    made.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    database = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    made = House(database)
    made.make_tables()
    yield made
    database.close()


def publish(house: House, number: int, *languages: str) -> None:
    """Publish one of the versions of the example policy."""
    said: dict[str, Any] = VERSIONS[number - 1]
    first, *others = [parse_document(text_of(one, **said), one) for one in languages]
    house.policies.publish(first, translations=others, actor="opr_1")


def papers_of(house: House, folder: Path, render: Callable[[str], bytes]) -> Papers:
    return Papers(
        house.database,
        house.clock,
        house.policies,
        renderer=Renderer(base_url="http://127.0.0.1:8080"),
        render_pdf=render,
        folder=folder,
        base_url="https://lanternway.example/",
    )


def words_of(body: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(body)).pages).split())


def echo(html: str) -> bytes:
    """In the place of the worker, where a test asks which papers are made and not how they look."""
    return html.encode()


def test_a_version_is_put_on_paper_in_every_language(house: House, tmp_path: Path, worker: PdfWorker) -> None:
    """PDF/UA with a language and a title; the words around the text are in its language; the file is private."""
    publish(house, 1, "en", "de")
    papers = papers_of(house, tmp_path / "papers", worker.render)
    made = papers.make_missing()
    assert [(one.number, one.language) for one in made] == [(1, "en"), (1, "de")]
    for paper, says in zip(
        made, ("Version 1. In force since 1 March 2026.", "Fassung 1. In Kraft seit 1. März 2026."), strict=True
    ):
        body = paper.path.read_bytes()
        assert hashlib.sha256(body).hexdigest() == paper.digest
        assert paper.path.stat().st_mode & 0o777 == 0o600
        assert says in words_of(body)
        catalog = PdfReader(BytesIO(body)).trailer["/Root"]
        assert catalog["/Lang"] == paper.language  # type: ignore[index]
        assert b"pdfuaid" in body or b"pdfuaid" in catalog["/Metadata"].get_data()  # type: ignore[index]
    assert "kept for 90 days" in words_of(made[0].path.read_bytes())
    assert "Seite 1 von" in words_of(made[1].path.read_bytes())
    assert "lanternway.example/privacy/versions/1" in words_of(made[1].path.read_bytes())


def test_a_paper_says_planned_until_the_version_is_in_force(house: House, tmp_path: Path) -> None:
    """Until the event pages say planned for; then the day is that of the event, and the one before has its end."""
    publish(house, 1, "en")
    house.clock.go(days=1)
    publish(house, 2, "en")
    house.clock.go(days=1)
    publish(house, 3, "en")
    papers = papers_of(house, tmp_path / "papers", echo)
    says = {one.number: one.path.read_text() for one in papers.make_missing()}
    assert "In force from 1 March 2026 until 2 March 2026." in says[1]
    assert "In force since 2 March 2026." in says[2]
    assert "Published on 3 March 2026, planned for 17 March 2026." in says[3]
    assert papers.make_missing() == []
    house.clock.go(days=14, hours=7)
    house.policies.tick()
    again = {one.number: one.path.read_text() for one in papers.make_missing()}
    assert again.keys() == {2, 3}
    assert "In force since 17 March 2026." in again[3]
    assert "In force from 2 March 2026 until 17 March 2026." in again[2]
    assert len(list((tmp_path / "papers").iterdir())) == 3


def test_a_version_that_never_came_says_so_on_paper(house: House, tmp_path: Path) -> None:
    """A withdrawn version keeps its paper, and the paper says that it was never in force."""
    for number in (1, 2, 3):
        publish(house, number, "en")
        house.clock.go(days=1)
    house.policies.withdraw(3, actor="opr_1", reason="a wrong number")
    made = papers_of(house, tmp_path / "papers", echo).make_missing()
    assert "withdrawn on 4 March 2026, never in force" in made[2].path.read_text()


def test_a_paper_that_was_lost_is_made_again(house: House, tmp_path: Path) -> None:
    """A folder that was not restored is filled again, and until then there is no paper."""
    publish(house, 1, "en")
    papers = papers_of(house, tmp_path / "papers", echo)
    (paper,) = papers.make_missing()
    paper.path.unlink()
    with house.database.read() as session:
        assert papers.find(session, 1, "en") is None
    (again,) = papers.make_missing()
    with house.database.read() as session:
        assert papers.find(session, 1, "en") == again


def test_two_processes_make_the_same_papers_without_harm(house: House, tmp_path: Path) -> None:
    """A command and the server may both be at it: one row and one file are left, and they fit."""
    publish(house, 1, "en")
    other = papers_of(house, tmp_path / "papers", lambda html: echo(html + "<!-- the other -->"))

    def interrupted(html: str) -> bytes:
        other.make_missing()
        return echo(html)

    papers_of(house, tmp_path / "papers", interrupted).make_missing()
    with house.database.read() as session:
        found = other.find(session, 1, "en")
    assert found is not None
    assert hashlib.sha256(found.path.read_bytes()).hexdigest() == found.digest
    assert [file.name for file in (tmp_path / "papers").iterdir()] == [found.path.name]


def test_what_is_published_stays_published_when_no_pdf_can_be_made(house: House, tmp_path: Path) -> None:
    """A worker that dies leaves no file and no row; the next round makes the paper."""
    publish(house, 1, "en")

    def broken(html: str) -> bytes:
        raise Unreachable("The PDF worker died.")

    with pytest.raises(Unreachable):
        papers_of(house, tmp_path / "papers", broken).make_missing()
    assert not (tmp_path / "papers").exists()
    assert house.current() == 1
    (made,) = papers_of(house, tmp_path / "papers", echo).make_missing()
    assert made.made_at - house.clock.now() == timedelta(0)


def test_a_text_without_style_is_for_people_with_files(house: House, tmp_path: Path) -> None:
    """`bare` names no file of this machine; `plain` has every value filled in."""
    publish(house, 1, "en", "de")
    papers = papers_of(house, tmp_path / "papers", echo)
    version = house.all()[0]
    html = papers.compose(version, version.in_language("de"), bare=True)
    assert "file:" not in html
    assert '<html lang="de">' in html
    plain = papers.plain(version, version.in_language("de"))
    assert plain.startswith("Datenschutzerklärung\nFassung 1. In Kraft seit 1. März 2026.\n")
    assert "bleiben 90 Tage" in plain


# commands


def kept(*words: str) -> Result:
    """Run one command in the folder we stand in, in this process."""
    wiring = Wiring(open_services=open_services, make_web=make_web, examples={})
    return CliRunner().invoke(commands, words, obj=wiring)


def test_publishing_by_command_leaves_the_paper_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `kept policy publish` the PDF is there, before any server runs; `render` gives each form of the version."""
    root = tmp_path / "kept"
    write_installation(root, CONFIGURATION)
    said: dict[str, Any] = VERSIONS[0]
    for name, language in (("small.md", "en"), ("small.de.md", "de")):
        (root / "policies" / name).write_text(text_of(language, **said), encoding="utf-8")
    monkeypatch.chdir(root)
    ran = kept("policy", "publish")
    assert ran.exit_code == 0, ran.stderr
    files = sorted(file.name.split(".")[:2] for file in (root / "var" / "policies").iterdir())
    assert files == [["1", "de"], ["1", "en"]]

    ran = kept("policy", "render", "1", "--to", "pdf", "--lang", "de", "-o", "here.pdf")
    assert ran.exit_code == 0, ran.stderr
    assert "Fassung 1" in words_of((root / "here.pdf").read_bytes())
    shown = json.loads(kept("policy", "render", "1", "--to", "html", "--json").stdout)
    assert '<h2 id="what-we-collect">' in shown["text"]
    assert "kept for 90 days" in kept("policy", "render", "1", "--to", "txt").stdout
    refused = kept("policy", "render", "1", "--lang", "fr")
    assert refused.exit_code == 2
    assert "It is there in: en, de." in refused.stderr
