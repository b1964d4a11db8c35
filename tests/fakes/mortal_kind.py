"""What a run is to whoever kills workers: how it begins, and what it must come to.

A run has an organization of its own, named by its kind and its number: nothing that it does is another's.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.fakes.mortal_world import MortalWorld
from workflows.billing_contracts import duty_workflow_id
from workflows.duty_nudges import start_duty


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Runs of one workflow: `start` begins one for an organization of that name and returns the workflow's id.

    `effects` reads what it came to. Every run must come to `result` and `expected`.
    """

    name: str
    start: Callable[[MortalWorld, str], Awaitable[str]]
    effects: Callable[[MortalWorld, str], Awaitable[object]]
    expected: object
    result: object = None


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def begin_duty(world: MortalWorld, organization_id: str, activity: str) -> str:
    """Have a duty of the organization done; the workflow's id."""
    await start_duty(world.client, organization_id, activity)
    return duty_workflow_id(organization_id, activity)
