"""What stands on the topics: no personal data, stable ids, types that stay, counts that add up."""

import enum
import types
import typing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from dagboek.outcome_events import WARNED
from dagboek.topics import RETENTION_DAYS
from dagboek_schemas.events import MODELS, OUTCOME_TYPES, ItemOutcome, RunFinished, outcome_type, stable_id
from dagboek_schemas.issues import Issue, PublicIssue, Severity
from dagboek_schemas.samples import sample_data
from dagboek_schemas.statuses import WARNED_STATES, Component, ItemKind, ItemState
from dagboek_schemas.topics import Topic
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, ValidationError

TEXTS = {
    "tool": "name of a plugin",
    "identity": "a hash, or the name of a list",
    "revision": "a hash",
    "document_number": "what the document is called; names nobody",
    "booking_number": "what the tool calls the entry; names nobody",
    "entry_id": "the tool's own id of the entry",
    "code": "of the issue catalogue",
    "field": "a path, such as lines[0].account",
    "rule": "a rule of EN 16931",
    "open_amount": "a decimal",
    "currency": "three letters",
}
"""The fields of events that are texts, each with the reason why it holds no personal data."""

HARMLESS = (UUID, datetime, AwareDatetime, int, bool, type(None))


def fields_of(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every field of a model and of the models within it, with its type taken apart."""
    for name, hint in typing.get_type_hints(model).items():
        if name in model.model_fields:
            yield from parts_of(hint, f"{path}.{name}" if path else name)


def parts_of(hint: Any, path: str) -> Iterator[tuple[str, Any]]:
    if typing.get_origin(hint) in (tuple, list, frozenset, types.UnionType, typing.Union):
        for part in typing.get_args(hint):
            if part is not Ellipsis:
                yield from parts_of(part, path)
    elif isinstance(hint, type) and issubclass(hint, BaseModel):
        yield from fields_of(hint, path)
    else:
        yield path, hint


@pytest.mark.parametrize("model", sorted(set(MODELS.values()), key=str))
def test_no_field_of_an_event_is_a_text_about_somebody(model: type[BaseModel]) -> None:
    """A new field of another type, or a new text, fails here: think about it before it is listed above."""
    for path, hint in fields_of(model):
        if hint is str:
            assert path.rpartition(".")[2] in TEXTS, f"{model.__name__}.{path}: may this be personal data?"
        else:
            harmless = hint in HARMLESS or issubclass(hint, enum.StrEnum)
            assert harmless, f"{model.__name__}.{path} is {hint}: may this be personal data?"


def test_the_walk_sees_a_text_that_is_hidden_deep() -> None:
    class Deep(BaseModel):
        remark: str | None = None

    class Outer(BaseModel):
        parts: tuple[Deep, ...] = ()

    assert ("parts.remark", str) in list(fields_of(Outer))


def test_a_public_issue_leaves_facts_and_words_behind() -> None:
    issue = Issue(
        code="O01",
        severity=Severity.ERROR,
        facts={"name": "Jan Peeters"},
        field="buyer.vat_number",
        rule="BR-CO-09",
        tool_words="unknown customer Jan Peeters",
        url="https://books.example/jan-peeters",
    )
    public = PublicIssue.of(issue)
    assert public == PublicIssue(code="O01", severity=Severity.ERROR, field="buyer.vat_number", rule="BR-CO-09")
    assert "Peeters" not in public.model_dump_json()


def outcome(**changes: Any) -> ItemOutcome:
    return sample_data("dagboek.document.booked.v1").model_copy(update=changes)  # type: ignore[return-value]


def test_the_id_of_an_outcome_is_the_same_for_the_same_outcome() -> None:
    again = outcome(occurred_at=datetime(2030, 1, 1, tzinfo=UTC), attempt=7, booking_number="42")
    assert again.event_id == outcome().event_id


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": UUID(int=1)},
        {"sequence": 7},
        {"revision": "rev1:" + "0" * 40},
        {"state": ItemState.UNCHANGED},
        {"link_version": 3},
    ],
)
def test_the_id_of_an_outcome_differs_for_another_outcome(change: dict[str, Any]) -> None:
    assert outcome(**change).event_id != outcome().event_id


def test_event_ids_stay_what_they_are_over_releases() -> None:
    """Golden: consumers have stored these ids, so a release must not change how they are made."""
    assert str(outcome().event_id) == "f5f2a466-4986-57d6-b553-85d4bfa80367"
    assert str(stable_id("run", 1)) == "3a2b3233-bc85-5423-9ab3-76d3e9c96213"


def test_types_stay_what_they_are_over_releases() -> None:
    """Golden: a type is never renamed or taken away; a new one is added to this list."""
    words = ("unchanged", "accepted", "skipped", "needs-person", "not-ready", "not-tried", "to-settle")
    assert set(MODELS) == {
        "dagboek.sync.start.v1",
        "dagboek.sync.continue.v1",
        "dagboek.item.ready.v1",
        "dagboek.component.finished.v1",
        "dagboek.run.finished.v1",
        "dagboek.document.payment-changed.v1",
        "dagboek.document.booked.v1",
        "dagboek.party.synced.v1",
        "dagboek.list.synced.v1",
        *(f"dagboek.{kind}.{word}.v1" for kind in ("document", "party", "list") for word in words),
    }


@pytest.mark.parametrize("kind", ItemKind)
@pytest.mark.parametrize("state", [state for state in ItemState if state is not ItemState.PLANNED])
def test_an_outcome_knows_its_type(kind: ItemKind, state: ItemState) -> None:
    assert outcome(kind=kind, state=state).event_type == outcome_type(kind, state)
    assert OUTCOME_TYPES[outcome_type(kind, state)] == (kind, state)


def test_a_planned_item_has_no_outcome() -> None:
    with pytest.raises(KeyError):
        outcome_type(ItemKind.DOCUMENT, ItemState.PLANNED)


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=zones))
def test_times_of_events_are_written_in_utc(moment: datetime) -> None:
    try:
        read = ItemOutcome.model_validate({**outcome().model_dump(), "occurred_at": moment})
    except ValidationError:
        assert moment.year in (1, 9999)
        return
    assert read.occurred_at == moment
    assert read.occurred_at.utcoffset() == timedelta(0)
    assert read.model_dump_json().partition('"occurred_at":"')[2].partition('"')[0].endswith("Z")


@pytest.mark.parametrize("moment", ["2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_without_a_zone_or_out_of_range_is_refused(moment: str) -> None:
    with pytest.raises(ValidationError, match="occurred_at"):
        ItemOutcome.model_validate({**outcome().model_dump(), "occurred_at": moment})


def test_counts_are_never_negative() -> None:
    data = sample_data(RunFinished.TYPE).model_dump()
    with pytest.raises(ValidationError):
        RunFinished.model_validate({**data, "counts": {"total": 1, "synced": -1}})


def test_the_contract_and_the_programs_agree() -> None:
    assert WARNED == WARNED_STATES
    assert {topic: topic.retention_days for topic in Topic} == dict(RETENTION_DAYS)


def test_components_stand_in_the_order_of_work() -> None:
    """Golden: parties before their documents, sales before purchases, payment states last."""
    assert [component.value for component in sorted(Component, key=lambda one: one.position)] == [
        "ledger_accounts",
        "customers",
        "sales_invoices",
        "sales_credit_notes",
        "suppliers",
        "purchase_invoices",
        "purchase_credit_notes",
        "payment_statuses",
    ]
