"""Keeps what was said, and who said it, out of histories: failures leave an activity without their words."""

from typing import Any, NoReturn

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor


class Discretion(Interceptor):
    """Failures of activities reach Temporal with the types of their causes, and without messages or values.

    A driver's message may quote the row it choked on; a client's, the address it called.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - Temporal's name
        return _DiscreetActivity(next)


class _DiscreetActivity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - Temporal's name
        try:
            return await super().execute_activity(input)
        except ApplicationError:
            raise
        except Exception as error:  # noqa: BLE001 - every failure is passed on, under its own type
            _raise_discreet(error)


def _raise_discreet(error: Exception) -> NoReturn:
    chain: list[BaseException] = []
    cause: BaseException | None = error
    # One raised from itself would go round for ever.
    while cause is not None and not any(cause is each for each in chain):
        chain.append(cause)
        cause = cause.__cause__
    kinds = [type(each).__name__ for each in chain]
    told = f"{activity.info().activity_type}: {' from '.join(kinds)}"
    raise ApplicationError(told, type=kinds[0]).with_traceback(error.__traceback__) from None
