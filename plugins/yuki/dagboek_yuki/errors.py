"""What Yuki's faults and messages mean, as errors that say what must happen next (api.md section 10).

Only a few of its texts are documented, and they come with others around them, in the language of the user: parts are
looked for, in Dutch, French and English. What is not recognised is shown in Yuki's own words.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk import clock
from dagboek_sdk.errors import (
    AccessDenied,
    AlreadyThere,
    LoginBroken,
    Refused,
    Throttled,
    TokenRefused,
    ToolError,
    Trouble,
    Uncertain,
)
from dagboek_sdk.http import Answer

from dagboek_yuki import soap

ZONE: Final = ZoneInfo("Europe/Amsterdam")
"""Where Yuki's day ends; Brussels has the same time."""
LONG_WAIT: Final = timedelta(minutes=15)
"""How long to wait where something in between says too much without saying until when."""

UNRECOGNISED: Final = "Y90"
FORM: Final = "Y91"
"""Yuki could not take the form of what was sent."""
KEY: Final = "Y20"
CLIENT: Final = "Y22"
RIGHT: Final = "Y23"
SESSION: Final = "Y26"
ODD: Final = "Y27"
"""A group of services answers with a fault that nobody knows."""
LIMIT: Final = "Y06"


class SessionRefused(TokenRefused):
    """The session has ended. What came with it was not processed."""


class UnknownFault(Uncertain):
    """A fault in words that nobody knows, which does not say that the request is why."""


def login_broken(code: str, words: str | None = None, facts: Mapping[str, str] | None = None) -> LoginBroken:
    """What a person must do before anything goes on."""
    issue = Issue(code=code, severity=Severity.ERROR, facts=dict(facts or {}), tool_words=words)
    return LoginBroken(issue=issue, tool_words=words)


def access_denied(scope: str, *, code: str = RIGHT, words: str | None = None) -> AccessDenied:
    """A right or a module is missing for one group of services."""
    issue = Issue(code=code, severity=Severity.ERROR, facts={"scope": scope}, tool_words=words)
    return AccessDenied(scope, issue=issue, tool_words=words)


def throttled(words: str | None, until: datetime | None = None) -> Throttled:
    """The calls of the day are used up, or something in between says too much."""
    found = Throttled(until or renewal(), tool_words=words)
    if until is None:
        facts = {"until": renewal().isoformat()}
        found.issue = Issue(code=LIMIT, severity=Severity.ERROR, facts=facts, tool_words=words)
    return found


def renewal() -> datetime:
    """When the calls of a day are given back: at midnight where Yuki is, or of UTC, as nobody says which: the next."""
    now = clock.now()
    days = ((now.astimezone(zone).date() + timedelta(days=1), zone) for zone in (ZONE, UTC))
    return min(datetime.combine(day, time.min, zone).astimezone(UTC) for day, zone in days)


def _any(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE | re.DOTALL)


def _broken(code: str) -> Callable[[str], ToolError]:
    return lambda words: login_broken(code, words)


def _denied(code: str) -> Callable[[str], ToolError]:
    return lambda words: access_denied("", code=code, words=words)


