"""Sends what waits in the outbox. Several cores may: each mail is taken by one of them at a time."""

import asyncio
import smtplib
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog
from dagboek_sdk import clock

from dagboek.database import AWAY, Database
from dagboek.fault_points import reached
from dagboek.notices import outbox
from dagboek.notices.letters import Letters, reachable
from dagboek.notices.outbox import Mail
from dagboek.notices.smtp import NoSuchMailbox, Refused, ServerTrouble, Smtp, closed
from dagboek.plugins import unexpected

log = structlog.get_logger()

REST: Final = timedelta(seconds=30)
"""How long a server that could not be used is left alone, twice as long each time."""
LONGEST_REST: Final = timedelta(minutes=10)


class Sender:
    """One for each core."""

    def __init__(self, db: Database, smtp: Smtp | None, letters: Letters, rest: timedelta = REST) -> None:
        self._db = db
        self._smtp = smtp
        self._letters = letters
        self._first = self._rest = rest
        self._not_before = clock.now()

    async def send_waiting(self) -> int:
        """Sends all that is due, on one session; how many."""
        await outbox.give_up_old(self._db)
        if self._smtp is None:
            await outbox.give_up_all(self._db)
            return 0
        return await self._send_all(self._smtp) if clock.now() >= self._not_before else 0

    async def _send_all(self, smtp: Smtp) -> int:
        session: smtplib.SMTP | None = None
        number = 0
        try:
            while (mail := await outbox.take(self._db)) is not None:
                try:
                    if session is None:
                        session = await asyncio.to_thread(smtp.opened)
                    number += await self._sent(smtp, session, mail)
                except ServerTrouble as trouble:
                    await self._wait(mail, trouble)
                    break
                self._rest = self._first
        finally:
            if session is not None:
                await asyncio.to_thread(closed, session)
        return number

    async def _sent(self, smtp: Smtp, session: smtplib.SMTP, mail: Mail) -> bool:
        try:
            message = await self._letters.message(mail, smtp.sender)
            await asyncio.to_thread(smtp.send, session, message, reachable(mail.address))
        except NoSuchMailbox as refusal:
            await outbox.give_up(self._db, mail.id, str(refusal))
            log.warning("mail.given_up", mail=str(mail.id), kind=mail.kind, answer=str(refusal)[:3])
            return False
        except Refused as refusal:
            await outbox.refused(self._db, mail.id, str(refusal))
            log.warning("mail.refused", mail=str(mail.id), kind=mail.kind, answer=str(refusal)[:3])
            return False
        except (ServerTrouble, *AWAY):
            raise
        except Exception as bug:  # of one letter, whatever is in it: it holds up no other
            reference = unexpected("mail", bug).facts["reference"]
            await outbox.refused(self._db, mail.id, f"unexpected, reference {reference}")
            log.error("mail.failed", mail=str(mail.id), kind=mail.kind, reference=reference)
            return False
        reached("mail_sent")
        await outbox.sent(self._db, mail.id)
        return True

    async def _wait(self, mail: Mail, trouble: ServerTrouble) -> None:
        await outbox.give_back(self._db, mail.id, str(trouble), self._rest)
        log.warning("mail.waits", error=trouble.kind, seconds=self._rest.total_seconds())
        self._not_before = clock.now() + self._rest
        self._rest = min(LONGEST_REST, self._rest * 2)


def sender_for(
    db: Database, smtp: Smtp | None, titles: Callable[[str], str], address: Callable[[], str], zone: str
) -> Sender:
    """A sender whose letters name tools by `titles` and link to the console at `address`."""
    return Sender(db, smtp, Letters(db, titles, address, zone))
