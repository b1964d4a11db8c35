-- name: journal_profile
-- Settings of an organization that was not deleted; `policy` as actors.domain.policy reads it.
select name, time_zone, jsonb_build_object(
    'concurrency_limit', concurrency_limit,
    -- The day that goes on where the organization is and the one before, whatever its zone: at most 50 hours.
    'limit_changes', private.limits_between(organizations.id, now() - interval '3 days', 'infinity'),
    'campaign_limits', campaign_limits,
    'minutes_cap', minutes_cap,
    'minutes_policy', minutes_policy,
    'extra_minutes', (
        select coalesce(jsonb_object_agg(month, minutes), '{}')
        from (
            select month, sum(minutes) as minutes
            from minute_grants
            where organization_id = organizations.id and month > (now() - interval '40 days')::date
            group by month
        ) as granted
    ),
    'opening_hours', opening_hours,
    'api_rate_limit', api_requests_per_second,
    'wiring_differences', (
        select count(*) from wiring_findings
        where wiring_findings.organization_id = organizations.id and wiring_findings.closed_at is null
    ),
    'assistant_limits', (
        select coalesce(
            jsonb_object_agg(coalesce(assistants.provider_assistant_id, assistants.id::text), assistants.concurrency_limit),
            '{}'
        )
        from assistants
        where assistants.organization_id = organizations.id
            and assistants.deleted_at is null
            and assistants.concurrency_limit is not null
    )
) as policy, alarm_rules.rules as alarm_rules
from organizations
left join alarm_rules on alarm_rules.organization_id = organizations.id
where id = $1 and deleted_at is null;

-- name: journal_last_sequence
-- The greatest apply_sequence of an organization.
select coalesce(max(apply_sequence), 0) as last_sequence
from webhook_inbox
where organization_id = $1 and apply_sequence is not null;

-- name: journal_rows_of_open_calls
-- Applied rows of calls that are not ended, or whose last event is after $2; $3, a little before $2, bounds by our
-- clock how far back the history is searched for the latter.
with recent as (
    select distinct call_id
    from webhook_inbox
    where organization_id = $1
      and apply_sequence > (
          select coalesce(max(apply_sequence), 0)
          from webhook_inbox
          where organization_id = $1 and apply_sequence is not null and applied_at <= $3
      )
      and call_id is not null
), kept as (
    select provider_call_id from calls where organization_id = $1 and status <> 'ended'
    union
    select calls.provider_call_id
    from recent
    join call_keys on call_keys.organization_id = $1 and call_keys.provider_call_id = recent.call_id
    join calls on calls.id = call_keys.id and calls.created_at = call_keys.created_at
    where calls.last_event_at > $2
)
select id, provider, event_key, type, call_id, facts, occurred_at, received_at, apply_sequence, outcome
from webhook_inbox
where organization_id = $1
  and call_id in (select provider_call_id from kept)
  and apply_sequence is not null
order by apply_sequence;

-- name: journal_rows_after
-- Applied rows above a sequence.
select id, provider, event_key, type, call_id, facts, occurred_at, received_at, apply_sequence, outcome
from webhook_inbox
where organization_id = $1 and apply_sequence > $2
order by apply_sequence;

-- name: journal_rows_of_calls
-- The applied history of some calls.
select id, provider, event_key, type, call_id, facts, occurred_at, received_at, apply_sequence, outcome
from webhook_inbox
where organization_id = $1 and call_id = any($2::text[]) and apply_sequence is not null
order by apply_sequence;

-- name: journal_unapplied
-- Rows of an organization not applied yet; its slot is named for the index.
select id, provider, event_key, type, call_id, facts, occurred_at, received_at, apply_sequence, outcome
from webhook_inbox
where slot = $1 and organization_id = $2 and applied_at is null
order by received_at, id
limit $3;

-- name: journal_day
-- What actors.domain.metrics.Measured needs of the calls that concern [$2, $3).
select
    status, direction, report, created_at, queued_at, ringing_at, answered_at, forwarded_at, ended_at, live_from,
    live_until, duration_ms, cost_micros, first_word_at, turn_latencies_ms, silence_ms, tools_called, tools_failed,
    interruptions, webhook_lags_ms, reorders, admission, ended_reason, success_evaluation, reported_at,
    tool_latencies_ms
from private.calls_of_day($1, $2, $3);

-- name: journal_day_events
-- Deliveries beyond the first, and applied repairs, of what was received in [$2, $3).
select
    (
        select coalesce(sum(deliveries - 1), 0)
        from webhook_inbox
        where organization_id = $1 and deliveries > 1 and received_at >= $2 and received_at < $3
            and provider <> 'internal'
    )::bigint as duplicates,
    (
        select count(*)
        from webhook_inbox
        where organization_id = $1 and type = 'state-repaired' and received_at >= $2 and received_at < $3
            and apply_sequence is not null
    ) as repairs;

