"""People as they are shown to themselves, from the cache."""

from actors.domain.json_types import JSON
from serve.people_schemas import UserView
from serve.services import Services
from storage import cache_keys
from storage.people import read_person


async def user_of(services: Services, user_id: str) -> UserView | None:
    """A person's own record, at most 10 minutes old; None for one of no organization.

    Raises StorageUnavailableError.
    """

    async def load() -> JSON:
        row = await read_person(services.pool, user_id)
        return UserView.of(row).model_dump(mode="json") if row is not None else None

    found = await services.cache.get(cache_keys.user(user_id), load)
    return UserView.model_validate(found.value) if found.value is not None else None
