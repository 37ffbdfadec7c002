"""Files that go to an entry after it was booked, for tools that take them apart (decision 0020).

What is to be attached is written down before the intent of the booking, and the row goes when it is done: whoever dies
in between, and whoever finds out that the entry stands, the files follow. One process is at them at a time: to begin,
and before each write, the row's due time is moved on by compare-and-set, and nobody else begins before that.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from dagboek_schemas.documents import Attachment
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.accounting import AccountingPlugin, Attaching
from dagboek_sdk.attempt import AttachedFile, Attempt, Op
from dagboek_sdk.errors import AccessDenied, Later, LoginBroken, NotProcessed, Refused, ToolError, Uncertain
from dagboek_sdk.source import DocumentSource, SourceUnavailable

from dagboek import connections
from dagboek.booking_json import booking_from
from dagboek.connections import ConnectionProblem
from dagboek.database import AWAY, Database, Jsonb
from dagboek.plugins import Plugins, unexpected
from dagboek.sources import reading
from dagboek.vault import Vault

log = structlog.get_logger()

Row = Mapping[str, Any]

PACK = 20
"""Entries of one connection that are looked after at a time."""
AT_ONCE = 16
"""Connections that are looked after at the same time."""
NOT_BOOKED_YET = timedelta(seconds=3)
NOT_BOOKED = timedelta(hours=1)
"""The longest wait for what may never be booked; short at first, as its intent may be about to be written."""
RETRY = timedelta(minutes=1)
LONGEST = timedelta(hours=12)
GIVE_UP = 20
"""How often it is tried in vain before the files are left out: about a week."""
FRESH = timedelta(minutes=5)
"""A row that is older may be one of a database that was put back: what is there is looked up, also at first."""


async def remember(db: Database, link_id: int, source_id: UUID, entity_id: UUID, files: Sequence[Attachment]) -> None:
    """Files of a document that is about to be booked."""
    named = [{"ref": one.ref, "file_name": one.file_name, "media_type": one.media_type} for one in files]
    await db.run(
        """INSERT INTO attaching (link_id, source_id, entity_id, files) VALUES (%s, %s, %s, %s)
           ON CONFLICT (link_id) DO UPDATE SET files = excluded.files, source_id = excluded.source_id,
               entity_id = excluded.entity_id, due = greatest(clock_timestamp() + %s, CASE WHEN attaching.attempt > 0
                                                              THEN attaching.due END)""",
        link_id,
        source_id,
        entity_id,
        Jsonb(named),
        NOT_BOOKED_YET,
    )


@dataclass
class Attacher:
    """Looks after all connections that have something due, each at its own pace."""

    db: Database
    plugins: Plugins
    vault: Vault
    _busy: dict[UUID, asyncio.Task[None]] = field(default_factory=dict)

    async def attach_due(self, patience: float = 1.0) -> int:
        """Attaches what is due; how many entries are looked at. What takes longer goes on in the background."""
        if await self.db.one("SELECT 1 AS due FROM attaching WHERE due < clock_timestamp() LIMIT 1") is None:
            return 0
        await self._put_off()
        rows = await self.db.all(_DUE, {"busy": list(self._busy)})
        by_connection: dict[UUID, list[Row]] = {}
        for row in rows:
            by_connection.setdefault(row["connection_id"], []).append(row)
        for connection_id, due in by_connection.items():
            if len(self._busy) < AT_ONCE:
                self._busy[connection_id] = asyncio.create_task(self._look_after(connection_id, due[:PACK]))
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=patience)
        return len(rows)

    async def _put_off(self) -> None:
        """What is not booked, or has no connection to go through, is not looked at each time."""
        await self.db.run(
            """UPDATE attaching a SET due = clock_timestamp() + CASE l.state WHEN 'intent' THEN %(soon)s
                   ELSE least(greatest(clock_timestamp() - a.made_at, %(soon)s), %(late)s) END
               FROM link l WHERE l.id = a.link_id AND a.due < clock_timestamp()
                 AND (l.state <> 'booked' OR l.entry_id IS NULL OR NOT l.current
                      OR NOT EXISTS (SELECT 1 FROM connection c WHERE c.administration_id = l.administration_id
                                     AND c.deleted_at IS NULL AND c.state <> 'reconnect'))""",
            {"soon": NOT_BOOKED_YET, "late": NOT_BOOKED},
        )

    async def _look_after(self, connection_id: UUID, due: Sequence[Row]) -> None:
        try:
            tool = await connections.open_tool(self.db, self.plugins, self.vault, connection_id)
            try:
                for row in due:
                    if not await self._one(tool, row):
                        break
            finally:
                await tool.close()
        except (ConnectionProblem, *AWAY) as trouble:
            log.warning("attach.waits", error=type(trouble).__name__)
            for row in due:
                await self._later(row, RETRY)
        except Exception as bug:
            unexpected("attach", bug)
        finally:
            self._busy.pop(connection_id, None)

    async def _one(self, tool: AccountingPlugin, row: Row) -> bool:
        """One entry; False where the tool or the login is in trouble, and the others need not be tried."""
        claim = await self._begin(tool, row)
        if claim is None:
            return True
        try:
            files, issues = await self._files(row)
            async with asyncio.timeout(tool.resolve_deadline + tool.call_deadline * len(files)):
                await tool.attach(_attaching(self, tool, row, claim, files))
        except Later as trouble:
            wait = trouble.until - clock.now() if trouble.until else RETRY
            await self._later(claim, max(wait, timedelta(seconds=1)))
            return False
        except LoginBroken:
            await self._later(claim, NOT_BOOKED)
            return False
        except (Refused, AccessDenied) as refused:
            why = list(refused.issues) if isinstance(refused, Refused) else [refused.issue]
            await self._done(claim, [*(_left_out(claim, one, refused) for one in claim["files"]), *why])
        except (Uncertain, NotProcessed, TimeoutError, SourceUnavailable) as trouble:
            await self._in_vain(claim, trouble)
        except AWAY:
            raise
        except Exception as bug:
            unexpected("attach", bug)
            await self._in_vain(claim, bug)
        else:
            await self._done(claim, issues)
        return True

    async def _files(self, row: Row) -> tuple[tuple[AttachedFile, ...], list[Issue]]:
        """The files with their bytes; those that the source no longer has are left out, and told."""
        source = await self.db.one("SELECT * FROM source WHERE id = %s", row["source_id"])
        entity = await self.db.one("SELECT * FROM entity WHERE id = %s", row["entity_id"])
        found: list[AttachedFile] = []
        issues: list[Issue] = []
        if source is None or entity is None:
            return (), [_left_out(row, one) for one in row["files"]]
        async with reading(self.db, self.plugins, source, entity) as reader:
            for one in row["files"]:
                content = await _content(reader, one["ref"])
                if content is None:
                    issues.append(_left_out(row, one))
                else:
                    found.append(AttachedFile(one["file_name"], one["media_type"], content))
        return tuple(found), issues

    async def _begin(self, tool: AccountingPlugin, row: Row) -> Row | None:
        """The row, ours until it is due again; None where another has begun."""
        claimed = await self.db.one(
            """UPDATE attaching SET attempt = attempt + 1, due = clock_timestamp() + %s
               WHERE link_id = %s AND attempt = %s AND due < clock_timestamp()
               RETURNING attempt, made_at < clock_timestamp() - %s::interval AS old""",
            timedelta(seconds=tool.settle_seconds),
            row["link_id"],
            row["attempt"],
            FRESH,
        )
        return None if claimed is None else {**row, **claimed}

    async def step(self, tool: AccountingPlugin, claim: Row) -> Attempt:
        """An attempt for one write, and the time in which it may arrive. NotProcessed where another has begun."""
        t0 = clock.boot_time()
        ours = await self.db.run(
            "UPDATE attaching SET due = clock_timestamp() + %s WHERE link_id = %s AND attempt = %s",
            timedelta(seconds=tool.settle_seconds),
            claim["link_id"],
            claim["attempt"],
        )
        if not ours:
            raise NotProcessed("another process attaches these files")
        return Attempt(
            link_id=claim["link_id"],
            link_no=claim["link_no"],
            number=claim["attempt"],
            op=Op.UPDATE,
            identity=claim["identity"],
            kind=ItemKind.DOCUMENT,
            component=Component(claim["component"] or Component.SALES_INVOICES),
            booking=booking_from(claim["booking"]),
            party_entry=claim["party_entry"],
            entry_id=claim["entry_id"],
            entry_number=claim["entry_number"],
        ).start(t0)

    async def _later(self, claim: Row, wait: timedelta) -> None:
        """Not before what was sent can no longer arrive."""
        await self.db.run(
            "UPDATE attaching SET due = greatest(due, clock_timestamp() + %s) WHERE link_id = %s AND attempt = %s",
            min(wait, LONGEST),
            claim["link_id"],
            claim["attempt"],
        )

    async def _in_vain(self, claim: Row, trouble: BaseException) -> None:
        log.warning("attach.in_vain", link=claim["link_id"], error=type(trouble).__name__)
        if claim["attempt"] >= GIVE_UP:
            await self._done(claim, [_left_out(claim, one) for one in claim["files"]])
        else:
            await self._later(claim, RETRY * (1 << min(claim["attempt"], 10)))

    async def _done(self, claim: Row, issues: Sequence[Issue]) -> None:
        """The files are there, or left out for good; what is to be told stands beside the item."""
        async with self.db.transaction() as connection:
            gone = await connection.execute(
                "DELETE FROM attaching WHERE link_id = %s AND attempt = %s", (claim["link_id"], claim["attempt"])
            )
            if gone.rowcount and issues:
                await connection.execute(
                    """UPDATE item SET issues = issues || %s
                       WHERE run_id = %s AND sequence = %s AND state IN ('synced', 'unchanged')""",
                    (Jsonb([one.model_dump(mode="json") for one in issues]), claim["run_id"], claim["sequence"]),
                )
        log.info("attached", link=claim["link_id"], left_out=len(issues))


_DUE = """
SELECT a.link_id, a.source_id, a.entity_id, a.files, a.attempt, l.link_no, l.identity, l.entry_id, l.entry_number,
       l.run_id, l.sequence, t.booking, t.party_entry, i.component, c.id AS connection_id
