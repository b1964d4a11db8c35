-- name: integrations_page
-- The organization's integrations, newest first, after ($2, $3) in that order.
select id, name, url, events, previous_secret_expires_at, failing_since, missed_since, disabled_at, disabled_reason,
    created_at, updated_at
from integrations
where organization_id = $1 and deleted_at is null
    and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
order by created_at desc, id desc
limit $4;

-- name: integration
-- One integration.
select id, name, url, events, previous_secret_expires_at, failing_since, missed_since, disabled_at, disabled_reason,
    created_at, updated_at
from integrations
where organization_id = $1 and id = $2 and deleted_at is null;

-- name: integration_health_of_all
-- How each of the organization's integrations fares that was ever tried; at most $2.
select health.integration_id, health.consecutive_failures, health.open_until, health.probing
from integration_health as health
join integrations
    on integrations.id = health.integration_id and integrations.organization_id = health.organization_id
    and integrations.deleted_at is null
where health.organization_id = $1
order by integrations.created_at desc, integrations.id desc
limit $2;

-- name: integration_lock
-- Let nobody else change the integration until the transaction is over.
select id from integrations where organization_id = $1 and id = $2 and deleted_at is null for no key update;

-- name: integration_add
-- A new integration with its sealed signing secret.
insert into integrations (organization_id, id, name, url, events, sealed_secret)
values ($1, $2, $3, $4, $5, $6)
returning id;

-- name: integration_change
-- Replace what can be changed of an integration; enabling it ($6) forgets that it failed.
update integrations
set name = $3, url = $4, events = $5, updated_at = now(),
    failing_since = case when $6 then null else failing_since end,
    disabled_at = case when $6 then null else coalesce(disabled_at, now()) end,
    disabled_reason = case when $6 then null else coalesce(disabled_reason, 'manual') end
where organization_id = $1 and id = $2 and deleted_at is null
returning id;

-- name: integration_rotate
-- Give the integration another signing secret; the former lives until $4.
select private.rotate_integration_secret($1, $2, $3, $4) as rotated;

-- name: integration_remove
-- Take an integration away; its deliveries stay readable.
update integrations set deleted_at = now(), updated_at = now()
where organization_id = $1 and id = $2 and deleted_at is null
returning id;

-- name: deliveries_page
-- Deliveries made in [$4, $5), of an integration, a status and a call if told, newest first, after ($2, $3) in that order,
-- each with its last attempt. To be planned for its arguments.
select page.*, last.attempted_at as last_attempt_at, last.response_status as last_response_status,
    last.error as last_error
from (
    select id, integration_id, event, call_id, status, attempts, next_attempt_at, settled_at, created_at
    from webhook_deliveries
    where organization_id = $1 and created_at >= $4 and created_at < $5
        and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
        and ($6::uuid is null or integration_id = $6)
        and ($7::text is null or status = $7)
        and ($8::text is null or call_id = $8)
    order by created_at desc, id desc
    limit $9
) as page
left join lateral (
    select attempted_at, response_status, error
    from webhook_delivery_attempts
    where organization_id = $1 and delivery_id = page.id and delivery_created_at = page.created_at
    order by attempt desc
    limit 1
) as last on true
order by page.created_at desc, page.id desc;

-- name: delivery
-- One delivery with its body.
select id, integration_id, event, call_id, status, attempts, next_attempt_at, settled_at, created_at, payload
from webhook_deliveries
where organization_id = $1 and id = $2;

-- name: attempts_of_delivery
-- Every attempt to deliver, in order.
select attempt, attempted_at, duration_ms, response_status, response_excerpt, error
from webhook_delivery_attempts
where organization_id = $1 and delivery_id = $2 and delivery_created_at = $3
order by attempt
limit 200;

-- name: replay_add
-- Ask for deliveries to be sent again.
insert into delivery_replays (organization_id, id, integration_id, delivery_id, since, until, only_status)
values ($1, $2, $3, $4, $5, $6, $7)
returning id;

-- name: replay
-- One request for deliveries to be sent again.
select id, integration_id, delivery_id, since, until, only_status, status, deliveries, requested_by, created_at, done_at
from delivery_replays
where organization_id = $1 and id = $2;

-- name: replays_page
-- Requests for deliveries to be sent again, newest first, after ($2, $3) in that order.
select id, integration_id, delivery_id, since, until, only_status, status, deliveries, requested_by, created_at, done_at
from delivery_replays
where organization_id = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
order by created_at desc, id desc
limit $4;
