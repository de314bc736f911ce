"""Each right walked in Chromium from the form's first page to the answer, on the example gateway and on the LiteLLM schema."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page

from app import make_web, open_services
from core.keys import write_secret
from core.operators import Role, add_operator
from examples.gateway.build import write_configuration
from tests.conftest import OpenPage, Viewport
from tests.dsr_house import ANNA, BRUNO, fill_gateway
from tests.litellm_people import People, apply_migrations, fill
from tests.request_desk import CODE, find, hand_on
from tests.schema import write_migrated
from tests.servers import Postgres
from tests.test_browser_tour import ask, confirm, look, open_page
from tests.web_installation import AGENT, SESSION, Installation, give_password, serve

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "litellm"
# The policy that ships, with what the walk needs besides: data taken elsewhere, and totals that stay for tax.
ADDED = {
    "until: account_closed, then: delete}": "until: account_closed, then: delete,\n"
    "     except: [{of: usage, basis: legal_obligation, for: P13M, note: bills}]}",
    "  - {id: deletion, kind: right": "  - {id: portability, kind: right, right: portability, within: P30D}\n"
    "  - {id: deletion, kind: right",
    "Write to {{": 'You may take what you gave us elsewhere.{{ clause("portability").cite }} Write to {{',
}
PATIENCE = 60_000  # milliseconds for a page: a plan over 45 tables, while the other tests want the processors too
# Whose a record is, in SQL of the test's own: by the user, by a key of theirs, by a request, by a run.
USER, KEY, LOG, RUN = "= %(user)s", "= ANY(%(keys)s)", "= ANY(%(logs)s)", "= ANY(%(runs)s)"


@dataclass(frozen=True, kw_only=True)
class World:
    """An installation that answers at `base`, with an agent who is signed in."""

    installation: Installation
    base: str

    def desk(self, page: OpenPage) -> Page:
        """The console in a browser of the agent's."""
        self.installation.signed_in(AGENT)
        opened = page()
        opened.set_default_timeout(PATIENCE)
        cookie = {"name": SESSION, "value": self.installation.sessions[AGENT], "url": self.base}
        opened.context.add_cookies([cookie])  # type: ignore[list-item]
        return opened

    def asked(self, opened: Page, email: str, right: str) -> str:
        """From the form's first page over the mail to the confirmed request; gives the reference."""
        opened.set_default_timeout(PATIENCE)
        ask(opened, self.base, email, right)
        return confirm(opened, self.installation.kept, self.base, self.installation.root, email)

    def opened(self, opened: Page, email: str, ref: str) -> str:
        """The words of the person's page, opened with a code."""
        open_page(opened, self.installation.kept, self.base, self.installation.root, email, ref)
        return opened.inner_text("main")

    def approve(self, opened: Page, word: str) -> None:
        """Press the one button that names the act and its size; then the work is done."""
        button = opened.locator("button.main-act")
        assert word in button.inner_text()
        button.click()
        hand_on(self.installation.kept)


@contextmanager
def open_world(root: Path, policy: str) -> Iterator[World]:
    """The web application over what stands in `root`, with a policy in force and an agent."""
    write_secret(root / "var" / "secret.key")
    write_migrated(root / "var" / "kept.db")
    with open_services(root / "kept.yaml") as kept:
        app = make_web(kept)
        with kept.database.begin() as session:
            made = add_operator(session, email=AGENT, name="Tom Ackerby", role=Role.AGENT, now=kept.clock.now())
            give_password(session, made.id)
        installation = Installation(root=root, kept=kept, app=app)
        installation.publish(policy)
        with serve(app) as base:
            yield World(installation=installation, base=base)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The example gateway with two people, as the example's own map and policy have it."""
    root = tmp_path_factory.mktemp("gateway") / "kept"
    write_configuration(root)
    (root / "var").mkdir()
    fill_gateway(root)
    with open_world(root, (root / "policies" / "gateway.md").read_text()) as world:
        yield world


@dataclass(frozen=True, kw_only=True)
class Mine:
    """What leads to a person in the gateway's tables, looked up once: afterwards it may be gone."""

    email: str
    user: str
    keys: list[str]
    logs: list[str]
    runs: list[str]
    sessions: list[str]


