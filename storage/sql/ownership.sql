-- name: ownership_claim
-- Take slots under this name that are not held ($2), then free or expired ones up to the share, raising each epoch.
-- A pinned slot is its shard's; while that does not live, it and all others are any shard's that is not dedicated ($5).
with own as (
    select slot
    from slot_owner
    where owner = $1 and slot <> all ($2::smallint[])
    order by slot
    for update
), free as (
    -- Another claimer's rows are skipped, not waited for: two at once share what is free.
    select slot
    from slot_owner
    where (owner is null or (owner <> $1 and lease_until < now()))
      and slot <> all ($2::smallint[])
      and case
          when pinned_to = $1 then true
          else not $5::boolean and not exists (select from shards where name = pinned_to and alive_until > now())
      end
    order by slot
    limit greatest(0, $3::integer - cardinality($2::smallint[]) - (select count(*)::integer from own))
    for update skip locked
)
update slot_owner
set owner = $1, epoch = epoch + 1, lease_until = clock_timestamp() + make_interval(secs => $4)
where slot in (select slot from own union all select slot from free)
returning slot, epoch;

-- name: ownership_renew
-- Extend leases still held at the same epoch; one that ran out unclaimed is still ours.
with held as (
    select slot_owner.slot
    from slot_owner
    join unnest($2::smallint[], $3::bigint[]) as told (slot, epoch) using (slot, epoch)
    where slot_owner.owner = $1
    order by slot_owner.slot
    for update of slot_owner
)
update slot_owner
set lease_until = clock_timestamp() + make_interval(secs => $4)
where slot in (select slot from held)
returning slot, epoch;

-- name: ownership_release
-- Give slots back; the epoch stays, the next claim raises it.
update slot_owner
set owner = null, lease_until = null
from unnest($2::smallint[], $3::bigint[]) as told (slot, epoch)
where slot_owner.slot = told.slot and slot_owner.epoch = told.epoch and slot_owner.owner = $1;

-- name: ownership_owners
-- Who holds what.
select slot, owner from slot_owner where owner is not null and lease_until > now();

-- name: ownership_organizations_with_work
-- Organizations with open calls (of every slot: calls name none), or with open incidents or unapplied rows of these slots.
select organization_id from calls where status <> 'ended'
union
select organization_id from incidents where slot = any($1::smallint[]) and closed_at is null
union
select organization_id from webhook_inbox where slot = any($1::smallint[]) and applied_at is null;

-- name: ownership_overdue
-- Rows accepted before $2 and still not applied, of organizations that exist: of each slot an equal part of the page,
-- then of those that have more what room is left, always by the slot's index. A page costs the same of any backlog.
with share as (
    select ceil($3::numeric / greatest(1, cardinality($1::smallint[])))::bigint as size
), parts as (
    select wanted.slot, part.id, part.received_at
    from unnest($1::smallint[]) as wanted (slot)
    cross join lateral (
        select id, received_at
        from webhook_inbox
        where webhook_inbox.slot = wanted.slot
            and applied_at is null
            and received_at < $2
            and exists (
                select from organizations
                where organizations.id = webhook_inbox.organization_id and deleted_at is null
            )
        order by received_at, id
        limit (select size from share)
    ) as part
), longer as (
    select slot from parts group by slot having count(*) = (select size from share)
), page as (
    select id, received_at from parts
    union all
    select more.id, more.received_at
    from longer
    cross join lateral (
        select id, received_at
        from webhook_inbox
        where webhook_inbox.slot = longer.slot
            and applied_at is null
            and received_at < $2
            and exists (
                select from organizations
                where organizations.id = webhook_inbox.organization_id and deleted_at is null
            )
        order by received_at, id
        limit greatest(0, $3 - (select count(*) from parts))
        offset (select size from share)
    ) as more
    order by received_at, id
    limit $3
)
select
    organization_id, id, provider, event_key, type, call_id, facts, occurred_at, webhook_inbox.received_at,
    apply_sequence, outcome
from page
join webhook_inbox using (id)
order by webhook_inbox.received_at, id;

-- name: ownership_beat
-- Announce a living shard, unless a later process bears its name; count those that share what is not pinned, itself
-- included; and tell which slots it holds that have come to be another's.
with told as (
    insert into shards (name, incarnation, alive_until, dedicated)
    values ($1, $2, clock_timestamp() + make_interval(secs => $4), $5)
    on conflict (name) do update
        set incarnation = excluded.incarnation, alive_until = excluded.alive_until, dedicated = excluded.dedicated
    where shards.incarnation = excluded.incarnation or $3
    returning name
)
select
    exists (select from told) as is_current,
    1 + (select count(*) from shards where name <> $1 and alive_until > now() and not dedicated) as alive,
    array(
        select slot
        from slot_owner
        where owner = $1
            and pinned_to is distinct from $1
            and ($5 or exists (select from shards where name = pinned_to and alive_until > now()))
    ) as misplaced;

-- name: ownership_leave
-- Count no longer as living. The row stays: a paused earlier process of this name must still find itself superseded.
update shards set alive_until = clock_timestamp() where name = $1;