FROM attaching a
JOIN link l ON l.id = a.link_id
JOIN LATERAL (SELECT booking, party_entry FROM attempt WHERE link_id = l.id ORDER BY number DESC LIMIT 1) t ON true
LEFT JOIN item i ON i.run_id = l.run_id AND i.sequence = l.sequence
JOIN LATERAL (
    SELECT c.id FROM connection c LEFT JOIN run r ON r.id = l.run_id
    WHERE c.administration_id = l.administration_id AND c.deleted_at IS NULL AND c.state <> 'reconnect'
    ORDER BY c.id = r.connection_id DESC LIMIT 1
) c ON true
WHERE a.due < clock_timestamp() AND l.state = 'booked' AND l.current AND l.entry_id IS NOT NULL
  AND i.state IS DISTINCT FROM 'planned' -- else what is told beside it would be overwritten
  AND c.id <> ALL(%(busy)s::uuid[])
ORDER BY a.due LIMIT 500
"""


def _attaching(
    attacher: Attacher, tool: AccountingPlugin, row: Row, claim: Row, files: tuple[AttachedFile, ...]
) -> Attaching:
    return Attaching(
        entry_id=row["entry_id"],
        number=row["entry_number"],
        booking=booking_from(row["booking"]),
        party_entry=row["party_entry"],
        files=files,
        again=claim["attempt"] > 1 or claim["old"],
        step=lambda: attacher.step(tool, claim),
    )


def _left_out(claim: Row, file: Mapping[str, str], why: ToolError | None = None) -> Issue:
    facts = {"number": claim["entry_number"] or "?", "file": file["file_name"]}
    return Issue(code="D24", facts=facts, tool_words=why.tool_words if why else None)


async def _content(reader: DocumentSource, ref: str) -> bytes | None:
    try:
        return await reader.attachment(ref)
    except OSError:
        return None