@dataclass(frozen=True, kw_only=True)
class Lite:
    """The LiteLLM database, asked without Kept."""

    world: World
    connection: psycopg.Connection[Any]

    def column(self, query: str, **values: object) -> list[Any]:
        return [row[0] for row in self.connection.execute(query.encode(), values).fetchall()]

    def person(self, email: str) -> Mine:
        """Somebody by their address: the keys they hold, and the requests, runs and sessions of these."""
        [user] = self.column('SELECT user_id FROM "LiteLLM_UserTable" WHERE user_email = %(email)s', email=email)
        keys = self.column('SELECT token FROM "LiteLLM_VerificationToken" WHERE user_id = %(user)s', user=user)
        logged = f'FROM "LiteLLM_SpendLogs" WHERE "user" {USER} OR api_key {KEY}'
        return Mine(
            email=email,
            user=user,
            keys=keys,
            logs=self.column(f"SELECT request_id {logged}", user=user, keys=keys),
            runs=self.column('SELECT run_id FROM "LiteLLM_WorkflowRun" WHERE created_by = %(user)s', user=user),
            sessions=self.column(f"SELECT session_id {logged}", user=user, keys=keys),
        )

    def counts(self, mine: Mine) -> dict[str, int]:
        """How many records each table holds of somebody."""
        return {name: self.count(table, where, mine) for name, (table, where) in OWN.items()}

    def count(self, table: str, where: str, mine: Mine) -> int:
        return int(self.column(f'SELECT count(*) FROM "LiteLLM_{table}" WHERE {where}', **vars(mine))[0])


# collection: its table, and what makes a row somebody's
OWN = {
    "users": ("UserTable", f"user_id {USER}"),
    "verification-tokens": ("VerificationToken", f"user_id {USER}"),
    "deleted-verification-tokens": ("DeletedVerificationToken", f"user_id {USER}"),
    "deprecated-verification-tokens": ("DeprecatedVerificationToken", f"active_token_id {KEY}"),
    "jwt-key-mappings": ("JWTKeyMapping", f"token {KEY}"),
    "organization-memberships": ("OrganizationMembership", f"user_id {USER}"),
    "team-memberships": ("TeamMembership", f"user_id {USER}"),
    "user-notifications": ("UserNotifications", f"user_id {USER}"),
    "verified-subjects": ("VerifiedSubject", f"user_id {USER}"),
    "mcp-user-credentials": ("MCPUserCredentials", f"user_id {USER}"),
    "mcp-user-env-vars": ("MCPUserEnvVars", f"user_id {USER}"),
    "sso-identity-assertions": ("SSOIdentityAssertion", f"user_id {USER}"),
    "user-provider-credentials": ("UserProviderCredentials", f"user_id {USER}"),
    "memory": ("MemoryTable", f"user_id {USER}"),
    "skills": ("SkillsTable", f"created_by {USER}"),
    "managed-files": ("ManagedFileTable", f"created_by {USER}"),
    "managed-objects": ("ManagedObjectTable", f"created_by {USER} OR api_key {KEY}"),
    "workflow-runs": ("WorkflowRun", f"created_by {USER}"),
    "workflow-events": ("WorkflowEvent", f"run_id {RUN}"),
    "workflow-messages": ("WorkflowMessage", f"run_id {RUN}"),
    "adaptive-router-sessions": ("AdaptiveRouterSession", "session_id = ANY(%(sessions)s)"),
    "spend-logs": ("SpendLogs", f"request_id {LOG}"),
    "spend-log-tool-index": ("SpendLogToolIndex", f"request_id {LOG}"),
    "spend-log-guardrail-index": ("SpendLogGuardrailIndex", f"request_id {LOG}"),
    "error-logs": ("ErrorLogs", f"request_id {LOG}"),
    "audit-logs": ("AuditLog", f"changed_by {USER} OR changed_by_api_key {KEY}"),
    "daily-user-spend": ("DailyUserSpend", f"user_id {USER} OR api_key {KEY}"),
    "daily-team-spend": ("DailyTeamSpend", f"api_key {KEY}"),
    "daily-tag-spend": ("DailyTagSpend", f"api_key {KEY}"),
    "tools": ("ToolTable", f"key_hash {KEY}"),
}
# What bills are made from: the policy's exception.
TAX = {"daily-user-spend", "daily-team-spend", "daily-tag-spend", "tools"}


