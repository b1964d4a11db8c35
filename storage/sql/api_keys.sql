-- name: api_key
-- A key that may be used now, of an organization that exists, with the hash its secret must have.
select key.id, key.organization_id, key.secret_hash, key.scopes, key.role, key.user_id,
    key.last_used_at is null or key.last_used_at < now() - interval '1 minute' as is_use_due
from api_keys as key
join organizations as organization on organization.id = key.organization_id and organization.deleted_at is null
where key.id = $1
    and key.revoked_at is null
    and (key.expires_at is null or key.expires_at > now());

-- name: add_api_key
-- Keep a key by the hash of its secret; a repeat changes nothing but what it permits.
insert into api_keys (id, organization_id, name, secret_hash, scopes, role, expires_at, user_id)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (id) do update set scopes = excluded.scopes, role = excluded.role, user_id = excluded.user_id;

-- name: note_api_key_use
-- Remember that a key is in use, to the minute or so. Whoever changes the key at this moment is not waited for.
update api_keys set last_used_at = now()
where id = (
    select id from api_keys
    where id = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')
    for no key update skip locked
);

-- name: revoke_api_key
-- Revoke one key; answers whether this call was the one that did it.
update api_keys set revoked_at = now()
where id = $1 and organization_id = $2 and revoked_at is null and (expires_at is null or expires_at > now())
returning true;

-- name: revoke_api_keys_except
-- Revoke the organization's keys of one name other than the one to keep.
update api_keys set revoked_at = now()
where organization_id = $1 and name = $2 and id <> $3 and revoked_at is null;

-- name: api_keys_of_organization
-- Keys without their secrets, newest first, at most 500; not login links, and those long over neither.
select id, name, scopes, role, created_by, created_at, expires_at, revoked_at, last_used_at
from api_keys
where organization_id = $1 and not scopes @> '{session:create}'
    and coalesce(revoked_at, expires_at, 'infinity') > now() - interval '90 days'
order by created_at desc, id
limit 500;

-- name: live_api_keys
-- The keys that may be used now.
select id, name, scopes, role, created_at, expires_at
from api_keys
where organization_id = $1 and not scopes @> '{session:create}'
    and revoked_at is null and (expires_at is null or expires_at > now());

-- name: lock_api_keys
-- Let one transaction at a time count and add keys of an organization.
select pg_advisory_xact_lock(hashtextextended('api-keys:' || $1, 0));

-- name: create_api_key
-- Keep a key that somebody made by its secret's hash.
insert into api_keys (id, organization_id, name, secret_hash, scopes, role, created_by, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning id, name, scopes, role, created_by, created_at, expires_at, revoked_at, last_used_at;

-- name: expire_api_key
-- Let a key end at a moment, unless it ends before.
update api_keys set expires_at = least(expires_at, $3) where organization_id = $1 and id = $2 and revoked_at is null;

-- name: end_api_key
-- Revoke a key now; answers whether this call did it.
update api_keys set revoked_at = now() where organization_id = $1 and id = $2 and revoked_at is null returning true;
