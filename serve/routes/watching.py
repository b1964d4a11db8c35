"""Who has which call open: told here by pages, shown by the live hubs, because a socket only reads."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Response
from pydantic import StringConstraints

from serve.auth import Caller, GuardedRoute, permits
from serve.live.encoding import FULL_SCOPE
from serve.resource_schemas import Asked, Text
from serve.services import Given

router = APIRouter(route_class=GuardedRoute, tags=["live"], prefix="/v1/organizations/{organization_id}/watching")

_WATCHES: Final = permits(FULL_SCOPE)

PageId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$"),
    Path(description="The page's own name for itself: another for each that is open."),
]


class Looking(Asked):
    call_id: Annotated[Text, StringConstraints(max_length=200)]


@router.put("/{page}", dependencies=[_WATCHES], status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def look(page: PageId, looking: Looking, services: Given, caller: Caller) -> None:
    """Say which call a page has open. It is to be said again within 30 s; the latest of a page stands.

    The live feed's presence shows it within 2 s, for as long as the credential has a socket open.
    """
    await services.presence.look(caller.organization_id, caller.subject, page, looking.call_id)


@router.delete("/{page}", dependencies=[_WATCHES], status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def look_away(page: PageId, services: Given, caller: Caller) -> None:
    """Say that a page has no call open any more."""
    await services.presence.look_away(caller.organization_id, caller.subject, page)
