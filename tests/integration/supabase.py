"""Databases as others prepare them: one like Supabase's, one of an ordinary login role."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from storage.embedded import DATABASE, PostgresServer

_PASSWORD = "of-the-test"


@asynccontextmanager
async def database_of_role(server: PostgresServer, *, attributes: str, prepare: str = "") -> AsyncGenerator[str]:
    """A database of a fresh role that is no superuser; `prepare` runs in it first, as one, `{role}` being that role."""
    suffix = secrets.token_hex(4)
    role, name = f"owner_{suffix}", f"test_{suffix}"
    server_url = server.url.removesuffix(DATABASE)
    maintenance = await asyncpg.connect(server_url + "postgres")
    await maintenance.execute(f"create role {role} login password '{_PASSWORD}' {attributes}")
    await maintenance.execute(f"create database {name} owner {role} template template0")
    try:
        preparing = await asyncpg.connect(server_url + name)
        await preparing.execute(prepare.replace("{role}", role))
        await preparing.close()
        yield f"postgresql://{role}:{_PASSWORD}@{server_url.rpartition('@')[2]}{name}"
    finally:
        await maintenance.execute(f"drop database {name} with (force)")
        # What the role was given, or gave, elsewhere than in its database.
        await maintenance.execute(f"drop owned by {role}; drop role {role}")
        await maintenance.close()


# After supabase/postgres: `auth` is another role's, and all that is new in `public` is granted to the API's roles.
LIKE_SUPABASE = """
grant anon, authenticated, service_role to {role};
do $$
begin
    if not exists (select from pg_roles where rolname = 'supabase_auth_admin') then
        create role supabase_auth_admin nologin noinherit;
    end if;
end
$$;
create schema auth authorization supabase_auth_admin;
set role supabase_auth_admin;
create table auth.users (id uuid primary key, email text, encrypted_password text);
create function auth.uid() returns uuid language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
    )::uuid
$$;
create function auth.jwt() returns jsonb language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''), nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;
create function auth.role() returns text language sql stable as $$
    select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
$$;
grant usage on schema auth to anon, authenticated, service_role, {role};
grant select, references on auth.users to {role};
reset role;
alter default privileges for role {role} in schema public
    grant all on tables to anon, authenticated, service_role;
alter default privileges for role {role} in schema public
    grant all on sequences to anon, authenticated, service_role;
alter default privileges for role {role} in schema public
    grant all on functions to anon, authenticated, service_role;
"""
# A role that neither is a superuser nor bypasses row level security, where somebody else made the roles.
# `anon` is only for the tests that act as it.
ORDINARY = "grant service_role, authenticated, anon to {role};"
