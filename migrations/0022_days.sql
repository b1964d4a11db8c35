-- Calls that a day's figures are made of, for every statement that adds them up. Locks: none; a new function.

-- migrate:up
-- Calls first seen in [opens, closes), and those live in it that were first seen before, or within a day after. Written
-- so that Postgres puts it in the place of its call: it reads as its caller, by the indexes of `calls`.
create function private.calls_of_day(organization uuid, opens timestamptz, closes timestamptz) returns setof public.calls
language sql stable as $$
    select * from public.calls
    where organization_id = organization and created_at >= opens and created_at < closes
    union all
    select * from public.calls
    where organization_id = organization and created_at < opens and live_until > opens and live_from < closes
    union all
    select * from public.calls
    where organization_id = organization and created_at < opens and status <> 'ended' and live_until is null
        and live_from < closes
    union all
    select * from public.calls
    where organization_id = organization and created_at >= closes and created_at < closes + interval '24 hours'
        and live_from < closes
$$;
revoke all on function private.calls_of_day(uuid, timestamptz, timestamptz) from public;
grant execute on function private.calls_of_day(uuid, timestamptz, timestamptz) to authenticated, service_role;

-- migrate:down
