-- name: outbound_add
-- A call somebody asks us to place, unless the credential asked under this key before.
insert into outbound_calls (organization_id, id, idempotency_key, request_hash, request, assistant_id)
values ($1, $2, $3, $4, $5, $6)
on conflict (organization_id, requested_by, idempotency_key) do nothing
returning id;

-- name: outbound_by_key
-- What the credential $2 asked for under the key $3.
select id, request_hash from outbound_calls where organization_id = $1 and requested_by = $2 and idempotency_key = $3;

-- name: outbound
-- One call that somebody asked for.
select id, status, reason, call_id, request, requested_by, subscription_limits, held_slots, created_at, updated_at,
    provider_status
from outbound_calls
where organization_id = $1 and id = $2;

-- name: outbound_page
-- Calls that somebody asked for, newest first, after ($2, $3) in that order.
select id, status, reason, call_id, request, requested_by, subscription_limits, held_slots, created_at, updated_at
from outbound_calls
where organization_id = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
order by created_at desc, id desc
limit $4;

-- name: callee
-- What it takes to place a call: the assistant $2 and the number $3, if both are the organization's.
select assistant.id, assistant.provider_assistant_id, assistant.config, phone.provider_phone_number_id, phone.number
from assistants as assistant
join phone_numbers as phone on phone.organization_id = assistant.organization_id
where assistant.organization_id = $1 and assistant.id = $2 and phone.id = $3
    and assistant.deleted_at is null and phone.deleted_at is null;

-- name: outbound_lock
-- One question at a time of an organization: each counts those that were asked before it.
select pg_advisory_xact_lock(hashtextextended('call-supervisor outbound ' || $1::uuid::text, 0));

-- name: outbound_ask
-- Ask the owner of $1, of slot $3, by the inbox, whether the call $2 may be placed; tells those that are being placed.
with asked as (
    update outbound_calls set asked_at = $4, updated_at = $4
    where organization_id = $1 and id = $2 and status = 'requested' and asked_at is null
    returning id, assistant_id
), pending as (
    select coalesce(jsonb_agg(jsonb_build_object(
        'name', coalesce(call_id, 'outbound:' || id),
        'assistant_id', assistant_id,
        'since', (extract(epoch from asked_at) * 1000)::bigint
    )), '[]') as calls
    from outbound_calls
    where organization_id = $1 and id <> $2 and asked_at > $4::timestamptz - interval '60 seconds'
        and status in ('requested', 'dialing', 'unknown', 'placed')
)
insert into webhook_inbox (organization_id, provider, event_key, slot, type, facts, occurred_at, received_at)
select $1, 'internal', 'call-requested:' || asked.id, $3, 'call-requested',
    jsonb_build_object('assistant_id', asked.assistant_id, 'pending', pending.calls),
    $4, $4
from asked, pending
returning id, provider, event_key, type, call_id, facts, occurred_at, received_at, apply_sequence, outcome;

-- name: row_outcome
-- What was decided of a request that was applied.
select outcome from webhook_inbox where id = $1 and organization_id = $2;

-- name: outbound_dialing
-- The provider is about to be asked: once, so only from 'requested'.
update outbound_calls set status = 'dialing', updated_at = now()
where organization_id = $1 and id = $2 and status = 'requested'
returning id;

-- name: outbound_settle
-- What came of a call that somebody asked for; what is settled stays so.
update outbound_calls
set status = $3, reason = $4, call_id = $5, provider_status = $6, subscription_limits = $7, held_slots = $8,
    updated_at = now()
where organization_id = $1 and id = $2 and status in ('requested', 'dialing', 'unknown')
returning id;

-- name: outbound_unsettled
-- Calls of which the provider was asked and nothing is known for $1 seconds, the oldest first.
select id, organization_id, asked_at
from outbound_calls
where status in ('dialing', 'unknown') and updated_at < now() - make_interval(secs => $1)
order by asked_at
limit 50;

-- name: outbound_abandon
-- Whoever was to dial these ended before it did: nobody asked the provider.
update outbound_calls
set status = 'failed', reason = 'It was not dialled: the process that was to do it ended.', updated_at = now()
where status = 'requested' and created_at < now() - make_interval(secs => $1)
returning id;
