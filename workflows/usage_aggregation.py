"""Each day that ended is added up, at two in the morning where its organization is."""

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows.billing_contracts import (
        AGGREGATE_DAYS,
        DUTY_RETRY,
        USAGE_AGGREGATION_WORKFLOW,
        Aggregated,
        AggregationSpan,
    )

_PAGES = 200
_TIMEOUT = timedelta(minutes=5)
_HEARTBEAT = timedelta(minutes=1)


@workflow.defn(name=USAGE_AGGREGATION_WORKFLOW)
class UsageAggregationWorkflow:
    """Without a range it takes what is due by now, run by a schedule; with one it adds those days up anew."""

    @workflow.run
    async def run(self, span: AggregationSpan | None = None) -> int:
        """How many days were added up (by this run, since it last continued as new)."""
        left = span or AggregationSpan()
        days = pages = 0
        while True:
            done = await workflow.execute_activity(
                AGGREGATE_DAYS,
                left,
                result_type=Aggregated,
                start_to_close_timeout=_TIMEOUT,
                heartbeat_timeout=_HEARTBEAT,
                retry_policy=DUTY_RETRY,
            )
            days += done.days
            if not done.more:
                return days
            left = replace(left, after_organization=done.after_organization, after=done.after)
            pages += 1
            if pages == _PAGES:
                workflow.continue_as_new(left)
