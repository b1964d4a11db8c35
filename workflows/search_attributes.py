"""What operators find call processing by in Temporal: where it stands, what it waits for, what failed.

They must be registered with the namespace before a workflow sets one: our own servers take them from any worker,
Temporal Cloud by its console (then TEMPORAL_SEARCH_ATTRIBUTES=true says that they are there).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog
from temporalio import workflow
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError

_log = structlog.get_logger(__name__)

CALL_STAGE: Final = SearchAttributeKey.for_keyword("CallStage")
CALL_PENDING_STEPS: Final = SearchAttributeKey.for_keyword_list("CallPendingSteps")
CALL_FAILED_STEPS: Final = SearchAttributeKey.for_keyword_list("CallFailedSteps")

_TYPES: Final = {
    CALL_STAGE.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    CALL_PENDING_STEPS.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    CALL_FAILED_STEPS.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
}
_RPC_TIMEOUT: Final = timedelta(seconds=10)


def upsert(stage: str, pending: Sequence[str], failed: Sequence[str]) -> None:
    """Set the attributes of a call's processing, within its workflow."""
    workflow.upsert_search_attributes(  # pyright: ignore[reportUnknownMemberType] - an update's value is not told
        [
            CALL_STAGE.value_set(stage),
            CALL_PENDING_STEPS.value_set(pending),
            CALL_FAILED_STEPS.value_set(failed),
        ]
    )


async def register_search_attributes(client: Client) -> bool:
    """Have the namespace know them; whether it does. Safe to repeat. A server that does not let us is no error."""
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=_TYPES)
    try:
        await client.operator_service.add_search_attributes(request, timeout=_RPC_TIMEOUT)
    except RPCError as refused:
        _log.warning("search attributes are not registered", reason=refused.status.name)
        return False
    return True
