"""What Exact's answers mean, as errors that say what must happen next (api.md sections 1, 3, 4 and 7).

Exact refuses with HTTP 500 and words in the language of the user, several of them joined by line ends. The words have a
grammar, `{what is wrong}: {field}`; both halves are recognised by patterns in the languages that Exact has, never by a
whole sentence. What is not recognised is shown in Exact's own words.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk import clock
from dagboek_sdk.errors import (
    AccessDenied,
    LoginBroken,
    Refused,
    Throttled,
    TokenRefused,
    ToolError,
    ToolUnavailable,
    Trouble,
    Uncertain,
)
from dagboek_sdk.http import Answer

UNRECOGNISED = "X90"
FORM = "X91"
"""Exact could not read what was sent."""
GONE = "X92"
"""Exact does not know what was asked for."""
TAKEN = "X02"
"""A number is used already; for a purchase, the same document may stand there."""
THERE = "X11"
"""An entry with this reference is there."""
EXISTS = "X51"
"""Something with this code is there, or with all of this."""

LONG_WAIT = timedelta(minutes=15)
"""How long to wait where Exact says too much without saying until when."""


class Wrong(StrEnum):
    """What is wrong with a field: the first half of Exact's words."""

    MANDATORY = "mandatory"
    REFERENCE = "reference"
    INVALID = "invalid"
    NOT_ALLOWED = "not_allowed"
    IN_USE = "in_use"
    EXISTS = "exists"
    BLOCKED = "blocked"
    NOT_FOUND = "not_found"


def _any(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)


_WRONG: tuple[tuple[Wrong, re.Pattern[str]], ...] = (
    (Wrong.REFERENCE, _any(r"ongeldige referentie", r"invalid reference", r"r[ée]f[ée]rence (non valide|invalide)",
                           r"ung[üu]ltige[rs]? (referenz|verweis|bezug)", r"referencia no v[áa]lida")),
    (Wrong.MANDATORY, _any(r"verplicht", r"mandatory", r"required", r"obligatoire", r"requis", r"pflicht(feld)?",
                           r"erforderlich", r"obligatori[oa]")),
    (Wrong.NOT_ALLOWED, _any(r"niet toegestaan", r"not allowed", r"non autoris[ée]", r"pas autoris[ée]", r"interdit",
                             r"nicht (erlaubt|zul[äa]ssig)", r"no (permitid[oa]|autorizad[oa])")),
    (Wrong.NOT_FOUND, _any(r"niet gevonden", r"not found", r"introuvable", r"nicht gefunden", r"no encontrad[oa]",
                           r"onbekend", r"unknown", r"inconnue?", r"unbekannt", r"desconocid[oa]")),
    (Wrong.INVALID, _any(r"ongeldig", r"invalid", r"non valide", r"invalide", r"incorrect", r"ung[üu]ltig",
                         r"no v[áa]lid[oa]", r"inv[áa]lid[oa]", r"moet zijn", r"must be", r"doit [êe]tre")),
    (Wrong.IN_USE, _any(r"in gebruik", r"in use", r"utilis[ée]e?", r"in (gebrauch|verwendung)", r"en uso")),
    (Wrong.EXISTS, _any(r"bestaat (reeds|al)", r"already exists?", r"existe d[ée]j[àa]", r"(ist )?bereits vorhanden",
                        r"existiert bereits", r"ya existe")),
    (Wrong.BLOCKED, _any(r"geblokkeerd", r"blocked", r"bloqu[ée]e?", r"gesperrt", r"bloquead[oa]")),
)  # fmt: skip
"""In this order: `ongeldige referentie` is more than `ongeldig`."""

_ANYTHING = frozenset(Wrong)
_BAD = frozenset((Wrong.INVALID, Wrong.REFERENCE, Wrong.NOT_FOUND))

_RELATION = (
    r"relatie", r"relation", r"klant", r"customer", r"leverancier", r"supplier", r"fournisseur", r"\bclient",
    r"besteld door", r"factuur voor", r"leveren aan", r"ordered by", r"invoice to", r"deliver to", r"kunde",
    r"lieferant", r"\baccounts?\b(?!.*(g/l|ledger))", r"debiteur", r"crediteur", r"creditor", r"debtor", r"cliente",
    r"proveedor",
)  # fmt: skip
_LEDGER = (
    r"grootboekrekening", r"ledger account", r"g/l[- ]?account", r"gl[- ]?account", r"compte (g[ée]n[ée]ral|de grand)",
    r"sachkonto", r"cuenta (contable|de mayor)", r"account .*g/l account",
)  # fmt: skip
_VAT_CODE = (
    r"btw[- ]?code",
    r"vat[- ]?code",
    r"code (de )?tva",
    r"(mwst|ust|steuer)[- .]?(code|schl[üu]ssel)",
    r"c[óo]digo de iva",
)

