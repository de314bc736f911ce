"""`kept erasures`: imports held against the register, and what the commands say of who is back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tests.erasure_rooms import ask, copy_database, count, erase
from tests.web_installation import AGENT, Installation, open_installation, post

ONE, OTHER = "person3@post.example", "person4@post.example"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Two of forty people are erased; `gateway.before` is the host's backup of the day before."""
    root = tmp_path_factory.mktemp("erasures") / "kept"
    with open_installation(root) as opened:
        copy_database(root / "gateway.db", root / "gateway.before")
        erase(opened.kept, root, ONE, OTHER)
        yield opened


def test_a_table_is_copied_to_the_byte_without_the_erased(installation: Installation, tmp_path: Path) -> None:
    """Rows of erased people are left out; every other byte is as it was: line ends, quotes, formulas, lines within cells."""
    source, out = tmp_path / "people.csv", tmp_path / "clean.csv"
    kept = b'"=1+1";"two\r\nlines";person9@post.example;9\r\n'
    source.write_bytes(
        "\ufeffname;note;EMAIL;user_id\r\n".encode()
        + b"Gone;x;Person3@POST.example;77\r\n"
        + kept
        + b"Gone too;y;;4\n"
        + b"short;row\n"
        + b'"a ""quoted"" name";z; person8@post.example ;8'
    )
    done = ask(installation.root, "erasures", "check", str(source), "--out", str(out), status=1)
    assert (done["form"], done["entries"], done["erased"], done["lines"]) == ("csv", 5, 2, [2, 5])
    assert out.read_bytes() == (
        "\ufeffname;note;EMAIL;user_id\r\n".encode()
        + kept
        + b"short;row\n"
        + b'"a ""quoted"" name";z; person8@post.example ;8'
    )
    assert out.stat().st_mode & 0o777 == 0o600
    again = ask(installation.root, "erasures", "check", str(out))
    assert again["erased"] == 0


def test_json_lines_and_plain_lines_are_read_too(installation: Installation, tmp_path: Path) -> None:
    """The keys of an object name the kinds; a plain line is an address where it has an @, else any kind, or what is said."""
    lines = tmp_path / "people.jsonl"
    lines.write_text(
        '{"email": "x@y.example"}\n\n{"user_id": 3, "n": {"email": "no"}}\n{"Email": "PERSON4@post.example"}\n'
    )
    done = ask(installation.root, "erasures", "check", str(lines), status=1)
    assert (done["form"], done["entries"], done["lines"]) == ("jsonl", 4, [3, 4])
    plain = tmp_path / "people.txt"
    plain.write_text(f"{ONE}\n3\n\nperson9@post.example\n")
    assert ask(installation.root, "erasures", "check", str(plain), status=1)["lines"] == [1, 2]
    assert ask(installation.root, "erasures", "check", str(plain), "--kind", "email", status=1)["lines"] == [1]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"name,city\nA,B\n", "names no kind"),
        ("a.jsonl", b'{"email": "a@b.example"}\n{"email"\n', "a.jsonl:2: this is no JSON"),
        ("a.jsonl", b"[1]\n", "no JSON object"),
        ("a.txt", b"a@b.example\n\xff\xfe\n", "not UTF-8"),
        ("a.csv", b'email\n"' + b"x" * 200_000 + b'"\n', "field larger"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_and_leaves_no_half_copy(
    installation: Installation, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    """Named with what to do; nothing stands under the name of the copy."""
    (tmp_path / name).write_bytes(content)
    out = tmp_path / "clean"
    answer = ask(installation.root, "erasures", "check", str(tmp_path / name), "--out", str(out), status=2)
    assert says in answer["error"]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_empty_file_holds_nobody(installation: Installation, tmp_path: Path) -> None:
    """Nothing is erased in nothing; the file itself is never its own copy."""
    (tmp_path / "empty.txt").touch()
    assert ask(installation.root, "erasures", "check", str(tmp_path / "empty.txt"))["entries"] == 0
    same = ask(
        installation.root,
        "erasures",
        "check",
        str(tmp_path / "empty.txt"),
        "--out",
        str(tmp_path / "empty.txt"),
        status=2,
    )
    assert "the file itself" in same["error"]


def test_who_is_back_stands_in_the_list_on_home_and_goes_by_one_button(installation: Installation) -> None:
    """A restore is seen by the night's look: alarm, board, Home, list; an agent's button erases that one person again, whoever
    only reads has none, and by then nothing is broken."""
    root, kept = installation.root, installation.kept
    copy_database(root / "gateway.before", root / "gateway.db")
    kept.requests.replays.look_at_night()
    listed = ask(root, "erasures", "list", status=1)
    assert (listed["erasures"], len(listed["back"]), listed["by_kind"]) == (2, 2, {"email": 2, "user_id": 2})
    agent = installation.signed_in(AGENT)
    home = BeautifulSoup(agent.get("/console/").get_data(as_text=True), "html.parser").get_text(" ", strip=True)
    assert "What was erased of 2 people is there again" in home.replace("\xa0", " ")
    [deletion] = [one for one in kept.board().clauses if one.clause_id == "deletion"]
    assert deletion.state.value == "broken"
    assert deletion.proof.replace("\xa0", " ") == "What was erased of 2 people is there again."
    kept.alarms.check()
    assert {one.alarm.kind.value for one in kept.board().alarms} >= {"erased_back"}
    page = "/console/requests/erased"
    assert "Erase 11 records again" in agent.get(page).get_data(as_text=True).replace("\xa0", " ").replace(
        "&nbsp;", " "
    )
    first, second = listed["back"]
    assert post(agent, f"{page}/{first['id']}/again", page).status_code == 302
    assert "Being erased" in agent.get(page).get_data(as_text=True)
    assert post(agent, f"{page}/{second['id']}/leave", page).status_code == 400
    assert post(agent, f"{page}/{second['id']}/leave", page, reason="It is another person.").status_code == 302
    assert post(agent, f"{page}/{second['id']}/leave", page, reason="x").status_code == 404
    kept.requests.replays.run_decided(first["id"])
    assert count(root, "SELECT count(*) FROM users WHERE id IN (3, 4)") == 1
    assert ask(root, "erasures", "list")["back"] == []
    kept.requests.replays.look_at_night()
    assert ask(root, "erasures", "list")["back"] == []
    assert "Nobody is back" in agent.get(page).get_data(as_text=True)
