"""Exact Online as an accounting tool: the REST API of one division (reference: api.md)."""

from base64 import b64encode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from dagboek_schemas.documents import Direction, Document, LedgerAccount, Party, PaymentStatus
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.accounting import (
    About,
    Administration,
    Attaching,
    EntriesPage,
    Link,
    Lists,
    MappingContext,
    Period,
    Row,
    Settling,
)
from dagboek_sdk.attempt import Absent, AttachedFile, Attempt, Booked, Booking, Candidate, Found, Op, Resolution
from dagboek_sdk.errors import AccessDenied, AlreadyThere, Refused, ToolError, ToolUnavailable, Trouble, Uncertain
from dagboek_sdk.http import Answer
from dagboek_sdk.limits import Budget, Limit
from dagboek_sdk.oauth import Identity, OAuth, OAuthPlugin

from dagboek_exact import entries, errors, lists, logins, mapping, odata, payments, quotas, relations
from dagboek_exact.client import Exact
from dagboek_exact.entries import EntryId
from dagboek_exact.settings import ExactSettings

JOURNALS, VAT_CODES, ACCOUNTS = "financial/Journals", "vat/VATCodes", "financial/GLAccounts"
PERIODS = "financial/FinancialPeriods"
STATUSES, TERMS = "read/financial/JournalStatusList", "cashflow/PaymentConditions"
CENTRES, UNITS, CURRENCIES = "hrm/Costcenters", "hrm/Costunits", "general/Currencies"
DOCUMENTS, FILES, DOCUMENT_TYPES = "documents/Documents", "documents/DocumentAttachments", "documents/DocumentTypes"

YEARS_BACK = 3
"""Years whose closed periods are read, beside this one and later ones; Exact itself refuses what is older."""

PAGE = 60
"""Rows of a page (api.md section 4)."""

ACTIVE = 1
"""Status of a division that can be used; others are inactive or archived."""

LARGEST_FILE = 10 * 1024 * 1024
"""Bytes of a file at most: Exact takes bodies of 10 MB, and counts what a file is before it is written as text."""