-- name: journal_month
-- The terms of actors.domain.admission.billable_minutes, summed over calls first seen in [$2, $3).
select coalesce(sum((duration_ms + 59999) / 60000), 0)::bigint as minutes
from calls
where organization_id = $1 and created_at >= $2 and created_at < $3;

-- name: journal_standing
-- The last position and the calls not ended: with the day's sums, what a live state must agree with.
select
    (
        select coalesce(max(apply_sequence), 0)
        from webhook_inbox
        where organization_id = $1 and apply_sequence is not null
    ) as apply_sequence,
    (
        select coalesce(jsonb_object_agg(provider_call_id, jsonb_build_array(status, version)), '{}')
        from calls
        where organization_id = $1 and status <> 'ended'
    ) as open_calls;

-- name: journal_note_repairs
-- Accept what a drift check found, from the slot's owner alone.
with fence as (
    select epoch from slot_owner where slot = $2 and owner = $3 and epoch = $4 for share
), noted as (
    insert into webhook_inbox (organization_id, provider, event_key, slot, call_id, type, facts, received_at)
    select $1, 'internal', told.event_key, $2, told.call_id, 'state-repaired', told.facts, $5
    from unnest($6::text[], $7::text[], $8::jsonb[]) as told (event_key, call_id, facts)
    where exists (select from fence)
    order by told.event_key
    on conflict (organization_id, provider, event_key) do update set deliveries = webhook_inbox.deliveries + 1
    returning id, provider, event_key, type, call_id, facts, occurred_at, received_at, apply_sequence, outcome
)
select fence.epoch, noted.*
from fence
join noted on true
order by noted.id;

-- name: journal_incidents
-- Incidents that are open, ended after $2, are muted until after $3, or are named.
select
    incident_id, rule, metric, severity, threshold, call_id, evidence, opened_at, acknowledged_at, acknowledged_by,
    muted_until, recovered_at, resolved_at, resolved_by
from incidents
where organization_id = $1 and closed_at is null
union all
select
    incident_id, rule, metric, severity, threshold, call_id, evidence, opened_at, acknowledged_at, acknowledged_by,
    muted_until, recovered_at, resolved_at, resolved_by
from incidents
where organization_id = $1
  and closed_at is not null
  -- What mutes was set before its end, for a quarter of an hour: the index finds it by that.
  and closed_at > least($2, $3::timestamptz - interval '15 minutes')
  and (closed_at > $2 or muted_until > $3)
union all
select
    incident_id, rule, metric, severity, threshold, call_id, evidence, opened_at, acknowledged_at, acknowledged_by,
    muted_until, recovered_at, resolved_at, resolved_by
from incidents
where organization_id = $1
  and incident_id = any($4::uuid[])
  and closed_at <= $2
  and (muted_until is null or muted_until <= $3);