_ENDINGS: Final[tuple[tuple[re.Pattern[str], Callable[[str], ToolError]], ...]] = (
    (_any(r"daily limit", r"free calls per domain", r"dag(elijkse )?limiet", r"limite (quotidienne|journali[èe]re)",
          r"daily rate limit"),
     throttled),
    (_any(r"(invalid|unknown|expired|incorrect|ongeldige?|verlopen|onbekende) (web ?service )?(access|toegangs)[- ]?"
          r"(key|sleutel)", r"(access|toegangs)[- ]?(key|sleutel)\W.{0,30}(invalid|unknown|expired|not valid|ongeldig|"
          r"verlopen|onbekend)", r"cl[ée] d.acc[èe]s.{0,30}(non valide|invalide|inconnue|expir)"),
     _broken(KEY)),
    (_any(r"no active database", r"geen actieve database", r"pas de base de donn[ée]es active"), _broken("Y21")),
    (_any(r"(invalid|unknown|expired|incorrect|wrong|ongeldige?|verlopen|onbekende).{0,20}client[- ]?(id|secret)",
          r"client[- ]?(id|secret).{0,40}(invalid|unknown|expired|incorrect|not valid|not found|ongeldig|verlopen|"
          r"onbekend|non valide|expir)", r"(needs?|requires?) a client[- ]?id"),
     _denied(CLIENT)),
    (_any(r"(invalid|expired|unknown|no|ongeldige?|verlopen|onbekende) (web ?service )?sess?i[eo]n?\b",
          r"sess?i[eo]n?[ -]?(id)?\b.{0,80}(invalid|not valid|expired|unknown|not found|does not exist|ongeldig|"
          r"verlopen|onbekend|niet gevonden|non valide|invalide|expir|inconnue|introuvable)"),
     lambda words: SessionRefused("the session has ended", tool_words=words)),
    (_any(r"(invoices?|factu(ur|ren|ration)|factures?).{0,30}module\b.{0,60}\b(not|niet|pas)\b.{0,20}activ",
          r"module\b.{0,30}(invoices?|factu(ur|ren|ration)|factures?).{0,60}\b(not|niet|pas)\b.{0,20}(activ|"
          r"geactiveerd)", r"module\b.{0,60}\b(not|niet|pas)\b.{0,20}(activ|geactiveerd)"),
     _denied("Y10")),
    (_any(r"\bnot licen[sc]ed", r"\bniet gelicentieerd", r"\bgeen licentie", r"\bpas (de|la|sous) licence"),
     _denied("Y02")),
    (_any(r"\b(administration|domain)\b.{0,60}(not found|unknown|does not exist|inconnue?|introuvable)",
          r"(unknown|no such|onbekende?) (administrati(on|e)|domei?n)\b", r"(invalid|ongeldige) administrati(on|e)\b",
          r"\b(administratie|domein)\b.{0,60}(niet gevonden|onbekend|ongeldig|bestaat niet)"),
     _broken("Y24")),
    (_any(r"\b(insufficient|missing|no|not have( the| sufficient)?|geen|onvoldoende|pas (le|les|de|assez de)) "
          r"(access |user )?(rights?|permissions?|rechten|recht|toegang|droits?|acc[èe]s|autorisation)\b"
          r"(?!\W+(op|to|of|[àa]|au|de)\W+(\w+\W+)?(aftrek|de?duct|d[ée]duct|teruggaa?[fv]|refund|rembours|"
          r"vrijstelling|exempt|exon[ée]r|vermindering|korting|remise))",
          r"\bnot authori[sz]ed", r"\baccess (is )?denied", r"\bno access to", r"\btoegang (is )?geweigerd",
          r"\bniet (bevoegd|gemachtigd|geautoriseerd)", r"\bacc[èe]s (est )?refus[ée]", r"\bnon autoris[ée]"),
     _denied(RIGHT)),
)  # fmt: skip
"""What holds for more than one document, whatever was asked; the first that fits."""

_DUPLICATE: Final = _any(
    r"same booking number", r"zelfde (boekings|boekstuk|factuur)nummer", r"m[êe]me num[ée]ro",
    r"\b(already|al|reeds|d[ée]j[àa]) (exists?|been|in use|used|processed|known|present|entered|registered|recorded|"
    r"taken|bestaat|verwerkt|gebruikt|geboekt|in gebruik|aanwezig|bekend|ingevoerd|opgenomen|eerder|utilis[ée]|"
    r"trait[ée]|pr[ée]sent|connu|enregistr|comptabilis|import|attribu|[ée]t[ée]\b)",
    r"\b(exists?|bestaat|existe|figure) (already|al|reeds|d[ée]j[àa])\b", r"\bkomt (al|reeds) voor\b",
    r"\b(there is|there.s|er is|er staat|il y a) (already|al|reeds|d[ée]j[àa]) .{0,40}(invoice|factu|document|refer|"
    r"r[ée]f[ée]r|num(b|m)er|num[ée]ro)",
    r"\b(must|should|moet|moeten|doit|doivent) (be |[êe]tre )?(unique|uniek)",
    r"\b(not|niet|pas|non) (an? |een )?(unique|uniek)", r"duplicate", r"dubbele? (factuur|referentie|nummer)",
    r"\bdoublon", r"\ben double\b",
)  # fmt: skip