class ExactPlugin(OAuthPlugin):
    """One connection to one division. Exact numbers entries; they are found again by the document's number."""

    about: ClassVar[About] = About(
        name="exact",
        title="Exact Online",
        countries=frozenset(("BE", "NL")),
        components=tuple(Component),
        settings=ExactSettings,
        attaches=True,
        settling=Settling.LOOK_UP,
        party_settling=Settling.KEY,
        resolve_deadline=300.0,
        settle_lag=5.0,
        reads_periods=True,
        keep_alive_days=30,
    )

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.settings: ExactSettings = link.settings
        self.client.secrets |= {self.settings.client_secret.get_secret_value()}
        self.exact = Exact(self, self.settings.address, self.settings.client_id, link.administration)
        self._tables: tuple[Lists, lists.Tables] | None = None

    @property
    def call_deadline(self) -> float:
        """As the connection's settings say."""
        return float(self.link.settings.call_deadline)

    # connect

    @classmethod
    def oauth(cls, settings: Any) -> OAuth:
        """Exact's authorisation server is on the site of the country."""
        return logins.oauth(settings)

    async def identity(self) -> Identity:
        """Exact keeps one chain of tokens per app and user."""
        me = await self.exact.me()
        return Identity(id=str(me["UserID"]), name=lists.text(me.get("FullName")) or lists.text(me.get("UserName")))

    async def administrations(self) -> Sequence[Administration]:
        """The divisions that the user can reach, however many; archived ones cannot be chosen."""
        me = await self.exact.me()
        found = []
        for row in await self.exact.divisions(str(me["CurrentDivision"])):
            found.append(
                Administration(
                    id=str(row["Code"]),
                    name=lists.text(row.get("Description")) or str(row["Code"]),
                    vat_number=lists.text(row.get("VATNumber")) or None,
                    country=lists.text(row.get("Country")) or None,
                    currency=lists.text(row.get("Currency")) or "EUR",
                    disabled=row.get("Status") != ACTIVE or bool(row.get("BlockingStatus")),
                )
            )
        return found

    async def missing_rights(self) -> Sequence[Issue]:
        """Rights that reads show; those to write come out at the first write."""
        found: dict[str, Issue] = {}
        for resource, select in (
            (JOURNALS, "Code"),
            (relations.RESOURCE, "ID"),
            (mapping.SIDES[Direction.SALES].resource, "EntryID"),
            (mapping.SIDES[Direction.PURCHASE].resource, "EntryID"),
            (DOCUMENTS, "ID"),
            (payments.RESOURCES[Direction.SALES], "ID"),
            (payments.RESOURCES[Direction.PURCHASE], "ID"),
        ):
            try:
                await self.exact.first(resource, select)
            except AccessDenied as denied:
                found[denied.scope] = denied.issue
        return tuple(found.values())

    @classmethod
    def limits(cls, settings: Any, administration: str, domain: str) -> Sequence[Limit]:
        """Calls a minute and a day, and errors an hour, of the app in the division."""
        return () if settings.lift_limits else quotas.limits(settings, administration)

    def budgets(self, answer: Answer) -> Sequence[Budget]:
        """What is left of the minute and of the day."""
        return quotas.budgets(answer)

    def counts_as_error(self, answer: Answer) -> bool:
        """What Exact counts before it blocks the app for an hour."""
        return quotas.counts_as_error(answer)

    # lists

    async def lists(self) -> Lists:
        """Journals with closed periods, VAT codes, ledger accounts, financial years, terms, cost centres, currencies.

        What the user may not read of the last five is left out, and Exact's own refusals stand in for them.
        """
        try:
            statuses = await self._optional(STATUSES, "Journal,Year,Period,Status", _since(clock.now().year))
            return {
                "journals": lists.journal_rows(await self._list(JOURNALS, _JOURNAL), statuses),
                "vat_codes": lists.vat_code_rows(await self._list(VAT_CODES, _VAT_CODE)),
                "ledger_accounts": lists.account_rows(await self._list(ACCOUNTS, _ACCOUNT)),
                "book_years": lists.book_year_rows(await self._list(PERIODS, "FinYear,FinPeriod,StartDate,EndDate")),
                "payment_terms": lists.payment_term_rows(await self._optional(TERMS, _TERM)),
                "cost_centres": lists.plain_rows(await self._optional(CENTRES, "Code,Description,Active"), "Active"),
                "cost_units": lists.plain_rows(await self._optional(UNITS, "Code,Description")),
                "currencies": lists.plain_rows(await self._optional(CURRENCIES, "Code,Description")),
                "document_types": lists.plain_rows(
                    await self._optional(DOCUMENT_TYPES, "ID,Description,DocumentIsCreatable"),
                    "DocumentIsCreatable",
                    "ID",
                ),
            }
        except (KeyError, TypeError, ValueError) as odd:
            raise ToolUnavailable(f"a list that cannot be read: {type(odd).__name__}", trouble=Trouble.PAGE) from odd

    async def ledger_accounts(self) -> Sequence[LedgerAccount]:
        """The ledger accounts that a line may have."""
        rows: Sequence[Row] = lists.account_rows(await self._list(ACCOUNTS, _ACCOUNT))
        return [LedgerAccount(code=one.code, name=one.name, active=one.active) for one in rows if one.kind is None]

    # map

    def map_party(self, party: Party, component: Component, context: MappingContext) -> Booking:
        """The body of a relation but for its code."""
        return mapping.map_party(party, component, context)

    def map_document(self, document: Document, component: Component, context: MappingContext) -> Booking:
        """The body of an entry but for the relation."""
        known = self._tables
        if known is None or known[0] is not context.lists:
            known = self._tables = context.lists, lists.tables(context.lists)
        return mapping.map_document(document, context, known[1], self.settings)

    # parties and what is there already

    async def match_parties(self, parties: Mapping[str, Party]) -> Mapping[str, Sequence[Candidate]]:
        """Relations by external id, VAT number, company number, and by name as the connection has it."""
        by_name = self.settings.by_name
        wanted = [condition for party in parties.values() for condition in relations.conditions(party, by_name)]
        rows = await self.exact.any_of(relations.RESOURCE, relations.SELECT, wanted)
        found = {str(row.get("ID")): row for row in rows}.values()
        return {identity: relations.matches(party, found, by_name) for identity, party in parties.items()}

    async def entries(self) -> Sequence[Candidate]:
        """All sales and purchase entries of the last years: Exact checks no duplicates of sales."""
        since = f"EntryDate ge {odata.moment(clock.now().date().replace(month=1, day=1) - timedelta(days=366))}"
        found: list[Candidate] = []
        for direction, side in mapping.SIDES.items():
            rows = await self.exact.rows(side.resource, entries.SELECT[direction], since)
            found += entries.candidates(rows, direction)
        return found

    # audit

    async def entries_of(self, period: Period, cursor: str | None) -> EntriesPage:
        """Pages of sales entries, then of purchase entries; amounts in the currency of each."""
        side, _, following = (cursor or Direction.SALES).partition(" ")
        direction = Direction(side)
        after = period.last + timedelta(days=1)
        where = f"EntryDate ge {odata.moment(period.first)} and EntryDate lt {odata.moment(after)}"
        resource = mapping.SIDES[direction].resource
        rows, following_ = await self.exact.page(resource, entries.SELECT[direction], where, following or None)
        found = entries.candidates(rows, direction)
        if following_ is not None:
            return EntriesPage(found, f"{direction} {following_}")
        return EntriesPage(found, Direction.PURCHASE if direction is Direction.SALES else None)

    def calls_of(self, period: Period, booked: int) -> int:
        """Pages of each side."""
        return 2 + booked // PAGE

    async def entries_with(self, entry_ids: Sequence[str]) -> Sequence[Candidate]:
        """Entries by their ids, wherever they were moved to."""
        wanted: dict[Direction, list[str]] = defaultdict(list)
        for one in map(EntryId.parse, entry_ids):
            wanted[one.direction].append(f"EntryID eq {odata.guid(one.guid)}")
        found: list[Candidate] = []
        for direction, conditions in wanted.items():
            resource = mapping.SIDES[direction].resource
            rows = await self.exact.any_of(resource, entries.SELECT[direction], conditions)
            found += entries.candidates(rows, direction)
        return found

    # push

    async def push(self, attempt: Attempt) -> Booked:
        """One POST of a relation or an entry, or one PUT of a relation."""
        if attempt.kind is ItemKind.PARTY:
            return await self._push_party(attempt)
        return await self._push_document(attempt)

    def operation_group(self, attempt: Attempt) -> str | None:
        """The resource, as Exact counts errors of each."""
        return relations.RESOURCE if attempt.kind is ItemKind.PARTY else str(attempt.booking.payload["resource"])

    def classify(self, answer: Any) -> ToolError | None:
        """What an answer means; see `errors`."""
        return errors.classify(answer)

    async def attach(self, attaching: Attaching) -> None:
        """A document with the files, which names the entry: nothing stands alone, whenever we are interrupted.

        What was begun before is looked up: Exact numbers documents itself, and takes the same one twice.
        """
        entry = EntryId.parse(attaching.entry_id)
        document = await self._document_of(entry) if attaching.again else None
        if document is None:
            document = await self._make_document(attaching, entry)
        there = await self._files_of(document) if attaching.again else frozenset()
        too_large: list[Issue] = []
        for name, file in _by_name(attaching.files).items():
            if len(file.content) > LARGEST_FILE:
                size = str(len(file.content) >> 20)
                too_large.append(Issue(code="X50", facts={"file": name, "size": size, "most": str(LARGEST_FILE >> 20)}))
            elif name not in there:
                content = b64encode(file.content).decode("ascii")
                body = {"Document": document, "FileName": name, "Attachment": content}
                await self.exact.create(await attaching.step(), FILES, body)
        if too_large:
            raise Refused(too_large)

    # settle

    async def resolve(self, attempts: Sequence[Attempt]) -> Mapping[int, Resolution]:
        """Relations by the code that we gave them, entries by the document's number in `YourRef`."""
        found: dict[int, Resolution] = {}
        by_resource: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in attempts:
            by_resource["" if attempt.kind is ItemKind.PARTY else attempt.booking.payload["resource"]].append(attempt)
        found |= await self._resolved_parties(by_resource.pop("", []))
        for resource, waiting in by_resource.items():
            direction = entries.OF[resource]
            rows = await self._bearing(direction, [one.booking.reference or "" for one in waiting], settling=True)
            there = entries.candidates(rows, direction)
            for attempt in waiting:
                ours = tuple(one for one in there if _bears(one, attempt.booking.reference))
                found[attempt.link_id] = Found(ours) if ours else Absent()
        return found

    # pull

    async def payment_statuses(
        self, open_entries: Sequence[str], cursor: str | None
    ) -> tuple[Sequence[PaymentStatus], str | None]:
        """States of entries whose payment terms have changed since `cursor`; once a week of all that are asked for.

        An entry that is found to be ours later than its terms have changed would else never be looked at.
        """
        today = clock.now().date()
        before = payments.Cursor.parse(cursor)
        changed = await self.exact.rows(payments.FEED, payments.FEED_SELECT, f"Timestamp gt {before.version}L")
        newest = max((int(row["Timestamp"]) for row in changed), default=before.version)
        moved = {str(row["TransactionEntryID"]) for row in changed if row.get("TransactionEntryID")}
        everything = before.all_read is None or today - before.all_read >= payments.ALL_AFTER
        found: list[PaymentStatus] = []
        for direction, resource in payments.RESOURCES.items():
            asked = [entry.guid for entry in map(EntryId.parse, open_entries) if entry.direction is direction]
            wanted = [f"TransactionEntryID eq {odata.guid(one)}" for one in asked if everything or one in moved]
            rows = await self.exact.any_of(resource, payments.SELECTS[direction], wanted)
            found += payments.statuses({str(row.get("ID")): row for row in rows}.values(), direction)
        return found, str(payments.Cursor(newest, today if everything else before.all_read))

    # parts of the above

    async def _list(self, resource: str, select: str, where: str | None = None) -> list[dict[str, Any]]:
        """A list that nothing goes without."""
        try:
            return await self.exact.rows(resource, select, where)
        except AccessDenied as denied:
            raise errors.access_denied(denied.scope, words=denied.tool_words, code="X09") from None

    async def _optional(self, resource: str, select: str, where: str | None = None) -> list[dict[str, Any]]:
        try:
            return await self.exact.rows(resource, select, where)
        except (AccessDenied, Refused):
            return []

    async def _push_party(self, attempt: Attempt) -> Booked:
        """A new relation bears a code of ours, which Exact takes once; one that is there keeps its own."""
        account = attempt.booking.payload["account"]
        if attempt.entry_id:
            try:
                await self.exact.change(attempt, relations.RESOURCE, attempt.entry_id, account)
            except Refused as refused:
                raise self._of_party(attempt, refused) from None
            return Booked(attempt.entry_id, attempt.entry_number)
        body = {"Code": mapping.padded(self._code(attempt)), **account}
        try:
            made = await self.exact.create(attempt, relations.RESOURCE, body)
        except Refused as refused:
            there = AlreadyThere(tool_words=refused.tool_words)
            if errors.EXISTS in _codes(refused):
                self._verdict(attempt, there)  # should the look-up fail
                if await self._bears_our_code(attempt):
                    raise there from None
            raise self._of_party(attempt, refused) from None
        code = lists.text(made.get("Code")) or str(self._code(attempt))
        if code != str(self._code(attempt)):
            raise Uncertain("written, but the answer is of another relation")
        return Booked(str(made["ID"]), code)

    async def _bears_our_code(self, attempt: Attempt) -> bool:
        """Whether the relation with our code is this party: another program, or a person, may have given it."""
        where = f"Code eq {odata.text(mapping.padded(self._code(attempt)))}"
        rows = await self.exact.rows(relations.RESOURCE, relations.SELECT, where, settling=attempt.repeat)
        account = attempt.booking.payload["account"]
        return not rows or any(relations.is_same(row, account) for row in rows)

    async def _push_document(self, attempt: Attempt) -> Booked:
        """Sales have no check for doubles in Exact: what may have been sent before is looked for first."""
        payload = attempt.booking.payload
        direction = entries.OF[payload["resource"]]
        if attempt.op is not Op.CREATE or not attempt.party_entry:
            raise ValueError("an entry is made once, and needs its relation")
        if attempt.number > 1 and await self._stands(attempt, direction):
            raise AlreadyThere
        body = {payload["party"]: attempt.party_entry, **payload["entry"]}
        try:
            made = await self.exact.create(attempt, payload["resource"], body)
        except Refused as refused:
            there = {errors.THERE}
            if direction is Direction.PURCHASE:  # which Exact checks itself; how it says so is not certain
                there |= {errors.TAKEN, errors.EXISTS}
            if there & _codes(refused):
                raise self._verdict(attempt, AlreadyThere(tool_words=refused.tool_words)) from None
            raise self._of_document(attempt, refused) from None
        told = _plain(lists.text(made.get("YourRef")))
        if told and not _plain(attempt.booking.reference or "").startswith(told):  # an answer that came twice
            raise Uncertain("written, but the answer is of another entry")
        return entries.booked(made, direction)

    async def _stands(self, attempt: Attempt, direction: Direction) -> bool:
        """Whether an entry with the document's number, relation and day is there."""
        rows = await self._bearing(direction, [attempt.booking.reference or ""], settling=False)
        there = [one for one in entries.candidates(rows, direction) if _bears(one, attempt.booking.reference)]
        return any(one.party_id == attempt.party_entry and one.day == attempt.booking.day for one in there)

    async def _bearing(
        self, direction: Direction, references: Sequence[str], *, settling: bool
    ) -> list[dict[str, Any]]:
        wanted = [f"YourRef eq {odata.text(one)}" for one in references if one]
        resource, select = mapping.SIDES[direction].resource, entries.SELECT[direction]
        return await self.exact.any_of(resource, select, wanted, settling=settling)

    async def _resolved_parties(self, attempts: Sequence[Attempt]) -> dict[int, Resolution]:
        """A write by our own code either stands under it or nowhere. An update may simply be sent again."""
        found: dict[int, Resolution] = {one.link_id: Absent() for one in attempts}
        made = {mapping.padded(self._code(one)): one for one in attempts if not one.entry_id}
        wanted = [f"Code eq {odata.text(code)}" for code in made]
        for row in await self.exact.any_of(relations.RESOURCE, relations.SELECT, wanted, settling=True):
            attempt = made.get(mapping.padded(str(row.get("Code") or "")))
            if attempt is not None:
                ours = relations.is_same(row, attempt.booking.payload["account"])
                found[attempt.link_id] = Found((relations.candidate(row, certain=ours),))
        return found

    def _code(self, attempt: Attempt) -> int:
        return self.settings.first_relation_code + attempt.link_no

    async def _document_of(self, entry: EntryId) -> str | None:
        where = f"FinancialTransactionEntryID eq {odata.guid(entry.guid)}"
        rows = await self.exact.rows(DOCUMENTS, "ID,Type", where, settling=True)
        return str(rows[0]["ID"]) if rows else None

    async def _files_of(self, document: str) -> frozenset[str]:
        where = f"Document eq {odata.guid(document)}"
        rows = await self.exact.rows(FILES, "ID,FileName", where, settling=True)
        return frozenset(lists.text(row.get("FileName")) for row in rows)

    async def _make_document(self, attaching: Attaching, entry: EntryId) -> str:
        booking = attaching.booking
        body = {
            "Subject": str(booking.payload["entry"].get("Description") or booking.reference or attaching.number),
            "Type": self.settings.document_type,
            "Account": attaching.party_entry,
            "DocumentDate": booking.day.isoformat() if booking.day else None,
            "FinancialTransactionEntryID": entry.guid,
        }
        filled = {key: value for key, value in body.items() if value is not None}
        made = await self.exact.create(await attaching.step(), DOCUMENTS, filled)
        return str(made["ID"])

    def _of_party(self, attempt: Attempt, refused: Refused) -> ToolError:
        """A relation that we know by its id and Exact does not: deleted, merged, or of another administration."""
        account = attempt.booking.payload["account"]
        known = {
            "name": str(account.get("Name", "")),
            "vat_number": str(account.get("VATNumber", "")),
            "email": str(account.get("Email", "")),
            "country": str(account.get("Country", "")),
        }
        if attempt.entry_id and errors.GONE in _codes(refused):
            refused = Refused(Issue(code="X10"), tool_words=refused.tool_words)
        return self._verdict(attempt, errors.detailed(refused, known))

    def _of_document(self, attempt: Attempt, refused: Refused) -> ToolError:
        codes = {one.id: code for code, one in self._tables[1].accounts.items()} if self._tables else {}
        known = mapping.facts(attempt.booking.payload, codes)
        return self._verdict(attempt, errors.detailed(refused, known))

    @staticmethod
    def _verdict(attempt: Attempt, error: ToolError) -> ToolError:
        """`error` in place of what the classifier said of the answer, where there was one."""
        if attempt.verdict is not None:
            attempt.verdict = error
        return error


