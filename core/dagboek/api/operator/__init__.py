"""What operators alone may do, over all tenants. Each act is in the trail (decision 0031)."""

from fastapi import APIRouter

from dagboek.api.operator import broker, overview, people, plugins, runs, tenants, workers

PREFIX = "/operator"

router = APIRouter(prefix=PREFIX)
for module in (overview, tenants, people, runs, workers, broker, plugins):
    router.include_router(module.router)
