"""API keys: of one tenant, with scopes, told once and kept as a hash."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow

from dagboek.database import Database
from dagboek.web.rights import Right
from dagboek.web.signin.tokens import hash_of, new_token

PREFIX: Final = "dgb_"
"""So that a key is known for one wherever it turns up."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret."""

    id: UUID
    tenant_id: UUID
    name: str
    start: str
    scopes: tuple[Right, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


_COLUMNS: Final = "id, tenant_id, name, start, scopes, created_by, created_at, expires_at, used_at, revoked_at"


async def make_key(
    db: Database, tenant_id: UUID, name: str, scopes: Sequence[Right], by: str, expires_at: datetime | None = None
) -> tuple[str, ApiKey]:
    """A new key: the secret, which is not kept, and what is."""
    secret = new_token(PREFIX)
    row = await db.one(
        f"""INSERT INTO api_key (tenant_id, name, start, key_hash, scopes, created_by, expires_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING {_COLUMNS}""",
        tenant_id,
        name.strip(),
        secret[:10],
        hash_of(secret),
        sorted(set(scopes)),
        by,
        expires_at,
    )
    assert row is not None
    return secret, _key(row)


async def key_of(db: Database, secret: str) -> ApiKey | None:
    """The key with this secret; None for one that was revoked, has expired or never was."""
    row = await db.one(
        f"""SELECT {_COLUMNS}, used_at IS NULL OR used_at < now() - interval '1 minute' AS stale FROM api_key
            WHERE key_hash = %s AND revoked_at IS NULL AND coalesce(expires_at > now(), true)""",
        hash_of(secret),
    )
    if row is None:
        return None
    if row.pop("stale"):
        await db.run("UPDATE api_key SET used_at = now() WHERE id = %s", row["id"])
    return _key(row)


async def keys(db: Database, *, after: tuple[datetime, UUID] | None = None, limit: int = 1000) -> list[ApiKey]:
    """Keys of the tenant that `db` shows, or of all, oldest first; revoked ones too."""
    rows = await db.all(
        f"""SELECT {_COLUMNS} FROM api_key
            WHERE %(at)s::timestamptz IS NULL OR (created_at, id) > (%(at)s, %(id)s::uuid)
            ORDER BY created_at, id LIMIT %(limit)s""",
        {"at": after[0] if after else None, "id": after[1] if after else None, "limit": limit},
    )
    return [_key(row) for row in rows]


async def find_key(db: Database, key_id: UUID) -> ApiKey | None:
    """A key by its id."""
    row = await db.one(f"SELECT {_COLUMNS} FROM api_key WHERE id = %s", key_id)
    return _key(row) if row else None


async def revoke(db: Database, key_id: UUID) -> bool:
    """The key opens nothing any more; False where there is none that did."""
    return bool(await db.run("UPDATE api_key SET revoked_at = now() WHERE id = %s AND revoked_at IS NULL", key_id))


def _key(row: DictRow) -> ApiKey:
    return ApiKey(**{**row, "scopes": tuple(Right(scope) for scope in row["scopes"])})
