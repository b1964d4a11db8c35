-- name: delivery_targets
-- Endpoints of the organization that want to be told of $2. One that was disabled for failing is owed what it misses.
select id, disabled_at is null as enabled
from integrations
where organization_id = $1 and deleted_at is null and $2::text = any (events)
    and (disabled_at is null or disabled_reason = 'failing')
order by created_at, id
limit 200;

-- name: delivery_alone
-- Let nobody else write deliveries of the same event until the transaction is over.
select pg_advisory_xact_lock(hashtextextended($1::text, 0));

-- name: delivery_add
-- Write a delivery unless it is there: made when it is first written, whenever the event was. It goes to the endpoint's
-- door if fewer than $9 stand there and nobody stands in line, or else into the line.
with place as materialized (
    select $7::boolean as wanted,
        not exists (select from webhook_deliveries where integration_id = $3 and in_line_since is not null)
        and $9 > (
            select count(*)
            from (select from webhook_deliveries where integration_id = $3 and at_door limit $9) as door
        ) as at_door
)
insert into webhook_deliveries (
    id, created_at, organization_id, integration_id, event, call_id, payload, status, next_attempt_at, settled_at,
    in_line_since, at_door
)
select $1, now(), $2, $3, $4, $5, $6,
    case when wanted then 'pending' else 'cancelled' end,
    case when wanted and at_door then now() end,
    case when wanted then null else now() end,
    case when wanted and not at_door then clock_timestamp() end,
    wanted and at_door
from place
where not exists (select from webhook_deliveries where id = $1 and created_at >= $8);

-- name: deliveries_to_start
-- Those of these deliveries that wait to be sent and do not stand in line.
select id, created_at, organization_id
from webhook_deliveries
where id = any ($1::uuid[]) and created_at >= $2 and organization_id = $3 and status = 'pending'
    and in_line_since is null;

-- name: deliveries_from_line
-- Bring to each endpoint's door whoever is next in its line, until $1 stand there; of all endpoints $2 at most.
with recursive lines as (
    (select integration_id from webhook_deliveries where in_line_since is not null order by integration_id limit 1)
    union all
    select (
        select next.integration_id from webhook_deliveries next
        where next.in_line_since is not null and next.integration_id > lines.integration_id
        order by next.integration_id limit 1
    )
    from lines where lines.integration_id is not null
),
rooms as (
    select integration_id, $1 - (
        select count(*)
        from (select from webhook_deliveries d where d.integration_id = lines.integration_id and d.at_door limit $1) as door
    ) as room
    from lines where integration_id is not null
),
turns as (
    select turn.id, turn.created_at
    from rooms
    cross join lateral (
        select id, created_at from webhook_deliveries
        where integration_id = rooms.integration_id and in_line_since is not null
        order by in_line_since
        limit rooms.room
        for update skip locked
    ) as turn
    limit $2
)
update webhook_deliveries d
set in_line_since = null, at_door = true, next_attempt_at = now()
from turns
where d.id = turns.id and d.created_at = turns.created_at
returning d.id, d.created_at, d.organization_id, d.replay_id is not null as again;

-- name: deliveries_forgotten
-- Deliveries that are due since before $1: whoever was to send them is gone.
select id, created_at, organization_id
from webhook_deliveries
where status = 'pending' and next_attempt_at < $1
order by next_attempt_at
limit $2;

-- name: delivery_to_send
-- A delivery and the endpoint it is for, as both are now.
select d.status, d.next_attempt_at, d.payload, d.integration_id, i.url, i.sealed_secret, i.previous_sealed_secret,
    i.previous_secret_expires_at, i.failing_since, (i.disabled_at is null and i.deleted_at is null) as wanted
from webhook_deliveries d
join integrations i on i.id = d.integration_id and i.organization_id = d.organization_id
where d.id = $1 and d.created_at = $2 and d.organization_id = $3
for no key update of d;

-- name: attempt_of_try
-- What an earlier run of the same try did.
select finished, response_status, error
from webhook_delivery_attempts
where delivery_id = $1 and delivery_created_at = $2 and try_id = $3
order by attempt desc
limit 1;

-- name: endpoint_health_ensure
-- Begin to keep how an endpoint fares.
insert into integration_health (integration_id, organization_id) values ($1, $2) on conflict do nothing;

-- name: endpoint_health
-- How an endpoint fares, for this transaction alone to change.
select consecutive_failures, window_started_at, window_attempts, window_failures, open_until, opened, probing, line_until,
    pace_ms
from integration_health
where integration_id = $1 and organization_id = $2
for no key update;

-- name: endpoint_health_put
-- Keep how an endpoint fares.
update integration_health
set consecutive_failures = $3, window_started_at = $4, window_attempts = $5, window_failures = $6, open_until = $7,
    opened = $8, probing = $9, line_until = $10, pace_ms = $11
where integration_id = $1 and organization_id = $2;

-- name: attempts_under_way
-- Attempts at an endpoint that began after $2 and are not over.
select count(*) from webhook_delivery_attempts
where integration_id = $1 and attempted_at > $2 and not finished;

