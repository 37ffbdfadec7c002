"""What keeps tenants apart for the role of console and API: row-level security, for migrations that make tables.

The role `dagboek_web` sees the rows of one tenant, which each of its transactions names in the setting
`dagboek.tenant`; without it, none. The owner of the tables, as which core and workers connect, is not restricted.
"""

from typing import Final

ROLE: Final = "dagboek_web"

SETTING: Final = "dagboek.tenant"

# Roles belong to the server, not to the database: another database of it may have made it, or is making it just now.
MAKE_ROLE: Final = f"""
DO $$
DECLARE
    may text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
            CREATE ROLE {ROLE} NOLOGIN;
        END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END;
    IF NOT pg_has_role(current_user, '{ROLE}', may) THEN
        EXECUTE format('GRANT {ROLE} TO %I', current_user);
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE insufficient_privilege USING MESSAGE = format(
        'Console and API need the role {ROLE}, and the user %1$s may not make it. Have an administrator of the '
        'server run: CREATE ROLE {ROLE} NOLOGIN; GRANT {ROLE} TO %1$s; and then migrate again.',
        quote_ident(current_user));
END $$
"""

TENANT: Final = f"nullif(current_setting('{SETTING}', true), '')::uuid"
"""The tenant of a transaction, as SQL. Known when a statement is planned, so that indexes and statistics serve it."""


def isolated(table: str, *, column: str = "tenant_id") -> list[str]:
    """Statements that hide rows of other tenants, by a column that names the tenant."""
    return _policy(table, f"{column} = {TENANT}")


def isolated_by_parent(table: str, column: str, parent: str) -> list[str]:
    """The same by a column that names a row of `parent`, whose own policy counts."""
    return _policy(table, f"EXISTS (SELECT 1 FROM {parent} parent WHERE parent.id = {table}.{column})")


def _policy(table: str, condition: str) -> list[str]:
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY one_tenant ON {table} TO {ROLE} USING ({condition}) WITH CHECK ({condition})",
    ]


def granted(rights: str, *tables: str) -> str:
    """The statement that allows the role `rights`, such as `SELECT, INSERT`, on tables."""
    return f"GRANT {rights} ON {', '.join(tables)} TO {ROLE}"
