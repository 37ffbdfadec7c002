"""The REST API, `/api/v1`: one module for each resource. What it does is done by the core's own modules."""

from typing import Final

from fastapi import FastAPI

PREFIX: Final = "/api/v1"


def install(app: FastAPI) -> None:
    """Adds all routes."""
    from dagboek.api import (  # noqa: PLC0415  # the package is imported for its prefix alone, too
        api_keys,
        audits,
        connecting,
        connections,
        consents,
        decisions,
        documents,
        entities,
        issues,
        me,
        notices,
        operator,
        parties,
        people,
        plugins,
        previews,
        runs,
        schedule,
        sent_documents,
        session,
        sources,
        tenants,
        trail,
        webhooks,
    )

    for module in (
        session, me, tenants, entities, people, api_keys, trail, plugins, issues, sources, sent_documents,
        connections, connecting, consents, previews, schedule, runs, documents, decisions, parties, audits, notices,
        operator, webhooks,
    ):  # fmt: skip
        app.include_router(module.router, prefix=PREFIX)
