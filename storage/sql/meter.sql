-- name: meter_organizations
-- Organizations of whose usage the payment provider is to be told now, or asked what became of it.
select id as organization_id
from organizations
where stripe_customer_id is not null and deleted_at is null
    and exists (
        select from meter_events
        where organization_id = organizations.id and settled_at is null and status = 'pending' and retry_at <= $1
    )
order by id;

-- name: meter_account
-- As whom the payment provider knows an organization, and the price that its usage is metered by.
select organization.stripe_customer_id as customer, plan.stripe_metered_price_id as price
from organizations as organization
join plans as plan on plan.id = organization.plan_id
where organization.id = $1 and organization.stripe_customer_id is not null
    and plan.stripe_metered_price_id is not null;

-- name: meter_due
-- At most $3 events to send at $2, the longest due first.
select event.call_id, event.entry, event.identifier, event.quantity, event.attempts, event.sent_at, entry.charged_at
from meter_events as event
join usage_ledger as entry using (organization_id, call_id, entry)
where event.organization_id = $1 and event.settled_at is null and event.status = 'pending' and event.retry_at <= $2
    and (event.sent_at is null or event.sent_at > $4)
order by event.retry_at, event.call_id, event.entry
limit $3;

-- name: meter_begin
-- An attempt is about to be made: whatever happens now, the event may be at the provider from $4 on.
update meter_events
set attempts = attempts + 1, sent_at = coalesce(sent_at, $4)
where organization_id = $1 and call_id = $2 and entry = $3 and status = 'pending'
    and (sent_at is null or sent_at > $5)
returning true;

-- name: meter_sent
-- The provider has it. It is not due again: the comparison settles it.
update meter_events set status = 'sent', error = null, retry_at = 'infinity'
where organization_id = $1 and call_id = $2 and entry = $3 and status = 'pending';

-- name: meter_delay
-- The attempt failed; the next is not before $4. Unless the provider may have it ($6), `sent_at` goes back to $7.
update meter_events set retry_at = $4, error = $5, sent_at = case when $6::boolean then sent_at else $7 end
where organization_id = $1 and call_id = $2 and entry = $3 and status = 'pending';

-- name: meter_refuse
-- The provider will never take it.
update meter_events set status = 'refused', error = $4, settled_at = $5
where organization_id = $1 and call_id = $2 and entry = $3 and settled_at is null;

-- name: meter_refuse_told
-- The provider tells later that it did not take an event.
update meter_events set status = 'refused', error = $3, settled_at = $4
where organization_id = $1 and identifier = $2 and status in ('pending', 'sent', 'confirmed');

-- name: meter_unconfirmed
-- Events that the provider may have since before $2 and never confirmed, by the minute they count in, the oldest first.
-- Not while another of that minute may yet be sent again.
select date_trunc('minute', entry.charged_at) as minute, sum(event.quantity)::bigint as quantity,
    array_agg(event.call_id order by event.call_id, event.entry) as call_ids,
    array_agg(event.entry order by event.call_id, event.entry) as entries
from meter_events as event
join usage_ledger as entry using (organization_id, call_id, entry)
where event.organization_id = $1 and event.settled_at is null and event.status = 'pending' and event.sent_at is not null
group by minute
having max(event.sent_at) <= $2
order by minute
limit $3;

-- name: meter_sums
-- Of the seconds charged in [$2, $3): all, those the provider has, those it is not told of yet, those it will not have;
-- and how many events were first sent after $4.
select
    coalesce(sum(entry.seconds), 0)::bigint as charged,
    coalesce(sum(event.quantity) filter (
        where event.status in ('sent', 'confirmed') or event.status = 'compared' and event.error is null
    ), 0)::bigint as told,
    coalesce(sum(event.quantity) filter (where event.status = 'pending'), 0)::bigint as pending,
    coalesce(sum(event.quantity) filter (
        where event.status = 'refused' or event.status = 'compared' and event.error is not null
    ), 0)::bigint as refused,
    count(*) filter (where event.sent_at > $4) as fresh
from usage_ledger as entry
left join meter_events as event using (organization_id, call_id, entry)
where entry.organization_id = $1 and entry.charged_at >= $2 and entry.charged_at < $3;

-- name: meter_compare
-- What the provider's sum says of events it never confirmed: $5 is null where it has them.
update meter_events set status = 'compared', error = $5, settled_at = $4
from unnest($2::text[], $3::integer[]) as told (call_id, entry)
where meter_events.organization_id = $1 and meter_events.call_id = told.call_id and meter_events.entry = told.entry
    and meter_events.status = 'pending';

-- name: meter_confirm
-- The provider's sum of [$2, $3) agrees: what was sent of it has arrived.
update meter_events set status = 'confirmed', settled_at = $4
from usage_ledger as entry
where meter_events.organization_id = $1 and meter_events.status = 'sent'
    and entry.organization_id = $1 and entry.call_id = meter_events.call_id and entry.entry = meter_events.entry
    and entry.charged_at >= $2 and entry.charged_at < $3;

-- name: meter_send_again
-- By an operator's word ($3, $4), which is noted, what the provider lacks of a call is sent once more under its identifier.
with again as (
    update meter_events
    set status = 'pending', error = null, settled_at = null, sent_at = null, attempts = 0, retry_at = now()
    where organization_id = $1 and call_id = $2 and (status = 'refused' or status = 'compared' and error is not null)
    returning organization_id, entry, identifier, quantity
), noted as (
    insert into audit_log (organization_id, actor, action, target, reason, result)
    select organization_id, $3, 'meter-event-sent-again', identifier, $4, quantity || ' seconds are due' from again
)
select identifier, quantity from again order by entry;
