"""What a tool has accepted and books later: asked for in bulk and seldom, and told when its end is known.

One call asks for all that a connection has waiting (decision 0024). The end corrects the link and the item of the run
that sent it, in one transaction, and is told by the sweeper as that item's next outcome. A process that dies in between
has changed nothing, and the next time the tool says the same.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import ItemKind, ItemState
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.attempt import Booked, Candidate
from dagboek_sdk.errors import AccessDenied, Later, LoginBroken, Refused

from dagboek import connections
from dagboek.connections import ConnectionProblem
from dagboek.database import AWAY, Connection, Database, Jsonb
from dagboek.permits import can_wait
from dagboek.plugins import Plugins, unexpected
from dagboek.push_record import AttemptOutcome, Group, Outcome, entries_of_others, late_outcome, write
from dagboek.refusals import Refusal, remember
from dagboek.runs import relabel
from dagboek.sound import sound
from dagboek.vault import Vault

log = structlog.get_logger()

Row = Mapping[str, Any]
"""A link that was accepted, with the attempt that was."""

PACK: Final = 1000
"""Tokens that one call of `poll` is given at most."""
AT_ONCE: Final = 16
"""Connections that are asked at the same time."""
ASKED_FOR: Final = 3
"""How many times `accepted_days` the tool is asked: after the first a person is told, who may be slow too."""
_OUTAGE: Final = (Later, LoginBroken, AccessDenied, OSError, *AWAY)
"""The tool cannot be asked just now; it says nothing of what it was asked for."""
LOST: Final = ""
"""The token of what was accepted in a time that the database has lost."""


@dataclass
class Poller:
    """Asks all tools for what they have accepted, each at its own pace."""

    db: Database
    plugins: Plugins
    vault: Vault
    _busy: dict[UUID, asyncio.Task[None]] = field(default_factory=dict)

    async def poll_due(self, patience: float = 1.0) -> int:
        """Asks those that are due; how many connections. What takes longer goes on in the background."""
        tools = self.plugins.tools.values()
        given = {"plugins": [one.about.name for one in tools], "seconds": [one.about.poll_seconds for one in tools]}
        rows = await self.db.all(_DUE, {**given, "busy": list(self._busy), "most": AT_ONCE - len(self._busy)})
        for row in rows:
            self._busy[row["administration_id"]] = asyncio.create_task(self._ask(row))
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=patience)
        return len(rows)

    async def _ask(self, due: Row) -> None:
        try:
            if not await self._claimed(due):
                return
            tool = await connections.open_tool(self.db, self.plugins, self.vault, due["connection_id"])
            try:
                await self._ask_all(tool, await self.db.all(_WAITING, due["administration_id"]))
            finally:
                await tool.close()
        except (ConnectionProblem, *_OUTAGE) as trouble:
            log.warning(
                "accepted.not_asked", administration=str(due["administration_id"]), error=type(trouble).__name__
            )
        except Exception as bug:
            unexpected("accepted", bug)
        finally:
            self._busy.pop(due["administration_id"], None)

    async def _claimed(self, due: Row) -> bool:
        """Whether it is ours to ask, of all cores. Said before it is done: a call that kills us is not made all day."""
        return bool(
            await self.db.run(
                """UPDATE administration SET polled_at = clock_timestamp()
                   WHERE id = %s AND polled_at IS NOT DISTINCT FROM %s""",
                due["administration_id"],
                due["polled_at"],
            )
        )

    async def _ask_all(self, tool: AccountingPlugin, waiting: Sequence[Row]) -> None:
        for at in range(0, len(waiting), PACK):
            pack = waiting[at : at + PACK]
            said = await _said(tool, [row["accepted_token"] for row in pack if row["accepted_token"] != LOST])
            for row in pack:
                try:
                    await self._decide(tool, row, said.get(row["accepted_token"]))
                except AWAY:
                    raise
                except Exception as bug:  # another link may have taken the entry at this moment
                    unexpected("accepted", bug)

    async def _decide(self, tool: AccountingPlugin, row: Row, said: object) -> None:
        entry = sound(said) if isinstance(said, Booked) else None
        if isinstance(entry, Booked):
            await self._booked(row, entry)
        elif isinstance(said, Refused):
            await self._rejected(tool, row, said)
        elif row["state"] == "accepted" and row["current"]:
            if row["accepted_token"] == LOST:
                await self._for_person(row, Issue(code="D41"), None)
            elif row["days"] > tool.about.accepted_days:
                facts = {"tool": tool.about.title, "days": str(tool.about.accepted_days)}
                await self._for_person(row, Issue(code="D42", facts=facts), row["accepted_token"])
        elif row["days"] > tool.about.accepted_days * ASKED_FOR:
            await self.db.run(
                "UPDATE link SET accepted_token = NULL WHERE id = %s AND (state <> 'accepted' OR NOT current)",
                row["id"],
            )

    async def _booked(self, row: Row, entry: Booked) -> None:
        candidate = Candidate(entry.entry_id)
        if await entries_of_others(self.db, row["administration_id"], row["kind"], row["id"], [candidate]):
            issue = Issue(code="D11", severity=Severity.ERROR, facts={"entry": entry.number or entry.entry_id})
            if row["current"] and row["state"] == "accepted":
                await self._for_person(row, issue, None)
            return
        outcome = AttemptOutcome(
            row["id"],
            row["attempt"],
            Outcome.BOOKED,
            revision=row["sent_revision"],
            role=row["component"] if row["kind"] == ItemKind.PARTY else None,
            entry_id=entry.entry_id,
            entry_number=entry.number,
            entry_url=entry.url,
            entry_details=orjson.dumps(entry.details, default=str),
            expected=row["state"],
        )
        async with self.db.transaction() as connection:
            if await _recorded(connection, row, outcome):
                await _tell(connection, row, ItemState.SYNCED, entry.remarks, entry)
        log.info("accepted.booked", link=row["id"], attempt=row["attempt"])

    async def _rejected(self, tool: AccountingPlugin, row: Row, refused: Refused) -> None:
        written = orjson.dumps([issue.model_dump(mode="json") for issue in refused.told])
        outcome = AttemptOutcome(
            row["id"],
            row["attempt"],
            Outcome.REFUSED,
            revision=row["sent_revision"],
            issues=written,
            expected=row["state"],
        )
        async with self.db.transaction() as connection:
            if await _recorded(connection, row, outcome) and row["sequence"] is not None:
                releases = self.plugins.releases(tool.about.name)
                await remember(connection, [Refusal(row["run_id"], row["sequence"], row["id"], written, releases)])
                await _tell(connection, row, ItemState.SKIPPED, refused.told)
        log.info("accepted.rejected", link=row["id"], attempt=row["attempt"])

    async def _for_person(self, row: Row, issue: Issue, token: str | None) -> None:
        """With `token` the tool is asked on: who finds it booked need not say so."""
        outcome = AttemptOutcome(
            row["id"],
            row["attempt"],
            Outcome.PERSON,
            accepted_token=token,
            issues=orjson.dumps([issue.model_dump(mode="json")]),
            expected=row["state"],
        )
        async with self.db.transaction() as connection:
            if await _recorded(connection, row, outcome):
                await _tell(connection, row, ItemState.NEEDS_PERSON, [issue])
        log.info("accepted.needs_person", link=row["id"], attempt=row["attempt"])


# An administration of which something was accepted, and which was not asked for a while: nor is what came just now,
# but where it is to be asked at once.
_DUE: Final = """
SELECT a.id AS administration_id, a.polled_at, c.id AS connection_id
FROM unnest(%(plugins)s::text[], %(seconds)s::float8[]) AS p(plugin, seconds)
JOIN administration a ON a.plugin = p.plugin AND a.id <> ALL(%(busy)s::uuid[])
 AND (a.polled_at IS NULL OR a.polled_at < clock_timestamp() - make_interval(secs => p.seconds))
