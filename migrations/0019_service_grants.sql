-- Where Supabase grants everything unasked, the service too gets only what is written down.
-- Locks: the tables named here and every partition, each for a moment.

-- migrate:up
-- As before, and the service's grants as well: they are made after it. It reaches a partition through its parent.
create or replace function private.isolate(isolated regclass) returns void
language plpgsql set search_path = '' as $$
begin
    execute format('alter table %s enable row level security', isolated);
    -- The owner too: a login role that neither owns everything nor bypasses the policies needs one of its own, below.
    execute format('alter table %s force row level security', isolated);
    execute format('revoke all on %s from public, anon, authenticated, service_role', isolated);
    execute format('create policy service on %s to service_role using (true) with check (true)', isolated);
end
$$;

-- What is only ever added to.
revoke all on audit_log, usage_ledger, billing_events from service_role;
grant select, insert on audit_log, usage_ledger, billing_events to service_role;

do $$
declare
    partition regclass;
begin
    for partition in
        select c.oid from pg_class c
        where c.relispartition and c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
    loop
        execute format('revoke all on %s from service_role', partition);
    end loop;
end
$$;

-- Identity columns draw from theirs with the right to insert.
revoke all on all sequences in schema public from public, anon, authenticated, service_role;

-- migrate:down
