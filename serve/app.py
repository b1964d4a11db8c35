"""Composition root: the Serve applications, one definition for the local stack and for a cluster."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from hashlib import blake2b
from typing import Any, Final, cast

from ray import serve as ray_serve
from ray.serve.schema import LoggingConfig
from starlette.types import ASGIApp

from actors.domain.json_types import JSON
from actors.logs import configure_logs
from actors.process import WORKER_NICENESS, settle_heap, yield_processor
from actors.router import ShardRouter
from actors.runtime import CPUS, shard_handles
from serve.api import create_api
from serve.cache_metrics import CacheFigures, export_cache_figures
from serve.config import Settings
from serve.door_metrics import export_figures
from serve.identity import Identification
from serve.live.access import Access
from serve.live.hub import HubOptions
from serve.live.hub import LiveHub as Hub
from serve.outbound import looking_up_calls
from serve.parts import readiness_checks
from serve.services import Services, open_access_tokens, open_services
from serve.simulator.app import create_simulator
from serve.webhooks.ingress import WebhookIngress
from storage.api_keys import ApiKeys
from storage.cache import Cache
from storage.credential_changes import CredentialChanges
from storage.display_names import DisplayNames
from storage.live_presence import LivePresence
from storage.live_reader import FeedReader
from storage.ownership import PostgresOwnership
from storage.postgres import close_pool, open_pool
from storage.redis import open_redis
from storage.sessions import Sessions
from storage.tickets import Tickets
from storage.upkeep import upkeep
from workflows.client import connect_from
from workflows.worker import build_workers, open_activities, prepare, run_workers

_ROUTER_CONNECTIONS: Final = 2
_HUB_GRACE_SECONDS: Final = 10
_WORKER_GRACE_SECONDS: Final = 60
_OPTIONS: Final[Mapping[str, Any]] = {
    "ray_actor_options": {"num_cpus": CPUS},
    "max_ongoing_requests": 1_000,
    "logging_config": LoggingConfig(enable_access_log=False),
    "health_check_period_s": 5,
}

_serve: Final = cast("Any", ray_serve)
"""Serve's decorators change their class's type in ways its annotations do not tell."""


async def open_router(settings: Settings, resources: AsyncExitStack) -> ShardRouter:
    """The way to the shards from this process; `resources` closes it."""
    pool = await open_pool(
        settings.database_url,
        size=_ROUTER_CONNECTIONS,
        name="call-supervisor router",
        prepared=settings.database_prepared_statements,
    )
    resources.push_async_callback(close_pool, pool)
    router = ShardRouter(PostgresOwnership(pool), shard_handles())
    await router.start()
    resources.push_async_callback(router.close)
    return router


class Webhooks:
    """The ack path. Raw ASGI: what a framework and an access log cost here is a tenth of the throughput each."""

    async def __init__(self, settings: Settings) -> None:
        configure_logs()
        self._resources = AsyncExitStack()
        router = await open_router(settings, self._resources)
        self._ingress = WebhookIngress(settings, router=router)
        replica = ray_serve.get_replica_context().replica_id.unique_id
        self._metrics = asyncio.create_task(export_figures(self._ingress.figures, replica=replica))
        settle_heap()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return self._ingress  # pyright: ignore[reportReturnType]  # ASGI's own types are looser than Starlette's

    async def figures(self) -> dict[str, int]:
        """What passed through this replica since its start."""
        return self._ingress.figures()

    async def __del__(self) -> None:
        self._metrics.cancel()
        await self._resources.aclose()


@asynccontextmanager
async def _api_services(settings: Settings) -> AsyncGenerator[Services]:
    async with AsyncExitStack() as resources:
        owners = await open_router(settings, resources)
        services = await resources.enter_async_context(
            open_services(settings, readiness_checks(settings), owners=owners)
        )
        await resources.enter_async_context(
            upkeep(settings.database_url, prepared=settings.database_prepared_statements)
        )
        await resources.enter_async_context(looking_up_calls(services))
        # Ray adds the node to what a process tells of itself.
        exporting = asyncio.create_task(export_cache_figures(services.cache.figures, replica=f"{os.getpid()}"))
        resources.callback(exporting.cancel)
        yield services


class Api:
    """REST, the page, the documents; and the upkeep of Postgres, for there is always one."""

    async def __init__(self, settings: Settings) -> None:
        configure_logs()
        self._app = create_api(settings, partial(_api_services, settings))
        settle_heap()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return self._app

    async def cache_figures(self) -> CacheFigures:
        """What became of this replica's look-ups in the cache since its start, by family of keys."""
        return cast("Services", self._app.state.services).cache.figures()


