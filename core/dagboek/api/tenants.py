"""Tenants: those that the caller can look at."""

from uuid import UUID

from dagboek.api.me import TenantOfMine
from dagboek.web.caller import Anyone, Caller
from dagboek.web.paging import Page, Paging, identifier, words
from dagboek.web.problems import not_found
from dagboek.web.rights import Role
from dagboek.web.routes import api_router

router = api_router("tenants")

# An operator sees all, anybody else their own, a key the one that it is of.
_MINE = """
SELECT t.id, t.name, m.role FROM tenant t
LEFT JOIN membership m ON m.tenant_id = t.id AND m.person_id = %(person)s::uuid
WHERE (%(operator)s OR m.role IS NOT NULL OR t.id = %(of_key)s::uuid)
  AND (%(tenant)s::uuid IS NULL OR t.id = %(tenant)s)
  AND (%(name)s::text IS NULL OR (t.name, t.id) > (%(name)s, %(id)s::uuid))
ORDER BY t.name, t.id LIMIT %(limit)s
"""


async def _mine(
    caller: Caller, *, tenant: UUID | None = None, after: tuple[str, UUID] | None = None, limit: int
) -> list[TenantOfMine]:
    rows = await caller.web.core.all(
        _MINE,
        {
            "person": caller.person.id if caller.person else None,
            "operator": bool(caller.person and caller.person.operator),
            "of_key": caller.tenant_id if caller.key_id else None,
            "tenant": tenant,
            "name": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [
        TenantOfMine(id=row["id"], name=row["name"], role=Role(row["role"]) if row["role"] else None) for row in rows
    ]


@router.get("/tenants")
async def tenants(caller: Anyone, paged: Paging) -> Page[TenantOfMine]:
    """Tenants of the caller, by name; all of them for an operator."""
    after = paged.after(words, identifier)
    rows = await _mine(caller, after=(after[0], after[1]) if after else None, limit=paged.limit + 1)
    return paged.page(rows, lambda one: one, lambda one: (one.name, one.id))


@router.get("/tenants/{tenant_id}")
async def tenant(caller: Anyone, tenant_id: UUID) -> TenantOfMine:
    """One of them."""
    found = await _mine(caller, tenant=tenant_id, limit=1)
    if not found:
        raise not_found("tenant")
    return found[0]
