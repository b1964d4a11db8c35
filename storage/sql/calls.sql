-- name: become_tenant
-- Make the running transaction that of one organization's user: row level security applies from here to its end.
select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true);

-- name: plan_for_arguments
-- Plan each statement of the running transaction from here on for the arguments it has.
select set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: organization_settings
-- The settings of an organization, without its secrets.
select id, name, slug, time_zone, concurrency_limit, tool_url, transfer_destination, handoff_destination, dedicated,
    created_at
from organizations
where id = $1 and deleted_at is null;

-- name: assistants_of_organization
-- The organization's assistants by name, without what is sent to the provider.
select assistant.id, assistant.provider_assistant_id, assistant.name, assistant.created_at,
    coalesce(array_agg(phone.number order by phone.number) filter (where phone.id is not null), '{}') as numbers
from assistants as assistant
left join phone_numbers as phone
    on phone.assistant_id = assistant.id and phone.organization_id = assistant.organization_id
    and phone.deleted_at is null
where assistant.organization_id = $1 and assistant.deleted_at is null
group by assistant.id
order by assistant.name, assistant.id
limit 200;

-- name: webhook_figures
-- What arrived since $2 and when the last of it did, and what still waits to be applied ($3 is the organization's slot)
-- since when.
select arrived.received, arrived.duplicates, arrived.last_received_at, waiting.unapplied, waiting.oldest
from (
    select coalesce(sum(deliveries), 0)::bigint as received, coalesce(sum(deliveries - 1), 0)::bigint as duplicates,
        max(received_at) as last_received_at
    from webhook_inbox
    where organization_id = $1 and received_at >= $2 and provider <> 'internal'
) as arrived, (
    select count(*) as unapplied, min(received_at) as oldest
    from webhook_inbox
    where slot = $3 and organization_id = $1 and applied_at is null
) as waiting;

-- name: limits_between
-- What the organization's limit of calls at once was over [$2, $3), as actors.domain.capacity reads it.
select private.limits_between($1, $2, $3) as limits;

-- name: day_so_far
-- Everything a board shows of the day [$2, $3) in figures: the calls of journal_day, each row with the one of
-- journal_day_events, with the limit of calls at once over the day, and with how many calls are live and waiting now. A
-- day without calls is one row without a status.
select
    events.duplicates, events.repairs, events.limits, now.live, now.waiting,
    status, direction, report, created_at, queued_at, ringing_at, answered_at, forwarded_at, ended_at, live_from,
    live_until, duration_ms, cost_micros, first_word_at, turn_latencies_ms, silence_ms, tools_called, tools_failed,
    interruptions, webhook_lags_ms, reorders, admission, ended_reason, success_evaluation, reported_at,
    tool_latencies_ms
from (
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
        ) as repairs,
        private.limits_between($1, $2, $3) as limits
) as events
cross join (
    select
        count(*) filter (where status in ('ringing', 'in-progress', 'forwarding')) as live,
        count(*) filter (where status in ('queued', 'scheduled')) as waiting
    from calls
    where organization_id = $1 and status <> 'ended' and coalesce(admission, '') not like 'refused:%'
) as now
left join private.calls_of_day($1, $2, $3) as call on true;

-- name: active_calls
-- Calls that have not ended, newest first, each row with how many there are in all.
select calls.*, count(*) over () as total,
    array(
        select tag from call_tags as tagged
        where tagged.organization_id = $1 and tagged.call_id = calls.id
        order by tag
    ) as tags
from calls
where organization_id = $1 and status <> 'ended'
order by created_at desc, id desc
limit $2;

-- name: calls_in_order
-- Calls first seen at or after $2 and, by (time, id), before ($3, $4), newest first; a null limit ($5) ends nothing.
select calls.*,
    array(
        select tag from call_tags as tagged
        where tagged.organization_id = $1 and tagged.call_id = calls.id
        order by tag
    ) as tags
from calls
where organization_id = $1
    and created_at >= $2
    and created_at <= $3
    and (created_at, id) < ($3, $4::uuid)
order by created_at desc, id desc
limit $5;

-- name: calls_page
-- Those of `calls_in_order` that filters let through, each null to filter nothing. To be planned for its arguments: a plan
-- for whatever may be asked prepares every filter in every month.
select calls.*,
    array(
        select tag from call_tags as tagged
        where tagged.organization_id = $1 and tagged.call_id = calls.id
        order by tag
    ) as tags
