"""Runs of the workflows that look through all organizations, by the clock; see mortal_kind."""

import time
from typing import Final
from unittest.mock import ANY
from uuid import UUID, uuid4

from actors.domain.iso_time import iso
from storage.billing import METER_DIFFERENCE
from storage.provider_keys import put_provider_key
from tests.fakes.mortal_kind import Kind, now_ms
from tests.fakes.mortal_money import CLOSED, book, due_cycle, effects_of_cycle
from tests.fakes.mortal_wiring import WIRING_LOOKS
from tests.fakes.mortal_world import SEALER, MortalWorld, organization_of
from tests.fakes.stripe_server import Counted
from workflows.billing_contracts import (
    BILLING_CYCLES_WORKFLOW,
    BILLING_QUEUE,
    BILLING_SWEEP_WORKFLOW,
    METER_EQUALITY_WORKFLOW,
)
from workflows.reconciliation_contracts import RECONCILIATION_QUEUE, RECONCILIATION_WORKFLOW

_A_DAY_AGO: Final = 86_400
_THREE_MINUTES_MS: Final = 180_000


async def _begin(world: MortalWorld, workflow: str, name: str, queue: str = BILLING_QUEUE) -> str:
    handle = await world.client.start_workflow(workflow, id=f"{name}-{uuid4()}", task_queue=queue)
    return handle.id


async def _start_sweep(world: MortalWorld, name: str) -> str:
    """Stripe is to be told of a call, and nobody was told that it is."""
    organization_id = await world.add_organization(name, customer=True)
    await book(world, organization_id, "call", 7)
    return await _begin(world, BILLING_SWEEP_WORKFLOW, name)


async def _effects_of_sweep(world: MortalWorld, name: str) -> object:
    written = await world.rows(
        "select quantity, status from meter_events where organization_id = $1", UUID(organization_of(name))
    )
    return written, [each.value for each in world.stripe.counted if each.customer == f"cus-{name}"]


SWEEPS: Final = Kind(name="sweep", start=_start_sweep, effects=_effects_of_sweep, expected=([(7, "sent")], [7]))


async def _start_look(world: MortalWorld, name: str) -> str:
    await due_cycle(world, name)
    return await _begin(world, BILLING_CYCLES_WORKFLOW, name)


LOOKS: Final = Kind(name="look", start=_start_look, effects=effects_of_cycle, expected=CLOSED)


async def _start_night(world: MortalWorld, name: str) -> str:
    """Stripe counted what we never told it."""
    await world.add_organization(name, customer=True)
    at = int(time.time()) - _A_DAY_AGO
    world.stripe.counted.append(Counted(customer=f"cus-{name}", identifier=f"by-hand-{name}", value=5, timestamp=at))
    return await _begin(world, METER_EQUALITY_WORKFLOW, name)


async def _effects_of_night(world: MortalWorld, name: str) -> object:
    return await world.rows(
        "select event, seconds from billing_events where organization_id = $1", UUID(organization_of(name))
    )


NIGHTS: Final = Kind(
    name="night", start=_start_night, effects=_effects_of_night, expected=[(METER_DIFFERENCE, 5)], result=ANY
)


async def _start_reconciliation(world: MortalWorld, name: str) -> str:
    """VAPI knows a call that no webhook told of. All share an account, and each has an assistant of its own."""
    organization_id = await world.add_organization(name)
    async with world.pool.acquire() as connection:
        await put_provider_key(
            connection, SEALER, organization_id=organization_id, provider="vapi", key="the account's"
        )
    await world.pool.execute(
        "insert into assistants (id, organization_id, name, provider_assistant_id) values ($1, $2, 'Desk', $3)",
        uuid4(), UUID(organization_id), f"assistant-{name}",
    )  # fmt: skip
    at = iso(now_ms() - _THREE_MINUTES_MS)
    assert world.vapi.listed is not None
    world.vapi.listed.append(
        {"id": name, "assistantId": f"assistant-{name}", "status": "ended", "createdAt": at, "updatedAt": at}
    )
    return await _begin(world, RECONCILIATION_WORKFLOW, name, RECONCILIATION_QUEUE)


async def _effects_of_reconciliation(world: MortalWorld, name: str) -> object:
    brought_in = await world.rows(
        "select call_id, facts #>> '{details,repair}' from webhook_inbox where organization_id = $1"
        " and provider = 'internal'",
        UUID(organization_of(name)),
    )
    return brought_in == [(name, "missed-call")]


RECONCILIATIONS: Final = Kind(
    name="reconciliation", start=_start_reconciliation, effects=_effects_of_reconciliation, expected=True, result=ANY
)

ROUNDS: Final = (SWEEPS, LOOKS, NIGHTS, RECONCILIATIONS, WIRING_LOOKS)
