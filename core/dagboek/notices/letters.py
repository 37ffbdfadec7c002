"""What is mailed: each mail as a plain text and a simple page, in its reader's language."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from typing import Final

from dagboek_sdk import clock
from jinja2 import Environment, PackageLoader, StrictUndefined

from dagboek.database import Database
from dagboek.night import zone_of
from dagboek.notices.outbox import INVITED, Mail
from dagboek.notices.telling import Line, Told, told
from dagboek.speech import Speech

NAMED: Final = 20
"""Lines of runs or integrations in a mail; the page that it leads to has the others."""


@dataclass(frozen=True)
class Letter:
    """A mail before it is written down."""

    subject: str
    paragraphs: tuple[str, ...]
    lines: tuple[Line, ...]
    button: str
    address: str
    """Where the button leads."""
    footer: str
    footer_address: str = ""


class Letters:
    """Writes mail. `titles` says what a tool is called, `address` where the console is."""

    def __init__(self, db: Database, titles: Callable[[str], str], address: Callable[[], str], zone: str) -> None:
        self._db = db
        self._titles = titles
        self._address = address
        self._zone = zone

    async def message(self, mail: Mail, sender: str) -> EmailMessage:
        """The mail as it is sent. Whatever it names is text: of no header, and of no tag."""
        speech = Speech(mail.language, zone_of(mail.time_zone or self._zone))
        letter = self._notices(mail, speech) if mail.notices else await self._invitation(mail, speech)
        name, from_address = parseaddr(sender)
        message = EmailMessage(policy=SMTP)
        message["Message-ID"] = f"<{mail.id}@{from_address.rpartition('@')[2]}>"
        message["Date"] = format_datetime(mail.created_at)
        message["From"] = Address(name or "Dagboek", addr_spec=from_address)
        message["To"] = Address(addr_spec=reachable(mail.address))
        message["Subject"] = one_line(letter.subject)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_text(letter))
        page = _environment().get_template("mail.html").render(letter=letter, language=mail.language)
        message.add_alternative(page, subtype="html")
        return message

    def _notices(self, mail: Mail, speech: Speech) -> Letter:
        all_told = [told(notice, speech, self._titles) for notice in mail.notices]
        subject, paragraphs, lines = _one(all_told[0], speech) if len(all_told) == 1 else _several(all_told, speech)
        here = self._address()
        page = f"/notices/{mail.notices[0].id}" if len(all_told) == 1 else "/notices"
        return Letter(
            subject=subject,
            paragraphs=paragraphs,
            lines=tuple(Line(one.label, one.text, here + one.address if one.address else "") for one in lines),
            button=speech.say("notices.look"),
            address=here + page,
            footer=speech.say(f"notices.why_{mail.kind}"),
            footer_address=f"{here}/profile",
        )

    async def _invitation(self, mail: Mail, speech: Speech) -> Letter:
        here, by = self._address(), mail.invited_by
        if mail.has_password and mail.kind == "invitation":
            address, how = f"{here}/sign-in", speech.say("notices.with_password", tenant=mail.tenant)
        else:
            # made when it is sent, so that it stands nowhere but in the mail
            from dagboek.web.signin import links  # noqa: PLC0415  # brings the web server along

            token = await links.make_link(self._db, mail.person_id, INVITED)
            address = f"{here}{links.PATH}{token}"
            how = speech.say("notices.with_link", until=speech.moment(clock.now() + INVITED))
        return Letter(
            subject=speech.say(f"notices.{mail.kind}", tenant=mail.tenant),
            paragraphs=(speech.say(f"notices.{mail.kind}_by", by=by, tenant=mail.tenant), how),
            lines=(),
            button=speech.say("sign_in.button"),
            address=address,
            footer=speech.say("notices.why_invitation"),
        )


Content = tuple[str, tuple[str, ...], tuple[Line, ...]]
"""Subject, paragraphs, lines."""


def _one(one: Told, speech: Speech) -> Content:
    lines = one.kinds + one.runs[:NAMED]
    paragraphs = [one.summary]
    if one.of_runs and not lines:
        paragraphs.append(speech.say("notices.nothing_new"))
    if left := one.left + len(one.runs[NAMED:]):
        paragraphs.append(speech.say("notices.more", number=left))
    return one.title, tuple(paragraphs), lines


def _several(all_told: Sequence[Told], speech: Speech) -> Content:
    left = len(all_told) - NAMED
    return (
        speech.say("notices.many_nights", number=len(all_told)),
        (speech.say("notices.more", number=left),) if left > 0 else (),
        tuple(Line(one.title, one.summary, one.address) for one in all_told[:NAMED]),
    )


def _text(letter: Letter) -> str:
    parts = [letter.subject, *letter.paragraphs]
    if letter.lines:
        parts.append("\n".join(f"- {one_line(line.label)}: {one_line(line.text)}" for line in letter.lines))
    parts += [f"{letter.button}:\n{letter.address}", f"-- \n{letter.footer}\n{letter.footer_address}".rstrip()]
    return "\n\n".join(parts) + "\n"


def one_line(text: str) -> str:
    """A text for a header or a line: without line breaks and control characters, and no longer than people read."""
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return plain if len(plain) <= 200 else f"{plain[:199]}…"


def reachable(address: str) -> str:
    """An address with its domain as mail servers write it: of letters that all of them have."""
    name, _, domain = address.rpartition("@")
    try:
        return f"{name}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        return address


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("dagboek.notices"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
