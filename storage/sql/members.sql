-- name: memberships_of_user
-- The organizations a user belongs to, and its role in each.
select member.organization_id, organization.name, member.role
from organization_members as member
join organizations as organization on organization.id = member.organization_id and organization.deleted_at is null
where member.user_id = $1
order by organization.name, organization.id;

-- name: members_of_organization
-- The people of an organization by address, at most 1,000.
select member.user_id, member.role, member.created_at, users.email, users.name, users.seen_at
from organization_members as member
join users on users.id = member.user_id
where member.organization_id = $1
order by lower(users.email), users.id
limit 1000;

-- name: member_role
-- The role of one member.
select role from organization_members where organization_id = $1 and user_id = $2;

-- name: set_member_role
-- Give a member another role; answers whether there is such a member.
update organization_members set role = $3 where organization_id = $1 and user_id = $2 returning true;

-- name: remove_member
-- Let a member go; answers whether there was one.
delete from organization_members where organization_id = $1 and user_id = $2 returning true;

-- name: put_user
-- Keep a person under the id their tokens carry.
insert into users (id, email) values ($1, $2) on conflict (id) do update set email = excluded.email;

-- name: put_member
-- Make a person a member in a role, or give them that role.
insert into organization_members (organization_id, user_id, role) values ($1, $2, $3)
on conflict (organization_id, user_id) do update set role = excluded.role;

-- name: open_invitations
-- Invitations that were neither accepted nor revoked, newest first, at most 1,000.
select id, email, role, invited_by, created_at, expires_at
from invitations
where organization_id = $1 and accepted_at is null and revoked_at is null
order by created_at desc, id
limit 1000;

-- name: is_member_by_email
-- Whether a person with this address is a member already.
select exists (
    select from organization_members as member
    join users on users.id = member.user_id
    where member.organization_id = $1 and lower(users.email) = lower($2)
);

-- name: lock_invitation
-- Whether this transaction alone invites the address $2 to the organization $1.
select pg_try_advisory_xact_lock(hashtextextended('invitation:' || $1::uuid::text || ' ' || lower($2::text), 0));

-- name: revoke_invitations_to
-- Revoke the open invitation to an address.
update invitations set revoked_at = now()
where organization_id = $1 and lower(email) = lower($2) and accepted_at is null and revoked_at is null;

-- name: add_invitation
-- Invite an address; $5 is the hash of the token that accepts.
insert into invitations (id, organization_id, email, role, token_hash, invited_by, expires_at)
values ($1, $2, $3, $4, $5, $6, $7)
returning id, email, role, invited_by, created_at, expires_at;

-- name: revoke_invitation
-- Revoke one open invitation; answers whether there was one.
update invitations set revoked_at = now()
where organization_id = $1 and id = $2 and accepted_at is null and revoked_at is null
returning true;

-- name: accept_invitation
-- Make the caller a member by the hash of an invitation's token; answers the organization, or null.
select private.accept_invitation($1);

-- name: audit
-- Note in the caller's name what it did to what, and what came of it.
select private.audit($1, $2, $3, $4, $5);

-- name: person
-- The person $1, as themselves.
select id as user_id, email, name, preferences, created_at from users where id = $1;

-- name: person_lock
-- Let nobody else change the person until the transaction is over.
select id from users where id = $1 for no key update;

-- name: person_change
-- Replace what people say of themselves.
update users set name = $2, preferences = $3 where id = $1 returning id;

-- name: display_names
-- What the organization $1 calls the members $2 and its API keys $3; people who gave no name are left out.
select 'user:' || users.id as subject, users.name
from organization_members as member
join users on users.id = member.user_id
where member.organization_id = $1 and member.user_id = any($2::uuid[]) and users.name is not null
union all
select 'key:' || api_keys.id, api_keys.name
from api_keys
where api_keys.organization_id = $1 and api_keys.id = any($3::text[]);