_NUMBERED: Final = _any(r"invoice", r"factu", r"refer", r"r[ée]f[ée]rence", r"num(b|m)er", r"num[ée]ro", r"document")
_OF_SALES: Final = frozenset(("Y02", "Y10", RIGHT))
_QUOTED: Final = re.compile(r"""(?<!\w)["'«‹“‘„‚].{0,200}?["'»›”’](?!\w)""")
"""Names and descriptions, as Yuki puts them into its messages; an apostrophe inside a word is none."""

_LEDGER: Final = r"(gl ?-?account|ledger account|grootboekrekening|compte (g[ée]n[ée]ral|du grand))"

_REFUSALS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (_any(r"onjuiste artikelcategorie", r"(incorrect|wrong|invalid) (product|article|item) ?categor",
          r"cat[ée]gorie d.article"), "Y11"),
    (_any(r"pricelist.?s? currency", r"price list.{0,20}currency", r"valuta van de prijslijst",
          r"(devise|monnaie) (de la liste|du tarif)"), "Y12"),
    (_any(r"process must be set to true"), "Y13"),
    (_any(r"maximum request length", r"request (is )?too (large|long)"), "Y28"),
    (_any(_LEDGER + r".{0,60}(disabled|uitgeschakeld|gedeactiveerd|geblokkeerd|niet actief|not active|inactive|"
          r"d[ée]sactiv)", r"(disabled|inactive) " + _LEDGER), "Y03"),
    (_any(r"unspecified ledger", _LEDGER + r".{0,40}(not specified|unspecified|mandatory|required|missing|verplicht|"
          r"niet opgegeven|ontbreekt|obligatoire|manqu)"), "Y01"),
    (_any(_LEDGER + r".{0,60}(not found|unknown|cannot be found|does not exist|niet gevonden|onbekend|bestaat niet|"
          r"introuvable|inconnu|n.existe pas)"), "Y25"),
    (_any(r"transactions? before (?P<date>[\d/.-]+)( for administration (?P<administration>.+?)\.?$)?",
          r"(period|fiscal year|book ?year).{0,40}(closed|locked)",
          r"(periode|boekjaar).{0,40}(af)?ge(sloten|blokkeerd)",
          r"transacties? (v[óo][óo]r|van voor) (?P<date2>[\d/.-]+)", r"transactions? avant (le )?(?P<date3>[\d/.-]+)",
          r"(p[ée]riode|exercice).{0,40}(cl[ôo]tur|ferm|verrouill)"), "Y04"),
    (_any(r"tax code with percentage \W*(?P<percentage>[\d.,]+)\W*and type \W*(?P<type>[^\"']+?)\W* (cannot|could not)",
          r"(tax|vat|btw|tva)[- ]?(code|type|tarief|taux|rate|percentage).{0,100}(cannot be found|not found|unknown|"
          r"not active|not valid|invalid|niet gevonden|onbekend|ongeldig|introuvable|inconnu|non valide)",
          r"(code|taux) (de )?tva.{0,80}(introuvable|inconnu|non valide)"), "Y05"),
    (_any(r"vat number of the relation", r"vat ?number.{0,40}(must|mandatory|required|missing|invalid)",
          r"btw-?nummer.{0,60}(verplicht|ingevuld|ontbreekt|ongeldig)",
          r"num[ée]ro de tva.{0,60}(obligatoire|rempli|compl[ée]t|manqu|non valide)"), "Y07"),
    (_any(r"html render is blank", r"\bcountry( ?code)?\b.{0,40}(unknown|missing|mandatory|required|empty|invalid)",
          r"\bland(code)?\b.{0,40}(onbekend|verplicht|ontbreekt|leeg|ongeldig)",
          r"\bpays\b.{0,40}(inconnu|obligatoire|manqu|vide|non valide)"), "Y08"),
    (_any(r"too many decimals", r"te veel decimalen", r"trop de d[ée]cimales"), "Y16"),
    (_any(r"bundle", r"not (included|available) in your", r"bundel", r"abonnement"), "Y17"),
    (_any(r"contact.{0,60}(mandatory|required|missing|incomplete|verplicht|ontbreekt|onvolledig|obligatoire|manqu)",
          r"(address|adres).{0,40}(mandatory|required|missing|verplicht|ontbreekt|obligatoire|manqu)"), "Y18"),
)  # fmt: skip
"""What is wrong with one document; more precise patterns stand before what they contain."""

