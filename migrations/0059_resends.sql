-- A message that did not arrive for a reason that passes is sent again, as a message of its own.
-- Locks: notifications and its partitions for a moment: new columns; and while their few failed rows are indexed.

-- migrate:up
alter table notifications
    -- The message it says again, of the same `created_at`.
    add column resend_of uuid,
    -- How many were sent before it.
    add column generation smallint not null default 0;
-- squawk-ignore require-concurrent-index-creation
create index idx_notifications_failed on notifications (organization_id, updated_at)
    where vendor_id is not null and status in ('undelivered', 'failed', 'bounced');
-- squawk-ignore require-concurrent-index-creation
create index idx_notifications_resends on notifications (resend_of) where resend_of is not null;

-- migrate:down
