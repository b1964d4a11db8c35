"""A hub in a process of its own, and the owner whose feed it fans out."""

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Final

import structlog
import uvloop

from actors.domain.call import Utterance
from actors.domain.commands import Command, Hear
from actors.domain.events import Event
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization, decide, evolve
from actors.domain.views import View, feed_entry, state_view
from actors.organization_actor import BoardSnapshot
from serve.live.access import Access
from serve.live.hub import HubOptions, LiveHub
from storage.live_feed import RedisLiveFeed
from storage.live_presence import LivePresence
from storage.live_reader import FeedReader
from storage.redis import Redis, open_redis
from tests.integration.live_owner import Credentials, holder, ring

CALLS: Final = 20
CHANGES_EVERY: Final = 5
"""One event in so many changes a call's record, and with it the figures; the others are something said."""
KEY: Final = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubProcess:
    """Where it listens."""

    process: SpawnProcess
    port: int
    organization_id: str
    key: str = KEY

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    @property
    def url(self) -> str:
        return f"{self.base}/live/{self.organization_id}"

    @property
    def base(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


@asynccontextmanager
async def running_hub_process(
    redis_url: str, organization_id: str = "", *, port: int = 0, accepts_per_second: float = 2_000.0
) -> AsyncGenerator[HubProcess]:
    """A hub on uvloop, as in production, that is asked to stop on leaving."""
    context, organization_id = get_context("spawn"), organization_id or str(uuid.uuid4())
    ours, its = context.Pipe()
    options = HubOptions(port=port, accepts_per_second=accepts_per_second)
    process = context.Process(target=_serve, args=(redis_url, organization_id, options, its), daemon=True)
    process.start()
    its.close()
    try:
        port = await asyncio.to_thread(ours.recv)
        yield HubProcess(process=process, port=port, organization_id=organization_id)
    finally:
        ours.close()
        await asyncio.to_thread(process.join, 20)
        if process.is_alive():
            process.kill()


def _serve(redis_url: str, organization_id: str, options: HubOptions, parent: Connection) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    uvloop.run(_hub(redis_url, organization_id, options, parent))


async def _hub(redis_url: str, organization_id: str, options: HubOptions, parent: Connection) -> None:
    async with open_redis(redis_url) as redis:
        reader = FeedReader(redis)

        async def board(asked: str) -> BoardSnapshot:
            newest = await reader.newest(asked, limit=1)
            return BoardSnapshot(position=str(newest[-1].position), state=state_view(_organization(asked)))

        credentials = Credentials(keys={KEY: holder(organization_id)})
        hub = LiveHub(
            options,
            feed=reader,
            boards=board,
            access=Access(credentials, credentials),
            watch=lambda _: None,
            wallboard_secret=b"secret",
            presence=LivePresence(redis),
        )
        await hub.start()
        parent.send(hub.port)
        # Whoever started it hangs up to end it.
        gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(parent.fileno(), gone.set)
        await gone.wait()
        asyncio.get_running_loop().remove_reader(parent.fileno())
        await hub.stop()


@dataclass(slots=True)
class Speaker:
    """The owner: decides, and writes to the feed what production writes."""

    redis: Redis
    organization_id: str
    state: Organization = field(init=False)
    n: int = 0
    _feed: RedisLiveFeed = field(init=False)

    def __post_init__(self) -> None:
        self._feed = RedisLiveFeed(self.redis)
        self.state = _organization(self.organization_id)

    async def open(self) -> None:
        """Begin with calls that talk."""
        await self._publish([])
        for number in range(CALLS):
            await self._decide(ring(number))

    async def say(self, mark: str) -> None:
        """An utterance whose text is the mark, in an entry of its own; now and then a call changes with it."""
        number = self.n % CALLS
        utterance = Utterance(role="user", text=mark, final=True, at=1_767_225_600_000 + self.n)
        spoken: list[Command] = [Hear(call_id=f"call-{number}", at=utterance.at, utterance=utterance)]
        if self.n % CHANGES_EVERY == 0:
            spoken.append(ring(number, seconds=self.n))
        await self._decide(*spoken)

    async def fill(self, size: int) -> None:
        """An entry of about so many bytes."""
        await self._publish([{"type": "organization", "name": "x" * size, "time_zone": "UTC"}])

    async def _decide(self, *commands: Command) -> None:
        events: list[Event] = []
        for command in commands:
            decided = decide(self.state, command).events
            self.state = evolve(self.state, decided)
            events += decided
        await self._publish(feed_entry(events, self.state))

    async def _publish(self, views: Sequence[View]) -> None:
        await self._feed.publish(self.organization_id, epoch=1, n=self.n, events=views)
        self.n += 1


def _organization(organization_id: str) -> Organization:
    today = DayCounters(day=date(2026, 1, 1))
    return Organization(organization_id=organization_id, name="Test", time_zone="UTC", today=today)
