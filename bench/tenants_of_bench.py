"""One tenant with many connections, written straight into the tables: a bench has no use for a set-up dialogue."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from dagboek.database import Connection, Database
from dagboek.vault import Vault
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, Side, VatCode, VatKey

_CONNECTION = """
WITH e AS (INSERT INTO entity (tenant_id, name, vat_number) VALUES (%(tenant)s, %(name)s, %(vat)s) RETURNING id),
     a AS (INSERT INTO administration (tenant_id, plugin, host, tool_id, name, looked_up_at)
           VALUES (%(tenant)s, 'instant', 'bench', %(name)s, %(name)s, now()) RETURNING id)
INSERT INTO connection (tenant_id, entity_id, administration_id, login_id, plugin, state, settings)
SELECT %(tenant)s, e.id, a.id, %(login)s, 'instant', 'connected', %(settings)s FROM e, a RETURNING id
"""


async def set_up(db: Database, vault: Vault, count: int, documents: int) -> list[UUID]:
    """The ids of `count` connections, each to books of its own, with `documents` documents each."""
    side = Side(
        invoice_journal="S",
        vat_codes=(VatCode(key=VatKey(rate=Decimal(21)), code="21"),),
        ledger_accounts=(LedgerRule(account="700000"),),
    )
    settings = ConnectionSettings(sales=side).model_dump_json()
    async with db.transaction() as connection:
        tenant = await _id(connection, "INSERT INTO tenant (name) VALUES ('bench') RETURNING id")
        await connection.execute(
            "INSERT INTO source (tenant_id, plugin, name, settings) VALUES (%s, 'generated', 'g', %s)",
            (tenant, json.dumps({"documents": documents})),
        )
        login = await _id(
            connection,
            "INSERT INTO login (tenant_id, plugin, tool_user, settings) VALUES (%s, 'instant', 'b', %s) RETURNING id",
            (tenant, vault.encrypt({"user": "bench", "base_url": "http://127.0.0.1"})),
        )
        given = {"tenant": tenant, "login": login, "settings": settings}
        made = [
            await _id(connection, _CONNECTION, {**given, "name": f"Entity {at}", "vat": f"BE0{at:09}"})
            for at in range(count)
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


async def _id(connection: Connection, statement: str, given: Sequence[Any] | Mapping[str, Any] = ()) -> UUID:
    row = await (await connection.execute(statement, given)).fetchone()
    assert row is not None
    return UUID(str(row["id"]))
