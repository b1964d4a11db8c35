"""Who wrote what: Postgres itself notes each accepted write with the process that made it and the slot's owner then."""

import asyncio
import itertools
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis

from tests.chaos.ledger import Ledger

INSTALL = """
create schema witness;
create table witness.writes (
    id bigint generated always as identity, writer text not null, slot smallint, epoch bigint, owner text
);
create function witness.note() returns trigger language plpgsql as $$
begin
    insert into witness.writes (writer, slot, epoch, owner)
    select current_setting('application_name'), slot, epoch, owner from slot_owner where slot = new.slot;
    return null;
end $$;
create trigger witness after update of apply_sequence on webhook_inbox for each row execute function witness.note();
create trigger witness after insert on effects for each row execute function witness.note();
"""
REMOVE = "drop schema if exists witness cascade"
WRITES = "select writer, slot, epoch, owner from witness.writes order by id"
EPOCH = re.compile(rb'"epoch":(\d+)')


@dataclass(frozen=True, slots=True)
class Witness:
    """Of one running stack, while `witnessed`."""

    ledger: Ledger

    def assert_only_owners_wrote(self, shards: Mapping[str, int]) -> None:
        """Each write was made by the process of the shard that owned the slot then, and no epoch ever fell."""
        writers = {f"call-supervisor shard {pid}": name for name, pid in shards.items()}
        writes = asyncio.run(self.ledger.fetch(WRITES))
        assert writes, "nothing was written"
        for write in writes:
            assert writers.get(write["writer"]) == write["owner"], dict(write)
        for slot in {write["slot"] for write in writes}:
            epochs = [write["epoch"] for write in writes if write["slot"] == slot]
            assert all(one <= another for one, another in itertools.pairwise(epochs)), f"slot {slot}: {epochs}"

    def feed(self, organization_id: str, *, until_epoch: int) -> Sequence[str]:
        """The ids of the feed's entries up to and with that epoch."""
        return [each for each in asyncio.run(self._feed(organization_id)) if int(each.split("-")[0]) <= until_epoch]

    def snapshot_epoch(self, organization_id: str) -> int:
        """Of the owner that saved the snapshot; 0 while there is none."""
        held = EPOCH.search(asyncio.run(self._snapshot(organization_id)))
        return int(held[1]) if held is not None else 0

    async def _feed(self, organization_id: str) -> list[str]:
        async with self._redis() as client:
            told = await client.xrange(f"org:{organization_id}:feed")  # pyright: ignore[reportUnknownMemberType]
        # The client's annotations are those of one that decodes.
        return [entry_id.decode() for entry_id, _ in cast("list[tuple[bytes, Any]]", told)]

    async def _snapshot(self, organization_id: str) -> bytes:
        async with self._redis() as client:
            return cast("bytes", await client.getrange(f"org:{organization_id}:snapshot", 0, 63))

    def _redis(self) -> Redis:
        return Redis.from_url(self.ledger.stack.setting("REDIS_URL"))  # pyright: ignore[reportUnknownMemberType]


@contextmanager
def witnessed(ledger: Ledger) -> Generator[Witness]:
    asyncio.run(ledger.execute(REMOVE + ";" + INSTALL))
    try:
        yield Witness(ledger)
    finally:
        asyncio.run(ledger.execute(REMOVE))
