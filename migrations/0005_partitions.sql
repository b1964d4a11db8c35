-- Partitions ahead of time. A partition gets row level security and no grants of its own. Locks: brief, on the parents.

-- migrate:up
-- Creates what is missing of one parent; `step` is '1 month' or '1 day'. Safe to repeat and to run twice at once.
create function private.ensure_partitions(parent text, step interval, starting timestamptz, ahead integer)
returns integer language plpgsql set search_path = '' as $$
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
            execute format('alter table public.%I enable row level security', name);
            execute format('revoke all on public.%I from anon, authenticated', name);
            execute format('alter table public.%I attach partition public.%I for values from (%L) to (%L)',
                parent, name, (lower_bound at time zone 'UTC')::text, ((lower_bound + step) at time zone 'UTC')::text);
            created := created + 1;
        end if;
    end loop;
    return created;
end
$$;

-- Every partitioned table around `starting`: the month before and three ahead for calls, a week ahead for bodies.
create function private.ensure_all_partitions(starting timestamptz)
returns integer language sql set search_path = '' as $$
    select private.ensure_partitions('calls', '1 month', starting - interval '1 month', 4)
         + private.ensure_partitions('call_transcripts', '1 month', starting - interval '1 month', 4)
         + private.ensure_partitions('call_costs', '1 month', starting - interval '1 month', 4)
         + private.ensure_partitions('call_actions', '1 month', starting - interval '1 month', 4)
         + private.ensure_partitions('call_recordings', '1 month', starting - interval '1 month', 4)
         + private.ensure_partitions('webhook_bodies', '1 day', starting - interval '1 day', 8)
$$;
-- Drops partitions of bodies whose last moment is before `kept_from`. Safe to repeat.
create function private.drop_old_bodies(kept_from timestamptz)
returns integer language plpgsql set search_path = '' as $$
declare
    old record;
    dropped integer := 0;
begin
    for old in
        select c.oid::regclass as name
        from pg_catalog.pg_inherits i
        join pg_catalog.pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'public.webhook_bodies'::regclass
          and pg_catalog.to_timestamp(right(c.relname, 10), 'YYYY_MM_DD') + interval '1 day' <= kept_from
    loop
        execute format('drop table %s', old.name);
        dropped := dropped + 1;
    end loop;
    return dropped;
end
$$;
revoke all on function private.drop_old_bodies(timestamptz) from public;
grant execute on function private.drop_old_bodies(timestamptz) to service_role;

revoke all on function private.ensure_partitions(text, interval, timestamptz, integer) from public;
revoke all on function private.ensure_all_partitions(timestamptz) from public;
grant execute on function private.ensure_partitions(text, interval, timestamptz, integer) to service_role;
grant execute on function private.ensure_all_partitions(timestamptz) to service_role;

select private.ensure_all_partitions(now());

-- migrate:down
