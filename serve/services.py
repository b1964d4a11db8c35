"""What the REST API stands on, opened once per process and handed to every request."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, TypeAlias, cast
from uuid import UUID

import httpx
import structlog
from fastapi import Depends, Request

from actors.api_limits import ApiShares
from actors.router import ShardRouter
from serve.access_tokens import AccessTokens
from serve.client_limits import ClientLimits
from serve.config import Settings
from serve.errors import TemporarilyUnavailableError
from serve.identity import Identification
from serve.provider import Provider, open_provider
from serve.readiness import ReadinessCheck
from serve.signing_keys import SigningKeys
from storage.api_keys import ApiKeys
from storage.archive_reader import ArchiveReader
from storage.cache import Cache
from storage.calls import TenantReader
from storage.client_limits import RedisClientLimits
from storage.credential_changes import CredentialChanges
from storage.errors import StorageUnavailableError
from storage.inbox import Inbox
from storage.live_presence import LivePresence
from storage.postgres import Connection, Pool, close_pool, open_pool
from storage.principals import Principal
from storage.recording_reader import RecordingReader
from storage.redis import Redis, answered, open_redis
from storage.sealing import Sealer
from storage.sessions import Sessions
from storage.tenant import tenant_reads, tenant_writes
from storage.tenant_rows import TenantRows
from storage.tickets import Tickets
from workflows.activities.internal_rows import InternalRows
from workflows.vendors.tls import tls_context

log = structlog.get_logger(__name__)

_POOL_SIZE: Final = 10
_COUNTING_CONNECTIONS: Final = 16
_EXPORTS_AT_ONCE: Final = 2
_ISSUER_SECONDS: Final = 5.0
_ONE_CONNECTION: Final = httpx.Limits(max_connections=1)
_NOBODY: Final = str(UUID(int=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The servers behind the API. `now` is the clock requests are dated by."""

    pool: Pool
    api_keys: ApiKeys
    sessions: Sessions
    tickets: Tickets
    presence: LivePresence
    credential_changes: CredentialChanges
    identification: Identification
    recordings: RecordingReader
    archive: ArchiveReader
    cache: Cache
    sealer: Sealer
    provider: Provider
    exports: asyncio.Semaphore
    """A place for each export that may be under way in this process."""

    owners: ShardRouter | None
    """The way to live state; None where nothing hosts organizations."""

    rows: InternalRows
    api_shares: ApiShares | None
    """What each organization may ask of the API; None where nothing hosts organizations."""

    client_limits: ClientLimits
    checks: Sequence[ReadinessCheck]
    now: Callable[[], datetime]

    @asynccontextmanager
    async def reading(self, caller: Principal) -> AsyncGenerator[TenantReader]:
        """The reads of one request, as its caller, all of one moment. Raises StorageUnavailableError."""
        async with tenant_reads(
            self.pool,
            organization_id=caller.organization_id,
            subject=caller.subject,
            role=caller.role,
            user_id=caller.user_id,
        ) as connection:
            yield TenantReader(connection, caller.organization_id)

    @asynccontextmanager
    async def viewing(self, caller: Principal) -> AsyncGenerator[TenantRows]:
        """As `reading`, for statements by name."""
        async with self.reading(caller) as reads:
            yield TenantRows(reads.connection, caller.organization_id)

    @asynccontextmanager
    async def writing(self, caller: Principal) -> AsyncGenerator[Connection]:
        """The changes of one request, as its caller: all on leaving, or nothing. Raises as `tenant_writes`."""
        async with tenant_writes(
            self.pool,
            organization_id=caller.organization_id,
            subject=caller.subject,
            role=caller.role,
            user_id=caller.user_id,
        ) as connection:
            yield connection

    async def credentials_changed(self, *organization_ids: str) -> None:
        """Have these organizations' open sockets looked at within seconds; while Redis is away in a minute or so."""
        try:
            await self.credential_changes.tell(*organization_ids)
        except StorageUnavailableError as away:
            log.warning("hubs are not told of a changed credential", reason=str(away))


OpenServices: TypeAlias = Callable[[], AbstractAsyncContextManager[Services]]