class Simulator:
    """Local vendors. Embedded only."""

    async def __init__(self, settings: Settings) -> None:
        configure_logs()
        # Vendors are other people's machines: theirs is no part of what ours can do.
        yield_processor(WORKER_NICENESS)
        self._app = create_simulator(settings)
        settle_heap()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return self._app


class LiveHub:
    """The websocket hub: listens on a port of its own, takes no requests from Serve."""

    async def __init__(self, settings: Settings) -> None:
        configure_logs()
        self._resources = AsyncExitStack()
        router = await open_router(settings, self._resources)
        redis = open_redis(settings.redis_url)
        self._resources.push_async_callback(redis.aclose)
        pool = await open_pool(
            settings.database_url, size=2, name="live hub", prepared=settings.database_prepared_statements
        )
        self._resources.push_async_callback(close_pool, pool)
        options = HubOptions(host=settings.live_host, port=settings.live_port, origins=_origins(settings))
        identification = Identification(
            pool=pool,
            api_keys=ApiKeys(pool),
            sessions=Sessions(redis),
            tokens=await open_access_tokens(settings, self._resources),
        )
        access = Access(Tickets(redis), identification)
        self._hub = Hub(
            options,
            feed=FeedReader(redis),
            boards=router.snapshot,
            access=access,
            watch=router.watch,
            wallboard_secret=_secret_for(b"wallboards", settings),
            presence=LivePresence(redis),
            names=DisplayNames(pool).of,
            changes=CredentialChanges(redis),
        )
        await self._hub.start()
        settle_heap()

    def check_health(self) -> None:
        """Raise when the hub can no longer serve."""
        self._hub.check_health()

    async def status(self) -> dict[str, JSON]:
        """Sockets, organizations and frames of this replica."""
        return self._hub.status()

    async def __del__(self) -> None:
        await self._hub.stop()
        await self._resources.aclose()


class TemporalWorker:
    """Runs workflows and activities; takes no requests from Serve."""

    async def __init__(self, settings: Settings) -> None:
        configure_logs()
        yield_processor(WORKER_NICENESS)
        self._resources = AsyncExitStack()
        router = await open_router(settings, self._resources)
        client = await connect_from(settings.worker, lazy=False)
        searchable = await prepare(client, settings.worker)
        redis = open_redis(settings.redis_url, connections=2)
        self._resources.push_async_callback(redis.aclose)
        cache = Cache(redis)
        self._resources.push_async_callback(cache.close)
        activities = await self._resources.enter_async_context(
            open_activities(settings.worker, notify=router.offer, searchable=searchable, cache=cache)
        )
        workers = build_workers(client, activities)
        self._running = asyncio.create_task(run_workers(workers))
        settle_heap()

    def check_health(self) -> None:
        """Raise what ended the worker."""
        if self._running.done():
            raise RuntimeError("the Temporal worker ended") from self._running.exception()

    async def __del__(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self._resources.aclose()


def _secret_for(purpose: bytes, settings: Settings) -> bytes:
    """64 bytes that all replicas agree on and that tell nothing of the key they come from."""
    return blake2b(settings.encryption_key.get_secret_value().encode(), person=purpose).digest()


def _origins(settings: Settings) -> Sequence[str]:
    """Pages that may open a live socket: our own, and on a local stack the same one by its other name."""
    own = settings.public_base_url.rstrip("/")
    return [own, own.replace("//127.0.0.1", "//localhost")] if settings.embedded else [own]


def applications(settings: Settings) -> Sequence[ray_serve.RunTarget]:
    """Every application of a deployment."""
    ingress = _serve.ingress()
    targets = [
        _target(ingress(Webhooks), settings, replicas=settings.ingress_replicas, route="/webhooks"),
        _target(ingress(Api), settings, replicas=settings.api_replicas, route="/"),
        _target(LiveHub, settings, replicas=settings.hub_replicas, grace_seconds=_HUB_GRACE_SECONDS),
    ]
    if settings.worker_replicas:
        replicas = settings.worker_replicas
        targets.append(_target(TemporalWorker, settings, replicas=replicas, grace_seconds=_WORKER_GRACE_SECONDS))
    if settings.embedded:
        targets.append(_target(ingress(Simulator), settings, replicas=1, route="/simulator"))
    return targets


def _target(
    served: type, settings: Settings, *, replicas: int, route: str | None = None, grace_seconds: float = 20
) -> ray_serve.RunTarget:
    name = served.__name__
    deployment = _serve.deployment(
        name=name, num_replicas=replicas, graceful_shutdown_timeout_s=grace_seconds, **_OPTIONS
    )(served)
    return ray_serve.RunTarget(target=deployment.bind(settings), name=name, route_prefix=route)
