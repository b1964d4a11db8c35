-- Who belongs to an organization, and what its role there lets it change. Locks: api_keys for a moment: new columns,
-- nothing is rewritten.

-- migrate:up
-- Puts a table under row level security, out of everybody's reach but the service's: policies and grants are added after
-- it. Supabase grants new tables of `public` to `anon` and `authenticated` unasked, hence the revoke.
create function private.isolate(isolated regclass) returns void
language plpgsql set search_path = '' as $$
begin
    execute format('alter table %s enable row level security', isolated);
    -- The owner too: a login role that neither owns everything nor bypasses the policies needs one of its own, below.
    execute format('alter table %s force row level security', isolated);
    execute format('revoke all on %s from public, anon, authenticated', isolated);
    execute format('create policy service on %s to service_role using (true) with check (true)', isolated);
end
$$;
revoke all on function private.isolate(regclass) from public;

-- Ranks, so that a role includes those below it; null for none. A new role is a line here and in the checks.
create function private.role_rank(role text) returns integer
language sql immutable set search_path = '' as $$
    select case role when 'viewer' then 1 when 'supervisor' then 2 when 'admin' then 3 when 'owner' then 4 end
$$;
revoke all on function private.role_rank(text) from public;
grant execute on function private.role_rank(text) to authenticated, service_role;

-- People, under the ids that Supabase Auth (auth.users) or the product's own issuer gives them. How they prove who they
-- are is not kept here.
create table users (
    id uuid primary key,
    -- As the latest token told: where invitations and notices go, and how others see them.
    email text not null check (length(email) between 3 and 320),
    name text check (length(name) between 1 and 200),
    -- What the page remembers of them: {"theme": "dark", …}.
    preferences jsonb not null default '{}' check (jsonb_typeof(preferences) = 'object'),
    created_at timestamptz not null default now(),
    seen_at timestamptz
);
create index idx_users_email on users (lower(email));
-- An account deleted on Supabase takes what is kept of the person with it.
do $$
begin
    if to_regclass('auth.users') is not null then
        alter table users add constraint users_account foreign key (id) references auth.users (id) on delete cascade;
    end if;
exception when insufficient_privilege then
    raise notice 'users are not tied to auth.users, which this role may not reference';
end
$$;

create table organization_members (
    organization_id uuid not null references organizations (id),
    user_id uuid not null references users (id) on delete cascade,
    role text not null check (role in ('owner', 'admin', 'supervisor', 'viewer')),
    created_at timestamptz not null default now(),
    primary key (organization_id, user_id)
);
create index idx_members_user on organization_members (user_id);

-- An organization that had an owner keeps one, even when two leave at the same time.
create function private.keep_an_owner() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if tg_op = 'UPDATE' and new.role = 'owner' and new.organization_id = old.organization_id then
        return new;
    end if;
    perform from public.organizations where id = old.organization_id for no key update;
    if not exists (
        select from public.organization_members
        where organization_id = old.organization_id and role = 'owner' and user_id <> old.user_id
    ) then
        raise exception 'an organization keeps at least one owner'
            using errcode = 'check_violation', constraint = 'organization_members_keep_an_owner';
    end if;
    return case when tg_op = 'DELETE' then old else new end;
end
$$;
revoke all on function private.keep_an_owner() from public;
create trigger keep_an_owner before update or delete on organization_members
    for each row when (old.role = 'owner') execute function private.keep_an_owner();

create table invitations (
    id uuid primary key,
    organization_id uuid not null references organizations (id),
    email text not null check (length(email) between 3 and 320),
    role text not null check (role in ('owner', 'admin', 'supervisor', 'viewer')),
    -- SHA-256 of what the email's link carries.
    token_hash bytea not null unique check (length(token_hash) = 32),
    -- The credential that invited, as in the audit log.
    invited_by text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    accepted_at timestamptz,
    revoked_at timestamptz,
    check (expires_at > created_at),
    check (accepted_at is null or revoked_at is null)
);
create unique index idx_invitations_open on invitations (organization_id, lower(email))
    where accepted_at is null and revoked_at is null;

alter table api_keys
    -- What the key may change, beside its scopes.
    add column role text not null default 'viewer',
    -- The credential that made it, as in the audit log.
    add column created_by text,
    -- To the minute or so; null when never used.
    add column last_used_at timestamptz;
alter table api_keys
    add constraint api_keys_role check (role in ('owner', 'admin', 'supervisor', 'viewer')) not valid;

-- What a credential may do where. One that names an organization (an API key, a session that chose one) speaks for that
-- alone, in the role it states and else as a viewer; any other for every organization the user is a member of.
create function private.memberships() returns table (organization_id uuid, rank integer)
language sql stable security definer set search_path = '' as $$
    select (auth.jwt() ->> 'organization_id')::uuid,
        private.role_rank(coalesce(auth.jwt() ->> 'organization_role', 'viewer'))
    where auth.jwt() ? 'organization_id'
    union all
    select member.organization_id, private.role_rank(member.role)
    from public.organization_members as member
    join public.organizations as organization
        on organization.id = member.organization_id and organization.deleted_at is null
    where member.user_id = auth.uid() and not coalesce(auth.jwt() ? 'organization_id', false)
