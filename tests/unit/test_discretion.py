import pytest
from temporalio import activity
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from workflows.activities.discretion import Discretion

SPOKEN = "call me at +15550177099"


class Quoting(ActivityInboundInterceptor):
    """An activity that fails with the words of a caller in its message and in its cause's."""

    def __init__(self) -> None: ...

    async def execute_activity(self, input: ExecuteActivityInput) -> None:  # noqa: A002 - Temporal's name
        raise ValueError(SPOKEN) from KeyError(SPOKEN)


async def test_failures_keep_types_and_lose_words() -> None:
    discreet = Discretion().intercept_activity(Quoting())

    @activity.defn
    async def quoting() -> None:
        await discreet.execute_activity(ExecuteActivityInput(fn=quoting, args=[], executor=None, headers={}))

    with pytest.raises(ApplicationError) as raised:
        await ActivityEnvironment().run(quoting)
    failure = Failure()
    await DataConverter.default.encode_failure(raised.value, failure)
    assert SPOKEN.encode() not in failure.SerializeToString()
    assert failure.application_failure_info.type == "ValueError"
    assert "ValueError from KeyError" in failure.message


async def test_a_failure_raised_from_itself_is_told_once() -> None:
    class Circling(ActivityInboundInterceptor):
        def __init__(self) -> None: ...

        async def execute_activity(self, input: ExecuteActivityInput) -> None:  # noqa: A002 - Temporal's name
            circling = ValueError(SPOKEN)
            raise circling from circling

    discreet = Discretion().intercept_activity(Circling())

    @activity.defn
    async def quoting() -> None:
        await discreet.execute_activity(ExecuteActivityInput(fn=quoting, args=[], executor=None, headers={}))

    with pytest.raises(ApplicationError, match=r": ValueError$"):
        await ActivityEnvironment().run(quoting)
