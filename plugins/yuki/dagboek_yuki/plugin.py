"""Yuki as an accounting tool: the web services of one administration (reference: api.md)."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final, TypeGuard

from dagboek_schemas.documents import Direction, Document, LedgerAccount, Party, PaymentStatus
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
from dagboek_sdk.attempt import (
    Absent,
    Accepted,
    AttachedFile,
    Attempt,
    Booked,
    Booking,
    Candidate,
    Found,
    Op,
    Resolution,
    Unknown,
)
from dagboek_sdk.errors import AlreadyThere, NotProcessed, Refused, ToolError, Uncertain
from dagboek_sdk.http import Answer
from dagboek_sdk.limits import Budget, Limit
from lxml.etree import _Element as Element

from dagboek_yuki import (
    administrations,
    answers,
    archive,
    documents,
    errors,
    ledger,
    limits,
    lists,
    mapping,
    parties,
    payments,
    tables,
    ubl,
)
from dagboek_yuki.archive import Token
from dagboek_yuki.client import CALLS, Services
from dagboek_yuki.reading import rows, text
from dagboek_yuki.settings import Purchases, YukiSettings

BATCH: Final = 50
BATCH_BYTES: Final = 2_500_000
"""Of stored bookings and files: written as XML, with its tags, the request stays below 4 MB."""
STRETCH: Final = timedelta(days=92)
"""Days of the ledger that an audit reads in a call."""
AROUND: Final = timedelta(days=31)
"""Days before and after a document's date on which a bookkeeper may have booked it."""


