"""What the bell alone tells, without mail: that an audit has ended, and that a webhook was switched off."""

from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from dagboek.database import Connection
from dagboek.notices.apart import apart
from dagboek.notices.bell import may_know
from dagboek.web.rights import Right, Role, rights_of

MANAGERS: Final = [role for role in Role if Right.MANAGE in rights_of(role)]
"""Roles of those who may manage webhooks."""


async def audit_ended(connection: Connection, audit_id: UUID) -> None:
    """Tells who asked for an audit that it has ended, which the caller's transaction has just recorded."""
    async with apart(connection):
        await connection.execute(_AUDIT, {"audit": audit_id})


async def webhook_switched_off(connection: Connection, webhook_id: UUID) -> None:
    """Tells who may manage webhooks that we have switched one off, which the caller's transaction does."""
    async with apart(connection):
        found = await connection.execute("SELECT address, description FROM webhook WHERE id = %s", (webhook_id,))
        row = await found.fetchone()
        assert row is not None
        name = row["description"] or urlsplit(row["address"]).hostname or ""
        await connection.execute(_WEBHOOK, {"webhook": webhook_id, "name": name, "roles": MANAGERS})


_AUDIT: Final = f"""
INSERT INTO notice (tenant_id, person_id, kind, about, facts)
SELECT a.tenant_id, p.id, 'audit', a.id,
       jsonb_build_object('audit', a.id, 'entity', e.name, 'tool', m.plugin, 'first', a.first_day,
                          'last', a.last_day, 'state', a.state, 'problems', (
                              SELECT coalesce(sum(number::int), 0) FROM jsonb_each_text(a.counts) AS n(kind, number)
                              WHERE kind <> 'found'))
FROM audit a JOIN person p ON p.id = a.person_id JOIN administration m ON m.id = a.administration_id
JOIN connection c ON c.id = a.connection_id JOIN entity e ON e.id = c.entity_id
WHERE a.id = %(audit)s AND {may_know("a.tenant_id")}
ON CONFLICT (person_id, about) DO NOTHING
"""

# It may be switched off again another time, and is told again then.
_WEBHOOK: Final = f"""
INSERT INTO notice (tenant_id, person_id, kind, about, facts)
SELECT w.tenant_id, p.id, 'webhook', gen_random_uuid(),
       jsonb_build_object('webhook', w.id, 'name', %(name)s::text, 'reason', w.off_reason)
FROM webhook w JOIN membership m ON m.tenant_id = w.tenant_id AND m.role = ANY(%(roles)s)
JOIN person p ON p.id = m.person_id
WHERE w.id = %(webhook)s AND {may_know("w.tenant_id")}
"""
