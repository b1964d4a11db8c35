"""The account at the payment provider: what it says, what happened, and where people pay."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import structlog
from fastapi import APIRouter

from serve.auth import Caller, GuardedRoute, permits
from serve.billing_schemas import (
    BillingAccountView,
    BillingEventPage,
    BillingEventView,
    BillingLink,
    CheckoutRequest,
)
from serve.changes import IdempotencyKey, found
from serve.deployment import Deployed
from serve.errors import ConflictError, TemporarilyUnavailableError
from serve.list_cursor import CursorText, Limit, after, page_of
from serve.services import Given, Services
from storage.billing import Billing
from storage.times import milliseconds
from workflows.errors import AbsentError, ProviderUnavailableError, RefusedError, WrongAccountError
from workflows.subscriptions import ask_for_subscription
from workflows.vendors.stripe_api import StripeApi

router = APIRouter(route_class=GuardedRoute, tags=["billing"], prefix="/v1/organizations/{organization_id}/billing")

log = structlog.get_logger(__name__)

_READS: Final = permits("billing:read")
_WRITES: Final = permits("billing:write")


@router.get("", dependencies=[_READS])
async def get_billing(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
) -> BillingAccountView:
    """The subscription, as the payment provider last told it."""
    async with services.viewing(caller) as rows:
        return BillingAccountView.of(found(await rows.one("billing_account"), "organization"))


@router.post("/refresh", dependencies=[_WRITES])
async def refresh_billing(organization_id: str, services: Given, caller: Caller) -> BillingAccountView:
    """Ask the payment provider for the subscription now, as after its key was mended. Safe to repeat."""
    async with services.viewing(caller) as rows:
        account = found(await rows.one("billing_account"), "organization")
    if account["subscription"] is None:
        raise ConflictError("There is no subscription to ask for.")
    billing, at = Billing(services.pool, services.cache), milliseconds(services.now())
    async with _paying(services) as stripe:
        told = await ask_for_subscription(stripe, account["subscription"], customers=[account["customer"]])
        if told is None:
            await billing.lose(organization_id, account["subscription"], at=at)
        else:
            await billing.subscribe(organization_id, told, at=at, replaces=False)
    async with services.viewing(caller) as rows:
        return BillingAccountView.of(found(await rows.one("billing_account"), "organization"))


@router.get("/events", dependencies=[_READS])
async def list_billing_events(
    organization_id: str, services: Given, caller: Caller, cursor: CursorText = None, limit: Limit = 50
) -> BillingEventPage:
    """What happened to the account, newest first: periods closed, invoices, differences of the meter."""
    owner = (organization_id, "billing-events")
    _, below = after(cursor, *owner)
    async with services.viewing(caller) as rows:
        told = await rows.all("billing_events_page", below.int if below is not None else None, limit + 1)
    # Events are counted: a number in the place of an id.
    placed = [{**row, "created_at": row["occurred_at"], "id": UUID(int=row["id"])} for row in told]
    page, following = page_of(placed, limit, *owner)
    events = [BillingEventView.model_validate({**row, "id": row["id"].int}) for row in page]
    return BillingEventPage(events=events, next_cursor=following)


@router.post("/checkout", dependencies=[_WRITES])
async def create_checkout(
    *,
    organization_id: str,
    asked: CheckoutRequest,
    services: Given,
    caller: Caller,
    deployment: Deployed,
    key: IdempotencyKey = None,
) -> BillingLink:
    """A page where the organization subscribes to a plan and pays. Nothing changes until somebody does."""
    async with services.viewing(caller) as rows:
        account = found(await rows.one("billing_account"), "organization")
        plan = found(await rows.one("billing_plan_prices", asked.plan_id), "plan")
    prices = {plan["price"]: 1, plan["metered_price"]: None}
    prices.pop(None, None)
    if not prices:
        raise ConflictError("The plan has no price at the payment provider.")
    home = f"{deployment.public_base_url}/"
    async with _paying(services) as stripe:
        return BillingLink(
            url=await stripe.checkout_link(
                organization_id=organization_id,
                customer=account["customer"],
                prices=prices,
                success_url=home,
                cancel_url=home,
                idempotency_key=f"checkout:{organization_id}:{key}" if key is not None else None,
            )
        )


@router.post("/portal", dependencies=[_WRITES])
async def create_portal(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
    deployment: Deployed,
) -> BillingLink:
    """A page of the payment provider's with the organization's invoices and ways to pay."""
    async with services.viewing(caller) as rows:
        account = found(await rows.one("billing_account"), "organization")
    if account["customer"] is None:
        raise ConflictError("The payment provider does not know the organization yet.")
    async with _paying(services) as stripe:
        return BillingLink(
            url=await stripe.portal_link(customer=account["customer"], return_url=f"{deployment.public_base_url}/")
        )


@asynccontextmanager
async def _paying(services: Services) -> AsyncGenerator[StripeApi]:
    """The payment provider. Raises ConflictError where it refuses or none is set, TemporarilyUnavailableError."""
    if services.provider.stripe is None:
        raise ConflictError("No payment provider is set.")
    try:
        yield services.provider.stripe
    except WrongAccountError as wrong:
        log.exception("the payment provider's key is of another account")
        raise TemporarilyUnavailableError(
            "The key for the payment provider is of another account; only the operator can mend that."
        ) from wrong
    except ProviderUnavailableError as away:
        raise TemporarilyUnavailableError("The payment provider does not answer. Try again shortly.") from away
    except (RefusedError, AbsentError) as refused:
        raise ConflictError("The payment provider refuses.") from refused
