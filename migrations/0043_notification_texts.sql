-- What a message says, written before it is sent: each attempt sends the same, which is what makes two attempts one.
-- Locks: notifications and its partitions for a moment: new columns, nothing is rewritten.

-- migrate:up
alter table notifications
    add column subject text,
    add column body text,
    -- Since when the vendor may have it without our knowing: null while no attempt is without an answer.
    add column attempted_at timestamptz;

-- migrate:down
