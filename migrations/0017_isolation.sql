-- Tables that were there before: out of everybody's reach but what is granted here, forced, their policies in the form
-- that an index can use, changes by role; and partitions likewise.
-- Locks: every table and partition for a moment, exclusively. phone_numbers is read through for its foreign key.

-- migrate:up
-- A login role that neither is a superuser nor bypasses row level security sees through the service's policies.
do $$
begin
    if not (select rolsuper or rolbypassrls from pg_roles where rolname = current_user)
        and not pg_has_role(current_user, 'service_role', 'usage') then
        begin
            execute format('grant service_role to %I', current_user);
        exception when insufficient_privilege then
            null;
        end;
        if not pg_has_role(current_user, 'service_role', 'usage') then
            raise exception 'this login role would no longer see its own tables'
                using hint = format('as a superuser: grant service_role to %I', current_user);
        end if;
    end if;
end
$$;

select private.isolate(name::regclass) from unnest(array[
    'organizations', 'webhook_secrets', 'api_keys', 'assistants', 'phone_numbers', 'webhook_inbox', 'webhook_bodies',
    'slot_owner', 'shards', 'effects', 'call_keys', 'calls', 'call_transcripts', 'call_costs', 'call_actions',
    'call_recordings', 'provider_keys', 'audit_log', 'shard_plan', 'alarm_rules', 'incidents'
]) as name;

-- `= any (array(…))` is computed once for each statement, before anything is read, and an index on the organization takes
-- it as a condition; `in (select …)` is only a filter over what other conditions found.
alter policy own on organizations using (id = any (array(select private.organization_ids())));
alter policy own on assistants using (organization_id = any (array(select private.organization_ids())));
alter policy own on phone_numbers using (organization_id = any (array(select private.organization_ids())));
alter policy own on webhook_inbox using (organization_id = any (array(select private.organization_ids())));
alter policy own on call_keys using (organization_id = any (array(select private.organization_ids())));
alter policy own on calls using (organization_id = any (array(select private.organization_ids())));
alter policy own on call_transcripts using (organization_id = any (array(select private.organization_ids())));
alter policy own on call_costs using (organization_id = any (array(select private.organization_ids())));
alter policy own on call_actions using (organization_id = any (array(select private.organization_ids())));
alter policy own on call_recordings using (organization_id = any (array(select private.organization_ids())));
alter policy own on audit_log using (organization_id = any (array(select private.organization_ids())));
alter policy own on alarm_rules using (organization_id = any (array(select private.organization_ids())));
alter policy own on incidents using (organization_id = any (array(select private.organization_ids())));

grant select on organizations, assistants, phone_numbers, webhook_inbox, call_keys, calls, call_transcripts, call_costs,
    call_actions, call_recordings, audit_log, alarm_rules, incidents to authenticated;

-- What an organization's admins decide. Its plan, what it pays by and its place on a shard are not theirs to write.
create policy changed on organizations for update to authenticated
    using (id = any (array(select private.organization_ids('admin'))));
grant update (
    name, time_zone, concurrency_limit, tool_url, transfer_destination, handoff_destination, campaign_limits, minutes_cap,
    minutes_policy, opening_hours, refusal_message, refusal_destination, settings, billing_email
) on organizations to authenticated;

create policy added on assistants for insert to authenticated
    with check (organization_id = any (array(select private.organization_ids('admin'))));
create policy changed on assistants for update to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))));
grant insert (id, organization_id, provider_assistant_id, name, config, concurrency_limit, template_id),
    update (provider_assistant_id, name, config, concurrency_limit, template_id, deleted_at) on assistants to authenticated;

create policy added on phone_numbers for insert to authenticated
    with check (organization_id = any (array(select private.organization_ids('admin'))));
create policy changed on phone_numbers for update to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))));
grant insert (id, organization_id, provider_phone_number_id, number, assistant_id),
    update (provider_phone_number_id, number, assistant_id, deleted_at) on phone_numbers to authenticated;

-- A number is answered by an assistant of its own organization; naming another's tells nothing of it. Both are few.
-- squawk-ignore disallowed-unique-constraint, constraint-missing-not-valid
alter table assistants add constraint assistants_of_organization unique (organization_id, id);
-- squawk-ignore ban-drop-constraint
alter table phone_numbers drop constraint phone_numbers_assistant_id_fkey;
alter table phone_numbers
    -- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
    add constraint phone_numbers_assistant
        foreign key (organization_id, assistant_id) references assistants (organization_id, id);

-- Credentials: an admin sees that they are there, never what they are.
create policy own on api_keys for select to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))));
create policy added on api_keys for insert to authenticated
    with check (
        organization_id = any (array(select private.organization_ids('admin'))) and role <> 'owner'
        or organization_id = any (array(select private.organization_ids('owner')))
    );
