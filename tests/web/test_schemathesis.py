"""Requests of all kinds over the whole API: each answer is described, and none is a fault of ours."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from dagboek.web.rights import Role
from dagboek.web.signin import people, sessions
from dagboek.web.signin.tokens import csrf_of
from web.conftest import Site
from web.tenants import TenantRows
from web.test_answers import a_run
from web.test_operator import set_aside
from web.test_routes import names_of, operations

EXAMPLES = 5
"""Of each kind for each operation; a longer look: `schemathesis run ADDRESS/api/v1/openapi.json`."""

SECONDS = 900
"""That one look may take on a busy machine."""

pytestmark = pytest.mark.timeout(SECONDS + 60)


@dataclass(frozen=True)
class Part:
    """Operations of the API, as `GET /path`, that one kind of caller may use."""

    within: str
    without: str = r"^$"

    def of(self, description: dict[str, Any], *, named: bool = False) -> set[str]:
        """Which these are; with `named`, those whose path names something."""
        return {
            label
            for label in labels(description)
            if re.search(self.within, label) and not re.search(self.without, label) and (not named or "{" in label)
        }


OF_PEOPLE = r" /api/v1/(me|session|notices)(/|$)|/night-watch$"
OF_OPERATORS = r" /api/v1/operator/"
SIGNS_OUT = r"^DELETE /api/v1/session$"
"""After it nothing would be asked but whether somebody is signed in; test_signin.py has it."""

SIGN_IN = {"POST /api/v1/session", "POST /api/v1/session/link"}
"""What nobody has passed who makes up passwords."""

PERSON = Part(OF_PEOPLE, SIGNS_OUT)
OPERATOR = Part(OF_OPERATORS)
PROGRAM = Part(r".", f"{OF_PEOPLE}|{OF_OPERATORS}")


def labels(description: dict[str, Any]) -> set[str]:
    """All operations of the API."""
    return {f"{method.upper()} {path}" for path, method, _ in operations(description)}


async def asked(
    site: Site,
    folder: Path,
    headers: dict[str, str],
    part: set[str],
    names: Mapping[str, Mapping[str, str]] | None = None,
    *,
    linked: bool = False,
) -> None:
    """Has these operations asked for, with the names of an operation's path where there are some. With `linked`, what
    follows from an answer is asked for at last.

    Each has come past the sign-in, and has been given something that fits its description.
    """
    config, report = folder / "schemathesis.toml", folder / "report.json"
    (folder / "hooks.py").write_text(HOOKS)
    config.write_text(CONFIG + "".join(_given(label, values) for label, values in (names or {}).items()))
    program = Path(sys.executable).with_name("schemathesis")
    command = [str(program), "--config-file", str(config), "run", f"{site.address}/api/v1/openapi.json"]
    command += ["--no-color", "--seed", "1", "--max-examples", str(EXAMPLES), "--suppress-health-check", "all"]
    # what fits the description need not fit the books: an unknown tool, a name that is taken
    command += ["--exclude-checks", "positive_data_acceptance", "--report-json-path", str(report)]
    # otherwise most requests would bear a session or key that was made up instead of the one below
    command += ["--generation-with-security-parameters", "false"]
    command += [f"--header={name}: {value}" for name, value in headers.items()]
    command += [f"--include-name={label}" for label in sorted(part)]
    command += ["--phases", "examples,coverage,fuzzing,stateful" if linked else "examples,coverage,fuzzing"]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
    rates = json.loads(report.read_text())["valid_rates"]
    reached = {label for label, phases in rates.items() if any(sum(one.values()) for one in phases.values())}
    assert part - reached <= SIGN_IN


CONFIG = """
hooks = "./hooks.py"
max-stream-events = 1

[[operations]]
include-name = "GET /api/v1/runs/{run_id}/events"
checks.response_schema_conformance.enabled = false
"""
"""OpenAPI 3.1 describes a stream as a whole, and what is compared here is each event; test_answers.py reads them."""


HOOKS = """
import re
import uuid

import schemathesis


@schemathesis.hook
def before_call(context, case, **kwargs):
    if re.fullmatch("[ -~]{1,200}", (case.headers or {}).get("Idempotency-Key") or ""):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
