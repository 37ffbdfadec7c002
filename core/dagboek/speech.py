"""How console and mail speak: words in nl, fr and en, and dates, amounts and durations as each of them writes them."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_currency, format_decimal, format_percent
from dagboek_sdk import clock

from dagboek.catalogue import LANGUAGES, RenderedIssue
from dagboek.catalogue.general import words

_DECIDED = {
    "booked": re.compile("marked as booked (?P<number>.+) by (?P<who>.+)"),
    "sent_again": re.compile("sent again by (?P<who>.+)"),
    "reset": re.compile("link reset by (?P<who>.+)"),
}
"""What `resolve` notes in an attempt."""
_LOCALES = {"nl": Locale("nl", "BE"), "fr": Locale("fr", "BE"), "en": Locale("en", "GB")}


@cache
def texts() -> Mapping[str, Mapping[str, str]]:
    """All words: key, language. The key is the file's name, a dot, and the name in it."""
    found: dict[str, Mapping[str, str]] = {}
    folder = files("dagboek").joinpath("console", "texts")  # by the way of files: whoever mails needs no web server
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".toml"):
            rows = tomllib.loads(file.read_text(encoding="utf-8"))
            name_of_file = file.name.removesuffix(".toml")
            found |= {f"{name_of_file}.{name}": {**row, "fr": held_together(row["fr"])} for name, row in rows.items()}
    return found


def held_together(french: str) -> str:
    """French sets a space before some marks, which must not begin a line."""
    return re.sub(r" (?=[:;?!»])|(?<=«) ", "\u00a0", french)


def language_of(accepted: str | None) -> str:
    """The first language of a browser's `Accept-Language` that we speak; English where there is none."""
    asked = (one.strip()[:2].lower() for one in (accepted or "").split(","))
    return next((one for one in asked if one in LANGUAGES), "en")


@dataclass(frozen=True)
class Speech:
    """One language, one time zone."""

    language: str
    zone: ZoneInfo

    @property
    def locale(self) -> Locale:
        """How it writes numbers and dates."""
        return _LOCALES[self.language]

    def say(self, key: str, **facts: object) -> str:
        """A text with its facts; with a fact `number`, `KEY.one` is taken for one where there is such a text."""
        if facts.get("number") == 1 and f"{key}.one" in texts():
            key = f"{key}.one"
        text = texts()[key][self.language]
        return text.format_map(facts) if facts else text

    def knows(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in texts()

    def word(self, fact: str, value: object) -> str:
        """What a value of a fact is called: `scope`, `sales_invoices` → verkoopfacturen; as it is where unknown."""
        return words(fact, str(value), self.language) or str(value)

    def because(self, reasons: str) -> str:
        """Where a line of an entry came from; as it is where a plugin has words of its own."""
        return self.say("common.semicolon").join(self._reason(one) for one in reasons.split("; "))

    def _reason(self, reason: str) -> str:
        for begin in ("VAT code for ", "ledger account for "):
            if reason.startswith(begin):
                return self.say(_key_of_reason(begin), what=self._taxed(reason.removeprefix(begin)))
        key = _key_of_reason(reason)
        return self.say(key) if self.knows(key) else reason

    def _taxed(self, what: str) -> str:
        """A VAT category is a letter in a reason, `S 21 %`, and a word for people."""
        category, apart, rest = what.partition(" ")
        return f"{self.word('category', category)}{apart}{rest}"

    def noted(self, note: str) -> str:
        """What a person decided, as the push record has it; as it is where it was noted in other words."""
        for key, form in _DECIDED.items():
            if found := form.fullmatch(note):
                who = found["who"] if found["who"] != "a person" else self.say("documents.somebody")
                return self.say(f"documents.noted_{key}", **{**found.groupdict(), "who": who})
        return note

    def day(self, given: date | None) -> str:
        """A day: 26 nov. 2026."""
        return format_date(given, "medium", locale=self.locale) if given else ""

    def moment(self, given: datetime | None) -> str:
        """A moment in the reader's time zone: 26 nov. 2026 14:05."""
        if given is None:
            return ""
        local = given.astimezone(self.zone)
        return f"{format_date(local, 'medium', locale=self.locale)} {self.clock(given)}"

    def coming(self, given: datetime) -> str:
        """A moment that is to come: morgen om 02:13."""
        local, now = given.astimezone(self.zone), clock.now().astimezone(self.zone)
        if local <= now:
            return self.say("schedule.soon")
        days = (local.date() - now.date()).days
        word = ("today", "tomorrow")[days] if days < 2 else "later"
        return self.say(f"schedule.{word}", day=self.day(local), time=self.clock(given))

    def clock(self, given: datetime | None) -> str:
        """The time of a moment: 14:05."""
        return format_time(given.astimezone(self.zone), "HH:mm", locale=self.locale) if given else ""

    def precise(self, given: datetime) -> str:
        """A moment to the second, for what happened one after another."""
        return format_datetime(given.astimezone(self.zone), "d MMM y HH:mm:ss", locale=self.locale)

    def amount(self, given: Decimal | None, currency: str | None) -> str:
        """An amount in its currency."""
        if given is None:
            return ""
        return format_currency(given, currency, locale=self.locale) if currency else self.number(given)

    def number(self, given: Decimal | int) -> str:
        """A number with the thousands apart."""
        return format_decimal(given, locale=self.locale)

    def rate(self, given: Decimal | None) -> str:
        """A VAT rate given in percent: 21 → 21 % in French."""
        return format_percent(given / 100, decimal_quantization=False, locale=self.locale) if given is not None else ""

    def duration(self, seconds: float | None) -> str:
        """How long something took."""
        if seconds is None:
            return ""
        whole = round(seconds)
        if whole < 1:
            return self.say("common.instant")
        if whole < 60:
            return self.say("common.seconds", number=whole)
        if whole < 3600:
            return self.say("common.minutes", number=whole // 60, seconds=whole % 60)
        return self.say("common.hours", number=whole // 3600, minutes=whole % 3600 // 60)


def _key_of_reason(reason: str) -> str:
    return f"documents.because_{re.sub('[^a-z]+', '_', reason.lower()).strip('_')}"


@dataclass(frozen=True)
class Told:
    """An issue as a page shows it."""

    text: RenderedIssue
    tool_words: str | None
