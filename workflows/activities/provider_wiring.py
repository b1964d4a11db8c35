"""What organizations have at VAPI is looked at by night, and repaired when somebody wants it."""

import structlog
from temporalio import activity

from storage.wiring import WiringStore
from workflows.billing_contracts import OrganizationRef, Round
from workflows.errors import ProviderUnavailableError
from workflows.wiring_contracts import CHECK_WIRING, LIST_WIRED, REPAIR_WIRING, WIRED_PAGE, WiredPage
from workflows.wiring_desk import WiringDesk

_log = structlog.get_logger(__name__)


class ProviderWiring:
    """Activities: the looks of the reconciliation's queue, the repair a duty. All are safe to repeat."""

    def __init__(self, store: WiringStore, desk: WiringDesk) -> None:
        self._store = store
        self._desk = desk

    @activity.defn(name=LIST_WIRED)
    async def list_wired(self, after: str | None) -> WiredPage:
        """A page of the organizations that gave a key of VAPI."""
        found = [*await self._store.organizations(after=after, limit=WIRED_PAGE)]
        return WiredPage(organization_ids=found, more=len(found) == WIRED_PAGE)

    @activity.defn(name=CHECK_WIRING)
    async def check_wiring(self, organization: OrganizationRef) -> bool:
        """Whether all that an organization has at VAPI is as it must be. Raises ProviderUnavailableError."""
        return await self._desk.check(organization.organization_id, beat=activity.heartbeat)

    @activity.defn(name=REPAIR_WIRING)
    async def repair_wiring(self, organization: OrganizationRef) -> Round:
        """Repair what somebody wants repaired; while VAPI is away that waits."""
        try:
            await self._desk.repair(organization.organization_id)
        except ProviderUnavailableError as away:
            _log.warning("a repair waits", organization_id=organization.organization_id, reason=str(away))
            return Round(pause_seconds=away.retry_after_seconds or 0.0)
        return Round()
