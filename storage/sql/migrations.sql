-- name: migrations_ledger
-- Where dbmate notes what it applied, and we what that was; notes that lie in `public`, as dbmate would have it, move.
do $$
begin
    create schema if not exists private;
    if to_regclass('private.schema_migrations') is null and to_regclass('public.schema_migrations') is not null then
        alter table public.schema_migrations set schema private;
    end if;
    create table if not exists private.schema_migrations (version varchar(128) primary key);
    create table if not exists private.migration_digests (version varchar(128) primary key, sha256 bytea not null);
end
$$;

-- name: migrations_digests
-- What was applied under each number.
select version, sha256 from private.migration_digests;

-- name: migrations_keep_digests
-- Keeps the digests $2 of the versions $1 that are applied, and never another in their place.
insert into private.migration_digests (version, sha256)
select version, file.sha256
from unnest($1::text[], $2::bytea[]) as file (version, sha256)
join private.schema_migrations using (version)
on conflict do nothing;
