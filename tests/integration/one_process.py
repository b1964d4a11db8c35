"""The product in one process, on its real servers and without Ray, for tests of what drives it from outside."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from actors.router import ShardRouter
from actors.shard import Shard
from serve.api import create_api
from serve.config import Settings
from serve.identity import Identification
from serve.live.access import Access
from serve.live.hub import HubOptions, LiveHub
from serve.ports import open_ports
from serve.seed import seed
from serve.services import open_services
from serve.simulator.app import create_simulator
from serve.stack.state import VendorSecrets
from serve.stack.vendor_settings import vendor_settings
from serve.webhooks.ingress import WebhookIngress
from storage.api_keys import ApiKeys
from storage.live_reader import FeedReader
from storage.ownership import PostgresOwnership
from storage.postgres import close_pool, open_pool
from storage.redis import open_redis
from storage.sealing import Sealer
from storage.sessions import Sessions
from storage.tickets import Tickets
from workflows.client import connect_from
from workflows.worker import build_workers, open_activities, run_workers


class NearShard:
    """A shard next door: no Ray between."""

    def __init__(self, shard: Shard) -> None:
        self.deliver = shard.deliver
        self.snapshot = shard.snapshot
        self.admit = shard.admit
        self.slots = shard.slots
        self.grant = shard.grant


@asynccontextmanager
async def product(
    folder: Path, *, database_url: str, redis_url: str, temporal_address: str
) -> AsyncGenerator[dict[str, object]]:
    """The running product on a migrated database; yields what dev.json would hold, which is also in `folder`."""
    async with running(folder, database_url=database_url, redis_url=redis_url, temporal_address=temporal_address) as (
        _,
        published,
    ):
        yield published


@asynccontextmanager
async def running(
    folder: Path, *, database_url: str, redis_url: str, temporal_address: str, workers: bool = True
) -> AsyncGenerator[tuple[Settings, dict[str, object]]]:
    """The same with its settings, and without Temporal's workers if somebody else runs them."""
    http = _listener()
    base_url = f"http://127.0.0.1:{http.getsockname()[1]}"
    settings = Settings.model_validate(
        {
            "database_url": database_url,
            "redis_url": redis_url,
            "temporal_address": temporal_address,
            "encryption_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "recordings_url": (folder / "recordings").as_uri(),
            "vapi_base_url": f"{base_url}/simulator/vapi",
            "public_base_url": base_url,
            "embedded": True,
            **{name.lower(): value for name, value in vendor_settings(base_url, VendorSecrets(), {}).items()},
        }
    )
    (folder / "recordings").mkdir()
    async with AsyncExitStack() as resources:
        pool = await open_pool(database_url, size=8, name="one process")
        resources.push_async_callback(close_pool, pool)
        redis = open_redis(redis_url)
        resources.push_async_callback(redis.aclose)
        credentials = await seed(settings, pool, Sealer(settings.encryption_key.get_secret_value()), data_dir=folder)
        shard = Shard(name="organization-shard-0", incarnation=str(uuid4()), shards=1, ports=await open_ports(settings))
        await shard.start()
        resources.push_async_callback(shard.stop)
        router = ShardRouter(PostgresOwnership(pool), lambda _name: NearShard(shard))
        await router.start()
        resources.push_async_callback(router.close)
        identification = Identification(pool=pool, api_keys=ApiKeys(pool), sessions=Sessions(redis))
        hub = LiveHub(
            HubOptions(port=0),
            feed=FeedReader(redis),
            boards=router.snapshot,
            access=Access(Tickets(redis), identification),
            wallboard_secret=b"secret",
            watch=router.watch,
        )
        await hub.start()
        resources.push_async_callback(hub.stop)
        if workers:
            await _start_workers(settings, router, resources)
        await _start_http(settings, router, http, resources)
        published = {
            **credentials.published(),
            "base_url": base_url,
            "live_url": f"ws://127.0.0.1:{hub.port}",
        }
        yield settings, published


async def _start_workers(settings: Settings, router: ShardRouter, resources: AsyncExitStack) -> None:
    activities = await resources.enter_async_context(open_activities(settings.worker, notify=router.offer))
    workers = build_workers(await connect_from(settings.worker, lazy=False), activities)
    running = asyncio.create_task(run_workers(workers))

    async def stop() -> None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    resources.push_async_callback(stop)


async def _start_http(
    settings: Settings, router: ShardRouter, listener: socket.socket, resources: AsyncExitStack
) -> None:
    ingress = WebhookIngress(settings, router=router)
    await ingress.startup()
    resources.push_async_callback(ingress.shutdown)
    api = create_api(settings, partial(open_services, settings, owners=router))
    simulator = create_simulator(settings)
    for app in (api, simulator):
        await resources.enter_async_context(app.router.lifespan_context(app))
    routes = [Mount("/webhooks", ingress), Mount("/simulator", simulator), Mount("/", api)]
    config = uvicorn.Config(Starlette(routes=routes), log_level="error", lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))

    async def stop() -> None:
        server.should_exit = True
        await serving

    resources.push_async_callback(stop)


def _listener() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener
