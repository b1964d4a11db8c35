"""Who watches and who acts, told over real sockets by two hubs on one Valkey."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection

from actors.organization_actor import BoardSnapshot
from actors.ports import UnavailableError
from serve.live.hub import LiveHub
from serve.live.presence import TELL_SECONDS
from storage.live_presence import (
    ACTS_KEPT,
    BELIEVED_SECONDS,
    CALLS_TOLD,
    WATCHERS_TOLD,
    Acting,
    LivePresence,
    Present,
    Watching,
)
from tests.integration.live_owner import Credentials, Owner, frame, holder, listen, running_hub

NAMES = {"key:one": "Desk", "key:two": "Night shift"}


async def names(_organization_id: str, subjects: frozenset[str]) -> Mapping[str, str]:
    return {subject: NAMES[subject] for subject in subjects if subject in NAMES}


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    assert BELIEVED_SECONDS >= 4 * TELL_SECONDS, "one word that comes late is no death"
    monkeypatch.setattr("serve.live.presence.TELL_SECONDS", 0.25)
    monkeypatch.setattr("storage.live_presence.BELIEVED_SECONDS", 1)


@pytest_asyncio.fixture
async def hubs(redis_client: Redis, owner: Owner, credentials: Credentials) -> AsyncIterator[tuple[LiveHub, LiveHub]]:
    for key in ("one", "two", "three"):
        credentials.keys[key] = holder(owner.organization_id, subject=f"key:{key}")
    async with (
        running_hub(redis_client, owner.board, credentials, presence=LivePresence(redis_client), names=names) as one,
        running_hub(redis_client, owner.board, credentials, presence=LivePresence(redis_client), names=names) as two,
    ):
        yield one, two


def told(presence: dict[str, Any]) -> dict[str, tuple[str | None, int]]:
    return {each["subject"]: (each["name"], each["sockets"]) for each in presence["watching"]}


async def until_told(socket: ClientConnection, wanted: Mapping[str, tuple[str | None, int]]) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while told(received := await frame(socket, "presence")) != wanted:
            pass
    return received


async def test_everybody_is_told_who_is_there_at_whichever_hub(
    hubs: tuple[LiveHub, LiveHub], owner: Owner, redis_client: Redis
) -> None:
    place = owner.organization_id
    async with listen(hubs[0], place, key="one") as first:
        assert (await frame(first))["type"] == "snapshot"
        await until_told(first, {"key:one": ("Desk", 1)})
        async with listen(hubs[1], place, key="two") as second, listen(hubs[1], place, key="three") as third:
            everybody = {"key:one": ("Desk", 1), "key:two": ("Night shift", 1), "key:three": (None, 1)}
            for socket in (first, second, third):
                shown = await until_told(socket, everybody)
                assert shown["watching"][0]["subject"] == "key:one", "who is there longest comes first"
            async with listen(hubs[1], place, key="one"):
                await until_told(third, {**everybody, "key:one": ("Desk", 2)})
            await until_told(third, everybody)
        await until_told(first, {"key:one": ("Desk", 1)})
    await nobody(redis_client, place)


async def nobody(redis_client: Redis, organization_id: str) -> None:
    async with asyncio.timeout(30):
        while await redis_client.exists(f"org:{organization_id}:watching"):  # noqa: ASYNC110  # Valkey has no event
            await asyncio.sleep(0.02)


async def test_a_hub_that_dies_leaves_no_ghosts(
    hubs: tuple[LiveHub, LiveHub], owner: Owner, redis_client: Redis
) -> None:
    ghost = Watching(subject="key:two", since=0, sockets=3)

    async def live() -> None:
        while True:
            await LivePresence(redis_client).exchange("dead", {owner.organization_id: [ghost]}, now=0)
            await asyncio.sleep(0.1)  # as a hub does that lives: a word of it is believed for a second

    async with listen(hubs[0], owner.organization_id, key="one") as socket:
        living = asyncio.create_task(live())
        await until_told(socket, {"key:two": ("Night shift", 3), "key:one": ("Desk", 1)})
        living.cancel()
        await until_told(socket, {"key:one": ("Desk", 1)})


async def test_a_hub_that_stops_takes_its_people_with_it(
    redis_client: Redis, owner: Owner, credentials: Credentials
) -> None:
    async with (
        running_hub(redis_client, owner.board, credentials, presence=LivePresence(redis_client)) as hub,
        listen(hub, owner.organization_id) as socket,
    ):
        await until_told(socket, {"key:test": (None, 1)})
        await hub.stop()
        assert not await redis_client.exists(f"org:{owner.organization_id}:watching")


async def test_who_acts_on_a_call_is_told_to_its_organization_alone(
    redis_client: Redis, owner: Owner, credentials: Credentials
) -> None:
    second = Owner(redis_client, str(uuid.uuid4()))
    await second.open()
    credentials.keys["second"] = holder(second.organization_id, subject="key:second")
    now = [1_767_225_600_000]

    async def board(organization_id: str) -> BoardSnapshot | None:
        return await (second if organization_id == second.organization_id else owner).board(organization_id)

    book = _At(LivePresence(redis_client), now)
    async with (
        running_hub(redis_client, board, credentials, presence=book, names=names) as hub,
        listen(hub, owner.organization_id) as socket,
        listen(hub, second.organization_id, key="second") as other,
    ):
        await until_told(other, {"key:second": (None, 1)})
        acts = LivePresence(redis_client)
        for number in range(ACTS_KEPT + 5):
            act = Acting(subject="key:one", call_id=f"call-{number % 22}", action="say", at=now[0] + number)
            await acts.act(owner.organization_id, act)
        newest = {
            "subject": "key:one",
            "name": "Desk",
            "call_id": "call-2",
            "action": "say",
            "at": "2026-01-01T00:00:00.024Z",
        }
        while newest not in (shown := (await frame(socket, "presence"))["acting"]):
            pass
        assert shown[0] == newest
        assert len({each["call_id"] for each in shown}) == len(shown) == ACTS_KEPT, "one for each call, the newest"
        now[0] += 61_000
        while (await frame(socket, "presence"))["acting"]:
            pass
        async with listen(hub, second.organization_id, key="second"):
            assert (await until_told(other, {"key:second": (None, 2)}))["acting"] == []


async def test_which_calls_somebody_has_open_is_told_while_they_say_so_and_are_there(
    hubs: tuple[LiveHub, LiveHub], owner: Owner, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, book = owner.organization_id, LivePresence(redis_client)

    async def until_open(socket: ClientConnection, wanted: Mapping[str, list[str]]) -> None:
        async with asyncio.timeout(30):
            while {each["subject"]: each["calls"] for each in (await frame(socket, "presence"))["watching"]} != wanted:
                pass

    async with listen(hubs[0], place, key="one") as first, listen(hubs[1], place, key="two") as second:
        await until_told(first, {"key:one": ("Desk", 1), "key:two": ("Night shift", 1)})
        # Nobody's page is shown without a socket, nor elsewhere than in its organization.
        await book.look(place, "key:three", "page", "call-3")
        await book.look(str(uuid.uuid4()), "key:one", "page", "theirs")
        await book.look(place, "key:one", "page", "call-1")
        await book.look(place, "key:one", "another-page", "call-0")
        await book.look(place, "key:two", "page", "call-1")
        for socket in (first, second):
            await until_open(socket, {"key:one": ["call-0", "call-1"], "key:two": ["call-1"]})
        await book.look(place, "key:one", "page", "call-2")
        await book.look_away(place, "key:one", "another-page")
        await until_open(first, {"key:one": ["call-2"], "key:two": ["call-1"]})
        # What is said no more is believed no more, though its socket stays.
        monkeypatch.setattr("storage.live_presence.LOOKING_SECONDS", 1)
        await book.look(place, "key:one", "page", "call-2")
        await book.look(place, "key:two", "page", "call-1")
        await until_open(first, {"key:one": [], "key:two": []})
        assert not await redis_client.exists(f"org:{place}:looking")


async def test_of_many_open_calls_some_are_told(redis_client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.live_presence.PAGES_TOLD", CALLS_TOLD + 4)
    place, book = str(uuid.uuid4()), LivePresence(redis_client)
    for number in range(CALLS_TOLD + 6):
        await book.look(place, "key:one", f"page-{number}", f"call\n{number:02}")
    assert await redis_client.hlen(f"org:{place}:looking") == CALLS_TOLD + 4
    await book.look(place, "key:one", "page-0", "call\n00")
    present = (await book.exchange("hub", {place: []}, now=0))[place]
    assert present.looking == {"key:one": [f"call\n{number:02}" for number in range(CALLS_TOLD)]}


class _At:
    """The book at a time of the test's."""

    def __init__(self, book: LivePresence, now: list[int]) -> None:
        self._book = book
        self._now = now

    async def exchange(self, hub: str, here: Any, *, now: int) -> Mapping[str, Present]:
        return await self._book.exchange(hub, here, now=self._now[0])


