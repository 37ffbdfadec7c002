"""Octopus as an accounting tool: the REST API of one dossier (reference: api.md)."""

from base64 import b64encode
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from dagboek_schemas.documents import Document, LedgerAccount, Party, PaymentStatus
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.accounting import (
    About,
    AccountingPlugin,
    Administration,
    EntriesPage,
    Link,
    Lists,
    MappingContext,
    Period,
    Settling,
)
from dagboek_sdk.attempt import Absent, Attempt, Booked, Booking, Candidate, Found, Op, Resolution
from dagboek_sdk.errors import (
    AccessDenied,
    NotReady,
    NumberTaken,
    Refused,
    Throttled,
    ToolError,
    ToolUnavailable,
    Trouble,
    Uncertain,
)
from dagboek_sdk.limits import Limit

from dagboek_octopus import entries, errors, lists, mapping, payments, quotas, relations
from dagboek_octopus.client import BEGINNING, Octopus, time_stamp
from dagboek_octopus.entries import EntryId
from dagboek_octopus.settings import OctopusSettings
from dagboek_octopus.tokens import Tokens

OVERLAP = timedelta(days=1)
"""What a next change pull reads again: the time zone of Octopus' time stamps is not known."""

YEARS_OF_JOURNALS = 8
"""Book years whose journals are read, one call each: twice a day, and 8 of the 24 calls are left for settling."""

SINGLE_READS = 2
"""Uncertain bookings of one journal that are looked up one by one; more are looked up in one list."""


