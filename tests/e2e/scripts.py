"""Scripted calls for tests: known to the simulated provider, sent message by message."""

from typing import Any

from serve.simulator.bodies import body_of, call_record
from serve.simulator.calls import scripted_calls
from serve.simulator.script import ScriptedCall
from tests.e2e.product import Product

LIFECYCLE = frozenset({"status-update", "end-of-call-report", "tool-calls", "hang"})


def scripted(seed: int, count: int = 1) -> list[ScriptedCall]:
    """`count` answered calls that no other seed has."""
    starts_at = 1_790_000_000_000 + seed * 100_000_000
    calls = scripted_calls(seed, 3 * count + 10, starts_at=starts_at)
    return [call for call in calls if call.answered_at is not None][:count]


def register(product: Product, calls: list[ScriptedCall]) -> None:
    """Let the simulated provider know the calls, so that it has their recordings."""
    product.http.post(
        f"{product.base_url}/simulator/calls",
        json={"calls": [call_record(call, call.messages[-1].at) for call in calls]},
        headers={"authorization": f"Bearer {product.api_key}"},
    ).raise_for_status()


def a_call(product: Product, seed: int) -> ScriptedCall:
    """One call nobody has used, known to the provider."""
    (call,) = scripted(seed)
    register(product, [call])
    return call


def bodies(call: ScriptedCall, *, chatter: bool = True, delivery: int = 0) -> list[bytes]:
    return [body_of(call, each, delivery=delivery) for each in call.messages if chatter or each.type in LIFECYCLE]


def record(found: dict[str, Any]) -> dict[str, Any]:
    """What of a call must not depend on the order of its messages."""
    names = ("status", "ended_reason", "ended_class", "duration_seconds", "cost_usd", "transcript", "summary", "report")
    return {name: found[name] for name in names}
