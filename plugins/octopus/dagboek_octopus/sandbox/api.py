"""The calls of the API: which there are, who may make them, how often, and what each answers.

Names of operations are the `operationId`s of the API's own description. The invoicing part (invoices, delivery
notes, reminders, products), banking lists and file imports are not offered: those calls answer 501.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from . import codes, history, listings, wire
from .balancing import balancing_wire, open_items
from .booking import Booking
from .books import Books, User
from .changes import booking_wire, digest
from .dossier import LETTER_TYPES, Bookyear, Dossier, Journal
from .limits import Limits
from .relations import Relation
from .tokens import Login, OpenDossier, Tokens
from .wire import Json, Refused, Result

VERSION = "51.9.17"


@dataclass(slots=True)
class Call:
    """One call on its way through."""

    books: Books
    tokens: Tokens
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    path: tuple[str, ...]
    """The changing parts of the path below the dossier."""
    address: str
    dossier_id: int | None = None
    user: str = ""
    language: str = "nl"
    _dossier: Dossier | None = field(default=None)

    @property
    def dossier(self) -> Dossier:
        """The dossier that is open."""
        assert self._dossier is not None, "the operation is not one of a dossier"
        return self._dossier

    def open(self, dossier: Dossier, token: OpenDossier) -> None:
        """Notes what the dossier token says."""
        self._dossier = dossier
        self.user = token.user
        self.language = language_of(dossier, token.locale)

    @property
    def zone(self) -> ZoneInfo:
        """The zone of `modifiedTimeStamp`."""
        return ZoneInfo(self.books.rules.time_zone)

    def since(self) -> float:
        """The required `modifiedTimeStamp`."""
        return wire.query_moment(self.query, "modifiedTimeStamp", self.zone)

    def change(self, change: str, body: Json, *, raw: bool = False) -> Result:
        """Does a change in the open dossier; `raw`: the body is just what came in."""
        return self.books.apply(change, self.dossier.id, body, self.raw if raw else None)

    def bookyear(self, bookyear_id: int) -> Bookyear:
        """A book year of the open dossier; 400 with -9."""
        bookyear = self.dossier.bookyears.get(bookyear_id)
        if bookyear is None:
            raise Refused(400, codes.UNKNOWN_BOOKYEAR, f"Dossier {self.dossier.id} has no bookyear {bookyear_id}")
        return bookyear

    def path_number(self, index: int) -> int:
        """A part of the path that must be a number; else 400."""
        try:
            return int(self.path[index])
        except ValueError:
            raise wire.invalid_parameters() from None


Handler = Callable[[Call], Result]


class Operation(NamedTuple):
    """A call: `access` is "free", "login" (header Token) or "dossier" (header dossierToken)."""

    name: str
    method: str
    path: str
    maximum: int | None
    """Calls a day."""
    access: str
    handler: Handler


def language_of(dossier: Dossier, locale: int) -> str:
    """The language of a `localeId`; 0 is the dossier's own."""
    return codes.LANGUAGES[locale - 1] if 1 <= locale <= len(codes.LANGUAGES) else dossier.language


def found(rows: list[Any]) -> Result:
    """The rows; nothing found is a 404."""
    if not rows:
        raise nothing_found()
    return Result(200, rows)


def nothing_found() -> Refused:
    """The usual answer when there is nothing: no failure."""
    return Refused(404, None, "Nothing found")


# --- access ----------------------------------------------------------------------------------------------


def admit(call: Call, operation: Operation, limits: Limits) -> None:
    """Checks token, rights and the day's maximum; raises Refused."""
    scope = ""
    if operation.access == "login":
        scope = call.user = _login(call).user
    elif operation.access == "dossier":
        _open(call)
        scope = str(call.dossier_id)
    name, maximum = operation.name, operation.maximum
    if name == "connectDossier":
        scope = call.query.get("dossierId", "")
    elif name == "getRelations" and call.query:
        name, maximum = "getRelations:search", 400
    if not limits.allow(name, maximum, scope, call.books.clock.now()):
        raise _limit_passed(limits, name)


def _limit_passed(limits: Limits, name: str) -> Refused:
    info = f"The maximum number of calls of {name} for today is reached"
    if limits.answer == "400":
        return Refused(400, codes.TOO_MANY_CONNECTIONS, info)
    return Refused(int(limits.answer), None, info)


