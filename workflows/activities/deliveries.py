"""Deliveries are written, attempted, and sent again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from temporalio import activity

from storage.deliveries import AttemptOutcome, Begun, DeliveryKey, DeliveryStore, Failed, Status, Waiting
from storage.delivery_writing import DeliveryWriter
from storage.errors import StorageUnavailableError
from workflows.activities.beating import beating
from workflows.contracts import CallRef
from workflows.delivery_contracts import (
    ATTEMPT_DELIVERY,
    CALL_COMPLETED,
    ENQUEUE_DELIVERIES,
    REPLAY_DONE,
    REPLAY_PAGE,
    AttemptOrder,
    AttemptReport,
    AttemptResult,
    DeliveryRef,
    ReplayPosition,
)
from workflows.delivery_payloads import completed_payload
from workflows.delivery_signing import signed_headers
from workflows.delivery_starts import DeliveryStarts
from workflows.errors import RefusedError
from workflows.vendors.webhook_sender import Sent, WebhookSender

_PAGE: Final = 100
# An answer is worth some patience: when it cannot be written down, the endpoint is sent the same once more.
_WRITE_AGAIN_AFTER: Final[Sequence[float]] = (0.2, 0.5, 1.0, 2.0, 4.0)


class DeliveryAttempts:
    """The activity that sends. Failures of endpoints are results; errors are Postgres' alone."""

    def __init__(
        self,
        store: DeliveryStore,
        sender: WebhookSender,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._sender = sender
        self._pause = pause

    @activity.defn(name=ATTEMPT_DELIVERY)
    async def attempt_delivery(self, order: AttemptOrder) -> AttemptReport:
        """Send once if it is to be sent and there is room, and write what came of it.

        Safe to repeat; one whose maker died after it was sent reaches the endpoint twice, under the same message id.
        Times are Temporal's.
        """
        async with beating():
            return await self._attempt(order)

    async def _attempt(self, order: AttemptOrder) -> AttemptReport:
        info = activity.info()
        key, at = _key(order.delivery), info.started_time
        begun = await self._store.begin(
            key,
            try_id=uuid5(key.delivery_id, f"{info.workflow_run_id}:{info.activity_id}"),
            at=at,
            waited=order.waited,
            jitter=order.jitter,
        )
        if isinstance(begun, Waiting):
            return AttemptReport(result=AttemptResult.WAITING, due_at=_ms(begun.until))
        if isinstance(begun, Failed):
            return AttemptReport(result=AttemptResult.FAILED, due_at=_ms(begun.next_attempt_at))
        if not isinstance(begun, Begun):
            return AttemptReport(result=AttemptResult.SETTLED, status=begun.status)
        outcome = _outcome(await self._send(key, begun, at), order, at=at)
        status = await self._write(key, begun.attempt, outcome)
        if status != "pending" or outcome.retry_at is None:
            return AttemptReport(result=AttemptResult.SETTLED, status=status)
        return AttemptReport(result=AttemptResult.FAILED, due_at=_ms(outcome.retry_at))

    async def _send(self, key: DeliveryKey, begun: Begun, at: datetime) -> Sent:
        if not begun.secrets:
            return Sent(error="the signing secret was sealed under another key")
        body = begun.payload.encode()
        try:
            headers = signed_headers(
                begun.secrets, delivery_id=key.delivery_id, timestamp=int(at.timestamp()), body=body
            )
        except RefusedError as refused:
            return Sent(error=str(refused))
        return await self._sender.send(begun.url, body, headers, at=at)

    async def _write(self, key: DeliveryKey, attempt: int, outcome: AttemptOutcome) -> Status:
        for pause in _WRITE_AGAIN_AFTER:
            try:
                return await self._store.finish(key, attempt=attempt, outcome=outcome)
            except StorageUnavailableError:
                await self._pause(pause)
        return await self._store.finish(key, attempt=attempt, outcome=outcome)


class DeliveryWriting:
    """Activities by which deliveries come to be; each is safe to repeat."""

    def __init__(self, writer: DeliveryWriter, starts: DeliveryStarts) -> None:
        self._writer = writer
        self._starts = starts

    @activity.defn(name=ENQUEUE_DELIVERIES)
    async def enqueue_deliveries(self, call: CallRef) -> int:
        """Have every endpoint that wants it told that the call is over, once; how many are being told."""
        deliveries = await self._writer.completed(
            call.organization_id, call.call_id, event=CALL_COMPLETED, payload_of=completed_payload
        )
        await self._starts.start(deliveries)
        return len(deliveries)

    @activity.defn(name=REPLAY_PAGE)
    async def replay_page(self, position: ReplayPosition) -> ReplayPosition:
        """Have the next deliveries of a replay stand in line to be sent again."""
        replay = position.replay
        after = (
            (datetime.fromisoformat(position.after_created_at), UUID(position.after_id)) if position.after_id else None
        )
        page = await self._writer.replay_page(replay.organization_id, replay.replay_id, after=after, limit=_PAGE)
        return ReplayPosition(
            replay=replay,
            deliveries=position.deliveries + page.size,
            after_created_at="" if page.last is None else page.last.created_at.isoformat(),
            after_id="" if page.last is None else str(page.last.delivery_id),
            finished=page.last is None,
        )

    @activity.defn(name=REPLAY_DONE)
    async def replay_done(self, position: ReplayPosition) -> ReplayPosition:
        """Note that the replay was carried out."""
        replay = position.replay
        await self._writer.replay_done(replay.organization_id, replay.replay_id, deliveries=position.deliveries)
        return position


def _outcome(sent: Sent, order: AttemptOrder, *, at: datetime) -> AttemptOutcome:
    over = at + timedelta(milliseconds=sent.duration_ms)
    retry_at: datetime | None = None
    if order.retry_after_ms is not None:
        asked = timedelta(seconds=sent.retry_after or 0)
        retry_at = over + max(timedelta(milliseconds=order.retry_after_ms), asked)
    return AttemptOutcome(
        at=over,
        duration_ms=sent.duration_ms,
        response_status=sent.status,
        response_excerpt=sent.excerpt,
        error=sent.error,
        succeeded=sent.succeeded,
        gone=sent.is_gone,
        throttled=sent.retry_after,
        retry_at=retry_at,
    )


def _key(ref: DeliveryRef) -> DeliveryKey:
    return DeliveryKey(
        organization_id=UUID(ref.organization_id),
        delivery_id=UUID(ref.delivery_id),
        created_at=datetime.fromisoformat(ref.created_at),
    )


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
