-- What reconciliation brought in, by organization and time. Locks: webhook_inbox while its rows are looked through once.

-- migrate:up
-- squawk-ignore require-concurrent-index-creation
create index idx_inbox_reconciled on webhook_inbox (organization_id, received_at desc, id desc)
    where provider = 'internal' and facts #>> '{details,repair}' is not null;

-- migrate:down
