-- What an organization's limit of calls at once was, and since when: figures are of the limit that held, not of today's.
-- Locks: organizations while its rows are read once, for its triggers; daily_usage for a moment, nothing is rewritten.

-- migrate:up
create table concurrency_limits (
    organization_id uuid not null references organizations (id),
    since timestamptz not null,
    -- Calls at once; null: no limit.
    concurrency_limit integer check (concurrency_limit > 0),
    primary key (organization_id, since)
);
create trigger append_only before update or delete on concurrency_limits
    for each row execute function private.refuse_change();
create trigger append_only_whole before truncate on concurrency_limits
    for each statement execute function private.refuse_change();
select private.isolate('concurrency_limits');
grant select, insert on concurrency_limits to service_role;
create policy own on concurrency_limits for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
grant select on concurrency_limits to authenticated;

-- In the transaction of the change itself, whoever makes it. The organization's row is locked by then, so changes follow
-- each other, also by a clock that was set back: the last row is what holds.
create function private.note_concurrency_limit() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into public.concurrency_limits (organization_id, since, concurrency_limit)
    select
        new.id,
        greatest(
            case tg_op when 'INSERT' then new.created_at else clock_timestamp() end,
            max(since) + interval '1 microsecond'
        ),
        new.concurrency_limit
    from public.concurrency_limits
    where organization_id = new.id;
    return null;
end
$$;
revoke all on function private.note_concurrency_limit() from public;
create trigger note_first_concurrency_limit after insert on organizations
    for each row execute function private.note_concurrency_limit();
create trigger note_concurrency_limit after update of concurrency_limit on organizations
    for each row when (old.concurrency_limit is distinct from new.concurrency_limit)
    execute function private.note_concurrency_limit();
-- No other limit is known of than the one that holds.
insert into concurrency_limits (organization_id, since, concurrency_limit)
select id, created_at, concurrency_limit from organizations;

-- limit(t) over [opens, closes) as [[ms since the epoch, calls at once], …] in order, from what held when it opens; where
-- more than a thousand changes were made in it, of the others the last. Reads as its caller.
create function private.limits_between(organization uuid, opens timestamptz, closes timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(
        jsonb_agg(
            jsonb_build_array(floor(extract(epoch from since) * 1000)::bigint, concurrency_limit) order by since
        ),
        '[]'
    )
    from (
        (
            select since, concurrency_limit
            from public.concurrency_limits
            where organization_id = organization and since <= opens
            order by since desc
            limit 1
        )
        union all
        (
            select since, concurrency_limit
            from public.concurrency_limits
            where organization_id = organization and since > opens and since < closes
            order by since desc
            limit 1000
        )
    ) as told
$$;
revoke all on function private.limits_between(uuid, timestamptz, timestamptz) from public;
grant execute on function private.limits_between(uuid, timestamptz, timestamptz) to authenticated, service_role;

alter table daily_usage
    -- actors.domain.capacity.CapacityUse of a day on which the limit changed; null where one held all day, for which
    -- level_ms is enough.
    add column capacity_ms bigint,
    add column capacity_used_ms bigint,
    add column saturated_ms bigint;

-- migrate:down
