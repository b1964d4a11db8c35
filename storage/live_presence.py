"""Who watches an organization's board and who acts on its calls, in Redis: what a hub stops telling is soon gone.

Two keys for each organization, both of seconds: `org:{id}:watching`, a hash of each hub's watchers with the time they
are believed until, on the server's clock; and `org:{id}:acting`, the last commands by time. Neither is durable, and
losing them loses nothing that the hubs do not tell again.
"""

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, cast

import orjson

from storage.redis import Redis, answered

BELIEVED_SECONDS: Final = 8
"""How long after its last word a hub's watchers are believed to be there."""
WATCHERS_TOLD: Final = 50
"""Of one hub and organization; of more it is told how many."""
ACTING_SECONDS: Final = 60
ACTS_KEPT: Final = 20
_AT_ONCE: Final = 200

_TELL: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %s', now + ARGV[3], ARGV[2]))
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
local told, all = {}, redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local until_, text = string.match(all[at + 1], '^(%d+) (.*)$')
  if tonumber(until_) > now then
    told[#told + 1] = text
  else
    redis.call('HDEL', KEYS[1], all[at])
  end
end
return told
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """A credential's open sockets at one hub; `since` in ms."""

    subject: str
    since: int
    sockets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """A command that somebody gave a call; `at` in ms."""

    subject: str
    call_id: str
    action: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Who was there a moment ago, at all hubs; `more` watch besides. Acts of the last minute, newest first."""

    watching: Sequence[Watching] = ()
    more: int = 0
    acting: Sequence[Acting] = ()


class LivePresence:
    """Every method raises StorageUnavailableError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def exchange(self, hub: str, here: Mapping[str, Sequence[Watching]], *, now: int) -> dict[str, Present]:
        """Tell who watches at this hub, by organization, and hear of everybody. Safe to repeat; empty takes it back."""
        told: dict[str, Present] = {}
        everywhere = list(here.items())
        for start in range(0, len(everywhere), _AT_ONCE):
            part = everywhere[start : start + _AT_ONCE]
            async with answered(), self._redis.pipeline(transaction=False) as asked:
                for organization_id, watching in part:
                    asked.eval(_TELL, 1, _watching(organization_id), hub, _told(watching), str(BELIEVED_SECONDS * 1000))
                    oldest = now - ACTING_SECONDS * 1000
                    asked.zrevrangebyscore(_acting(organization_id), "+inf", str(oldest))  # pyright: ignore[reportUnknownMemberType]
                answers = await asked.execute()
            for (organization_id, _), hubs, acts in zip(part, answers[::2], answers[1::2], strict=True):
                told[organization_id] = _present(hubs, acts)
        return told

    async def act(self, organization_id: str, act: Acting) -> None:
        """Tell that somebody commands a call."""
        key = _acting(organization_id)
        async with answered(), self._redis.pipeline(transaction=False) as asked:
            asked.zadd(key, {orjson.dumps(asdict(act)): act.at})
            asked.zremrangebyrank(key, 0, -ACTS_KEPT - 1)
            asked.expire(key, ACTING_SECONDS)
            await cast("Awaitable[object]", asked.execute())


def _told(watching: Sequence[Watching]) -> bytes:
    if not watching:
        return b""
    shown = [asdict(each) for each in watching[:WATCHERS_TOLD]]
    return orjson.dumps({"watching": shown, "more": len(watching) - len(shown)})


def _present(hubs: Sequence[bytes], acts: Sequence[bytes]) -> Present:
    told = [orjson.loads(each) for each in hubs]
    return Present(
        watching=tuple(_merged(Watching(**each) for hub in told for each in hub["watching"])),
        more=sum(hub["more"] for hub in told),
        acting=tuple(_last_of_each(Acting(**orjson.loads(each)) for each in acts)),
    )


def _merged(watching: Iterator[Watching]) -> Iterator[Watching]:
    """One for each credential, longest there first."""
    found: dict[str, Watching] = {}
    for each in watching:
        held = found.get(each.subject, Watching(subject=each.subject, since=each.since, sockets=0))
        found[each.subject] = Watching(
            subject=each.subject, since=min(held.since, each.since), sockets=held.sockets + each.sockets
        )
    yield from sorted(found.values(), key=lambda each: (each.since, each.subject))


def _last_of_each(acts: Iterator[Acting]) -> Iterator[Acting]:
    seen: set[tuple[str, str]] = set()
    for act in acts:
        if (act.subject, act.call_id) not in seen:
            seen.add((act.subject, act.call_id))
            yield act


def _watching(organization_id: str) -> str:
    return f"org:{organization_id}:watching"


def _acting(organization_id: str) -> str:
    return f"org:{organization_id}:acting"
