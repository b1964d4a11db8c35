-- The audit log by its dates. Locks: audit_log takes no writes while its index is built; whoever notes something waits.

-- migrate:up
-- squawk-ignore require-concurrent-index-creation
create index idx_audit_log_dates on audit_log (organization_id, at desc);

-- migrate:down
