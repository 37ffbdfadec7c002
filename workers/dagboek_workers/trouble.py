"""What trouble does (design section 7): to the item if it is its own, else to the run, the component or the login."""

from collections.abc import Sequence
from uuid import uuid4

import structlog
from dagboek import connections
from dagboek.connections import ConnectionProblem
from dagboek.logins import LoginProblem
from dagboek.plugins import unexpected
from dagboek.runs import component_error, finish_run, held_back
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import ItemKind, ItemState
from dagboek_sdk import clock
from dagboek_sdk.errors import AccessDenied, Later, LoginBroken, NotProcessed, NotReady, Refused, Throttled

from dagboek_workers.circuit import SECONDS
from dagboek_workers.item_task import ItemTask, LetGo

log = structlog.get_logger()

SHORT = 5.0
"""Seconds of trouble that are waited out in place; longer trouble parks the run."""
A_MINUTE = 60.0
TRIES = 4
"""How often one item is tried in place."""
STOPPERS = 3
"""Items of one run that stop the worker, after which the others of it are not tried for now either."""


async def stops_worker(task: ItemTask) -> None:
    """Sets aside what was started several times in vain, without any code of a plugin.

    What may stand in the tool is left to settling: only a free link can be called skipped.
    """
    link, run_id = task.item.link, task.window.run["id"]
    reference = uuid4().hex[:8]
    log.error("item.stops_worker", run=str(run_id), sequence=task.item.sequence, reference=reference)
    if link is not None and link.state == "intent":
        task.tell_to_settle(link)
        return
    task.tell(ItemState.SKIPPED, [Issue(code="D32", facts={"reference": reference})])
    await task.loop.recorder.written()
    so_far = await task.loop.db.one(
        """SELECT count(*) AS number FROM item
           WHERE run_id = %s AND state = 'skipped' AND issues @> '[{"code": "D32"}]'""",
        run_id,
    )
    if so_far is not None and so_far["number"] % STOPPERS == 0:
        await park_for_circuit(task, reference, SECONDS)


async def park_for_circuit(task: ItemTask, reference: str, seconds: float) -> None:
    """Parks the run, as nothing is tried while the plugin is left alone (`circuit`)."""
    issue = Issue(code="D16", severity=Severity.ERROR, facts={"reference": reference})
    await task.lane.park(task.window, seconds, "circuit", issue)


async def set_aside(task: ItemTask, trouble: Exception) -> None:
    """What went wrong before anything was sent is the item's own: the others go on."""
    if isinstance(trouble, Refused):
        task.tell(ItemState.SKIPPED, trouble.issues)
    elif isinstance(trouble, NotReady):
        task.tell(ItemState.NOT_READY, [trouble.issue])
    else:
        await unexpected_error(task, trouble)


async def unexpected_error(task: ItemTask, bug: BaseException) -> None:
    """Takes what no plugin should raise."""
    await fault(task, [unexpected(task.loop.name, bug)])


async def fault(task: ItemTask, issues: Sequence[Issue]) -> None:
    """An unexpected error: the item's own, which is skipped, or the plugin's, and then nothing is.

    A list that cannot be read is one item of a run, and says nothing about documents.
    """
    reference = next((one.facts["reference"] for one in issues if "reference" in one.facts), "?")
    if task.item.kind is not ItemKind.PULL and task.lane.plugin_failed(reference):
        log.error("circuit.open", tool=task.loop.name, run=str(task.window.run["id"]), reference=reference)
        await park_for_circuit(task, reference, SECONDS)
    task.tell(ItemState.SKIPPED, [*issues])


async def park(task: ItemTask, trouble: Later | NotProcessed) -> None:
    """Parks the run for trouble that is longer than what is waited out in place."""
    until = getattr(trouble, "until", None)
    wait = wait_for(trouble)
    throttled = isinstance(trouble, Throttled)
    # a limit that is reset each minute is no end if others spend it each time, and nothing moves here
    known = throttled and wait is not None and (wait >= A_MINUTE or task.lane.moved)
    told = getattr(trouble, "issue", None) or Issue(
        code="B05" if throttled else "B06",
        severity=Severity.ERROR,
        facts={
            "tool": task.loop.title,
            "until": until.isoformat() if until else "?",
            "trouble": getattr(trouble, "trouble", None) or "?",
        },
    )
    issue = told.model_copy(update={"tool_words": told.tool_words or trouble.tool_words})
    seconds = max(SHORT, wait) if wait is not None else A_MINUTE
    reason = "limit" if throttled else "tool_unavailable"
    await task.lane.park(task.window, seconds, reason, issue, known_end=known)


async def not_opened(task: ItemTask, problem: ConnectionProblem) -> None:
    """Wrong settings are a person's business; a fault of the plugin or of the vault's keys is not the login's."""
    if isinstance(problem.__cause__, LoginProblem):
        await break_login(task, LoginBroken(tool_words=str(problem)))
    issue = Issue(code="D13", severity=Severity.ERROR, facts={"where": task.loop.name, "reference": str(problem)})
    await task.lane.park(task.window, A_MINUTE * 5, "unexpected", issue)


def wait_for_limit(task: ItemTask, spent: Throttled) -> None:
    """A limit of few calls a day is spent: what needs them waits for a later run, and nothing else does.

    One that is given back within a minute is waited for, with all of the run; so is one of all calls, as what comes
    behind needs them as well. A list is read by a later run: nobody waits a day for it.
    """
    wait = wait_for(spent)
    if (wait is not None and wait <= A_MINUTE) or (spent.group is None and task.item.kind is not ItemKind.PULL):
        raise spent
    until = spent.until.isoformat(timespec="minutes") if spent.until else "?"
    facts = {"tool": task.loop.title, "until": until}
    task.tell(ItemState.NOT_READY, [Issue(code="B05", severity=Severity.INFORMATION, facts=facts)])


async def stop_component(task: ItemTask, denied: AccessDenied) -> None:
    """A right is missing: the component ends as Error; those beside it go on."""
    issue = denied.issue.model_copy(update={"tool_words": denied.tool_words})
    async with task.loop.db.transaction() as connection:
        await component_error(connection, task.window.run["id"], task.item.component, issue)
    errors = {task.item.component: True, **dict.fromkeys(task.window.run["component_errors"], True)}
    task.window.held |= set(held_back(errors))
    task.finished()


async def break_login(task: ItemTask, broken: LoginBroken) -> None:
    """Credentials are gone: the run ends, and a person must reconnect."""
    issue = broken.issue.model_copy(update={"tool_words": broken.tool_words})
    await task.loop.recorder.written()
    async with task.loop.db.transaction() as connection:
        await connections.break_login(connection, task.window.run["connection_id"], issue)
        await finish_run(connection, task.window.run["id"], broken=issue)
    raise LetGo  # a login that is refused again and again gets locked


def wait_for(trouble: Later | NotProcessed) -> float | None:
    """Seconds until it may be tried again, where that is known."""
    if isinstance(trouble, NotProcessed) or trouble.until is None:
        return None
    return trouble.seconds if trouble.seconds is not None else max(0.0, (trouble.until - clock.now()).total_seconds())
