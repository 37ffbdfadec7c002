"""Tenants, connections, runs and documents as a person names them on the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dagboek.cli.failures import CommandFailed, listed
from dagboek.cli.tables import amount
from dagboek.database import Database


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant, to scope queries by."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Target:
    """A connection with the words that it can be named by."""

    id: UUID
    tenant_id: UUID
    tenant: str
    entity_id: UUID
    entity: str
    tool: str
    administration: str | None
    state: str

    @property
    def label(self) -> str:
        """`North Trading in octopus`."""
        return f"{self.entity} in {self.tool}" + (f" ({self.administration})" if self.administration else "")


async def tenants(db: Database, name: str | None = None) -> list[Tenant]:
    """All tenants, or the one named. CommandFailed for an unknown one."""
    found = [Tenant(row["id"], row["name"]) for row in await db.all("SELECT id, name FROM tenant ORDER BY name")]
    if name is None:
        return found
    chosen = [one for one in found if one.name.casefold() == name.casefold() or str(one.id) == name]
    if not chosen:
        raise CommandFailed(f"There is no tenant {name}. Known: {listed([one.name for one in found])}.")
    return chosen


_TARGETS = """
SELECT connection.id, connection.tenant_id, tenant.name AS tenant, connection.entity_id, entity.name AS entity,
       connection.plugin AS tool, administration.name AS administration, connection.state, entity.vat_number
  FROM connection
  JOIN tenant ON tenant.id = connection.tenant_id
  JOIN entity ON entity.id = connection.entity_id
  LEFT JOIN administration ON administration.id = connection.administration_id
 WHERE connection.deleted_at IS NULL AND (%s::uuid IS NULL OR connection.tenant_id = %s)
 ORDER BY tenant.name, entity.name, connection.created_at
"""


async def targets(db: Database, tenant_id: UUID | None = None) -> list[Target]:
    """All connections, of one tenant or of all."""
    return [_target(row) for row in await db.all(_TARGETS, tenant_id, tenant_id)]


def _target(row: dict[str, object]) -> Target:
    return Target(**{name: row[name] for name in Target.__slots__})  # type: ignore[arg-type]


async def target(db: Database, named: str, tenant: str | None = None) -> Target:
    """The connection that `named` means: its id or the start of it, its entity, VAT number, or administration.

    CommandFailed when none or several fit; it lists what there is.
    """
    tenant_id = (await tenants(db, tenant))[0].id if tenant else None
    rows = await db.all(_TARGETS, tenant_id, tenant_id)
    wanted = named.casefold()
    fitting = [row for row in rows if wanted in _names(row)] or [
        row for row in rows if len(named) >= 4 and str(row["id"]).startswith(wanted)
    ]
    if len(fitting) == 1:
        return _target(fitting[0])
    if not rows:
        raise CommandFailed("There is no connection yet. Make one with `dagboek connect`.")
    what = "Several connections are" if fitting else "No connection is"
    raise CommandFailed(f"{what} called {named}. There are:\n{_choices(fitting or rows)}")


def _names(row: dict[str, object]) -> set[str]:
    words = {row["id"], row["entity"], row["vat_number"], row["administration"]}
    words |= {f"{row['tenant']}/{row['entity']}", f"{row['entity']}/{row['tool']}"}
    return {str(word).casefold() for word in words if word}


def _choices(rows: Sequence[dict[str, object]]) -> str:
    return "\n".join(f"  {str(row['id'])[:8]}  {row['tenant']}/{row['entity']} in {row['tool']}" for row in rows[:20])


async def tenant_of_run(db: Database, run: str, tenant: str | None = None) -> UUID:
    """The tenant of the run whose id begins with `run`. CommandFailed when there is none or several."""
    tenant_id = (await tenants(db, tenant))[0].id if tenant else None
    rows = await db.all(
        "SELECT id, tenant_id FROM run WHERE id::text LIKE %s AND (%s::uuid IS NULL OR tenant_id = %s) LIMIT 2",
        f"{run.lower().replace('%', '').replace('_', '')}%",
        tenant_id,
        tenant_id,
    )
    if len(rows) != 1:
        what = "No run has" if not rows else "Several runs have"
        raise CommandFailed(f"{what} an id that begins with {run}. `dagboek history` lists them.")
    return UUID(str(rows[0]["tenant_id"]))


@dataclass(frozen=True, slots=True)
class Decidable:
    """A document, customer or supplier in one set of books, as a person decides about it."""

    link_id: int
    tenant_id: UUID
    link_version: int
    """Rises with whatever happens to it."""
    label: str
    """What it is and where it stands: `sales invoice 2026/7, De Klaver, 2026-03-02, 121.00 EUR: booked as 43`."""


_LINKS = """
SELECT link.id, link.tenant_id, link.link_version, link.kind AS what, link.state, link.entry_number, link.entry_id,
       administration.name AS books, document.direction, document.kind, document.number, document.issue_date,
       document.gross, document.currency, coalesce(document.party_name, (
           SELECT party_name FROM document WHERE tenant_id = link.tenant_id AND party_identity = link.identity LIMIT 1
       )) AS party
  FROM link
  JOIN administration ON administration.id = link.administration_id
  LEFT JOIN document ON document.tenant_id = link.tenant_id AND document.identity = link.identity
 WHERE link.tenant_id = ANY(%(tenants)s) AND link.current
   AND (document.number = %(number)s OR link.id = %(link)s)
 ORDER BY link.id LIMIT 20
"""


async def decidable(db: Database, number: str | None, link_id: int | None, tenant: str | None = None) -> Decidable:
    """The one that is meant: by the number of the document, or by the number of its link.

    CommandFailed when none or several fit. The number of a document may be the link number of another one, so a link
    is named as such, by programs and where a number is not enough.
    """
    owners = [one.id for one in await tenants(db, tenant)]
    perhaps = int(number) if number is not None and number.isdecimal() and len(number) < 19 else None
    given = {"tenants": owners, "number": number, "link": perhaps if link_id is None else link_id}
    rows = await db.all(_LINKS, given)
    if len(rows) == 1 and (link_id is not None or rows[0]["number"] == number):
        return _decidable(rows[0])
    what = f"link {link_id}" if link_id is not None else f"document {number}"
    if not rows:
        raise CommandFailed(f"There is no {what} here. `dagboek resolve list` shows what needs a person.")
    choices = "\n".join(f"  --link {row['id']}  {_decidable(row).label} ({row['books']})" for row in rows)
    raise CommandFailed(f"There is no certain {what}. Name it by its link, if it is one of these:\n{choices}")


def _decidable(row: dict[str, Any]) -> Decidable:
    parts = [
        "customer or supplier" if row["what"] == "party" else f"{row['direction']} {row['kind']} {row['number']}",
        row["party"],
        row["issue_date"],
        amount(row["gross"], row["currency"]),
    ]
    words = ", ".join(str(part).replace("_", " ") for part in parts if part)
    return Decidable(row["id"], row["tenant_id"], row["link_version"], f"{words}: {_stands(row)}")


def _stands(row: dict[str, Any]) -> str:
    match row["state"]:
        case "free":
            return "not booked"
        case "intent":
            return "sent, and not settled yet"
        case "booked":
            return f"booked as {row['entry_number'] or row['entry_id'] or '?'}"
        case "accepted":
            return "taken by the tool, which books it later"
    return "needs a person"
