-- name: ledger_lock
-- One booking of an organization at a time: what an entry is worth follows from the sum of those before it.
select pg_advisory_xact_lock(hashtextextended('usage ledger of ' || $1::uuid::text, 0));

-- name: ledger_rows_of_call
-- Every accepted row of a call, applied or not: what its owner will make of it.
select id, provider, event_key, type, call_id, facts, occurred_at, received_at, apply_sequence, outcome
from webhook_inbox
where organization_id = $1 and call_id = $2
order by id;

-- name: ledger_account
-- By what an organization is charged, and up to when its periods are closed.
select organization.time_zone, organization.minutes_cap, organization.billing_period_start,
    organization.billing_period_end, coalesce(plan.included_minutes, 0) as included_minutes,
    coalesce(plan.minute_price_micros, 0) as minute_price_micros, coalesce(plan.currency, 'usd') as currency,
    (
        select max(period_end) from billing_events where organization_id = $1 and event = 'period-closed'
    ) as closed_until
from organizations as organization
left join plans as plan on plan.id = organization.plan_id
where organization.id = $1;

-- name: ledger_entries_of_call
-- What a call was charged so far: its last entry, the sum of seconds, and the moment of the charge.
select coalesce(max(entry), 0) as entries, coalesce(sum(seconds), 0)::bigint as seconds,
    min(charged_at) filter (where entry = 1) as charged_at
from usage_ledger
where organization_id = $1 and call_id = $2;

-- name: ledger_seconds
-- The seconds of [$2, $3).
select coalesce(sum(seconds), 0)::bigint from usage_ledger
where organization_id = $1 and charged_at >= $2 and charged_at < $3;

-- name: ledger_add
-- An entry, and the event that tells the payment provider of its seconds, if it has any.
with entry as (
    insert into usage_ledger (
        organization_id, call_id, entry, seconds, amount_micros, currency, reason, charged_at, booked_at
    )
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    returning organization_id, call_id, entry, seconds, booked_at
)
insert into meter_events (organization_id, call_id, entry, identifier, quantity, retry_at)
select organization_id, call_id, entry, $10, seconds, booked_at from entry where seconds <> 0;

-- name: ledger_raise_alert
-- A mark of the period that begins at $2 is reached; nothing when that was noticed before.
insert into usage_alerts (organization_id, period_start, threshold_percent, used_seconds, limit_seconds, raised_at)
values ($1, $2, $3, $4, $5, $6)
on conflict do nothing
returning threshold_percent;
