import asyncio

import pytest

from storage.errors import StorageUnavailableError
from storage.recent_copies import RecentCopies


class Source:
    """What is copied: counts its loads, can be away or silent, and keeps the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.loads = 0
        self.away = False
        self.silent = False
        self.loading: list[str] = []
        self.most_at_once = 0

    async def load(self, key: str) -> str | None:
        self.loads += 1
        loaded = self.loads
        self.loading.append(key)
        self.most_at_once = max(self.most_at_once, len(self.loading))
        try:
            await asyncio.sleep(3600 if self.silent else 0)
        finally:
            self.loading.remove(key)
        if self.away:
            raise StorageUnavailableError("away")
        return None if key.startswith("nobody") else f"{key} {loaded}"

    def copies(self, *, size: int = 10, load_seconds: float = 60.0) -> RecentCopies[str]:
        return RecentCopies(
            self.load,
            size=size,
            size_of_nothing=3,
            first_loads=2,
            first_loads_waiting=6,
            fresh_seconds=5,
            stale_seconds=60,
            load_seconds=load_seconds,
            clock=lambda: self.now,
        )


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.mark.parametrize("key", ["a", "nobody"])
async def test_a_copy_is_served_while_fresh_even_of_nothing(source: Source, key: str) -> None:
    copies = source.copies()
    first = await copies.get(key)
    source.now = 4.9
    assert await copies.get(key) == first
    assert source.loads == 1
    source.now = 5.1
    await copies.get(key)
    assert source.loads == 2


async def test_many_who_ask_at_once_cause_one_load(source: Source) -> None:
    copies = source.copies()
    assert await asyncio.gather(*(copies.get("a") for _ in range(50))) == ["a 1"] * 50


@pytest.mark.parametrize("fault", ["away", "silent"])
async def test_a_stale_copy_serves_while_the_source_does_not(source: Source, fault: str) -> None:
    copies = source.copies(load_seconds=0.05 if fault == "silent" else 60.0)
    await copies.get("a")
    setattr(source, fault, True)
    source.now = 59
    assert await copies.get("a") == "a 1"
    source.now = 66
    with pytest.raises(StorageUnavailableError):
        await copies.get("a")
    with pytest.raises(StorageUnavailableError):
        await copies.get("b")
    await copies.close()


async def test_a_source_that_is_away_is_not_asked_for_each_request(source: Source) -> None:
    copies = source.copies()
    await copies.get("a")
    source.away = True
    source.now = 10
    for _ in range(20):
        await copies.get("a")
    assert source.loads == 2


async def test_the_least_recently_used_copy_goes_first(source: Source) -> None:
    copies = source.copies(size=2)
    for key in ("a", "b", "a", "c"):
        await copies.get(key)
    assert await copies.get("a") == "a 1"
    assert await copies.get("b") == "b 4"


async def test_keys_that_stand_for_nothing_evict_nothing_that_counts(source: Source) -> None:
    copies = source.copies(size=2)
    await copies.get("a")
    for number in range(20):
        assert await copies.get(f"nobody {number}") is None
    assert await copies.get("nobody 17") is None
    assert source.loads == 21
    assert await copies.get("nobody 16") is None
    assert source.loads == 22, "of what is nothing the last few are kept"
    source.away = True
    source.now = 30
    assert await copies.get("a") == "a 1"


async def test_a_flood_of_unknown_keys_leaves_room_for_the_known(source: Source) -> None:
    copies = source.copies(load_seconds=0.05)
    await copies.get("a")
    source.now = 6
    source.silent = True
    flood = [asyncio.create_task(copies.get(f"nobody {number}")) for number in range(50)]
    await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
    assert sum(task.done() for task in flood) == 50 - 2 - 6, "what does not fit is refused at once"
    assert source.loading == ["nobody 0", "nobody 1"]
    source.silent = False
    assert await copies.get("a") == "a 4"
    outcomes = await asyncio.gather(*flood, return_exceptions=True)
    assert all(isinstance(each, StorageUnavailableError) for each in outcomes)
    await copies.close()


async def test_what_was_nothing_may_become_something_and_the_reverse(source: Source) -> None:
    copies = source.copies()
    known: dict[str, str] = {}

    async def load(key: str) -> str | None:
        return known.get(key)

    source.load = load
    copies = source.copies()
    assert await copies.get("a") is None
    known["a"] = "there"
    source.now = 6
    assert await copies.get("a") == "there"
    known.clear()
    source.now = 12
    assert await copies.get("a") is None
    assert await copies.get("a") is None
