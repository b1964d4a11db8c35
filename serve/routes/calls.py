"""Calls: those going on, those of a date range, one with everything known of it."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query

from serve.auth import Caller, GuardedRoute, permits
from serve.call_pages import CallCursor, DateRange, position_after, said_parts
from serve.call_query import CallPageQuery
from serve.call_schemas import CallDetail, CallList, CallPage, CallSummary
from serve.errors import NotFoundError
from serve.services import Given

router = APIRouter(
    route_class=GuardedRoute,
    tags=["calls"],
    prefix="/v1/organizations/{organization_id}/calls",
    dependencies=[permits("calls:read")],
)


@router.get("/active")
async def list_active_calls(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> CallList:
    """Calls that have not ended, newest first, and how many there are in all."""
    async with services.reading(caller) as reads:
        rows, total = await reads.active_calls(limit=limit)
    return CallList(calls=[CallSummary.of(row) for row in rows], total=total)


@router.get("")
async def list_calls(
    organization_id: str, services: Given, caller: Caller, query: Annotated[CallPageQuery, Query()]
) -> CallPage:
    """Calls first seen in a range of at most 93 days, newest first; those of archived months too.

    A cursor carries its range, and belongs to the filters it was made with: repeat those, or begin without it. A search
    may answer a page that is not full, or empty, and still has a `next_cursor`: where other filters narrow it, and over
    archived months. Those have no index of words, so that a page looks through at most 64 million characters of
    transcripts there and lets the database judge at most 4 million; ask month by month.
    """
    only = query.filter()
    if query.cursor is None:
        dates = DateRange.asked(query.since, query.until, now=services.now())
        position = dates.start
    else:
        held = CallCursor.decode(query.cursor, organization_id, only)
        dates, position = held.dates, held.position
    async with services.reading(caller) as reads:
        if only.words is not None:
            searched = await services.archive.calls_with_words(
                reads, only.words, position, since=dates.since, only=only, limit=query.limit, now=services.now()
            )
            rows, said, after = searched.rows, searched.said, searched.after
        else:
            found = await services.archive.calls_before(
                reads, position, since=dates.since, only=only, limit=query.limit + 1, now=services.now()
            )
            rows, said = found[: query.limit], None
            after = position_after(rows) if len(found) > query.limit else None
    following = CallCursor.at(dates, after).encode(organization_id, only) if after is not None else None
    return CallPage.model_validate(
        {
            "calls": [CallSummary.of(row) for row in rows],
            "highlights": {row["provider_call_id"]: said_parts(said.get(row["id"], "")) for row in rows}
            if said is not None
            else None,
            "from": dates.since,
            "to": dates.until,
            "next_cursor": following,
        }
    )


# Last of the noun's routes: a call id may hold anything, slashes too.
@router.get("/{call_id:path}")
async def get_call(organization_id: str, call_id: str, services: Given, caller: Caller) -> CallDetail:
    """One call by the provider's id, with transcript, costs, recording, action items, notes and what arrived."""
    if "\0" in call_id:
        raise NotFoundError("There is no such call.")
    async with services.reading(caller) as reads:
        record = await services.archive.call(reads, call_id, now=services.now())
    if record is None:
        raise NotFoundError("There is no such call.")
    place = f"/v1/organizations/{organization_id}/calls/{quote(call_id, safe='')}/recording"
    return CallDetail.of_record(record, recording_url=place)
