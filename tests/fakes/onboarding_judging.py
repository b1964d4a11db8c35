"""What an onboarding must have come to: everything once, or nothing."""

from collections import Counter

from storage.onboarding import OnboardingKey
from tests.fakes.onboarding_world import Customer, OnboardingWorld
from workflows.onboarding_contracts import PLANS, Step
from workflows.vendors.vapi_account import VapiAccount
from workflows.vendors.vapi_wiring import Wiring

MADE = Counter(
    {
        ("stripe", "POST", "customers"): 1,
        ("stripe", "POST", "subscriptions"): 1,
        ("vapi", "POST", "assistant"): 1,
        ("vapi", "PATCH", "assistant"): 1,
        ("twilio", "POST", "Accounts/IncomingPhoneNumbers.json"): 1,
        ("vapi", "POST", "phone-number"): 1,
        ("resend", "POST", "emails"): 1,
    }
)
"""What vendors are asked to do, once each: the assistant is told to guard its monitor by a change of its own."""

UNDONE = {
    ("vapi", "DELETE", "phone-number"): Step.IMPORT,
    ("twilio", "DELETE", "Accounts/IncomingPhoneNumbers"): Step.NUMBER,
    ("vapi", "DELETE", "assistant"): Step.ASSISTANT,
    ("stripe", "DELETE", "subscriptions"): Step.SUBSCRIPTION,
    ("stripe", "DELETE", "customers"): Step.CUSTOMER,
}
NOTHING = {"assistants": 0, "numbers": 0, "customers": 0, "active": 0, "assistant": 0, "phone-number": 0}
ALL = {"assistants": 1, "numbers": 1, "customers": 1, "active": 1, "assistant": 1, "phone-number": 1}


async def assert_set_up(world: OnboardingWorld, customer: Customer, key: OnboardingKey) -> None:
    """Everything is there, once, and as it must be at VAPI."""
    assert await world.states(key) == {plan.step: "done" for plan in PLANS}, await world.steps(key)
    assert await world.left(customer) == ALL
    changes = Counter(await world.changes(customer))
    assert changes == MADE, changes
    assert await world.placed_calls(customer) == 1
    secret = await world.store.secret(customer.organization_id)
    assert secret is not None
    url = f"{world.settings.public_base_url}/webhooks/vapi/{customer.organization_id}"
    wiring = Wiring(url=url, secret=secret, authenticates=True)
    async with VapiAccount(world.settings.vapi_base_url) as vapi:
        assistant = await vapi.read(customer.vapi_key, "assistant", (await world.facts(key, Step.ASSISTANT))["id"])
        number = await vapi.read(customer.vapi_key, "phone-number", (await world.facts(key, Step.IMPORT))["id"])
    assert wiring.assistant_differences(assistant) == frozenset()
    assert wiring.number_differences(number) == frozenset()
    assert "assistantId" not in number
    [row] = await world.pool.fetch(
        """select number, provider_phone_number_id, provider_assistant_id from phone_numbers
           join assistants on assistants.id = assistant_id where phone_numbers.organization_id = $1""",
        customer.organization_id,
    )
    assert dict(row) == {
        "number": number["number"],
        "provider_phone_number_id": number["id"],
        "provider_assistant_id": assistant["id"],
    }
    assert await world.pool.fetchval("select state from onboardings where id = $1", key.id) == "completed"


async def assert_nothing_left(world: OnboardingWorld, customer: Customer, key: OnboardingKey) -> None:
    """What was made is gone, and was taken back once."""
    assert await world.left(customer) == NOTHING
    changes = Counter(await world.changes(customer))
    for undone, step in UNDONE.items():
        vendor, _, path = undone
        made = changes[vendor, "POST", path if step is not Step.NUMBER else f"{path}.json"]
        assert changes[undone] == made <= 1, (undone, changes)
    assert await world.pool.fetchval("select state from onboardings where id = $1", key.id) == "failed"
