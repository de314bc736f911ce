"""Work for people, from other processes: one killed between a mail and its event, the commands, a browser."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page

from core.outbox import OutboxRow
from dsr.tasks import Evidence, TaskState
from plans.task_tables import TaskRow
from plans.tasks import MAIL_DUE
from tests.conftest import OpenPage, Viewport
from tests.kept_commands import run_command
from tests.request_desk import hand_on, read_mails, received
from tests.task_rooms import CONTACT, WITH_HELPDESK, asked, link_of
from tests.web_installation import ADMINISTRATOR, PASSWORD, open_installation, serve
from web.security import limiter


@pytest.mark.parametrize("point", ["queued", "committed"])
def test_a_kill_between_the_mail_and_its_event_makes_no_second_mail(tmp_path: Path, point: str) -> None:
    """Killed before the claim commits, or after it and before the outbox knows: the contact gets one mail in the end."""
    root = tmp_path / "kept"
    with open_installation(root, configuration=WITH_HELPDESK) as opened:
        ref = received(opened, "person7@post.example", "deletion")
        opened.kept.requests.make_plan(ref, by="system")
        opened.kept.requests.approve(ref, by="system")
        opened.kept.requests.run(ref)
        child = subprocess.run(
            [sys.executable, "-m", "tests.task_child", str(root), point], cwd=Path(__file__).parents[1], check=False
        )
        assert child.returncode == -signal.SIGKILL
        with opened.kept.database.begin() as session:  # the claim of the killed process runs out
            session.execute(
                sa.update(OutboxRow).where(OutboxRow.kind == MAIL_DUE).values(due_at=opened.kept.clock.now())
            )
        hand_on(opened.kept)
        opened.kept.tasks.send_due()
        hand_on(opened.kept)
        assert len(read_mails(root, CONTACT)) == 1
        (task,) = opened.kept.tasks.list_tasks()
        assert (task.state, task.reminders) == (TaskState.ASKED, 0)


def test_the_commands_list_confirm_refuse_and_remind(tmp_path: Path) -> None:
    """What the console does, by command; a list with an overdue task ends with 1."""
    root = tmp_path / "kept"
    with open_installation(root, configuration=WITH_HELPDESK) as opened:
        ref, task = asked(opened, "person8@post.example")
        _other, second = asked(opened, "person9@post.example")
    proof = tmp_path / "proof.txt"
    proof.write_text("done")

    def kept(*words: str) -> tuple[int, str]:
        done = run_command(root, "task", *words)
        return done.returncode, done.stdout + done.stderr

    status, listed = kept("list")
    assert (status, task.id in listed, ref in listed, "letters in helpdesk" in listed) == (0, True, True, True)
    assert "person8@post.example" not in listed
    assert kept("remind", task.id)[0] == 0
    assert kept("confirm", task.id, "--note", "by telephone", "--evidence", str(proof))[0] == 0
    assert kept("confirm", task.id)[0] == 1
    assert kept("refuse", second.id, "--reason", "closed down")[0] == 0
    assert kept("refuse", "task_none", "--reason", "closed down")[0] == 2


@pytest.mark.browser
@pytest.mark.parametrize("viewport", list(Viewport), ids=lambda one: one.name.lower())
def test_every_page_of_tasks_opens_in_a_browser(tmp_path: Path, page: OpenPage, viewport: Viewport) -> None:
    """At both sizes: nothing that the policy blocks, nothing wider than the screen; the form behind the link works."""
    root = tmp_path / "kept"
    with open_installation(root, configuration=WITH_HELPDESK) as opened, serve(opened.app) as base:
        ref, task = asked(opened, "person8@post.example")
        refused_ref, refused = asked(opened, "person9@post.example", "access")
        opened.kept.tasks.attach(task.id, Evidence(name="tickets.zip", content=b"x" * 2_000), by="system")
        opened.kept.tasks.refuse(refused.id, by="contact", reason="We may not hand it out under our own contract.")
        with opened.kept.database.begin() as session:  # what nobody has answered in time
            session.execute(
                sa.update(TaskRow).where(TaskRow.id == task.id).values(due_at=task.due_at - timedelta(days=17), mails=3)
            )
        shown = page(viewport)
        look_at(shown, base + link_of(opened, ref), f"task-link-{viewport.name.lower()}", viewport)
        look_at(shown, base + "/tasks/none", f"task-gone-{viewport.name.lower()}", viewport)
        limiter.reset()
        shown.goto(f"{base}/console/sign-in")
        shown.fill("#email", ADMINISTRATOR)
        shown.fill("#password", PASSWORD)
        shown.click("button[type=submit]")
        shown.wait_for_url(f"{base}/console/")
        for name, address in {
            "home": "/console/",
            "tasks": "/console/tasks",
            "task": f"/console/tasks/{task.id}",
            "task-refused": f"/console/tasks/{refused.id}",
            "task-ticket": f"/console/requests/{ref}",
            "task-ticket-refused": f"/console/requests/{refused_ref}",
        }.items():
            look_at(shown, base + address, f"{name}-{viewport.name.lower()}", viewport)
        shown.goto(base + link_of(opened, ref))
        shown.fill("#note", "Three records.")
        shown.set_input_files("#evidence", {"name": "proof.txt", "mimeType": "text/plain", "buffer": b"gone"})
        shown.click("button.main-act")
        assert "We have your answer" in shown.content()
        look_at(shown, shown.url, f"task-gone-{viewport.name.lower()}", viewport)
        assert [one.name for one in opened.kept.tasks.view(task.id).files] == ["tickets.zip", "proof.txt"]


def look_at(shown: Page, address: str, name: str, viewport: Viewport) -> None:
    shown.goto(address)
    width = shown.evaluate("document.documentElement.scrollWidth")
    if folder := os.environ.get("KEPT_PICTURES"):
        shown.wait_for_timeout(200)
        shown.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    assert width <= viewport.value[0], f"{address} is {width} wide"
