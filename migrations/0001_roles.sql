-- Roles and claims as on Supabase; created only where there is no Supabase. Locks: none on tables.

-- migrate:up
do $$
begin
    if not exists (select from pg_roles where rolname = 'anon') then
        create role anon nologin noinherit;
    end if;
    if not exists (select from pg_roles where rolname = 'authenticated') then
        create role authenticated nologin noinherit;
    end if;
    if not exists (select from pg_roles where rolname = 'service_role') then
        create role service_role nologin noinherit bypassrls;
    end if;
    -- A user's request runs as `authenticated`, so whoever logs in must be allowed to become it.
    begin
        execute format('grant authenticated to %I', current_user);
    exception when insufficient_privilege then
        raise notice 'grant authenticated to the login role of DATABASE_URL, unless it may become it already';
    end;
end
$$;

create schema if not exists auth;
create schema if not exists private;

do $$
begin
    if to_regprocedure('auth.jwt()') is null then
        -- After a transaction a local setting reads '' instead of null, hence the nullif.
        create function auth.jwt() returns jsonb language sql stable as $f$
            select nullif(current_setting('request.jwt.claims', true), '')::jsonb
        $f$;
    end if;
    if to_regprocedure('auth.uid()') is null then
        create function auth.uid() returns uuid language sql stable as $f$
            select nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '')::uuid
        $f$;
    end if;
end
$$;

grant usage on schema auth to anon, authenticated, service_role;
grant usage on schema public to anon, authenticated, service_role;
grant usage on schema private to authenticated, service_role;

-- The organization a credential speaks for. An API key's claims name it; nothing else does yet.
create function private.organization_ids() returns setof uuid
language sql stable set search_path = '' as $$
    select (auth.jwt() ->> 'organization_id')::uuid where auth.jwt() ? 'organization_id'
$$;
revoke all on function private.organization_ids() from public;
grant execute on function private.organization_ids() to authenticated, service_role;

-- migrate:down
