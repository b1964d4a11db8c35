"""The nightly look at what organizations have at VAPI, and its repair: names, inputs, results, policies."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from temporalio.common import RetryPolicy

PROVIDER_WIRING_WORKFLOW: Final = "ProviderWiringWorkflow"
LIST_WIRED: Final = "list_wired"
CHECK_WIRING: Final = "check_wiring"
REPAIR_WIRING: Final = "repair_wiring"

WIRING_AT_ONCE: Final = 4
WIRED_PAGE: Final = 100

WIRING_LIST_TIMEOUT: Final = timedelta(seconds=30)
WIRING_TIMEOUT: Final = timedelta(minutes=20)
WIRING_HEARTBEAT: Final = timedelta(minutes=1)
WIRING_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=30), maximum_interval=timedelta(minutes=10), maximum_attempts=5
)
"""Few: what the organization is not told tonight it is told tomorrow, and meanwhile sees that the look failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WiredPage:
    """Organizations that gave a key of VAPI; perhaps there are `more`."""

    organization_ids: list[str]
    more: bool = False
