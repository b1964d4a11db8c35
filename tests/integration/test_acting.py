"""Acting on calls against the product in one process: real servers and the simulated provider, without Ray."""

import asyncio
from pathlib import Path

from serve.stack.temporal_server import TemporalServer
from tests.e2e.acting import place_speak_and_end
from tests.e2e.product import Product
from tests.integration.one_process import product


async def test_a_call_is_placed_spoken_into_and_ended(
    tmp_path: Path, database_url: str, redis_url: str, temporal_server: TemporalServer
) -> None:
    async with product(
        tmp_path, database_url=database_url, redis_url=redis_url, temporal_address=temporal_server.address
    ) as told:
        acting = Product.of(told)
        try:
            await asyncio.to_thread(place_speak_and_end, acting)
        finally:
            acting.close()
