"""The console: server-rendered pages for the people who use it (design section 9).

A page is a module with a router here, a template of the same name in `templates/`, and its words in `texts/`.
"""

from fastapi import FastAPI

from dagboek.console import (
    audits,
    companies,
    documents,
    help,
    history,
    integration,
    integrations,
    issues,
    notices,
    operator,
    people,
    profile,
    schedule,
    set_up,
    sign_in,
    sign_in_oidc,
    static,
    webhooks,
)
from dagboek.console.pages import PageRoute, install_errors

_PAGES = (
    sign_in, sign_in_oidc, set_up, integrations, integration, schedule, companies, history, documents, audits, issues,
    notices, people, webhooks, profile, help,
)  # fmt: skip
ROUTERS = (*(page.router for page in _PAGES), *operator.ROUTERS)


def install(app: FastAPI) -> None:
    """Adds all pages to the app."""
    static.install(app)
    install_errors(app)
    for router in ROUTERS:
        assert router.route_class is PageRoute, "a page's router is made by `page_router()`"
        app.include_router(router, include_in_schema=False)