_FIELDS: tuple[tuple[frozenset[Wrong], re.Pattern[str], str], ...] = (
    (_ANYTHING, _any(r"btw[- ]?nummer", r"vat[- ]?(id|number|no)", r"num[ée]ro (de )?tva", r"ust-?id", r"steuernummer",
                     r"(n[úu]mero de|nif).*iva"), "X03"),
    (_ANYTHING, _any(r"provincie", r"\bstate\b", r"province", r"bundesland", r"provincia", r"\bstaat\b"), "X07"),
    (_ANYTHING, _any(r"e-?mail", r"courriel", r"correo"), "X08"),
    (_ANYTHING, _any(r"grootboekrekeningtype", r"(g/l|ledger) account type", r"type (de|du) compte"), "X25"),
    (frozenset((Wrong.BLOCKED, Wrong.NOT_ALLOWED)), _any(*_LEDGER), "X26"),
    (frozenset((Wrong.MANDATORY,)), _any(*_LEDGER), "X06"),
    (_BAD, _any(*_LEDGER), "X04"),
    (frozenset((Wrong.NOT_ALLOWED, Wrong.BLOCKED)), _any(*_VAT_CODE), "X44"),
    (_ANYTHING, _any(*_VAT_CODE, r"btw[- ]?(percentage|tarief)", r"vat[- ]?(percentage|rate)",
                     r"(pourcentage|taux) (de )?tva", r"(mwst|ust|steuer)[- ]?satz"), "X05"),
    (_ANYTHING, _any(r"betalings?conditie", r"payment (condition|term)", r"condition de paiement",
                     r"zahlungsbedingung", r"condici[óo]n de pago"), "X27"),
    (_ANYTHING, _any(r"vervaldatum", r"due date", r"(date d')?[ée]ch[ée]ance", r"f[äa]lligkeit"), "X27"),
    (_ANYTHING, _any(r"kostenplaats", r"cost cent(er|re)", r"centre de (co[ûu]ts?|frais)", r"kostenstelle",
                     r"centro de coste"), "X36"),
    (_ANYTHING, _any(r"kostendrager", r"cost unit", r"unit[ée] de (co[ûu]t|frais)", r"kostentr[äa]ger"), "X37"),
    (_ANYTHING, _any(r"boekjaar", r"financial year", r"period-date", r"exercice", r"gesch[äa]ftsjahr",
                     r"periode-?datumtabel", r"ejercicio"), "X20"),
    (frozenset((Wrong.MANDATORY,)), _any(r"dagboek", r"journal", r"\bdiary\b", r"diario"), "X28"),
    (frozenset((Wrong.BLOCKED,)), _any(r"dagboek", r"journal", r"\bdiary\b", r"diario"), "X31"),
    (frozenset((Wrong.IN_USE, Wrong.EXISTS)), _any(r"boekstuknummer", r"(document|entry|invoice) number",
                                                   r"num[ée]ro (de pi[èe]ce|d'[ée]criture|de facture)",
                                                   r"belegnummer", r"factuurnummer"), TAKEN),
    (frozenset((Wrong.IN_USE, Wrong.EXISTS)), _any(r"(uw|your|votre|ihre?|su) r[ée]f", r"referentie"), THERE),
    (frozenset((Wrong.REFERENCE, Wrong.NOT_FOUND)), _any(r"dagboek", r"journal", r"\bdiary\b", r"diario"), "X30"),
    (_ANYTHING, _any(r"dagboek", r"journal", r"\bdiary\b", r"diario"), "X29"),
    (_ANYTHING, _any(r"wisselkoers", r"exchange rate", r"taux de change", r"wechselkurs"), "X42"),
    (frozenset((Wrong.NOT_ALLOWED,)), _any(r"valuta", r"currency", r"devise", r"w[äa]hrung", r"moneda"), "X38"),
    (_ANYTHING, _any(r"valuta", r"currency", r"devise", r"w[äa]hrung", r"moneda"), "X39"),
    (_ANYTHING, _any(r"documenttype", r"document type", r"type de document", r"dokument(en)?typ"), "X41"),
    (frozenset((Wrong.INVALID, Wrong.NOT_ALLOWED)), _any(*(rf"{one}.*\btype\b" for one in _RELATION)), "X23"),
    (frozenset((Wrong.MANDATORY,)), _any(*_RELATION), "X24"),
    (frozenset((Wrong.BLOCKED,)), _any(*_RELATION), "X40"),
    (_BAD, _any(*_RELATION), "X10"),
)  # fmt: skip
"""What is wrong, the field, the issue: the first that fits. More precise fields stand before what they contain."""

