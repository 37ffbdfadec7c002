"""Administrations: one set of books in one tool, which outlives its connections (design section 2)."""

from uuid import UUID

from dagboek_sdk.accounting import Administration

from dagboek.database import Connection, Database
from dagboek.reasons import Refusal


class BelongsToAnother(Refusal):
    """The books are connected under another tenant. The text says what to do; it does not name that tenant."""

    def __init__(self, plugin: str, chosen: Administration) -> None:
        super().__init__(
            f"{chosen.name} ({chosen.id}) is connected under another tenant already. Two tenants that write into the "
            "same books would book everything twice. Use that tenant, or ask an operator to allow it: "
            f"dagboek connection share {plugin} {chosen.id}",
            "books_elsewhere",
            books=chosen.name,
        )


async def find_or_create(
    connection: Connection, tenant_id: UUID, plugin: str, host: str, chosen: Administration
) -> UUID:
    """The tenant's row of the books `chosen`, within a transaction. BelongsToAnother.

    An insert that loses to another process raises UniqueViolation.
    """
    found = await connection.execute(
        """UPDATE administration SET name = %s, domain = %s
           WHERE tenant_id = %s AND plugin = %s AND host = %s AND tool_id = %s RETURNING id""",
        (chosen.name, chosen.domain, tenant_id, plugin, host, chosen.id),
    )
    if row := await found.fetchone():
        return UUID(str(row["id"]))
    others = await connection.execute(
        """SELECT count(*) AS number, coalesce(bool_and(shared), true) AS shared FROM administration
           WHERE plugin = %s AND host = %s AND tool_id = %s AND tenant_id <> %s""",
        (plugin, host, chosen.id, tenant_id),  # the tenant's own may have come just now
    )
    other = await others.fetchone()
    assert other is not None
    if not other["shared"]:
        raise BelongsToAnother(plugin, chosen)
    made = await connection.execute(
        """INSERT INTO administration (tenant_id, plugin, host, tool_id, name, domain, shared)
           VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id""",
        (tenant_id, plugin, host, chosen.id, chosen.name, chosen.domain, other["number"] > 0),
    )
    created = await made.fetchone()
    assert created is not None
    return UUID(str(created["id"]))


async def share(db: Database, plugin: str, tool_id: str) -> int:
    """An operator allows several tenants to connect the same books; the number of rows concerned."""
    return await db.run("UPDATE administration SET shared = true WHERE plugin = %s AND tool_id = %s", plugin, tool_id)


async def booked(connection: Connection, administration_id: UUID | None) -> int:
    """How many documents the push record holds as booked."""
    found = await connection.execute(
        """SELECT count(*) AS number FROM link
           WHERE administration_id = %s AND kind = 'document' AND state IN ('booked', 'accepted')""",
        (administration_id,),
    )
    row = await found.fetchone()
    return int(row["number"]) if row else 0