def _login(call: Call) -> Login:
    token = call.headers.get("Token")
    if not token:
        raise Refused(401, codes.INVALID_PARAMETER, "The access token is empty")
    login = call.tokens.login(token)
    if login is None or login.user not in call.books.users:
        raise Refused(401, None, "The token is invalid or has ended")
    return login


def _open(call: Call) -> None:
    token = call.headers.get("dossierToken")
    if not token:
        raise Refused(401, codes.INVALID_PARAMETER, "The access token is empty")
    opened = call.tokens.dossier(token)
    if opened is None:
        raise Refused(401, None, "The dossier token is invalid or has ended")
    if opened.dossier != call.dossier_id:
        raise Refused(401, codes.NO_DOSSIER_OPEN, f"The token is not one of dossier {call.dossier_id}")
    user, dossier = call.books.users.get(opened.user), call.books.dossiers.get(opened.dossier)
    if user is None or dossier is None:
        raise Refused(401, None, "The dossier token is invalid or has ended")
    call.open(dossier, opened)
    _check_rights(user, dossier)


def _check_rights(user: User, dossier: Dossier) -> None:
    if user.dossiers is not None and dossier.id not in user.dossiers:
        raise Refused(403, codes.NO_ACCESS_TO_DOSSIER, f"The user has no rights on dossier {dossier.id}")
    if dossier.disabled:
        raise Refused(403, codes.DOSSIER_DISABLED, f"Dossier {dossier.id} is disabled")


# --- login and dossiers ------------------------------------------------------------------------------------


def version(call: Call) -> Result:
    """Plain text."""
    return Result(200, VERSION)


def sample_error(call: Call) -> Result:
    """Always a 400: the text of an error code in a language."""
    code = wire.query_integer(call.query, "errorCode")
    locale = wire.optional_query_integer(call.query, "localeId") or 1
    call.language = codes.LANGUAGES[locale - 1] if 1 <= locale <= len(codes.LANGUAGES) else "nl"
    raise Refused(400, code, f"Sample of error {code}")


def log_in(call: Call) -> Result:
    """Credentials in, token out."""
    software_house = call.headers.get("softwareHouseUuid")
    if not software_house:
        raise wire.invalid_parameters()
    body = wire.parse_object(call.raw)
    name, password = wire.text(body, "user"), wire.text(body, "password")
    if not name or not password:
        raise wire.invalid_parameters()
    if software_house.lower() != call.books.software_house or not call.books.software_house_on:
        raise Refused(401, codes.SOFTWARE_HOUSE, "The software house identification is unknown or switched off")
    user = call.books.users.get(name)
    if user is None or user.password != password:
        failed = 1
        if user is not None:
            failed = user.failed[call.address] = user.failed.get(call.address, 0) + 1
        raise Refused(401, None, f"Login of user {name} from {call.address} failed, {failed} failed logins")
    user.failed.pop(call.address, None)
    return Result(200, {"token": call.tokens.issue_login(name)})


def who_am_i(call: Call) -> Result:
    """The token again."""
    return Result(200, {"token": call.headers["Token"]})


def get_dossiers(call: Call) -> Result:
    """The dossiers that the user may see."""
    user = call.books.users[call.user]
    return Result(
        200,
        [
            listings.dossier_row(dossier)
            for dossier in call.books.dossiers.values()
            if user.dossiers is None or dossier.id in user.dossiers
        ],
    )


def connect_dossier(call: Call) -> Result:
    """Opens a dossier."""
    dossier_id = wire.query_integer(call.query, "dossierId")
    locale = wire.optional_query_integer(call.query, "localeId") or 0
    if not 0 <= locale <= 4:
        raise wire.invalid_parameters()
    dossier = call.books.dossier(dossier_id)
    call.language = language_of(dossier, locale)
    _check_rights(call.books.users[call.user], dossier)
    return Result(200, {"Dossiertoken": call.tokens.issue_dossier(call.user, dossier_id, locale)})


# --- reference data ----------------------------------------------------------------------------------------