JOIN LATERAL (
    SELECT id FROM connection WHERE administration_id = a.id AND deleted_at IS NULL AND state <> 'reconnect'
    ORDER BY created_at LIMIT 1
) c ON true
WHERE EXISTS (SELECT 1 FROM link l WHERE l.administration_id = a.id AND l.accepted_token IS NOT NULL
              AND (NOT l.current OR l.state IN ('accepted', 'needs_person'))
              AND (a.polled_at = 'epoch' OR l.updated_at < clock_timestamp() - make_interval(secs => p.seconds)))
ORDER BY a.polled_at NULLS FIRST LIMIT %(most)s
"""

# What a person sent again is asked for as well: the tool may book both. But not before it has decided about the second.
_WAITING: Final = """
SELECT l.id, l.administration_id, l.kind, l.state, l.current, l.attempt, l.link_version, l.accepted_token, l.run_id,
       l.sequence, coalesce(l.revision, a.revision) AS sent_revision, i.component, -- a later attempt may have come
       extract(epoch FROM clock_timestamp() - coalesce(a.started_at, l.updated_at)) / 86400 AS days
FROM link l
LEFT JOIN attempt a ON a.link_id = l.id AND a.number = l.attempt
LEFT JOIN item i ON i.run_id = l.run_id AND i.sequence = l.sequence
WHERE l.administration_id = %s AND l.accepted_token IS NOT NULL
  AND CASE WHEN l.current THEN l.state IN ('accepted', 'needs_person')
           ELSE NOT EXISTS (SELECT 1 FROM link n WHERE n.administration_id = l.administration_id
                            AND n.identity = l.identity AND n.current AND n.state IN ('intent', 'accepted')) END