_SCHEMA: Final = _any(
    r"invalid child element", r"incomplete content", r"is invalid according to its datatype", r"\bxsd\b",
    r"schema", r"element.{0,200}(is (invalid|not declared)|could not be found)", r"ongeldig onderliggend element",
    r"ongeldig volgens (het|zijn) gegevenstype", r"onvolledige inhoud", r"[ée]l[ée]ment enfant non valide",
    r"non valide (selon|d.apr[èe]s) son type", r"contenu incomplet", r"error in xml document", r"xml-document",
    r"not a valid .{0,40}value", r"input string was not in a correct format",
)  # fmt: skip
"""What .NET says of a document that is not as its schema wants, and of a value that is none of its type."""


def classify(answer: Answer) -> ToolError | None:
    """What an answer means; None for plain success. What is not Yuki's own, or says nothing of what was done, is
    Uncertain: a fault that nobody knows may have come in the middle of the work.
    """
    try:
        found = soap.opened(answer.body)
    except soap.NotYukis as other:
        if answer.status == 429:
            return throttled(None, until=_retry_after(answer))
        uncertain = Uncertain(f"answer {answer.status} that is not Yuki's own: {other}", tool_words=other.words)
        uncertain.trouble = Trouble.OWN_FAULT if answer.status >= 500 else Trouble.PAGE
        return uncertain
    if isinstance(found, soap.Fault):
        meant = fault(found)
        if answer.status == 429 and not isinstance(meant, Throttled):
            return throttled(found.words, until=_retry_after(answer))
        return meant
    return None if 200 <= answer.status < 300 else Uncertain(f"answer {answer.status}")


def fault(found: soap.Fault) -> ToolError:
    """What a SOAP fault means: nothing of the call was processed, or nobody can tell."""
    if ending := _ending(found.words):
        return ending
    if _SCHEMA.search(found.words):
        return Refused(Issue(code=FORM, facts={"words": found.words}, tool_words=found.words), tool_words=found.words)
    code, facts = _recognised(found.words)
    if code != UNRECOGNISED or found.of_sender:
        return Refused(Issue(code=code, facts=facts, tool_words=found.words), tool_words=found.words)
    unknown = UnknownFault("a fault of Yuki", tool_words=found.words)
    unknown.trouble = Trouble.OWN_FAULT
    return unknown


def judged(message: str, *, others_went: bool = False) -> ToolError:
    """What the message of one invoice in an answer means, whose Succeeded is false.

    AlreadyThere: its number is taken, perhaps by this very document. AccessDenied: it holds for all that follow, which
    it does not where others of the same answer went (`others_went`). Else Refused. A message may hold what somebody has
    typed: what is plainly about the document comes first.
    """
    words = soap.cleaned(message[: soap.READ]).strip()
    code, facts = _recognised(words)
    if code == UNRECOGNISED and not others_went:
        ending = _ending(_QUOTED.sub(" ", words))
        if isinstance(ending, AccessDenied) and ending.issue.code in _OF_SALES:
            return access_denied(ending.scope, code=ending.issue.code, words=words)
    if code == UNRECOGNISED and _DUPLICATE.search(words) and _NUMBERED.search(words):
        return AlreadyThere(tool_words=words)
    return Refused(Issue(code=code, facts=facts, tool_words=words), tool_words=words)


def is_unknown(error: ToolError) -> bool:
    """Whether it is a fault of Yuki in words that nobody knows."""
    if isinstance(error, Refused):
        return all(issue.code == UNRECOGNISED for issue in error.issues)
    return isinstance(error, UnknownFault) or isinstance(error.__cause__, UnknownFault)


def _ending(words: str) -> ToolError | None:
    return next((made(words) for pattern, made in _ENDINGS if pattern.search(words)), None)


def _recognised(words: str) -> tuple[str, dict[str, str]]:
    """The code of the issue that a message stands for, and the facts that are in it."""
    for pattern, code in _REFUSALS:
        if found := pattern.search(words):
            facts = {name.rstrip("23"): value for name, value in found.groupdict().items() if value}
            return code, {**facts, "words": words}
    return UNRECOGNISED, {"words": words}


def _retry_after(answer: Answer) -> datetime:
    told = answer.headers.get("Retry-After") or ""
    return clock.now() + (timedelta(seconds=min(int(told), 86_400)) if told.isdecimal() else LONG_WAIT)
