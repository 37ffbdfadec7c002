"""Sample events: the examples of the AsyncAPI document, and something to try a consumer with.

Everything in them is made up; the same type always gives the same record.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from dagboek_schemas import cloudevents, events
from dagboek_schemas.documents import PaymentState
from dagboek_schemas.issues import PublicIssue, Severity
from dagboek_schemas.statuses import Component, ComponentStatus, ItemKind, ItemState, RunStatus, Trigger

_RUN = UUID("0198f0aa-0000-7000-8000-000000000001")
_TENANT = UUID("0198f0aa-0000-7000-8000-000000000002")
_ENTITY = UUID("0198f0aa-0000-7000-8000-000000000003")
_CONNECTION = UUID("0198f0aa-0000-7000-8000-000000000004")
_ADMINISTRATION = UUID("0198f0aa-0000-7000-8000-000000000005")
_STARTED = datetime(2026, 2, 3, 8, 30, tzinfo=UTC)
_FINISHED = datetime(2026, 2, 3, 8, 31, 5, tzinfo=UTC)

_DOCUMENT = "d1:5f0a3c1b9e7d24680acebdf13579bdf02468ace0"
_PARTY = "p1:0c9d8e7f6a5b4c3d2e1f00112233445566778899"
_REVISION = "rev1:1b2c3d4e5f60718293a4b5c6d7e8f90011223344"

_COMPONENTS = {
    ItemKind.DOCUMENT: Component.SALES_INVOICES,
    ItemKind.PARTY: Component.CUSTOMERS,
    ItemKind.PULL: Component.LEDGER_ACCOUNTS,
}
_IDENTITIES = {ItemKind.DOCUMENT: _DOCUMENT, ItemKind.PARTY: _PARTY, ItemKind.PULL: "ledger_accounts"}

_WHERE: dict[str, Any] = {
    "run_id": _RUN,
    "tenant_id": _TENANT,
    "connection_id": _CONNECTION,
    "administration_id": _ADMINISTRATION,
}
_COUNTS = events.Counts(total=10, synced=9, skipped=1)


def sample(type_: str) -> cloudevents.Record:
    """A made-up record of an event of `type_`. KeyError for a type that there is not."""
    data = sample_data(type_)
    subject = data.identity if isinstance(data, events.ItemOutcome | events.ItemReady) else ""
    event_id = data.event_id if isinstance(data, events.ItemOutcome) else events.stable_id(_RUN, type_)
    return cloudevents.encode(
        data, type_=type_, event_id=event_id, key=_ADMINISTRATION, subject=subject, time=_FINISHED
    )


def sample_data(type_: str) -> events.EventData:
    """The data of `sample(type_)`."""
    if type_ in events.OUTCOME_TYPES:
        return _outcome(*events.OUTCOME_TYPES[type_])
    return _OTHERS[type_]


def _outcome(kind: ItemKind, state: ItemState) -> events.ItemOutcome:
    booked = state in (ItemState.SYNCED, ItemState.UNCHANGED) and kind is not ItemKind.PULL
    document = kind is ItemKind.DOCUMENT
    return events.ItemOutcome(
        **_WHERE,
        entity_id=_ENTITY,
        component=_COMPONENTS[kind],
        kind=kind,
        sequence=6,
        state=state,
        identity=_IDENTITIES[kind],
        revision=None if kind is ItemKind.PULL else _REVISION,
        document_number="2026-0007" if document else None,
        booking_number="41" if document and booked else None,
        entry_id="2026/V1/41" if document and booked else "1007" if booked else None,
        attempt=0 if kind is ItemKind.PULL else 1,
        link_version=0 if kind is ItemKind.PULL else 2,
        issues=_ISSUES.get(state, ()),
        occurred_at=_FINISHED,
    )


_ISSUES = {
    ItemState.SKIPPED: (PublicIssue(code="B04", severity=Severity.WARNING, field="lines[0].account"),),
}

_OTHERS: dict[str, events.EventData] = {
    events.StartSync.TYPE: events.StartSync(**_WHERE, trigger=Trigger.MANUAL),
    events.ContinueSync.TYPE: events.ContinueSync(
        run_id=_RUN, administration_id=_ADMINISTRATION, generation=1, window=2
    ),
    events.ItemReady.TYPE: events.ItemReady(
        **_WHERE,
        tool="octopus",
        generation=1,
        window=2,
        sequence=6,
        component=Component.SALES_INVOICES,
        kind=ItemKind.DOCUMENT,
        identity=_DOCUMENT,
        revision=_REVISION,
    ),
    events.ComponentFinished.TYPE: events.ComponentFinished(
        **_WHERE,
        entity_id=_ENTITY,
        component=Component.SALES_INVOICES,
        status=ComponentStatus.WARNING,
        counts=_COUNTS,
        occurred_at=_FINISHED,
    ),
    events.RunFinished.TYPE: events.RunFinished(
        **_WHERE,
        entity_id=_ENTITY,
        trigger=Trigger.MANUAL,
        status=RunStatus.WARNING,
        counts=_COUNTS,
        started_at=_STARTED,
        finished_at=_FINISHED,
        occurred_at=_FINISHED,
    ),
    events.PaymentChanged.TYPE: events.PaymentChanged(
        **_WHERE,
        entity_id=_ENTITY,
        identity=_DOCUMENT,
        booking_number="41",
        state=PaymentState.PARTIALLY_PAID,
        open_amount="60.50",
        currency="EUR",
        occurred_at=_FINISHED,
    ),
}
