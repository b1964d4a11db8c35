-- What arrived, who owns it, what it caused. Locks: new tables only.

-- migrate:up
create table webhook_inbox (
    id bigint generated always as identity primary key,
    organization_id uuid not null,
    -- 'vapi', or 'internal' for what workflows, the API and operators tell the actor.
    provider text not null,
    event_key text not null,
    slot smallint not null,
    -- The provider's call id; null for messages without a call.
    call_id text,
    type text not null,
    -- What was extracted from the body: small, typed by actors.domain.commands, all that the actor ever reads.
    facts jsonb not null,
    occurred_at timestamptz,
    received_at timestamptz not null,
    -- How often the same event arrived; 1 means no duplicate.
    deliveries integer not null default 1,
    -- Position in the organization's history: gapless, given by the actor's transaction.
    apply_sequence bigint,
    applied_at timestamptz,
    unique (organization_id, provider, event_key)
);
-- The sweep: what a slot's owner has not applied yet.
create index idx_inbox_unapplied on webhook_inbox (slot, received_at) where applied_at is null;
-- Replay of an organization, and the guard of the gapless sequence.
create unique index idx_inbox_applied on webhook_inbox (organization_id, apply_sequence) where apply_sequence is not null;
-- What arrived since some moment: rows lie in that order, so a few bytes per page range do.
create index idx_inbox_received on webhook_inbox using brin (received_at) with (autosummarize = on);
-- The history of one call.
create index idx_inbox_call on webhook_inbox (organization_id, call_id) where call_id is not null;

-- Bodies for replay and audit: secrets redacted, dropped by partition after 30 days.
create table webhook_bodies (
    inbox_id bigint not null,
    organization_id uuid not null,
    received_at timestamptz not null,
    body text not null,
    primary key (inbox_id, received_at)
) partition by range (received_at);
-- A body is written once on the way to its acknowledgement and seldom read: lz4 costs a tenth of the default's time.
-- A server built without it keeps bodies as they are.
do $$
begin
    alter table webhook_bodies alter column body set compression lz4;
exception when feature_not_supported then
    alter table webhook_bodies alter column body set storage external;
end
$$;

-- 256 slots; organizations map to one by hash. The epoch rises with every claim and fences what an older owner writes.
create table slot_owner (
    slot smallint primary key check (slot between 0 and 255),
    epoch bigint not null default 0,
    owner text,
    lease_until timestamptz
);
insert into slot_owner (slot) select generate_series(0, 255);

-- Who could own slots: the fair share is 256 divided by those alive.
create table shards (
    name text primary key,
    -- One process at a time bears the name; one that was cut off and replaced finds another's mark here.
    incarnation uuid not null,
    alive_until timestamptz not null
);

-- What an applied event caused outside Postgres, once each.
create table effects (
    organization_id uuid not null,
    call_id text not null,
    effect text not null,
    slot smallint not null,
    created_at timestamptz not null default now(),
    attempts integer not null default 0,
    retry_at timestamptz not null default now(),
    confirmed_at timestamptz,
    primary key (organization_id, call_id, effect)
);
create index idx_effects_unconfirmed on effects (slot, retry_at) where confirmed_at is null;

alter table webhook_inbox enable row level security;
alter table webhook_bodies enable row level security;
alter table slot_owner enable row level security;
alter table shards enable row level security;
alter table effects enable row level security;

create policy own on webhook_inbox for select to authenticated
    using (organization_id in (select private.organization_ids()));
grant select on webhook_inbox to authenticated;
grant all on webhook_inbox, webhook_bodies, slot_owner, shards, effects to service_role;

-- migrate:down
