"""Requests per second of each client address, counted by Redis' own clock for every replica together."""

from collections.abc import Awaitable
from typing import Final, cast

from redis.asyncio import Redis

from actors.domain.rate_limit import Rate
from storage.redis import answered

LIMIT_SECONDS: Final = 60
"""What Redis keeps a limit for: no burst may take longer to come back."""
_ANSWER_SECONDS: Final = 0.25

# actors.domain.rate_limit in Lua. It writes whatever it answers, so that a time from the future is forgotten.
_TAKE: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local ahead = tonumber(redis.call('GET', KEYS[1]) or '0') - now
ahead = math.min(math.max(ahead, 0), burst * interval)
local early = ahead - (burst - 1) * interval
local conforms = early <= interval * 0.000001
if conforms then ahead = ahead + interval end
redis.call('SET', KEYS[1], string.format('%.6f', now + ahead), 'EX', ARGV[3])
return conforms and '0' or string.format('%.6f', early)
"""


class RedisClientLimits:
    """One limit per address and endpoint, under the key that the architecture names.

    `redis` must not send again what may have been counted already: `open_redis(…, resends=False)`.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def take(self, address: str, endpoint: str, rate: Rate) -> float:
        """Seconds until a request of this address would conform; 0 when this one does, and is counted.

        Raises StorageUnavailableError within 0.25 s.
        """
        if rate.burst * rate.interval > LIMIT_SECONDS:
            raise ValueError(f"a burst of {rate.burst} takes longer than {LIMIT_SECONDS} s to come back")
        key = f"ratelimit:{address}:{endpoint}"
        async with answered(_ANSWER_SECONDS):
            told = await cast(
                "Awaitable[bytes]",
                self._redis.eval(_TAKE, 1, key, repr(rate.interval), str(rate.burst), str(LIMIT_SECONDS)),
            )
        return float(told)