@asynccontextmanager
async def open_services(
    settings: Settings, checks: Sequence[ReadinessCheck] = (), *, owners: ShardRouter | None = None
) -> AsyncGenerator[Services]:
    """Everything from the settings, closed on leaving. Connects to nothing yet: servers may come later than we do.

    `checks` are further parts of /readyz, beside Postgres and Redis. `owners` is handed what somebody asked for at
    once; without it the owner's sweep finds it within seconds.
    """
    pool = await open_pool(
        settings.database_url,
        size=_POOL_SIZE,
        name="call-supervisor api",
        prepared=settings.database_prepared_statements,
    )
    redis = open_redis(settings.redis_url)
    counting = open_redis(settings.redis_url, connections=_COUNTING_CONNECTIONS, resends=False)
    async with AsyncExitStack() as opened:
        opened.push_async_callback(close_pool, pool)
        opened.push_async_callback(redis.aclose)
        opened.push_async_callback(counting.aclose)
        cache = Cache(redis)
        opened.push_async_callback(cache.close)
        inbox = Inbox(pool, flushers=1)
        opened.push_async_callback(inbox.close)
        api_keys, sessions = ApiKeys(pool), Sessions(redis)
        sealer = Sealer(settings.encryption_key.get_secret_value())
        tokens = await open_access_tokens(settings, opened)
        identification = Identification(pool=pool, api_keys=api_keys, sessions=sessions, tokens=tokens)
        yield Services(
            pool=pool,
            api_keys=api_keys,
            sessions=sessions,
            tickets=Tickets(redis),
            presence=LivePresence(redis),
            credential_changes=CredentialChanges(redis),
            identification=identification,
            recordings=RecordingReader(settings.recordings_url),
            archive=ArchiveReader(pool, settings.recordings_url),
            cache=cache,
            sealer=sealer,
            provider=await opened.enter_async_context(open_provider(settings, pool, sealer)),
            exports=asyncio.Semaphore(_EXPORTS_AT_ONCE),
            owners=owners,
            rows=InternalRows(
                inbox,
                now=lambda: time.time_ns() // 1_000_000,
                notify=owners.offer if owners is not None else None,
            ),
            api_shares=ApiShares(owners.grant, replicas=settings.api_replicas) if owners is not None else None,
            client_limits=ClientLimits(
                RedisClientLimits(counting).take,
                trusted_proxies=settings.trusted_proxies,
                replicas=settings.api_replicas,
            ),
            checks=(postgres_check(pool), redis_check(redis), *checks),
            now=lambda: datetime.now(UTC),
        )


async def open_access_tokens(settings: Settings, opened: AsyncExitStack) -> AccessTokens | None:
    """The verifier of Supabase's access tokens, closed by `opened`; None when no Supabase is set. Asks nobody yet."""
    if settings.supabase_url is None:
        return None
    issuer = f"{settings.supabase_url.rstrip('/')}/auth/v1"
    http = await opened.enter_async_context(
        httpx.AsyncClient(verify=tls_context(), timeout=_ISSUER_SECONDS, limits=_ONE_CONNECTION)
    )
    secret = settings.supabase_jwt_secret
    return AccessTokens(
        issuer=issuer,
        keys=SigningKeys(f"{issuer}/.well-known/jwks.json", http),
        legacy_secret=secret.get_secret_value() if secret is not None else None,
        now=time.time,
    )


def postgres_check(pool: Pool) -> ReadinessCheck:
    """Reads as a user does, so that a login role without the right to become one shows at once."""

    async def probe() -> str:
        async with tenant_reads(pool, organization_id=_NOBODY, subject="readiness"):
            return "answers"

    return ReadinessCheck(name="postgres", probe=probe)


def redis_check(redis: Redis) -> ReadinessCheck:
    async def probe() -> str:
        async with answered():
            await redis.ping()  # pyright: ignore[reportUnknownMemberType]
        return "answers"

    return ReadinessCheck(name="redis", probe=probe)


def live_state(services: Services) -> ShardRouter:
    """The way to organizations' live state. Raises TemporarilyUnavailableError where there is none."""
    if services.owners is None:
        raise TemporarilyUnavailableError("No live state is at hand. Try again shortly.")
    return services.owners


def services_of(request: Request) -> Services:
    """The services of the application that serves this request."""
    return cast("Services", request.app.state.services)


Given = Annotated[Services, Depends(services_of)]
