"""Concurrency slots: what holds each, and releasing one."""

from fastapi import APIRouter

from actors.ports import Delivery
from serve.auth import Caller, GuardedRoute, permits
from serve.errors import NotFoundError
from serve.services import Given, live_state
from serve.slot_schemas import SlotLedger, SlotReleased, SlotReleaseRequest
from storage.slot_release import release_slot
from storage.times import milliseconds

router = APIRouter(route_class=GuardedRoute, tags=["slots"], prefix="/v1/organizations/{organization_id}/slots")


@router.get("", dependencies=[permits("calls:read")])
async def list_slots(organization_id: str, services: Given) -> SlotLedger:
    """The calls that hold a slot now, oldest first: since when, on what evidence, of which assistant and campaign.

    From the organization's live owner: what the next request will be decided by.
    """
    ledger = await live_state(services).slots(organization_id)
    if ledger is None:
        raise NotFoundError("There is nothing here.")
    return SlotLedger.model_validate(ledger)


@router.post("/{call_id:path}/release", dependencies=[permits("slots:release")])
async def release(
    organization_id: str, call_id: str, asked: SlotReleaseRequest, services: Given, caller: Caller
) -> SlotReleased:
    """Free the slot of a call that seems to be gone. The call goes on: a newer sign of it takes a slot again.

    Never asks the provider, and is safe to repeat. The audit log keeps who did it and why.
    """
    released = None
    if "\0" not in call_id:
        released = await release_slot(
            services.pool,
            organization_id=organization_id,
            call_id=call_id,
            actor=caller.subject,
            reason=asked.reason,
            at=milliseconds(services.now()),
        )
    if released is None:
        raise NotFoundError("There is no such call.")
    if released.row is not None and services.owners is not None:
        services.owners.offer(Delivery(organization_id=organization_id, item=released.row))
    return SlotReleased(call_id=call_id, result=released.result)
