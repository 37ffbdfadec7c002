"""The calls below `/_sandbox`: looking into the books, switching faults, doing what a person would do.

In a test in the same process the methods of `Control` can be called directly, with the names of the JSON body as
keyword arguments. The package's page lists them all.
"""

from typing import Any

from dagboek_sdk.sandbox.control_calls import ControlCalls
from dagboek_sdk.sandbox.faults import Faults
from dagboek_sdk.sandbox.requests import Requests, utc_text

from .books import Books
from .limits import ANSWERS, Limits
from .wire import Json, Refused


class Control(ControlCalls):
    """Everything below `/_sandbox`, by name."""

    looking = ("entries", "ledger", "relations", "requests", "status", "faults", "limits", "clock")
    doing = (
        "faults", "clock", "limits", "reset", "dossiers", "logins", "bookyears", "journals", "accounts", "vat_codes",
        "cost_centres", "book_by_hand", "alter_by_hand", "delete_by_hand", "pay", "unpay",
    )  # fmt: skip
    numbers = ("dossier", *ControlCalls.numbers)
    _books: Books

    def __init__(self, books: Books, faults: Faults, limits: Limits, requests: Requests) -> None:
        super().__init__(books, faults, requests)
        self._limits = limits

    def refusal(self, error: Exception) -> tuple[int, Json]:
        """With a code, where Octopus has one."""
        if isinstance(error, Refused):
            return error.status, {"error": error.info, "errorCode": error.code}
        return super().refusal(error)

    # --- looking (GET) -----------------------------------------------------------------------------------

    def entries(
        self, dossier: int | None = None, journal: str | None = None, bookyear: int | None = None
    ) -> list[dict[str, Any]]:
        """What is booked."""
        return self._books.entries(dossier, journal, bookyear)

    def ledger(self, dossier: int, bookyear: int | None = None) -> dict[str, Any]:
        """The accounts and the proof."""
        return self._books.ledger(dossier, bookyear)

    def relations(self, dossier: int) -> list[Json]:
        """All relations of a dossier, as on the wire."""
        return [relation.wire() for relation in self._books.dossier(dossier).relations.by_id.values()]

    def status(self) -> Json:
        """What this is, dossiers, clock, limits, faults. `booking`: the operation that books a document."""
        return {
            "sandbox": "octopus",
            "booking": "insertBuySellBooking",
            "faults_known": list(self._faults.kinds),
            "dossiers": [
                {
                    "id": dossier.id,
                    "name": dossier.name,
                    "disabled": dossier.disabled,
                    "bookings": len(dossier.bookings),
                    "relations": len(dossier.relations.by_id),
                }
                for dossier in self._books.dossiers.values()
            ],
            "clock": utc_text(self._books.clock.now()),
            "limits": self.limits(),
            "faults": self._faults.listed(),
        }

    # --- faults, clock, limits, reset -----------------------------------------------------------------------

    def limits(
        self,
        on: bool | None = None,
        answer: str | int | None = None,
        retry_after: int | None = None,
        numbers: dict[str, int] | None = None,
        clear: bool = False,
    ) -> Json:
        """Switches the daily limits, their answer and numbers; `clear` forgets what was used."""
        if answer is not None and str(answer) not in ANSWERS:
            raise ValueError(f"the answer is one of {', '.join(ANSWERS)}")
        self._limits.on = self._limits.on if on is None else bool(on)
        self._limits.answer = self._limits.answer if answer is None else str(answer)
        self._limits.retry_after = self._limits.retry_after if retry_after is None else int(retry_after)
        self._limits.numbers.update({name: int(number) for name, number in (numbers or {}).items()})
        if clear:
            self._limits.used.clear()
        return {
            "on": self._limits.on,
            "answer": self._limits.answer,
            "retry_after": self._limits.retry_after,
            "numbers": self._limits.numbers,
            "used": {f"{name} {scope}".strip(): count for (name, scope), count in self._limits.used.items()},
        }

    def reset(self) -> Json:
        """Books, logins, faults, requests and limits as at the start. Clock and tokens go on."""
        self._limits.used.clear()
        return super().reset()

    # --- what a person does -----------------------------------------------------------------------------------

    def dossiers(self, **options: Any) -> Json:
        """Adds a dossier (or `copies` of it), or with `change` an id sets switches of one."""
        if "change" in options:
            return self._change("set_dossier", options.pop("change"), options)
        return self._books.apply("add_dossiers", None, options).value  # type: ignore[no-any-return]

    def logins(self, **options: Any) -> Json:
        """Adds, changes or removes a user; switches the software house."""
        return self._books.apply("set_login", None, options).value  # type: ignore[no-any-return]

    def bookyears(self, dossier: int, **options: Any) -> Json:
        """Adds a book year, closes or removes one."""
        return self._change("set_bookyear", dossier, options)

    def journals(self, dossier: int, **options: Any) -> Json:
        """Switches, creates or removes a journal."""
        return self._change("set_journal", dossier, options)

    def accounts(self, dossier: int, **options: Any) -> Json:
        """Adds, changes or removes an account."""
        return self._change("set_account", dossier, options)

    def vat_codes(self, dossier: int, **options: Any) -> Json:
        """Adds, changes or removes a VAT code."""
        return self._change("set_vat_code", dossier, options)

    def cost_centres(self, dossier: int, **options: Any) -> Json:
        """Adds or changes a cost centre."""
        return self._change("set_cost_centre", dossier, options)

    def book_by_hand(self, dossier: int, journal: str, name: str = "Met de hand", **options: Any) -> Json:
        """A person types a booking; without a relation given, one called `name` is found or made."""
        if "relation" not in options and "external_relation" not in options:
            options["relation"] = self._relation_called(dossier, name, client=journal.startswith("V"))
        return self._change("book_by_hand", dossier, {"journal": journal, **options})

    def alter_by_hand(self, dossier: int, **options: Any) -> Json:
        """A person changes a booking."""
        return self._change("alter_by_hand", dossier, options)

    def delete_by_hand(self, dossier: int, **options: Any) -> Json:
        """A person undoes a booking."""
        return self._change("delete_by_hand", dossier, options)

    def pay(self, dossier: int, **options: Any) -> Json:
        """A payment on a document."""
        return self._change("pay", dossier, options)

    def unpay(self, dossier: int, **options: Any) -> Json:
        """Unties a document from its payments."""
        return self._change("unpay", dossier, options)

    def _change(self, change: str, dossier: int, body: Json) -> Json:
        return self._books.apply(change, int(dossier), body).value  # type: ignore[no-any-return]

    def _relation_called(self, dossier: int, name: str, *, client: bool) -> int:
        relations = self._books.dossier(int(dossier)).relations
        found = relations.search(relation_id=None, external_id=None, name=name, vat_number=None)
        if found:
            return found[0].id
        body = {
            "relationIdentificationServiceData": {},
            "currencyCode": "EUR",
            "name": name,
            "client": client,
            "supplier": not client,
        }
        made = self._books.apply("upsert_relation", int(dossier), body).value
        return int(made["relationIdentificationServiceData"]["relationKey"]["id"])
