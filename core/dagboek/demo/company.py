"""Sets up one company of the demo: tenant, entity, source, connection to books of its own in the sandbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from dagboek_schemas.documents import Document
from dagboek_sdk.accounting import MappingContext
from dagboek_sdk.settings import ConnectionSettings, LedgerRule
from dagboek_sdk.source import EntityRef

from dagboek import connections, contexts, proposals, sources, tenants
from dagboek.consent import of_sandbox
from dagboek.demo.stage import TOOL, Stage
from dagboek.logins import own_names
from dagboek.web.rights import Role
from dagboek.web.signin import people

SOURCE = "ubl"
COUNTRY = "BE"
EMAIL = "demo@example.com"
"""Starts the demo's runs, and looks at them in the console: admin of each tenant, and operator of the whole."""


class DemoTrouble(Exception):
    """The demo cannot go on, or its books are not what they must be; the text says what."""


@dataclass(frozen=True, slots=True)
class Company:
    """A company that is connected."""

    tenant_id: UUID
    tenant: str
    entity: EntityRef
    entity_id: UUID
    connection_id: UUID
    administration_id: UUID
    tool: str
    dossier: str
    """The tool's own id of the books."""
    folder: Path


def samples_folder(stage: Stage) -> Path:
    """Where the source keeps its sample documents."""
    source = stage.plugins.source(SOURCE)
    module = __import__(source.__module__, fromlist=["__file__"])
    folder = Path(str(module.__file__)).parent / "samples"
    if not folder.is_dir():
        raise DemoTrouble(f"The source {SOURCE} brings no samples; use `dagboek demo --invoices FOLDER`.")
    return folder


async def documents_of(stage: Stage, folder: Path, entity: EntityRef) -> list[Document]:
    """The documents in `folder` that can be read, as the company sees them."""
    found: list[Document] = []
    source_class = stage.plugins.source(SOURCE)
    source = source_class(source_class.about.settings(folder=folder), entity)
    try:
        async for page in source.list(None):
            fetched = await source.fetch([one.origin_id for one in page])
            found += [one.document for one in fetched if one.document is not None]
    finally:
        await source.close()
    return found


async def connect(
    stage: Stage,
    tenant: str,
    entity: EntityRef,
    folder: Path,
    dossier: str,
    *,
    tool: str = TOOL,
    lift_limits: bool = False,
) -> Company:
    """Makes tenant, entity, source and connection, chooses the books `dossier` and reads their lists."""
    db, plugins, vault = stage.db, stage.plugins, stage.vault
    owner = await tenants.ensure_tenant(db, tenant)
    person = await people.ensure_person(db, EMAIL, "Demo", operator=True)
    await people.set_role(db, owner.id, person.id, Role.ADMIN)
    made = await tenants.ensure_entity(
        db,
        owner.id,
        entity.name,
        vat_number=entity.vat_number,
        company_number=entity.company_number,
        country=entity.country,
    )
    # Purchases wait where a file beside them says that they are not approved yet.
    where = {"folder": str(folder), "approval": "from_folder"}
    await sources.ensure_source(db, plugins, owner.id, SOURCE, "UBL files", where)
    begun = await connections.connect(
        db,
        plugins,
        vault,
        tenant_id=owner.id,
        entity_id=made.id,
        plugin=tool,
        given=_login(stage, tool, lift_limits=lift_limits),
        consent=of_sandbox,
    )
    books = next((one for one in begun.administrations if one.id == dossier), None)
    if books is None:
        raise DemoTrouble(f"The sandbox has no books {dossier}.")
    row = await connections.choose_administration(db, plugins, vault, begun.connection_id, books)
    assert row.administration_id is not None
    await read_lists(stage, row.id)
    return Company(
        tenant_id=owner.id,
        tenant=tenant,
        entity=entity,
        entity_id=made.id,
        connection_id=row.id,
        administration_id=row.administration_id,
        tool=tool,
        dossier=dossier,
        folder=folder,
    )


def _login(stage: Stage, tool: str, *, lift_limits: bool) -> dict[str, Any]:
    sandbox = stage.sandboxes[tool]
    given = own_names(stage.plugins.tool(tool).about.settings, sandbox.credentials)
    return {**given, "base_url": sandbox.base_url, "lift_limits": lift_limits}


async def read_lists(stage: Stage, connection_id: UUID) -> MappingContext:
    """Reads the look-up lists of the books; what a mapping now looks at."""
    tool = await connections.open_tool(stage.db, stage.plugins, stage.vault, connection_id)
    try:
        version = await contexts.refresh(stage.db, connection_id, tool)
    finally:
        await tool.close()
    return await contexts.load(stage.db, connection_id, version)


async def proposed(
    stage: Stage, company: Company, exchange_rates: Mapping[str, Decimal] | None = None
) -> ConnectionSettings:
    """Settings as proposed from the lists of the books, and a default account for purchases, which none proposes.

    The sandbox keeps Belgian books, wherever the company is.
    """
    _, context = await contexts.current(stage.db, company.connection_id)
    settings = proposals.propose(
        context.lists,
        COUNTRY,
        exchange_rates=dict(exchange_rates or {}),
        check_vat_numbers=False,
    ).settings
    purchases = settings.purchases
    account = _first_account(context, ("60", "61"))
    if account and not any(rule.rate is None and rule.category is None for rule in purchases.ledger_accounts):
        rules = (*purchases.ledger_accounts, LedgerRule(account=account))
        purchases = purchases.model_copy(update={"ledger_accounts": rules})
    if purchases.charge_account is None:
        purchases = purchases.model_copy(update={"charge_account": account})
    return settings.model_copy(update={"purchases": purchases})


def _first_account(context: MappingContext, prefixes: Sequence[str]) -> str | None:
    codes = [row.code for row in context.lists.get("ledger_accounts", ()) if row.active and len(row.code) > 3]
    return next((code for prefix in prefixes for code in sorted(codes) if code.startswith(prefix)), None)


async def save(stage: Stage, company: Company, settings: ConnectionSettings) -> None:
    """Stores the settings of a connection. DemoTrouble when the tool's lists do not allow them."""
    problems = await connections.save_settings(stage.db, stage.plugins, company.connection_id, settings)
    if problems:
        words = "; ".join(str(problem) for problem in problems[:5])
        raise DemoTrouble(f"The proposed settings of {company.entity.name} do not fit: {words}")
