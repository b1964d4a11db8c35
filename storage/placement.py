"""How many shards there are to be, and which slots have one of their own: what operators decide, kept in Postgres."""

from collections.abc import Mapping
from uuid import UUID

from actors.slots import slot_of
from storage.postgres import Pool, fetch


async def planned_shards(pool: Pool, configured: int) -> int:
    """What an operator asked for last, or `configured` when that has changed since or nobody asked."""
    plans = await fetch(pool, "placement_plan")
    return int(plans[0]["shards"]) if plans and plans[0]["instead_of"] == configured else configured


async def plan_shards(pool: Pool, shards: int, *, configured: int) -> None:
    """Have so many shards, whatever `configured` says as long as it goes on saying it."""
    await fetch(pool, "placement_set_plan", shards, configured)


async def set_dedicated(pool: Pool, organization_id: str, *, dedicated: bool) -> bool:
    """Give an organization's slot a shard of its own, or back to the others; False when there is no such organization.

    Takes effect with `pin_slots`.
    """
    return bool(await fetch(pool, "placement_set_dedicated", UUID(organization_id), dedicated))


async def dedicated_slots(pool: Pool) -> list[int]:
    """The slots that dedicated organizations lie in, in order."""
    return sorted({slot_of(str(record["id"])) for record in await fetch(pool, "placement_dedicated")})


async def pin_slots(pool: Pool, shards: Mapping[int, str]) -> None:
    """Pin each of these slots to its shard and no others. Owners follow at their next renewal, handing over."""
    await fetch(pool, "placement_pin", list(shards), list(shards.values()))
