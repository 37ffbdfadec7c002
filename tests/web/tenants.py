"""Two tenants with a row of each in every table of the schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from dagboek.database import Database
from dagboek_schemas.issues import Issue

NAMESPACE = UUID("b1b1b1b1-0000-4000-8000-000000000000")
BOOKING = (
    '{"payload": {"amount": "121"}, "lines": [{"account": "400000", "debit": "121", "credit": "0", "vat_code": null,'
    ' "text": "", "because": "customer"}], "journal": "V1", "series": null, "reference": "Dagboek", "day": null,'
    ' "gross": "121", "currency": "EUR"}'
)
FACTS = (
    '{{"statuses": {{"Warning": 1}}, "components": {{"sales_invoices": {{"synced": 4, "skipped": 1}}}}, "runs":'
    ' [{{"id": "00000000-0000-4000-8000-000000000000", "entity": "{name} Trading", "tool": "octopus",'
    ' "status": "Warning", "synced": 4, "skipped": 1}}]}}'
)


@dataclass(frozen=True)
class TenantRows:
    """The rows of one tenant, by what they are."""

    name: str
    link: int
    party_link: int
    trail: int

    def id(self, what: str) -> UUID:
        return uuid5(NAMESPACE, f"{self.name} {what}")

    @property
    def tenant(self) -> UUID:
        return self.id("tenant")

    @property
    def identity(self) -> str:
        return f"d1:{self.name}"


# `{name}` is the tenant's; an id is the name and what it is of. In the order of what refers to what.
ROWS: Mapping[str, Mapping[str, Any]] = {
    "tenant": {"id": "tenant", "name": "{name}"},
    "entity": {"id": "entity", "tenant_id": "tenant", "name": "{name} Trading", "vat_number": "BE0123456749"},
    "administration": {"id": "administration", "tenant_id": "tenant", "plugin": "octopus", "host": "h",
                       "tool_id": "{name}", "name": "Books of {name}", "next_link_no": 10},
    "login": {"id": "login", "tenant_id": "tenant", "plugin": "octopus", "tool_user": "{name}", "settings": b"x"},
    "login_token": {"login_id": "login", "name": "token", "value": b"x", "until": "2026-01-01"},
    "source": {"id": "source", "tenant_id": "tenant", "plugin": "ubl", "name": "files"},
    "connection": {"id": "connection", "tenant_id": "tenant", "entity_id": "entity",
                   "administration_id": "administration", "login_id": "login", "plugin": "octopus",
                   "state": "connected", "settings": "{{}}"},
    "mapping_context": {"connection_id": "connection", "version": 1, "settings": "{{}}",
                        "lists": '{{"journals": [{{"code": "V1", "name": "Sales", "kind": "sales"}}]}}'},
    "document": {"tenant_id": "tenant", "identity": "d1:{name}", "entity_id": "entity", "direction": "sales",
                 "kind": "invoice", "number": "2026/1", "issue_date": "2026-02-03", "currency": "EUR", "gross": 121,
                 "party_identity": "p1:{name}", "party_name": "Klant van {name}", "source_id": "source",
                 "origin_id": "{name}.xml", "revision": "rev1:a"},
    "origin": {"source_id": "source", "entity_id": "entity", "origin_id": "{name}-copy.xml", "fingerprint": "f",
               "identity": "d1:{name}", "duplicate_of": "{name}.xml"},
    "run": {"id": "run", "tenant_id": "tenant", "entity_id": "entity", "connection_id": "connection",
            "administration_id": "administration", "trigger": "manual", "state": "ended", "selected": True,
            "status": "Warning", "requested_by": "anna", "started_at": "2026-02-03", "finished_at": "2026-02-03"},
    "item": {"run_id": "run", "component": "sales_invoices", "identity": "d1:{name}", "kind": "document",
             "sequence": 0, "title": "2026/1", "state": "skipped"},
    "snapshot": {"run_id": "run", "sequence": 0, "body": b"x"},
    "run_event": {"event_id": "event", "run_id": "run", "administration_id": "administration", "type": "t",
                  "value": b"x"},
    "series": {"administration_id": "administration", "key": "k", "next_number": 1},
    "lane": {"administration_id": "administration"},
    "limit_share": {"key": "k", "operation_group": "g", "period": "day", "administration_id": "administration",
                    "window_start": "2026-01-01", "used": 1},
    "number_once": {"administration_id": "administration", "number": "1", "identity": "d1:{name}", "run_id": "run"},
    "tool_entry": {"administration_id": "administration", "entry_id": "1"},
    "pull_cursor": {"connection_id": "connection", "name": "ledger_accounts"},
    "exchange": {"administration_id": "administration", "run_id": "run", "method": "POST", "url": "/bookings",
                 "status": 500, "answer": "of {name}"},
    "audit": {"id": "audit", "tenant_id": "tenant", "connection_id": "connection",
              "administration_id": "administration", "first_day": "2026-02-01", "last_day": "2026-02-28",
              "state": "done", "requested_by": "anna", "expected_calls": 2, "calls": 2, "entries": 1,
              "finished_at": "2026-03-01", "counts": '{{"others": 1, "missing": 1}}'},
    "audit_entry": {"audit_id": "audit", "entry_id": "1", "texts": []},
    "audit_finding": {"audit_id": "audit", "place": 0, "kind": "missing", "differences": [],
                      "identity": "d1:{name}", "component": "sales_invoices", "document_number": "2026/1",
                      "document_party": "Klant van {name}", "document_state": "booked",
                      "document_day": "2026-02-03", "document_gross": 121, "document_currency": "EUR",
                      "booked_number": "41"},
    "person": {"id": "person", "email": "anna@{name}.example"},
    "membership": {"tenant_id": "tenant", "person_id": "person", "role": "admin"},
    "person_login": {"issuer": "https://login.example", "subject": "{name}", "person_id": "person"},
    "email": {"id": "email", "tenant_id": "tenant", "person_id": "person", "kind": "runs"},
    "notice": {"id": "notice", "tenant_id": "tenant", "person_id": "person", "kind": "runs", "about": "run",
               "email_id": "email", "facts": FACTS},
    "night_watch": {"tenant_id": "tenant", "connection_id": "connection", "person_id": "person", "nights": 3},
    "web_session": {"id": "session", "token_hash": "{name}", "person_id": "person", "tenant_id": "tenant",
                    "expires_at": "2099-01-01"},
    "one_time_link": {"token_hash": "{name}", "person_id": "person", "expires_at": "2099-01-01"},
    "api_key": {"id": "api_key", "tenant_id": "tenant", "name": "of {name}", "start": "dgb_", "key_hash": "{name}",
                "scopes": ["read"], "created_by": "anna"},
    "sent_document": {"id": "sent", "tenant_id": "tenant", "entity_id": "entity", "origin_id": "{name}-1",
                      "version": 1, "direction": "sales", "kind": "invoice", "number": "2026/9",
                      "issue_date": "2026-02-03", "party_name": "Klant van {name}", "gross": 121, "currency": "EUR"},
    "sent_version": {"tenant_id": "tenant", "document_id": "sent", "version": 1, "format": "ubl", "body": b"<x/>",
                     "digest": "d", "direction": "sales", "sent_by": "key of {name}"},
    "sent_file": {"tenant_id": "tenant", "document_id": "sent", "version": 1, "position": 1, "name": "{name}.pdf",
                  "media_type": "application/pdf", "size": 1, "body": b"x"},
    "trail": {"tenant_id": "tenant", "who": "anna", "action": "run.start"},
    "webhook": {"id": "webhook", "tenant_id": "tenant", "address": "https://{name}.example/hook",
                "types": ["dagboek.run.finished.v1"], "secret": b"x", "state": "paused", "created_by": "anna"},
    "webhook_event": {"tenant_id": "tenant", "value": b"x"},
    "webhook_delivery": {"id": "delivery", "tenant_id": "tenant", "webhook_id": "webhook", "event_id": "event",
                         "type": "dagboek.run.finished.v1", "body": b"{}", "state": "failed",
                         "give_up_at": "2026-01-01"},
    "webhook_attempt": {"delivery_id": "delivery", "at": "2026-01-01", "status": 500, "trouble": "status",
                        "milliseconds": 7, "answer": "of {name}"},
    "idempotency_key": {"tenant_id": "tenant", "who": "anna", "key": "k", "request_hash": "h"},
}  # fmt: skip
OF_LINKS: Mapping[str, Mapping[str, Any]] = {
    "attempt": {"number": 1, "op": "create", "run_id": "run", "sequence": 0, "generation": 1, "epoch": 1,
                "booking": BOOKING},
    "payment_status": {"state": "open"},
    "attaching": {"source_id": "source", "entity_id": "entity", "files": "[]"},
}  # fmt: skip
_IDS = {one for row in ROWS.values() for name, one in row.items() if name.endswith("_id") or name == "id"}


async def filled(db: Database, name: str) -> TenantRows:
    """A tenant with rows in every table."""
    for table, row in ROWS.items():
        await _insert(db, table, name, row)
    issue = Issue(code="B04", facts={"number": "2026/1"}).model_dump_json()
    await db.run("UPDATE item SET issues = jsonb_build_array(%s::jsonb) WHERE run_id = %s", issue, _id(name, "run"))
    link = await _link(db, name, "document", f"d1:{name}", 1)
    party = await _link(db, name, "party", f"p1:{name}", 2)
    for table, row in OF_LINKS.items():
        await _insert(db, table, name, {**row, "link_id": link})
    trail = await db.one("SELECT id FROM trail WHERE tenant_id = %s", _id(name, "tenant"))
    assert trail is not None
    return TenantRows(name, link, party, trail["id"])


async def _link(db: Database, name: str, kind: str, identity: str, number: int) -> int:
    made = await db.one(
        """INSERT INTO link (tenant_id, administration_id, identity, kind, link_no, state, attempt)
           VALUES (%s, %s, %s, %s, %s, 'needs_person', 1) RETURNING id""",
        _id(name, "tenant"),
        _id(name, "administration"),
        identity,
        kind,
        number,
    )
    assert made is not None
    return int(made["id"])


async def _insert(db: Database, table: str, name: str, row: Mapping[str, Any]) -> None:
    values = {column: _value(name, column, given) for column, given in row.items()}
    marks = ", ".join(["%s"] * len(values))
    await db.run(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", *values.values())


def _value(name: str, column: str, given: Any) -> Any:
    if isinstance(given, str) and given in _IDS and column.endswith("id") and column not in ("origin_id", "tool_id"):
        return _id(name, given)
    if column == "about":
        return _id(name, given)
    if given == BOOKING or not isinstance(given, str):
        return given
    return given.format(name=name)


def _id(name: str, what: str) -> UUID:
    return uuid5(NAMESPACE, f"{name} {what}")