def get_bookyears(call: Call) -> Result:
    """All book years."""
    return found([listings.bookyear_row(bookyear) for bookyear in call.dossier.bookyears.values()])


def get_bookyear(call: Call) -> Result:
    """One book year in detail."""
    return Result(200, listings.bookyear_detail(call.bookyear(call.path_number(0))))


def insert_bookyear(call: Call) -> Result:
    """A new book year."""
    made = call.change("insert_bookyear", wire.parse_object(call.raw), raw=True)
    return Result(200, listings.bookyear_detail(call.bookyear(made.value)))


def get_journals(call: Call) -> Result:
    """The journals of a book year."""
    bookyear = call.bookyear(call.path_number(0))
    return found([listings.journal_row(bookyear, each, call.language) for each in bookyear.journals.values()])


def _journal(call: Call, bookyear: Bookyear, journal_key: str) -> Journal:
    journal = bookyear.journals.get(journal_key)
    if journal is None:
        info = f"Dossier {call.dossier.id}, bookyear {bookyear.id} has no journal {journal_key}"
        raise Refused(400, codes.UNKNOWN_JOURNAL, info)
    return journal


def get_journal(letter: str) -> Handler:
    """One journal in detail."""

    def handler(call: Call) -> Result:
        bookyear = call.bookyear(call.path_number(0))
        journal = _journal(call, bookyear, f"{letter}{call.path_number(1)}")
        return Result(200, listings.journal_detail(bookyear, journal))

    return handler


def get_journal_balance(call: Call) -> Result:
    """The balance of a financial journal."""
    bookyear = call.bookyear(call.path_number(0))
    journal = _journal(call, bookyear, call.path[1])
    if journal.letter != "F":
        raise Refused(400, codes.WRONG_JOURNAL_TYPE, f"Journal {journal.key} is not a financial one")
    balance = history.journal_balance(call.dossier, bookyear.id, journal.key, journal.account)
    return Result(200, {"balance": balance, "bookyearKey": {"id": bookyear.id}, "journalKey": journal.key})


def get_modified_journals(call: Call) -> Result:
    """Journals changed or deleted since a moment; empty lists when there are none."""
    changed, deleted = [], []
    for bookyear_id, key in call.dossier.journal_changes.between(call.since()):
        bookyear = call.dossier.bookyears.get(bookyear_id)
        journal = bookyear.journals.get(key) if bookyear else None
        if bookyear and journal:
            changed.append(listings.journal_common(bookyear, journal))
        else:
            row = {"bookyearKey": {"id": bookyear_id}, "journalTypeCode": key[0], "sequenceNumber": int(key[1:])}
            deleted.append(row)
    return Result(200, {"deletedJournalList": deleted, "modifiedJournalServiceDataList": changed})


def insert_journal(letter: str) -> Handler:
    """A new journal in one book year."""

    def handler(call: Call) -> Result:
        body = wire.parse_object(call.raw)
        wanted = {"BOOKING": 1, "VAT_EXCLUSIVE": 2, "VAT_INCLUSIVE": 3}
        change = {
            "letter": letter,
            "common": wire.mapping(body.get("commonJournalInsertRequestData")),
            "insertion_type": wanted.get(wire.text(body, "sellJournalInsertionType"), 1),
            "currency": wire.text(body, "currencyCode") or "EUR",
            "account": wire.integer(body, "account"),
        }
        return _journal_made(call, call.change("insert_journal", change))

    return handler


def update_journal(letter: str) -> Handler:
    """Names, next number and protected period of a journal."""

    def handler(call: Call) -> Result:
        common = wire.mapping(wire.parse_object(call.raw).get("commonJournalUpdateRequestData"))
        return _journal_made(call, call.change("update_journal", {"letter": letter, "common": common}))

    return handler


def _journal_made(call: Call, made: Result) -> Result:
    bookyear_id, key = made.value
    bookyear = call.bookyear(bookyear_id)
    return Result(200, listings.journal_detail(bookyear, bookyear.journals[key]))


def delete_journal(call: Call) -> Result:
    """Takes a journal without bookings out of a book year."""
    return call.change("delete_journal", {"bookyear": call.path_number(0), "journal": f"{call.path[1]}{call.path[2]}"})


