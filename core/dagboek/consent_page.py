"""What a person sees in the browser after the question of consent, in nl, fr or en as the browser asks for."""

import base64
import hashlib
from enum import StrEnum
from html import escape
from typing import Final

from aiohttp import web


class Outcome(StrEnum):
    """What became of the question."""

    GIVEN = "given"
    NOT_GIVEN = "not_given"
    """Refused by the person or by the tool; the terminal says which."""
    NOT_OURS = "not_ours"
    """An answer to another question."""


_STYLE: Final = (
    "body{margin:0;background:#f4f5f7;color:#1d2433;font:17px/1.5 system-ui,sans-serif}"
    "main{max-width:26rem;margin:12vh auto;padding:2rem;background:#fff;border-radius:12px;"
    "box-shadow:0 1px 4px #0002}@media(max-width:30rem){main{margin:1rem;padding:1.5rem}}"
    "h1{font-size:1.35rem;margin:0 0 .5rem}p{margin:0}small{display:block;margin-top:1.5rem;color:#667085}"
    ".given h1{color:#1a7f4b}.not_given h1,.not_ours h1{color:#b3261e}"
)
_ALLOWED: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_ALLOWED}'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

_TEXTS: Final = {
    "nl": {
        Outcome.GIVEN: ("Bedankt", "U kunt deze pagina sluiten en verdergaan in de terminal."),
        Outcome.NOT_GIVEN: ("Geen toestemming", "Er is niets opgeslagen. In de terminal staat waarom."),
        Outcome.NOT_OURS: (
            "Dit is een antwoord op een andere vraag",
            "Het is misschien een oudere. Open het adres dat nu in de terminal staat.",
        ),
    },
    "fr": {
        Outcome.GIVEN: ("Merci", "Vous pouvez fermer cette page et continuer dans le terminal."),
        Outcome.NOT_GIVEN: ("Pas de consentement", "Rien n'a été enregistré. Le terminal dit pourquoi."),
        Outcome.NOT_OURS: (
            "Ceci répond à une autre question",
            "C'est peut-être une ancienne. Ouvrez l'adresse qui se trouve maintenant dans le terminal.",
        ),
    },
    "en": {
        Outcome.GIVEN: ("Thank you", "You may close this page and go on in the terminal."),
        Outcome.NOT_GIVEN: ("No consent", "Nothing was stored. The terminal says why."),
        Outcome.NOT_OURS: (
            "This answers another question",
            "It may be an older one. Open the address that the terminal shows now.",
        ),
    },
}


def consent_page(outcome: Outcome, accepted: str) -> web.Response:
    """The page; `accepted` is the browser's `Accept-Language`."""
    language = _language(accepted)
    title, text = _TEXTS[language][outcome]
    body = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - Dagboek</title><style>{_STYLE}</style></head>"
        f'<body><main class="{outcome}"><h1>{escape(title)}</h1><p>{escape(text)}</p><small>Dagboek</small></main>'
        "</body></html>"
    )
    status = 200 if outcome is Outcome.GIVEN else 400
    return web.Response(status=status, text=body, content_type="text/html", headers=_HEADERS)


def _language(accepted: str) -> str:
    """The first that we speak; browsers name the one that is liked best first."""
    asked = (one.strip()[:2].lower() for one in accepted.split(","))
    return next((one for one in asked if one in _TEXTS), "en")