@pytest.fixture(scope="module")
def lite(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lite]:
    """Every migration of LiteLLM, made-up people in every table, and the map and policy that ship for it."""
    root = tmp_path_factory.mktemp("litellm") / "kept"
    (root / "policies").mkdir(parents=True)
    policy = (EXAMPLE / "policy.md").read_text()
    for before, after in ADDED.items():
        assert before in policy
        policy = policy.replace(before, after)
    (root / "policies" / "policy.md").write_text(policy)
    with postgres.fresh_database() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATEWAY_URL", url)
        (root / "kept.yaml").write_text((EXAMPLE / "kept.yaml").read_text())
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            apply_migrations(connection)
            with connection.transaction():
                fill(connection, People())
                connection.execute(SETTLE)
            with open_world(root, policy) as world:
                yield Lite(world=world, connection=connection)


# As the gateway writes it: who a request is charged to is who holds its key, and their address stands beside it.
SETTLE = """
UPDATE "LiteLLM_SpendLogs" AS log SET "user" = key.user_id,
    metadata = log.metadata || jsonb_build_object('user_api_key_user_email', person.user_email)
FROM "LiteLLM_VerificationToken" AS key JOIN "LiteLLM_UserTable" AS person USING (user_id)
WHERE key.token = log.api_key
"""
INES, KEMAL, ROSA, QUINN, GRETA = (People().email(place) for place in range(3, 8))


def plan(world: World, opened: Page, ref: str, choice: str = "") -> None:
    """Make the plan; what it leaves to decide is decided the same way everywhere, on the page."""
    opened.goto(f"{world.base}/console/requests/{ref}")
    opened.click("button:has-text('Make the plan')")
    if not choice:
        assert not opened.locator("#found").count()
        return
    for question in opened.locator(f"#found input[type=radio][value={choice}]:visible").all():
        question.check()
    look(opened, f"decide-{choice}")
    opened.click("#found button.main-act")


def fetch(world: World, opened: Page, email: str, ref: str, target: Path) -> dict[str, list[dict[str, Any]]]:
    """Download the copy with a code of its own, unzip it; gives the records by collection."""
    kept, root = world.installation.kept, world.installation.root
    opened.click("button:has-text('Send a code to')")
    hand_on(kept)
    opened.fill("#code", find(CODE, root, email))
    with opened.expect_download() as arriving:
        opened.click("button:has-text('Open my copy')")
    arriving.value.save_as(target)
    opened.goto(f"{world.base}/requests/{ref}")
    assert "opened once" in opened.inner_text("main")
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert archive.read("letter.pdf").startswith(b"%PDF-")
        data = [name for name in names if name.startswith("data/") and name.endswith(".json") and ".schema" not in name]
        return {name[len("data/") : -len(".json")]: json.loads(archive.read(name)) for name in data}


@pytest.mark.slow
@pytest.mark.browser
def test_access_on_litellm(lite: Lite, page: OpenPage, tmp_path: Path) -> None:
    """The copy holds as many records as SQL of the test's own counts in each table, through keys, requests and runs; no secret, no address of others."""
    world, mine = lite.world, lite.person(INES)
    expected = {name: count for name, count in lite.counts(mine).items() if count}
    theirs, ours = page(Viewport.PHONE), world.desk(page)
    ref = world.asked(theirs, mine.email, "access")
    plan(world, ours, ref, "give")
    world.approve(ours, "export")
    ours.goto(f"{world.base}/console/requests/{ref}")
    look(ours, "lite-access")
    ours.click("#texts button.main-act")  # addresses of others, in what was changed: taken out
    hand_on(world.installation.kept)
    world.opened(theirs, mine.email, ref)
    look(theirs, "lite-access-person")
    found = fetch(world, theirs, mine.email, ref, tmp_path / "copy.zip")
    assert {name: len(found.get(name, [])) for name in expected} == expected
    assert found["users"][0]["user_email"] == mine.email
    assert "@customer.example" not in json.dumps(found).replace(mine.email, "")
    assert not {"password", "token", "credential_b64"} & {key for rows in found.values() for row in rows for key in row}


