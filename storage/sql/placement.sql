-- name: placement_plan
-- How many shards an operator asked for, and the setting that this stands against.
select shards, instead_of from shard_plan;

-- name: placement_set_plan
-- Have so many shards until the setting is another.
insert into shard_plan (shards, instead_of)
values ($1, $2)
on conflict (only_row) do update set shards = excluded.shards, instead_of = excluded.instead_of;

-- name: placement_dedicated
-- Organizations that are to have a shard of their own.
select id from organizations where dedicated and deleted_at is null;

-- name: placement_set_dedicated
-- Whether an organization is to have one; no row when there is no such organization.
update organizations set dedicated = $2 where id = $1 and deleted_at is null returning id;

-- name: placement_pin
-- Pin these slots to these shards, and all others to none.
update slot_owner
set pinned_to = told.shard
from slot_owner as every
left join unnest($1::smallint[], $2::text[]) as told (slot, shard) on told.slot = every.slot
where slot_owner.slot = every.slot and slot_owner.pinned_to is distinct from told.shard;
