"""VAPI's messages: verified, stored once, handed over, answered."""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar
from uuid import UUID

import orjson

from actors.domain.admission import is_refusal
from actors.domain.commands import LET_THROUGH, Hear, InboxRow
from actors.domain.conversation import ToolsFailed
from actors.ports import Delivery, UnavailableError
from serve.errors import MalformedRequestError, UnauthenticatedError
from serve.webhooks.answers import (
    ASSISTANT_REQUEST,
    NOTHING,
    Answers,
    asked_assistant,
    assistant_answer,
    refusal_answer,
)
from serve.webhooks.authentication import is_authentic
from serve.webhooks.control_addresses import ControlAddresses
from serve.webhooks.figures import Figures
from serve.webhooks.seen_calls import SeenCalls
from storage.inbox import Accepted, Inbox, NewEvent
from storage.organizations import Assistant, Organizations, Reception
from storage.refusals import Refusals
from workflows.vendors.redaction import redact
from workflows.vendors.vapi_message import CALL_SEEN, ParsedMessage, parse_message
from workflows.vendors.vapi_values import WireError

T = TypeVar("T")

PROVIDER = "vapi"
_ACK_SECONDS = 1.8
_FAIL_OPEN_SECONDS = 1.0
_RECORD_LATER_SECONDS = 300.0
_RECORD_LATER_AT_ONCE = 200
_SLOWEST_RETRY_SECONDS = 15.0