@pytest.mark.slow
@pytest.mark.browser
def test_portability_on_litellm(lite: Lite, page: OpenPage, tmp_path: Path) -> None:
    """Portability holds what the person gave under a contract, all of it by an own count; measured things are named as left out."""
    world, mine = lite.world, lite.person(KEMAL)
    expected = lite.counts(mine)
    theirs, ours = page(), world.desk(page)
    ref = world.asked(theirs, mine.email, "portability")
    plan(world, ours, ref, "give")
    world.approve(ours, "export")
    said = world.opened(theirs, mine.email, ref)
    look(theirs, "lite-portability-person")
    found = fetch(world, theirs, mine.email, ref, tmp_path / "copy.zip")
    given = {"users", "verification-tokens", "memory", "workflow-runs", "managed-files"}
    assert {name: len(found.get(name, [])) for name in given} == {name: expected[name] for name in given}
    assert not {"spend-logs", "error-logs", "audit-logs", *TAX} & {name for name, rows in found.items() if rows}
    assert "the policy does not say that the person provides it" in said


@pytest.mark.slow
@pytest.mark.browser
def test_deletion_on_litellm(lite: Lite, page: OpenPage) -> None:
    """Afterwards SQL of the test's own counts nothing but what the exception names, to which nothing was done; a certificate says so."""
    world, mine = lite.world, lite.person(GRETA)
    before = lite.counts(mine)
    everybody = lite.column('SELECT count(*) FROM "LiteLLM_UserTable"')[0]
    theirs, ours = page(), world.desk(page)
    ref = world.asked(theirs, mine.email, "deletion")
    plan(world, ours, ref, "delete")
    world.approve(ours, "delete")
    ours.goto(f"{world.base}/console/requests/{ref}")
    look(ours, "lite-deletion")
    assert lite.counts(mine) == {name: count if name in TAX else 0 for name, count in before.items()}
    assert lite.column('SELECT count(*) FROM "LiteLLM_UserTable"') == [everybody - 1]
    said = world.opened(theirs, mine.email, ref)
    look(theirs, "lite-deletion-person")
    assert "What stays, and why" in said
    assert "bills" in said
    # the plan was made twice, before and after deciding
    assert said.count("We looked in every place we keep data") == 1
    hand_on(world.installation.kept)
    theirs.reload()
    with theirs.expect_download() as arriving:
        theirs.click("a:has-text('Certificate as PDF')")
    assert Path(arriving.value.path()).read_bytes().startswith(b"%PDF-")


def say(opened: Page, about: str, value: str) -> None:
    """What is right, on the person's page."""
    opened.select_option("#about", about)
    opened.fill("#value", value)
    opened.click("button:has-text('Write it down')")


def place(opened: Page, address: str) -> None:
    """Take what the map suggests, for each thing, and plan."""
    opened.goto(address)
    while (suggested := opened.locator("form[action$='/place'] button:visible")).count():
        suggested.first.click()
    opened.click("button:has-text('Make the plan')")


@pytest.mark.browser
def test_correction_on_the_example_gateway(gateway: World, page: OpenPage) -> None:
    """What the person says on their page is put right in the account and in every copy, read back, and told; nobody else's changes."""
    root = gateway.installation.root
    theirs, ours = page(Viewport.PHONE), gateway.desk(page)
    ref = gateway.asked(theirs, ANNA, "correction")
    gateway.opened(theirs, ANNA, ref)
    say(theirs, "user.name", "Anna Quill-Sommer")
    say(theirs, "user.contact.email", "anna.sommer@post.example")
    place(ours, f"{gateway.base}/console/requests/{ref}")
    assert "Anna Quill-Sommer" in ours.inner_text("#before-after")
    gateway.approve(ours, "correct")
    with closing(sqlite3.connect(root / "gateway.db")) as connection:
        people = connection.execute("SELECT name, email FROM users ORDER BY id").fetchall()
        letters = connection.execute("SELECT email FROM support_messages ORDER BY id").fetchall()
    assert people == [("Anna Quill-Sommer", "anna.sommer@post.example"), ("Bruno Pappel", BRUNO)]
    assert letters == [("anna.sommer@post.example",), (BRUNO,)]
    theirs.reload()
    said = theirs.inner_text("main")
    look(theirs, "gateway-correction-person")
    assert "What was put right" in said
    assert "Support" in said