_SENTENCES: tuple[tuple[re.Pattern[str], str], ...] = (
    (_any(r"periode?.*(afgesloten|gesloten)", r"period.*closed", r"p[ée]riode.*cl[ôo]tur",
          r"periode.*(geschlossen|gesperrt)", r"(afgesloten|gesloten).*periode", r"closed.*period"), "X21"),
    (_any(r"niet in (evenwicht|balans)", r"not in balance", r"out of balance", r"pas (en )?[ée]quilibr",
          r"nicht (im gleichgewicht|ausgeglichen)"), "X46"),
    (_any(r"btw[- ]?bedrag.*niet toegestaan", r"vat amount.*not allowed", r"geen btw"), "X34"),
    (_any(r"reeds verwerkt", r"already processed", r"d[ée]j[àa] trait[ée]", r"bereits verarbeitet"), "X47"),
    (_any(r"(already exists|bestaat (reeds|al)).*(entry number|boekstuknummer)"), TAKEN),
    (_any(r"gegeven bestaat (reeds|al)", r"data already exists", r"donn[ée]e existe d[ée]j[àa]"), EXISTS),
    (_any(r"grootboekrekening.*dagboek.*(wijkt af|verschil|anders)", r"account.*differs?.*journal",
          r"journal.*g/l account.*differ"), "X48"),
)  # fmt: skip
"""Words that do not keep to the grammar."""

_OWN_FAULT = _any(
    r"object reference", r"objectverwijzing", r"r[ée]f[ée]rence d'objet", r"objektverweis", r"time-?out", r"deadlock",
    r"onverwachte fout", r"unexpected error", r"erreur inattendue", r"unerwarteter fehler", r"internal (server )?error",
    r"er is een fout opgetreden", r"an error (has )?occurred", r"une erreur s'est produite", r"temporar", r"tijdelijk",
)  # fmt: skip
"""Exact tripped over something of its own: nobody can tell what it had done by then."""

_LOGIN_PAGE = _any(rb"object moved".decode(), r"/(docs/)?(login|logon)", r"login\.aspx")
_SCOPE = re.compile(r"scope\W+violated.*?(?P<verb>\w+)\s+'(?P<scope>[^']*)'", re.IGNORECASE | re.DOTALL)

_REASONS: Mapping[str, str] = {
    "blockeduser": "X61",
    "inactiveuser": "X61",
    "blockedcustomer": "X62",
    "licenseexpired": "X62",
    "nodivisionaccess": "X63",
}
"""Header `Reason` of a 403 → issue. All of them end the run, and a person must do something before the next."""

_BUSY = "divisionblocked"
"""A backup, a conversion: it passes."""


def classify(answer: Answer) -> ToolError | None:
    """What an answer means; None for plain success. Anything that is not Exact's own answer is Uncertain."""
    status = answer.status
    if 200 <= status < 300:
        return _success(answer)
    if status == 401:
        return TokenRefused("the access token was refused", tool_words=_reason(answer))
    if status == 429:
        return Throttled(_reset(answer))
    if 300 <= status < 400:
        return _redirect(answer)
    words = words_of(answer)
    if status == 403:
        return _forbidden(answer, words)
    if status in (400, 404, 405) and _is_exacts(answer, words):
        return _unfit(status, words)
    if status == 500 and words and not _OWN_FAULT.search(words):
        return Refused(issues_of(words), tool_words=words)
    return Uncertain(f"answer {status}", tool_words=words)


def words_of(answer: Answer) -> str | None:
    """Exact's own words out of `{"error": {"message": {"value": ...}}}`; None where there are none."""
    try:
        value = json.loads(answer.body)["error"]["message"]["value"]
    except (ValueError, KeyError, TypeError):
        return None
    return value.strip() or None if isinstance(value, str) else None


def issues_of(words: str) -> list[Issue]:
    """An issue for each thing that the messages, which are joined by line ends, say; those not recognised come last."""
    found: dict[str, list[str]] = {}
    for line in filter(None, (one.strip() for one in re.split(r"[\r\n]+", words))):
        code = _recognised(line)
        if line not in found.setdefault(code, []):
            found[code].append(line)
    return [
        Issue(code=code, facts={"words": "; ".join(lines)}, tool_words="; ".join(lines))
        for code, lines in sorted(found.items(), key=lambda one: one[0] == UNRECOGNISED)
    ]


def _recognised(line: str) -> str:
    """The code of the issue that one message stands for."""
    for pattern, code in _SENTENCES:
        if pattern.search(line):
            return code
    head, _, field = line.partition(":")
    wrong = _wrong(head) if field else None
    if wrong is None:
        wrong, field = _wrong(line), line
    if wrong:
        for kinds, pattern, code in _FIELDS:
            if wrong in kinds and pattern.search(field):
                return code
    return UNRECOGNISED


def _wrong(words: str) -> Wrong | None:
    return next((wrong for wrong, pattern in _WRONG if pattern.search(words)), None)


