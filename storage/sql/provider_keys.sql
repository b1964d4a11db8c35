-- name: put_provider_key
-- Keeps the key an organization's provider is asked with, replacing the one before.
insert into provider_keys (organization_id, provider, sealed)
values ($1, $2, $3)
on conflict (organization_id, provider) do update
set sealed = excluded.sealed, created_at = now()

-- name: provider_key
-- The sealed key of an organization's provider.
select sealed from provider_keys where organization_id = $1 and provider = $2

-- name: provider_key_remove
-- Forget the key of an organization's provider.
delete from provider_keys where organization_id = $1 and provider = $2;

-- name: provider_key_add
-- Keep a sealed key, where there is none.
insert into provider_keys (organization_id, provider, sealed) values ($1, $2, $3);
