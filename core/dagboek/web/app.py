"""The app: API and console on one process."""

from fastapi import FastAPI
from fastapi.responses import Response

from dagboek import api, console
from dagboek.web import openapi, problems, reference
from dagboek.web.headers import ALIVE, Guard
from dagboek.web.state import Web


def make_app(web: Web) -> FastAPI:
    """The app of a process."""
    app = FastAPI(title="Dagboek", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.web = web
    problems.install(app)
    api.install(app)
    console.install(app)
    openapi.install(app)
    reference.install(app)
    app.add_api_route(ALIVE, _alive, include_in_schema=False)
    app.add_middleware(Guard, settings=web.settings)
    return app


async def _alive() -> Response:
    """That the process answers; not that the database does, as starting us again would not help that."""
    return Response("ok\n", media_type="text/plain")
