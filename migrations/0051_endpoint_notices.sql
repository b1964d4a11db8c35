-- Whether an organization's people were told that an endpoint was disabled. Locks: integrations for a moment: a new
-- column, and its few disabled rows are written.

-- migrate:up
-- The `disabled_at` that they were told of. Nobody is told of what happened before.
alter table integrations add column disabled_told_at timestamptz;
update integrations set disabled_told_at = disabled_at where disabled_at is not null;

-- migrate:down
