"""What is sent by the real clients comes back: the simulated vendors tell the door, signed, what became of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from tests.fakes.simulated_vendors import ACCOUNT, RESEND_KEY, STRIPE_KEY, TOKEN, SimulatedVendors, simulated_vendors
from tests.integration.webhook_door import until
from workflows.vendors.resend_api import ResendApi
from workflows.vendors.stripe_api import StripeApi
from workflows.vendors.twilio_api import TwilioApi

CREATED = datetime(2026, 11, 1, tzinfo=UTC)


@pytest_asyncio.fixture
async def vendors(database_url: str, redis_url: str) -> AsyncIterator[SimulatedVendors]:
    async with simulated_vendors(database_url, redis_url) as running:
        yield running


async def note_sent(vendors: SimulatedVendors, provider: str, vendor_id: str, recipient: str) -> UUID:
    identity = uuid4()
    await vendors.pool.execute(
        """insert into notifications
               (id, created_at, organization_id, kind, channel, recipient, provider, vendor_id, status, rank)
           values ($1, $2, $3, 'call-completed', $4, $5, $6, $7, 'queued', 1)""",
        identity,
        CREATED,
        UUID(vendors.ours),
        "sms" if provider == "twilio" else "email",
        recipient,
        provider,
        vendor_id,
    )
    return identity


async def reaches(vendors: SimulatedVendors, identity: UUID, status: str) -> None:
    async def is_there() -> bool:
        return await vendors.pool.fetchval("select status from notifications where id = $1", identity) == status

    await until(is_there)


async def suppressions(vendors: SimulatedVendors) -> set[tuple[str, str]]:
    return {(row["address"], row["reason"]) for row in await vendors.pool.fetch("select * from suppressions")}


@pytest.mark.parametrize(("to", "status"), [("+15550000002", "delivered"), ("+15005550008", "undelivered")])
async def test_a_text_tells_whether_it_arrived(vendors: SimulatedVendors, to: str, status: str) -> None:
    async with TwilioApi(ACCOUNT, TOKEN, vendors.url("twilio")) as twilio:
        sent = await twilio.send_sms(
            sender="+15005550006", to=to, body="Call c-1 ended.", status_callback=f"{vendors.origin}/webhooks/twilio"
        )
    await reaches(vendors, await note_sent(vendors, "twilio", sent.id, to), status)


@pytest.mark.parametrize(
    ("to", "status", "reason"),
    [
        ("them@example.com", "delivered", None),
        ("bounced@resend.dev", "bounced", "bounce"),
        ("complained@resend.dev", "complained", "complaint"),
        ("suppressed@resend.dev", "suppressed", "bounce"),
    ],
)
async def test_an_email_tells_whether_it_arrived(
    vendors: SimulatedVendors, to: str, status: str, reason: str | None
) -> None:
    async with ResendApi(RESEND_KEY, vendors.url("resend")) as resend:
        sent = await resend.send_email(
            sender="us@example.com", to=to, subject="Call c-1", text="It ended.", idempotency_key="call/c-1"
        )
    await reaches(vendors, await note_sent(vendors, "resend", sent, to), status)
    assert await suppressions(vendors) == (set() if reason is None else {(to, reason)})


async def test_a_subscription_that_a_customer_pays_for_is_told_of(vendors: SimulatedVendors) -> None:
    async with StripeApi(STRIPE_KEY, vendors.url("stripe")) as stripe:
        link = await stripe.checkout_link(
            organization_id=vendors.ours,
            customer=None,
            prices={"price_metered": None},
            success_url=f"{vendors.origin}/paid",
            cancel_url=vendors.origin,
        )
        async with httpx.AsyncClient() as browser:
            assert (await browser.post(link)).status_code == 303

        async def is_told() -> bool:
            rows = await vendors.pool.fetch("select type, organization_id from webhook_inbox where provider = 'stripe'")
            assert {str(row["organization_id"]) for row in rows} <= {vendors.ours}
            return {row["type"] for row in rows} == {"customer.subscription.created", "checkout.session.completed"}

        await until(is_told)
        facts = await vendors.pool.fetchval("select facts from webhook_inbox where type = 'checkout.session.completed'")
        assert (await stripe.subscription(facts["subscription"])).customer == facts["customer"]