class HandOver(Protocol):
    """The way to an organization's live state."""

    def offer(self, delivery: Delivery) -> bool:
        """Queue a delivery without waiting; False when there is no room."""
        ...

    async def admit(self, organization_id: str, request: InboxRow, *, seconds: float) -> str:
        """What the owner decided of a request that Postgres holds. Raises UnavailableError within `seconds`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """A request as it came: `organization_id` is whatever the path said, header names are lower-case."""

    organization_id: str
    headers: Mapping[bytes, bytes] = field(repr=False)
    body: bytes = field(repr=False)
    received_at: int


class VapiWebhook:
    """Handles VAPI's messages of every organization. `close` waits for what is under way."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        organizations: Organizations,
        router: HandOver,
        answers: Answers,
        figures: Figures,
        controls: ControlAddresses,
        refusals: Refusals,
    ) -> None:
        self._inbox = inbox
        self._organizations = organizations
        self._router = router
        self._answers = answers
        self._figures = figures
        self._controls = controls
        self._refusals = refusals
        self._seen = SeenCalls()
        self._storing: set[asyncio.Task[Accepted]] = set()
        self._recording_later: set[asyncio.Task[None]] = set()

    async def handle(self, request: WebhookRequest) -> bytes:
        """Answer one message. On return a lifecycle or unknown message is committed; chatter is at most once.

        An assistant request is answered after a second even when it could not be stored, and stored when it can be.
        Raises UnauthenticatedError, MalformedRequestError, UnavailableError (within 2 s, nothing acknowledged).
        """
        started = time.monotonic()
        organization_id, reception = await self._authenticated(request)
        message = self._parsed(request)
        control = self._controls.sealed(organization_id, message)
        event = _event(organization_id, message, request.received_at, control)
        if message.chatter:
            await self._hear(event, message, started)
            return NOTHING
        if message.type == ASSISTANT_REQUEST:
            return await self._receive(event, message, reception, started)
        await self._store(event, seconds=_left(started, _ACK_SECONDS))
        spent = time.monotonic() - started
        answer = await self._answers.answer(
            message, reception, raw=request.body, headers=request.headers, spent_seconds=spent
        )
        if answer.failed_tools:
            self._tell_failed_tools(event, answer.failed_tools)
        return answer.content

    async def close(self) -> None:
        """Finish inserts under way; give up what could not be recorded yet."""
        for task in self._recording_later:
            task.cancel()
        await asyncio.gather(*self._storing, *self._recording_later, return_exceptions=True)

    async def _authenticated(self, request: WebhookRequest) -> tuple[str, Reception]:
        organization_id = _uuid(request.organization_id)
        reception = await self._organizations.reception(organization_id) if organization_id else None
        live_secrets = reception.secrets if reception else ()
        authentic = is_authentic(request.headers, request.body, live_secrets, now=request.received_at)
        if organization_id is None or reception is None:
            raise UnauthenticatedError
        if not authentic:
            # What VAPI sent with a secret that we do not hold is lost: it sends nothing again after a 401.
            self._refusals.count(organization_id, at=request.received_at)
            raise UnauthenticatedError
        return organization_id, reception

    def _parsed(self, request: WebhookRequest) -> ParsedMessage:
        try:
            message = parse_message(request.body, received_at=request.received_at)
            if not message.chatter:
                redact(message.body)
        except WireError as fault:
            raise MalformedRequestError(f"{fault}.") from fault
        self._figures.received += 1
        self._figures.unknown_types += message.unknown
        self._figures.unknown_fields += message.unknown_fields
        self._figures.replaced_characters += message.replaced_characters
        return message

    async def _hear(self, event: NewEvent, message: ParsedMessage, started: float) -> None:
        if message.call_id is None:
            return
        if (event.organization_id, message.call_id) not in self._seen:
            await self._store(event, seconds=_left(started, _ACK_SECONDS))
        heard = Hear(call_id=message.call_id, at=event.received_at, utterance=message.utterance, sign=message.sign)
        self._figures.heard += 1
        self._offer(Delivery(organization_id=event.organization_id, item=heard))

    def _tell_failed_tools(self, event: NewEvent, failed_tools: frozenset[str]) -> None:
        """Hand over what only this door knows before the report comes; see `ToolsFailed` why it is not stored."""
        if event.call_id is None:
            return
        heard = Hear(call_id=event.call_id, at=event.received_at, sign=ToolsFailed(ids=failed_tools))
        self._offer(Delivery(organization_id=event.organization_id, item=heard))

    async def _receive(self, event: NewEvent, message: ParsedMessage, reception: Reception, started: float) -> bytes:
        """Answer who takes a call that asks to begin, or that nobody does, as the organization's owner decides."""
        assistant = asked_assistant(message.message, reception)
        asking = _asking(event, assistant)
        if is_refusal(await self._decided(asking, started)):
            self._figures.calls_refused += 1
            return assistant_answer(None) if assistant is None else refusal_answer(reception)
        return assistant_answer(assistant)

    async def _decided(self, event: NewEvent, started: float) -> str | None:
        """The owner's decision, or None after a second: then the call is let through, and that is recorded later."""
        try:
            accepted = await self._store(event, seconds=_left(started, _FAIL_OPEN_SECONDS))
        except UnavailableError:
            self._let_through(event)
            return None
        if event.call_id is None or accepted.row.outcome is not None:
            return accepted.row.outcome
        try:
            return await self._router.admit(
                event.organization_id, accepted.row, seconds=_left(started, _FAIL_OPEN_SECONDS)
            )
        except UnavailableError:
            self._let_through(_letting_through(event))
            return None

    async def _store(self, event: NewEvent, *, seconds: float) -> Accepted:
        """Insert and hand over; a client that leaves meanwhile cancels the waiting, not the work."""
        task = self._keep(self._storing, self._insert(event, seconds))
        return await asyncio.shield(task)

    async def _insert(self, event: NewEvent, seconds: float) -> Accepted:
        accepted = await self._inbox.accept(event, seconds=seconds)
        if event.call_id is not None:
            self._seen.add(event.organization_id, event.call_id)
            self._controls.note_kept(event)
        if not accepted.duplicate:
            self._figures.stored += 1
            self._offer(Delivery(organization_id=event.organization_id, item=accepted.row))
        elif event.type != CALL_SEEN:
            self._figures.duplicates += 1
        return accepted

    def _let_through(self, event: NewEvent) -> None:
        self._figures.answered_from_copy += 1
        if len(self._recording_later) < _RECORD_LATER_AT_ONCE:
            self._keep(self._recording_later, self._record_later(event))
        else:
            self._figures.unrecorded += 1

    async def _record_later(self, event: NewEvent) -> None:
        pause = 1.0
        given_up_at = time.monotonic() + _RECORD_LATER_SECONDS
        while time.monotonic() < given_up_at:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _SLOWEST_RETRY_SECONDS)
            try:
                accepted = await self._insert(event, _ACK_SECONDS)
            except UnavailableError:
                continue
            if event.type != ASSISTANT_REQUEST or not accepted.duplicate:
                return
            # It was stored when nobody told us so, and may have been refused since.
            event = _letting_through(event)
        self._figures.unrecorded += 1

    def _offer(self, delivery: Delivery) -> None:
        if not self._router.offer(delivery):
            self._figures.dropped_hints += 1

    def _keep(self, owned: set[asyncio.Task[T]], work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        owned.add(task)
        task.add_done_callback(lambda done: _release(owned, done))
        return task


def _release(owned: set[asyncio.Task[T]], done: asyncio.Task[T]) -> None:
    owned.discard(done)
    # Who waited has the error; a client that left wants none.
    if not done.cancelled():
        done.exception()


def _event(organization_id: str, message: ParsedMessage, received_at: int, control: bytes | None) -> NewEvent:
    return NewEvent(
        organization_id=organization_id,
        provider=PROVIDER,
        event_key=message.event_key,
        type=CALL_SEEN if message.chatter else message.type,
        call_id=message.call_id,
        facts=message.facts,
        occurred_at=message.occurred_at,
        received_at=received_at,
        body=None if message.chatter else orjson.dumps(message.body),
        control=control,
    )


def _asking(event: NewEvent, assistant: Assistant | None) -> NewEvent:
    """The request with the assistant that would take the call: the number alone does not tell the owner."""
    if assistant is None:
        return replace(event, facts={**event.facts, "is_answerable": False})
    fields = event.facts.get("fields")
    told = {"assistant_id": assistant.assistant_id, **(fields if isinstance(fields, dict) else {})}
    return replace(event, facts={**event.facts, "fields": told})


def _letting_through(event: NewEvent) -> NewEvent:
    """What tells the owner that the call was let through without its word."""
    return replace(
        event, provider="internal", event_key=f"{LET_THROUGH}:{event.event_key}", type=LET_THROUGH, facts={}, body=None
    )


def _left(started: float, seconds: float) -> float:
    return max(0.0, started + seconds - time.monotonic())


def _uuid(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None
