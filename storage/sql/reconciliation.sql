-- name: provider_keys_of_all
-- Every organization's sealed key of a provider.
select provider_keys.organization_id, provider_keys.sealed
from provider_keys
join organizations on organizations.id = provider_keys.organization_id
where provider_keys.provider = $1 and organizations.deleted_at is null
order by provider_keys.organization_id;

-- name: reconciled_to
-- Up to when each of these organizations is reconciled; none that never was.
select organization_id, reconciled_to from reconciliations where organization_id = any ($1::uuid[]);

-- name: note_reconciled
-- An organization is reconciled up to $2, with $3 repairs at $4. Never falls back.
insert into reconciliations as held (organization_id, reconciled_to, attempted_at, repairs, repaired_at)
values ($1, $2, $4::timestamptz, $3::bigint, case when $3::bigint > 0 then $4::timestamptz end)
on conflict (organization_id) do update
set reconciled_to = greatest(held.reconciled_to, excluded.reconciled_to),
    attempted_at = excluded.attempted_at,
    error = null,
    failing_since = null,
    repairs = held.repairs + excluded.repairs,
    repaired_at = coalesce(excluded.repaired_at, held.repaired_at);

-- name: note_reconciliation_failed
-- An attempt at $3 failed for the reason $4 after $5 repairs; $2 is where an organization stands that stood nowhere yet.
insert into reconciliations as held (
    organization_id, reconciled_to, attempted_at, error, failing_since, repairs, repaired_at
)
values ($1, $2, $3::timestamptz, $4, $3::timestamptz, $5::bigint, case when $5::bigint > 0 then $3::timestamptz end)
on conflict (organization_id) do update
set attempted_at = excluded.attempted_at,
    error = excluded.error,
    failing_since = coalesce(held.failing_since, excluded.failing_since),
    repairs = held.repairs + excluded.repairs,
    repaired_at = coalesce(excluded.repaired_at, held.repaired_at);

-- name: told_of_calls
-- What the inbox was told of these calls, applied or not, and what the calls say by now.
select
    inbox.organization_id,
    inbox.call_id,
    array_agg(distinct inbox.facts ->> 'status') filter (where inbox.facts ->> 'status' is not null) as statuses,
    bool_or(inbox.type in ('end-of-call-report', 'call-end')) as is_reported,
    calls.status,
    calls.ended_reason,
    calls.duration_ms,
    calls.cost_micros
from webhook_inbox as inbox
left join call_keys
    on call_keys.organization_id = inbox.organization_id and call_keys.provider_call_id = inbox.call_id
left join calls
    on calls.organization_id = call_keys.organization_id
    and calls.id = call_keys.id
    and calls.created_at = call_keys.created_at
where inbox.organization_id = any ($1::uuid[]) and inbox.call_id = any ($2::text[])
group by inbox.organization_id, inbox.call_id, calls.status, calls.ended_reason, calls.duration_ms, calls.cost_micros;

-- name: owners_of_lines
-- Whose assistants and numbers these are: registered, or seen in a call of the organization since $4.
select organization_id, provider_assistant_id as line
from assistants
where organization_id = any ($1::uuid[]) and provider_assistant_id = any ($2::text[])
union
select organization_id, provider_phone_number_id
from phone_numbers
where organization_id = any ($1::uuid[]) and provider_phone_number_id = any ($3::text[])
union
select organization.id, line.assistant_id
from unnest($1::uuid[]) as organization (id)
cross join unnest($2::text[]) as line (assistant_id)
where exists (
    select from calls
    where calls.assistant_id = line.assistant_id and calls.organization_id = organization.id and calls.created_at > $4
);

-- name: open_calls_of
-- At most $4 calls of these organizations that go on for all we know, first seen since $2, silent since $3.
select organization_id, provider_call_id
from calls
where organization_id = any ($1::uuid[]) and status <> 'ended' and created_at > $2 and last_event_at < $3
order by last_event_at
limit $4;

-- name: reconciliation
-- How far the organization's calls were held against what the provider keeps.
select reconciled_to, attempted_at, error, failing_since, repairs, repaired_at
from reconciliations
where organization_id = $1;

-- name: repairs_page
-- What reconciliation brought in during [$4, $5), newest first, after ($2, $3) in that order.
select
    id, call_id, facts #>> '{details,repair}' as repair, type, occurred_at, received_at, received_at as created_at,
    applied_at
from webhook_inbox
where organization_id = $1 and provider = 'internal' and facts #>> '{details,repair}' is not null
    and received_at >= $4 and received_at < $5
    and ($2::timestamptz is null or (received_at, id) < ($2, $3::bigint))
order by received_at desc, id desc
limit $6;

-- name: repairs_by_kind
-- How much of each kind reconciliation brought in during [$2, $3).
select facts #>> '{details,repair}' as repair, count(*) as count
from webhook_inbox
where organization_id = $1 and provider = 'internal' and facts #>> '{details,repair}' is not null
    and received_at >= $2 and received_at < $3
group by 1
order by 1;