create policy changed on api_keys for update to authenticated
    using (
        organization_id = any (array(select private.organization_ids('admin'))) and role <> 'owner'
        or organization_id = any (array(select private.organization_ids('owner')))
    );
grant select (id, organization_id, name, scopes, role, created_by, created_at, expires_at, revoked_at, last_used_at),
    insert (id, organization_id, name, secret_hash, scopes, role, created_by, expires_at),
    update (name, expires_at, revoked_at) on api_keys to authenticated;

create policy own on webhook_secrets for select to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))));
create policy added on webhook_secrets for insert to authenticated
    with check (organization_id = any (array(select private.organization_ids('admin'))));
create policy changed on webhook_secrets for update to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))));
grant select (id, organization_id, provider, created_at, expires_at),
    insert (id, organization_id, provider, sealed, expires_at),
    update (expires_at) on webhook_secrets to authenticated;

create policy own on provider_keys for select to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))));
create policy added on provider_keys for insert to authenticated
    with check (organization_id = any (array(select private.organization_ids('admin'))));
create policy changed on provider_keys for update to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))));
create policy removed on provider_keys for delete to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))));
grant select (organization_id, provider, created_at), insert (organization_id, provider, sealed),
    update (sealed, created_at), delete on provider_keys to authenticated;

-- Requests that may be repeated: the same key of the same credential gets the same answer, written with what it did.
create table idempotency_keys (
    organization_id uuid not null references organizations (id),
    actor text not null default private.actor(),
    key text not null check (length(key) between 1 and 255),
    -- SHA-256 of method, path and body: the same key for something else is refused.
    request_hash bytea not null check (length(request_hash) = 32),
    -- The answer; null while the request is at work elsewhere.
    status smallint check (status between 100 and 599),
    response jsonb,
    created_at timestamptz not null default now(),
    primary key (organization_id, actor, key)
);
create index idx_idempotency_keys_age on idempotency_keys (created_at);
select private.isolate('idempotency_keys');
grant all on idempotency_keys to service_role;
create policy own on idempotency_keys to authenticated
    using (
        organization_id = any (array(select private.organization_ids())) and actor = (select private.actor())
    );
grant select, insert (organization_id, key, request_hash), update (status, response) on idempotency_keys to authenticated;

-- A partition is a table of its own to whoever names it: it is isolated as such and grants nothing.
create or replace function private.ensure_partitions(parent text, step interval, starting timestamptz, ahead integer)
returns integer language plpgsql security definer set search_path = '' as $$
declare
    unit text := case when step >= interval '28 days' then 'month' else 'day' end;
    first_start timestamp := date_trunc(unit, starting at time zone 'UTC');
    created integer := 0;
    lower_bound timestamp;
    name text;
begin
    perform pg_advisory_xact_lock(hashtext('ensure_partitions:' || parent));
    for i in 0..ahead loop
        lower_bound := first_start + i * step;
        name := parent || '_' || to_char(lower_bound, case unit when 'month' then 'YYYY_MM' else 'YYYY_MM_DD' end);
        if to_regclass('public.' || quote_ident(name)) is null then
            execute format('create table public.%I (like public.%I including defaults including generated including constraints including storage including compression)', name, parent);
            perform private.isolate(format('public.%I', name)::regclass);
            execute format('alter table public.%I attach partition public.%I for values from (%L) to (%L)',
                parent, name, (lower_bound at time zone 'UTC')::text, ((lower_bound + step) at time zone 'UTC')::text);
            created := created + 1;
        end if;
    end loop;
    return created;
end
$$;

do $$
declare
    partition regclass;
begin
    for partition in
        select c.oid from pg_class c
        where c.relispartition and c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
            and not c.relforcerowsecurity
    loop
        perform private.isolate(partition);
    end loop;
end
$$;

-- Every partitioned table around `starting`: the month before and three ahead, a week ahead for bodies.
create or replace function private.ensure_all_partitions(starting timestamptz)
returns integer language sql security definer set search_path = '' as $$
    select (
        select sum(private.ensure_partitions(parent, '1 month', starting - interval '1 month', 4))
        from unnest(array[
            'calls', 'call_transcripts', 'call_costs', 'call_actions', 'call_recordings', 'call_notes',
            'webhook_deliveries', 'webhook_delivery_attempts', 'notifications'
        ]) as parent
    )::integer + private.ensure_partitions('webhook_bodies', '1 day', starting - interval '1 day', 8)
$$;

-- Upkeep is the service's, whoever owns the tables.
alter function private.drop_old_bodies(timestamptz) security definer;

select private.ensure_all_partitions(now());

-- migrate:down
