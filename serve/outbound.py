"""Placing a call: asked of the organization's owner, then of VAPI, once; and looked up there when no answer came."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from actors.domain.admission import is_refusal
from actors.domain.json_types import JSON
from actors.ports import UnavailableError
from serve.control_schemas import NewCall
from serve.errors import ConflictError, TemporarilyUnavailableError
from serve.services import Services, live_state
from storage.errors import StorageUnavailableError
from storage.outbound_calls import OutboundCalls, Settlement, Unsettled
from storage.times import milliseconds
from workflows.activities.internal_rows import InternalRow
from workflows.errors import ProviderError
from workflows.vendors.control_urls import control_url, may_control
from workflows.vendors.redaction import redact
from workflows.vendors.vapi_values import WireError, mapping, text
from workflows.vendors.vapi_wire import record_facts

log = structlog.get_logger(__name__)

_ADMIT_SECONDS: Final = 3.0
_LOOK_EVERY_SECONDS: Final = 5.0
_BEFORE: Final = timedelta(minutes=1)
_AFTER: Final = timedelta(minutes=10)
_GIVEN_UP_AFTER: Final = timedelta(minutes=2)
"""VAPI lists a call within seconds of making it; one it does not list by then was never made."""


def wire_request(outbound_id: UUID, asked: NewCall, callee: dict[str, Any]) -> dict[str, JSON]:
    """`POST /call` as VAPI takes it. The name is what finds the call again when the answer is lost."""
    customer: dict[str, JSON] = {"number": asked.customer.number}
    if asked.customer.name is not None:
        customer["name"] = asked.customer.name
    told: dict[str, JSON] = {
        "name": str(outbound_id),
        "phoneNumberId": callee["provider_phone_number_id"],
        "customer": customer,
    }
    if callee["provider_assistant_id"] is not None:
        told["assistantId"] = callee["provider_assistant_id"]
    else:
        told["assistant"] = callee["config"]
    if asked.variable_values:
        told["assistantOverrides"] = {"variableValues": dict(asked.variable_values)}
    return told


class Dialer:
    """Moves calls that were asked for on."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._calls = OutboundCalls(services.pool)

    async def place(self, organization_id: str, outbound_id: UUID, request: dict[str, JSON]) -> None:
        """Ask the owner, then VAPI; what came of it is in Postgres on return.

        Raises ConflictError without a key of VAPI, TemporarilyUnavailableError while the owner cannot be asked (the
        call is `failed` then: it may be asked for anew), and StorageUnavailableError.
        """
        key = await self._services.provider.key_of(organization_id)
        outcome = await self._decided(organization_id, outbound_id)
        if outcome is None:
            return
        if is_refusal(outcome):
            await self._calls.settle(organization_id, outbound_id, Settlement(status="refused", reason=outcome))
            return
        if not await self._calls.begin(organization_id, outbound_id):
            return
        # From here on there may be a call: whoever asked may leave, the answer is waited for.
        await asyncio.shield(asyncio.create_task(self._dial(organization_id, outbound_id, key, request)))

    async def look_up(self, lost: Unsettled) -> None:
        """Settle a call whose answer was lost by what VAPI lists. Raises ProviderError, StorageUnavailableError."""
        key = await self._services.provider.key_of(lost.organization_id)
        call = await self._services.provider.placing.find(
            key, str(lost.outbound_id), since=lost.asked_at - _BEFORE, until=lost.asked_at + _AFTER
        )
        if call is not None:
            await self._placed(lost.organization_id, lost.outbound_id, call, status=None)
        elif self._services.now() - lost.asked_at > _GIVEN_UP_AFTER:
            settled = Settlement(status="failed", reason="VAPI did not answer and lists no such call.")
            await self._calls.settle(lost.organization_id, lost.outbound_id, settled)

    async def look_up_all(self) -> None:
        """Settle what can be settled. Raises StorageUnavailableError."""
        for lost in await self._calls.unsettled():
            try:
                await self.look_up(lost)
            except (ProviderError, ConflictError) as away:
                log.warning("a placed call cannot be looked up", outbound_id=str(lost.outbound_id), reason=str(away))

    async def _decided(self, organization_id: str, outbound_id: UUID) -> str | None:
        """What the owner says; None when the question was put before, by somebody who goes on with it."""
        owners = live_state(self._services)
        row = await self._calls.ask(organization_id, outbound_id, at=milliseconds(self._services.now()))
        if row is None:
            return None
        try:
            await owners.admit(organization_id, row, seconds=_ADMIT_SECONDS)
            outcome = await self._calls.outcome(organization_id, row.id)
        except UnavailableError:
            outcome = None
        if outcome is None:
            settled = Settlement(status="failed", reason="The organization's live owner did not answer.")
            await self._calls.settle(organization_id, outbound_id, settled)
            raise TemporarilyUnavailableError("Nothing was dialled: the organization's live owner did not answer.")
        return outcome

    async def _dial(self, organization_id: str, outbound_id: UUID, key: str, request: dict[str, JSON]) -> None:
        answer = await self._services.provider.placing.place(key, request)
        match answer.outcome:
            case "placed":
                await self._placed(organization_id, outbound_id, answer.call, status=answer.status)
                return
            case "unanswered":
                settled = Settlement(status="unknown", reason=answer.words, provider_status=answer.status)
            case "unreached":
                reason = f"VAPI could not be reached: {answer.words}"
                settled = Settlement(status="failed", reason=reason)
            case "refused":
                settled = Settlement(status="failed", reason=answer.words, provider_status=answer.status)
        await self._calls.settle(organization_id, outbound_id, settled)

    async def _placed(
        self, organization_id: str, outbound_id: UUID, call: dict[str, JSON], *, status: int | None
    ) -> None:
        call_id = text(call.get("id"))
        if call_id is None:
            raise AssertionError("a placed call has an id")
        limits = mapping(call.get("subscriptionLimits")) or None
        settled = Settlement(
            status="placed",
            call_id=call_id,
            provider_status=status,
            subscription_limits=limits,
            held_slots=await self._held_slots(organization_id, limits),
            control=self._sealed_address(organization_id, call),
        )
        await self._calls.settle(organization_id, outbound_id, settled)
        with suppress(WireError):
            redact(call)
        await self._services.rows.accept(
            InternalRow(
                organization_id=organization_id,
                call_id=call_id,
                type="provider-record",
                key=f"call-placed:{call_id}",
                facts={**record_facts(call), "details": {"outbound_call_id": str(outbound_id)}},
                occurred_at=milliseconds(self._services.now()),
            )
        )

    def _sealed_address(self, organization_id: str, call: dict[str, JSON]) -> bytes | None:
        url = control_url(call)
        if url is None or not may_control(url, trusted_origin=self._services.provider.trusted_origin):
            return None
        return self._services.sealer.seal(organization_id, url.encode())

    async def _held_slots(self, organization_id: str, limits: dict[str, JSON] | None) -> int | None:
        """How many slots the organization holds; told to the log when VAPI counts fewer free ones than that leaves."""
        try:
            ledger = await live_state(self._services).slots(organization_id)
        except (UnavailableError, TemporarilyUnavailableError):
            return None
        told = ledger.get("slots") if ledger is not None else None
        held = len(told) if isinstance(told, list) else None
        if limits is not None and held is not None:
            limit, remaining = limits.get("concurrencyLimit"), limits.get("remainingConcurrentCalls")
            if isinstance(limit, int) and isinstance(remaining, int) and limit - remaining > held + 1:
                # Another organization of the same account, or somebody who uses it beside us.
                log.warning("VAPI counts more calls than we do", at_vapi=limit - remaining, held=held)
        return held


@asynccontextmanager
async def looking_up_calls(services: Services) -> AsyncGenerator[None]:
    """Settle calls whose answer was lost for as long as the context is open. Any number of processes may."""
    looking = asyncio.create_task(_look(Dialer(services)), name="outbound calls")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _look(dialer: Dialer) -> None:
    while True:
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
        try:
            await dialer.look_up_all()
        except StorageUnavailableError:
            continue
        except Exception:
            log.exception("calls cannot be looked up")
