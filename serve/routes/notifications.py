"""Messages that went to people: to whom, how, and what became of each."""

from fastapi import APIRouter

from serve.about_call import Since, Until, dates_of
from serve.auth import Caller, GuardedRoute, permits
from serve.call_query import ShortText
from serve.list_cursor import CursorText, Limit, read_page
from serve.notification_schemas import Channel, NotificationPage, NotificationSummary
from serve.services import Given

router = APIRouter(route_class=GuardedRoute, tags=["notifications"], prefix="/v1/organizations/{organization_id}")


@router.get("/notifications", dependencies=[permits("integrations:read")])
async def list_notifications(
    *,
    organization_id: str,
    services: Given,
    caller: Caller,
    since: Since = None,
    until: Until = None,
    call_id: ShortText | None = None,
    channel: Channel | None = None,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> NotificationPage:
    """Messages about what happened in a date range of at most 93 days, or all about a call, newest first.

    One about a call lies at the moment when the call was first seen, however much later it was sent. A cursor belongs
    to the filters it was made with.
    """
    owner = (organization_id, "notifications", since, until, call_id, channel)
    async with services.viewing(caller) as rows:
        dates = await dates_of(rows, call_id, since, until, now=services.now())
        await rows.plan_for_arguments()
        page, following = await read_page(
            rows,
            "notifications_page",
            *dates,
            call_id,
            channel,
            cursor=cursor,
            limit=limit,
            owner=owner,
        )
    return NotificationPage(
        notifications=[NotificationSummary.model_validate(row) for row in page], next_cursor=following
    )
