"""Runs of what looks after assistants at VAPI: the nightly look at all, and the repair of one; see mortal_kind."""

from typing import Final
from unittest.mock import ANY
from uuid import UUID, uuid4

from storage.provider_keys import VAPI, put_provider_key
from storage.provisioning import put_webhook_secret
from tests.fakes.mortal_kind import Kind, begin_duty
from tests.fakes.mortal_world import SEALER, MortalWorld, organization_of
from workflows.reconciliation_contracts import RECONCILIATION_QUEUE
from workflows.vendors.vapi_wiring import Wiring
from workflows.wiring_contracts import PROVIDER_WIRING_WORKFLOW, REPAIR_WIRING

_ELSEWHERE: Final = {"url": "https://elsewhere.example"}
_DIFFERS: Final = ["backoff_plan", "secret", "server_url"]


async def _add_assistant(world: MortalWorld, name: str) -> UUID:
    """An organization with an assistant that sends its events elsewhere; the assistant's id."""
    organization_id, assistant_id, secret = await world.add_organization(name), uuid4(), f"webhook-secret-of-{name}"
    world.secrets.append(secret)
    async with world.pool.acquire() as connection:
        await put_provider_key(connection, SEALER, organization_id=organization_id, provider=VAPI, key="the account's")
        sealed = SEALER.seal(organization_id, secret.encode())
        await put_webhook_secret(
            connection, secret_id=uuid4(), organization_id=organization_id, provider=VAPI, sealed=sealed
        )
    await world.pool.execute(
        "insert into assistants (id, organization_id, name, provider_assistant_id) values ($1, $2, 'Desk', $3)",
        assistant_id, UUID(organization_id), f"assistant-{name}",
    )  # fmt: skip
    ours = _wiring(world, name).of_assistant()
    world.vapi.records[_path(name)] = {"id": f"assistant-{name}", **ours, "server": dict(_ELSEWHERE)}
    return assistant_id


def _path(name: str) -> str:
    return f"/assistant/assistant-{name}"


def _wiring(world: MortalWorld, name: str) -> Wiring:
    url = f"{world.settings['public_base_url']}/webhooks/vapi/{organization_of(name)}"
    return Wiring(url=url, secret=f"webhook-secret-of-{name}")


async def _start_repair(world: MortalWorld, name: str) -> str:
    """Somebody wants an assistant repaired."""
    assistant_id, organization_id = await _add_assistant(world, name), organization_of(name)
    await world.pool.execute(
        "insert into wiring_findings (id, organization_id, kind, subject_id, provider_id, aspects, found_at, seen_at,"
        " repair_asked_at, repair_asked_by)"
        " values ($1, $2, 'assistant', $3, $4, $5, now(), now(), now(), 'key:somebody')",
        uuid4(), UUID(organization_id), assistant_id, f"assistant-{name}", _DIFFERS,
    )  # fmt: skip
    return await begin_duty(world, organization_id, REPAIR_WIRING)


async def _effects_of_repair(world: MortalWorld, name: str) -> object:
    of = UUID(organization_of(name))
    return {
        "findings": await world.rows(
            "select closed_as, repair_error from wiring_findings where organization_id = $1", of
        ),
        "audited": await world.rows("select actor, action from audit_log where organization_id = $1", of),
        "owner told": await _times_told(world, name),
        "is ours": not _wiring(world, name).assistant_differences(world.vapi.records[_path(name)]),
    }


async def _times_told(world: MortalWorld, name: str) -> int:
    """How often the organization's owner was told to read anew how much differs."""
    [(times,)] = await world.rows(
        "select count(*) from webhook_inbox where organization_id = $1 and type = 'organization-configured'",
        UUID(organization_of(name)),
    )
    return int(times)


REPAIRS: Final = Kind(
    name="repair",
    start=_start_repair,
    effects=_effects_of_repair,
    expected={
        "findings": [("repaired", None)],
        "audited": [("key:somebody", "provider-wiring-repaired")],
        "owner told": 1,
        "is ours": True,
    },
)


async def _start_look(world: MortalWorld, name: str) -> str:
    await _add_assistant(world, name)
    handle = await world.client.start_workflow(
        PROVIDER_WIRING_WORKFLOW, None, id=f"{name}-{uuid4()}", task_queue=RECONCILIATION_QUEUE
    )
    return handle.id


async def _effects_of_look(world: MortalWorld, name: str) -> object:
    of = UUID(organization_of(name))
    return {
        "findings": await world.rows("select aspects, closed_as from wiring_findings where organization_id = $1", of),
        "looked": await world.rows("select records, error from wiring_checks where organization_id = $1", of),
        "owner told": await _times_told(world, name),
    }


WIRING_LOOKS: Final = Kind(
    name="wiring",
    start=_start_look,
    effects=_effects_of_look,
    expected={"findings": [(_DIFFERS, None)], "looked": [(1, None)], "owner told": 1},
    result=ANY,
)
