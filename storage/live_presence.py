"""Who watches an organization's board and its calls and who acts on them, in Redis: what is told no more is soon gone.

Three keys for each organization, all of seconds: `org:{id}:watching`, a hash of each hub's watchers with the time they
are believed until, on the server's clock; `org:{id}:looking`, likewise the call that each page has open; and
`org:{id}:acting`, the last commands by time. None is durable, and losing them loses nothing that is not told again.
"""

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, cast

import orjson

from storage.redis import Redis, answered

BELIEVED_SECONDS: Final = 8
"""How long after its last word a hub's watchers are believed to be there."""
WATCHERS_TOLD: Final = 50
"""Of one hub and organization; of more it is told how many."""
LOOKING_SECONDS: Final = 30
"""How long after its last word a page is believed to look at its call."""
PAGES_TOLD: Final = 500
"""Of one organization, that look at calls; others are not taken in."""
CALLS_TOLD: Final = 8
"""That one credential looks at."""
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
local looking, pages = {}, redis.call('HGETALL', KEYS[2])
for at = 1, #pages, 2 do
  local until_, call = string.match(pages[at + 1], '^(%d+) (.*)$')
  if tonumber(until_) > now then
    looking[#looking + 1] = pages[at]
    looking[#looking + 1] = call
  else
    redis.call('HDEL', KEYS[2], pages[at])
  end
end
return {told, looking}
"""
_LOOK: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %s', now + ARGV[3], ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
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
    """Who was there a moment ago, at all hubs; `more` watch besides. Acts of the last minute, newest first.

    `looking` holds, by subject, the calls that its pages have open, in order.
    """

    watching: Sequence[Watching] = ()
    more: int = 0
    acting: Sequence[Acting] = ()
    looking: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


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
                    keys = (_watching(organization_id), _looking(organization_id))
                    asked.eval(_TELL, 2, *keys, hub, _told(watching), str(BELIEVED_SECONDS * 1000))
                    oldest = now - ACTING_SECONDS * 1000
                    asked.zrevrangebyscore(_acting(organization_id), "+inf", str(oldest))  # pyright: ignore[reportUnknownMemberType]
                answers = await asked.execute()
            for (organization_id, _), (hubs, pages), acts in zip(part, answers[::2], answers[1::2], strict=True):
                told[organization_id] = _present(hubs, pages, acts)
        return told

    async def look(self, organization_id: str, subject: str, page: str, call_id: str) -> None:
        """Tell that a page of the credential has a call open, and none before it; holds for LOOKING_SECONDS."""
        arguments = (f"{subject}\n{page}", call_id, str(LOOKING_SECONDS * 1000), str(PAGES_TOLD))
        async with answered():
            await cast("Awaitable[object]", self._redis.eval(_LOOK, 1, _looking(organization_id), *arguments))

    async def look_away(self, organization_id: str, subject: str, page: str) -> None:
        """Tell that the page has no call open. Safe to repeat."""
        async with answered():
            await cast("Awaitable[object]", self._redis.hdel(_looking(organization_id), f"{subject}\n{page}"))

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


def _present(hubs: Sequence[bytes], pages: Sequence[bytes], acts: Sequence[bytes]) -> Present:
    told = [orjson.loads(each) for each in hubs]
    return Present(
        watching=tuple(_merged(Watching(**each) for hub in told for each in hub["watching"])),
        more=sum(hub["more"] for hub in told),
        acting=tuple(_last_of_each(Acting(**orjson.loads(each)) for each in acts)),
        looking=_calls_by_subject(pages),
    )


def _calls_by_subject(pages: Sequence[bytes]) -> Mapping[str, Sequence[str]]:
    """In an order that stands still: who is told of a change has something to show."""
    calls: dict[str, set[str]] = {}
    for page, call_id in zip(pages[::2], pages[1::2], strict=True):
        calls.setdefault(page.decode().partition("\n")[0], set()).add(call_id.decode())
    return {subject: sorted(found)[:CALLS_TOLD] for subject, found in calls.items()}


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


def _looking(organization_id: str) -> str:
    return f"org:{organization_id}:looking"


def _acting(organization_id: str) -> str:
    return f"org:{organization_id}:acting"
