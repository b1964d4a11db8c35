-- What the payment provider tells of the account itself, before anybody knows which organizations it is about.
-- Locks: a new table only.

-- migrate:up
create table account_events (
    provider text not null,
    -- The provider's id of it: the same event told twice is one.
    event_key text not null,
    type text not null,
    occurred_at timestamptz,
    received_at timestamptz not null,
    deliveries integer not null default 1,
    -- Thin events come without their contents: asked for, until this is set.
    settled_at timestamptz,
    -- How many organizations were told; null until it is settled.
    organizations integer check (organizations >= 0),
    attempts integer not null default 0,
    retry_at timestamptz not null,
    -- Why the last attempt failed, or why nobody could be told.
    error text,
    primary key (provider, event_key),
    constraint account_events_settled check ((settled_at is null) = (organizations is null))
);
create index idx_account_events_due on account_events (retry_at) where settled_at is null;

select private.isolate('account_events');
grant all on account_events to service_role;

-- migrate:down
