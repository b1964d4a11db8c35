"""What a shard is given, opened in the shard's own process: Postgres, Redis and Temporal behind the actor's ports."""

import os
import time

from actors.ports import Ports
from serve.config import Settings
from serve.late_processing import LateProcessing
from storage.effects import PostgresEffects
from storage.journal import PostgresJournal
from storage.live_feed import RedisLiveFeed
from storage.ownership import PostgresOwnership
from storage.postgres import open_pool
from storage.redis import open_redis
from storage.snapshots import RedisSnapshots

_CONNECTIONS = 12


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000


async def open_ports(settings: Settings) -> Ports:
    """The ports of one shard. Connects to nothing yet: servers may come later than we do."""
    pool = await open_pool(
        settings.database_url,
        size=_CONNECTIONS,
        # Postgres shows each connection under this name: whose it is, `call-supervisor shards` tells by the process.
        name=f"call-supervisor shard {os.getpid()}",
        prepared=settings.database_prepared_statements,
    )
    redis = open_redis(settings.redis_url)
    return Ports(
        journal=PostgresJournal(pool),
        effects=PostgresEffects(pool),
        ownership=PostgresOwnership(pool),
        snapshots=RedisSnapshots(redis),
        feed=RedisLiveFeed(redis),
        processing=LateProcessing(settings.worker),
        clock=SystemClock(),
    )