$$;

-- Where a credential may read.
create or replace function private.organization_ids() returns setof uuid
language sql stable security definer set search_path = '' as $$
    select organization_id from private.memberships() where rank >= 1
$$;

-- Where a credential may do what takes this role or one above it.
create function private.organization_ids(minimum_role text) returns setof uuid
language sql stable security definer set search_path = '' as $$
    select organization_id from private.memberships() where rank >= private.role_rank(minimum_role)
$$;

-- People whom a credential may see: itself, and the members of its organizations.
create function private.user_ids() returns setof uuid
language sql stable security definer set search_path = '' as $$
    select auth.uid() where auth.uid() is not null
    union
    select member.user_id from public.organization_members as member
    where member.organization_id in (select private.organization_ids())
$$;

-- Who acts, as the audit log names it: 'key:…' or 'user:…'.
create function private.actor() returns text
language sql stable security definer set search_path = '' as $$
    select coalesce(auth.jwt() ->> 'actor', 'user:' || auth.uid())
$$;

-- Makes the person whose token this is a member, if the invitation was for its address. Null when there is none to accept.
create function private.accept_invitation(told_hash bytea) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
    invitation public.invitations;
begin
    update public.invitations set accepted_at = now()
    where token_hash = told_hash and accepted_at is null and revoked_at is null and expires_at > now()
        and lower(email) = lower(auth.jwt() ->> 'email')
    returning * into invitation;
    if invitation.id is null or auth.uid() is null then
        return null;
    end if;
    insert into public.users (id, email) values (auth.uid(), auth.jwt() ->> 'email') on conflict (id) do nothing;
    -- Never a lesser role than the person has already.
    insert into public.organization_members as member (organization_id, user_id, role)
    values (invitation.organization_id, auth.uid(), invitation.role)
    on conflict (organization_id, user_id) do update set role = excluded.role
        where private.role_rank(excluded.role) > private.role_rank(member.role);
    insert into public.audit_log (organization_id, actor, action, target, reason, result)
    values (invitation.organization_id, private.actor(), 'invitation-accepted', invitation.id::text, '', invitation.role);
    return invitation.organization_id;
end
$$;

-- Notes what the credential did, under its own name: nobody can write in another's.
create function private.audit(organization_id uuid, action text, target text, reason text, result text) returns void
language plpgsql security definer set search_path = '' as $$
begin
    if organization_id is null or organization_id not in (select private.organization_ids()) then
        raise exception 'not an organization of this credential' using errcode = 'insufficient_privilege';
    end if;
    insert into public.audit_log (organization_id, actor, action, target, reason, result)
    values (organization_id, private.actor(), action, target, reason, result);
end
$$;

revoke all on function private.memberships(), private.organization_ids(text), private.user_ids(), private.actor(),
    private.accept_invitation(bytea), private.audit(uuid, text, text, text, text) from public;
grant execute on function private.memberships(), private.organization_ids(text), private.user_ids(), private.actor(),
    private.accept_invitation(bytea), private.audit(uuid, text, text, text, text) to authenticated, service_role;

select private.isolate('users'), private.isolate('organization_members'), private.isolate('invitations');
grant all on users, organization_members, invitations to service_role;

create policy own on users for select to authenticated using (id = any (array(select private.user_ids())));
create policy self on users for update to authenticated
    using (id = (select auth.uid())) with check (id = (select auth.uid()));
grant select, update (name, preferences) on users to authenticated;

create policy own on organization_members for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
-- Only an owner makes, changes or removes an owner.
create policy added on organization_members for insert to authenticated
    with check (
        organization_id = any (array(select private.organization_ids('admin'))) and role <> 'owner'
        or organization_id = any (array(select private.organization_ids('owner')))
    );
create policy changed on organization_members for update to authenticated
    using (
        organization_id = any (array(select private.organization_ids('admin'))) and role <> 'owner'
        or organization_id = any (array(select private.organization_ids('owner')))
    );
create policy removed on organization_members for delete to authenticated
    using (
        organization_id = any (array(select private.organization_ids('admin'))) and role <> 'owner'
        or organization_id = any (array(select private.organization_ids('owner')))
        or organization_id = any (array(select private.organization_ids())) and user_id = (select auth.uid())
    );
grant select, insert, update (role), delete on organization_members to authenticated;

create policy own on invitations for select to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))));
create policy added on invitations for insert to authenticated
    with check (
        organization_id = any (array(select private.organization_ids('admin'))) and role <> 'owner'
        or organization_id = any (array(select private.organization_ids('owner')))
    );
create policy changed on invitations for update to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))));
grant select (id, organization_id, email, role, invited_by, created_at, expires_at, accepted_at, revoked_at),
    insert (id, organization_id, email, role, token_hash, invited_by, created_at, expires_at),
    update (revoked_at) on invitations to authenticated;

-- migrate:down