class OctopusPlugin(AccountingPlugin):
    """One connection to one dossier. Documents are numbered by us, gapless per book year and journal."""

    about: ClassVar[About] = About(
        name="octopus",
        title="Octopus",
        countries=frozenset(("BE",)),
        components=tuple(Component),
        settings=OctopusSettings,
        updates_documents=True,
        attachments=True,
        settling=Settling.NUMBER,
        party_settling=Settling.KEY,
        resolve_deadline=600.0,  # a list of all bookings, of each journal and book year that is asked about
        settle_lag=5.0,
        reads_periods=True,
    )

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.settings: OctopusSettings = link.settings
        self.client.secrets |= {self.settings.password.get_secret_value()}
        self.octopus = Octopus(
            self.client, Tokens(link, self.settings, self.client), self.settings, link.administration
        )
        self._directory: relations.Directory | None = None
        self._tables: tuple[Lists, lists.Tables] | None = None

    @property
    def call_deadline(self) -> float:
        """As the connection's settings say."""
        return float(self.link.settings.call_deadline)

    # connect

    async def administrations(self) -> Sequence[Administration]:
        """The dossiers. A disabled one is listed without a usable key."""
        found = []
        for dossier in await self.octopus.dossiers():
            key = (dossier.get("dossierKey") or {}).get("id")
            found.append(
                Administration(
                    id=str(key) if key else "",
                    name=dossier.get("dossierDescription") or str(key or ""),
                    vat_number=dossier.get("vatNr") or None,
                    country=(dossier.get("country") or "").strip() or None,
                    disabled=not key,
                )
            )
        return found

    async def missing_rights(self) -> Sequence[Issue]:
        """Rights are those of the Octopus user; those that a read does not show come out at the first write."""
        try:
            await self.octopus.read("/bookyears", quotas.BOOK_YEARS)
        except AccessDenied as denied:
            return (denied.issue,)
        return ()

    async def prepare(self) -> None:
        """Makes sure of a dossier token that lasts, so that a write need not wait for one."""
        await self.octopus.tokens.dossier()

    @classmethod
    def limits(cls, settings: Any, administration: str, domain: str) -> Sequence[Limit]:
        """Calls a day of each kind of call."""
        if settings.lift_limits:
            return ()
        return quotas.limits(settings.base_url, settings.user, administration)

    # lists

    async def lists(self) -> Lists:
        """Book years, journals and accounts of the years that are open, VAT codes, cost centres, currencies.

        Most of them may be read twice a day; Throttled when they were: keep the lists of before. Journals are read of
        the newest book years, accounts of today's, and both of all where limits are lifted; what is missing in the
        others counts as unknown there.
        """
        try:
            years = await self._book_years()
            open_years = [year for year in years if not year.get("closed")]
            by_year = {
                _id(year): await self._list(f"/bookyears/{_id(year)}/journals", quotas.JOURNALS)
                for year in open_years[: None if self.settings.lift_limits else YEARS_OF_JOURNALS]
            }
            accounts = await self._accounts(open_years)
            return {
                "book_years": lists.book_year_rows(years, frozenset(accounts), frozenset(by_year)),
                "journals": lists.journal_rows(by_year),
                "vat_codes": lists.vat_code_rows(await self._list("/vatcodes", quotas.VAT_CODES)),
                "ledger_accounts": lists.account_rows(one for every in accounts.values() for one in every),
                "cost_centres": lists.cost_centre_rows(await self._list("/costcentres", quotas.COST_CENTRES)),
                "currencies": lists.currency_rows(await self._list("/currencies", quotas.CURRENCIES)),
            }
        except (KeyError, TypeError, ValueError) as odd:
            raise ToolUnavailable(f"a list that cannot be read: {type(odd).__name__}", trouble=Trouble.PAGE) from odd

    async def ledger_accounts(self) -> Sequence[LedgerAccount]:
        """Accounts of today's book year. NotReady when they were read twice today, which is all that is allowed."""
        year = _newest_first([one for one in await self._book_years() if not one.get("closed")])[:1]
        if not year:
            return ()
        try:
            accounts = await self._accounts_of(_id(year[0]))
        except Throttled as throttled:
            raise NotReady(Issue(code="O37")) from throttled
        return [
            LedgerAccount(
                code=str(one["accountKey"]["id"]),
                name=lists.description(one) or str(one["accountKey"]["id"]),
                book_year=_id(year[0]),
            )
            for one in accounts
        ]

    # map

    def map_party(self, party: Party, component: Component, context: MappingContext) -> Booking:
        """The body of PUT /relations but for its keys."""
        return mapping.map_party(party, component, context)

    def map_document(self, document: Document, component: Component, context: MappingContext) -> Booking:
        """The body of POST /buysellbookings but for number and relation."""
        known = self._tables
        if known is None or known[0] is not context.lists:
            known = self._tables = context.lists, lists.tables(context.lists)
        return mapping.map_document(document, context, known[1], self.settings)

    # parties and what is there already

    async def match_parties(self, parties: Mapping[str, Party]) -> Mapping[str, Sequence[Candidate]]:
        """Relations by VAT or company number (one active: certain), else by whole name (never certain)."""
        try:
            directory = await self._relations()
        except Throttled:  # read too often today; a search has a limit of its own
            return {identity: (await self._searched(party)).matches(party) for identity, party in parties.items()}
        return {identity: directory.matches(party) for identity, party in parties.items()}

    async def entries(self) -> Sequence[Candidate]:
        """All purchase and sales bookings of the book years that are open."""
        found: list[Candidate] = []
        for year in await self._book_years():
            if not year.get("closed"):
                params = {"bookyearId": _id(year), "modifiedTimeStamp": BEGINNING}
                found += entries.candidates(await self._modified(params, settling=False))
        return found

    # audit

    async def entries_of(self, period: Period, cursor: str | None) -> EntriesPage:
        """All bookings of a book year in a call, of each that the period touches, also of a closed one.

        Amounts are in the currency of each booking. What was deleted is not in the list.
        """
        if cursor is None:
            touched = [year for year in await self._book_years() if _touches(year, period)]
            years = [_id(year) for year in touched]
        else:
            years = cursor.split(",")
        if not years:
            return EntriesPage(())
        params = {"bookyearId": years[0], "modifiedTimeStamp": BEGINNING}
        found = entries.candidates(await self._modified(params, settling=False))
        return EntriesPage(found, ",".join(years[1:]) or None)

    def calls_of(self, period: Period, booked: int) -> int:
        """The book years, and each of them."""
        return 2 + period.last.year - period.first.year

    # push

    async def push(self, attempt: Attempt) -> Booked:
        """One PUT of a relation, one POST of a booking, or one PUT of a booking that is there."""
        if attempt.kind is ItemKind.PARTY:
            return await self._push_party(attempt)
        if attempt.op is Op.UPDATE:
            return await self._update_document(attempt)
        return await self._push_document(attempt)

    def operation_group(self, attempt: Attempt) -> str | None:
        """Updates of documents are ten a day, so they have a group of their own."""
        if attempt.kind is ItemKind.PARTY:
            return quotas.RELATION_WRITE
        return quotas.BOOKING_UPDATE if attempt.op is Op.UPDATE else quotas.BOOKING_CREATE

    async def last_number(self, series: str) -> int:
        """The last number of `bookyear:journal`, from the journal itself, else from the list of journals."""
        year, _, journal = series.partition(":")
        letter, place = journal[:1], journal[1:]
        group = quotas.SELL_JOURNAL if letter == "V" else quotas.BUY_JOURNAL
        try:
            found = await self.octopus.read(f"/bookyears/{year}/journals/{letter}/{place}", group, settling=True)
            return int(found["commonJournalServiceData"]["nextDocumentNumber"]) - 1
        except (Throttled, Refused, KeyError, TypeError):
            pass
        for row in await self._list(f"/bookyears/{year}/journals", quotas.JOURNALS, settling=True):
            if row.get("journalKey") == journal:
                return int(row.get("lastBookedDocumentNr") or 0)
        raise Refused(Issue(code="O11", facts={"journal": journal, "book_year": self._year_name(year), "code": ""}))

    def classify(self, answer: Any) -> ToolError | None:
        """What an answer means; see `errors`."""
        return errors.classify(answer)

    # settle

    async def resolve(self, attempts: Sequence[Attempt]) -> Mapping[int, Resolution]:
        """Looks where each attempt would stand: its number, its external relation number, its changed content."""
        found: dict[int, Resolution] = {}
        by_journal: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
        for attempt in attempts:
            if attempt.kind is ItemKind.PARTY:
                found[attempt.link_id] = await self._resolve_party(attempt)
            else:
                entry = _entry_of(attempt)
                by_journal[entry.book_year, entry.journal].append(attempt)
        for (year, journal), waiting in by_journal.items():
            bookings = await self._bookings(year, journal, [_entry_of(attempt).number for attempt in waiting])
            for attempt in waiting:
                found[attempt.link_id] = _resolved(attempt, bookings)
        return found

    # pull

    async def payment_statuses(
        self, open_entries: Sequence[str], cursor: str | None
    ) -> tuple[Sequence[PaymentStatus], str | None]:
        """Payment states out of the open items from the book year of each entry on, proved by balancings."""
        started = clock.now()
        asked = [EntryId.parse(entry) for entry in open_entries]
        if not asked:
            return (), cursor
        proof = payments.balanced(await self._balancings(cursor or BEGINNING))
        items, empty = await self._open_items({*asked, *proof.undone})
        totals: dict[EntryId, Decimal] = {}
        doubtful = [entry for entry in asked if entry not in items]
        if doubtful and cursor and len(payments.statuses(doubtful, items, proof, totals, empty)) < len(doubtful):
            undone = proof.undone
            proof = payments.balanced(await self._balancings(BEGINNING))
            proof.undone = undone
        for year in {one.book_year for one in doubtful if one in proof.amounts and one not in proof.totals}:
            totals |= await self._totals(year)
        return payments.statuses(asked, items, proof, totals, empty), time_stamp(started - OVERLAP)

    # parts of the above

    def _year_name(self, year: str) -> str:
        """What people call a book year, whose id Octopus shows nowhere."""
        years = self._tables[1].years if self._tables else ()
        return next((one.name for one in years if one.id == year), year)

    async def _list(self, path: str, group: str, *, settling: bool = False) -> list[Any]:
        answer = await self.octopus.read(path, group, settling=settling)
        return answer if isinstance(answer, list) else []

    async def _book_years(self) -> list[dict[str, Any]]:
        """Newest first."""
        years = await self._list("/bookyears", quotas.BOOK_YEARS)
        return sorted(years, key=lambda year: str(year.get("startDate")), reverse=True)

    async def _accounts(self, years: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[Mapping[str, Any]]]:
        """Accounts by book year: of today's alone, as two reads a day leave room for no more, or of all."""
        chosen = _newest_first(years)
        return {
            _id(year): await self._accounts_of(_id(year)) for year in chosen[: None if self.settings.lift_limits else 1]
        }

    async def _accounts_of(self, year: str) -> list[dict[str, Any]]:
        return await self.octopus.read("/accounts", quotas.ACCOUNTS, {"bookyearId": year}, slow=True) or []

    async def _relations(self) -> relations.Directory:
        if self._directory is None or not self._directory.fresh:
            params = {"modifiedTimeStamp": BEGINNING}
            answer = await self.octopus.read("/relations/modified", quotas.RELATIONS_MODIFIED, params, slow=True)
            self._directory = relations.Directory.of((answer or {}).get("modified") or ())
        return self._directory

    async def _search(self, conditions: dict[str, str], *, settling: bool = False) -> Sequence[Mapping[str, Any]]:
        """Relations that meet any of the conditions, active or not."""
        return await self.octopus.read("/relations", quotas.RELATION_SEARCH, conditions, settling=settling) or ()

    async def _searched(self, party: Party) -> relations.Directory:
        """What a search for one party finds, by its number and its whole name."""
        number = mapping.octopus_vat_number(party.vat_number or party.company_number, party.address.country)
        conditions = {"name": party.name} | ({"vatNr": number} if number else {})
        return relations.Directory.of(await self._search(conditions))

    async def _relation_with(self, number: int, *, settling: bool) -> Mapping[str, Any] | None:
        found = await self._search({"extRelationId": str(number)}, settling=settling)
        return next((one for one in found if relations.external_id(one) == number), None)

    def _external(self, attempt: Attempt) -> int:
        return self.settings.external_id_base + attempt.link_no

    async def _push_party(self, attempt: Attempt) -> Booked:
        """A relation that we know by its key keeps its external number: it may be another program's."""
        if attempt.entry_id:
            return await self._update_party(attempt, attempt.entry_id)
        number = self._external(attempt)
        await self._refuse_foreign(attempt, number)
        body = {"relationIdentificationServiceData": {"externalRelationId": number}, **attempt.booking.payload}
        answer = await self.octopus.write(attempt, "PUT", "/relations", body)
        return await self._new_relation(number, answer.json() if answer.body.strip() else None)

    async def _update_party(self, attempt: Attempt, key: str) -> Booked:
        """A key that is gone, such as of a relation merged into another, would be made anew: that is refused."""
        found = await self._search({"relationId": key}, settling=attempt.repeat)
        relation = next((one for one in found if relations.relation_id(one) == key), None)
        if relation is None:
            raise Refused(Issue(code="O14"))
        body = {
            "relationIdentificationServiceData": {"relationKey": {"id": int(key)}},
            **relations.changed(relation, attempt.booking.payload),
        }
        await self.octopus.write(attempt, "PUT", "/relations", body)
        return Booked(key, key)

    async def _refuse_foreign(self, attempt: Attempt, number: int) -> None:
        """An upsert on a number that another relation bears would overwrite that relation."""
        known = self._directory
        if known and known.fresh:
            relation = known.by_external.get(number)
        else:
            relation = await self._relation_with(number, settling=attempt.repeat)
        if relation and not relations.is_same(relation, attempt.booking.payload):
            facts = {"number": str(number), "name": str(relation.get("name") or "")}
            raise Refused(Issue(code="O30", facts=facts))

    async def _new_relation(self, number: int, answer: Any) -> Booked:
        """The key of what was written: in the answer of a new one, read back for one that was merged."""
        relation: Mapping[str, Any] | None = answer if isinstance(answer, dict) else None
        if relation and relations.external_id(relation) not in (None, number):  # an answer that came twice
            raise Uncertain("written, but the answer is of another relation")
        if relation is None or not relations.relation_id(relation):
            try:
                relation = await self._relation_with(number, settling=True)
            except ToolError as trouble:
                raise Uncertain("written, but the relation could not be read back") from trouble
        key = relations.relation_id(relation) if relation else None
        if relation is None or key is None:
            raise Uncertain("written, but the relation was not found again")
        if self._directory:
            self._directory.add(relation)
        return Booked(key, key)

    async def _push_document(self, attempt: Attempt) -> Booked:
        payload, number = attempt.booking.payload, attempt.series_number
        if number is None or not attempt.party_entry:
            raise ValueError("a document needs its number and its relation")
        booking = _body(payload, number, attempt.party_entry)
        files = [
            {"fileName": one.file_name, "fileData": b64encode(one.content).decode("ascii")}
            for one in attempt.attachments
        ]
        body = {"buySellBookingServiceData": booking, "attachments": files}
        try:
            await self.octopus.write(attempt, "POST", "/buysellbookings", body)
        except NumberTaken as taken:
            taken.last = errors.last_number(taken.tool_words, number, self.link.administration)
            raise
        except Refused as refused:
            raise self._detailed(attempt, refused) from None
        return Booked(str(EntryId(str(payload["bookyearKey"]["id"]), payload["journalKey"], number)), str(number))

    async def _update_document(self, attempt: Attempt) -> Booked:
        """Book year, journal and number stay: a booking cannot move. Cost centres set by hand are lost (O09)."""
        payload = attempt.booking.payload
        entry = EntryId.parse(attempt.entry_id or "")
        if (str(payload["bookyearKey"]["id"]), payload["journalKey"]) != (entry.book_year, entry.journal):
            raise Refused(Issue(code="O36", facts={"entry": str(entry)}))
        if not attempt.party_entry:
            raise ValueError("a document needs its relation")
        try:
            await self.octopus.write(
                attempt, "PUT", "/buysellbookings", _body(payload, entry.number, attempt.party_entry)
            )
        except Refused as refused:
            raise self._detailed(attempt, refused, entry) from None
        remark = Issue(code="O09", severity=Severity.INFORMATION, facts={"entry": str(entry)})
        return Booked(str(entry), str(entry.number), remarks=(remark,))

    def _detailed(self, attempt: Attempt, refused: Refused, entry: EntryId | None = None) -> Refused:
        """`refused` with what the booking consists of, since Octopus does not say which part it means."""
        payload = attempt.booking.payload
        known = mapping.facts(payload) | {"book_year": self._year_name(str(payload["bookyearKey"]["id"]))}
        if entry:
            known["entry"] = str(entry)
        issues = [
            issue.model_copy(update={"facts": known | issue.facts, "code": _of_update(issue) if entry else issue.code})
            for issue in refused.issues
        ]
        detailed = Refused(issues, tool_words=refused.tool_words)
        if attempt.verdict is refused:
            attempt.verdict = detailed
        return detailed

    async def _resolve_party(self, attempt: Attempt) -> Resolution:
        """A write by our own number either stands under it or nowhere. An update may simply be sent again."""
        if attempt.entry_id:
            return Absent()
        relation = await self._relation_with(self._external(attempt), settling=True)
        return Found((relations.as_found(relation),)) if relation else Absent()

    async def _bookings(self, year: str, journal: str, numbers: Sequence[int]) -> dict[str, Mapping[str, Any]]:
        """Bookings of a journal by entry id: few one by one, which is limited to ten a day, many in one list."""
        found: list[Mapping[str, Any]] = []
        try:
            if len(numbers) > SINGLE_READS:
                raise Throttled(None)
            for number in numbers:
                params = {"bookyearId": year, "journalKey": journal, "documentSeqNr": str(number)}
                booking = await self.octopus.read("/buysellbookings", quotas.BOOKING_READ, params, settling=True)
                found += [booking] if booking else []
        except Throttled:
            params = {"bookyearId": year, "journalKey": journal, "modifiedTimeStamp": BEGINNING}
            found = list(await self._modified(params, settling=True))
        return {str(entry): booking for booking in found if (entry := EntryId.of(booking))}

    async def _modified(self, params: dict[str, str], *, settling: bool) -> Sequence[Mapping[str, Any]]:
        path, group = "/buysellbookings/modified", quotas.BOOKINGS_MODIFIED
        return await self.octopus.read(path, group, params, settling=settling, slow=True) or ()

    async def _open_items(self, asked: Collection[EntryId]) -> tuple[dict[EntryId, payments.OpenItem], frozenset[str]]:
        """Open items from the oldest book year that is asked for, and the journal letters whose report was empty."""
        years = {_id(year): year for year in await self._book_years()}
        wanted = [years[entry.book_year] for entry in asked if entry.book_year in years]
        items: dict[EntryId, payments.OpenItem] = {}
        empty = set()
        reports = (("V", "clients", quotas.OPEN_CLIENTS), ("A", "suppliers", quotas.OPEN_SUPPLIERS))
        for letter, side, group in reports:
            if not any(entry.journal.startswith(letter) for entry in asked):
                continue
            if not wanted:
                empty.add(letter)
                continue
            first = min(wanted, key=lambda year: str(year["startDate"]))
            query = _report_query(first, max(years.values(), key=lambda year: str(year["startDate"])))
            found = payments.open_items(await self.octopus.report(f"/reports/{side}/open", group, query))
            items |= found
            if not found:
                empty.add(letter)
        return items, frozenset(empty)

    async def _balancings(self, since: str) -> Any:
        params = {"modifiedTimeStamp": since}
        return await self.octopus.read("/balancings/modified", quotas.BALANCINGS, params, slow=True)

    async def _totals(self, year: str) -> dict[EntryId, Decimal]:
        """Totals of the bookings of a year, in the accounting currency."""
        params = {"bookyearId": year, "modifiedTimeStamp": BEGINNING}
        totals = {}
        for booking in await self._modified(params, settling=False):
            entry, total = EntryId.of(booking), entries.amount(booking.get("amount"))
            if entry and total is not None and (booking.get("currencyCode") or "EUR") == "EUR":
                totals[entry] = abs(total)
        return totals


