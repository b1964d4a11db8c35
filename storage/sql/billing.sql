-- name: billing_stripe_organizations
-- Organizations of whom the payment provider told something that nobody read yet.
select distinct inbox.organization_id
from webhook_inbox as inbox
where inbox.provider = 'stripe'
    and not exists (
        select from billing_events as event
        where event.organization_id = inbox.organization_id and event.event_key = 'stripe:' || inbox.event_key
    );

-- name: billing_stripe_rows
-- At most $2 of what the payment provider told and nobody read yet, the oldest first.
select inbox.event_key, inbox.type, inbox.facts, coalesce(inbox.occurred_at, inbox.received_at) as occurred_at,
    body.packed
from webhook_inbox as inbox
left join webhook_bodies as body
    on body.inbox_id = inbox.id and body.received_at = inbox.received_at
    and body.organization_id = inbox.organization_id
where inbox.provider = 'stripe' and inbox.organization_id = $1
    and not exists (
        select from billing_events as event
        where event.organization_id = $1 and event.event_key = 'stripe:' || inbox.event_key
    )
order by inbox.received_at, inbox.id
limit $2;

-- name: billing_account
-- As whom the payment provider knows an organization, what it subscribed to, and the prices of its plan.
select organization.name, organization.billing_email, organization.stripe_customer_id as customer,
    organization.stripe_subscription_id as subscription, organization.subscription_status as status,
    organization.billing_period_start as period_start, organization.billing_period_end as period_end,
    organization.time_zone, organization.plan_id, coalesce(plan.included_minutes, 0) as included_minutes, plan.currency
from organizations as organization
left join plans as plan on plan.id = organization.plan_id
where organization.id = $1 and organization.deleted_at is null;

-- name: billing_lock
-- Let no other change of the organization's account in until the transaction is over.
select true from organizations where id = $1 for no key update;

-- name: billing_subscribe
-- What the payment provider says of the subscription now.
update organizations
set stripe_customer_id = coalesce($2, stripe_customer_id), stripe_subscription_id = $3, subscription_status = $4,
    stripe_subscription_item_id = $5, billing_period_start = $6, billing_period_end = $7
where id = $1;

-- name: billing_lose
-- The payment provider has no such subscription: the organization's status is $3 from here on; no row where it was.
update organizations set subscription_status = $3
where id = $1 and stripe_subscription_id = $2 and subscription_status is distinct from $3
returning true;

-- name: billing_note
-- Something happened to the account; nothing when it is noted already.
insert into billing_events (
    organization_id, event, event_key, occurred_at, period_start, period_end, seconds, amount_micros, currency, details
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (organization_id, event_key) do nothing
returning true;

-- name: billing_due_cycles
-- Organizations whose period is over at $1, or was and is not closed yet. In the statuses $2 none follows.
select id as organization_id
from organizations
where deleted_at is null and stripe_subscription_id is not null
    and (
        billing_period_end <= $1 and (
            not coalesce(subscription_status = any ($2::text[]), false)
            -- The last one of a subscription that ended is followed by no other.
            or not exists (
                select from billing_events as closed
                where closed.organization_id = organizations.id and closed.event = 'period-closed'
                    and closed.period_start = organizations.billing_period_start
            )
        )
        or exists (
            select from billing_events as reset
            where reset.organization_id = organizations.id and reset.event = 'period-reset'
                and not exists (
                    select from billing_events as closed
                    where closed.organization_id = reset.organization_id and closed.event = 'period-closed'
                        and closed.period_start = reset.period_start
                )
        )
    )
order by id;

-- name: billing_open_period
-- The oldest period that is over and not closed.
select reset.period_start, reset.period_end
from billing_events as reset
where reset.organization_id = $1 and reset.event = 'period-reset'
    and not exists (
        select from billing_events as closed
        where closed.organization_id = $1 and closed.event = 'period-closed' and closed.period_start = reset.period_start
    )
order by reset.period_start
limit 1;

-- name: billing_period_sums
-- What was charged in [$2, $3), and of it what the payment provider was not told.
select coalesce(sum(entry.seconds), 0)::bigint as seconds, coalesce(sum(entry.amount_micros), 0)::bigint as amount_micros,
    coalesce(sum(event.quantity) filter (where event.status in ('pending', 'refused')), 0)::bigint as untold
from usage_ledger as entry
left join meter_events as event using (organization_id, call_id, entry)
where entry.organization_id = $1 and entry.charged_at >= $2 and entry.charged_at < $3;

-- name: billing_metered
-- At most $2 organizations that the payment provider meters, after $1.
select id as organization_id
from organizations
where deleted_at is null and stripe_customer_id is not null and ($1::uuid is null or id > $1)
order by id
limit $2;

-- name: billing_events_page
-- What happened to the account, newest first, below the id $2.
select id, event, occurred_at, period_start, period_end, seconds, amount_micros, currency, details
from billing_events
where organization_id = $1 and ($2::bigint is null or id < $2)
order by id desc
limit $3;

-- name: billing_plan_prices
-- A plan that is offered, and its prices at the payment provider.
select id, stripe_price_id as price, stripe_metered_price_id as metered_price
from plans
where id = $2 and is_active and exists (select from organizations where organizations.id = $1);
