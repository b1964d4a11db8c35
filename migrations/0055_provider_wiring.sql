-- Whether what an organization has at VAPI still points at us. Locks: new tables only.

-- migrate:up
-- The last look at an organization's assistants and numbers at the provider.
create table wiring_checks (
    organization_id uuid primary key references organizations (id),
    attempted_at timestamptz not null,
    -- When all of them were last looked at; null while they never were.
    checked_at timestamptz,
    -- How many those were.
    records integer not null default 0 check (records >= 0),
    -- Why the last look failed: a status or a reason; null when it did not.
    error text,
    failing_since timestamptz,
    constraint wiring_checks_failing check ((error is null) = (failing_since is null))
);

-- Something at the provider that is not as it must be; closed once it is again.
create table wiring_findings (
    id uuid primary key,
    organization_id uuid not null references organizations (id),
    kind text not null check (kind in ('assistant', 'phone-number')),
    -- Ours, and the provider's id of it.
    subject_id uuid not null,
    provider_id text not null,
    -- 'server_url', 'secret', 'backoff_plan', 'server_messages', 'monitor'; or 'absent' alone.
    aspects text[] not null check (cardinality(aspects) > 0),
    found_at timestamptz not null,
    seen_at timestamptz not null,
    closed_at timestamptz,
    -- 'repaired' by us, 'agrees' by itself, 'removed': it is ours no more.
    closed_as text check (closed_as in ('repaired', 'agrees', 'removed')),
    -- Somebody wants it repaired; null again where the provider refuses.
    repair_asked_at timestamptz,
    repair_asked_by text,
    repair_attempted_at timestamptz,
    -- Why the last attempt came to nothing.
    repair_error text,
    constraint wiring_findings_closed check ((closed_at is null) = (closed_as is null)),
    constraint wiring_findings_asked check (repair_asked_at is null or repair_asked_by is not null)
);
create unique index idx_wiring_open on wiring_findings (organization_id, kind, provider_id) where closed_at is null;
create index idx_wiring_page on wiring_findings (organization_id, found_at desc, id desc);
create index idx_wiring_repairs on wiring_findings (repair_asked_at)
    where closed_at is null and repair_asked_at is not null;

select private.isolate('wiring_checks'), private.isolate('wiring_findings');
grant all on wiring_checks, wiring_findings to service_role;
create policy own on wiring_checks for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy own on wiring_findings for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy changed on wiring_findings for update to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))))
    with check (
        organization_id = any (array(select private.organization_ids('admin')))
        and (repair_asked_by is null or repair_asked_by = (select private.actor()))
    );
grant select on wiring_checks, wiring_findings to authenticated;
grant update (repair_asked_at, repair_asked_by, repair_error) on wiring_findings to authenticated;

-- migrate:down
