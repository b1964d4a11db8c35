-- name: refusals_add
-- Count messages that were refused ($3) up to $4, each organization's ($2) in the hour of the last of them; nothing when
-- the write ($1) was taken before.
with taken as (
    insert into webhook_refusal_writes (id) values ($1) on conflict do nothing returning id
)
insert into webhook_refusals as held (organization_id, hour, count, last_at)
select told.organization_id, date_trunc('hour', told.last_at, 'UTC'), told.count, told.last_at
from taken
cross join unnest($2::uuid[], $3::bigint[], $4::timestamptz[]) as told (organization_id, count, last_at)
join organizations on organizations.id = told.organization_id
order by told.organization_id
on conflict (organization_id, hour) do update
set count = held.count + excluded.count, last_at = greatest(held.last_at, excluded.last_at);

-- name: refusals_since
-- How many messages were refused since $2, in whole hours, and when the last was.
select coalesce(sum(count), 0)::bigint as refused, max(last_at) as last_refused_at
from webhook_refusals
where organization_id = $1 and hour >= date_trunc('hour', $2::timestamptz, 'UTC');

-- name: upkeep_drop_old_refusals
-- Refusals are for whoever looks for lost messages, and kept for 90 days; writes for as long as one may be repeated.
with repeated_no_more as (
    delete from webhook_refusal_writes where written_at < now() - interval '7 days'
)
delete from webhook_refusals where hour < now() - interval '90 days';