def get_accounts(call: Call) -> Result:
    """The chart of a book year."""
    bookyear = call.bookyear(wire.query_integer(call.query, "bookyearId"))
    return found([listings.account_row(bookyear.id, account) for account in bookyear.accounts.values()])


def get_modified_accounts(call: Call) -> Result:
    """Accounts changed or deleted since a moment."""
    changed, deleted = [], []
    for bookyear_id, number in call.dossier.account_changes.between(call.since()):
        bookyear = call.dossier.bookyears.get(bookyear_id)
        account = bookyear.accounts.get(number) if bookyear else None
        if account:
            changed.append(listings.account_row(bookyear_id, account))
        else:
            deleted.append({"accountKey": {"bookyearKey": {"id": bookyear_id}, "id": number}})
    return _changed_and_deleted("modified", changed, "deleted", deleted)


def get_modified_amounts(call: Call) -> Result:
    """Account balances changed since a moment."""
    since = call.since() if "modifiedTimeStamp" in call.query else 0.0
    return _changed_and_deleted("modified", history.changed_balances(call.dossier, since), "deleted", [])


def _changed_and_deleted(name: str, changed: list[Json], deleted_name: str, deleted: list[Json]) -> Result:
    if not changed and not deleted:
        raise nothing_found()
    return Result(200, {name: changed, deleted_name: deleted})


def put_account(call: Call) -> Result:
    """Adds or changes an account."""
    return call.change("upsert_account", wire.parse_object(call.raw), raw=True)


def get_vat_codes(call: Call) -> Result:
    """The VAT codes."""
    return found([listings.vat_code_row(code) for code in call.dossier.vat_codes.values()])


def get_cost_centres(call: Call) -> Result:
    """All cost centres."""
    return found([listings.cost_centre_row(each) for each in call.dossier.cost_centres.values()])


def get_active_cost_centres(call: Call) -> Result:
    """Those that are open."""
    return found([listings.cost_centre_row(each) for each in call.dossier.cost_centres.values() if not each.closed])


def put_cost_centre(call: Call) -> Result:
    """Adds or changes a cost centre."""
    return call.change("upsert_cost_centre", wire.parse_object(call.raw), raw=True)


def get_currencies(call: Call) -> Result:
    """Currency codes; the first is the dossier's own."""
    return Result(200, list(call.dossier.currencies))


def nothing(call: Call) -> Result:
    """Lists that are empty here: products, product groups, custom fields."""
    raise nothing_found()


# --- relations ---------------------------------------------------------------------------------------------


def get_relations(call: Call) -> Result:
    """Active relations, or with conditions all that meet any of them."""
    relations = call.dossier.relations
    query = call.query
    rows: list[Relation]
    if any(name in query for name in ("relationId", "extRelationId", "name", "vatNr")):
        rows = relations.search(
            relation_id=wire.optional_query_integer(query, "relationId"),
            external_id=wire.optional_query_integer(query, "extRelationId"),
            name=query.get("name"),
            vat_number=query.get("vatNr"),
        )
    else:
        rows = relations.active()
    if not rows and call.books.rules.empty_search == "404":
        raise nothing_found()
    return Result(200, [relation.wire() for relation in rows])


def put_relation(call: Call) -> Result:
    """Upsert."""
    return call.change("upsert_relation", wire.parse_object(call.raw), raw=True)


def get_modified_relations(call: Call) -> Result:
    """Relations changed since a moment, or all."""
    since = call.since() if "modifiedTimeStamp" in call.query else 0.0
    rows = [relation.wire() for relation in call.dossier.relations.modified(since)]
    return _changed_and_deleted("modified", rows, "deleted", [])


# --- bookings ----------------------------------------------------------------------------------------------


def insert_booking(change: str) -> Handler:
    """A new booking, with attachments or without."""

    def handler(call: Call) -> Result:
        body = wire.parse_object(call.raw)
        if body.get("attachments"):
            return call.change(change, {**body, "attachments": digest(body["attachments"])})
        return call.change(change, body, raw=True)

    return handler


def update_booking(change: str) -> Handler:
    """Replaces a booking."""

    def handler(call: Call) -> Result:
        return call.change(change, wire.parse_object(call.raw), raw=True)

    return handler


