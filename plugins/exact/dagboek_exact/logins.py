"""Exact's OAuth (api.md section 1): where it is, its times, and what the token endpoint's refusals mean."""

import re

from dagboek_sdk.http import Answer
from dagboek_sdk.oauth import Judged, OAuth, judge

from dagboek_exact.settings import ExactSettings

_TOO_EARLY = re.compile(r"not[ _]?expired", re.IGNORECASE)


def oauth(settings: ExactSettings) -> OAuth:
    """One host for consent, tokens and the API; the user logs in anew, so that nobody connects a colleague's login."""
    return OAuth(
        authorise_url=f"{settings.address}/api/oauth2/auth",
        token_url=f"{settings.address}/api/oauth2/token",
        client_id=settings.client_id,
        client_secret=settings.client_secret.get_secret_value(),
        redirect_uri=settings.redirect_uri,
        authorise_params={"force_login": "1"},
        judge=judged,
    )


def judged(answer: Answer) -> Judged:
    """A token that has not ended yet is told in words, with status 400 or 401; all else is as RFC 6749 has it."""
    told = f"{answer.headers.get('Reason', '')} {answer.beginning[:2000]}"
    return Judged.TOO_EARLY if answer.status in (400, 401) and _TOO_EARLY.search(told) else judge(answer)
