"""Refused items are not hammered: an automatic run repeats one when something changed, or after some nights.

What was skipped is remembered at its link with all that the outcome rested on: revision, settings and lists, party,
releases of the plugins. As long as that is the same, automatic runs skip it again without sending anything; it is
counted and shown as before. A manual run tries everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from dagboek_schemas.statuses import ItemKind

from dagboek.database import Connection

MOST_NIGHTS: Final = 14
"""Nights between two tries at most; 1, 2, 4, 8 before."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item that was skipped, after it was looked at."""

    run_id: UUID
    sequence: int
    link_id: int
    issues: bytes
    releases: str
    """Of the plugins that looked at it."""


# What an outcome rests on. `i`: the item, `r`: its run, `g`: where the source has it, `p`: the link of its party.
_UNDER = """concat_ws(' ', i.component, i.revision, r.connection_id, {version}, {releases},
    CASE WHEN i.kind = 'document' THEN concat_ws(' ', i.party_identity, g.party_revision, p.state, p.revision) END)"""

_RESTS_ON = """
JOIN run r ON r.id = i.run_id
LEFT JOIN origin g ON g.source_id = i.source_id AND g.entity_id = r.entity_id AND g.origin_id = i.origin_id
LEFT JOIN link p ON p.administration_id = r.administration_id AND p.identity = i.party_identity AND p.current
"""

# Half a day less than the nights, as no two nightly runs begin at the same minute. A person who tries begins anew.
_REMEMBER = f"""
WITH told AS MATERIALIZED (
    SELECT o.link_id, o.issues, r.trigger, {_UNDER.format(version="r.context_version", releases="o.releases")} AS under
    FROM unnest(%b::uuid[], %b::int[], %b::bigint[], %b::text[], %b::text[])
        AS o(run_id, sequence, link_id, issues, releases)
    JOIN item i ON i.run_id = o.run_id AND i.sequence = o.sequence AND i.state <> 'skipped'
    {_RESTS_ON}
), counted AS (
    SELECT l.id, t.issues, t.under,
           CASE WHEN t.trigger = 'automatic' AND l.refused_under = t.under THEN l.refusals + 1 ELSE 1 END AS refusals
    FROM told t JOIN link l ON l.id = t.link_id ORDER BY l.id FOR UPDATE OF l
)
UPDATE link l SET refusals = c.refusals, refused_under = c.under, refused_issues = c.issues::jsonb, refused_at = now(),
       retry_at = now() + least({MOST_NIGHTS}, power(2, least(c.refusals, 10) - 1)) * interval '1 day'
                  - interval '12 hours'
FROM counted c WHERE l.id = c.id
"""

# Where anything is held back at all, each item looks up its own link (OFFSET 0): joined in any other way, each may be
# compared with each, as a new run and an index of what was refused are taken for small ones.
_SKIP_KNOWN = f"""
WITH known AS MATERIALIZED (
    SELECT i.ctid AS place, l.id, l.attempt, l.link_version, l.entry_number, l.entry_id, l.refused_issues
    FROM item i
    CROSS JOIN LATERAL (SELECT * FROM link l WHERE l.administration_id = %(administration)s AND l.identity = i.identity
                        AND l.current OFFSET 0) l
    {_RESTS_ON}
    WHERE EXISTS (SELECT 1 FROM link WHERE administration_id = %(administration)s AND retry_at > now())
      AND i.run_id = %(run)s AND i.kind = %(kind)s AND i.state = 'planned'
      AND l.retry_at > now() AND l.state IN ('free', 'booked')
      AND l.refused_under = {_UNDER.format(version="%(version)s::int", releases="%(releases)s::text")}
)
UPDATE item i SET state = 'skipped', repeated = true, issues = k.refused_issues, outcome_at = now(), link_id = k.id,
       attempt = k.attempt, link_version = k.link_version, booking_number = k.entry_number, entry_id = k.entry_id
FROM known k WHERE i.ctid = k.place
"""


async def remember(connection: Connection, refusals: Sequence[Refusal]) -> None:
    """Notes at their links that these were skipped. To be called before their items say so, in one transaction."""
    await connection.execute(
        _REMEMBER,
        (
            [one.run_id for one in refusals],
            [one.sequence for one in refusals],
            [one.link_id for one in refusals],
            [one.issues.decode() for one in refusals],
            [one.releases for one in refusals],
        ),
    )


async def skip_known(connection: Connection, given: Mapping[str, Any], kind: ItemKind) -> None:
    """Skips what an automatic run has just planned and need not try again.

    `given`: the run, its administration, the version of its context, and the releases of the plugins.
    """
    await connection.execute(_SKIP_KNOWN, {**given, "kind": kind})
