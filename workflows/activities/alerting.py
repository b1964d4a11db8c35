"""People are told that a share of the organization's minutes is used: once each, by text message and email."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog
from temporalio import activity

from actors.domain.local_day import local_date
from storage.usage_alerts import PENDING, SENDING, Message, Recipient, UsageAlert, UsageAlerts
from workflows.billing_contracts import TELL_USAGE_ALERTS, OrganizationRef, Round
from workflows.errors import AbsentError, AmbiguousError, ProviderUnavailableError, RefusedError
from workflows.messaging import Messaging
from workflows.vendors.twilio_api import OPTED_OUT, SentMessage

_log = structlog.get_logger(__name__)

_GIVEN_UP_MS: Final = 20 * 3_600_000
"""A warning a day late warns nobody; and Resend remembers an idempotency key no longer."""


class Alerting:
    """An activity of the billing queue. A channel that is None is off: its messages say so."""

    def __init__(self, alerts: UsageAlerts, messaging: Messaging, *, now: Callable[[], int]) -> None:
        self._alerts = alerts
        self._texting = messaging.texting
        self._mailing = messaging.mailing
        self._now = now

    @activity.defn(name=TELL_USAGE_ALERTS)
    async def tell_usage_alerts(self, organization: OrganizationRef) -> Round:
        """Tell everybody who wants to know of the oldest warning. Safe to repeat: nobody is told twice.

        A vendor that is away delays its own channel alone; after a day its messages are given up.
        """
        organization_id = organization.organization_id
        alert = await self._alerts.next(organization_id)
        if alert is None:
            return Round()
        away = False
        for recipient in await self._alerts.recipients(organization_id):
            provider = "twilio" if recipient.channel == "sms" else "resend"
            message = await self._alerts.message(
                organization_id,
                alert,
                recipient,
                provider,
                subject=subject_of(alert) if recipient.channel == "email" else None,
                body=text_of(alert),
            )
            if not message.is_open:
                continue
            try:
                await self._tell(organization_id, alert, recipient, message)
            except (ProviderUnavailableError, AbsentError) as failed:
                _log.warning("a warning waits", organization_id=organization_id, reason=type(failed).__name__)
                away = True
        if away:
            return Round(pause_seconds=0.0)
        await self._alerts.told(organization_id, alert, at=self._now())
        return Round(more=True)

    async def _tell(self, organization_id: str, alert: UsageAlert, recipient: Recipient, message: Message) -> None:
        at = self._now()
        if recipient.suppressed is not None:
            await self._alerts.settle(organization_id, message, status="suppressed", error=recipient.suppressed, at=at)
        elif (recipient.channel == "sms" and self._texting is None) or (
            recipient.channel == "email" and self._mailing is None
        ):
            await self._alerts.settle(organization_id, message, status="off", error="no provider is set", at=at)
        elif at - alert.raised_at > _GIVEN_UP_MS and message.status == PENDING:
            await self._alerts.settle(organization_id, message, status="failed", error="the provider is away", at=at)
        else:
            await self._send(organization_id, alert, recipient, message)

    async def _send(self, organization_id: str, alert: UsageAlert, recipient: Recipient, message: Message) -> None:
        """Raises what a later attempt may mend."""
        at = self._now()
        if message.status != SENDING:
            await self._alerts.attempt(organization_id, message, at=at)
        try:
            if recipient.channel == "sms":
                sent = await self._text(alert, recipient, before=message.status == SENDING)
            else:
                sent = await self._mail(organization_id, alert, recipient, message)
        except RefusedError as refused:
            told, status = refused.code or str(refused), "failed"
            if recipient.channel == "sms" and refused.code == OPTED_OUT:
                await self._alerts.suppress(organization_id, recipient, "opt-out")
                told, status = "opt-out", "suppressed"
            await self._alerts.settle(organization_id, message, status=status, error=told, at=at)
        except AmbiguousError:
            # It stays `sending`: the next attempt looks first, or is known by its key.
            raise
        except (ProviderUnavailableError, AbsentError):
            if message.status != SENDING:
                await self._alerts.settle(organization_id, message, status=PENDING, error=None, at=at)
            raise
        else:
            await self._alerts.sent(organization_id, message, vendor_id=sent.id, status=sent.status, at=at)

    async def _text(self, alert: UsageAlert, recipient: Recipient, *, before: bool) -> SentMessage:
        """`before`: an attempt may have come through, and Twilio knows no key: it is looked for."""
        texting = self._texting
        if texting is None:
            raise RefusedError("no provider is set")
        body = text_of(alert)
        if before:
            since = datetime.fromtimestamp(alert.raised_at / 1000, UTC)
            found = await texting.api.find_sms(to=recipient.address, sender=texting.sender, since=since, body=body)
            if found is not None:
                return found
            if self._now() - alert.raised_at > _GIVEN_UP_MS:
                raise RefusedError("the provider was away")
        return await texting.api.send_sms(
            sender=texting.sender, to=recipient.address, body=body, status_callback=texting.status_callback
        )

    async def _mail(
        self, organization_id: str, alert: UsageAlert, recipient: Recipient, message: Message
    ) -> SentMessage:
        mailing = self._mailing
        if mailing is None or self._now() - alert.raised_at > _GIVEN_UP_MS:
            raise RefusedError("whether it was sent is not known")
        sent = await mailing.api.send_email(
            sender=mailing.sender,
            to=recipient.address,
            subject=subject_of(alert),
            text=text_of(alert),
            idempotency_key=f"usage/{message.id}",
            tags={"organization": organization_id, "kind": "usage"},
        )
        return SentMessage(id=sent, status="sent")


def subject_of(alert: UsageAlert) -> str:
    """One line."""
    return f"{alert.organization_name}: {alert.percent} % of the minutes are used"


def text_of(alert: UsageAlert) -> str:
    """What a warning says; no other of the organization says the same."""
    used, limit = alert.used_seconds / 60, alert.limit_seconds // 60
    since = local_date(alert.period_start, alert.time_zone).isoformat()
    return (
        f"{alert.organization_name}: {alert.percent} % of the {limit} minutes of the period since {since} are used"
        f" ({used:.1f})."
    )