-- name: attempt_begin
-- Write an attempt before it is made.
with counted as (
    update webhook_deliveries set attempts = attempts + 1, at_door = false, in_line_since = null
    where id = $1 and created_at = $2 and organization_id = $3
    returning attempts, integration_id
)
insert into webhook_delivery_attempts (
    delivery_id, delivery_created_at, attempt, organization_id, integration_id, attempted_at, duration_ms, error, try_id,
    finished
)
select $1, $2, attempts, $3, integration_id, $4, 0, 'interrupted', $5, false from counted
returning attempt;

-- name: attempt_finish
-- Write what became of an attempt.
update webhook_delivery_attempts
set finished = true, duration_ms = $4, response_status = $5, response_excerpt = $6, error = $7
where delivery_id = $1 and delivery_created_at = $2 and attempt = $3 and not finished
returning integration_id;

-- name: delivery_put
-- Keep where a delivery stands that is not settled yet.
update webhook_deliveries
set status = $4, next_attempt_at = $5, settled_at = case when $4 = 'pending' then null else $6::timestamptz end,
    at_door = at_door and $4 = 'pending', in_line_since = case when $4 = 'pending' then in_line_since end
where id = $1 and created_at = $2 and organization_id = $3 and status = 'pending';

-- name: endpoint_succeeded
-- An endpoint takes what it is sent.
update integrations set failing_since = null where id = $1 and organization_id = $2 and failing_since is not null;

-- name: endpoint_failed
-- An endpoint takes nothing since $3 or before.
update integrations set failing_since = coalesce(failing_since, $3)
where id = $1 and organization_id = $2
returning failing_since;

-- name: endpoint_disable
-- Send nothing more to an endpoint, and note why for its people; a replay is offered from where it failed.
with disabled as (
    update integrations
    set disabled_at = $3, disabled_reason = $4, updated_at = now(),
        missed_since = case when $4 = 'failing' then coalesce(missed_since, failing_since, $3) else missed_since end
    where id = $1 and organization_id = $2 and disabled_at is null
    returning id, organization_id, failing_since, disabled_reason
)
insert into audit_log (organization_id, actor, action, target, reason, result)
select organization_id, 'system:deliveries', 'integration-disabled', id::text,
    case disabled_reason
        when 'gone' then 'it answered 410'
        else 'every delivery failed since ' || to_char(failing_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    end,
    'a replay brings what it missed'
from disabled
returning true;

-- name: replays_pending
-- Replays that nobody has carried out, the oldest first.
select id, organization_id from delivery_replays where status = 'pending' order by created_at limit $1;

-- name: replay_to_carry_out
-- One replay as it was asked for.
select id, integration_id, delivery_id, since, until, only_status, status, created_at
from delivery_replays
where id = $1 and organization_id = $2;

-- name: replay_page
-- Have deliveries of a replay's range stand in line, after ($8, $9) in their order; those it made already stay as they are.
with page as (
    select id, created_at from webhook_deliveries
    where organization_id = $2 and integration_id = $3 and created_at >= $4 and created_at < $5
        and ($6::uuid is null or id = $6)
        and ($7::text is null or status = $7 or replay_id = $1)
        and ($8::timestamptz is null or (created_at, id) > ($8, $9::uuid))
        -- What came after the request is none of it.
        and created_at <= $10
    order by created_at, id
    limit $11
),
again as (
    update webhook_deliveries d
    set status = 'pending', settled_at = null, replay_id = $1,
        next_attempt_at = case when d.at_door then d.next_attempt_at end,
        in_line_since = case when d.at_door then null else clock_timestamp() end
    from page
    where d.id = page.id and d.created_at = page.created_at and d.organization_id = $2
        and d.replay_id is distinct from $1
)
select id, created_at from page order by created_at, id;

-- name: replay_done
-- Note that a replay was carried out, and with how many deliveries; what it brings is owed no more.
with done as (
    update delivery_replays set status = 'done', deliveries = $3, done_at = now()
    where id = $1 and organization_id = $2 and status = 'pending'
    returning integration_id, since, delivery_id
)
update integrations i set missed_since = null
from done
where i.id = done.integration_id and i.organization_id = $2 and done.delivery_id is null and i.missed_since >= done.since;

-- name: completed_call
-- What a customer is told of a call that is over.
select c.id, c.created_at, c.provider_call_id, c.type, c.direction, c.status, c.admission, c.ended_reason, c.ended_class,
    c.assistant_id, c.assistant_name, c.from_number, c.to_number, c.customer_name, c.transferred_to, c.answered_at,
    c.ended_at, c.duration_ms, c.cost_micros, c.summary, c.success_evaluation, c.report, t.transcript_text, t.analysis,
    array(
        select a.text from call_actions a
        where a.organization_id = $1 and a.call_id = c.id and a.call_created_at = c.created_at
        order by a.position
    ) as actions,
    exists (
        select from call_recordings r
        where r.organization_id = $1 and r.call_id = c.id and r.call_created_at = c.created_at
    ) as recorded
from call_keys k
join calls c on c.organization_id = k.organization_id and c.id = k.id and c.created_at = k.created_at
left join call_transcripts t
    on t.organization_id = k.organization_id and t.call_id = k.id and t.call_created_at = k.created_at
where k.organization_id = $1 and k.provider_call_id = $2 and c.status = 'ended';
