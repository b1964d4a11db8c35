"""Steps that touch Postgres alone, run where their workflow runs: until Postgres is back."""

from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows.contracts import POSTGRES_RETRY, POSTGRES_TIMEOUT

Answer = TypeVar("Answer")


async def run_local(activity: str, argument: object) -> None:
    """Run a step. Raises ApplicationError, as it is, when no further try can help."""
    await workflow.execute_local_activity(
        activity, argument, start_to_close_timeout=POSTGRES_TIMEOUT, retry_policy=POSTGRES_RETRY
    )


async def ask_local(activity: str, argument: object, answers: type[Answer]) -> Answer:
    """Run a step that answers. Raises as `run_local` does."""
    return await workflow.execute_local_activity(
        activity,
        argument,
        result_type=answers,
        start_to_close_timeout=POSTGRES_TIMEOUT,
        retry_policy=POSTGRES_RETRY,
    )
