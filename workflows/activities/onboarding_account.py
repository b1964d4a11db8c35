"""The organization itself, and its account at Stripe."""

import secrets
from collections.abc import Callable, Mapping
from typing import Final

from temporalio import activity

from storage.billing import Billing, BillingAccount
from storage.onboarding import Asked, Rows, StepRow, changed
from workflows.activities.onboarding_course import OnboardingCourse, Settled, skipped
from workflows.errors import AbsentError, RefusedError
from workflows.onboarding_contracts import OnboardingRef, Step, StepState
from workflows.subscriptions import subscribed
from workflows.vendors.stripe_api import StripeApi, Subscription

_LIVE: Final = frozenset({"active", "trialing", "past_due", "incomplete"})
_CLOCKS_SECONDS: Final = 300
_SECRET_BYTES: Final = 32
_OFF: Final = "Stripe is not set up (STRIPE_SECRET_KEY)"


class OnboardingAccount:
    """Activities of the onboarding queue. `stripe` None: its steps are left out, and say so."""

    def __init__(
        self, course: OnboardingCourse, billing: Billing, stripe: StripeApi | None, *, now: Callable[[], int]
    ) -> None:
        self._course = course
        self._store = course.store
        self._billing = billing
        self._stripe = stripe
        self._now = now

    @activity.defn(name=Step.ORGANIZATION.activity)
    async def onboard_organization(self, ref: OnboardingRef) -> StepState:
        """Have the organization be there, with a secret that VAPI's webhooks are checked against."""
        return await self._course.carry_out(ref, Step.ORGANIZATION, "us", self._organization)

    @activity.defn(name=Step.CUSTOMER.activity)
    async def onboard_customer(self, ref: OnboardingRef) -> StepState:
        """Have the organization be a customer of Stripe's."""
        return await self._course.carry_out(ref, Step.CUSTOMER, "Stripe", self._customer)

    @activity.defn(name=Step.CUSTOMER.undoing)
    async def undo_customer(self, ref: OnboardingRef) -> None:
        """Delete the customer that was made."""
        await self._course.take_back(ref, Step.CUSTOMER, "Stripe", self._without_customer)

    @activity.defn(name=Step.SUBSCRIPTION.activity)
    async def onboard_subscription(self, ref: OnboardingRef) -> StepState:
        """Have the customer be subscribed to the plan."""
        return await self._course.carry_out(ref, Step.SUBSCRIPTION, "Stripe", self._subscription)

    @activity.defn(name=Step.SUBSCRIPTION.undoing)
    async def undo_subscription(self, ref: OnboardingRef) -> None:
        """End the subscription that was made."""
        await self._course.take_back(ref, Step.SUBSCRIPTION, "Stripe", self._without_subscription)

    async def _organization(self, asked: Asked, _held: StepRow) -> Settled:
        facts = {"id": asked.key.organization_id}
        if await self._store.secret(asked.key.organization_id) is not None:
            return Settled(facts=facts)
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        return Settled(facts=facts, detail="a webhook secret was made", rows=self._store.new_secret(asked.key, secret))

    async def _customer(self, asked: Asked, _held: StepRow) -> Settled:
        stripe = self._stripe
        if stripe is None:
            return skipped(_OFF)
        account = await self._account(asked)
        if account.customer is not None and await _is_known(stripe, account, account.customer):
            return Settled(facts={"id": account.customer}, detail="known before")
        customer = await stripe.find_customer(_marks(asked), since=_since(asked))
        if customer is None:
            await self._course.intend(asked, Step.CUSTOMER)
            customer = await stripe.create_customer(
                organization_id=asked.key.organization_id,
                name=asked.organization_name,
                email=account.email,
                idempotency_key=f"onboarding/{asked.key.id}/customer",
                marks=_marks(asked),
            )
        if not await stripe.customer_exists(customer):
            raise RefusedError("the customer that was made is not there")
        rows = changed("onboarding_customer", asked.key.organization_id, customer)
        return Settled(facts={"id": customer}, made=True, rows=rows)

    async def _without_customer(self, asked: Asked, held: StepRow) -> Rows | None:
        stripe = self._required()
        customer = held.facts.get("id") or await stripe.find_customer(_marks(asked), since=_since(asked))
        if customer is None:
            return None
        await stripe.delete_customer(customer)
        return changed("onboarding_customer_gone", asked.key.organization_id, customer)

    async def _subscription(self, asked: Asked, _held: StepRow) -> Settled:
        customer = await self._course.facts_of(asked, Step.CUSTOMER)
        if self._stripe is None or customer is None:
            return skipped(_OFF)
        stripe, organization_id = self._stripe, asked.key.organization_id
        # Ours first: a webhook may have told of it before its answer came.
        made = await stripe.find_subscription(customer["id"], _marks(asked))
        if made is None:
            account = await self._account(asked)
            if account.subscription is not None and (told := await _live(stripe, account.subscription)) is not None:
                return Settled(facts={"id": told.id}, detail=f"{told.status}, as before")
            if asked.plan_id is None:
                return skipped("the organization has no plan")
            if not asked.prices:
                return skipped("the plan has no price at Stripe")
            await self._course.intend(asked, Step.SUBSCRIPTION)
            made = await stripe.create_subscription(
                customer=customer["id"],
                prices=asked.prices,
                idempotency_key=f"onboarding/{asked.key.id}/subscription",
                organization_id=organization_id,
                marks=_marks(asked),
            )
        told = await _live(stripe, made.id)
        if told is None or told.customer != customer["id"]:
            raise RefusedError("the subscription that was made is not there")
        await self._billing.subscribe(organization_id, subscribed(told), at=self._now(), replaces=True)
        return Settled(
            facts={"id": told.id, "plan_before": asked.own_plan or ""},
            detail=told.status if told.status != "incomplete" else "incomplete: the first invoice is to be paid",
            made=True,
            rows=changed("onboarding_plan", organization_id, asked.plan_id),
        )

    async def _without_subscription(self, asked: Asked, held: StepRow) -> Rows | None:
        stripe, subscription = self._required(), held.facts.get("id")
        customer = await self._course.facts_of(asked, Step.CUSTOMER)
        if subscription is None and customer is not None:
            found = await stripe.find_subscription(customer["id"], _marks(asked))
            subscription = None if found is None else found.id
        if subscription is None:
            return None
        await stripe.cancel_subscription(subscription)
        before = held.facts.get("plan_before", asked.own_plan) or None
        return changed("onboarding_unsubscribe", asked.key.organization_id, subscription, before)

    async def _account(self, asked: Asked) -> BillingAccount:
        account = await self._billing.account(asked.key.organization_id)
        if account is None:
            raise RefusedError("the organization was deleted")
        return account

    def _required(self) -> StripeApi:
        if self._stripe is None:
            raise RefusedError("it is not set up any more")
        return self._stripe


async def _is_known(stripe: StripeApi, account: BillingAccount, customer: str) -> bool:
    if account.subscription is not None:
        told = await _live(stripe, account.subscription)
        if told is not None and told.customer == customer:
            return True
    return await stripe.customer_exists(customer)


async def _live(stripe: StripeApi, subscription: str) -> Subscription | None:
    """The subscription, if there is one and it has not ended."""
    try:
        told = await stripe.subscription(subscription)
    except AbsentError:
        return None
    return told if told.status in _LIVE else None


def _marks(asked: Asked) -> Mapping[str, str]:
    return {"onboarding_id": str(asked.key.id)}


def _since(asked: Asked) -> int:
    return int(asked.created_at.timestamp()) - _CLOCKS_SECONDS
