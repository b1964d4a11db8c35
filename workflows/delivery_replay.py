"""Deliveries of a time range are sent again, page by page."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows.delivery_contracts import (
        ATTEMPT_RETRY,
        DELIVERY_REPLAY_WORKFLOW,
        REPLAY_DONE,
        REPLAY_PAGE,
        REPLAY_TIMEOUT,
        ReplayPosition,
        shared_fairly,
    )


@workflow.defn(name=DELIVERY_REPLAY_WORKFLOW)
class DeliveryReplayWorkflow:
    """Carries out one request of `delivery_replays`. Each page is safe to repeat, so that it is sent again once."""

    @workflow.run
    async def run(self, start: ReplayPosition) -> int:
        """How many deliveries were sent again."""
        position = start
        while not position.finished:
            position = await self._act(REPLAY_PAGE, position)
            if workflow.info().is_continue_as_new_suggested() and not position.finished:
                workflow.continue_as_new(position)
        await self._act(REPLAY_DONE, position)
        return position.deliveries

    async def _act(self, activity: str, position: ReplayPosition) -> ReplayPosition:
        return await workflow.execute_activity(
            activity,
            position,
            result_type=ReplayPosition,
            start_to_close_timeout=REPLAY_TIMEOUT,
            retry_policy=ATTEMPT_RETRY,
            priority=shared_fairly(position.replay.organization_id, first=False),
        )