@pytest.mark.slow
@pytest.mark.browser
def test_portability_on_the_example_gateway(gateway: World, page: OpenPage, tmp_path: Path) -> None:
    """The copy to take elsewhere holds all that the person gave under a contract, by an own count, and nothing on other grounds."""
    root = gateway.installation.root
    theirs, ours = page(), gateway.desk(page)
    ref = gateway.asked(theirs, BRUNO, "portability")
    plan(gateway, ours, ref)
    gateway.approve(ours, "export")
    said = gateway.opened(theirs, BRUNO, ref)
    look(theirs, "gateway-portability-person")
    found = fetch(gateway, theirs, BRUNO, ref, tmp_path / "copy.zip")
    given = {"accounts": "users", "requests": "request_log", "billing": "billing_log", "playground": "playground"}
    with closing(sqlite3.connect(root / "gateway.db")) as connection:
        for name, table in given.items():
            column = "id" if name == "accounts" else "user_id"
            counted = connection.execute(f"SELECT count(*) FROM {table} WHERE {column} = 'u_bruno'").fetchone()
            assert counted == (len(found[name]),) != (0,), name
    assert not {"support", "usage", "feedback", "invoices"} & set(found)
    assert "What is not in it" in said


@pytest.mark.slow
@pytest.mark.browser
def test_an_account_that_others_need_stands_as_its_key_alone_on_litellm(lite: Lite, page: OpenPage) -> None:
    """An invitation of somebody else names who wrote it, by a foreign key that takes no NULL: the account loses all but its key."""
    world, mine = lite.world, lite.person(ROSA)
    pointing = 'SELECT count(*) FROM "LiteLLM_InvitationLink" WHERE %(user)s IN (created_by, updated_by) AND user_id <> %(user)s'
    invitations = lite.column(pointing, user=mine.user)
    before = lite.counts(mine)
    theirs, ours = page(), world.desk(page)
    ref = world.asked(theirs, mine.email, "deletion")
    plan(world, ours, ref, "delete")
    world.approve(ours, "delete")
    said = world.opened(theirs, mine.email, ref)
    look(theirs, "lite-key-alone-person")
    after = lite.counts(mine)
    assert after == {name: count if name in TAX | {"users"} else 0 for name, count in before.items()}
    left = 'SELECT num_nonnulls(user_email, user_alias, sso_user_id, password) FROM "LiteLLM_UserTable" WHERE user_id = %(user)s'
    assert lite.column(left, user=mine.user) == [0]
    assert lite.column(pointing, user=mine.user) == invitations != [0]
    assert "only the number stays by which other records that we keep point at it" in said
    assert "LiteLLM_" not in said


@pytest.mark.slow
@pytest.mark.browser
def test_correction_on_litellm(lite: Lite, page: OpenPage) -> None:
    """An address is put right in the account and in the line of each request, where it stands inside JSON; other lines stay."""
    world, mine = lite.world, lite.person(QUINN)
    new = "quinn.newman@customer.example"
    logged = """SELECT count(*) FROM "LiteLLM_SpendLogs" WHERE metadata->>'user_api_key_user_email' = %(email)s"""
    before = lite.column(logged, email=mine.email)
    others = lite.column(logged.replace("= %(email)s", "NOT IN (%(email)s, %(new)s)"), email=mine.email, new=new)
    theirs, ours = page(), world.desk(page)
    ref = world.asked(theirs, mine.email, "correction")
    world.opened(theirs, mine.email, ref)
    say(theirs, "user.contact.email", new)
    place(ours, f"{world.base}/console/requests/{ref}")
    look(ours, "lite-correction")
    world.approve(ours, "correct")
    assert lite.column('SELECT user_email FROM "LiteLLM_UserTable" WHERE user_id = %(user)s', user=mine.user) == [new]
    assert lite.column(logged, email=new) == before != [0]
    assert lite.column(logged, email=mine.email) == [0]
    assert (
        lite.column(logged.replace("= %(email)s", "NOT IN (%(email)s, %(new)s)"), email=mine.email, new=new) == others
    )
    theirs.reload()
    look(theirs, "lite-correction-person")
    assert "What was put right" in theirs.inner_text("main")
