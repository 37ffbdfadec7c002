"""The mail server that the settings name."""

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from email.message import EmailMessage
from threading import Thread
from typing import Final, Self

from pydantic import SecretStr

from dagboek.settings import Settings

SECONDS: Final = 20.0
"""How long the server may take for each answer."""
PORTS: Final[Mapping[str, int]] = {"starttls": 587, "tls": 465, "none": 25}
"""Where the settings name none."""


class ServerTrouble(Exception):
    """The server cannot be used now, whatever the mail. The text says why; it may name people, as servers do."""

    def __init__(self, why: str, kind: str, fix: str) -> None:
        super().__init__(why)
        self.kind = kind
        """Without words of the server: the code of its answer, else what became of the connection."""
        self.fix = fix

    @classmethod
    def of(cls, trouble: Exception) -> Self:
        """What smtplib raised."""
        code = trouble.smtp_code if isinstance(trouble, smtplib.SMTPResponseException) else None
        fix = next(words for kinds, words in _FIXES if isinstance(trouble, kinds))
        return cls(reason_of(trouble), str(code or type(trouble).__name__), fix)


class Refused(Exception):
    """The server does not take this mail."""


class NoSuchMailbox(Refused):
    """There is no such address, and there will be none the next time."""


@dataclass(frozen=True)
class Smtp:
    """A mail server. What it does blocks, so it is called in a thread."""

    host: str
    port: int
    security: str
    sender: str
    user: str | None = None
    password: SecretStr | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The one of the settings; None: no mail is sent."""
        if settings.smtp_host is None or settings.smtp_from is None:
            return None
        port = settings.smtp_port or PORTS[settings.smtp_security]
        return cls(
            settings.smtp_host,
            port,
            settings.smtp_security,
            settings.smtp_from,
            settings.smtp_user,
            settings.smtp_password,
        )

    def opened(self) -> smtplib.SMTP:
        """A session, encrypted and signed in as the settings say, never less. ServerTrouble."""
        context = ssl.create_default_context()
        session: smtplib.SMTP | None = None
        try:
            if self.security == "tls":
                session = smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=context)
            else:
                session = smtplib.SMTP(self.host, self.port, timeout=SECONDS)
            if self.security == "starttls":
                session.starttls(context=context)
            if self.user is not None and self.password is not None:
                session.login(self.user, self.password.get_secret_value())
            session.ehlo_or_helo_if_needed()
        except (smtplib.SMTPException, OSError, UnicodeError) as trouble:
            if session is not None:
                session.close()
            raise ServerTrouble.of(trouble) from None  # what it says may hold the user's name
        return session

    def send(self, session: smtplib.SMTP, message: EmailMessage, address: str) -> None:
        """Hands a mail over to one address. Refused, ServerTrouble."""
        try:
            session.send_message(message, to_addrs=[address])
        except smtplib.SMTPRecipientsRefused as refusal:
            code, words = next(iter(refusal.recipients.values()))
            kind = NoSuchMailbox if 500 <= code < 600 and words.lstrip().startswith(b"5.1.") else Refused
            raise kind(_answer(code, words)) from None
        except (smtplib.SMTPDataError, smtplib.SMTPNotSupportedError) as refusal:
            raise Refused(reason_of(refusal)) from None
        except (smtplib.SMTPException, OSError) as trouble:
            raise ServerTrouble.of(trouble) from None

    async def tried(self, seconds: float) -> None:
        """Opens a session as for a mail, sends none, and ends it. ServerTrouble, also where that takes longer.

        In a thread that keeps no process from ending: a server may keep one waiting for as long as it likes.
        """
        came: Future[None] = Future()
        Thread(target=self._try, args=(came,), daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.wrap_future(came)
        except TimeoutError:
            raise ServerTrouble(f"no answer within {seconds:g} seconds", "TimeoutError", _REACH) from None

    def _try(self, came: Future[None]) -> None:
        came.set_running_or_notify_cancel()
        try:
            closed(self.opened())
        except BaseException as trouble:
            came.set_exception(trouble)
        else:
            came.set_result(None)


def closed(session: smtplib.SMTP) -> None:
    """Ends a session, whatever the server says to that."""
    try:
        session.quit()
    except (smtplib.SMTPException, OSError):
        session.close()


def reason_of(trouble: Exception) -> str:
    """Why, for the outbox: the server's answer, else what became of the connection."""
    if isinstance(trouble, smtplib.SMTPResponseException):
        return _answer(trouble.smtp_code, trouble.smtp_error)
    if isinstance(trouble, ssl.SSLCertVerificationError):
        return f"the server's certificate is not accepted: {trouble.verify_message}"[:300]
    if isinstance(trouble, ssl.SSLError):
        return f"no TLS with the server: {(trouble.reason or 'unknown').lower().replace('_', ' ')}"[:300]
    if isinstance(trouble, OSError) and not isinstance(trouble, smtplib.SMTPException):
        return f"{type(trouble).__name__}: {trouble.strerror or trouble}"[:300]
    return f"{type(trouble).__name__}: {trouble}"[:300]


def _answer(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"{code} {' '.join(text.split())}"[:300].replace("\x00", "")


_REACH: Final = (
    "Start the server, or correct DAGBOEK_SMTP_HOST and DAGBOEK_SMTP_PORT; a firewall may stand in between. A port "
    "that waits for TLS from the first byte (465) says nothing before: DAGBOEK_SMTP_SECURITY=tls."
)
_SECURITY: Final = (
    "Set DAGBOEK_SMTP_SECURITY and DAGBOEK_SMTP_PORT as the server has them: usual are starttls with 587, tls with 465."
)
_LOGIN: Final = "Correct DAGBOEK_SMTP_USER and DAGBOEK_SMTP_PASSWORD."

_FIXES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (
        ssl.SSLCertVerificationError,
        "DAGBOEK_SMTP_HOST must be a name that the certificate is for. Where this machine does not know the authority "
        "that signed it, name its certificate in SSL_CERT_FILE.",
    ),
    (ssl.SSLError, _SECURITY),
    (socket.gaierror, "Correct DAGBOEK_SMTP_HOST: no machine of this name is known."),
    (
        UnicodeError,
        "Correct DAGBOEK_SMTP_HOST, DAGBOEK_SMTP_USER and DAGBOEK_SMTP_PASSWORD: no server reads them.",
    ),
    (smtplib.SMTPAuthenticationError, _LOGIN),
    (smtplib.SMTPNotSupportedError, f"{_SECURITY} A server that knows no login wants no DAGBOEK_SMTP_USER."),
    (smtplib.SMTPSenderRefused, "Set DAGBOEK_SMTP_FROM to an address that this user may send from."),
    (smtplib.SMTPServerDisconnected, _REACH),
    (smtplib.SMTPException, "Ask whoever runs the mail server what this answer means."),
    (OSError, _REACH),
)
"""What an operator does about it; the first that fits. SMTPException is an OSError, too."""
