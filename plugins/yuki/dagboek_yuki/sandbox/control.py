"""The calls below `/_sandbox`: looking into the books, switching faults, doing what a person would do.

In a test in the same process the methods of `Control` can be called directly, with the names of the JSON body as
keyword arguments. The package's page lists them all. They are the calls that every sandbox has, so they say dossier for
administration (its id).
"""

from dataclasses import asdict
from typing import Any

from dagboek_sdk.sandbox.control_calls import ControlCalls
from dagboek_sdk.sandbox.faults import Faults
from dagboek_sdk.sandbox.requests import Requests, utc_text

from . import reports, uploads
from .books import Books, Json
from .call import Fault
from .limits import Limits

BOOKING = ("*.Process*", "Archive.Upload*")
"""The operations that book a document."""
NOBODYS_FAULT = ("repeated",)
"""No client is proof against a gateway that repeats a call, where the tool takes the same upload twice."""


class Control(ControlCalls):
    """Everything below `/_sandbox`, by name."""

    looking = (
        "entries", "ledger", "relations", "documents", "drafts", "requests", "sessions", "status", "faults", "limits",
        "clock", "rules",
    )  # fmt: skip
    doing = (
        "faults", "clock", "limits", "rules", "reset", "domains", "dossiers", "keys", "clients", "close", "accounts",
        "vat_codes", "currencies", "products", "refuse_invoices", "relation", "book_by_hand", "delete_by_hand",
        "alter_by_hand", "pay", "unpay", "handle_upload",
    )  # fmt: skip
    _books: Books

    def __init__(self, books: Books, faults: Faults, limits: Limits, requests: Requests) -> None:
        super().__init__(books, faults, requests)
        self._limits = limits

    def refusal(self, error: Exception) -> tuple[int, Json]:
        """In the words of the fault."""
        if isinstance(error, Fault):
            return 422, {"error": error.text}
        return super().refusal(error)

    # --- looking (GET) -------------------------------------------------------------------------------------------

    def entries(
        self, dossier: str | None = None, journal: str | None = None, bookyear: int | None = None
    ) -> list[Json]:
        """What is booked, in the order in which it was delivered; see `reports`."""
        self._catch_up()
        wanted = self._books.administrations.values() if dossier is None else [self._books.administration(dossier)]
        return [row for one in wanted for row in reports.entries(self._books, one, journal, bookyear)]

    def ledger(self, dossier: str, bookyear: int | None = None) -> Json:
        """Debit, credit and balance of each account, and the proof that all adds up to zero."""
        self._catch_up()
        return reports.ledger(self._books.administration(dossier), bookyear)

    def relations(self, dossier: str) -> list[Json]:
        """The contacts that an administration's documents made, with what they have."""
        self._catch_up()
        return reports.relations(self._books, self._books.administration(dossier))

    def documents(self, dossier: str) -> list[Json]:
        """The archive: files, the entry of each, whether somebody has still to look at it, why it was left."""
        self._catch_up()
        return reports.documents(self._books, self._books.administration(dossier))

    def drafts(self, dossier: str) -> list[Json]:
        """Sales invoices that wait to be sent from Yuki."""
        return self._books.administration(dossier).drafts

    def sessions(self) -> list[Json]:
        """The open sessions: key's rights, domain, language, when they end; no ids and no keys."""
        names = {each.id: each.name for each in self._books.domains.values()}
        return [
            {
                "domain": names[each.domain],
                "language": each.language,
                "ends": utc_text(each.ends),
                "known_app": each.known_app,
                "rights": sorted(each.key.rights),
            }
            for each in self._books.sessions
        ]

    def status(self) -> Json:
        """What this is, administrations, clock, limits, faults. `booking`: the operations that book a document."""
        self._catch_up()
        return {
            "sandbox": "yuki",
            "booking": BOOKING,
            "faults_known": [kind for kind in self._faults.kinds if kind not in NOBODYS_FAULT],
            "dossiers": [
                {
                    "id": each.id,
                    "name": each.name,
                    "domain": each.domain,
                    "disabled": not each.active,
                    "bookings": reports.bookings(each),
                    "relations": len(reports.relations(self._books, each)),
                }
                for each in self._books.administrations.values()
            ],
            "clock": utc_text(self._books.clock.now()),
            "limits": self.limits(),
            "faults": self._faults.listed(),
        }

    # --- faults, clock, limits, rules, reset ------------------------------------------------------------------------

    def limits(
        self, on: bool | None = None, clear: bool = False, domain: str | None = None, used: int | None = None
    ) -> Json:
        """Switches the limit; `clear` forgets what was used; `domain` with `used`: as many calls were made there."""
        limits, books = self._limits, self._books
        limits.on = limits.on if on is None else bool(on)
        if clear:
            limits.clear()
        now, zone = books.clock.now(), books.rules.day
        shown = [limits.shown(each, now, zone) for each in books.domains.values()]
        if used is None:
            return {"on": limits.on, "domains": shown}
        limits.used[books.domain(str(domain)).id] = int(used)
        return self.limits()

    def rules(self, **changes: Any) -> Json:
        """Shows or changes what the reference leaves open; see `Rules`."""
        if changes:
            self._change("set_rules", None, changes)
        return asdict(self._books.rules)

    def reset(self) -> Json:
        """Books, keys, sessions, faults, requests and limits as at the start. The clock goes on."""
        self._limits.clear()
        return super().reset()

    # --- what Yuki or an administrator of the portal does ---------------------------------------------------------

    def domains(self, **options: Any) -> Json:
        """Adds a domain, or with `change` (its id or name) switches one."""
        return self._change("set_domain", None, options)

    def dossiers(self, **options: Any) -> Json:
        """Adds an administration (or `copies` of it), or with `change` (its id) switches one."""
        return self._change("add_administrations", None, options)

    def keys(self, **options: Any) -> Json:
        """Adds an access key, or changes what one may do."""
        return self._change("set_key", None, options)

    def clients(self, **options: Any) -> Json:
        """Adds an app that Yuki knows, or lets its secret expire."""
        return self._change("set_client", None, options)

    # --- what a person does in the books ---------------------------------------------------------------------------

    def close(self, dossier: str, before: str | None) -> Json:
        """Nothing can be booked before a day any more; null opens everything."""
        return self._change("close", dossier, {"before": before})

    def accounts(self, dossier: str, **options: Any) -> Json:
        """Adds, changes, disables or removes a ledger account."""
        return self._change("account", dossier, options)

    def vat_codes(self, dossier: str, **options: Any) -> Json:
        """Adds, moves or removes a VAT code."""
        return self._change("vat_code", dossier, options)

    def currencies(self, dossier: str, **options: Any) -> Json:
        """Another rate of a currency, or none."""
        return self._change("currency", dossier, options)

    def products(self, dossier: str, **options: Any) -> Json:
        """A product that somebody typed in."""
        return self._change("product", dossier, options)

    def refuse_invoices(self, dossier: str, **options: Any) -> Json:
        """Invoices with these references are wrong, until it is off."""
        return self._change("refuse_invoices", dossier, options)

    def relation(self, dossier: str, **options: Any) -> Json:
        """Adds or changes a contact."""
        return self._change("relation", dossier, options)

    def book_by_hand(self, dossier: str, **options: Any) -> Json:
        """A person types an invoice."""
        return self._change("book_by_hand", dossier, options)

    def delete_by_hand(self, dossier: str, **options: Any) -> Json:
        """A person deletes an entry."""
        return self._change("delete_by_hand", dossier, options)

    def alter_by_hand(self, dossier: str, **options: Any) -> Json:
        """A person changes an entry."""
        return self._change("alter_by_hand", dossier, options)

    def pay(self, dossier: str, **options: Any) -> Json:
        """A payment of an entry."""
        return self._change("pay", dossier, options)

    def unpay(self, dossier: str, **options: Any) -> Json:
        """The payments of an entry are taken back."""
        return self._change("unpay", dossier, options)

    def handle_upload(self, dossier: str, **options: Any) -> Json:
        """Somebody looks at an upload now, and books or leaves it."""
        return self._change("handle_upload", dossier, options)

    def _catch_up(self) -> None:
        uploads.catch_up(self._books, self._books.clock.now())

    def _change(self, change: str, dossier: str | None, body: Json) -> Json:
        found: Json = self._books.apply(change, dossier, body)
        return found
