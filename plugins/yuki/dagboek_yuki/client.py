"""Calls to the web services of Yuki for one administration: reads, and the one write of one or many attempts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dagboek_sdk import clock
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.attempt import Attempt
from dagboek_sdk.errors import AccessDenied, LoginBroken, Refused, ToolError, ToolUnavailable, Trouble, Uncertain
from lxml.etree import _Element as Element

from dagboek_yuki import errors, soap
from dagboek_yuki.operations import parameters
from dagboek_yuki.sessions import Name, Sessions
from dagboek_yuki.settings import Purchases, YukiSettings

CALLS: Final = "calls"
"""The operation group of every call: Yuki counts them all alike. For `AccountingPlugin.operation_group`."""

SCOPES: Final[Mapping[str, str]] = {
    "Accounting": "Financial",
    "AccountingInfo": "Financial",
    "Vat": "Financial",
    "Archive": "Archive",
    "Contact": "Contacts",
    "Purchase": "Purchase",
    "Sales": "Sales",
}
"""The rights of an access key, as Yuki's own page names them, by service; uploads have one of their own."""

GUARDED: Final = frozenset(("Sales", "Contact"))
"""Services that take nothing twice, as Yuki itself looks at the number of a sale and at the code of a contact."""

AGAIN: Final = timedelta(hours=1)
"""How long an app that Yuki does not know is not tried again before each write."""


class Services:
    """The services, as the connection of `plugin` may use them.

    Session, administration and domain are filled in where an operation takes them (`sessionID` or `sessionId`,
    `administrationID` or `administrationId`, `domainID`); the other parameters are given under their exact names and
    written in wire order. One that is left out, or None, is not written: for numbers, words and flags Yuki then takes
    its default.
    """

    def __init__(self, plugin: AccountingPlugin) -> None:
        self._settings: YukiSettings = plugin.link.settings
        self._administration = plugin.link.administration
        self._domain = plugin.link.domain
        self._client = plugin.client
        secrets = (self._settings.access_key, self._settings.client_secret)
        self._client.secrets |= {one.get_secret_value() for one in secrets if one is not None}
        self._app_denied = datetime.min.replace(tzinfo=UTC)
        self._sessions = Sessions(plugin.link, plugin.client, self._asked)

    async def prepare(self) -> None:
        """Has sessions at hand, so that a write needs no other call: for `AccountingPlugin.prepare`.

        That Yuki does not know the app is told by what it is needed for, and stops nothing else.
        """
        await self._sessions.get(self._name("Sales", None))
        if self._settings.purchases is Purchases.PROCESS and clock.now() >= self._app_denied:
            try:
                await self.ready("Purchase")
            except AccessDenied:
                self._app_denied = clock.now() + AGAIN

    async def ready(self, service: str) -> None:
        """Has the session of one service. AccessDenied where Yuki does not know the app that calls `Purchase`."""
        await self._sessions.get(self._name(service, None))

    async def call(
        self, service: str, operation: str, *, settling: bool = False, in_domain: str | None = None, **given: Any
    ) -> Element:
        """What a read answers: the `<OperationResult>` element; an empty one where Yuki left it out.

        Text that holds a document is opened: the document is then the element's child, as it is elsewhere. `in_domain`
        is another than the administration's own.
        """
        name = self._name(service, in_domain)
        while True:
            session = ""
            try:
                session = await self._sessions.get(name, settling=settling)
                values = self._filled(service, operation, session, given)
                found = await self._asked(service, operation, values, settling=settling)
            except errors.SessionRefused as ended:
                await self._sessions.refuse(name, session, ended)
            except AccessDenied as denied:
                raise _named(denied, service, operation) from None
            except LoginBroken as broken:
                raise self._sessions.told(broken) from None
            except (Refused, ToolUnavailable) as unknown:
                # It may be that the session has ended: Yuki's words for that are not documented.
                if not (errors.is_unknown(unknown) and self._sessions.old(name)):
                    raise
                await self._sessions.drop(name, session)
            else:
                self._sessions.worked(name)
                return found

    async def write(self, attempts: Sequence[Attempt], service: str, operation: str, **given: Any) -> Element:
        """The one write of `attempts`, several of a batch in their order; the `<OperationResult>` element.

        Refused: the whole call, before anything of it was processed. NotProcessed: the session had ended. Uncertain:
        also a fault that nobody knows, where Yuki would take the same once more.
        """
        name = self._name(service, None)
        session = await self._sessions.get(name)
        body = soap.envelope(service, operation, self._filled(service, operation, session, given))
        try:
            answer = await self._client.write_batch(
                attempts, "POST", self._address(service), group=None, headers=soap.headers(operation), data=body
            )
        except ToolError as error:
            meant = await self._meant(error, name, session)
            if isinstance(error, Refused) and errors.is_unknown(error) and service not in GUARDED:
                meant = Uncertain("a fault in words that nobody knows", tool_words=error.tool_words)
                meant.trouble = Trouble.OWN_FAULT
            if isinstance(meant, AccessDenied):
                meant = _named(meant, service, operation)
            if meant is error:
                raise
            for attempt in attempts:
                attempt.verdict = meant
            raise meant from None
        self._sessions.worked(name)
        try:
            return soap.result(answer.body, operation)
        except soap.NotYukis as other:
            raise Uncertain(f"written, but the answer cannot be read: {other}") from None

    async def _meant(self, error: ToolError, name: Name, session: str) -> ToolError:
        """What the error of a write stands for, with what is known of the session."""
        if isinstance(error, errors.SessionRefused):
            try:
                await self._sessions.refuse(name, session, error)
            except LoginBroken as broken:
                return broken
        elif isinstance(error, LoginBroken):
            return self._sessions.told(error)
        elif errors.is_unknown(error) and self._sessions.old(name):
            await self._sessions.drop(name, session)
            if isinstance(error, Refused):
                return errors.SessionRefused("a new session is tried first", tool_words=error.tool_words)
        return error

    async def _asked(self, service: str, operation: str, values: Mapping[str, Any], *, settling: bool) -> Element:
        answer = await self._client.read(
            "POST",
            self._address(service),
            group=CALLS,
            settling=settling,
            headers=soap.headers(operation),
            data=soap.envelope(service, operation, values),
        )
        try:
            return soap.result(answer.body, operation)
        except soap.NotYukis as other:
            told = f"answer {answer.status} that is not Yuki's own: {other}"
            raise ToolUnavailable(told, trouble=Trouble.PAGE, tool_words=other.words) from None

    def _address(self, service: str) -> str:
        return f"{self._settings.address}/ws/{service}.asmx"

    def _name(self, service: str, domain: str | None) -> Name:
        return Name(self._domain if domain is None else domain, known_app=service == "Purchase")

    def _filled(self, service: str, operation: str, session: str, given: Mapping[str, Any]) -> dict[str, Any]:
        ours = {"sessionid": session, "administrationid": self._administration, "domainid": self._domain}
        known = parameters(service, operation)
        return {name: ours[name.lower()] for name in known if name.lower() in ours} | dict(given)


def _named(denied: AccessDenied, service: str, operation: str) -> AccessDenied:
    """Yuki does not always say what may not be used: the service does."""
    scope = denied.scope or ("Upload" if operation.startswith("Upload") else SCOPES[service])
    return errors.access_denied(scope, code=denied.issue.code, words=denied.tool_words)
