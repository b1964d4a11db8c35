-- How customers' endpoints fare: when they may be tried, and what they missed. Attempts are written before they are made,
-- so that one whose maker died is told, too. Locks: integrations, webhook_deliveries and webhook_delivery_attempts for a
-- moment, and through the index of the last while it is built; nothing was attempted before this migration.

-- migrate:up
-- One row for each endpoint that was tried. Whoever makes an attempt holds it for a moment before and after.
create table integration_health (
    integration_id uuid primary key,
    organization_id uuid not null,
    consecutive_failures integer not null default 0 check (consecutive_failures >= 0),
    -- Attempts and failures since `window_started_at`, a few minutes at most.
    window_started_at timestamptz,
    window_attempts integer not null default 0 check (window_attempts >= 0),
    window_failures integer not null default 0 check (window_failures >= 0),
    -- The circuit: nothing is tried before `open_until`, then one attempt (`probing`) that decides. `opened`: how often in a row.
    open_until timestamptz,
    opened integer not null default 0 check (opened >= 0),
    probing boolean not null default false,
    -- Attempts that found no room wait in line; this is where it ends.
    line_until timestamptz,
    -- How long an attempt takes, averaged over the last ones.
    pace_ms integer not null default 0 check (pace_ms >= 0),
    foreign key (organization_id, integration_id) references integrations (organization_id, id) on delete cascade
);
select private.isolate('integration_health');
grant all on integration_health to service_role;
create policy own on integration_health for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
grant select on integration_health to authenticated;

-- Since when deliveries were missed by an endpoint that was disabled for failing: from here on a replay brings them.
-- Null once one was asked for.
alter table integrations add column missed_since timestamptz;
grant select (missed_since) on integrations to authenticated;

-- The replay that sent it again last, so that a replay which is carried out twice sends once.
alter table webhook_deliveries add column replay_id uuid;

alter table webhook_delivery_attempts
    -- Names the try of whoever attempts: repeated after a loss, it finds what it did.
    add column try_id uuid,
    -- False while it is under way, or for ever when its maker died; `error` says so until it is over.
    add column finished boolean not null default true;
-- Of each endpoint, what is under way. A partitioned table takes no index concurrently.
-- squawk-ignore require-concurrent-index-creation
create index idx_attempts_under_way on webhook_delivery_attempts (integration_id, attempted_at) where not finished;

-- migrate:down
