-- Whom warnings of usage reached, minutes granted beyond the cap, and what the payment provider told and nobody read yet.
-- Locks: usage_alerts for a moment, nothing is rewritten; webhook_inbox while its rows of one provider are indexed.

-- migrate:up
-- When everybody who wants to know was told; null until then.
alter table usage_alerts add column told_at timestamptz;
-- squawk-ignore require-concurrent-index-creation
create index idx_usage_alerts_untold on usage_alerts (organization_id) where told_at is null;

-- Minutes of one calendar month beyond the organization's cap.
create table minute_grants (
    id uuid primary key,
    organization_id uuid not null references organizations (id),
    -- Its first day, where the organization is.
    month date not null check (extract(day from month) = 1),
    minutes integer not null check (minutes between 1 and 1000000),
    reason text not null check (length(reason) between 1 and 500),
    granted_by text not null default private.actor(),
    granted_at timestamptz not null default now()
);
create index idx_minute_grants_month on minute_grants (organization_id, month);
create trigger append_only before update or delete on minute_grants
    for each row execute function private.refuse_change();
create trigger append_only_whole before truncate on minute_grants
    for each statement execute function private.refuse_change();
select private.isolate('minute_grants');
grant select, insert on minute_grants to service_role;
create policy own on minute_grants for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy added on minute_grants for insert to authenticated
    with check (
        organization_id = any (array(select private.organization_ids('admin'))) and granted_by = (select private.actor())
    );
grant select, insert (id, organization_id, month, minutes, reason) on minute_grants to authenticated;

-- Few rows are Stripe's: what of them has no billing event yet is found among these. Senders repeat what is refused
-- while it is built.
-- squawk-ignore require-concurrent-index-creation
create index idx_inbox_stripe on webhook_inbox (organization_id, received_at) where provider = 'stripe';

-- migrate:down
