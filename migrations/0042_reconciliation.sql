-- How far what we were told was held against what the provider keeps. Locks: new table only.

-- migrate:up
create table reconciliations (
    organization_id uuid primary key references organizations (id),
    -- Every call the provider changed before this moment was looked at.
    reconciled_to timestamptz not null,
    -- The last attempt, whatever came of it.
    attempted_at timestamptz not null,
    -- Why the last attempt failed: a status or a reason, nothing of a call; null when it did not.
    error text,
    failing_since timestamptz,
    -- Of all time: differences that were brought in, each once.
    repairs bigint not null default 0 check (repairs >= 0),
    repaired_at timestamptz,
    constraint reconciliations_failing check ((error is null) = (failing_since is null))
);

select private.isolate('reconciliations');
grant all on reconciliations to service_role;
create policy own on reconciliations for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
grant select on reconciliations to authenticated;

-- migrate:down
