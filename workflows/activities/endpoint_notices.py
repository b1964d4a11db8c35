"""An organization is told by email that an endpoint of its own was disabled, and how it gets what it missed."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog
from temporalio import activity

from storage.endpoint_notices import DisabledEndpoint, EndpointNotices
from storage.notifications import SENDING, Message, MessageRef, Notifications
from storage.times import milliseconds
from workflows.billing_contracts import TELL_DISABLED_ENDPOINTS, OrganizationRef, Round
from workflows.errors import AbsentError, ProviderUnavailableError
from workflows.message_sending import MessageSender

_log = structlog.get_logger(__name__)

_GIVEN_UP_MS: Final = 3 * 86_400_000


class DisabledEndpoints:
    """An activity of the billing queue, which has the organizations' duties. Without email its messages say so."""

    def __init__(
        self,
        notices: EndpointNotices,
        messages: Notifications,
        sender: MessageSender,
        *,
        base_url: str | None,
        now: Callable[[], int],
    ) -> None:
        self._notices = notices
        self._messages = messages
        self._sender = sender
        self._base_url = base_url
        self._now = now

    @activity.defn(name=TELL_DISABLED_ENDPOINTS)
    async def tell_disabled_endpoints(self, organization: OrganizationRef) -> Round:
        """Tell everybody of the endpoint that was disabled first. Safe to repeat: nobody is told twice.

        While the vendor is away the messages wait, for three days.
        """
        organization_id = organization.organization_id
        endpoint = await self._notices.next(organization_id)
        if endpoint is None:
            return Round()
        subject, body = subject_of(endpoint), text_of(endpoint, organization_id, base_url=self._base_url)
        pause: float | None = None
        for address in await self._notices.addresses(organization_id):
            ref = await self._notices.message(organization_id, endpoint, address, subject=subject, body=body)
            message = await self._messages.message(ref)
            if message is None or not message.is_open:
                continue
            try:
                await self._tell(ref, message)
            except (ProviderUnavailableError, AbsentError) as away:
                _log.warning("a notice waits", organization_id=organization_id, reason=type(away).__name__)
                pause = max(pause or 0.0, getattr(away, "retry_after_seconds", None) or 0.0)
        if pause is not None:
            return Round(pause_seconds=pause)
        await self._notices.told(organization_id, endpoint)
        return Round(more=True)

    async def _tell(self, ref: MessageRef, message: Message) -> None:
        """Send it, or settle why not. Raises what a later attempt may mend."""
        at = self._now()
        if not self._sender.carries("email"):
            await self._messages.settle(ref, status="off", error="no provider is set", at=at)
        elif message.status != SENDING and at - milliseconds(ref.created_at) > _GIVEN_UP_MS:
            await self._messages.settle(ref, status="failed", error="the provider is away", at=at)
        else:
            await self._sender.deliver(ref, message, kind="integration-disabled", key=f"endpoint/{ref.id}")


def subject_of(endpoint: DisabledEndpoint) -> str:
    """One line."""
    return f"{endpoint.organization_name}: the endpoint {endpoint.name} is disabled"[:200]


def text_of(endpoint: DisabledEndpoint, organization_id: str, *, base_url: str | None) -> str:
    """What happened, what is to be done, and how what was missed comes after all."""
    where = f"{(base_url or '').rstrip('/')}/v1/organizations/{organization_id}/integrations/{endpoint.id}"
    disabled = _told(endpoint.disabled_at)
    if endpoint.reason == "gone":
        why = f"It answered 410 (Gone) at {disabled}, which asks for nothing more to be sent to it."
        since, owed = disabled, "Events from then on are not kept for it."
    else:
        failing = _told(endpoint.failing_since or endpoint.disabled_at)
        since = _told(endpoint.missed_since or endpoint.failing_since or endpoint.disabled_at)
        why = f"Every delivery to it failed since {failing}, for five days or more; it was disabled at {disabled}."
        owed = "What happens while it is disabled is kept for it and not sent."
    to_do = (
        "What to do:\n"
        "1. See that it answers 2xx within 15 seconds; its last answers stand with its deliveries.\n"
        f'2. Enable it: PATCH {where} with {{"enabled": true}}.\n'
        f"3. Have what it missed sent again: POST {where}/replays with\n"
        f'   {{"from": "{since}", "to": "<now>"}}. Each message comes under its former id.'
    )
    happened = f"The endpoint {endpoint.name} of {endpoint.organization_name} is sent nothing more. {why} {owed}"
    return f"{happened}\n\n{to_do}\n\nIntegration: {endpoint.id}\n"


def _told(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
