-- What the figures of outcomes need: when a call's report came, how long its tools took, and the sums of a closed day.
-- Locks: calls and daily_usage for a moment, exclusively; then rows of the calls of two days while they are rewritten.

-- migrate:up
alter table calls
    -- By our clock, the first report.
    add column reported_at timestamptz,
    -- As the report tells; null until one does.
    add column tool_latencies_ms integer[];
alter table daily_usage
    add column attempted bigint not null default 0,
    add column connected bigint not null default 0,
    add column voicemails bigint not null default 0,
    add column concluded bigint not null default 0,
    add column contained bigint not null default 0,
    add column evaluated bigint not null default 0,
    add column succeeded bigint not null default 0,
    -- {"least ms of the bucket": count}
    add column report_delay_ms jsonb not null default '{}',
    add column tool_latency_ms jsonb not null default '{}';
-- Of the days that are not closed, so that they are what owners count from the inbox. Closed ones stay as they were kept.
update calls
set reported_at = first.at
from (
    select organization_id, call_id, min(received_at) as at
    from webhook_inbox
    where type in ('end-of-call-report', 'call-end') and apply_sequence is not null
        and received_at >= now() - interval '3 days'
    group by organization_id, call_id
) as first
where calls.organization_id = first.organization_id and calls.provider_call_id = first.call_id
    and calls.created_at >= now() - interval '3 days';

-- migrate:down
