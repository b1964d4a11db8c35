"""Templates: assistants to begin from, by industry."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from serve.auth import Caller, GuardedRoute, permits
from serve.changes import found
from serve.list_cursor import CursorText, Limit, read_page
from serve.resource_schemas import TemplatePage, TemplateSummary, TemplateView
from serve.services import Given

router = APIRouter(
    route_class=GuardedRoute,
    tags=["templates"],
    prefix="/v1/organizations/{organization_id}/templates",
    dependencies=[permits("templates:read")],
)


@router.get("")
async def list_templates(
    *,
    organization_id: str,
    services: Given,
    caller: Caller,
    industry: Annotated[str | None, Query(pattern=r"^[a-z0-9-]{1,100}$", description="An `industry_slug`.")] = None,
    featured: bool | None = None,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> TemplatePage:
    """Templates anybody may make an assistant from, newest first."""
    owner = (organization_id, "templates", industry, featured)
    async with services.viewing(caller) as rows:
        page, following = await read_page(
            rows, "templates_page", industry, featured, cursor=cursor, limit=limit, owner=owner
        )
    return TemplatePage(templates=[TemplateSummary.model_validate(row) for row in page], next_cursor=following)


@router.get("/{template_id}")
async def get_template(template_id: UUID, services: Given, caller: Caller) -> TemplateView:
    """One template, with the assistant it makes."""
    async with services.viewing(caller) as rows:
        return TemplateView.model_validate(found(await rows.one("template", template_id), "template"))
