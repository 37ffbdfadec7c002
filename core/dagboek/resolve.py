"""What a person decides: mark as booked, send again, acknowledge a change, retry (design section 6)."""

from dataclasses import dataclass
from datetime import UTC, date
from typing import Any
from uuid import UUID

from dagboek_schemas.statuses import ItemKind, Trigger

from dagboek.database import Connection, Database
from dagboek.publisher import Publisher
from dagboek.reasons import Refusal
from dagboek.runs import request_run, start, write_run


class CannotResolve(Refusal):
    """The link is not in a state that allows it: what it is, and what to do."""


class UnknownLink(CannotResolve):
    """The tenant has no such document in the push record."""


async def mark_as_booked(
    db: Database, tenant_id: UUID, link_id: int, entry_number: str, by: str | None = None, *, seen: int | None = None
) -> None:
    """A person found the entry in the tool: the link is booked under that number, nothing is sent.

    CannotResolve when the link is not at the version that the person has `seen`.
    """
    async with db.transaction() as connection:
        link = await _held(connection, tenant_id, link_id, ("free", "accepted", "needs_person"))
        _refuse_moved(link, seen)
        if await _belongs_to_another(connection, link, entry_number):
            text = f"Entry {entry_number} belongs to another document already. Check the number."
            raise CannotResolve(text, "number_of_another", number=entry_number)
        known = await _known_entry(connection, link, entry_number)
        await connection.execute(
            """UPDATE link SET state = 'booked', entry_number = %s, entry_id = %s, entry_url = %s,
                      needs_person_issue = NULL, accepted_token = NULL, updated_at = now(),
                      revision = coalesce((SELECT d.revision FROM document d WHERE d.tenant_id = link.tenant_id
                                           AND d.identity = link.identity), revision),
                      link_version = link_version + 1 WHERE id = %s""",
            (entry_number, known.get("entry_id"), known.get("url"), link_id),
        )
        await _note(connection, link, "person", f"marked as booked {entry_number} by {by or 'a person'}")


async def send_again(
    db: Database,
    publisher: Publisher,
    tenant_id: UUID,
    link_id: int,
    by: str | None = None,
    *,
    seen: int | None = None,
    patience: float | None = None,
) -> UUID | None:
    """A person says that the tool does not hold it: a new incarnation of the link is sent, in a small run.

    All or nothing: the old link is closed in the transaction that writes the run. CannotResolve while an attempt is
    open or may still arrive, and when the link is not at the version that the person has `seen`; NotReadyToSync where
    its connection cannot be synchronised. One that was never sent, because the tool holds something like it, is sent
    without that question. A customer or supplier goes along with the next run: None.
    """
    async with db.transaction() as connection:
        link = await _held(connection, tenant_id, link_id, ("booked", "accepted", "needs_person", "free"))
        if link["state"] == "free" and link["attempt"]:
            raise CannotResolve("It is not booked and nothing is open: synchronise, or retry it.", "not_booked")
        await _open_next(connection, link, f"sent again by {by or 'a person'}", seen)
        if link["kind"] == ItemKind.PARTY:
            return None
        connection_id = await _brought_by(connection, link["administration_id"], link["identity"])
        run = await write_run(connection, connection_id, Trigger.RESEND, by, [link["identity"]])
    await start(publisher, run, patience)
    return run.run_id


async def reset_link(
    db: Database, tenant_id: UUID, link_id: int, by: str | None = None, *, seen: int | None = None
) -> None:
    """The push record forgets the entry: the next synchronisation books the document as one that is new.

    Nothing is sent now, and nothing is removed from the tool. CannotResolve as of `send_again`.
    """
    async with db.transaction() as connection:
        link = await _held(connection, tenant_id, link_id, ("booked", "accepted", "needs_person"))
        await _open_next(connection, link, f"link reset by {by or 'a person'}", seen)


@dataclass(frozen=True, slots=True)
class Reset:
    """What became of many links."""

    reset: int
    left: int
    """That were sent and are being settled, or may still arrive: to be reset later."""


