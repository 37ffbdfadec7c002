"""Outcome events of items: how an item's row becomes what consumers read."""

from collections.abc import Mapping
from typing import Any

from dagboek_schemas.cloudevents import Record, encode
from dagboek_schemas.events import ItemOutcome
from dagboek_schemas.issues import Issue, PublicIssue
from dagboek_schemas.statuses import ItemState
from dagboek_sdk import clock

WARNED = frozenset({ItemState.SKIPPED, ItemState.NEEDS_PERSON})
"""States that go to the warnings topic as well, unless the outcome is repeated: then it was told there before."""


def item_event(run: Mapping[str, Any], item: Mapping[str, Any]) -> Record:
    """The outcome event of an item, from the rows of its run and itself."""
    issues = [Issue.model_validate(issue) for issue in item["issues"]]
    outcome = ItemOutcome(
        run_id=run["id"],
        tenant_id=run["tenant_id"],
        entity_id=run["entity_id"],
        connection_id=run["connection_id"],
        administration_id=run["administration_id"],
        component=item["component"],
        kind=item["kind"],
        sequence=item["sequence"],
        state=item["state"],
        identity=item["identity"],
        revision=item["revision"],
        document_number=item["title"] if item["kind"] == "document" and item["revision"] else None,
        booking_number=item["booking_number"],
        entry_id=item["entry_id"],
        updated=item["updated"],
        attempt=item["attempt"],
        link_version=item["link_version"],
        issues=tuple(PublicIssue.of(issue) for issue in issues),
        repeated=item["repeated"],
        occurred_at=item["outcome_at"] or clock.now(),
    )
    return outcome_record(outcome)


def outcome_record(outcome: ItemOutcome) -> Record:
    """An outcome as a record for Kafka."""
    return encode(
        outcome,
        type_=outcome.event_type,
        event_id=outcome.event_id,
        key=outcome.administration_id,
        subject=outcome.identity,
        time=outcome.occurred_at,
    )


def stored_record(value: bytes) -> Record:
    """The record of an outcome that was stored as `value`."""
    return outcome_record(ItemOutcome.model_validate_json(value))
