"""What people are told of, and that it reaches them: written with the end of runs, mailed by a real SMTP server."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from certificates import write_certificates
from dagboek import doctor
from dagboek.database import Database, connect
from dagboek.doctor import Finding, Health
from dagboek.embedded import Services
from dagboek.notices import bell, endings, nights, outbox
from dagboek.notices import sender as sending
from dagboek.notices.sender import Sender, sender_for
from dagboek.notices.smtp import Smtp
from dagboek.runs import finish_run
from dagboek.settings import Settings
from dagboek.web.rights import Role
from dagboek.web.signin import links, people
from dagboek_schemas.issues import Issue
from push_books import migrated, new_books
from pydantic import SecretStr

HERE = "https://books.example"


class Postman:
    """What a mail server does with what it is given."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.to: list[list[str]] = []
        self.answers: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.to.append(list(envelope.rcpt_tos))
        return "250 OK"


@contextmanager
def server(postman: Postman, port: int = 0, **options: Any) -> Iterator[Smtp]:
    """A mail server while it runs."""
    controller = Controller(postman, hostname="127.0.0.1", port=port or free_port(), **options)
    controller.start()
    try:
        yield Smtp("127.0.0.1", controller.port, "none", "Dagboek <no-reply@books.example>")
    finally:
        controller.stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
async def database(services: Services) -> AsyncIterator[Database]:
    async with migrated(services) as made:
        yield made


@pytest.fixture
async def db(database: Database) -> Database:
    await database.run("TRUNCATE tenant, person CASCADE")
    return database


def sender(db: Database, smtp: Smtp | None) -> Sender:
    return sender_for(db, smtp, lambda tool: tool.title(), lambda: HERE, "Europe/Brussels")


class World:
    """A tenant with people and runs that they started."""

    def __init__(self, db: Database, tenant: UUID, run: UUID) -> None:
        self.db, self.tenant, self.run = db, tenant, run

    async def person(self, name: str, language: str = "en", role: Role | None = Role.BOOKKEEPER) -> people.Person:
        person = await people.ensure_person(self.db, f"{name}-{uuid4().hex[:6]}@example.com")
        await people.choose_language(self.db, person.id, language)
        if role:
            await people.set_role(self.db, self.tenant, person.id, role)
        return person

    async def started(self, by: people.Person | None, batch: UUID | None = None, trigger: str = "manual") -> UUID:
        """A run of the tenant's, as somebody or the schedule starts it."""
        row = await self.db.one(
            """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state, selected,
                                small, person_id, batch_id)
               SELECT %(id)s, tenant_id, entity_id, connection_id, administration_id, %(trigger)s, 'active', true,
                      true, %(person)s, %(batch)s FROM run WHERE id = %(of)s RETURNING id""",
            {
                "id": uuid4(),
                "of": self.run,
                "trigger": trigger,
                "person": by.id if by else None,
                "batch": (batch or uuid4()) if by else None,
            },
        )
        assert row is not None
        return UUID(str(row["id"]))

    async def item(self, run: UUID, state: str, component: str = "sales_invoices") -> None:
        await self.db.run(
            "INSERT INTO item (run_id, component, identity, kind, state) VALUES (%s, %s, %s, 'document', %s)",
            run,
            component,
            uuid4().hex,
            state,
        )

    async def ends(self, run: UUID, broken: bool = False) -> bool:
        async with self.db.connection() as connection:
            return await finish_run(connection, run, broken=Issue(code="B06") if broken else None)

    async def ended(self, by: people.Person, **more: Any) -> UUID:
        run = await self.started(by, **more)
        await self.item(run, "synced")
        await self.ends(run)
        return run

    async def mails(self) -> list[dict[str, Any]]:
        return await self.db.all("SELECT * FROM email ORDER BY created_at")

    async def due(self) -> None:
        """Time passes until all that waits is due."""
        await self.db.run("UPDATE email SET due_at = now() WHERE state = 'waiting'")