async def reset_links_from(
    db: Database, tenant_id: UUID, administration_id: UUID, since: date, by: str | None = None
) -> Reset:
    """`reset_link` for all documents of an administration from this issue date on, a hundred at a time."""
    rows = await db.all(
        """SELECT l.id FROM link l JOIN document d ON d.tenant_id = l.tenant_id AND d.identity = l.identity
           WHERE l.tenant_id = %s AND l.administration_id = %s AND l.current AND l.kind = 'document'
             AND l.state <> 'free' AND d.issue_date >= %s ORDER BY l.id""",
        tenant_id,
        administration_id,
        since,
    )
    done, left = 0, 0
    for at in range(0, len(rows), 100):
        async with db.transaction() as connection:
            for row in rows[at : at + 100]:
                try:
                    link = await _held(connection, tenant_id, row["id"], ("booked", "accepted", "needs_person"))
                    await _open_next(connection, link, f"link reset by {by or 'a person'}", None)
                    done += 1
                except CannotResolve:
                    left += 1
    return Reset(done, left)


def _refuse_moved(link: dict[str, Any], seen: int | None) -> None:
    if seen is not None and link["link_version"] != seen:
        raise CannotResolve("Something happened to it meanwhile. Look at it again.", "moved_on")


async def _open_next(connection: Connection, link: dict[str, Any], words: str, seen: int | None) -> None:
    """Closes a link and opens its next incarnation, in a transaction of the caller. CannotResolve."""
    if link["arriving"]:
        until = link["settle_due"].astimezone(UTC)
        text = f"It was sent just now and may still arrive. Look again after {until:%H:%M:%S} UTC."
        raise CannotResolve(text, "may_arrive", until=until)
    _refuse_moved(link, seen)
    number = await connection.execute(
        "UPDATE administration SET next_link_no = next_link_no + 1 WHERE id = %s RETURNING next_link_no - 1 AS no",
        (link["administration_id"],),
    )
    row = await number.fetchone()
    assert row is not None
    await connection.execute("UPDATE link SET current = false, updated_at = now() WHERE id = %s", (link["id"],))
    await connection.execute(
        """WITH made AS (
               INSERT INTO link (tenant_id, administration_id, identity, incarnation, kind, link_no, link_version)
               VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id
           )
           UPDATE item SET link_id = made.id FROM made WHERE state = 'planned' AND link_id = %s""",
        (
            link["tenant_id"],
            link["administration_id"],
            link["identity"],
            link["incarnation"] + 1,
            link["kind"],
            row["no"],
            link["link_version"] + 1,  # consumers order what they see of one document by it
            link["id"],
        ),
    )
    await _note(connection, link, "person", words)


async def retry(
    db: Database,
    publisher: Publisher,
    administration_id: UUID,
    identity: str,
    by: str | None = None,
    *,
    patience: float | None = None,
) -> UUID:
    """A small run for one document, with its party where that is not booked.

    CannotResolve where no connection brings it, and while an earlier retry of it has not ended.
    """
    async with db.connection() as connection:
        connection_id = await _brought_by(connection, administration_id, identity)
    await _refuse_second(db, connection_id, identity)
    return await request_run(db, publisher, connection_id, Trigger.RETRY, by, scope=[identity], patience=patience)


async def _brought_by(connection: Connection, administration_id: UUID, identity: str) -> UUID:
    found = await connection.execute(
        """SELECT c.id FROM connection c JOIN origin o ON o.entity_id = c.entity_id AND o.identity = %s
           WHERE c.administration_id = %s AND c.deleted_at IS NULL LIMIT 1""",
        (identity, administration_id),
    )
    row = await found.fetchone()
    if row is None:
        text = "No connection brings this document to these books any more. Connect the entity again."
        raise CannotResolve(text, "connected_no_more")
    return UUID(str(row["id"]))


async def _refuse_second(db: Database, connection_id: UUID, identity: str) -> None:
    """Two at once do no harm, but the second one waits for what the first waits for."""
    going_on = await db.one(
        """SELECT id, parked_until, state FROM run
           WHERE connection_id = %s AND small AND state <> 'ended' AND scope ? %s LIMIT 1""",
        connection_id,
        identity,
    )
    if going_on is not None:
        short = str(going_on["id"])[:8]
        waits = going_on["parked_until"] if going_on["state"] == "parked" else None
        until = f" It goes on at {waits.astimezone(UTC):%Y-%m-%d %H:%M} UTC." if waits else ""
        raise CannotResolve(
            f"Run {short} is trying this document already.{until} Watch it with `dagboek history {short}`, or stop it "
            f"with `dagboek cancel {short}`.",
            "being_tried",
        )


