-- Found differences, pinned slots, the chosen number of shards. Locks: slot_owner and shards (a few hundred rows) for
-- moments, webhook_inbox for one scan.

-- migrate:up
-- The day's count of times when memory and Postgres had differed. Holds no row yet: one scan of the inbox, during which
-- senders are told to come back.
-- squawk-ignore require-concurrent-index-creation
create index idx_inbox_repairs on webhook_inbox (organization_id, received_at) where type = 'state-repaired';

-- A dedicated organization's slot belongs to this shard while that lives, and to nobody else.
alter table slot_owner add column pinned_to text;
-- Shards that take pinned slots only have no part in the fair share of the others.
alter table shards add column dedicated boolean not null default false;

-- How many shards an operator asked for. It holds until the deployment's own setting is no longer `instead_of`.
create table shard_plan (
    only_row boolean primary key default true check (only_row),
    shards integer not null check (shards between 1 and 256),
    instead_of integer not null
);
alter table shard_plan enable row level security;
grant all on shard_plan to service_role;

-- migrate:down