from calls
where organization_id = $1
    and created_at >= $2
    and created_at <= $3
    and (created_at, id) < ($3, $4::uuid)
    and ($6::text is null or status = $6)
    and ($7::text is null or assistant_id = $7)
    and ($8::text is null or direction = $8)
    and ($9::text is null or from_number = $9 or to_number = $9)
    and ($10::text is null or ended_class = $10)
    and ($11::text is null or ended_reason = $11)
    and ($12::text is null or fault_owner = $12)
    and ($13::bigint is null or duration_ms >= $13)
    and ($14::bigint is null or duration_ms <= $14)
    and ($15::text is null or campaign_id = $15)
    -- $18 are calls whose recording is known elsewhere.
    and ($16::boolean is null or $16 = (
        ($18::uuid[] is not null and id = any ($18))
        or exists (
            select from call_recordings as recording
            where recording.organization_id = $1 and recording.call_id = calls.id
                and recording.call_created_at = calls.created_at
        )
    ))
    and ($17::boolean is null or $17 = exists (
        select from incidents
        where incidents.organization_id = $1 and incidents.call_id = calls.provider_call_id
    ))
    -- Gathered once, by the index of tags: with each call asked for in turn, all of the range would be gone through. Where
    -- nothing else narrows, the page is of the first of them, those that are archived with the rest.
    and ($19::text is null or id = any (array(
        select tagged.call_id from call_tags as tagged
        where tagged.organization_id = $1 and tagged.tag = $19
            and tagged.call_created_at >= $2 and tagged.call_created_at <= $3
            and (tagged.call_created_at, tagged.call_id) < ($3, $4::uuid)
        order by tagged.call_created_at desc, tagged.call_id desc
        limit case
            when num_nonnulls(
                $6::text, $7::text, $8::text, $9::text, $10::text, $11::text, $12::text, $13::bigint, $14::bigint,
                $15::text, $16::boolean, $17::boolean, $20::uuid[]
            ) = 0 then $5::bigint
        end
    )))
    and ($20::uuid[] is null or id = any ($20))
order by created_at desc, id desc
limit $5;

-- name: calls_said
-- At most $7 calls first seen in [$3, $4) in whose transcript the words $2 occur, newest first, after ($5, $6).
select call_id, call_created_at from private.search_calls($1, $2, $3, $4, $5, $6::uuid, $7::integer);

-- name: calls_highlighted
-- Where the words $2 occur in the transcripts of these calls: fragments parted by U+0001, words between U+0002 and U+0003.
select said.call_id, ts_headline(
    'simple',
    translate(left(said.transcript_text, 100000), U&'\0001\0002\0003', ''),
    websearch_to_tsquery('simple', $2),
    U&'StartSel=\0002, StopSel=\0003, FragmentDelimiter=\0001, MaxFragments=3, MaxWords=24, MinWords=8'
) as marked
from unnest($3::uuid[], $4::timestamptz[]) as page (id, created_at)
join call_transcripts as said
    on said.call_id = page.id and said.call_created_at = page.created_at and said.organization_id = $1;

-- name: calls_among
-- Which of some calls, told by id and first sight, are here.
select calls.id
from unnest($2::uuid[], $3::timestamptz[]) as told (id, created_at)
-- One by one, each in its own month: joined at once, all calls of the organization would be gone through.
cross join lateral (
    select id from calls
    where calls.id = told.id and calls.created_at = told.created_at and calls.organization_id = $1
    limit 1
) as calls;

-- name: call_key
-- Where the call with the provider's id is kept.
select id, created_at from call_keys where organization_id = $1 and provider_call_id = $2;

-- name: call
-- One call with its transcript, costs and recording, as far as they are known.
select calls.*, transcript.transcript_text, transcript.messages, transcript.analysis, costs.breakdown,
    recording.path, recording.bytes, recording.sha256, recording.content_type,
    array(
        select tag from call_tags as tagged
        where tagged.organization_id = $1 and tagged.call_id = calls.id
        order by tag
    ) as tags
from calls
left join call_transcripts as transcript
    on transcript.call_id = $2 and transcript.call_created_at = $3 and transcript.organization_id = $1
left join call_costs as costs
    on costs.call_id = $2 and costs.call_created_at = $3 and costs.organization_id = $1
left join call_recordings as recording
    on recording.call_id = $2 and recording.call_created_at = $3 and recording.organization_id = $1
where calls.organization_id = $1 and calls.id = $2 and calls.created_at = $3;

-- name: actions_of_call
-- The call's action items in order.
select text, source from call_actions
where organization_id = $1 and call_id = $2 and call_created_at = $3
order by position;

-- name: notes_on_call
-- What people wrote down about the call, oldest first.
select id, author, text, created_at from call_notes
where organization_id = $1 and call_id = $2 and call_created_at = $3
order by created_at, id
limit 500;

-- name: timeline_of_call
-- Everything that arrived about the call, in order of arrival; facts only, never bodies.
select provider, type, facts, occurred_at, received_at, deliveries, applied_at
from webhook_inbox
where organization_id = $1 and call_id = $2
order by received_at, id
limit $3;

-- name: recording_of_call
-- Where the call's recording lies and what it is.
select path, bytes, sha256, content_type from call_recordings
where organization_id = $1 and call_id = $2 and call_created_at = $3;