async def test_of_many_watchers_some_are_named_and_the_rest_counted(redis_client: Redis) -> None:
    place, book = str(uuid.uuid4()), LivePresence(redis_client)
    many = [Watching(subject=f"key:{number}", since=number, sockets=1) for number in range(WATCHERS_TOLD + 7)]
    present = (await book.exchange("hub", {place: many}, now=0))[place]
    assert (len(present.watching), present.more) == (WATCHERS_TOLD, 7)
    assert present.watching[0] == many[0]
    assert (await book.exchange("hub", {place: []}, now=0))[place] == Present()


async def test_a_book_that_is_away_closes_nothing_and_is_asked_again(
    redis_client: Redis, owner: Owner, credentials: Credentials
) -> None:
    book = _Away(LivePresence(redis_client))
    async with (
        running_hub(redis_client, owner.board, credentials, presence=book, names=names) as hub,
        listen(hub, owner.organization_id) as socket,
    ):
        async with asyncio.timeout(30):
            await book.asked.wait()
        hub.check_health()
        book.away = False
        await until_told(socket, {"key:test": (None, 1)})
        async with listen(hub, owner.organization_id) as late:
            await until_told(late, {"key:test": (None, 2)})


class _Away:
    def __init__(self, book: LivePresence) -> None:
        self._book = book
        self.away = True
        self.asked = asyncio.Event()

    async def exchange(self, hub: str, here: Any, *, now: int) -> Mapping[str, Present]:
        self.asked.set()
        if self.away:
            raise UnavailableError("the book is away")
        return await self._book.exchange(hub, here, now=now)
