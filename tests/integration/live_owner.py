"""An organization's owner as the hub sees it: it publishes to the feed in Valkey and answers for the board."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from typing import Any

import orjson
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect

from actors.domain.call import CallFields, CallStatus, Observation, Source
from actors.domain.commands import Command, Observe
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization, decide, evolve
from actors.domain.views import View, counters_view, event_view, state_view
from actors.organization_actor import BoardSnapshot
from actors.ports import UnavailableError
from serve.identity import Identity
from serve.live.access import Access
from serve.live.hub import HubOptions, LiveHub
from serve.live.ports import Boards, Names, PresenceBook
from serve.live.protocol import exactly
from storage.live_reader import FeedReader
from storage.principals import Principal
from storage.tickets import Standing


@dataclass(slots=True)
class Owner:
    redis: Redis
    organization_id: str
    epoch: int = 1
    n: int = 0
    away: bool = False
    boards_built: int = 0
    events: int = 0
    state: Organization = field(init=False)

    def __post_init__(self) -> None:
        self.state = Organization(
            organization_id=self.organization_id,
            name="Test",
            time_zone="UTC",
            today=DayCounters(day=date(2026, 1, 1)),
        )

    @property
    def key(self) -> str:
        return f"org:{self.organization_id}:feed"

    async def open(self, epoch: int = 1) -> None:
        """Begin an epoch, as a new owner does."""
        self.epoch, self.n = epoch, 0
        await self._append([])

    async def publish(self, command: Command) -> None:
        decision = decide(self.state, command)
        self.state = evolve(self.state, decision.events)
        views = [view for event in decision.events if (view := event_view(event)) is not None]
        self.n += 1
        await self._append([*views, {"type": "counters", "counters": counters_view(self.state)}])

    async def call(self, number: int, *, seconds: int = 0) -> None:
        """One more sign of call `number`."""
        await self.publish(ring(number, seconds=seconds))

    async def flow(self, count: int, *, pause: float = 0.0) -> None:
        """Publish `count` entries, at a rate set by `pause`."""
        for _ in range(count):
            self.events += 1
            await self.call(self.events % 40, seconds=self.events)
            await asyncio.sleep(pause)

    async def publish_bulk(self, size: int) -> None:
        """One entry of about so many bytes."""
        self.n += 1
        await self._append([{"type": "organization", "name": "x" * size, "time_zone": "UTC"}])

    async def tell(self, *views: View) -> None:
        """An entry that does not come of the state."""
        self.n += 1
        await self._append(views)

    async def lose(self) -> None:
        """An entry that never reached the feed."""
        decision = decide(self.state, ring(999))
        self.state = evolve(self.state, decision.events)
        self.n += 1

    async def board(self, organization_id: str) -> BoardSnapshot | None:
        if self.away:
            raise UnavailableError("the shard restarts")
        if organization_id != self.organization_id:
            return None
        board = BoardSnapshot(position=f"{self.epoch}-{self.n}", state=state_view(self.state))
        self.boards_built += 1
        await asyncio.sleep(0.01)  # the way through the router: events go on meanwhile
        return board

    async def _append(self, views: Sequence[View]) -> None:
        await self.redis.xadd(self.key, {"events": orjson.dumps(views)}, id=f"{self.epoch}-{self.n}")


def ring(number: int, *, seconds: int = 0) -> Observe:
    """A sign of call `number`; each has a digest of its own."""
    observation = Observation(
        kind="status-update",
        source=Source.STATUS_UPDATE,
        received_at=1_767_225_600_000 + seconds * 1_000,
        at=seconds,
        digest=f"{number}:{seconds}",
        status=CallStatus.IN_PROGRESS,
        fields=CallFields(customer_name=f"at {seconds}"),
    )
    return Observe(call_id=f"call-{number}", observation=observation)


@dataclass(slots=True)
class Credentials:
    """Tickets and keys held in memory: what is tested is what the hub does with the answers."""

    tickets: dict[str, Standing] = field(default_factory=dict[str, Standing])
    keys: dict[str, Identity] = field(default_factory=dict[str, Identity])
    gone: set[str] = field(default_factory=set[str])
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answering.set()

    async def redeem(self, ticket: str) -> Standing | None:
        return self.tickets.pop(ticket, None)

    async def present(self, by: Standing | str) -> Identity | None:
        self.asked.set()
        await self.answering.wait()
        found = self.keys.get(by if isinstance(by, str) else by.subject)
        is_over = found is not None and found.expires_at is not None and found.expires_at <= time.time()
        return None if is_over else found

    async def within(self, identity: Identity, organization_id: str) -> Principal | None:
        return identity.principals.get(organization_id)

    async def is_organization(self, organization_id: str) -> bool:
        return organization_id not in self.gone

    async def deleted_among(self, organization_ids: Collection[str]) -> AbstractSet[str]:
        return self.gone & set(organization_ids)


def holder(organization_id: str, *scopes: str, subject: str = "key:test", expires_at: int | None = None) -> Identity:
    """Whoever may do this much in one organization; without scopes, listen. Over at that Unix time, if one is told."""
    scopes = scopes or ("live:read",)
    principal = Principal(organization_id=organization_id, subject=subject, scopes=frozenset(scopes))
    return replace(Identity.of_one(principal), expires_at=expires_at)


OPTIONS = HubOptions(port=0, accepts_per_second=2_000.0)


@contextlib.asynccontextmanager
async def running_hub(
    redis: Redis,
    boards: Boards,
    credentials: Credentials,
    options: HubOptions = OPTIONS,
    *,
    watch: Callable[[str], object] = lambda _: None,
    presence: PresenceBook | None = None,
    names: Names | None = None,
    wallboard_secret: bytes = b"secret",
) -> AsyncGenerator[LiveHub]:
    hub = LiveHub(
        options,
        feed=FeedReader(redis),
        boards=boards,
        access=Access(credentials, credentials),
        watch=watch,
        wallboard_secret=wallboard_secret,
        presence=presence,
        names=names,
    )
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()


def listen(hub: LiveHub, organization_id: str, query: str = "", *, key: str | None = "key", **options: Any) -> connect:
    """A client that speaks the protocol by hand."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"ws://127.0.0.1:{hub.port}/live/{organization_id}{query}"
    return connect(url, additional_headers=headers, max_size=None, proxy=None, **options)


@lru_cache(256)
def _exactly(told: bytes) -> dict[str, Any]:
    """What many sockets receive alike is looked at once; nobody changes it."""
    return exactly(told)


async def frame(socket: ClientConnection, *types: str) -> dict[str, Any]:
    """The next frame of one of these types. Every frame passed over too is held to the protocol."""
    async with asyncio.timeout(30):
        while True:
            received = _exactly(await socket.recv(decode=False))
            if not types or received["type"] in types:
                return received
