"""One event on its way to one endpoint, for as many days as that takes."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows.delivery_contracts import (
        ATTEMPT_DELIVERY,
        ATTEMPT_HEARTBEAT,
        ATTEMPT_RETRY,
        ATTEMPT_TIMEOUT,
        DELAYS,
        JITTER,
        SEND_AGAIN,
        WEBHOOK_DELIVERY_WORKFLOW,
        AttemptOrder,
        AttemptReport,
        AttemptResult,
        DeliveryInput,
        shared_fairly,
    )


@workflow.defn(name=WEBHOOK_DELIVERY_WORKFLOW)
class WebhookDeliveryWorkflow:
    """Attempts until Postgres says that nothing is left to send: one activity for each attempt.

    Standing in line at a busy or broken endpoint takes none of the ten attempts. `send_again` begins a new series of
    ten at once; what was delivered is only sent again after a replay made it pending.
    """

    def __init__(self) -> None:
        self._again = False

    @workflow.signal(name=SEND_AGAIN)
    def send_again(self) -> None:
        """Somebody wants it sent now."""
        self._again = True

    @workflow.run
    async def run(self, start: DeliveryInput) -> str:
        """The delivery's last status, for people who look at the workflow; nothing depends on it."""
        made, waited = start.made, start.waited
        while True:
            if self._again:
                self._again, made, waited = False, 0, False
            report = await self._attempt(start, made, waited=waited)
            if self._again:
                continue
            if report.result is AttemptResult.SETTLED:
                return report.status
            waited = report.result is AttemptResult.WAITING
            made += not waited
            await self._wait_until(report.due_at)
            if workflow.info().is_continue_as_new_suggested() and not self._again:
                workflow.continue_as_new(DeliveryInput(delivery=start.delivery, made=made, waited=waited))

    async def _attempt(self, start: DeliveryInput, made: int, *, waited: bool) -> AttemptReport:
        delay = DELAYS[made] if made < len(DELAYS) else None
        jitter = workflow.random().random()
        order = AttemptOrder(
            delivery=start.delivery,
            retry_after_ms=None if delay is None else round(delay.total_seconds() * 1000 * (1 + JITTER * jitter)),
            waited=waited,
            jitter=jitter,
        )
        return await workflow.execute_activity(
            ATTEMPT_DELIVERY,
            order,
            result_type=AttemptReport,
            start_to_close_timeout=ATTEMPT_TIMEOUT,
            heartbeat_timeout=ATTEMPT_HEARTBEAT,
            retry_policy=ATTEMPT_RETRY,
            priority=shared_fairly(start.delivery.organization_id, first=made == 0),
        )

    async def _wait_until(self, due_at: int) -> None:
        timeout = timedelta(milliseconds=due_at) - timedelta(seconds=workflow.now().timestamp())
        if timeout <= timedelta():
            return
        try:
            await workflow.wait_condition(lambda: self._again, timeout=timeout)
        except TimeoutError:
            return