def _id(year: Mapping[str, Any]) -> str:
    return str(year["bookyearKey"]["id"])


def _touches(year: Mapping[str, Any], period: Period) -> bool:
    first, last = (date.fromisoformat(str(year[name])[:10]) for name in ("startDate", "endDate"))
    return first <= period.last and period.first <= last


def _newest_first(years: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The book year of today, then those before it, newest first, then those to come."""
    today = clock.now().date().isoformat()
    begun = [year for year in years if str(year["startDate"]) <= today]
    return [*begun, *reversed([year for year in years if year not in begun])]


def _body(payload: Mapping[str, Any], number: int, relation: str) -> dict[str, Any]:
    body = mapping.wire(payload)
    body["documentSequenceNr"] = number
    body["relationIdentificationServiceData"] = {"relationKey": {"id": int(relation)}}
    return body


def _of_update(issue: Issue) -> str:
    """What a refusal means where an entry was to be changed: its period is closed by now, or it is gone."""
    gone = issue.code == errors.UNRECOGNISED and issue.facts.get("status") == "404"
    return "O08" if issue.code == "O01" else "O23" if gone else issue.code


def _entry_of(attempt: Attempt) -> EntryId:
    if attempt.op is Op.UPDATE and attempt.entry_id:
        return EntryId.parse(attempt.entry_id)
    payload = attempt.booking.payload
    return EntryId(str(payload["bookyearKey"]["id"]), payload["journalKey"], attempt.series_number or 0)


def _resolved(attempt: Attempt, bookings: Mapping[str, Mapping[str, Any]]) -> Resolution:
    booking = bookings.get(str(_entry_of(attempt)))
    found = entries.candidate(booking) if booking else None
    if booking is None or found is None:
        return Absent()
    if attempt.op is Op.UPDATE:
        same_party = attempt.party_entry in (None, found.party_id)
        if not (same_party and entries.same_content(attempt.booking.payload, booking)):
            return Absent()
    return Found((found,))


def _report_query(first: Mapping[str, Any], last: Mapping[str, Any]) -> dict[str, Any]:
    """All relations, from the first period of one book year to the last of another."""
    return {
        "fromBookyearKey": first["bookyearKey"],
        "toBookyearKey": last["bookyearKey"],
        "fromBookyearPeriodNr": min(int(one["bookyearPeriod"]) for one in first["periods"]),
        "toBookyearPeriodNr": max(int(one["bookyearPeriod"]) for one in last["periods"]),
        "relationId": -1,
        "externalRelationId": -1,
    }
