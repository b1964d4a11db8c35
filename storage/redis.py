"""Connections to Redis: bounded pools and waits, every fault of the server under one name."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from storage.cancellation import cancellation
from storage.errors import StorageUnavailableError

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 2.0

# Managed servers word refusals as they please (a quota, too few replicas, a script that runs too long), and what Redis
# holds can be had again: an error it answers with is no more than a reason to try later.
_AWAY = (OSError, TimeoutError, exceptions.RedisError)


def open_redis(url: str, *, connections: int = 32, name: str = "call-supervisor", resends: bool = True) -> Redis:
    """A client of at most `connections` connections, none opened yet: the server may be away. Answers are bytes.

    A command whose connection turns out to be closed is sent once more, so commands must be safe to repeat; unless not
    `resends`: then it fails. A connection that was closed while nobody used it is replaced either way. A blocking read
    has to end on its own within ANSWER_SECONDS.
    """
    pool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
        url,
        max_connections=connections,
        timeout=CONNECT_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 1 if resends else 0, supported_errors=(exceptions.ConnectionError,)),
        client_name=name,
    )
    return Redis.from_pool(pool)


@asynccontextmanager
async def answered(seconds: float = ANSWER_SECONDS) -> AsyncGenerator[None]:
    """Bounds what is inside to `seconds` in all. Raises StorageUnavailableError for whatever Redis fails with.

    A cancellation ends it, even where the driver lost it.
    """
    is_asked_to_end = cancellation()
    try:
        async with asyncio.timeout(seconds):
            yield
    except _AWAY as away:
        if is_asked_to_end():
            raise asyncio.CancelledError from away
        raise StorageUnavailableError(f"Redis does not answer: {away or type(away).__name__}") from away
    if is_asked_to_end():
        raise asyncio.CancelledError