_JOURNAL = "Code,Description,Type,Currency,AllowVariableCurrency,AllowVariableExchangeRate,IsBlocked"
_VAT_CODE = "Code,Description,Type,Percentage,VATTransactionType,Charged,IsBlocked,GLToPayCode,GLToClaimCode"
_ACCOUNT = "ID,Code,Description,Type,IsBlocked,UseCostcenter,UseCostunit,VATCode"
_TERM = "Code,Description,PaymentDays,PaymentEndOfMonths,PaymentMethod,DiscountPercentage,DiscountPaymentDays"


def _since(year: int) -> str:
    return f"Year ge {year - YEARS_BACK}"


def _codes(refused: Refused) -> set[str]:
    return {issue.code for issue in refused.issues}


def _by_name(files: Sequence[AttachedFile]) -> dict[str, AttachedFile]:
    """Files by names of their own, which tell on a second try what is there."""
    found: dict[str, AttachedFile] = {}
    for file in files:
        name, number = file.file_name, 1
        while name in found:
            number += 1
            stem, dot, ending = file.file_name.rpartition(".")
            name = f"{stem or ending} ({number}){dot}{ending if stem else ''}"
        found[name] = file
    return found


def _bears(candidate: Candidate, reference: str | None) -> bool:
    return bool(candidate.reference and reference) and _plain(candidate.reference or "") == _plain(reference or "")


def _plain(reference: str) -> str:
    return " ".join(reference.split()).casefold()