def get_booking(letters: str) -> Handler:
    """One booking by its key, or 404."""

    def handler(call: Call) -> Result:
        bookyear_id = wire.query_integer(call.query, "bookyearId")
        journal_key = wire.query_text(call.query, "journalKey")
        number = wire.query_integer(call.query, "documentSeqNr")
        booking = call.dossier.bookings.get((bookyear_id, journal_key, number))
        if booking is None or booking.letter not in letters:
            raise nothing_found()
        return Result(200, booking_wire(call.dossier, booking))

    return handler


def get_modified_bookings(letters: str) -> Handler:
    """Bookings made or changed since a moment; deletions do not show."""

    def handler(call: Call) -> Result:
        bookyear_id = wire.query_integer(call.query, "bookyearId")
        journal_key = call.query.get("journalKey")
        return found(
            [
                booking_wire(call.dossier, booking)
                for booking in _changed(call, bookyear_id)
                if booking.letter in letters and journal_key in (None, "", booking.journal)
            ]
        )

    return handler


def get_booking_report(call: Call) -> Result:
    """Journal lines of bookings changed since a moment, and the keys of deleted ones."""
    bookyear_id = call.path_number(0)
    journal_type = wire.query_integer(call.query, "journalTypeId")
    since, until = call.since(), None
    if "modifiedTimeStampTo" in call.query:
        until = wire.query_moment(call.query, "modifiedTimeStampTo", call.zone)
    rows = [
        row
        for booking in _changed(call, bookyear_id, until)
        if journal_type in (-1, LETTER_TYPES[booking.letter])
        for row in listings.booking_report(booking)
    ]
    deleted = [
        listings.document_key(*key)
        for key in call.dossier.deleted_bookings.between(since, until)
        if key not in call.dossier.bookings
        and bookyear_id in (-1, key[0])
        and journal_type in (-1, LETTER_TYPES[key[1][0]])
    ]
    return _changed_and_deleted("modifiedBookings", rows, "deletedBookings", deleted)


def _changed(call: Call, bookyear_id: int, until: float | None = None) -> list[Booking]:
    if bookyear_id != -1:
        call.bookyear(bookyear_id)
    keys = call.dossier.booking_changes.between(call.since(), until)
    bookings = (call.dossier.bookings.get(key) for key in keys if bookyear_id in (-1, key[0]))
    return [booking for booking in bookings if booking]


def attach(call: Call) -> Result:
    """A file for a booking that is there; journal and number come in headers."""
    journal_key, number = call.headers.get("journalKey"), call.headers.get("documentSequennceNr", "")
    if not journal_key or not number.isascii() or not number.isdigit():
        raise wire.invalid_parameters()
    file = digest([wire.parse_object(call.raw)])[0]
    change = {"bookyear": call.path_number(0), "journal": journal_key, "number": int(number), "file": file}
    return call.change("attach", change)


# --- balancings and reports ----------------------------------------------------------------------------------


def get_modified_balancings(call: Call) -> Result:
    """Ties made and undone since a moment."""
    tied, untied = call.dossier.balancings.modified(call.since())
    rows, deleted = ([balancing_wire(call.dossier, each) for each in which] for which in (tied, untied))
    return _changed_and_deleted("modifiedBalancings", rows, "deletedBalancings", deleted)


def change_balancings(change: str) -> Handler:
    """Ties or unties."""

    def handler(call: Call) -> Result:
        return call.change(change, wire.parse_object(call.raw), raw=True)

    return handler


def get_open_items(kind: str) -> Handler:
    """What clients (C) owe or suppliers (S) are owed."""

    def handler(call: Call) -> Result:
        return found(open_items(call.dossier, wire.parse_object(call.raw), kind))

    return handler


def get_relation_history(account: int) -> Handler:
    """Movements of one relation."""

    def handler(call: Call) -> Result:
        return found(history.of_relation(call.dossier, wire.parse_object(call.raw), account))

    return handler


def get_account_history(call: Call) -> Result:
    """Movements of one account."""
    return found(history.of_account(call.dossier, wire.parse_object(call.raw)))


def not_offered(call: Call) -> Result:
    """A call that this sandbox does not have."""
    raise Refused(501, None, "This call is not part of the sandbox")
