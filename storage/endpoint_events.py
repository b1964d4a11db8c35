"""Events that Postgres wrote down together with what they tell of, on their way to become deliveries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from storage.deliveries import DeliveryKey
from storage.delivery_writing import Told, write_deliveries
from storage.postgres import Connection, Pool, transaction
from storage.statements import statement

CALL_STARTED: Final = "call.started"
INCIDENT_OPENED: Final = "incident.opened"
INCIDENT_CLOSED: Final = "incident.closed"

_SUBJECTS: Final = {
    CALL_STARTED: ("endpoint_event_call", str),
    INCIDENT_OPENED: ("endpoint_event_incident", UUID),
    INCIDENT_CLOSED: ("endpoint_event_incident", UUID),
}

PayloadOf = Callable[[str, Mapping[str, Any], datetime], str]
"""The body that tells of an event: its name, the call or incident as it is now, and when it happened. Total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Deliveries that stand at a door, of so many events."""

    waiting: Sequence[DeliveryKey]
    size: int


class EndpointEvents:
    """The outbox of events beside `call.completed`. Raises StorageUnavailableError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take_up(self, *, payload_of: PayloadOf, limit: int) -> EventPage:
        """Write the deliveries of the oldest events, and forget the events, in one transaction.

        Any number may do so at once. A delivery's id follows from endpoint, event and subject, so that an event which
        is written down again is delivered once.
        """
        waiting: list[DeliveryKey] = []
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(statement("endpoint_events_next"), limit)
            for row in rows:
                waiting += await _write(connection, dict(row), payload_of)
            if rows:
                columns = [[row[name] for row in rows] for name in ("organization_id", "event", "subject")]
                await connection.execute(statement("endpoint_events_told"), *columns)
        return EventPage(waiting=waiting, size=len(rows))


async def _write(connection: Connection, row: Mapping[str, Any], payload_of: PayloadOf) -> Sequence[DeliveryKey]:
    organization_id, event, subject = str(row["organization_id"]), str(row["event"]), str(row["subject"])
    targets = await connection.fetch(statement("delivery_targets"), organization_id, event)
    if not targets or event not in _SUBJECTS:
        return ()
    name, kind = _SUBJECTS[event]
    found = await connection.fetchrow(statement(name), organization_id, kind(subject))
    if found is None:
        return ()
    told = Told(event=event, subject=subject, call_id=found["call_id"], since=found["created_at"])
    payload = payload_of(event, dict(found), row["occurred_at"])
    return await write_deliveries(connection, organization_id, told, [dict(each) for each in targets], payload)
