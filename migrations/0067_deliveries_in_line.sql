-- Deliveries that wait their turn without a workflow: however many are owed to one endpoint, a few at its door are all
-- that costs anything. Locks: webhook_deliveries, for as long as two columns take, and against writers while
-- two indexes that hold no rows read it.

-- migrate:up
-- Since when it stands in line; null when it does not.
alter table webhook_deliveries add column in_line_since timestamptz;
-- Whether it was given a workflow and has not been attempted since.
alter table webhook_deliveries add column at_door boolean not null default false;
-- A partitioned table takes no index concurrently.
-- squawk-ignore require-concurrent-index-creation
create index idx_deliveries_in_line on webhook_deliveries (integration_id, in_line_since)
    where in_line_since is not null;
-- squawk-ignore require-concurrent-index-creation
create index idx_deliveries_at_door on webhook_deliveries (integration_id) where at_door;

-- migrate:down