class YukiPlugin(AccountingPlugin):
    """One connection to one administration. Sales are booked in batches, under their own number; purchases are
    uploaded, and booked by Yuki or the accountant later.
    """

    about: ClassVar[About] = About(
        name="yuki",
        title="Yuki",
        countries=frozenset(("BE", "NL")),
        components=tuple(Component),
        settings=YukiSettings,
        batch_size=BATCH,
        batch_bytes=BATCH_BYTES,
        attachments=True,
        has_journals=False,
        settling=Settling.LOOK_UP,
        party_settling=Settling.KEY,
        call_deadline=60.0,
        resolve_deadline=300.0,
        settle_lag=30.0,
        poll_seconds=6 * 3600.0,
        accepted_days=45,
        reads_periods=True,
    )

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.settings: YukiSettings = link.settings
        self.services = Services(self)
        self._tables: tuple[Lists, tables.Tables] | None = None

    @property
    def call_deadline(self) -> float:
        """As the connection's settings say."""
        return float(self.link.settings.call_deadline)

    # connect

    async def administrations(self) -> Sequence[Administration]:
        """All that the key reaches, in all its domains."""
        return await administrations.administrations(self.services)

    async def missing_rights(self) -> Sequence[Issue]:
        """Rights and modules that reads show; those to write come out at the first write."""
        return await administrations.missing_rights(self.services, self.settings)

    @classmethod
    def limits(cls, settings: Any, administration: str, domain: str) -> Sequence[Limit]:
        """Calls a day of the domain."""
        return limits.limits(settings, domain)

    def budgets(self, answer: Answer) -> Sequence[Budget]:
        """That nothing is left, where Yuki says so."""
        return limits.budgets(answer)

    async def prepare(self) -> None:
        """The sessions that a write needs."""
        await self.services.prepare()

    async def prepare_for(self, attempts: Sequence[Attempt]) -> None:
        """Also the contacts, where a name is sent: by that Yuki takes another's where it does not know the code."""
        await self.prepare()
        codes = {one.party_entry or "" for one in attempts if _names_contact(one)}
        if codes:
            await self._contacts().renew(self.services, self.settings.access_key.get_secret_value(), codes)

    # lists

    async def lists(self) -> Lists:
        """Ledger accounts, VAT types, payment methods."""
        return await lists.read(self.services)

    async def ledger_accounts(self) -> Sequence[LedgerAccount]:
        """The chart of accounts."""
        found = lists.account_rows(await self.services.call("AccountingInfo", "GetGLAccountScheme"))
        return [LedgerAccount(code=one.code, name=one.name, active=one.active) for one in found]

    # map

    def map_party(self, party: Party, component: Component, context: MappingContext) -> Booking:
        """What UpdateContact is sent; a new contact is made by the invoice that names it."""
        return mapping.map_party(party, context)

    def map_document(self, document: Document, component: Component, context: MappingContext) -> Booking:
        """The invoice, or the file, but for the contact's code and the files that come with it."""
        known = self._tables
        if known is None or known[0] is not context.lists:
            known = self._tables = context.lists, tables.tables(context.lists)
        return mapping.map_document(document, context, known[1], self.settings)

    @classmethod
    def number_once(cls, document: Document) -> str | None:
        """Yuki takes the number of a sale once, of whichever entity, invoices and credit notes alike.

        Whether once a year or for ever is not documented: of two years it is left to Yuki.
        """
        if document.direction is Direction.PURCHASE:
            return None
        return f"{document.issue_date.year}/{mapping.reference(document).casefold()}"

    # parties and what is there already

    async def match_parties(self, parties_: Mapping[str, Party]) -> Mapping[str, Sequence[Candidate]]:
        """Contacts of the domain by our own code, VAT number, company number and name."""
        if not parties_:
            return {}
        contacts = self._contacts()
        await contacts.refresh(self.services, self.settings.access_key.get_secret_value())
        needed = {Component.CUSTOMERS}
        if self.settings.purchases is Purchases.PROCESS:
            needed.add(Component.SUPPLIERS)
        return parties.matches(parties_, contacts, frozenset(needed))

    async def entries(self) -> Sequence[Candidate]:
        """All sales and purchases of the last years that are in the ledger."""
        today = clock.now().date()
        start, end = today.replace(month=1, day=1) - timedelta(days=366), today + timedelta(days=366)
        found: list[Candidate] = []
        for direction in Direction:
            found += [one.candidate() for one in await self._ledger(direction, start, end)]
        return list({one.entry_id: one for one in found}.values())

    # audit

    async def entries_of(self, period: Period, cursor: str | None) -> EntriesPage:
        """Documents on the account of debtors, then of creditors, a quarter in a call, and those of a month around.

        Amounts are what a document comes to on that account: in its own currency where Yuki tells that, else in euro.
        """
        side, _, begun = (cursor or Direction.SALES).partition("/")
        direction, start = Direction(side), date.fromisoformat(begun) if begun else period.first
        end = min(start + STRETCH - timedelta(days=1), period.last)
        first, last = start == period.first, end == period.last
        found = await self._ledger(direction, start - AROUND * first, end + AROUND * last)
        if first and not found and not await self._has_account(direction, settling=False):
            raise Refused(Issue(code="Y47", facts={"account": ledger.account(self.settings, direction)}))
        told = (Issue(code="Y46", severity=Severity.INFORMATION),) if cursor is None else ()
        after = f"{direction}/{(end + timedelta(days=1)).isoformat()}"
        if last:
            after = Direction.PURCHASE if direction is Direction.SALES else ""
        return EntriesPage([one.candidate() for one in found], after or None, told)

    def calls_of(self, period: Period, booked: int) -> int:
        """Quarters of each side, and a session."""
        return 1 + 2 * -(-((period.last - period.first).days + 1) // STRETCH.days)

    def may_hide(self, booking: Booking) -> bool:
        """A sale that was paid by card or online may have gone past the account of debtors."""
        return booking.payload.get("sale", {}).get("PaymentMethod") in mapping.PAID

    # push

    def operation_group(self, attempt: Attempt) -> str | None:
        """A new contact costs no call: its first invoice makes it."""
        return None if _costs_nothing(attempt) else CALLS

    async def push(self, attempt: Attempt) -> Booked | Accepted:
        """One contact, one invoice, or one upload."""
        if attempt.kind is ItemKind.PARTY:
            return await self._push_party(attempt)
        if attempt.op is not Op.CREATE:
            raise ValueError("what is booked is not changed")
        if "upload" in attempt.booking.payload:
            return await self._upload(attempt)
        try:
            outcome = (await self.push_batch((attempt,))).get(attempt.link_id)
        except Refused as refused:
            outcome = (await self._looked_up((attempt,), {attempt.link_id: refused}))[attempt.link_id]
            if outcome is refused:
                raise
        if isinstance(outcome, ToolError):
            attempt.verdict = outcome
            raise outcome
        if outcome is None:
            raise Uncertain("written, but the answer does not name the invoice")
        return outcome

    async def push_batch(self, attempts: Sequence[Attempt]) -> Mapping[int, Booked | Accepted | ToolError]:
        """Sales invoices, or purchases that are booked at once, in one call; uploads one by one."""
        if "upload" in attempts[0].booking.payload:
            return await self._upload_each(attempts)
        sales = "sale" in attempts[0].booking.payload
        sent = [self._invoice(attempt, "sale" if sales else "purchase") for attempt in attempts]
        invoices = [invoice for invoice, _ in sent]
        if sales:
            written = documents.sales_invoices(invoices)
            result = await self.services.write(attempts, "Sales", "ProcessSalesInvoices", xmlDoc=written)
        else:
            result = await self.services.write(
                attempts,
                "Purchase",
                "ProcessPurchaseInvoices",
                disableAutoCorrect="true",  # what is to be booked is what the document says
                xmlDoc=documents.purchase_invoices(invoices),
            )
        told = answers.outcomes(result, [str(invoice["Reference"]) for invoice in invoices])
        others_went = any(isinstance(one, answers.Told) and one.succeeded for one in told)
        found: dict[int, Booked | Accepted | ToolError] = {}
        for attempt, one, (_, left_out) in zip(attempts, told, sent, strict=True):
            outcome = _outcome(attempt, one, left_out, others_went=others_went)
            if outcome is not None:
                found[attempt.link_id] = outcome
        return await (self._looked_up if sales else self._with_documents)(attempts, found)

    def classify(self, answer: Any) -> ToolError | None:
        """What an answer means; see `errors`."""
        return errors.classify(answer)

    async def poll(self, tokens: Sequence[str]) -> Mapping[str, Booked | ToolError]:
        """Uploads that are booked by now, and drafts that somebody has processed: one call for each side."""
        known = {written: Token.parse(written) for written in tokens}
        found: dict[str, Booked | ToolError] = {}
        for direction in Direction:
            waiting = {one: token for one, token in known.items() if token.upload is (direction is Direction.PURCHASE)}
            if not waiting:
                continue
            days = [token.day for token in waiting.values()]
            entries = await self._ledger(direction, min(days) - AROUND, max(*days, clock.now().date()) + AROUND)
            for written, token in waiting.items():
                one = next((one for one in entries if _is_of(one, token)), None)
                if one is not None:
                    found[written] = one.booked()
        return found

    # settle

    async def resolve(self, attempts: Sequence[Attempt]) -> Mapping[int, Resolution]:
        """Parties may simply be written again. Documents are looked for in the ledger, uploads in the archive too."""
        found: dict[int, Resolution] = {one.link_id: Absent() for one in attempts if one.kind is ItemKind.PARTY}
        uploads = [one for one in attempts if "upload" in one.booking.payload]
        for direction, name in ((Direction.SALES, "sale"), (Direction.PURCHASE, "purchase")):
            found |= await self._resolved(direction, [one for one in attempts if name in one.booking.payload])
        if uploads:
            found |= await self._resolved_uploads(uploads)
        return found

    # pull

    async def payment_statuses(
        self, open_entries: Sequence[str], cursor: str | None
    ) -> tuple[Sequence[PaymentStatus], str | None]:
        """By the lists of what is outstanding, once a day."""
        today, before = clock.now().date(), payments.Cursor.parse(cursor)
        if before.read == today:
            return (), cursor
        outstanding: dict[str, tuple[Decimal, Decimal]] = {}
        for direction in payments.directions(open_entries):
            result = await self.services.call(
                "Accounting", payments.OPERATIONS[direction], includeBankTransactions=False, sortOrder="DateAsc"
            )
            outstanding |= payments.outstanding(result, direction)
        found, after = payments.statuses(open_entries, outstanding, before, today)
        return found, str(after)

    # parts of the above

    async def _push_party(self, attempt: Attempt) -> Booked:
        """A new one is given a code, and nothing is sent. One that is there is changed, and given a code if need be."""
        ours = mapping.contact_code(attempt.identity)
        if _costs_nothing(attempt):
            return Booked(ours, ours)
        known_as = attempt.entry_id or ours
        values = dict(attempt.booking.payload["contact"])
        if known_as.startswith("id:"):
            values |= {"ID": known_as.removeprefix("id:"), "Code": ours}
            known_as = ours
        else:
            values |= {"Code": known_as, "FullName": self._name_for(values, known_as)}
        result = await self.services.write((attempt,), "Contact", "UpdateContact", xmlDoc=documents.contact(values))
        words = next((text(row) for row in rows(result, "Succeeded")), "")
        if not words:
            raise Uncertain("written, but the answer does not say what came of it")
        if not words.casefold().startswith(("succes", "true")):  # Yuki writes: Succesfully updated Contact
            raise _verdict(attempt, errors.judged(words))
        self._contacts().coded.add(known_as)
        return Booked(known_as, known_as)

    def _invoice(self, attempt: Attempt, name: str) -> tuple[dict[str, Any], tuple[AttachedFile, ...]]:
        """The invoice with its contact's code and its file, and the files that it has no place for."""
        invoice = dict(attempt.booking.payload[name])
        code = attempt.party_entry or ""
        if not code or code.startswith("id:"):
            raise Refused(Issue(code="Y44", facts={"name": str(invoice["Contact"].get("FullName", ""))}))
        contact = dict(invoice["Contact"])
        invoice["Contact"] = contact | {"ContactCode": code, "FullName": self._name_for(contact, code)}
        file = next((one for one in attempt.attachments if _is_pdf(one) and _fits(one)), None)
        if file is not None:  # Yuki takes one file, and makes one itself where it is given none
            content = b64encode(file.content).decode("ascii")
            invoice |= {"DocumentFileName": file.file_name, "DocumentBase64": content}
        return invoice, tuple(one for one in attempt.attachments if one is not file)

    async def _looked_up(
        self, attempts: Sequence[Attempt], found: dict[int, Booked | Accepted | ToolError]
    ) -> dict[int, Booked | Accepted | ToolError]:
        """A sale that was sent before may have been booked then, where Yuki refuses it in words that nobody knows.

        Those for a number that is taken are not documented, and the ledger may have lagged when it was asked. What may
        go past the ledger is sent again only where it is known not to be booked.
        """
        doubted = {one.link_id: one for one in attempts if one.number > 1 and "sale" in one.booking.payload}
        refused = {id: one for id, one in found.items() if id in doubted and _is_unknown(one)}
        if not refused:
            return found
        try:
            resolved = await self._resolved(Direction.SALES, [doubted[id] for id in refused])
        except ToolError:
            resolved = {}
        for id, one in refused.items():
            resolution, words = resolved.get(id), one.tool_words
            if isinstance(resolution, Found):
                found[id] = AlreadyThere(tool_words=words)
            elif resolution is None or (isinstance(resolution, Unknown) and not self.may_hide(doubted[id].booking)):
                found[id] = Uncertain("refused in words that nobody knows, and not looked up", tool_words=words)
        return found

    async def _with_documents(
        self, attempts: Sequence[Attempt], found: dict[int, Booked | Accepted | ToolError]
    ) -> dict[int, Booked | Accepted | ToolError]:
        """Purchases are known by their documents, of which the answer tells nothing: the ledger does.

        One that is not found there yet is left to settling, which knows that it was sent.
        """
        booked = [one for one in attempts if isinstance(found.get(one.link_id), Booked)]
        try:
            resolved = await self._resolved(Direction.PURCHASE, booked)
        except ToolError:  # what is told of the others holds all the same
            resolved = {}
        for attempt in booked:
            before, resolution = found.pop(attempt.link_id), resolved.get(attempt.link_id)
            candidates = resolution.candidates if isinstance(resolution, Found) else ()
            there = [one for one in candidates if _is_for(attempt, one)]
            if isinstance(before, Booked) and len(there) == 1:
                found[attempt.link_id] = Booked(there[0].entry_id, there[0].number, remarks=before.remarks)
        return found

    async def _upload_each(self, attempts: Sequence[Attempt]) -> dict[int, Booked | Accepted | ToolError]:
        """As far as they come before their send deadline, or before something holds for all that follow.

        Who is left out was not sent, but for one whose outcome is not known: then the next is not tried.
        """
        found: dict[int, Booked | Accepted | ToolError] = {}
        for place, attempt in enumerate(attempts):
            if not attempt.may_start:
                break
            try:
                if place:  # core has taken a permit for one call
                    await self.link.permits.take(CALLS)
                found[attempt.link_id] = await self._upload(attempt)
            except Refused as refused:
                found[attempt.link_id] = refused
            except ToolError as trouble:
                if attempt.verdict is not None or not place:
                    found[attempt.link_id] = trouble
                break
        return found

    async def _upload(self, attempt: Attempt) -> Accepted:
        """One file with the document's files in it."""
        upload, booking = attempt.booking.payload["upload"], attempt.booking
        marked = archive.mark(self.link.administration, attempt)
        files = _embedded(upload["document"], attempt.attachments)
        result = await self.services.write(
            (attempt,),
            archive.SERVICE,
            "UploadDocumentWithData",
            fileName=archive.file_name(booking.reference or "", marked),
            data=ubl.with_files(upload["document"], files),
            folder=archive.PURCHASES,
            currency=upload["currency"],
            amount=upload["amount"],
            paymentMethod=0,
            remarks=f"{booking.reference} {upload['name']} {marked}",
        )
        document = archive.document_id(text(result))
        if document is None or booking.day is None:
            raise Uncertain("written, but the answer names no document")
        left_out = tuple(_left_out(one) for one in attempt.attachments if one not in files)
        return Accepted(str(Token(upload=True, day=booking.day, key=document)), left_out)

    async def _ledger(
        self, direction: Direction, start: date, end: date, *, settling: bool = False
    ) -> list[ledger.Entry]:
        result = await self._rows_of(ledger.account(self.settings, direction), start, end, settling=settling)
        return ledger.entries(result, direction)

    async def _rows_of(self, account: str, start: date, end: date, *, settling: bool) -> Element:
        return await self.services.call(
            ledger.SERVICE,
            ledger.OPERATION,
            settling=settling,
            GLAccountCode=account,
            StartDate=start,
            EndDate=end,
            financialMode=ledger.COMMERCIAL,
        )

    async def _resolved(self, direction: Direction, attempts: Sequence[Attempt]) -> dict[int, Resolution]:
        """What the ledger has under the numbers of `attempts`: one call for all of them.

        Nothing at all on the account proves nothing, unless the chart has such an account. A sale that was paid by card
        or online may have gone past it: that it is not there proves nothing either. Nor for a purchase, which Yuki may
        book later, and of which it refuses no second one, as it does for the number of a sale.
        """
        days = [one.booking.day for one in attempts if one.booking.day]
        if not days:
            return {}
        there = await self._ledger(direction, min(days) - AROUND, max(days) + AROUND, settling=True)
        proves = bool(there) or await self._has_account(direction, settling=True)
        found: dict[int, Resolution] = {}
        for attempt in attempts:
            reference, gross = ledger.plain(attempt.booking.reference or "").casefold(), attempt.booking.gross
            ours = tuple(one.candidate() for one in there if one.reference.casefold() == reference)
            if not ours and (kept := ledger.digits(reference)):  # without letters and signs, which a person must see
                alike = (one for one in there if (one.reference, one.amount) == (kept, gross))
                ours = tuple(one.candidate() for one in alike)
            if ours:
                found[attempt.link_id] = Found(ours)
            elif not proves:
                found[attempt.link_id] = Unknown(f"account {ledger.account(self.settings, direction)} is not known")
            elif self.may_hide(attempt.booking):
                found[attempt.link_id] = Unknown("what is paid by card or online is not on the account of debtors")
            elif direction is Direction.PURCHASE:
                found[attempt.link_id] = Unknown("a purchase may wait to be booked, and Yuki takes the same one twice")
            else:
                found[attempt.link_id] = Absent()
        return found

    async def _has_account(self, direction: Direction, *, settling: bool) -> bool:
        result = await self.services.call("AccountingInfo", "GetGLAccountScheme", settling=settling)
        wanted = ledger.account(self.settings, direction)
        return any(one.code == wanted for one in lists.account_rows(result))

    async def _resolved_uploads(self, attempts: Sequence[Attempt]) -> dict[int, Resolution]:
        """An upload is in the archive or nowhere; what it is booked as shows when it is asked for."""
        marks = {one.link_id: archive.mark(self.link.administration, one) for one in attempts}
        begun = [one.begun for one in attempts if one.begun]
        since = min(begun) if len(begun) == len(attempts) else None
        there, doubt = await archive.find(self.services, marks.values(), since)
        found: dict[int, Resolution] = {}
        for attempt in attempts:
            document = there.get(marks[attempt.link_id])
            if document is None or attempt.booking.day is None:
                found[attempt.link_id] = Unknown(doubt) if doubt else Absent()
            else:
                found[attempt.link_id] = Accepted(str(Token(upload=True, day=attempt.booking.day, key=document)))
        return found

    def _name_for(self, contact: Mapping[str, Any], code: str) -> str:
        number = str(contact.get("VATNumber") or contact.get("CoCNumber") or "")
        return self._contacts().name_for(contact["FullName"], code, number)

    def _contacts(self) -> parties.Contacts:
        return parties.contacts(self.settings.address, self.link.domain)


def _costs_nothing(attempt: Attempt) -> bool:
    return attempt.kind is ItemKind.PARTY and attempt.op is Op.CREATE


def _names_contact(attempt: Attempt) -> bool:
    """Whether it sends the name of a contact with a code: uploads do not, and nor does a new contact by itself."""
    return "upload" not in attempt.booking.payload and not _costs_nothing(attempt)


def _outcome(
    attempt: Attempt,
    told: answers.Told | answers.Skipped | None,
    left_out: Iterable[AttachedFile],
    *,
    others_went: bool = False,
) -> Booked | Accepted | ToolError | None:
    """What is told of an invoice, as what must happen next; None where nobody can tell."""
    booking = attempt.booking
    if told is None or booking.day is None or booking.reference is None:
        return None
    if isinstance(told, answers.Skipped):
        return NotProcessed("Yuki stopped before it, as others were wrong")
    if not told.succeeded:
        error = errors.judged(told.message, others_went=others_went)
        return _detailed(error, booking) if isinstance(error, Refused) else error
    if not told.processed:  # it is there as a draft, although we asked otherwise
        if "sale" not in booking.payload:  # asked for by its number among sales, it would be taken for one of ours
            return None
        return Accepted(str(Token(upload=False, day=booking.day, key=ledger.plain(booking.reference))))
    remarks = [_left_out(one) for one in left_out]
    if told.reference != ledger.plain(booking.reference):
        facts = {"number": booking.reference, "kept": told.reference}
        remarks.append(Issue(code="Y45", severity=Severity.INFORMATION, facts=facts))
    return Booked(str(ledger.sale(told.reference, booking.day)), told.reference, remarks=tuple(remarks))


def _is_unknown(outcome: Booked | Accepted | ToolError) -> TypeGuard[Refused]:
    return isinstance(outcome, Refused) and errors.is_unknown(outcome)


def _detailed(error: Refused, booking: Booking) -> Refused:
    """Yuki's words with what the invoice consists of: they do not always say which account or rate they mean."""
    known = mapping.facts(booking)
    issues = [one.model_copy(update={"facts": {**known, **one.facts}}) for one in error.issues]
    return Refused(issues, tool_words=error.tool_words)


def _left_out(file: AttachedFile) -> Issue:
    facts = {"file": file.file_name, "most": f"{archive.LARGEST * 3 // 4 >> 10} kB"}
    return Issue(code="Y42", severity=Severity.INFORMATION, facts=facts)


def _is_pdf(file: AttachedFile) -> bool:
    return file.media_type == "application/pdf" or file.file_name.lower().endswith(".pdf")


def _fits(file: AttachedFile) -> bool:
    return len(file.content) * 4 // 3 <= archive.LARGEST


def _embedded(document: str, files: Sequence[AttachedFile]) -> list[AttachedFile]:
    """Files that fit into the document, which is written in base64 once more when it is sent."""
    found: list[AttachedFile] = []
    size = len(document.encode())
    for one in files:
        larger = size + len(one.content) * 4 // 3
        if larger * 4 // 3 <= archive.LARGEST:
            size = larger
            found.append(one)
    return found


def _is_for(attempt: Attempt, candidate: Candidate) -> bool:
    """Another supplier may have the same number."""
    return (candidate.party_id, candidate.gross) == (attempt.party_entry, attempt.booking.gross)


def _is_of(entry: ledger.Entry, token: Token) -> bool:
    """A number alone may be that of another year."""
    if token.upload:
        return entry.document == token.key
    return entry.reference == token.key and abs(entry.day - token.day) <= AROUND


def _verdict(attempt: Attempt, error: ToolError) -> ToolError:
    """`error` as what the tool said of the write."""
    attempt.verdict = error
    return error