async def acknowledge_change(db: Database, tenant_id: UUID, link_id: int) -> None:
    """A person has seen that a booked document was changed: it is not reported again at this revision.

    CannotResolve for what is no booked document.
    """
    changed = await db.run(
        """UPDATE link SET acknowledged_revision = document.revision FROM document
           WHERE link.id = %s AND link.tenant_id = %s AND link.current AND link.state = 'booked'
             AND document.tenant_id = link.tenant_id AND document.identity = link.identity""",
        link_id,
        tenant_id,
    )
    if not changed:
        raise CannotResolve("It is no booked document, so there is no change to take note of.", "no_change")


async def _held(connection: Connection, tenant_id: UUID, link_id: int, states: tuple[str, ...]) -> dict[str, Any]:
    found = await connection.execute(
        """SELECT *, coalesce(settle_due > clock_timestamp(), false) AS arriving FROM link
           WHERE id = %s AND tenant_id = %s AND current FOR UPDATE""",
        (link_id, tenant_id),
    )
    link = await found.fetchone()
    if link is None:
        raise UnknownLink("There is no such document in the push record. See `dagboek resolve list`.", "not_found")
    if link["state"] == "intent":
        raise CannotResolve("It was sent and is being settled. Wait until that is done, then look again.", "settling")
    if link["state"] not in states:
        raise CannotResolve(
            f"It is {link['state'].replace('_', ' ')}; there is nothing to decide.", "nothing_to_decide"
        )
    return link


async def _belongs_to_another(connection: Connection, link: dict[str, Any], entry_number: str) -> bool:
    """Whether another document of this kind has the number; invoices and credit notes are numbered apart."""
    found = await connection.execute(
        """SELECT 1 FROM link l LEFT JOIN document d ON d.tenant_id = l.tenant_id AND d.identity = l.identity
           LEFT JOIN document o ON o.tenant_id = l.tenant_id AND o.identity = %s
           WHERE l.administration_id = %s AND l.kind = %s AND l.entry_number = %s AND l.current AND l.id <> %s
             AND (d.direction, d.kind) IS NOT DISTINCT FROM (o.direction, o.kind)
             AND date_part('year', d.issue_date) IS NOT DISTINCT FROM date_part('year', o.issue_date)""",
        (link["identity"], link["administration_id"], link["kind"], entry_number, link["id"]),
    )
    return await found.fetchone() is not None


async def _known_entry(connection: Connection, link: dict[str, Any], entry_number: str) -> dict[str, Any]:
    """What the tool told of the entry when it was first looked up; empty where that does not single one out.

    Without an entry id a later change of the document is reported and not written. A customer or supplier needs one, as
    its documents name it: what a person tells is the id.
    """
    if link["kind"] == ItemKind.PARTY:
        return {"entry_id": entry_number}
    found = await connection.execute(
        """SELECT t.entry_id, t.url FROM tool_entry t
           JOIN document d ON d.tenant_id = %s AND d.identity = %s
             AND t.day = d.issue_date AND abs(t.gross) = abs(d.gross)
           WHERE t.administration_id = %s AND t.number = %s
             AND NOT EXISTS (SELECT 1 FROM link x WHERE x.administration_id = t.administration_id AND x.current
                             AND x.kind = %s AND x.entry_id = t.entry_id AND x.id <> %s)""",
        (
            link["tenant_id"],
            link["identity"],
            link["administration_id"],
            entry_number,
            link["kind"],
            link["id"],
        ),
    )
    rows = await found.fetchall()
    return rows[0] if len(rows) == 1 else {}


async def _note(connection: Connection, link: dict[str, Any], outcome: str, words: str) -> None:
    await connection.execute(
        """UPDATE attempt SET outcome = coalesce(outcome, %s),
                  issues = coalesce(issues, '[]') || jsonb_build_array(jsonb_build_object('note', %s::text))
           WHERE link_id = %s AND number = %s""",
        (outcome, words, link["id"], link["attempt"]),
    )
