"""Plugins and who uses them, and what `dagboek doctor` finds."""

from fastapi import Response

from dagboek.api.operator import plugins as of_api
from dagboek.console.pages import Operating, page_router

router = page_router()


@router.get("/operator/plugins")
async def plugins(visitor: Operating) -> Response:
    """What is installed, and what is used and is not."""
    return await visitor.page("operator_plugins.html", found=await of_api.plugins_in_use(visitor.caller))


@router.get("/operator/doctor")
async def offered(visitor: Operating) -> Response:
    """A button, as looking asks the tools."""
    return await visitor.page("operator_doctor.html", found=None)


@router.post("/operator/doctor")
async def examined(visitor: Operating) -> Response:
    """Looks at everything."""
    return await visitor.page("operator_doctor.html", found=await of_api.examination(visitor.caller))