@pytest.fixture
async def world(db: Database) -> AsyncIterator[World]:
    async with new_books(db) as books:
        await db.run("UPDATE run SET state = 'ended', status = 'Success', finished_at = now() WHERE id = %s", books.run)
        yield World(db, books.tenant, books.run)


async def test_the_starter_alone_is_told_once_with_counts_of_each_kind(db: Database, world: World) -> None:
    anna, bert = await world.person("anna"), await world.person("bert")
    run = await world.started(anna)
    for state in ("synced", "synced", "skipped"):
        await world.item(run, state)
    await world.item(run, "synced", "purchase_invoices")

    assert await world.ends(run)
    assert not await world.ends(run), "it ends once"

    (notice,) = await bell.page(db, anna.id, limit=9)
    assert notice.kind == "runs"
    assert notice.facts["statuses"] == {"Warning": 1}
    assert notice.facts["components"] == {
        "sales_invoices": {"synced": 2, "skipped": 1},
        "purchase_invoices": {"synced": 1, "skipped": 0},
    }
    assert notice.facts["runs"] == [
        {"id": str(run), "entity": "E", "tool": "x", "status": "Warning", "synced": 3, "skipped": 1}
    ]
    assert await bell.page(db, bert.id, limit=9) == []
    assert [(mail["kind"], mail["state"], mail["person_id"]) for mail in await world.mails()] == [
        ("runs", "waiting", anna.id)
    ]


async def test_an_end_that_is_recorded_again_is_told_once(db: Database, world: World) -> None:
    anna = await world.person("anna")
    run = await world.ended(anna)
    await db.run("UPDATE run SET state = 'active' WHERE id = %s", run)
    assert await world.ends(run)
    assert len(await bell.page(db, anna.id, limit=9)) == len(await world.mails()) == 1


