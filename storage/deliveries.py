"""Deliveries to customers' endpoints: written once, attempted until they are settled, every attempt kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

from storage.endpoint_health import DISABLED_AFTER, OPENS_AFTER, EndpointHealth
from storage.postgres import Connection, Pool, transaction
from storage.sealing import Sealer, SealError
from storage.statements import statement

_UNDER_WAY_AT_MOST: Final = timedelta(seconds=40)
"""An attempt that began longer ago is not under way, whatever its row says: its maker is gone."""

Status: TypeAlias = Literal["pending", "delivered", "exhausted", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryKey:
    """A delivery by its own id, its moment and its organization."""

    organization_id: UUID
    delivery_id: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An attempt that is written and is to be made now. No secrets: none of them could be opened."""

    attempt: int
    url: str
    payload: str
    secrets: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """No room for an attempt before `until`."""

    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Nothing is left to be sent."""

    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An attempt of the same try came to nothing before; the next is due at `next_attempt_at`."""

    next_attempt_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOutcome:
    """What became of an attempt. `retry_at` is None when no further one may be made."""

    at: datetime
    duration_ms: int
    response_status: int | None
    response_excerpt: str | None
    error: str | None
    succeeded: bool
    gone: bool
    throttled: int | None
    retry_at: datetime | None


class DeliveryStore:
    """Every method is one transaction and raises StorageUnavailableError."""

    def __init__(self, pool: Pool, sealer: Sealer) -> None:
        self._pool = pool
        self._sealer = sealer

    async def begin(
        self, key: DeliveryKey, *, try_id: UUID, at: datetime, waited: bool, jitter: float
    ) -> Begun | Waiting | Settled | Failed:
        """Write an attempt before it is made, if there is room for one at the endpoint.

        Safe to repeat: a try that was finished answers what came of it; one that was interrupted, which may have
        reached the endpoint, is made again under a number of its own.
        """
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(
                statement("delivery_to_send"), key.delivery_id, key.created_at, key.organization_id
            )
            if row is None:
                return Settled(status="cancelled")
            if row["status"] != "pending":
                return Settled(status=row["status"])
            earlier = await connection.fetchrow(statement("attempt_of_try"), key.delivery_id, key.created_at, try_id)
            if earlier is not None and earlier["finished"] and row["next_attempt_at"] is not None:
                return Failed(next_attempt_at=row["next_attempt_at"])
            if not row["wanted"]:
                await self._put(connection, key, "cancelled", at=at)
                return Settled(status="cancelled")
            integration_id: UUID = row["integration_id"]
            health = await _health(connection, integration_id, key.organization_id)
            if row["failing_since"] is None and health.consecutive_failures > 0:
                # Somebody enabled it anew, which forgets that it failed.
                health = EndpointHealth()
            under_way = await connection.fetchval(
                statement("attempts_under_way"), integration_id, at - _UNDER_WAY_AT_MOST
            )
            becomes, until = health.admit(at=at, under_way=under_way, waited=waited, jitter=jitter)
            if becomes != health:
                await _put_health(connection, integration_id, key.organization_id, becomes)
            if until is not None:
                await self._put(connection, key, "pending", at=at, next_attempt_at=until)
                return Waiting(until=until)
            attempt = await connection.fetchval(
                statement("attempt_begin"), key.delivery_id, key.created_at, key.organization_id, at, try_id
            )
        secrets = [(row["sealed_secret"], None), (row["previous_sealed_secret"], row["previous_secret_expires_at"])]
        opened = self._opened(str(key.organization_id), secrets, at)
        return Begun(attempt=attempt, url=row["url"], payload=row["payload"], secrets=opened)

    async def finish(self, key: DeliveryKey, *, attempt: int, outcome: AttemptOutcome) -> Status:
        """Write what became of an attempt, of its delivery and of the endpoint, and disable an endpoint that is gone.

        Returns where the delivery stands. Safe to repeat: of an attempt that is over nothing changes.
        """
        status: Status = "pending"
        if outcome.succeeded:
            status = "delivered"
        elif outcome.gone:
            status = "cancelled"
        elif outcome.retry_at is None:
            status = "exhausted"
        async with transaction(self._pool) as connection:
            integration_id: UUID | None = await connection.fetchval(
                statement("attempt_finish"),
                key.delivery_id,
                key.created_at,
                attempt,
                outcome.duration_ms,
                outcome.response_status,
                outcome.response_excerpt,
                outcome.error,
            )
            if integration_id is None:
                return status
            await self._put(
                connection,
                key,
                status,
                at=outcome.at,
                next_attempt_at=outcome.retry_at if status == "pending" else None,
            )
            await _judge(connection, integration_id, key.organization_id, outcome)
        return status

    @staticmethod
    async def _put(
        connection: Connection,
        key: DeliveryKey,
        status: Status,
        *,
        at: datetime,
        next_attempt_at: datetime | None = None,
    ) -> None:
        await connection.execute(
            statement("delivery_put"), key.delivery_id, key.created_at, key.organization_id, status, next_attempt_at, at
        )

    def _opened(
        self, organization_id: str, sealed: Sequence[tuple[bytes | None, datetime | None]], at: datetime
    ) -> list[str]:
        """The secrets that sign at this moment; none when the current one was sealed under another key."""
        opened: list[str] = []
        for each, expires_at in sealed:
            if each is None or (expires_at is not None and expires_at <= at):
                continue
            try:
                opened.append(self._sealer.open(organization_id, each).decode())
            except SealError:
                break
        return opened


async def _judge(connection: Connection, integration_id: UUID, organization_id: UUID, outcome: AttemptOutcome) -> None:
    health = await _health(connection, integration_id, organization_id)
    if outcome.succeeded:
        becomes = health.succeeded(at=outcome.at, duration_ms=outcome.duration_ms)
        await connection.execute(statement("endpoint_succeeded"), integration_id, organization_id)
    else:
        becomes = health.failed(at=outcome.at, duration_ms=outcome.duration_ms, throttled=outcome.throttled)
        since: datetime | None = await connection.fetchval(
            statement("endpoint_failed"), integration_id, organization_id, outcome.at
        )
        # A few failures far apart, with nothing sent between them, are no five days of failing.
        is_failing = since is not None and outcome.at - since >= DISABLED_AFTER
        if outcome.gone or (is_failing and becomes.consecutive_failures >= OPENS_AFTER):
            reason = "gone" if outcome.gone else "failing"
            await connection.execute(statement("endpoint_disable"), integration_id, organization_id, outcome.at, reason)
    await _put_health(connection, integration_id, organization_id, becomes)


async def _health(connection: Connection, integration_id: UUID, organization_id: UUID) -> EndpointHealth:
    row = await connection.fetchrow(statement("endpoint_health"), integration_id, organization_id)
    if row is None:
        await connection.execute(statement("endpoint_health_ensure"), integration_id, organization_id)
        row = await connection.fetchrow(statement("endpoint_health"), integration_id, organization_id)
    return EndpointHealth() if row is None else EndpointHealth(**dict(row))


async def _put_health(
    connection: Connection, integration_id: UUID, organization_id: UUID, health: EndpointHealth
) -> None:
    await connection.execute(
        statement("endpoint_health_put"),
        integration_id,
        organization_id,
        health.consecutive_failures,
        health.window_started_at,
        health.window_attempts,
        health.window_failures,
        health.open_until,
        health.opened,
        health.probing,
        health.line_until,
        health.pace_ms,
    )
