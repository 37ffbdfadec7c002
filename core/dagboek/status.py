"""Counts, component statuses and the overall label of a run: derived from its items, here and nowhere else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dagboek_schemas.events import Counts
from dagboek_schemas.statuses import Component, ComponentStatus, ItemState, RunStatus

from dagboek.database import Connection

_COUNTED = {
    ItemState.SYNCED: "synced",
    ItemState.ACCEPTED: "synced",
    ItemState.UNCHANGED: "unchanged",
    ItemState.SKIPPED: "skipped",
    ItemState.NEEDS_PERSON: "skipped",
    ItemState.NOT_READY: "not_ready",
    ItemState.NOT_TRIED: "not_tried",
    ItemState.TO_SETTLE: "to_settle",
    ItemState.PLANNED: "planned",
}

DEPENDS_ON: Mapping[Component, Component] = {
    Component.SALES_INVOICES: Component.CUSTOMERS,
    Component.SALES_CREDIT_NOTES: Component.CUSTOMERS,
    Component.PURCHASE_INVOICES: Component.SUPPLIERS,
    Component.PURCHASE_CREDIT_NOTES: Component.SUPPLIERS,
}
"""Components of documents. One of parties that ends as Error holds back those that depend on it."""


@dataclass(frozen=True, slots=True)
class ComponentRow:
    """A component of a run, as the sync history shows it."""

    component: Component
    status: ComponentStatus
    counts: Counts
    issue: dict[str, Any] | None = None
    """What stopped it, when it alone is in Error."""


def counts_of(states: Iterable[tuple[str, int]]) -> Counts:
    """Counts from pairs of item state and number of items."""
    sums: dict[str, int] = {}
    for state, number in states:
        name = _COUNTED[ItemState(state)]
        sums[name] = sums.get(name, 0) + number
    return Counts(total=sum(sums.values()), **sums)


def component_status(counts: Counts, *, error: bool, ended: bool, current: bool) -> ComponentStatus:
    """Status of one component. `current`: the run is working on it now."""
    if error:
        return ComponentStatus.ERROR
    waiting = counts.planned + (counts.not_tried if ended else 0)
    if waiting:
        return ComponentStatus.IN_PROGRESS if current and not ended else ComponentStatus.PENDING
    if counts.skipped or counts.to_settle:
        return ComponentStatus.WARNING
    return ComponentStatus.SUCCESS


async def component_rows(connection: Connection, run: Mapping[str, Any]) -> list[ComponentRow]:
    """All components that the run has items of, or an error for, in the order of the work."""
    return (await components_of(connection, [run]))[run["id"]]


async def components_of(connection: Connection, runs: Iterable[Mapping[str, Any]]) -> Mapping[UUID, list[ComponentRow]]:
    """The same of many runs, by their ids."""
    by_id = {run["id"]: run for run in runs}
    found = await connection.execute(
        """SELECT run_id, component, state, count(*) AS number FROM item WHERE run_id = ANY(%s)
           GROUP BY run_id, component, state""",
        (list(by_id),),
    )
    states: dict[UUID, dict[Component, list[tuple[str, int]]]] = {id_: {} for id_ in by_id}
    for row in await found.fetchall():
        states[row["run_id"]].setdefault(Component(row["component"]), []).append((row["state"], row["number"]))
    return {id_: _rows(run, states[id_]) for id_, run in by_id.items()}


def _rows(run: Mapping[str, Any], states: Mapping[Component, list[tuple[str, int]]]) -> list[ComponentRow]:
    errors: dict[str, Any] = run["component_errors"]
    ended = run["state"] == "ended"
    stands = is_stalled(run)
    rows: list[ComponentRow] = []
    at_work = run["state"] in ("active", "cancelling", "parked") and run["selected"]
    current_found = not at_work or in_line(run)
    for component in Component:
        if component not in states and component not in errors:
            continue
        counts = counts_of(states.get(component, []))
        current = not current_found and counts.planned > 0 and component not in errors
        current_found = current_found or current
        error = component in errors or (stands and current)  # why a run is stalled is said once, for the run
        status = component_status(counts, error=error, ended=ended, current=current)
        rows.append(ComponentRow(component, status, counts, errors.get(component)))
    return rows


def total_counts(rows: Iterable[ComponentRow]) -> Counts:
    """Counts of the whole run."""
    sums = dict.fromkeys(Counts.model_fields, 0)
    for row in rows:
        for name in sums:
            sums[name] += getattr(row.counts, name)
    return Counts(**sums)


def final_status(rows: Iterable[ComponentRow], *, cancelled: bool, broken: bool) -> RunStatus:
    """The label that a run ends with."""
    found = {row.status for row in rows}
    if cancelled:
        return RunStatus.CANCELLED
    if broken or ComponentStatus.ERROR in found:
        return RunStatus.ERROR
    if ComponentStatus.WARNING in found or ComponentStatus.PENDING in found:
        return RunStatus.WARNING
    return RunStatus.SUCCESS


STALLING = frozenset({"tool_unavailable", "plugin_missing", "circuit", "source_unavailable", "unexpected"})
"""Reasons of parking that nothing here can resolve: the run is shown as Stalled."""


def in_line(run: Mapping[str, Any]) -> bool:
    """Whether a run waits for its first turn: nothing of it could go to a worker yet."""
    waits = run["window_no"] > run["admitted_no"] == 0
    return bool(run["state"] == "active" and run["generation"] == 1 and waits)


def is_stalled(run: Mapping[str, Any]) -> bool:
    """Whether a run waits for something without a known end, or for the answer of a tool that cannot be asked."""
    unanswered = run["park_reason"] in ("settling", "series") and run["park_issue"] is not None
    return run["state"] == "parked" and (run["park_reason"] in STALLING or unanswered)


def run_status(run: Mapping[str, Any]) -> RunStatus:
    """The label of a run now."""
    if run["state"] == "ended":
        return RunStatus(run["status"])
    if is_stalled(run):
        return RunStatus.STALLED
    if run["state"] == "requested" or run["started_at"] is None or in_line(run):
        return RunStatus.PENDING
    return RunStatus.IN_PROGRESS


async def run_row(connection: Connection, run_id: UUID) -> dict[str, Any] | None:
    """The row of a run."""
    return await (await connection.execute("SELECT * FROM run WHERE id = %s", (run_id,))).fetchone()
