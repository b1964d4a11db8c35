"""Who has something coming that nobody was told of: after a crash, an outage, or a pause."""

from collections.abc import Callable

from temporalio import activity

from storage.billing import Billing
from storage.endpoint_notices import EndpointNotices
from storage.meter import MeterOutbox
from storage.resends import Resends
from storage.usage_alerts import UsageAlerts
from storage.wiring import WiringStore
from workflows.activities.account_events import MeterErrorReports
from workflows.billing_contracts import (
    APPLY_STRIPE_EVENTS,
    RESEND_MESSAGES,
    SEND_METER_EVENTS,
    SWEEP_DUTIES,
    TELL_DISABLED_ENDPOINTS,
    TELL_USAGE_ALERTS,
)
from workflows.duty_nudges import DutyNudges
from workflows.wiring_contracts import REPAIR_WIRING

_REPAIRED_AT_ONCE_MS = 30_000
"""Whoever asks for a repair makes it: what is younger is under way there."""


class DutySweep:
    """An activity of the billing queue."""

    def __init__(
        self,
        nudges: DutyNudges,
        *,
        outbox: MeterOutbox,
        alerts: UsageAlerts,
        billing: Billing,
        notices: EndpointNotices,
        wired: WiringStore,
        resends: Resends,
        reports: MeterErrorReports,
        now: Callable[[], int],
    ) -> None:
        self._outbox = outbox
        self._alerts = alerts
        self._billing = billing
        self._notices = notices
        self._wired = wired
        self._resends = resends
        self._reports = reports
        self._nudges = nudges
        self._now = now

    @activity.defn(name=SWEEP_DUTIES)
    async def sweep_duties(self) -> None:
        """Have every duty done that is due. Safe to repeat.

        Last what is no one organization's: reports of the account, so that a slow Stripe holds up nothing else.
        """
        for organization_id in await self._outbox.organizations(at=self._now()):
            self._nudges.nudge(organization_id, SEND_METER_EVENTS)
        for organization_id in await self._alerts.organizations():
            self._nudges.nudge(organization_id, TELL_USAGE_ALERTS)
        for organization_id in await self._billing.told_organizations():
            self._nudges.nudge(organization_id, APPLY_STRIPE_EVENTS)
        for organization_id in await self._notices.organizations():
            self._nudges.nudge(organization_id, TELL_DISABLED_ENDPOINTS)
        for organization_id in await self._resends.organizations(at=self._now()):
            self._nudges.nudge(organization_id, RESEND_MESSAGES)
        asked_before = self._now() - _REPAIRED_AT_ONCE_MS
        for organization_id in await self._wired.repair_organizations(asked_before=asked_before):
            self._nudges.nudge(organization_id, REPAIR_WIRING)
        await self._reports.read()
