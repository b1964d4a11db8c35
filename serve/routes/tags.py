"""The few short words by which people sort calls, while they go on or later."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response

from actors.domain.commands import CALL_TAGGED, InboxRow
from actors.domain.tags import MOST_TAGS
from actors.ports import Delivery
from actors.slots import slot_of
from serve.auth import Caller, GuardedRoute, permits
from serve.changes import Asked, Change, Made, found
from serve.errors import ConflictError
from serve.resource_schemas import TagName, Tags
from serve.routes.notes import storable_id
from serve.services import Given
from storage.calls import Row
from storage.tenant_rows import TenantRows
from storage.times import milliseconds

router = APIRouter(route_class=GuardedRoute, tags=["calls"], prefix="/v1/organizations/{organization_id}/calls")

_WRITES: Final = permits("calls:annotate")

Tag = Annotated[TagName, Path(description="Small letters, hyphens for spaces: what is written otherwise is made so.")]


@router.get("/{call_id:path}/tags", dependencies=[permits("calls:read")])
async def list_tags(call_id: str, services: Given, caller: Caller) -> Tags:
    """The tags of a call; at most 10."""
    async with services.viewing(caller) as rows:
        row = found(await rows.one("tags_of_call", storable_id(call_id)), "call")
    return Tags.model_validate(row)


@router.put("/{call_id:path}/tags/{tag}", dependencies=[_WRITES], response_model=Tags)
async def add_tag(call_id: str, tag: Tag, change: Asked) -> Response:
    """Tag a call, and see what its tags are now. A call has 10 at most; one that it has already changes nothing."""
    return await _tagged(change, storable_id(call_id), tag, present=True)


@router.delete("/{call_id:path}/tags/{tag}", dependencies=[_WRITES], response_model=Tags)
async def remove_tag(call_id: str, tag: Tag, change: Asked) -> Response:
    """Take a tag off a call, whoever set it, and see what its tags are now. One that it has not changes nothing."""
    return await _tagged(change, storable_id(call_id), tag, present=False)


async def _tagged(change: Change, call_id: str, tag: str, *, present: bool) -> Response:
    """Durable when answered, in the call's history too; live boards show it as soon as its owner has taken it in."""
    organization_id, told = change.caller.organization_id, list[InboxRow]()

    async def make(rows: TenantRows) -> Made:
        arguments = (call_id, slot_of(organization_id), tag, present, MOST_TAGS)
        row = found(await rows.one("tag_call", *arguments), "call")
        if row["result"] == "full":
            raise ConflictError(f"A call has {MOST_TAGS} tags at most: take one away first.")
        if row["result"] == "archived":
            raise ConflictError("The call's month was archived: its tags stay as they are.")
        if row["result"] == "done":
            await rows.audit("tag-added" if present else "tag-removed", call_id, result=tag)
            told.append(_inbox_row(call_id, row))
        return Made(shown=Tags(tags=row["tags"]), tagged=False)

    response = await change.answer(make)
    owners = change.services.owners
    if owners is not None:
        for row in told:
            owners.offer(Delivery(organization_id=organization_id, item=row))
    return response


def _inbox_row(call_id: str, row: Row) -> InboxRow:
    at, facts = milliseconds(row["told_at"]), row["inbox_facts"]
    told: dict[str, Any] = {"occurred_at": at, "received_at": at, "facts": facts}
    return InboxRow(
        id=row["inbox_id"], provider="internal", event_key=row["inbox_key"], type=CALL_TAGGED, call_id=call_id, **told
    )
