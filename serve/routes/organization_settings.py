"""What an organization permits and how it meets its callers: shown, and changed while it works."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from actors.ports import Delivery
from serve.auth import Caller, GuardedRoute, permits
from serve.changes import versions_of
from serve.errors import InvalidParameterError, NotFoundError, PreconditionFailedError
from serve.services import Given
from serve.settings_schemas import OrganizationSettings, SettingsChange
from storage import cache_keys
from storage.settings import Settings, SettingsChangedError, UnknownAssistantsError, change_settings, read_settings
from storage.times import milliseconds

router = APIRouter(
    route_class=GuardedRoute, tags=["organizations"], prefix="/v1/organizations/{organization_id}/settings"
)


@router.get("", dependencies=[permits("organization:read")])
async def get_settings(services: Given, caller: Caller, response: Response) -> OrganizationSettings:
    """The settings; their `ETag` makes a change conditional."""
    async with services.reading(caller) as reads:
        settings = await read_settings(reads.connection, caller.organization_id)
    return _shown(settings, response)


@router.patch("", dependencies=[permits("organization:write")])
async def patch_settings(
    changes: SettingsChange,
    services: Given,
    caller: Caller,
    response: Response,
    if_match: Annotated[
        str | None, Header(description="The `ETag` of what was read: change nothing if it is another by now.")
    ] = None,
) -> OrganizationSettings:
    """Change the members that are named. Live at once: calls that go on keep their slots, the next one is decided anew.

    What callers hear and where tools are follows within 5 s. The audit log keeps who changed what.
    """
    try:
        made = await change_settings(
            services.pool,
            organization_id=caller.organization_id,
            changes=changes.told(),
            actor=caller.subject,
            at=milliseconds(services.now()),
            only_from=versions_of(if_match),
        )
    except SettingsChangedError as changed:
        raise PreconditionFailedError("The settings were changed since. Read them again.") from changed
    except UnknownAssistantsError as unknown:
        detail = f"There is no such assistant: {unknown}"
        errors = [{"at": "body.assistant_limits", "detail": detail}]
        raise InvalidParameterError("Some values are not permitted.", errors) from unknown
    if made is None:
        raise NotFoundError("There is nothing here.")
    await services.cache.invalidate(*cache_keys.of_settings(caller.organization_id, made.assistant_ids))
    if made.row is not None and services.owners is not None:
        services.owners.offer(Delivery(organization_id=caller.organization_id, item=made.row))
    return _shown(made.settings, response)


def _shown(settings: Settings | None, response: Response) -> OrganizationSettings:
    if settings is None:
        raise NotFoundError("There is nothing here.")
    response.headers["ETag"] = f'"{settings.version}"'
    return OrganizationSettings.of(settings)
