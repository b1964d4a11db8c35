-- A third thing to do once the plan's minutes are used up. Locks: organizations, for a moment; nothing is rewritten.

-- migrate:up
alter table organizations
    -- squawk-ignore ban-drop-constraint
    drop constraint organizations_minutes_policy,
    -- 'block-outbound' refuses new outbound calls alone.
    add constraint organizations_minutes_policy
        check (minutes_policy in ('notify', 'block-outbound', 'block')) not valid;

-- migrate:down
