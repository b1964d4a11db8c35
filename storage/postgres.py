"""Connections to Postgres: pools with bounded waits, JSON as dicts, every fault of the server under one name."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import orjson
import structlog

from storage.cancellation import cancellation
from storage.errors import StorageUnavailableError
from storage.statements import statement

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

_log = structlog.get_logger(__name__)

STATEMENT_SECONDS = 2.0
CLOSE_SECONDS = 5.0

# A connection that cannot be made clean so fast, say because its statement is still being cancelled, is dropped.
_RELEASE_SECONDS = 0.25

# No answer came, or none that the driver understood.
_UNANSWERED = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # A connection the server closed between two statements, met before the driver noticed.
    asyncpg.InternalClientError,
)

# Answers that mean the server cannot do it now: worth another try later, never a bad request. Beginnings of SQLSTATEs.
_AWAY_STATES = (
    "08",  # the connection; a pooler that kept us waiting
    "25006",  # read only: a standby, or a primary that is handed over
    "25P03",  # the transaction was idle for too long
    "28",  # the login is refused while a server comes up or a password is changed
    "40001",  # a serialization failure
    "40P01",  # a deadlock
    "53",  # no disk, memory or connections left
    "55P03",  # a lock was not to be had in time
    "57",  # cancelled, shutting down, starting up
    "58",  # input or output failed
    "XX000",  # what poolers answer with while they find no server
)

# Where Postgres reports that no partition takes a row. Its SQLSTATE is that of every check, its words are translated.
_NO_PARTITION = "ExecFindPartition"


async def _prepare(connection: Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            encoder=lambda value: orjson.dumps(value).decode(),
            decoder=orjson.loads,
        )


async def _keep(_connection: Connection) -> None:
    """Between two uses nothing is reset: every change of ours ends with its transaction, which the pool ends itself.

    asyncpg would send four statements and wait, before the caller has the answer it came for.
    """


async def open_pool(
    url: str,
    *,
    size: int,
    name: str,
    statement_seconds: float = STATEMENT_SECONDS,
    prepared: bool = True,
) -> Pool:
    """A pool of at most `size` connections, none opened yet: the server may be away. JSON columns are dicts.

    `prepared=False` for a transaction pooler, which cannot keep prepared statements. `name` shows in pg_stat_activity.
    """
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        timeout=STATEMENT_SECONDS,
        command_timeout=statement_seconds,
        statement_cache_size=100 if prepared else 0,
        server_settings={"application_name": name},
        init=_prepare,
        reset=_keep,
    )


async def close_pool(pool: Pool) -> None:
    """Close every connection; those still in use after CLOSE_SECONDS, or of a server that is away, are cut."""
    try:
        await asyncio.wait_for(pool.close(), CLOSE_SECONDS)
    except (*_UNANSWERED, asyncpg.PostgresError):
        pool.terminate()


@asynccontextmanager
async def acquired(pool: Pool, *, seconds: float = STATEMENT_SECONDS) -> AsyncGenerator[Connection]:
    """A connection, waited for at most `seconds`. Raises StorageUnavailableError whichever way the server is away.

    Other errors of Postgres pass, without the parts that quote rows. A cancellation ends it, even where the driver
    lost it.
    """
    is_asked_to_end = cancellation()
    try:
        connection = await pool.acquire(timeout=seconds)
        try:
            yield connection
        finally:
            await pool.release(connection, timeout=_RELEASE_SECONDS)
    except _UNANSWERED as away:
        if is_asked_to_end():
            raise asyncio.CancelledError from away
        raise StorageUnavailableError(f"Postgres does not answer: {away or type(away).__name__}") from away
    except asyncpg.PostgresError as told:
        if is_asked_to_end():
            raise asyncio.CancelledError from told
        # DETAIL and CONTEXT quote what was written: callers' words, not for a log.
        told.detail = told.context = None
        if not _is_away(told):
            raise
        raise StorageUnavailableError(f"Postgres cannot do it now: {told or type(told).__name__}") from told


def _is_away(told: asyncpg.PostgresError) -> bool:
    if told.server_source_function == _NO_PARTITION:
        _log.error("a partition is missing: is the upkeep running?", table=told.table_name)
        return True
    return (told.sqlstate or "").startswith(_AWAY_STATES)


@asynccontextmanager
async def transaction(pool: Pool, *, seconds: float = STATEMENT_SECONDS) -> AsyncGenerator[Connection]:
    """A connection inside a transaction, committed on leaving. Raises as `acquired`."""
    async with acquired(pool, seconds=seconds) as connection, connection.transaction():
        yield connection


async def fetch(pool: Pool, name: str, *arguments: Any) -> Sequence[asyncpg.Record]:
    """Run one named statement, a transaction of its own. Raises StorageUnavailableError within STATEMENT_SECONDS.

    After that error the statement may still have been carried out.
    """
    try:
        async with asyncio.timeout(STATEMENT_SECONDS - _RELEASE_SECONDS), acquired(pool) as connection:
            return await connection.fetch(statement(name), *arguments)
    except TimeoutError as slow:
        raise StorageUnavailableError("Postgres does not answer in time") from slow
