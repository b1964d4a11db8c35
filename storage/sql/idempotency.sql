-- name: idempotency_lock
-- Whether this transaction alone works at the key $3 of the credential $2; drops the key when it is a day old.
with locked as (
    select pg_try_advisory_xact_lock(hashtextextended($1::uuid::text || ' ' || $2::text || ' ' || $3::text, 0)) as alone
), dropped as (
    delete from idempotency_keys
    where organization_id = $1 and actor = $2 and key = $3 and created_at < now() - interval '24 hours'
        and (select alone from locked)
)
select alone from locked;

-- name: idempotency_held
-- What is known of the key $3 of the credential $2.
select request_hash, status, response from idempotency_keys where organization_id = $1 and actor = $2 and key = $3;

-- name: idempotency_claim
-- Take a key that is free.
insert into idempotency_keys (organization_id, key, request_hash) values ($1, $2, $3) returning key;

-- name: idempotency_keep
-- Store the answer to the key $3 of the credential $2.
update idempotency_keys set status = $4, response = $5
where organization_id = $1 and actor = $2 and key = $3
returning key;

-- name: idempotency_release
-- Forget the key $3 of the credential $2.
delete from idempotency_keys where organization_id = $1 and actor = $2 and key = $3 returning key;

-- name: idempotency_purge
-- Forget at most $1 keys that are a day old, the oldest first; answers how many there were.
with old as (
    select organization_id, actor, key from idempotency_keys
    where created_at < now() - interval '24 hours'
    order by created_at
    limit $1
    for update skip locked
), forgotten as (
    delete from idempotency_keys as kept using old
    where kept.organization_id = old.organization_id and kept.actor = old.actor and kept.key = old.key
    returning 1
)
select count(*) from forgotten;