"""
"""Made-up keys are much the same, and all but the first request with one would be refused for that alone."""


def _given(label: str, values: Mapping[str, str]) -> str:
    parameters = ", ".join(
        f'"path.{name}" = {value if name in NUMBERS else json.dumps(value)}'
        for name, value in values.items()
        if f"{{{name}}}" in label
    )
    return f"[[operations]]\ninclude-name = {json.dumps(label)}\nparameters = {{ {parameters} }}\n"


NUMBERS = {"position", "link_id", "partition", "offset"}


async def somebody(site: Site, email: str, *, operator: bool = False) -> dict[str, str]:
    """Headers of a browser in which this person is signed in."""
    person = await people.ensure_person(site.db, email, operator=operator or None)
    token = await sessions.begin(site.db, person, "a test")
    return {"Cookie": f"dagboek={token}", "X-CSRF-Token": csrf_of(token)}


async def deeds(site: Site, who: str) -> set[str]:
    return {row["action"] for row in await site.db.all("SELECT DISTINCT action FROM trail WHERE who = %s", who)}


def test_every_operation_is_asked_for_by_who_may(description: dict[str, Any]) -> None:
    every = labels(description)
    untouched = every - PERSON.of(description) - OPERATOR.of(description) - PROGRAM.of(description)
    assert untouched == {"DELETE /api/v1/session"}


async def test_a_program_that_names_what_is_not_there(site: Site, tmp_path: Path, description: dict[str, Any]) -> None:
    await asked(site, tmp_path, await site.key(site.north), PROGRAM.of(description), linked=True)


async def test_a_program_that_names_what_is_there(site: Site, tmp_path: Path, description: dict[str, Any]) -> None:
    part = PROGRAM.of(description, named=True)
    names = names_of(site.north) | {"code": "B04", "name": "octopus"}
    await asked(site, tmp_path, await site.key(site.north), part, dict.fromkeys(part, names))
    assert {"document.mark_booked", "member.role", "api_key.revoke"} <= await deeds(site, "key a program")


async def test_a_person_who_names_what_is_not_there(site: Site, tmp_path: Path, description: dict[str, Any]) -> None:
    """Not linked: it would end the session that asks, which is in the list of sessions."""
    headers = await site.person(site.south, Role.ADMIN)
    await asked(site, tmp_path, headers, PERSON.of(description))


async def test_a_person_who_names_what_is_there(site: Site, tmp_path: Path, description: dict[str, Any]) -> None:
    part = PERSON.of(description, named=True)
    await asked(
        site, tmp_path, await somebody(site, "anna@south.example"), part, dict.fromkeys(part, names_of(site.south))
    )
    assert await site.db.one("SELECT 1 FROM web_session WHERE id = %s", site.south.id("session")) is None
    read = await site.db.one("SELECT read_at FROM notice WHERE id = %s", site.south.id("notice"))
    assert read is not None and read["read_at"] is not None


async def test_an_operator_who_names_what_is_not_there(site: Site, tmp_path: Path, description: dict[str, Any]) -> None:
    email = "fuzz@operators.example"
    headers = await somebody(site, email, operator=True)
    await asked(site, tmp_path, headers, OPERATOR.of(description), linked=True)
    assert {"tenant.add", "installation.examine"} <= await deeds(site, email)


async def test_an_operator_who_names_what_is_there(site: Site, tmp_path: Path, description: dict[str, Any]) -> None:
    """What an operation ends is named to no other, so that each is done whatever comes first."""
    part, email = OPERATOR.of(description, named=True), "named@operators.example"
    partition, offset = (await set_aside(site, b'{"run_id": "x"}')).split("/")[-2:]
    names = {
        label: names_of(site.south)
        | {"partition": partition, "offset": offset, "person_id": str(await member(site, site.south, label))}
        for label in part
    }
    for label in part:
        if "{run_id}" in label:
            run = await a_run(site, site.south, "parked", park_reason="circuit", parked_until=datetime.now(UTC))
            names[label]["run_id"] = str(run)
    await asked(site, tmp_path, await somebody(site, email, operator=True), part, names)
    assert await deeds(site, email) == {
        "dead_letter.publish",
        "member.remove",
        "member.role",
        "person.disable",
        "person.enable",
        "person.link",
        "run.cancel",
        "run.wake",
    }


async def member(site: Site, of: TenantRows, what: str) -> UUID:
    """Somebody of the tenant, for this."""
    person = await people.ensure_person(site.db, f"{uuid4().hex}@{of.name}.example", what)
    await people.set_role(site.db, of.tenant, person.id, Role.VIEWER)
    return person.id