def login_broken(code: str, *, words: str | None = None, facts: Mapping[str, str] | None = None) -> LoginBroken:
    """What a person must do before anything goes on."""
    issue = Issue(code=code, severity=Severity.ERROR, facts=dict(facts or {}), tool_words=words)
    return LoginBroken(issue=issue, tool_words=words)


def access_denied(scope: str, *, words: str | None = None, code: str = "X60") -> AccessDenied:
    """A right, a module or a scope of the app is missing for one kind of thing."""
    issue = Issue(code=code, severity=Severity.ERROR, facts={"scope": scope}, tool_words=words)
    return AccessDenied(scope, issue=issue, tool_words=words)


def _success(answer: Answer) -> ToolError | None:
    body = answer.body.lstrip()
    if not body or body[:1] in b'{["-0123456789tfn':
        return None
    return Uncertain(f"answer {answer.status} that is not Exact's own")


def _redirect(answer: Answer) -> ToolError:
    """To the login page: the token is none. Anywhere else, such as a maintenance page: nobody can tell."""
    where = (answer.headers.get("Location") or "") + " " + answer.beginning[:2000]
    location = answer.headers.get("Location") or ""
    if re.search(r"log[io]n", location, re.IGNORECASE) or ("object moved" in where.lower() and not location):
        return TokenRefused("sent to the login page")
    uncertain = Uncertain(f"answer {answer.status}, sent elsewhere")
    uncertain.trouble = Trouble.PAGE
    return uncertain


def _forbidden(answer: Answer, words: str | None) -> ToolError:
    reason = _reason(answer) or ""
    plain = re.sub(r"\W", "", reason).lower()
    for name, code in _REASONS.items():
        if name in plain:
            return login_broken(code, words=words or reason, facts={"reason": reason})
    if _BUSY in plain:
        issue = Issue(code="X65", severity=Severity.ERROR, facts={"reason": reason}, tool_words=words)
        return ToolUnavailable("the division is blocked", issue=issue, tool_words=words or reason)
    if not _is_exacts(answer, words):
        return Uncertain("answer 403 that is not Exact's own")
    scope = _SCOPE.search(words or "")
    if scope:
        return access_denied(scope["scope"], words=words, code="X64")
    return access_denied("", words=words or reason)


def _unfit(status: int, words: str | None) -> ToolError:
    """4xx: the shape of what was asked. Validation texts were seen with it too."""
    issues = issues_of(words) if words else []
    if any(issue.code != UNRECOGNISED for issue in issues):
        return Refused(issues, tool_words=words)
    code = GONE if status == 404 else FORM
    return Refused(Issue(code=code, facts={"status": str(status), "words": words or ""}, tool_words=words))


def _is_exacts(answer: Answer, words: str | None) -> bool:
    """Exact answers in JSON, or with nothing at all; a page of something in between says nothing of what was done."""
    body = answer.body.strip()
    return bool(words) or not body or body[:1] in b"{["


def _reason(answer: Answer) -> str | None:
    """A header that tells why; some carry what a browser would be asked for, which is of no use."""
    for name in ("Reason", "X-Reason"):
        if value := answer.headers.get(name):
            return str(value)
    return None


def _reset(answer: Answer) -> datetime:
    """When a spent limit is given back: only the headers of the one that was hit are there, in milliseconds."""
    there = now_there(answer)
    found = [
        moment
        for name in ("X-RateLimit-Minutely-Reset", "X-RateLimit-Reset")
        if (moment := milliseconds(answer.headers.get(name))) is not None and moment > there
    ]
    last = min if found and not answer.headers.get("X-RateLimit-Reset") else max
    return clock.now() + (last(found, default=there + LONG_WAIT) - there)


def now_there(answer: Answer) -> datetime:
    """What time it was by the tool's clock, to the second, which ours may differ from; ours where it does not tell."""
    try:
        told = parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, ValueError, TypeError):
        return clock.now()
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def milliseconds(value: str | None) -> datetime | None:
    """A moment out of a header with milliseconds since 1970."""
    if value is None or not value.strip().isdecimal():
        return None
    try:
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def detailed(refused: Refused, facts: Mapping[str, str]) -> Refused:
    """`refused` with what was sent, since Exact names a field and not what stands in it."""
    issues: Iterable[Issue] = (
        issue.model_copy(update={"facts": {**facts, **issue.facts, **_named_facts(issue)}}) for issue in refused.issues
    )
    return Refused(list(issues), tool_words=refused.tool_words)


def _named_facts(issue: Issue) -> dict[str, Any]:
    """A closed period is named in the message itself: `Periode is afgesloten: 2026 - 1`."""
    found = re.search(r"(\d{4})\s*[-/]\s*(\d{1,2})", issue.facts.get("words", ""))
    return {"period": f"{found[1]} - {found[2]}"} if issue.code == "X21" and found else {}
