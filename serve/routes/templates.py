"""Templates: assistants to begin from, by industry."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from serve.auth import Caller, GuardedRoute, permits
from serve.cached_reads import CachedReads
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
async def get_template(
    template_id: Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,100}$", description="A template's `slug` or `id`.")],
    services: Given,
    caller: Caller,
) -> TemplateView:
    """One template, with the assistant it makes; at most an hour old."""
    return await CachedReads(services, caller).template(template_id.lower())
