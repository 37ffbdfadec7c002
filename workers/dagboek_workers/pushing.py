"""What to do with one item: decide, map, intend, send, record (design sections 6 and 7).

Every path ends in `tell` (the item has an outcome), in leaving it planned (it comes again), or in `LetGo`.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
import structlog
from confluent_kafka import KafkaException
from dagboek.booking_json import booking_from, booking_json
from dagboek.catalogue import UNEXPECTED
from dagboek.connections import ConnectionProblem
from dagboek.database import AWAY
from dagboek.fault_points import reached
from dagboek.logins import LoginProblem, mark_broken
from dagboek.matching import Likeness, Match, bears_reference, describe, match
from dagboek.origins import party_component
from dagboek.outcome_events import outcome_record
from dagboek.plugins import unexpected
from dagboek.push_record import (
    Adoption,
    AttemptOutcome,
    Granted,
    Intent,
    ItemOutcome,
    Outcome,
    correct_series,
    entries_of_others,
    repeat_intent,
    start_series,
)
from dagboek.runs import ASKING, component_error, finish_run, held_back
from dagboek.tool_entries import like
from dagboek_schemas import events
from dagboek_schemas.documents import Document
from dagboek_schemas.issues import Issue, PublicIssue, Severity
from dagboek_schemas.revision import same_document, same_party
from dagboek_schemas.statuses import ItemKind, ItemState
from dagboek_sdk import clock
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.attempt import Absent, Accepted, AttachedFile, Attempt, Booked, Booking, Candidate, Found, Op
from dagboek_sdk.errors import (
    AccessDenied,
    AlreadyThere,
    Later,
    LoginBroken,
    NotProcessed,
    NotReady,
    NumberTaken,
    Refused,
    Throttled,
    ToolUnavailable,
    Trouble,
    Uncertain,
)
from dagboek_sdk.source import SourceUnavailable

from dagboek_workers.circuit import SECONDS
from dagboek_workers.pulling import PULL_DEADLINE, look_up, pull
from dagboek_workers.recorder import Told
from dagboek_workers.restored import closed_entries, compare, sent_since_look_up
from dagboek_workers.sending import Unexpected, Verdict, again, send, settles, sound
from dagboek_workers.window import ItemSeen, LinkSeen, Window, read_link

if TYPE_CHECKING:
    from dagboek_workers.lane import Lane

log = structlog.get_logger()

SHORT = 5.0
"""Seconds of trouble that are waited out in place; longer trouble parks the run."""
A_MINUTE = 60.0
TRIES = 4
"""How often one item is tried in place."""
MAX_BOOKING = 8 * 1024 * 1024
"""Bytes of a booking at most, as it is stored with its attempt: ten thousand lines take less."""
STOPPERS = 3
"""Items of one run that stop the worker, after which the others of it are not tried for now either."""

Finished = Callable[[], None]


class Left(Exception):
    """The item is left as it is, for now."""


class LetGo(Left):
    """The rest of this run and generation is let go: the database will bring it back."""


class NotYet(Left):
    """It waits for the core, for a moment."""


class Changed(Left):
    """What the item's decision rested on has changed: it is decided anew."""


async def push_item(lane: "Lane", window: Window, item: ItemSeen, finished: Finished) -> None:
    """Works on one item; `finished` is called once nothing of it can be lost any more."""
    for left in reversed(range(TRIES)):
        task = ItemTask(lane, window, item, finished)
        try:
            await task.work()
        except Later as trouble:
            wait = _wait_for(trouble)
            if wait is None or wait > SHORT or task.open or not left:
                await task.park(trouble)
            await asyncio.sleep(wait or 0)
            if item.link is not None:
                item.link = await task.read_again(item.link)
            continue
        except AccessDenied as denied:
            await task.stop_component(denied)
        except LoginBroken as broken:
            await task.break_login(broken)
        except TimeoutError:
            await task.park(ToolUnavailable("no answer in time", trouble=Trouble.TIME_OUT))
        except (*AWAY, KafkaException):
            raise
        except Exception as trouble:
            # what may stand in the tool is not called skipped
            if task.open or task.booked or isinstance(trouble, Left):
                raise
            await task.set_aside(trouble)
        return