-- name: journal_commit
-- A batch, all or nothing in one round trip: each write asks first for the owner's epoch and for every row unmarked.
with told as (
    select * from unnest($5::bigint[], $6::bigint[], $12::text[]) as told (id, apply_sequence, outcome)
), fence as (
    -- Held until the commit, so a claim waits for us or we see its epoch.
    select epoch from slot_owner where slot = $2 and owner = $3 and epoch = $4 for share
), markable as (
    select webhook_inbox.id
    from webhook_inbox
    join told on told.id = webhook_inbox.id
    where webhook_inbox.organization_id = $1
      and webhook_inbox.apply_sequence is null
      and exists (select from fence)
    -- The order of locks in which the inbox takes duplicates: neither can wait for the other in a circle.
    order by webhook_inbox.organization_id, webhook_inbox.provider, webhook_inbox.event_key
    for update of webhook_inbox
), admitted as (
    select $1::uuid as organization_id
    where exists (select from fence) and (select count(*) from markable) = (select count(*) from told)
), marked as (
    update webhook_inbox
    set apply_sequence = told.apply_sequence, applied_at = $7, outcome = told.outcome
    from told, admitted
    where webhook_inbox.id = told.id
), written as (
    select * from jsonb_populate_recordset(null::calls, $8)
), known as (
    select call_keys.provider_call_id, call_keys.created_at
    from written
    join call_keys
        on call_keys.organization_id = $1::uuid and call_keys.provider_call_id = written.provider_call_id
), keyed as (
    insert into call_keys (organization_id, provider_call_id, id, created_at)
    select admitted.organization_id, written.provider_call_id, written.id, written.created_at
    from written, admitted
    on conflict do nothing
), recorded as (
    insert into calls (
        id, created_at, organization_id, provider_call_id, type, direction, status, ended_reason, ended_class,
        fault_owner, assistant_id, assistant_name, phone_number_id, from_number, to_number, customer_name, campaign_id,
        transferred_to, queued_at, ringing_at, answered_at, ended_at, duration_ms, cost_micros, summary,
        success_evaluation, tool_calls, hangs, report, last_event_at, last_event_kind, processed_at, version,
        admission, released_at,
        forwarded_at, live_from, live_until, first_word_at, turn_latencies_ms, silence_ms, tools_called, tools_failed,
        interruptions, webhook_lags_ms, reorders, reported_at, tool_latencies_ms
    )
    select
        written.id, coalesce(known.created_at, written.created_at), admitted.organization_id,
        written.provider_call_id, type, direction, status, ended_reason, ended_class,
        fault_owner, assistant_id, assistant_name, phone_number_id, from_number, to_number, customer_name, campaign_id,
        transferred_to, queued_at, ringing_at, answered_at, ended_at, duration_ms, cost_micros, summary,
        success_evaluation, tool_calls, hangs, report, last_event_at, last_event_kind, processed_at, version,
        admission, released_at,
        forwarded_at, live_from, live_until, first_word_at, turn_latencies_ms, silence_ms, tools_called, tools_failed,
        interruptions, webhook_lags_ms, reorders, reported_at, tool_latencies_ms
    from admitted, written
    left join known on known.provider_call_id = written.provider_call_id
    on conflict (id, created_at) do update set
        type = excluded.type,
        direction = excluded.direction,
        status = excluded.status,
        ended_reason = excluded.ended_reason,
        ended_class = excluded.ended_class,
        fault_owner = excluded.fault_owner,
        assistant_id = excluded.assistant_id,
        assistant_name = excluded.assistant_name,
        phone_number_id = excluded.phone_number_id,
        from_number = excluded.from_number,
        to_number = excluded.to_number,
        customer_name = excluded.customer_name,
        campaign_id = excluded.campaign_id,
        transferred_to = excluded.transferred_to,
        queued_at = excluded.queued_at,
        ringing_at = excluded.ringing_at,
        answered_at = excluded.answered_at,
        ended_at = excluded.ended_at,
        duration_ms = excluded.duration_ms,
        cost_micros = excluded.cost_micros,
        summary = excluded.summary,
        success_evaluation = excluded.success_evaluation,
        tool_calls = excluded.tool_calls,
        hangs = excluded.hangs,
        report = excluded.report,
        last_event_at = excluded.last_event_at,
        last_event_kind = excluded.last_event_kind,
        processed_at = excluded.processed_at,
        version = excluded.version,
        admission = excluded.admission,
        released_at = excluded.released_at,
        forwarded_at = excluded.forwarded_at,
        live_from = excluded.live_from,
        live_until = excluded.live_until,
        first_word_at = excluded.first_word_at,
        turn_latencies_ms = excluded.turn_latencies_ms,
        silence_ms = excluded.silence_ms,
        tools_called = excluded.tools_called,
        tools_failed = excluded.tools_failed,
        interruptions = excluded.interruptions,
        webhook_lags_ms = excluded.webhook_lags_ms,
        reorders = excluded.reorders,
        reported_at = excluded.reported_at,
        tool_latencies_ms = excluded.tool_latencies_ms
), caused as (
    insert into effects (organization_id, call_id, effect, slot, created_at, retry_at)
    select admitted.organization_id, call_id, effect, $2, $7, $11
    from admitted, unnest($9::text[], $10::text[]) as caused (call_id, effect)
    on conflict do nothing
), alarmed as (
    -- A second open incident of one rule and call is refused by the index: the state behind the batch lacks the first.
    insert into incidents (
        organization_id, incident_id, slot, rule, metric, severity, threshold, call_id, evidence, opened_at,
        acknowledged_at, acknowledged_by, muted_until, recovered_at, resolved_at, resolved_by
    )
    select
        admitted.organization_id, incident_id, $2, rule, metric, severity, threshold, call_id, evidence, opened_at,
        acknowledged_at, acknowledged_by, muted_until, recovered_at, resolved_at, resolved_by
    from admitted, jsonb_populate_recordset(null::incidents, $13)
    on conflict (organization_id, incident_id) do update set
        acknowledged_at = excluded.acknowledged_at,
        acknowledged_by = excluded.acknowledged_by,
        muted_until = excluded.muted_until,
        recovered_at = excluded.recovered_at,
        resolved_at = excluded.resolved_at,
        resolved_by = excluded.resolved_by
)
select
    exists (select from fence) as is_owner,
    array(select id from told except select id from markable) as refused;
