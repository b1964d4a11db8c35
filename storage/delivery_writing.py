"""Deliveries come to be: one for each endpoint that wants an event, again when somebody asks for a replay.

A few stand at an endpoint's door, each with a workflow; all others stand in line, which is nothing but rows. So what
one organization has queued takes nothing from the others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from storage.deliveries import DeliveryKey
from storage.postgres import Connection, Pool, acquired, transaction
from storage.statements import statement

AT_DOOR: Final = 50
"""Of one endpoint: about the first attempts a second that it can be given (see workflows/delivery_line.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A delivery that came to the door; `again`: its ten attempts begin anew."""

    key: DeliveryKey
    again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOfReplay:
    """How many deliveries the page held, and where it ended; None on the last."""

    size: int
    last: DeliveryKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event. `subject` tells it apart from others of its kind; no delivery of it is older than `since`."""

    event: str
    subject: str
    call_id: str | None
    since: datetime


class DeliveryWriter:
    """Every method is one transaction, safe to repeat, and raises StorageUnavailableError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def completed(
        self, organization_id: str, call_id: str, *, event: str, payload_of: Callable[[Mapping[str, Any]], str]
    ) -> Sequence[DeliveryKey]:
        """Write one delivery of the event for each endpoint that wants it; those that stand at a door.

        Its id follows from endpoint, event and call, so that an event which is told again is written once. Nothing is
        written of a call that has not ended.
        """
        async with transaction(self._pool) as connection:
            targets = await connection.fetch(statement("delivery_targets"), organization_id, event)
            if not targets:
                return ()
            await connection.execute(statement("delivery_alone"), f"{organization_id}:{call_id}:{event}")
            call = await connection.fetchrow(statement("completed_call"), organization_id, call_id)
            if call is None:
                return ()
            told = Told(event=event, subject=call_id, call_id=call_id, since=call["created_at"])
            return await write_deliveries(
                connection, organization_id, told, [dict(each) for each in targets], payload_of(dict(call))
            )

    async def next_in_line(self, *, limit: int) -> Sequence[Turn]:
        """Bring to the doors whoever is next, in the order they came. Any number may ask at once."""
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(statement("deliveries_from_line"), AT_DOOR, limit)
        return [Turn(key=_key(dict(row)), again=row["again"]) for row in rows]

    async def forgotten(self, *, due_before: datetime, limit: int) -> Sequence[DeliveryKey]:
        """Deliveries that are due and that nobody seems to send."""
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(statement("deliveries_forgotten"), due_before, limit)
        return [_key(dict(row)) for row in rows]

    async def pending_replays(self, *, limit: int) -> Sequence[tuple[str, str]]:
        """Replays that were asked for and are not done: organization and id."""
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(statement("replays_pending"), limit)
        return [(str(row["organization_id"]), str(row["id"])) for row in rows]

    async def replay_page(
        self, organization_id: str, replay_id: str, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> PageOfReplay:
        """Have the next deliveries of a replay stand in line. Carried out twice, it changes nothing more."""
        async with transaction(self._pool) as connection:
            asked = await connection.fetchrow(statement("replay_to_carry_out"), replay_id, organization_id)
            if asked is None or asked["status"] == "done":
                return PageOfReplay(size=0, last=None)
            rows = await connection.fetch(
                statement("replay_page"),
                replay_id,
                organization_id,
                asked["integration_id"],
                asked["since"],
                asked["until"],
                asked["delivery_id"],
                asked["only_status"],
                None if after is None else after[0],
                None if after is None else after[1],
                asked["created_at"],
                limit,
            )
        keys = [_key({**row, "organization_id": UUID(organization_id)}) for row in rows]
        return PageOfReplay(size=len(keys), last=keys[-1] if len(keys) == limit else None)

    async def replay_done(self, organization_id: str, replay_id: str, *, deliveries: int) -> None:
        """Note that a replay was carried out."""
        async with transaction(self._pool) as connection:
            await connection.execute(statement("replay_done"), replay_id, organization_id, deliveries)


async def write_deliveries(
    connection: Connection, organization_id: str, told: Told, targets: Sequence[Mapping[str, Any]], payload: str
) -> Sequence[DeliveryKey]:
    """Write the event's delivery to each of `delivery_targets`, unless it is there; those that stand at a door.

    Nobody else may write deliveries of the event meanwhile.
    """
    ids = {target["id"]: uuid5(target["id"], f"{told.event}:{told.subject}") for target in targets}
    for target in targets:
        await connection.execute(
            statement("delivery_add"),
            ids[target["id"]],
            organization_id,
            target["id"],
            told.event,
            told.call_id,
            payload,
            target["enabled"],
            told.since,
            AT_DOOR,
        )
    rows = await connection.fetch(statement("deliveries_to_start"), list(ids.values()), told.since, organization_id)
    return [_key(dict(row)) for row in rows]


def _key(row: Mapping[str, Any]) -> DeliveryKey:
    return DeliveryKey(organization_id=row["organization_id"], delivery_id=row["id"], created_at=row["created_at"])
