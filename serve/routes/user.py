"""The caller as a person: who they are, how others see them, and what the page remembers of them."""

from typing import Final

from fastapi import APIRouter, Response

from serve.auth import GuardedRoute, Known, permits_anyone_known
from serve.changes import IfMatch, require_match, shown_with_etag
from serve.errors import ForbiddenError, NotFoundError
from serve.identity import Identity
from serve.people import user_of
from serve.people_schemas import UserChange, UserView
from serve.services import Given
from storage import cache_keys
from storage.people import Row, change_person

router = APIRouter(route_class=GuardedRoute, tags=["session"], dependencies=[permits_anyone_known()])

_NOBODY: Final = "You belong to no organization yet: accept an invitation first."


@router.get("/v1/user", response_model=UserView)
async def get_user(services: Given, identity: Known) -> Response:
    """The caller's own record."""
    user = await user_of(services, _person_of(identity))
    if user is None:
        raise NotFoundError(_NOBODY)
    return shown_with_etag(user)


@router.patch("/v1/user", response_model=UserView)
async def change_user(asked: UserChange, services: Given, identity: Known, if_match: IfMatch = None) -> Response:
    """Change members of the caller's own record; `preferences` are replaced whole."""
    user_id = _person_of(identity)

    def change(row: Row) -> Row:
        require_match(if_match, UserView.of(row))
        return {**row, **asked.model_dump(exclude_unset=True)}

    row = await change_person(services.pool, user_id, change)
    if row is None:
        raise NotFoundError(_NOBODY)
    await services.cache.invalidate(cache_keys.user(user_id))
    return shown_with_etag(UserView.of(row))


def _person_of(identity: Identity) -> str:
    if identity.user_id is None:
        raise ForbiddenError("Only a person has a record: sign in with an access token.")
    return identity.user_id
