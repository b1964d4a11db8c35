-- What raises an alarm, and what did. Locks: new tables only.

-- migrate:up
-- An organization's own alarm rules, written by its actor from the inbox row that configured them.
create table alarm_rules (
    organization_id uuid primary key references organizations (id),
    -- [{"name", "metric", "comparison", "threshold", "clear", …}]: they replace defaults of the same name.
    rules jsonb not null,
    configured_at timestamptz not null
);

-- One row for each breach of a rule; written by the organization's actor alone, under its epoch.
create table incidents (
    organization_id uuid not null,
    -- Follows from rule, call and opening: the same decision made again is the same row.
    incident_id uuid not null,
    -- For the owner of the slot, which has to end what is open.
    slot smallint not null,
    rule text not null,
    metric text not null,
    severity text not null,
    threshold double precision not null,
    -- The call it is about; null for the organization as a whole.
    call_id text,
    -- {"value", "since", "call_id", "detail"}: what it opened on; `since` in ms.
    evidence jsonb not null,
    opened_at timestamptz not null,
    acknowledged_at timestamptz,
    acknowledged_by text,
    muted_until timestamptz,
    recovered_at timestamptz,
    resolved_at timestamptz,
    resolved_by text,
    closed_at timestamptz generated always as (coalesce(recovered_at, resolved_at)) stored,
    primary key (organization_id, incident_id)
);
-- One breach is one incident, whatever became of the answer to its commit.
create unique index idx_incidents_open on incidents (organization_id, rule, call_id) nulls not distinct
    where closed_at is null;
create index idx_incidents_slot on incidents (slot) where closed_at is null;
create index idx_incidents_closed on incidents (organization_id, closed_at) where closed_at is not null;
create index idx_incidents_page on incidents (organization_id, opened_at desc, incident_id desc);

alter table alarm_rules enable row level security;
alter table incidents enable row level security;

create policy own on alarm_rules for select to authenticated
    using (organization_id in (select private.organization_ids()));
create policy own on incidents for select to authenticated
    using (organization_id in (select private.organization_ids()));

grant select on alarm_rules, incidents to authenticated;
grant all on alarm_rules, incidents to service_role;

-- migrate:down
