-- What went out about one call, found by the call. Locks: webhook_deliveries and notifications take no writes while their rows
-- about calls are indexed; whoever writes them tries again.

-- migrate:up
-- A partitioned table takes no index concurrently.
-- squawk-ignore require-concurrent-index-creation
create index idx_deliveries_call on webhook_deliveries (organization_id, call_id, created_at desc, id desc)
    where call_id is not null;
-- squawk-ignore require-concurrent-index-creation
create index idx_notifications_call on notifications (organization_id, call_id, created_at desc, id desc)
    where call_id is not null;

-- migrate:down
