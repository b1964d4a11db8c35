-- How many messages of VAPI were refused because they showed no secret of the organization they were for. An hour is one
-- row, so that a flood costs no more room than a mistake.

-- migrate:up
create table webhook_refusals (
    organization_id uuid not null references organizations (id) on delete cascade,
    hour timestamptz not null,
    count bigint not null check (count > 0),
    last_at timestamptz not null,
    primary key (organization_id, hour)
);
select private.isolate('webhook_refusals');
grant all on webhook_refusals to service_role;
create policy own on webhook_refusals for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
grant select on webhook_refusals to authenticated;

-- migrate:down
