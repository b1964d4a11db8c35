"""The requests of an organization's API as Redis shows them, from the REST API by the owner to real Valkey."""

import asyncio
from pathlib import Path

import httpx

from serve.stack.temporal_server import TemporalServer
from storage.redis import open_redis
from tests.integration.one_process import product

HOUR_SECONDS = 3600


async def test_the_owner_shows_what_it_granted_in_the_hour(
    database_url: str, redis_url: str, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    async with (
        product(
            tmp_path, database_url=database_url, redis_url=redis_url, temporal_address=temporal_server.address
        ) as told,
        httpx.AsyncClient(timeout=30, headers={"authorization": f"Bearer {told['api_key']}"}) as http,
        open_redis(redis_url) as redis,
    ):
        key = f"ratelimit:org:{told['organization_id']}:api"
        url = f"{told['base_url']}/v1/organizations/{told['organization_id']}/calls/active"
        shown = set[int]()
        async with asyncio.timeout(30):
            while len(shown) < 3:  # the first requests come before there is an owner: nobody granted those
                assert (await http.get(url)).status_code == httpx.codes.OK
                shown.add(int(await redis.get(key) or 0))
        ends_at = await redis.expiretime(key)
        assert ends_at % HOUR_SECONDS == 0
        assert 0 < await redis.ttl(key) <= HOUR_SECONDS
