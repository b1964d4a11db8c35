"""The audit log: who did what, why, and what came of it."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from serve.auth import Caller, GuardedRoute, permits
from serve.list_cursor import CursorText, Limit, after_numbered, page_of
from serve.resource_schemas import AuditEntry, AuditPage
from serve.services import Given

router = APIRouter(route_class=GuardedRoute, tags=["audit log"], prefix="/v1/organizations/{organization_id}")

Word: TypeAlias = Annotated[str | None, Query(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


@router.get("/audit-log", dependencies=[permits("audit:read")])
async def list_audit_log(
    *,
    organization_id: str,
    services: Given,
    caller: Caller,
    actor: Word = None,
    action: Word = None,
    target: Word = None,
    since: Annotated[AwareDatetime | None, Query(alias="from", description="The first entry unless told.")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to", description="Exclusive. Now unless told.")] = None,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> AuditPage:
    """Entries, newest first, of one actor, action or target if told (a call's, by its id), and of a range of dates."""
    owner = (organization_id, "audit-log", actor, action, target, since, until)
    _, below = after_numbered(cursor, *owner)
    async with services.viewing(caller) as rows:
        await rows.plan_for_arguments()
        told = await rows.all("audit_page", below, actor, action, target, since, until, limit + 1)
    # The log counts its entries: a number in the place of an id.
    placed = [{**row, "created_at": row["at"], "id": UUID(int=row["id"])} for row in told]
    page, following = page_of(placed, limit, *owner)
    entries = [AuditEntry.model_validate({**row, "id": row["id"].int}) for row in page]
    return AuditPage(entries=entries, next_cursor=following)