async def test_what_a_newer_release_tells_waits_unread_for_a_process_of_it(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await world.person("anna")
    await world.ends(await world.started(anna))
    (notice,) = await bell.page(db, anna.id, limit=9)
    with monkeypatch.context() as older:
        older.setattr(bell, "KINDS", ["nights"])
        assert await bell.page(db, anna.id, limit=9) == []
        assert await bell.find(db, anna.id, notice.id) is None
        assert await bell.standing(db, anna.id) == bell.Standing(unread=0, waits=False)
        assert await bell.read_all(db, anna.id) == 0
    assert await bell.find(db, anna.id, notice.id) == notice
    assert await bell.standing(db, anna.id) == bell.Standing(unread=1, waits=False)


async def test_automatic_runs_and_those_of_programs_tell_nobody(db: Database, world: World) -> None:
    await world.person("anna")
    await world.ends(await world.started(None))
    await world.ends(await world.started(None, trigger="automatic"))
    assert await db.all("SELECT * FROM notice") == await world.mails() == []


async def test_nothing_is_told_of_a_run_whose_end_is_undone(db: Database, world: World) -> None:
    run = await world.started(await world.person("anna"))
    connection = await connect(db.url)
    with pytest.raises(ZeroDivisionError):
        async with connection.transaction():
            await finish_run(connection, run)
            raise ZeroDivisionError
    await connection.close()
    assert await db.all("SELECT * FROM notice") == await world.mails() == []


async def test_who_has_left_or_wants_no_mail_is_not_mailed(db: Database, world: World) -> None:
    gone, quiet = await world.person("gone"), await world.person("quiet")
    runs = [await world.started(gone), await world.started(quiet)]
    await people.remove_member(db, world.tenant, gone.id)
    await people.choose_mail(db, quiet.id, wanted=False)
    for run in runs:
        await world.ends(run)
    assert await bell.page(db, gone.id, limit=9) == []
    assert len(await bell.page(db, quiet.id, limit=9)) == 1
    assert await world.mails() == []


async def test_what_was_started_together_is_told_together_when_the_last_has_ended(db: Database, world: World) -> None:
    anna, batch = await world.person("anna"), uuid4()
    runs = [await world.started(anna, batch) for _ in range(8)]
    for run in runs:
        await world.item(run, "synced")
    await world.item(runs[3], "skipped")
    await world.ends(runs[0])
    assert await bell.standing(db, anna.id) == bell.Standing(unread=0, waits=True)

    await asyncio.gather(*(world.ends(run) for run in runs[1:]))

    assert await bell.standing(db, anna.id) == bell.Standing(unread=1, waits=False)
    (notice,) = await bell.page(db, anna.id, limit=9)
    assert notice.facts["statuses"] == {"Success": 7, "Warning": 1}
    assert notice.facts["components"] == {"sales_invoices": {"synced": 8, "skipped": 1}}
    assert notice.facts["runs"][0]["id"] == str(runs[3]), "what needs somebody is named first"
    assert len(await world.mails()) == 1


async def test_a_mail_server_that_is_down_for_the_length_of_the_run_loses_nothing(db: Database, world: World) -> None:
    anna, postman, port = await world.person("anna", "fr"), Postman(), free_port()
    down = Smtp("127.0.0.1", port, "none", "no-reply@books.example")
    early = sender(db, down)
    run = await world.started(anna)
    for state in ("synced", "synced", "skipped"):
        await world.item(run, state)
    await world.ends(run)
    assert await early.send_waiting() == 0
    (mail,) = await world.mails()
    assert (mail["state"], mail["tries"]) == ("waiting", 0)
    assert "ConnectionRefused" in mail["reason"]

    with server(postman, port) as up:
        await world.due()
        assert await early.send_waiting() == 0, "it is left alone for a while"
        assert await sender(db, up).send_waiting() == 1
        assert await sender(db, up).send_waiting() == 0
    (got,) = postman.mails
    assert postman.to == [[anna.email]]
    assert got["Message-ID"] == f"<{mail['id']}@books.example>"
    assert got["Subject"] == "E est synchronisé, mais pas entièrement"
    text = part(got, "plain")
    assert "- factures de vente: 2 comptabilisés · 1 ignoré" in text
    (notice,) = await bell.page(db, anna.id, limit=9)
    assert f"{HERE}/notices/{notice.id}" in text
    assert "factures de vente" in part(got, "html")
    assert [one["state"] for one in await world.mails()] == ["sent"]


async def test_a_crash_between_sending_and_noting_it_sends_the_same_mail_again(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.ended(await world.person("anna"))
    postman = Postman()
    with server(postman) as smtp:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(sending, "reached", killed)
            await sender(db, smtp).send_waiting()
        assert await sender(db, smtp).send_waiting() == 0, "it is tried again after a while"
        await world.due()
        assert await sender(db, smtp).send_waiting() == 1
        await world.due()
        assert await sender(db, smtp).send_waiting() == 0
    first, second = postman.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]


def killed(point: str) -> None:
    assert point == "mail_sent"
    raise KeyboardInterrupt


async def test_an_end_that_cannot_be_told_is_recorded_all_the_same(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await world.person("anna")
    run = await world.started(anna)
    monkeypatch.setattr(endings, "_RUNS", "SELECT 'x'::jsonb")  # the database refuses, which ends a transaction
    assert await world.ends(run)
    row = await db.one("SELECT state FROM run WHERE id = %s", run)
    assert row == {"state": "ended"}
    assert len(await db.all("SELECT * FROM run_event WHERE run_id = %s", run)) == 1
    assert await bell.page(db, anna.id, limit=9) == []


async def test_two_ends_that_tell_the_same_people_do_not_wait_for_each_other(db: Database, world: World) -> None:
    """Who watches what was noted in another order: mail is written in one."""
    watchers = [await world.person(name) for name in ("anna", "bert", "cara")]
    async with new_books(db) as books:
        one = await db.one("SELECT connection_id FROM run WHERE id = %s", world.run)
        other = await db.one("SELECT connection_id FROM run WHERE id = %s", books.run)
        assert one is not None and other is not None
        for at, order in ((one, watchers), (other, watchers[::-1])):
            for person in order:
                await nights.watch(db, world.tenant, at["connection_id"], person.id, 1)
        written: dict[UUID, list[UUID]] = {}
        for at in (one, other):
            async with db.transaction() as connection:
                await nights.not_run(connection, [(at["connection_id"], datetime.now(UTC))])
            rows = await db.all(
                "SELECT person_id FROM notice WHERE facts ->> 'connection' = %s ORDER BY ctid", str(at["connection_id"])
            )
            written[at["connection_id"]] = [row["person_id"] for row in rows]
    assert list(written.values()) == [sorted(person.id for person in watchers)] * 2


async def test_a_night_is_requested_though_nobody_can_be_told_of_another(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await db.one("SELECT connection_id AS id, now() AS at FROM run WHERE id = %s", world.run)
    assert row is not None
    await nights.watch(db, world.tenant, row["id"], (await world.person("anna")).id, 1)
    monkeypatch.setattr(nights, "_COLLECT", "SELECT 'x'::jsonb")
    async with db.transaction() as connection:
        await nights.not_run(connection, [(row["id"], row["at"])])
        assert await (await connection.execute("SELECT 1 AS goes_on")).fetchone() == {"goes_on": 1}


async def test_a_letter_that_cannot_be_written_holds_up_no_other(db: Database, world: World) -> None:
    wrong, fine, postman = await world.person("wrong"), await world.person("fine"), Postman()
    await db.run("UPDATE person SET email = 'wrong @ @example.com' WHERE id = %s", wrong.id)
    for person in (wrong, fine):
        await world.ended(person)
    with server(postman) as smtp:
        assert await sender(db, smtp).send_waiting() == 1
    assert postman.to == [[fine.email]]
    assert [mail["state"] for mail in await world.mails()] == ["waiting", "sent"]


async def test_of_two_cores_each_mail_is_sent_by_one(db: Database, world: World) -> None:
    anna, postman = await world.person("anna"), Postman()
    for _ in range(12):
        await world.ended(anna)
    with server(postman) as smtp:
        numbers = await asyncio.gather(*(sender(db, smtp).send_waiting() for _ in range(3)))
    assert sum(numbers) == len({mail["Message-ID"] for mail in postman.mails}) == len(postman.mails) == 12


async def test_an_address_that_is_none_is_given_up_and_others_are_tried_again(
    db: Database, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    postman = Postman()
    wrong, full, fine = [await world.person(name) for name in ("wrong", "full", "fine")]
    postman.answers = {
        wrong.email: f"550 5.1.1 <{wrong.email}> unknown",
        full.email: f"452 4.2.2 <{full.email}> is over quota",
    }
    for person in (wrong, full, fine):
        await world.ended(person)
    with server(postman) as smtp:
        assert await sender(db, smtp).send_waiting() == 1
        states = {mail["person_id"]: mail for mail in await world.mails()}
        assert (states[wrong.id]["state"], states[wrong.id]["reason"][:9]) == ("given_up", "550 5.1.1")
        assert (states[full.id]["state"], states[full.id]["tries"]) == ("waiting", 1)
        assert states[fine.id]["state"] == "sent", "one that is refused holds up no other"
        waits = []
        for _ in range(3):
            await world.due()
            await sender(db, smtp).send_waiting()
            row = await db.one("SELECT due_at - now() AS wait FROM email WHERE person_id = %s", full.id)
            assert row is not None
            waits.append(row["wait"].total_seconds() / 60)
        assert [round(wait / 10) for wait in waits] == [1, 2, 4], "twice as long each time"
        await db.run("UPDATE email SET created_at = now() - interval '4 days' WHERE person_id = %s", full.id)
        await sender(db, smtp).send_waiting()
    row = await db.one("SELECT state, reason FROM email WHERE person_id = %s", full.id)
    assert row is not None
    assert (row["state"], row["reason"][:3]) == ("given_up", "452"), "and why is kept"
    told = capsys.readouterr()
    assert "@example.com" not in told.out + told.err, "nobody is named in the log"


async def test_without_a_mail_server_nothing_waits_for_one(db: Database, world: World) -> None:
    await world.ended(await world.person("anna"))
    assert await sender(db, None).send_waiting() == 0
    (mail,) = await world.mails()
    assert (mail["state"], mail["reason"]) == ("given_up", "no mail server is set")


async def test_names_are_text_and_make_no_header_and_no_tag(db: Database, world: World) -> None:
    anna, postman = await world.person("anna"), Postman()
    await db.run("UPDATE entity SET name = E'<b>Bo\\r\\nBcc: evil@example.com\\u2028' || repeat('x', 400)")
    await world.ended(anna)
    with server(postman) as smtp:
        assert await sender(db, smtp).send_waiting() == 1
    (got,) = postman.mails
    assert got["Bcc"] is None
    assert postman.to == [[anna.email]]
    assert got["Subject"].startswith("<b>Bo Bcc: evil@example.com x")
    assert len(got["Subject"]) == 200
    assert "<b>" not in part(got, "html")
    assert "&lt;b&gt;Bo" in part(got, "html")


def certified(folder: Path) -> ssl.SSLContext:
    """Of a server whose certificate `ca.pem` in the folder has signed."""
    write_certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


async def test_the_way_is_encrypted_or_not_taken(
    db: Database, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.ended(await world.person("anna"))
    context, postman = certified(tmp_path), Postman()

    async def tried(smtp: Smtp, security: str) -> tuple[int, str]:
        user = Smtp(smtp.host, smtp.port, security, smtp.sender, "robot", SecretStr("s3cret"))
        await world.due()
        number = await sender(db, user).send_waiting()
        return number, str((await world.mails())[0]["reason"])

    with server(postman) as plain:
        number, reason = await tried(plain, "starttls")
        assert number == 0 and "STARTTLS" in reason
    options: dict[str, Any] = {"require_starttls": True, "auth_required": True, "authenticator": known}
    with server(postman, tls_context=context, **options) as encrypted:
        number, reason = await tried(encrypted, "starttls")
        assert number == 0 and "CERTIFICATE" in reason.upper(), "nobody knows who signed it"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert await tried(encrypted, "starttls") == (1, "None")
    assert len(postman.mails) == 1


async def test_tls_from_the_first_byte_takes_a_certificate_that_is_known_and_no_other(
    db: Database, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.ended(await world.person("anna"))
    context, postman = certified(tmp_path), Postman()

    async def tried(authority: str, host: str, port: int) -> tuple[int, str]:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / authority))
        smtp = Smtp(host, port, "tls", "no-reply@books.example", "robot", SecretStr("s3cret"))
        await world.due()
        number = await sender(db, smtp).send_waiting()
        return number, str((await world.mails())[0]["reason"])

    with server(postman) as plain:
        assert await tried("ca.pem", plain.host, plain.port) == (0, "no TLS with the server: wrong version number")
    options: dict[str, Any] = {"auth_required": True, "auth_require_tls": False, "authenticator": known}
    with server(postman, ssl_context=context, **options) as smtps:
        refused = "the server's certificate is not accepted: "
        number, reason = await tried("stranger.pem", smtps.host, smtps.port)
        assert number == 0 and reason.startswith(f"{refused}unable to get local issuer"), "by whom, nobody knows"
        number, reason = await tried("ca.pem", "localhost", smtps.port)
        assert number == 0 and reason.startswith(f"{refused}Hostname mismatch"), "it is another's"
        assert postman.mails == []
        assert await tried("ca.pem", smtps.host, smtps.port) == (1, "None")
    assert len(postman.mails) == 1


async def test_doctor_tries_the_mail_server_and_sends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "stranger.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    options: dict[str, Any] = {"auth_required": True, "authenticator": known}
    postman = Postman()

    async def found(port: int, security: str, password: str = "s3cret") -> Finding:
        given: dict[str, Any] = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": security}
        given |= {"smtp_user": "robot", "smtp_password": password, "smtp_from": "no-reply@books.example"}
        return await doctor._mail_server(Settings(**given))

    assert (await doctor._mail_server(Settings())).health is Health.OK
    nobody = await found(free_port(), "starttls")
    assert (nobody.health, nobody.fix[:16]) == (Health.WRONG, "Start the server")
    assert "ConnectionRefused" in nobody.what
    with server(postman, tls_context=context, require_starttls=True, **options) as smtp:
        assert "certificate is not accepted" in (await found(smtp.port, "starttls")).what
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        well = await found(smtp.port, "starttls")
        assert (well.health, well.what) == (
            Health.OK,
            f"127.0.0.1:{smtp.port} answers, with STARTTLS, signed in as robot; no mail was sent",
        )
        other = await found(smtp.port, "starttls", "an0ther")
        assert (other.health, other.fix) == (
            Health.WRONG, "Correct DAGBOEK_SMTP_USER and DAGBOEK_SMTP_PASSWORD."
        )  # fmt: skip
        assert "an0ther" not in other.what
        assert "DAGBOEK_SMTP_SECURITY" in (await found(smtp.port, "tls")).fix
    with server(postman, **options) as plain:
        lacking = await found(plain.port, "starttls")
        assert "STARTTLS" in lacking.what and "DAGBOEK_SMTP_SECURITY" in lacking.fix
    monkeypatch.setattr(doctor, "MAIL_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = await found(silent.getsockname()[1], "starttls")
        assert mute.health is Health.WRONG and mute.what.endswith(": no answer within 0.2 seconds")
    assert postman.mails == []


async def test_doctor_and_the_person_read_of_mail_that_waits_long_or_was_given_up(db: Database, world: World) -> None:
    async def said() -> list[tuple[Health, str]]:
        return [(one.health, one.what) async for one in doctor._mail(db)]

    fine = [(Health.OK, "none waits long, and none was given up within a week")]
    anna, bert = await world.person("anna"), await world.person("bert")
    for person in (anna, bert):
        await world.ended(person)
    assert await said() == fine, "it has just been written"
    await db.run("UPDATE email SET created_at = now() - interval '2 hours', due_at = now() + interval '2 hours'")
    assert await said() == fine, "it is collected until then"
    await db.run("UPDATE email SET due_at = now() - interval '2 hours' WHERE person_id = %s", anna.id)
    assert await said() == [
        (Health.WRONG, "mails that wait for over an hour: 1; nobody has tried to send them")
    ]  # fmt: skip
    (of_bert,) = [mail["id"] for mail in await world.mails() if mail["person_id"] == bert.id]
    await outbox.give_back(db, of_bert, "451 later", outbox.LATE)
    assert await said() == [
        (Health.WRONG, "mails that wait for over an hour: 2; the last was not sent because: 451 later")
    ]  # fmt: skip

    await db.run("UPDATE email SET state = 'given_up', ended_at = now(), reason = '550 5.1.1 unknown'")
    given_up = await said()
    assert [health for health, _ in given_up] == [Health.NOTE, Health.NOTE]
    assert {anna.email in what or bert.email in what for _, what in given_up} == {True}
    assert all("550 5.1.1 unknown" in what for _, what in given_up)
    assert await outbox.last_undelivered(db, anna.id) is not None
    await db.run("UPDATE email SET reason = %s WHERE person_id = %s", outbox.NO_SERVER, bert.id)
    assert len(await said()) == 1, "without a server none is missed"
    await world.ended(anna)
    with server(Postman()) as smtp:
        await sender(db, smtp).send_waiting()
    assert await said() == fine, "they are reached again"
    assert await outbox.last_undelivered(db, anna.id) is None


def known(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: LoginPassword) -> AuthResult:
    return AuthResult(success=(given.login, given.password) == (b"robot", b"s3cret"), handled=False)


async def test_nights_that_fail_are_told_after_as_many_as_somebody_said(db: Database, world: World) -> None:
    anna, bert = await world.person("anna"), await world.person("bert")
    row = await db.one("SELECT connection_id FROM run WHERE id = %s", world.run)
    assert row is not None
    connection: UUID = row["connection_id"]
    await nights.watch(db, world.tenant, connection, anna.id, 2)

    async def night(*, failed: bool = True, trigger: str = "automatic") -> int:
        run = await world.started(None, trigger=trigger)
        await db.run("UPDATE run SET small = false WHERE id = %s", run)
        await world.ends(run, broken=failed)
        return len(await bell.page(db, anna.id, limit=99))

    assert [await night(), await night(), await night(), await night()] == [0, 1, 1, 2]
    assert await night(failed=False) == 2
    assert await night() == 2, "it begins anew"
    assert await night(failed=True, trigger="manual") == 2, "what somebody started is no night"
    assert await night() == 3
    assert await bell.page(db, bert.id, limit=9) == []
    mails = await world.mails()
    assert [mail["kind"] for mail in mails] == ["nights"], "one mail collects them"
    postman = Postman()
    with server(postman) as smtp:
        assert await sender(db, smtp).send_waiting() == 0, "nobody reads it at night"
        await world.due()
        assert await sender(db, smtp).send_waiting() == 1
    assert postman.mails[0]["Subject"] == "3 notifications of failed nights"
    await night()
    await night()
    assert [mail["state"] for mail in await world.mails()] == ["sent", "waiting"]


async def test_a_night_without_a_run_counts_as_failed(db: Database, world: World) -> None:
    anna = await world.person("anna")
    row = await db.one("SELECT c.id, now() AS at FROM connection c JOIN run r ON r.connection_id = c.id")
    assert row is not None
    await nights.watch(db, world.tenant, row["id"], anna.id, 1)
    for _ in range(2):
        async with db.transaction() as connection:
            await nights.not_run(connection, [(row["id"], row["at"])])
    (notice,) = await bell.page(db, anna.id, limit=9)
    assert "run" not in notice.facts, "told once, however often it is recorded"


async def test_who_is_invited_gets_a_link_that_stands_in_the_mail_alone(
    db: Database, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    new, known_one = await world.person("new", "nl"), await world.person("known")
    await people.choose_password(db, known_one, "een zin van vier woorden")
    assert await outbox.invite(db, world.tenant, new.id, "boss@example.com")
    assert not await outbox.invite(db, world.tenant, new.id, "boss@example.com"), "nobody is flooded"
    assert await outbox.invite(db, world.tenant, known_one.id, "boss@example.com")
    postman = Postman()
    with server(postman) as smtp:
        assert await sender(db, smtp).send_waiting() == 2
    text = {mail["To"]: part(mail, "plain") for mail in postman.mails}
    found = re.search(rf"{HERE}{links.PATH}(\S+)", text[new.email])
    assert found is not None
    assert "boss@example.com" in text[new.email]
    assert links.PATH not in text[known_one.email], "who has a password signs in with it"
    assert await outbox.invitations(db, [new.id]) == {new.id: "sent"}
    kept = str(await db.all("SELECT * FROM email")) + str(await db.all("SELECT * FROM one_time_link"))
    assert found[1] not in kept + str(capsys.readouterr())
    person = await links.use_link(db, found[1])
    assert person is not None and person.id == new.id
    assert await links.use_link(db, found[1]) is None


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    content: str = found.get_content()
    return content