ORDER BY l.id
"""


async def poll_soon(db: Database, administration_ids: Sequence[UUID]) -> None:
    """Has these asked at once, whatever is due when: by somebody who knows that the tool has just booked."""
    await db.run("UPDATE administration SET polled_at = 'epoch' WHERE id = ANY(%s)", list(administration_ids))


async def _said(tool: AccountingPlugin, tokens: Sequence[str]) -> Mapping[str, object]:
    """What the tool says; nothing where the plugin fails or hangs, as what was accepted must not wait for ever."""
    if not tokens:
        return {}
    deadline = asyncio.timeout(tool.resolve_deadline)
    try:
        with can_wait():
            async with deadline:
                return await tool.poll(tokens)
    except Exception as bug:
        # its own calls have shorter limits: a tool that is away has told so before
        if isinstance(bug, _OUTAGE) and not deadline.expired():
            raise
        unexpected("poll", bug)
        return {}


async def _recorded(connection: Connection, row: Row, outcome: AttemptOutcome) -> bool:
    """Whether the link was where it was seen; if not, an entry is a fact all the same."""
    if row["current"] and not (await write(connection, Group(outcomes=[outcome]))).late:
        return True
    if outcome.outcome is Outcome.BOOKED:
        twice = Issue(code="D12", severity=Severity.ERROR, facts={"entry": outcome.entry_number or "?"})
        await late_outcome(connection, outcome, twice.model_dump_json().encode())
    if not row["current"]:
        await connection.execute("UPDATE link SET accepted_token = NULL WHERE id = %s", (row["id"],))
    return False


async def _tell(
    connection: Connection, row: Row, state: ItemState, issues: Sequence[Issue], entry: Booked | None = None
) -> None:
    """The end, for the item that was sent; the sweeper tells it. The label of its run is put right."""
    await connection.execute(
        """UPDATE item SET state = %(state)s, attempt = %(attempt)s, link_version = %(version)s,
                  issues = CASE WHEN %(booked)s THEN jsonb_path_query_array(issues, '$[*] ? (@.code != "D42")')
                                ELSE '[]' END || %(issues)s,
                  booking_number = %(number)s, entry_id = %(entry)s,
                  event = NULL, reported_at = NULL, outcome_at = now()
           WHERE run_id = %(run)s AND sequence = %(sequence)s AND state IN ('accepted', 'needs_person')""",
        {
            "state": state,
            "attempt": row["attempt"],
            "version": row["link_version"] + 1,
            "booked": state is ItemState.SYNCED,
            "issues": Jsonb([issue.model_dump(mode="json") for issue in issues]),
            "number": entry.number if entry and row["kind"] == ItemKind.DOCUMENT else None,
            "entry": entry.entry_id if entry else None,
            "run": row["run_id"],
            "sequence": row["sequence"],
        },
    )
    if row["run_id"] is not None:
        await relabel(connection, row["run_id"])
