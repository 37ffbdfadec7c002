"""Operator's pages: the whole installation, all tenants, in the same words as the API below `/api/v1/operator`."""

from dagboek.console.operator import broker, overview, people, plugins, runs, tenants, workers

_PAGES = (overview, tenants, people, runs, workers, broker, plugins)
ROUTERS = tuple(page.router for page in _PAGES)
