"""What the local stack's organizations have at the simulated vendors: people to tell, an endpoint, a subscription."""

import base64
import secrets
from typing import Final
from uuid import UUID, uuid5

from serve.config import Settings
from storage.postgres import Connection
from storage.provisioning import (
    put_integration,
    put_recipient,
    put_simulated_subscription,
    remove_simulated_subscriptions,
)
from storage.sealing import Sealer

KINDS: Final = ("call-completed", "usage", "alarm")
EVENTS: Final = ("call.completed",)
SMS_RECIPIENT: Final = "+15550300010"
_SECRET_BYTES: Final = 32


def new_integration_secret() -> str:
    """What deliveries to the endpoint are signed with, in the form of Standard Webhooks."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"


async def seed_vendors(
    connection: Connection,
    settings: Settings,
    sealer: Sealer,
    *,
    identity: UUID,
    slug: str,
    integration_secret: str,
) -> None:
    """Bring them into the caller's transaction. Safe to repeat: what was changed since stays changed.

    Where a vendor is the real one nothing is brought in: nobody real shall be written to or billed.
    """
    organization_id = str(identity)
    if settings.simulates(settings.twilio_base_url):
        await put_recipient(
            connection,
            recipient_id=uuid5(identity, "sms-recipient"),
            organization_id=organization_id,
            channel="sms",
            address=SMS_RECIPIENT,
            kinds=KINDS,
        )
    if settings.simulates(settings.resend_base_url):
        await put_recipient(
            connection,
            recipient_id=uuid5(identity, "email-recipient"),
            organization_id=organization_id,
            channel="email",
            address=f"team@{slug}.example",
            kinds=KINDS,
        )
    if settings.simulates(settings.stripe_base_url):
        await put_simulated_subscription(connection, organization_id=organization_id, name=slug)
    else:
        await remove_simulated_subscriptions(connection)
    await put_integration(
        connection,
        integration_id=uuid5(identity, "integration"),
        organization_id=organization_id,
        name="Simulated customer",
        url=f"{settings.public_base_url.rstrip('/')}/simulator/receiver/{organization_id}",
        events=EVENTS,
        sealed_secret=sealer.seal(organization_id, integration_secret.encode()),
    )
