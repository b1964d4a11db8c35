"""A hub on a real Valkey, its organization's owner, and who may connect."""

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import redis.asyncio
from redis.asyncio import Redis

from serve.live.hub import LiveHub
from tests.integration.live_owner import Credentials, Owner, holder, running_hub


@pytest_asyncio.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    async with redis.asyncio.from_url(redis_url) as client:
        yield client


@pytest_asyncio.fixture
async def owner(redis_client: Redis) -> Owner:
    owner = Owner(redis_client, str(uuid.uuid4()))
    await owner.open()
    return owner


@pytest.fixture
def credentials(owner: Owner) -> Credentials:
    return Credentials(keys={"key": holder(owner.organization_id)})


@pytest_asyncio.fixture
async def hub(redis_client: Redis, owner: Owner, credentials: Credentials) -> AsyncIterator[LiveHub]:
    async with running_hub(redis_client, owner.board, credentials) as hub:
        yield hub
