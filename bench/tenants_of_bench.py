"""Tenants with a connection each, written straight into the tables: a bench has no use for a set-up dialogue."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from dagboek.database import Connection, Database
from dagboek.vault import Vault
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, Side, VatCode, VatKey
from dagboek_sdk.source import EntityRef

_CONNECTION = """
WITH t AS (INSERT INTO tenant (name) VALUES (%(name)s) RETURNING id),
     s AS (INSERT INTO source (tenant_id, plugin, name, settings)
           SELECT id, 'generated', 'generated', %(source)s FROM t),
     l AS (INSERT INTO login (tenant_id, plugin, tool_user, settings)
           SELECT id, %(tool)s, 'bench', %(login)s FROM t RETURNING id),
     e AS (INSERT INTO entity (tenant_id, name, vat_number) SELECT id, %(name)s, %(vat)s FROM t RETURNING id),
     a AS (INSERT INTO administration (id, tenant_id, plugin, host, tool_id, name, looked_up_at)
           SELECT %(administration)s, id, %(tool)s, 'bench', %(administration)s::text, %(name)s, now() FROM t
           RETURNING id)
INSERT INTO connection (tenant_id, entity_id, administration_id, login_id, plugin, state, settings)
SELECT t.id, e.id, a.id, l.id, %(tool)s, 'connected', %(settings)s FROM t, e, a, l RETURNING id
"""


def administration_id(at: int) -> UUID:
    """The same in every run, so that the same administrations share a partition."""
    return uuid5(NAMESPACE_OID, f"bench {at}")


def entity(at: int) -> EntityRef:
    """The company of connection `at`."""
    return EntityRef(f"Entity {at}", f"BE0{at:09}")


async def set_up(
    db: Database,
    vault: Vault,
    documents: Sequence[int],
    tool: str = "instant",
    base_url: str = "http://127.0.0.1",
    login: Mapping[str, Any] | None = None,
) -> list[UUID]:
    """The ids of connections, each of a tenant of its own to books of its own; `documents` says how many it has.

    `login` are the settings of the tool, where they are more than an address.
    """
    side = Side(
        invoice_journal="S",
        vat_codes=(VatCode(key=VatKey(rate=Decimal(21)), code="21"),),
        ledger_accounts=(LedgerRule(account="700000"),),
    )
    given = {
        "tool": tool,
        "login": vault.encrypt(dict(login or {"user": "bench", "base_url": base_url})),
        "settings": ConnectionSettings(sales=side).model_dump_json(),
    }
    async with db.transaction() as connection:
        made = [
            await _id(
                connection,
                _CONNECTION,
                {
                    **given,
                    "name": entity(at).name,
                    "vat": entity(at).vat_number,
                    "administration": administration_id(at),
                    "source": json.dumps({"documents": count}),
                },
            )
            for at, count in enumerate(documents)
        ]
        await connection.execute(
            """INSERT INTO mapping_context (connection_id, version, settings, lists, lists_at)
               SELECT id, 1, settings, '{"journals": [], "vat_codes": [], "ledger_accounts": []}', now()
               FROM connection"""
        )
        await connection.execute(
            "INSERT INTO pull_cursor (connection_id, name) SELECT id, 'ledger_accounts' FROM connection"
        )
    return made


async def _id(connection: Connection, statement: str, given: Mapping[str, Any]) -> UUID:
    row = await (await connection.execute(statement, given)).fetchone()
    assert row is not None
    return UUID(str(row["id"]))
