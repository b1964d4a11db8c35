"""An organization is set up at its vendors once, whatever is in the way, or not at all."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from temporalio.testing import WorkflowEnvironment

from storage.onboarding import Onboardings
from tests.fakes.onboarding_judging import ALL, NOTHING, assert_nothing_left, assert_set_up
from tests.fakes.onboarding_world import OWNER, REFUSED_NUMBER, TEST_NUMBER, OnboardingWorld, onboarding_world
from workflows.errors import AmbiguousError, ProviderUnavailableError, RefusedError
from workflows.onboarding_contracts import PLANS, Step
from workflows.vendors.resend_api import ResendApi
from workflows.vendors.stripe_api import StripeApi
from workflows.vendors.twilio_api import OwnedNumber, TwilioApi
from workflows.vendors.vapi_account import VapiAccount
from workflows.vendors.vapi_placing import PlacingAnswer, PlacingClient

Method = Callable[..., Awaitable[Any]]

CREATING: dict[Step, tuple[type, str]] = {
    Step.CUSTOMER: (StripeApi, "create_customer"),
    Step.SUBSCRIPTION: (StripeApi, "create_subscription"),
    Step.ASSISTANT: (VapiAccount, "create_assistant"),
    Step.MONITOR: (VapiAccount, "update"),
    Step.NUMBER: (TwilioApi, "buy_number"),
    Step.IMPORT: (VapiAccount, "import_twilio_number"),
    Step.WELCOME: (ResendApi, "send_email"),
}
MORE_THAN_A_DAY_OF_TRIES = 110
"""At one in a quarter of an hour: longer than the day after which a step is given up."""


@pytest_asyncio.fixture
async def world(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[OnboardingWorld]:
    server = Path(sys.prefix) / "bin" / "temporal-test-server"
    async with (
        await WorkflowEnvironment.start_time_skipping(test_server_existing_path=str(server)) as env,
        onboarding_world(tmp_path, database_url=database_url, redis_url=redis_url, client=env.client, env=env) as made,
    ):
        yield made


def wrapped(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *, instead: Callable[[Method], Method]) -> None:
    method: Method = getattr(owner, name)
    monkeypatch.setattr(owner, name, wraps(method)(instead(method)))


def refusing(*, after: bool) -> Callable[[Method], Method]:
    """It is refused; `after`: although it was carried out."""

    def instead(method: Method) -> Method:
        async def refused(*arguments: Any, **named: Any) -> Any:
            if after:
                await method(*arguments, **named)
            raise RefusedError("status 400", status=400)

        return refused

    return instead


async def test_everything_is_set_up_once_and_proven(world: OnboardingWorld) -> None:
    customer = await world.add_customer()
    key = await world.ask(customer)
    assert await world.carry_out(key) == "completed"
    await assert_set_up(world, customer, key)
    history = await world.keep_history(key, "completed")
    number = (await world.facts(key, Step.NUMBER))["number"]
    secret = await world.store.secret(customer.organization_id)
    for planted in (TEST_NUMBER, number, OWNER, customer.vapi_key, customer.vapi_public_key, str(secret), "Clinic"):
        assert planted.encode() not in history
    [call] = (await world.http.get(
        f"/v1/organizations/{customer.organization_id}/calls/active", headers=customer.credential
    )).json()["calls"]  # fmt: skip
    assert call["call_id"] == (await world.facts(key, Step.TEST_CALL))["id"]


async def test_a_second_onboarding_finds_what_the_first_one_left_and_makes_nothing(world: OnboardingWorld) -> None:
    customer = await world.add_customer()
    first = await world.ask(customer, test_number=None)
    assert await world.carry_out(first) == "completed"
    assert (await world.states(first))[Step.TEST_CALL] == "skipped"
    made = await world.changes(customer)
    again = await world.ask(customer, test_number=None)
    assert await world.carry_out(again) == "completed"
    # The welcome is one of its own.
    assert (await world.changes(customer))[len(made) :] == [("resend", "POST", "emails")]
    assert await world.left(customer) == ALL


async def test_what_is_not_set_up_is_left_out_and_says_so(world: OnboardingWorld) -> None:
    customer = await world.add_customer(keys=False, owner=False)
    key = await world.ask(customer)
    off = world.settings.worker.model_copy(
        update={"stripe_secret_key": None, "twilio_account_sid": None, "resend_api_key": None, "public_base_url": None}
    )
    assert await world.carry_out(key, off) == "completed"
    await world.keep_history(key, "nothing-set-up")
    steps = await world.steps(key)
    assert steps.pop(Step.ORGANIZATION)[0] == "done"
    assert {state for state, _ in steps.values()} == {"skipped"}
    assert all(detail for _, detail in steps.values()), steps
    assert await world.left(customer) == NOTHING
    # Once it is set up, the same request does the rest.
    again = await world.ask(customer)
    assert await world.carry_out(again) == "completed"
    states = await world.states(again)
    assert states[Step.CUSTOMER] == states[Step.PROBE] == "done"
    assert states[Step.ASSISTANT] == states[Step.WELCOME] == "skipped"


async def test_without_a_public_key_the_monitor_stays_open_and_says_so(world: OnboardingWorld) -> None:
    customer = await world.add_customer()
    await world.pool.execute("delete from provider_keys where provider = 'vapi-public'")
    key = await world.ask(customer)
    assert await world.carry_out(key) == "completed"
    assert (await world.states(key))[Step.MONITOR] == "skipped"
    assert ("vapi", "PATCH", "assistant") not in await world.changes(customer)


@pytest.mark.parametrize("after", [False, True], ids=["refused", "made and refused"])
async def test_whichever_step_fails_for_good_everything_is_taken_back_once(
    world: OnboardingWorld, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    for step, creating in CREATING.items():
        if step is Step.WELCOME:
            continue
        customer = await world.add_customer()
        key = await world.ask(customer, test_number=None)
        with monkeypatch.context() as patched:
            wrapped(patched, *creating, instead=refusing(after=after))
            assert await world.carry_out(key) == "failed", step
        await assert_nothing_left(world, customer, key)
        steps = await world.steps(key)
        state, detail = steps.pop(step)
        assert state == "failed"
        assert "status 400" in (detail or "")
        before = [plan for plan in PLANS[: [plan.step for plan in PLANS].index(step)] if plan.undone]
        assert {plan.step: steps[plan.step][0] for plan in before} == {plan.step: "undone" for plan in before}
        assert Step.WELCOME not in steps
        if after:
            await world.keep_history(key, f"undone-{step.replace('_', '-')}")


async def test_a_probe_that_does_not_come_back_has_everything_taken_back(
    world: OnboardingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unseen(*_: object) -> bool:
        return False

    monkeypatch.setattr(Onboardings, "is_probe_seen", unseen)
    customer = await world.add_customer()
    key = await world.ask(customer)
    assert await world.carry_out(key) == "failed"
    await assert_nothing_left(world, customer, key)
    assert "does not lead here" in str((await world.steps(key))[Step.PROBE])
    await world.keep_history(key, "undone-probe")


async def test_a_test_call_that_is_refused_has_everything_taken_back(world: OnboardingWorld) -> None:
    customer = await world.add_customer()
    key = await world.ask(customer, test_number=REFUSED_NUMBER)
    assert await world.carry_out(key) == "failed"
    await assert_nothing_left(world, customer, key)


async def test_an_organization_that_was_deleted_is_not_set_up(world: OnboardingWorld) -> None:
    customer = await world.add_customer()
    key = await world.ask(customer)
    await world.pool.execute("update organizations set deleted_at = now() where id = $1", customer.organization_id)
    assert await world.carry_out(key) == "failed"
    assert await world.states(key) == {Step.ORGANIZATION: "failed"}


async def test_a_welcome_that_is_refused_takes_the_line_from_nobody(
    world: OnboardingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped(monkeypatch, *CREATING[Step.WELCOME], instead=refusing(after=False))
    customer = await world.add_customer()
    key = await world.ask(customer)
    assert await world.carry_out(key) == "completed"
    assert (await world.states(key))[Step.WELCOME] == "failed"
    assert await world.left(customer) == ALL
    await world.keep_history(key, "welcome-refused")


async def test_answers_that_are_lost_double_nothing(world: OnboardingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    lost: set[str] = set()

    def losing(method: Method) -> Method:
        async def silent(*arguments: Any, **named: Any) -> Any:
            answer = await method(*arguments, **named)
            if method.__qualname__ not in lost:
                lost.add(method.__qualname__)
                raise AmbiguousError("no answer")
            return answer

        return silent

    for owner, name in CREATING.values():
        wrapped(monkeypatch, owner, name, instead=losing)

    def unanswered(method: Method) -> Method:
        async def silent(*arguments: Any, **named: Any) -> Any:
            answer = await method(*arguments, **named)
            if method.__qualname__ not in lost:
                lost.add(method.__qualname__)
                return PlacingAnswer(outcome="unanswered", call={})
            return answer

        return silent

    wrapped(monkeypatch, PlacingClient, "place", instead=unanswered)
    customer = await world.add_customer()
    key = await world.ask(customer)
    assert await world.carry_out(key) == "completed"
    assert len(lost) == len(CREATING) + 1
    await assert_set_up(world, customer, key)


async def test_a_number_that_somebody_else_was_faster_to_buy_is_not_insisted_on(
    world: OnboardingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    sold: list[str] = []

    def overtaken(method: Method) -> Method:
        async def bought(api: TwilioApi, number: str, **named: Any) -> OwnedNumber:
            if len(sold) < 2:
                sold.append(number)
                raise RefusedError("status 400, 21422", code="21422", status=400)
            return await method(api, number, **named)

        return bought

    wrapped(monkeypatch, TwilioApi, "buy_number", instead=overtaken)
    customer = await world.add_customer()
    key = await world.ask(customer)
    assert await world.carry_out(key) == "completed"
    number = (await world.facts(key, Step.NUMBER))["number"]
    assert len({*sold, number}) == 3
    assert await world.left(customer) == ALL


async def test_a_vendor_that_is_away_is_waited_for_and_seen(world: OnboardingWorld) -> None:
    assert world.env is not None
    for vendor in ("stripe", "vapi", "twilio", "resend"):
        customer = await world.add_customer()
        await world.misbehave(customer, **{vendor: {"status": 503}})
        key = await world.ask(customer, test_number=None)
        async with world.working():
            await world.start(key)
            await world.env.sleep(900)
            steps = await world.steps(key)
            [hindered] = [step for step, (state, _) in steps.items() if state == "running"]
            assert "status 503" in str(steps[hindered])
            await world.misbehave(customer)
            assert await world.finish(key) == "completed", vendor
        assert await world.left(customer) == ALL


async def test_what_was_made_is_taken_back_however_long_its_vendor_is_away(
    world: OnboardingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped(monkeypatch, *CREATING[Step.IMPORT], instead=refusing(after=False))
    tries = 0

    def away(method: Method) -> Method:
        async def silent(*arguments: Any, **named: Any) -> Any:
            nonlocal tries
            tries += 1
            if tries <= MORE_THAN_A_DAY_OF_TRIES:
                raise ProviderUnavailableError("status 503")
            return await method(*arguments, **named)

        return silent

    wrapped(monkeypatch, TwilioApi, "release_number", instead=away)
    customer = await world.add_customer()
    key = await world.ask(customer)
    assert await world.carry_out(key) == "failed"
    assert tries == MORE_THAN_A_DAY_OF_TRIES + 1
    await assert_nothing_left(world, customer, key)


@pytest.mark.parametrize(
    ("wrong", "step"),
    [
        ({"stripe_secret_key": SecretStr("sk_test_wrong")}, Step.CUSTOMER),
        ({}, Step.ASSISTANT),
        ({"twilio_auth_token": SecretStr("wrong")}, Step.NUMBER),
    ],
    ids=["stripe", "vapi", "twilio"],
)
async def test_a_wrong_key_is_told_and_holds_nothing_up(
    world: OnboardingWorld, wrong: dict[str, Any], step: Step
) -> None:
    customer = await world.add_customer()
    key = await world.ask(customer)
    if step is Step.ASSISTANT:
        # Where no key of theirs opens anything.
        wrong = {"vapi_base_url": f"{world.settings.public_base_url}/simulator/stripe"}
    assert await world.carry_out(key, world.settings.worker.model_copy(update=wrong)) == "failed"
    await assert_nothing_left(world, customer, key)
    state, detail = (await world.steps(key))[step]
    assert state == "failed"
    assert "status 401" in str(detail)
    assert "not taken back" not in str(detail)
