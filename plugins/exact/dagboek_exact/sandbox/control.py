"""The calls below `/_sandbox`: looking into the books, switching faults, doing what a person would do.

In a test in the same process the methods of `Control` can be called directly, with the names of the JSON body as
keyword arguments. The package's page lists them all. They are the calls that every sandbox has, so they say dossier for
division.
"""

from dataclasses import fields
from typing import Any

from dagboek_sdk.sandbox.control_calls import ControlCalls
from dagboek_sdk.sandbox.faults import Faults
from dagboek_sdk.sandbox.requests import Requests, utc_text

from .books import Books
from .edm import Json
from .limits import Limits
from .oauth import Browser
from .refusal import Refused
from .rules import Rules

BOOKING = "*Entries.post"
"""The operations that book a document."""
NOBODYS_FAULT = ("repeated",)
"""No client is proof against a gateway that repeats a call, where the tool takes the same sale twice."""


class Control(ControlCalls):
    """Everything below `/_sandbox`, by name."""

    looking = (
        "entries", "ledger", "relations", "documents", "requests", "chains", "status", "faults", "limits", "clock",
        "rules", "browser",
    )  # fmt: skip
    doing = (
        "faults", "clock", "limits", "rules", "browser", "reset", "dossiers", "logins", "rights", "apps", "bookyears",
        "journals", "accounts", "vat_codes", "conditions", "cost_centres", "relation", "book_by_hand",
        "alter_by_hand", "delete_by_hand", "pay", "unpay",
    )  # fmt: skip
    numbers = ("dossier", *ControlCalls.numbers)
    _books: Books

    def __init__(self, books: Books, faults: Faults, limits: Limits, requests: Requests, browser: Browser) -> None:
        super().__init__(books, faults, requests)
        self._limits = limits
        self._browser = browser

    def refusal(self, error: Exception) -> tuple[int, Json]:
        """In English."""
        if isinstance(error, Refused):
            return error.status, {"error": error.value("en")}
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
        """All relations of a division, with what they have."""
        rows = self._books.division(dossier).rows("accounts")
        return [{name: str(value) for name, value in row.items() if value is not None} for row in rows]

    def documents(self, dossier: int) -> list[Json]:
        """Documents with the names of their files, and the entry that points to each."""
        division = self._books.division(dossier)
        entries = {row.get("Document"): row for table in ("sales", "purchases") for row in division.rows(table)}
        return [
            {
                "id": str(row["ID"]),
                "subject": row["Subject"],
                "type": row["Type"],
                "files": [
                    {"name": one["FileName"], "size": len(one["Attachment"])}
                    for one in division.rows("attachments")
                    if one["Document"] == row["ID"]
                ],
                "entry": str(entries[row["ID"]]["EntryID"]) if row["ID"] in entries else None,
            }
            for row in division.rows("documents")
        ]

    def chains(self) -> list[Json]:
        """The token chains: app, user, when they were granted, whether they are at an end; no tokens."""
        return [
            {
                "app": chain.app,
                "user": chain.user,
                "granted": utc_text(chain.granted),
                "refreshed": len(chain.old),
                "ended": chain.dead,
            }
            for chain in self._books.chains
        ]

    def status(self) -> Json:
        """What this is, divisions, clock, limits, faults. `booking`: the operations that book a document."""
        return {
            "sandbox": "exact",
            "booking": BOOKING,
            "faults_known": [kind for kind in self._faults.kinds if kind not in NOBODYS_FAULT],
            "dossiers": [
                {
                    "id": division.code,
                    "name": division.name,
                    "disabled": bool(division.blocking or division.status != 1 or not division.licensed),
                    "bookings": len(division.tables["sales"]) + len(division.tables["purchases"]),
                    "relations": len(division.tables["accounts"]),
                }
                for division in self._books.divisions.values()
            ],
            "users": [user.name for user in self._books.users.values()],
            "browser": self.browser(),
            "clock": utc_text(self._books.clock.now()),
            "limits": self.limits(),
            "faults": self._faults.listed(),
        }

    # --- faults, clock, limits, rules, reset ---------------------------------------------------------------

    def limits(self, on: bool | None = None, retry_after: int | None = None, clear: bool = False) -> Json:
        """Switches all limits, a Retry-After; `clear` forgets what was used, and blocks."""
        limits = self._limits
        limits.on = limits.on if on is None else bool(on)
        limits.retry_after = limits.retry_after if retry_after is None else int(retry_after)
        if clear:
            limits.clear()
        return {
            "on": limits.on,
            "retry_after": limits.retry_after,
            "minutes": {f"{app} {division}": used for (app, division), used in limits.minutes.items()},
            "days": {f"{app} {division}": used for (app, division), used in limits.days.items()},
            "tokens": {f"{app} {user}": used for (app, user), used in limits.tokens.items()},
            "errors": {" ".join(map(str, key)): len(times) for key, times in limits.errors.items() if times},
            "blocked": {" ".join(map(str, key)): utc_text(until) for key, until in limits.blocked.items()},
        }

    def rules(self, **changes: Any) -> Json:
        """Shows or changes what the reference leaves open; see `Rules`."""
        if changes:
            self._change("set_rules", None, changes)
        return {each.name: getattr(self._books.rules, each.name) for each in fields(Rules)}

    def browser(self, user: str | None = None, answer: str | None = None, divisions: Any = ()) -> Json:
        """Who is at the browser, and how they answer: consent, refuse, or ask on a page."""
        if answer is not None and answer not in ("consent", "refuse", "ask"):
            raise ValueError("the answer is consent, refuse or ask")
        if user is not None:
            self._browser.user = self._books.user(user).name
        self._browser.answer = answer or self._browser.answer
        if divisions != ():
            self._browser.divisions = None if divisions is None else [int(each) for each in divisions]
        return {"user": self._browser.user, "answer": self._browser.answer, "divisions": self._browser.divisions}

    def reset(self) -> Json:
        """Books, users, apps, tokens, faults, requests and limits as at the start. The clock goes on."""
        self._limits.clear()
        return super().reset()

    # --- what a person does -----------------------------------------------------------------------------------

    def dossiers(self, **options: Any) -> Json:
        """Adds a division (or `copies` of it), or with `change` an id sets switches of one."""
        if "change" in options:
            return self._change("set_division", int(options.pop("change")), options)
        return self._change("add_divisions", None, options)

    def logins(self, **options: Any) -> Json:
        """Adds, changes or removes a user, or ends their tokens."""
        return self._change("set_login", None, options)

    def rights(self, **options: Any) -> Json:
        """Takes a right from a user, or gives it back."""
        return self._change("set_right", None, options)

    def apps(self, **options: Any) -> Json:
        """Adds, changes or removes an app."""
        return self._change("set_app", None, options)

    def bookyears(self, dossier: int, **options: Any) -> Json:
        """Adds a year, closes periods or opens them, removes them."""
        return self._change("set_year", dossier, options)

    def journals(self, dossier: int, **options: Any) -> Json:
        """Switches, creates or removes a journal."""
        return self._change("set_journal", dossier, options)

    def accounts(self, dossier: int, **options: Any) -> Json:
        """Adds, changes or removes a ledger account."""
        return self._change("set_account", dossier, options)

    def vat_codes(self, dossier: int, **options: Any) -> Json:
        """Adds, changes or removes a VAT code."""
        return self._change("set_vat_code", dossier, options)

    def conditions(self, dossier: int, **options: Any) -> Json:
        """Adds, changes or removes a payment condition."""
        return self._change("set_condition", dossier, options)

    def cost_centres(self, dossier: int, **options: Any) -> Json:
        """Adds, changes or removes a cost centre or unit."""
        return self._change("set_cost_centre", dossier, options)

    def relation(self, dossier: int, **options: Any) -> Json:
        """Adds, changes or removes a relation."""
        return self._change("set_relation", dossier, options)

    def book_by_hand(self, dossier: int, **options: Any) -> Json:
        """A person types an entry; without a relation given, one called `name` is found or made."""
        return self._change("book_by_hand", dossier, options)

    def alter_by_hand(self, dossier: int, **options: Any) -> Json:
        """A person changes an entry."""
        return self._change("alter_by_hand", dossier, options)

    def delete_by_hand(self, dossier: int, **options: Any) -> Json:
        """A person undoes an entry."""
        return self._change("delete_by_hand", dossier, options)

    def pay(self, dossier: int, **options: Any) -> Json:
        """A payment on an entry."""
        return self._change("pay", dossier, options)

    def unpay(self, dossier: int, **options: Any) -> Json:
        """Undoes the matching of an entry with its payments."""
        return self._change("unpay", dossier, options)

    def _change(self, change: str, dossier: int | None, body: Json) -> Json:
        found: Json = self._books.apply(change, None if dossier is None else int(dossier), body)
        return found
