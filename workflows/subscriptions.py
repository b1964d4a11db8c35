"""An organization's subscription as Stripe has it, told apart from a key that is of another account of Stripe's."""

from collections.abc import Collection

import structlog

from actors.domain.billing_period import Period
from storage.billing import Subscribed
from workflows.errors import AbsentError, ProviderError, WrongAccountError
from workflows.vendors.stripe_api import StripeApi, Subscription

_log = structlog.get_logger(__name__)


async def ask_for_subscription(
    stripe: StripeApi, subscription_id: str, *, customers: Collection[str | None]
) -> Subscribed | None:
    """The subscription as it is now; None: Stripe has none of this id.

    That is believed of an account that has, or had, one of the `customers` it is said to be of; where it knows nobody
    of them the key is of another account, and what it does not have may be well. Without customers there is nobody to
    ask for. Raises WrongAccountError and as StripeApi, but no AbsentError.
    """
    try:
        return subscribed(await stripe.subscription(subscription_id))
    except AbsentError:
        if await _is_of_this_account(stripe, {each for each in customers if each is not None}):
            return None
    account = await _account(stripe)
    _log.error("the key of Stripe's is of another account", account=account, subscription=subscription_id)
    raise WrongAccountError(f"account {account} knows neither the subscription nor its customer")


async def _is_of_this_account(stripe: StripeApi, customers: Collection[str]) -> bool:
    for customer in sorted(customers):
        if await stripe.knows_customer(customer):
            return True
    return not customers


async def _account(stripe: StripeApi) -> str:
    try:
        return await stripe.account()
    except ProviderError as untold:
        # A restricted key may not ask. What it is of is a help, no condition.
        return f"(not told: {untold})"


def subscribed(told: Subscription) -> Subscribed:
    """A subscription in our units."""
    return Subscribed(
        id=told.id,
        status=told.status,
        item_id=told.item_id,
        customer=told.customer,
        period=Period(start=told.period_start * 1000, end=told.period_end * 1000),
    )