class ItemTask:
    """One item in the hands of its lane."""

    def __init__(self, lane: "Lane", window: Window, item: ItemSeen, finished: Finished) -> None:
        self.lane = lane
        self.window = window
        self.item = item
        self.finished = finished
        self.loop = lane.loop
        self.document: Document | None = None
        self.remarks: list[Issue] = list(item.remarks)
        """Information that does not change the outcome."""
        self.open = False
        """An attempt of the item has no outcome yet."""
        self.booked = False
        """An outcome that says that it stands in the tool was recorded."""
        self.sent_before = False
        """An earlier send of the attempt was uncertain: it may stand there, though no reader sees it yet."""
        self.revision = item.revision
        """What is sent: of an attempt that is repeated, what it was made of."""

    async def work(self) -> None:
        """Decides what the item needs, and does it."""
        item = self.item
        if item.state is not ItemState.PLANNED:
            self._already_told()
            return
        if item.component in self.window.held or self._waits_for_settling():
            self.finished()
            return
        if wait := self.loop.circuit.wait:
            await self._park_for_circuit(self.loop.circuit.reference, wait)
        try:
            tool = await self.loop.tool(self.window.run)
        except ConnectionProblem as problem:
            await self._not_opened(problem)
            return
        if self.window.suspect:
            await compare(self.lane, self.window, tool)
            raise Changed
        if item.kind is ItemKind.PULL:
            await self._pull(tool)
            return
        assert item.link is not None
        await self._by_link(tool, item.link)

    async def _not_opened(self, problem: ConnectionProblem) -> None:
        """Wrong settings are a person's business; a fault of the plugin or of the vault's keys is not the login's."""
        if isinstance(problem.__cause__, LoginProblem):
            await self.break_login(LoginBroken(tool_words=str(problem)))
        issue = Issue(code="D13", severity=Severity.ERROR, facts={"where": self.loop.name, "reference": str(problem)})
        await self.lane.park(self.window, A_MINUTE * 5, "unexpected", issue)

    async def _pull(self, tool: AccountingPlugin) -> None:
        try:
            await pull(self.lane, self.window, self.item, tool)
        except Throttled as spent:
            self._wait_for_limit(spent)
        else:
            self.tell(ItemState.SYNCED)

    def _wait_for_limit(self, spent: Throttled) -> None:
        """A limit of few calls is spent: what needs them waits for a later run, and nothing else does."""
        wait = _wait_for(spent)
        if wait is not None and wait <= SHORT:
            raise spent
        until = spent.until.isoformat(timespec="minutes") if spent.until else "?"
        facts = {"tool": self.loop.title, "until": until}
        self.tell(ItemState.NOT_READY, [Issue(code="B05", severity=Severity.INFORMATION, facts=facts)])

    def _already_told(self) -> None:
        """A redelivery of what has its outcome: delivered again from the stored event, if it was not."""
        item = self.item
        if item.reported or item.event is None:
            self.finished()
            return
        outcome = events.ItemOutcome.model_validate_json(item.event)
        row = ItemOutcome(self.window.run["id"], item.sequence, item.state, item.event)
        self.loop.recorder.deliver(Told(row, outcome_record(outcome), self.finished))

    def _waits_for_settling(self) -> bool:
        unsettled = self.window.unsettled
        return unsettled is not None and unsettled.position < self.item.component.position

    async def _by_link(self, tool: AccountingPlugin, link: LinkSeen) -> None:
        if link.state == "intent":
            await self._open_attempt(tool, link)
        elif link.state == "needs_person":
            issue = link.needs_person_issue
            self.tell(ItemState.NEEDS_PERSON, [Issue.model_validate(issue) if issue else Issue(code="D10")])
        elif link.state == "accepted":
            self.tell(ItemState.ACCEPTED)
        elif link.state == "booked":
            await self._booked_before(tool, link)
        else:
            await self._create(tool, link)

    # what is booked already

    async def _booked_before(self, tool: AccountingPlugin, link: LinkSeen) -> None:
        item = self.item
        is_party = item.kind is ItemKind.PARTY
        if await self._unchanged(link) and (not is_party or item.component in link.roles):
            self.tell(ItemState.UNCHANGED)
            return
        updates = tool.about.updates_parties if is_party else tool.about.updates_documents
        if updates and link.entry_id:  # a person may have told its number alone
            booking = await self._mapped(tool)
            if booking is not None:
                await self._update(tool, link, booking)
        elif is_party or same_revision(item, link.acknowledged_revision):
            self.tell(ItemState.UNCHANGED)
        else:
            facts = {"number": item.title, "booking_number": link.entry_number or "?"}
            self.tell(ItemState.SKIPPED, [Issue(code="D07", facts=facts)])

    async def _unchanged(self, link: LinkSeen) -> bool:
        """Whether the item is what was booked. What an older release computed is brought up to date."""
        before, now = link.revision, self.item.revision
        if not same_revision(self.item, before):
            return False
        if before != now:
            await self.loop.db.run(
                "UPDATE link SET revision = %s WHERE id = %s AND state = 'booked' AND revision = %s",
                now,
                link.id,
                before,
            )
        return True

    async def _update(self, tool: AccountingPlugin, link: LinkSeen, booking: Booking) -> None:
        """Updates of documents may have a small limit of their own (Octopus: ten a day); it stops nothing else."""
        try:
            await self._attempt(tool, link, booking, Op.UPDATE)
        except Throttled as spent:
            if self.item.kind is ItemKind.PARTY:
                raise
            self._wait_for_limit(spent)

    # new items

    async def _create(self, tool: AccountingPlugin, link: LinkSeen) -> None:
        if self.item.kind is ItemKind.DOCUMENT and not await self._party_is_there(tool):
            return
        booking = await self._mapped(tool)
        if booking is None:
            return
        if self.item.kind is ItemKind.PARTY:
            known = await self._known_party(tool, link)
        else:
            known = await self._known_entry(tool, link, booking)
        if not known:
            await self._attempt(tool, link, booking, Op.CREATE)

    async def _party_is_there(self, tool: AccountingPlugin) -> bool:
        if tool.about.parties_inside_documents:
            return True
        party = self.window.parties.get(self.item.party_identity or "")
        state = party.state if party is not None else None
        if party is not None and state == "booked" and party.refused_revision is None:
            return True
        if state == "intent":
            self.window.unsettled = party_component(self.item.component)
            self.finished()  # stays planned, and comes again when its party is settled
            return False
        of_run = await self._party_in_run()
        if party is not None and state == "booked" and party.refused_revision not in of_run.values():
            return True  # refused once, and not as it is now
        if state == "free" and ItemState.PLANNED in of_run:
            self.finished()  # its party comes again in this run, and so does it
            return False
        issue = Issue(code="D08", facts={"number": self.item.title})
        if ItemState.NOT_READY in of_run:  # it waits for a limit, and so does what needs it
            self.tell(ItemState.NOT_READY, [issue.model_copy(update={"severity": Severity.INFORMATION})])
        else:
            self.tell(ItemState.SKIPPED, [issue])
        return False

    async def _party_in_run(self) -> dict[str, str | None]:
        """States in which the other party is an item of this run, with its revision there."""
        await self.loop.recorder.written()
        rows = await self.loop.db.all(
            "SELECT state, revision FROM item WHERE run_id = %s AND identity = %s AND kind = 'party'",
            self.window.run["id"],
            self.item.party_identity,
        )
        return {row["state"]: row["revision"] for row in rows}

    async def _mapped(self, tool: AccountingPlugin) -> Booking | None:
        """The booking, or None after telling why there is none."""
        try:
            booking, issues = self._map(tool)
        except Refused as refused:
            self.tell(ItemState.SKIPPED, refused.issues)
            return None
        except NotReady as waiting:
            self.tell(ItemState.NOT_READY, [waiting.issue])
            return None
        except Exception as bug:
            await self._unexpected(bug)
            return None
        if booking is None and any(one.code == UNEXPECTED for one in issues):  # a rule that fails is a plugin too
            await self._fault(issues)
            return None
        if booking is None:
            waits = any(one.severity is Severity.INFORMATION for one in issues)
            self.tell(ItemState.NOT_READY if waits else ItemState.SKIPPED, issues)
            return None
        said = (one for one in booking.remarks if isinstance(one, Issue))
        self.remarks = [*self.item.remarks, *said]
        return booking

    def _map(self, tool: AccountingPlugin) -> tuple[Booking | None, list[Issue]]:
        """The booking; or none, and the issues that the rules found."""
        item, context, rules = self.item, self.window.context, self.loop.parts.plugins
        if item.kind is ItemKind.PARTY:
            party = item.party()
            issues = rules.validate_party(party, item.component, context)
            booking = None if issues else tool.map_party(party, item.component, context)
        else:
            document = self.document = item.document()
            issues = rules.validate_document(document, item.component, context)
            booking = None if issues else tool.map_document(document, item.component, context)
            if isinstance(booking, Booking) and booking.currency not in (None, document.currency):
                raise ValueError(f"the mapping gave {booking.currency} for a document in {document.currency}")
        if not (issues or isinstance(booking, Booking)):
            raise TypeError(f"the mapping gave {type(booking).__name__}")
        return booking, issues

    async def _known_party(self, tool: AccountingPlugin, link: LinkSeen) -> bool:
        if self.window.candidates is None:
            parties = {
                item.identity: item.party()
                for item in self.window.items.values()
                if item.kind is ItemKind.PARTY and item.state is ItemState.PLANNED and item.body
                and item.link is not None and item.link.state == "free"
                and (item is self.item or not self.item.starts)  # else one that stops the worker is blamed on another
            }  # fmt: skip
            try:
                async with asyncio.timeout(tool.call_deadline * 4):
                    found = await tool.match_parties(parties)
            except Throttled as spent:
                self._wait_for_limit(spent)
                return True
            if not self.item.starts:
                self.window.candidates = found
        else:
            found = self.window.candidates
        candidates: list[Candidate] = list(found.get(self.item.identity, ()))
        certain = [candidate for candidate in candidates if candidate.certain]
        if len(certain) == 1:
            return await self._adopt(link, certain[0])
        if candidates:
            facts = {"name": self.item.title, "candidates": describe(candidates)}
            self.tell(ItemState.SKIPPED, [Issue(code="D09", facts=facts)])
            return True
        return False

    async def _known_entry(self, tool: AccountingPlugin, link: LinkSeen, booking: Booking) -> bool:
        """What the tool held before we came is adopted, or a person is asked; it is not booked again."""
        if not self.window.looked_up:
            async with asyncio.timeout(PULL_DEADLINE):
                await look_up(self.lane, self.window, tool)
        if not self.window.entries_there or await sent_since_look_up(self.loop.db, link):
            return False
        there = await like(self.loop.db, self.lane.administration_id, booking)
        others = await self._of_others(link, there) | await closed_entries(self.loop.db, link)
        found = match(booking, self._party_entry(), [one for one in there if one.entry_id not in others])
        if found.likeness is Likeness.OURS:
            return await self._adopt(link, found.candidates[0])
        if found.likeness is Likeness.PERHAPS:
            facts = {"number": self.item.title, "candidates": describe(found.candidates)}
            self.tell(ItemState.NEEDS_PERSON, [Issue(code="D14", facts=facts)])
            return True
        return False

    async def _of_others(self, link: LinkSeen, candidates: Sequence[Candidate]) -> set[str]:
        return await entries_of_others(self.loop.db, self.lane.administration_id, self.item.kind, link.id, candidates)

    async def _adopt(self, link: LinkSeen, candidate: Candidate) -> bool:
        item = self.item
        adoption = Adoption(
            link_id=link.id,
            seen=link.attempt,
            revision=item.revision,
            entry_id=candidate.entry_id,
            entry_number=candidate.number,
            entry_url=candidate.url,
            role=item.component if item.kind is ItemKind.PARTY else None,
        )
        if not await self.loop.recorder.adopt(adoption):
            return False
        link.state, link.entry_id, link.entry_number = "booked", candidate.entry_id, candidate.number
        link.version += 1
        self._party_changed(link)
        number = None if item.kind is ItemKind.PARTY else candidate.number
        issue = Issue(code="D15", severity=Severity.INFORMATION, facts={"booking_number": candidate.number or "?"})
        self.tell(ItemState.SYNCED, [] if item.kind is ItemKind.PARTY else [issue], link=link, number=number)
        return True

    # attempts

    async def _attempt(self, tool: AccountingPlugin, link: LinkSeen, booking: Booking, op: Op) -> None:
        """Intent, send, outcome; again in place where the tool says that it may be done."""
        verdict: Verdict | None = None
        for _ in range(TRIES):
            granted, attempt = await self._intend(tool, link, booking, op)
            if granted is None or attempt is None:
                await self._not_granted(link, booking)
                return
            reached("after_intent")
            verdict = await send(tool, attempt)
            reached("after_call")
            link = await self._take(tool, link, booking, attempt, granted, verdict) or link
            if link.state != "again":
                return
            link = await self.read_again(link)
            if link.state != ("free" if op is Op.CREATE else "booked"):
                await self._by_link(tool, link)
                return
        if isinstance(verdict, NumberTaken | AlreadyThere):  # the item's own trouble: the others go on
            facts = {"number": self.item.title, "reference": f"{link.id}/{link.attempt}"}
            self.tell(ItemState.SKIPPED, [Issue(code="D33", facts=facts)], link=link)
            return
        await self.park(NotProcessed("tried several times"))

    async def _intend(
        self, tool: AccountingPlugin, link: LinkSeen, booking: Booking, op: Op
    ) -> tuple[Granted | None, Attempt | None]:
        attempt = self._new_attempt(link, booking, op)
        group = tool.operation_group(attempt)
        if group is not None:
            await self._permit(tool, group)
        async with asyncio.timeout(tool.call_deadline * 4):
            await tool.prepare()
        if booking.series is not None and op is Op.CREATE:
            await self._series_known(tool, booking.series)
        await self._attach(tool, attempt)
        t0 = clock.boot_time()
        intent = self._intent(tool, link, booking, op)
        reached("before_intent")
        granted = await self.loop.recorder.intent(intent)
        if granted is None:
            return None, None
        self.open, self.sent_before = True, False
        attempt.number = granted.attempt
        attempt.series_number = granted.series_number
        attempt.start(t0)
        return granted, attempt

    def _new_attempt(self, link: LinkSeen, booking: Booking, op: Op) -> Attempt:
        return Attempt(
            link_id=link.id,
            link_no=link.link_no,
            number=link.attempt + 1,
            op=op,
            identity=self.item.identity,
            kind=self.item.kind,
            component=self.item.component,
            booking=booking,
            party_entry=self._party_entry(),
            entry_id=link.entry_id,
            entry_number=link.entry_number,
            run_id=self.window.run["id"],
        )

    def _intent(self, tool: AccountingPlugin, link: LinkSeen, booking: Booking, op: Op) -> Intent:
        assert self.lane.epoch is not None
        stored = booking_json(booking)
        if len(stored) > MAX_BOOKING:
            facts = {"number": self.item.title, "size": str(len(stored) >> 20), "most": str(MAX_BOOKING >> 20)}
            raise Refused([Issue(code="D34", facts=facts)])
        return Intent(
            link_id=link.id,
            administration_id=self.lane.administration_id,
            run_id=self.window.run["id"],
            generation=self.window.generation,
            epoch=self.lane.epoch,
            sequence=self.item.sequence,
            op=op,
            expected="free" if op is Op.CREATE else "booked",
            seen=link.attempt,
            settle_seconds=tool.settle_seconds,
            booking=stored,
            revision=self.item.revision,
            context_version=self.window.run["context_version"],
            series=booking.series if op is Op.CREATE else None,
            party_entry=self._party_entry(),
        )

    async def _attach(self, tool: AccountingPlugin, attempt: Attempt) -> None:
        """Gives a new booking the files of its document; one that its source no longer has is told and left out."""
        if not (tool.about.attachments and attempt.op is Op.CREATE and self.item.kind is ItemKind.DOCUMENT):
            return
        document = self.document or self.item.document()
        if document.attachments:
            attempt.attachments = await self._files(document)

    async def _files(self, document: Document) -> tuple[AttachedFile, ...]:
        assert self.item.source_id is not None
        files: list[AttachedFile] = []
        async with self.loop.source(self.item.source_id, self.window.run["entity_id"]) as source:
            for one in document.attachments:
                try:
                    content = await source.attachment(one.ref)
                except (OSError, SourceUnavailable):
                    facts = {"number": document.number, "file": one.file_name}
                    self.remarks.append(Issue(code="D24", facts=facts))
                else:
                    files.append(AttachedFile(one.file_name, one.media_type, content))
        return tuple(files)

    async def _permit(self, tool: AccountingPlugin, group: str, *, settling: bool = False) -> None:
        for left in reversed(range(TRIES)):
            try:
                await tool.link.permits.take(group, settling=settling)
            except Throttled as throttled:
                wait = _wait_for(throttled)
                if wait is None or wait > SHORT or not left:
                    raise
                await asyncio.sleep(wait)
            else:
                return

    async def _series_known(self, tool: AccountingPlugin, key: str) -> None:
        known = self.loop.series
        if (self.lane.administration_id, key) in known:
            return
        row = await self.loop.db.one(
            "SELECT 1 AS known FROM series WHERE administration_id = %s AND key = %s", self.lane.administration_id, key
        )
        if row is None:
            async with asyncio.timeout(tool.call_deadline * 4):
                last = await tool.last_number(key)
            async with self.loop.db.connection() as connection:
                await start_series(connection, self.lane.administration_id, key, last)
        known.add((self.lane.administration_id, key))

    async def _not_granted(self, seen: LinkSeen, booking: Booking) -> None:
        """No intent: the link has moved, the run is over, the lane is another's, or the series is held."""
        link = await read_link(self.loop.db, seen.id)
        if link.attempt != seen.attempt or link.state != seen.state or not link.current:
            raise Changed
        if booking.series is not None:
            held = await self.loop.db.one(
                """SELECT greatest(0, extract(epoch FROM l.settle_due - clock_timestamp()))::float8 AS seconds
                   FROM series s JOIN link l ON l.id = s.open_link
                   WHERE s.administration_id = %s AND s.key = %s AND l.state = 'intent'""",
                self.lane.administration_id,
                booking.series,
            )
            self.loop.series.discard((self.lane.administration_id, booking.series))  # its row may have been lost
            if held is not None:
                wait = held["seconds"] + ASKING.total_seconds()
                await self.lane.park(self.window, wait, "series", None, known_end=True)
        raise LetGo

    async def _open_attempt(self, tool: AccountingPlugin, link: LinkSeen) -> None:
        """An attempt without outcome: sent again where that is safe and it is this item's, else left to settle."""
        own = link.run_id == self.window.run["id"] and link.sequence == self.item.sequence
        settling = tool.about.party_settling if self.item.kind is ItemKind.PARTY else tool.about.settling
        repeatable = own and settling.repeatable and link.op == Op.CREATE
        if not repeatable or not await sent_since_look_up(self.loop.db, link):  # another attempt may have been lost
            self._tell_to_settle(link)
            return
        row = await self.loop.db.one(
            "SELECT booking, revision, series_number, party_entry FROM attempt WHERE link_id = %s AND number = %s",
            link.id,
            link.attempt,
        )
        assert row is not None
        self.open, self.revision = True, row["revision"]
        booking = booking_from(row["booking"])
        attempt = self._new_attempt(link, booking, Op.CREATE)
        attempt.number, attempt.series_number = link.attempt, row["series_number"]
        attempt.party_entry = row["party_entry"]
        await self._attach(tool, attempt)
        granted = Granted(link.id, link.attempt, link.version, row["series_number"])
        verdict = await self._repeat(tool, attempt, granted)
        after = await self._take(tool, link, booking, attempt, granted, verdict)
        if after is not None and after.state == "again":
            await self._by_link(tool, await self.read_again(link))

    async def read_again(self, link: LinkSeen) -> LinkSeen:
        """The link as it is now, what this lane recorded included."""
        await self.loop.recorder.written()
        return await read_link(self.loop.db, link.id)

    async def _repeat(self, tool: AccountingPlugin, attempt: Attempt, granted: Granted) -> Verdict:
        """Sends the same attempt once more; only booked, already there or number taken settle it."""
        self.sent_before = True
        try:
            if (group := tool.operation_group(attempt)) is not None:
                await self._permit(tool, group, settling=True)
        except Throttled:
            return Uncertain("no permit for a repeat")
        t0 = clock.boot_time()
        link = LinkSeen(
            **dict.fromkeys(LinkSeen.__dataclass_fields__)  # type: ignore[arg-type]
            | {"id": attempt.link_id, "attempt": attempt.number - 1}
        )
        intent = self._intent(tool, link, attempt.booking, attempt.op)
        async with self.loop.db.transaction() as connection:
            ours = await repeat_intent(connection, intent, granted.attempt)
        if ours is None:  # settled meanwhile, the run is over, or the lane is another's: the database knows
            raise LetGo
        verdict = await send(tool, again(attempt, t0))
        if settles(verdict) or isinstance(verdict, Uncertain):
            return verdict
        return Uncertain("the repeat was not answered either")

    async def _take(
        self,
        tool: AccountingPlugin,
        link: LinkSeen,
        booking: Booking,
        attempt: Attempt,
        granted: Granted,
        verdict: Verdict,
    ) -> LinkSeen | None:
        """Records what came of an attempt. A link in state `again` is to be tried once more."""
        if isinstance(verdict, Uncertain):
            verdict = await self._after_uncertain(tool, attempt, granted, verdict)
        if isinstance(verdict, Booked | Accepted | Refused | NumberTaken | AlreadyThere):
            self.lane.plugin_worked()
        link.attempt, link.version = granted.attempt, granted.link_version + 1
        self.item.link = link
        if isinstance(verdict, Booked | Accepted):
            self._booked(link, granted, verdict, attempt)
            return None
        if isinstance(verdict, NumberTaken | AlreadyThere):
            return await self._taken(tool, link, booking, attempt, granted, verdict)
        if isinstance(verdict, Uncertain):
            await self._to_settle(link, granted, verdict)
            return None
        if isinstance(verdict, Refused):
            self._refused(link, granted, verdict)
            return None
        self._record(granted, Outcome.NOT_PROCESSED)
        if isinstance(verdict, NotReady):
            self.tell(ItemState.NOT_READY, [verdict.issue])
        elif isinstance(verdict, NotProcessed):
            return _again(link)
        elif isinstance(verdict, Later):
            return await self._wait_or_raise(link, verdict)
        elif isinstance(verdict, Unexpected):
            if isinstance(verdict.error, AWAY):  # our own database, while the plugin asked for a token or a permit
                raise verdict.error
            await self._unexpected(verdict.error)
        else:
            raise verdict
        return None

    async def _after_uncertain(
        self, tool: AccountingPlugin, attempt: Attempt, granted: Granted, verdict: Verdict
    ) -> Verdict:
        settling = tool.about.party_settling if self.item.kind is ItemKind.PARTY else tool.about.settling
        if attempt.op is Op.CREATE and settling.repeatable and not attempt.repeat:
            self._record(granted, Outcome.UNCERTAIN)
            await self.loop.recorder.written()
            await asyncio.sleep(0.2)
            return await self._repeat(tool, attempt, granted)
        return verdict

    def _record(self, granted: Granted, outcome: Outcome, **more: Any) -> None:
        self.open = outcome is Outcome.UNCERTAIN
        self.booked = self.booked or outcome in (Outcome.BOOKED, Outcome.ACCEPTED)
        self.loop.recorder.outcome(
            AttemptOutcome(granted.link_id, granted.attempt, outcome, revision=self.revision, **more)
        )

    def _booked(self, link: LinkSeen, granted: Granted, entry: Booked | Accepted, attempt: Attempt) -> None:
        self.lane.uncertain = 0
        role = self.item.component if self.item.kind is ItemKind.PARTY else None
        link.version = granted.link_version + 1
        link.attempt = granted.attempt
        if isinstance(entry, Accepted):
            link.state = "accepted"
            self._record(granted, Outcome.ACCEPTED, accepted_token=entry.token)
            self.tell(ItemState.ACCEPTED, link=link)
            return
        link.state, link.entry_id, link.entry_number = "booked", entry.entry_id, entry.number
        link.refused_revision = None
        self.remarks += entry.remarks
        self._record(
            granted,
            Outcome.BOOKED,
            role=role,
            entry_id=entry.entry_id,
            entry_number=entry.number,
            entry_url=entry.url,
            entry_details=orjson.dumps(entry.details, default=str),
        )
        self._party_changed(link)
        number = entry.number if self.item.kind is ItemKind.DOCUMENT else None
        self.tell(ItemState.SYNCED, link=link, number=number, updated=attempt.op is Op.UPDATE)

    def _refused(self, link: LinkSeen, granted: Granted, refused: Refused) -> None:
        self.lane.uncertain = 0
        issues = [
            issue if issue.tool_words else issue.model_copy(update={"tool_words": refused.tool_words})
            for issue in refused.issues
        ]
        self._record(granted, Outcome.REFUSED, issues=_json(issues))
        link.version, link.attempt = granted.link_version + 1, granted.attempt
        link.refused_revision = self.revision
        self._party_changed(link)
        self.tell(ItemState.SKIPPED, issues, link=link)

    async def _to_settle(self, link: LinkSeen, granted: Granted, verdict: Uncertain) -> None:
        self._record(granted, Outcome.UNCERTAIN)
        link.state, link.attempt, link.version = "intent", granted.attempt, granted.link_version + 1
        self._party_changed(link)
        self.lane.uncertain += 1
        log.warning("item.uncertain", run=str(self.window.run["id"]), sequence=self.item.sequence, why=str(verdict))
        self._tell_to_settle(link)
        if self.window.unsettled is None:
            self.window.unsettled = self.item.component
        if self.lane.uncertain >= 2:
            self.lane.uncertain = 0
            facts = {"tool": self.loop.title, "trouble": verdict.trouble or "?"}
            issue = Issue(code="B06", severity=Severity.ERROR, facts=facts)
            await self.lane.park(self.window, 60, "tool_unavailable", issue)

    def _tell_to_settle(self, link: LinkSeen) -> None:
        issue = Issue(code="D28", severity=Severity.INFORMATION, facts={"tool": self.loop.title})
        self.tell(ItemState.TO_SETTLE, [issue], link=link)

    async def _taken(
        self,
        tool: AccountingPlugin,
        link: LinkSeen,
        booking: Booking,
        attempt: Attempt,
        granted: Granted,
        verdict: NumberTaken | AlreadyThere,
    ) -> LinkSeen | None:
        """The tool holds something under our number or key: ours is adopted, another's makes a new attempt."""
        try:
            async with asyncio.timeout(tool.resolve_deadline):
                resolution = (await tool.resolve([attempt])).get(attempt.link_id)
            found = await self._compared(link, booking, attempt, resolution)
        except Exception as trouble:
            log.warning("resolve.failed", tool=self.loop.name, error=type(trouble).__name__)
            await self._to_settle(link, granted, Uncertain("the tool could not be asked"))
            return None
        if found is not None and found.likeness is Likeness.OURS:
            ours = found.candidates[0]
            entry = sound(Booked(ours.entry_id, ours.number, ours.url))
            if isinstance(entry, Booked):
                self._booked(link, granted, entry, attempt)
                return None
        if found is None and (self.sent_before or isinstance(verdict, AlreadyThere)):
            # what was sent before may be what took the number, and its readers may lag: settling asks later
            await self._to_settle(link, granted, Uncertain("the tool cannot tell"))
            return None
        if found is not None and (found.likeness is not Likeness.OTHER or isinstance(verdict, AlreadyThere)):
            facts = {"number": self.item.title, "candidates": describe(found.candidates) or "?"}
            issue = Issue(code="D14", facts=facts)
            self._record(granted, Outcome.PERSON, issues=_json([issue]))
            self.tell(ItemState.NEEDS_PERSON, [issue], link=link)
            return None
        return await self._next_number(tool, link, booking, granted, verdict)

    async def _compared(self, link: LinkSeen, booking: Booking, attempt: Attempt, resolution: object) -> Match | None:
        """How what the tool holds compares with what was sent; None where it says that it holds nothing."""
        if isinstance(resolution, Absent):
            return None
        if not isinstance(resolution, Found):
            raise ToolUnavailable("it cannot tell")
        others = await self._of_others(link, resolution.candidates)
        free = [one for one in resolution.candidates if one.entry_id not in others]
        found = match(booking, attempt.party_entry, free)
        if found.likeness is Likeness.OTHER and any(bears_reference(booking, one) for one in free):
            return Match(Likeness.PERHAPS, tuple(free))  # perhaps ours, corrected meanwhile
        return found

    async def _next_number(
        self,
        tool: AccountingPlugin,
        link: LinkSeen,
        booking: Booking,
        granted: Granted,
        verdict: NumberTaken | AlreadyThere,
    ) -> LinkSeen:
        """The number is another's: the series is corrected, and a new attempt is made."""
        self._record(granted, Outcome.NOT_PROCESSED)
        await self.loop.recorder.written()
        if booking.series is not None:
            last = verdict.last if isinstance(verdict, NumberTaken) else None
            if last is None:
                async with asyncio.timeout(tool.call_deadline * 4):
                    last = await tool.last_number(booking.series)
            async with self.loop.db.connection() as connection:
                await correct_series(connection, self.lane.administration_id, booking.series, last)
        return _again(link)

    async def _wait_or_raise(self, link: LinkSeen, trouble: Later) -> LinkSeen:
        wait = _wait_for(trouble)
        if wait is None or wait > SHORT:
            raise trouble
        await self.loop.recorder.written()
        await asyncio.sleep(wait)
        return _again(link)

    # trouble

    async def stops_worker(self) -> None:
        """Sets aside what was started several times in vain, without any code of a plugin.

        What may stand in the tool is left to settling: only a free link can be called skipped.
        """
        link, run_id = self.item.link, self.window.run["id"]
        reference = uuid4().hex[:8]
        log.error("item.stops_worker", run=str(run_id), sequence=self.item.sequence, reference=reference)
        if link is not None and link.state == "intent":
            self._tell_to_settle(link)
            return
        self.tell(ItemState.SKIPPED, [Issue(code="D32", facts={"reference": reference})])
        await self.loop.recorder.written()
        so_far = await self.loop.db.one(
            """SELECT count(*) AS number FROM item
               WHERE run_id = %s AND state = 'skipped' AND issues @> '[{"code": "D32"}]'""",
            run_id,
        )
        if so_far is not None and so_far["number"] % STOPPERS == 0:
            await self._park_for_circuit(reference, SECONDS)

    async def _park_for_circuit(self, reference: str, seconds: float) -> None:
        issue = Issue(code="D16", severity=Severity.ERROR, facts={"reference": reference})
        await self.lane.park(self.window, seconds, "circuit", issue)

    async def set_aside(self, trouble: Exception) -> None:
        """What went wrong before anything was sent is the item's own: the others go on."""
        if isinstance(trouble, Refused):
            self.tell(ItemState.SKIPPED, trouble.issues)
        elif isinstance(trouble, NotReady):
            self.tell(ItemState.NOT_READY, [trouble.issue])
        else:
            await self._unexpected(trouble)

    async def _unexpected(self, bug: BaseException) -> None:
        await self._fault([unexpected(self.loop.name, bug)])

    async def _fault(self, issues: Sequence[Issue]) -> None:
        """An unexpected error: the item's own, which is skipped, or the plugin's, and then nothing is.

        A list that cannot be read is one item of a run, and says nothing about documents.
        """
        reference = next((one.facts["reference"] for one in issues if "reference" in one.facts), "?")
        if self.item.kind is not ItemKind.PULL and self.lane.plugin_failed(reference):
            log.error("circuit.open", tool=self.loop.name, run=str(self.window.run["id"]), reference=reference)
            await self._park_for_circuit(reference, SECONDS)
        self.tell(ItemState.SKIPPED, [*issues])

    async def park(self, trouble: Later | NotProcessed) -> None:
        """Parks the run for trouble that is longer than what is waited out in place."""
        until = getattr(trouble, "until", None)
        wait = _wait_for(trouble)
        # a limit that is reset each minute is no end if it is spent again each time
        known = isinstance(trouble, Throttled) and wait is not None and wait >= A_MINUTE
        throttled = isinstance(trouble, Throttled)
        told = getattr(trouble, "issue", None) or Issue(
            code="B05" if throttled else "B06",
            severity=Severity.ERROR,
            facts={
                "tool": self.loop.title,
                "until": until.isoformat() if until else "?",
                "trouble": getattr(trouble, "trouble", None) or "?",
            },
        )
        issue = told.model_copy(update={"tool_words": told.tool_words or trouble.tool_words})
        seconds = max(SHORT, wait) if wait is not None else A_MINUTE
        reason = "limit" if throttled else "tool_unavailable"
        await self.lane.park(self.window, seconds, reason, issue, known_end=known)

    async def stop_component(self, denied: AccessDenied) -> None:
        """A right is missing: the component ends as Error; those beside it go on."""
        issue = denied.issue.model_copy(update={"tool_words": denied.tool_words})
        async with self.loop.db.transaction() as connection:
            await component_error(connection, self.window.run["id"], self.item.component, issue)
        errors = {self.item.component: True, **dict.fromkeys(self.window.run["component_errors"], True)}
        self.window.held |= set(held_back(errors))
        self.finished()

    async def break_login(self, broken: LoginBroken) -> None:
        """Credentials are gone: the run ends, and a person must reconnect."""
        issue = broken.issue.model_copy(update={"tool_words": broken.tool_words})
        await self.loop.recorder.written()
        row = await self.loop.db.one("SELECT login_id FROM connection WHERE id = %s", self.window.run["connection_id"])
        async with self.loop.db.transaction() as connection:
            if row is not None:
                await mark_broken(connection, row["login_id"])
            await finish_run(connection, self.window.run["id"], broken=issue)
        raise LetGo  # a login that is refused again and again gets locked

    # telling

    def _party_entry(self) -> str | None:
        party = self.window.parties.get(self.item.party_identity or "")
        return party.entry_id if party is not None else None

    def _party_changed(self, link: LinkSeen) -> None:
        if self.item.kind is ItemKind.PARTY:
            self.window.parties[self.item.identity] = link

    def tell(
        self,
        state: ItemState,
        issues: "list[Issue] | tuple[Issue, ...]" = (),
        *,
        link: LinkSeen | None = None,
        number: str | None = None,
        updated: bool = False,
    ) -> None:
        """Gives the item its outcome; its event is delivered once that is committed."""
        run, item = self.window.run, self.item
        link = link or item.link
        if state in (ItemState.SYNCED, ItemState.ACCEPTED, ItemState.TO_SETTLE):
            issues = [*issues, *self.remarks]
        booking_number = number or (link.entry_number if link and item.kind is ItemKind.DOCUMENT else None)
        outcome = events.ItemOutcome(
            run_id=run["id"],
            tenant_id=run["tenant_id"],
            entity_id=run["entity_id"],
            connection_id=run["connection_id"],
            administration_id=run["administration_id"],
            component=item.component,
            kind=item.kind,
            sequence=item.sequence,
            state=state,
            identity=item.identity,
            revision=self.revision,
            document_number=item.title if item.kind is ItemKind.DOCUMENT else None,
            booking_number=booking_number,
            entry_id=link.entry_id if link else None,
            updated=updated,
            attempt=link.attempt if link else 0,
            link_version=link.version if link else 0,
            issues=tuple(PublicIssue.of(issue) for issue in issues),
            occurred_at=clock.now(),
        )
        record = outcome_record(outcome)
        row = ItemOutcome(
            run_id=run["id"],
            sequence=item.sequence,
            state=state,
            event=record.value,
            issues=_json(issues),
            attempt=outcome.attempt,
            link_version=outcome.link_version,
            booking_number=booking_number,
            entry_id=outcome.entry_id,
            updated=updated,
            link_id=link.id if link else None,
            releases=self.loop.parts.plugins.releases(self.loop.name) if link and state is ItemState.SKIPPED else None,
        )
        item.state = state
        self.loop.recorder.tell(Told(row, record, self.finished))


def same_revision(item: ItemSeen, before: str | None) -> bool:
    """Whether the item still is what `before` was computed from, perhaps by an older release."""
    now = item.revision
    if before == now or before is None or now is None:
        return before == now
    if before.partition(":")[0] == now.partition(":")[0]:
        return False
    try:
        if item.kind is ItemKind.PARTY:
            return same_party(before, item.party())
        return same_document(before, item.document())
    except KeyError:  # a newer release computed it: nothing says that anything has changed
        return True


def _again(link: LinkSeen) -> LinkSeen:
    link.state = "again"
    return link


def _json(issues: "list[Issue] | tuple[Issue, ...]") -> bytes:
    return orjson.dumps([issue.model_dump(mode="json") for issue in issues]) if issues else b"[]"


def _wait_for(trouble: Later | NotProcessed) -> float | None:
    """Seconds until it may be tried again, where that is known."""
    if isinstance(trouble, NotProcessed) or trouble.until is None:
        return None
    return trouble.seconds if trouble.seconds is not None else max(0.0, (trouble.until - clock.now()).total_seconds())
