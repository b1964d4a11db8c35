-- What of the past lies in the object store. Locks: new tables only.

-- migrate:up
-- A month that was moved out, in parts: the first holds what had come by then, later ones what came late.
create table archive_parts (
    -- Its first day, UTC.
    month date not null check (extract(day from month) = 1),
    part integer not null check (part >= 1),
    -- The last step that is done and need not be done again: 'begun', 'written' (all files are in the store and read
    -- back as they were), 'detaching' (readers look there, partitions are taken out), 'detached', 'verified' (the files
    -- hold what the detached tables hold), 'archived' (those are dropped).
    state text not null default 'begun'
        check (state in ('begun', 'written', 'detaching', 'detached', 'verified', 'archived')),
    begun_at timestamptz not null default now(),
    archived_at timestamptz,
    primary key (month, part),
    check ((state = 'archived') = (archived_at is not null))
);
-- One part of a month is under way at a time.
create unique index idx_archive_parts_unfinished on archive_parts (month) where state <> 'archived';

create table archive_files (
    month date not null,
    part integer not null,
    -- The partitioned table the rows are of.
    table_name text not null,
    -- In the object store, below RECORDINGS_URL.
    path text not null unique,
    rows bigint not null check (rows >= 0),
    bytes bigint not null check (bytes > 0),
    -- Over the rows in canonical encoding, in the file's order.
    sha256 bytea not null check (length(sha256) = 32),
    written_at timestamptz not null default now(),
    primary key (month, part, table_name),
    foreign key (month, part) references archive_parts (month, part)
);

select private.isolate('archive_parts');
select private.isolate('archive_files');
-- The service's alone: a file holds every organization's rows, and how many there are is nobody else's to know.
grant all on archive_parts, archive_files to service_role;

-- Takes the table that was a month's partition out of its name, and puts an empty partition in its place for what
-- comes late: never a month without a partition. Safe to repeat. Locks: brief, on the parent, none that a writer waits for.
create function private.replace_detached(parent text, month date) returns void
language plpgsql security definer set search_path = '' as $$
declare
    name text := parent || '_' || to_char(month, 'YYYY_MM');
begin
    if to_regclass(format('public.%I', name || '_detached')) is null
        and exists (select from pg_catalog.pg_class where oid = to_regclass(format('public.%I', name)) and not relispartition)
    then
        execute format('alter table public.%I rename to %I', name, name || '_detached');
    end if;
    perform private.ensure_partitions(parent, '1 month', month::timestamp at time zone 'UTC', 0);
end
$$;
revoke all on function private.replace_detached(text, date) from public;
grant execute on function private.replace_detached(text, date) to service_role;

-- migrate:down
