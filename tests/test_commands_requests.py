"""`kept request` on whole tickets: find, assign, split, link, note and refuse, with JSON and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.kept_commands import run_command
from tests.web_installation import AGENT, open_installation


def test_whole_requests_are_worked_from_the_command_line(tmp_path: Path) -> None:
    """Each act answers in JSON what the ticket is then; what is refused ends with 1 or 2 and words; no address is printed."""
    root = tmp_path / "kept"
    with open_installation(root):
        pass

    def kept(*words: str, status: int = 0) -> Any:
        done = run_command(root, "request", *words, "--json")
        assert done.returncode == status, done.stderr
        assert "post.example" not in done.stdout
        answer = json.loads(done.stdout)
        return answer["error"] if status else answer

    first = kept("open", "person1@post.example", "--right", "deletion")["ref"]
    second = kept("open", "person1@post.example", "--right", "deletion", "--test")
    assert second["is_test"] is True
    other = kept("split", first, "--right", "access")
    assert (other["right"], other["state"]) == ("access", "received")
    assert "same letter" in kept("split", first, "--right", "access", status=1)
    kept("link", first, second["ref"])
    assert "asks for deletion" in kept("link", first, other["ref"], status=2)
    kept("unlink", second["ref"], first)
    kept("assign", first, AGENT)
    kept("note", first, "Called them.")
    found = kept("find", "--whose", AGENT)
    assert (found["total"], [one["ref"] for one in found["requests"]]) == (1, [first])
    assert [one["ref"] for one in kept("find", other["ref"][:4])["requests"]] == [other["ref"]]
    assert "once a plan" in kept(
        "refuse", first, "--ground", "unfounded", "--reason", "No.", "--part", "accounts", status=1
    )
    assert kept("refuse", first, "--ground", "unfounded", "--reason", "Asked daily.")["state"] == "refused"
    line = kept("show", first)["timeline"]
    assert [one["kind"] for one in line][-2:] == ["assigned", "state"]
    assert (line[-1]["from"], line[-1]["to"], line[-1]["by"].partition(":")[0]) == ("received", "refused", "cli")
