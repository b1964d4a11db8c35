-- name: archive_alone
-- Whether this session may archive: one at a time, until it ends.
select pg_try_advisory_lock(hashtext('call-supervisor archive'));

-- name: archive_tables
-- Calls first, then every table that is partitioned by its call's first sight.
select class.relname::text as name
from pg_partitioned_table as parent
join pg_class as class on class.oid = parent.partrelid and class.relnamespace = 'public'::regnamespace
join pg_attribute as key on key.attrelid = class.oid and key.attnum = parent.partattrs[0]
where class.relname = 'calls' or key.attname = 'call_created_at'
order by class.relname <> 'calls', class.relname;

-- name: archive_columns
-- The columns of a table in their order, without those that Postgres derives from others.
select attname::text as name, format_type(atttypid, null) as type
from pg_attribute
where attrelid = format('public.%I', $1::text)::regclass and attnum > 0 and not attisdropped and attgenerated = ''
order by attnum;

-- name: archive_place
-- Where a table's rows of a month are: `attached`, `pending` (an interrupted detach) or `detached`; null: nowhere.
select case when detached.oid is not null then 'detached' when inhdetachpending then 'pending'
        when current.relispartition then 'attached' when current.oid is not null then 'loose' end as state,
    coalesce(detached.relname, current.relname)::text as name
from (values (format('%s_%s', $1::text, to_char($2::date, 'YYYY_MM')))) as told (name)
left join pg_class as current on current.oid = to_regclass(format('public.%I', told.name))
left join pg_inherits on inhrelid = current.oid
left join pg_class as detached on detached.oid = to_regclass(format('public.%I', told.name || '_detached'));

-- name: archive_rows
-- The query that reads a table's rows as they are archived: by organization, newest call first.
select format(
    'select %s from public.%I order by organization_id, %s',
    (
        select string_agg(
            case when type in ('jsonb', 'uuid') then format('%I::text', name) else format('%I', name) end, ', ' order by at
        )
        from unnest($2::text[], $3::text[]) with ordinality as told (name, type, at)
    ),
    $1::text,
    (
        select string_agg(
            case when attname in ('call_created_at', 'call_id') or parent.relname = 'calls' then format('%I desc', attname)
                else format('%I', attname) end,
            ', ' order by attname not in ('call_created_at', 'created_at'), place
        )
        from pg_class as parent
        join pg_index on indrelid = parent.oid and indisprimary
        cross join unnest(indkey::smallint[]) with ordinality as key (number, place)
        join pg_attribute on attrelid = parent.oid and attnum = number
        where parent.oid = format('public.%I', $4::text)::regclass
    )
);

-- name: archive_count
-- The query that counts a table's rows.
select format('select count(*) from public.%I', $1::text);

-- name: archive_open_calls
-- Calls of a month that have not ended.
select count(*)
from calls
where created_at >= $1::date::timestamp at time zone 'UTC'
    and created_at < ($1::date + interval '1 month') at time zone 'UTC'
    and status <> 'ended';

-- name: archive_detach
-- The command that detaches a partition; no transaction can hold it.
select format('alter table public.%I detach partition public.%I concurrently', $1::text, $2::text);

-- name: archive_finalize
-- The command that ends a detach which was interrupted.
select format('alter table public.%I detach partition public.%I finalize', $1::text, $2::text);

-- name: archive_replace
-- Put an empty partition in the place of one that was detached.
select private.replace_detached($1, $2);

-- name: archive_sources
-- The command that keeps with their keys whose calls a table holds. Safe to repeat; the newer row of a call counts.
select format(
    $command$
        with told as materialized (
            select organization_id, provider_call_id, assistant_id, assistant_name, number,
                md5(jsonb_build_array(assistant_id, assistant_name, number)::text)::uuid as fingerprint
            from public.%I
            cross join lateral (select case direction when 'outbound' then from_number else to_number end as number) as own
        ), added as (
            insert into public.call_sources (organization_id, fingerprint, assistant_id, assistant_name, number)
            select distinct on (organization_id, fingerprint)
                organization_id, fingerprint, assistant_id, assistant_name, number
            from told
            on conflict do nothing
            returning id, organization_id, fingerprint
        ), sources as (
            select id, organization_id, fingerprint from added
            union all
            select id, organization_id, fingerprint from public.call_sources
        )
        update public.call_keys set source_id = sources.id
        from told
        join sources using (organization_id, fingerprint)
        where call_keys.organization_id = told.organization_id
            and call_keys.provider_call_id = told.provider_call_id
            and call_keys.source_id is distinct from sources.id
    $command$,
    $1::text
);

-- name: archive_drop
-- The command that drops what is archived.
select format('drop table if exists public.%I', $1::text);

-- name: archive_part
-- The newest part of a month.
select part, state from archive_parts where month = $1 order by part desc limit 1;

-- name: archive_begin
-- Begin a part.
insert into archive_parts (month, part) values ($1, $2);

-- name: archive_advance
-- Note a step as done.
update archive_parts
set state = $3, archived_at = case when $3 = 'archived' then now() end
where month = $1 and part = $2;

-- name: archive_note_file
-- Note a file that was written and read back; the newer one counts.
insert into archive_files (month, part, table_name, path, rows, bytes, sha256)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (month, part, table_name) do update set
    path = excluded.path, rows = excluded.rows, bytes = excluded.bytes, sha256 = excluded.sha256, written_at = now();

-- name: archive_files_of_part
-- The files of a part.
select table_name, path, rows, bytes, sha256 from archive_files where month = $1 and part = $2;

-- name: archive_readable
-- Files that may hold what Postgres no longer has of the months from $1 to $2, the newest month and part first.
select month, part, table_name, path
from archive_files
join archive_parts using (month, part)
where month between $1 and $2 and rows > 0 and state in ('detaching', 'detached', 'verified', 'archived')
order by month desc, part desc, table_name;

-- name: words_as_query
-- What Postgres makes of the words somebody types.
select websearch_to_tsquery('simple', $1)::text;

-- name: texts_with_words
-- Which of the transcripts $2, by their place from 1, say the words $1 as the index of transcripts would find them, with
-- what was said around them, marked as `calls_highlighted` does.
select told.place, ts_headline(
    'simple',
    translate(told.said, U&'\0001\0002\0003', ''),
    websearch_to_tsquery('simple', $1),
    U&'StartSel=\0002, StopSel=\0003, FragmentDelimiter=\0001, MaxFragments=3, MaxWords=24, MinWords=8'
) as marked
from unnest($2::text[]) with ordinality as told (said, place)
where to_tsvector('simple', told.said) @@ websearch_to_tsquery('simple', $1)
    -- Nothing but marks: there all transcripts are found, as in search_calls.
    or numnode(websearch_to_tsquery('simple', $1)) = 0
order by told.place;

-- name: told_anew
-- Which of some calls, told by id and first sight, have come back with a transcript since their month was archived.
select told.id as call_id
from unnest($2::uuid[], $3::timestamptz[]) as told (id, created_at)
-- One by one, as in calls_among.
cross join lateral (
    select from call_transcripts as said
    where said.call_id = told.id and said.call_created_at = told.created_at and said.organization_id = $1
    limit 1
) as said
cross join lateral (
    select from calls
    where calls.id = told.id and calls.created_at = told.created_at and calls.organization_id = $1
    limit 1
) as stored;

-- name: recorded_late
-- Calls first seen in [$2, $3) whose recording is here.
select call_id
from call_recordings
where organization_id = $1 and call_created_at >= $2 and call_created_at < $3;

-- name: unrecorded_late
-- Calls first seen in [$2, $3) that are here without a recording.
select id, created_at
from calls
where organization_id = $1 and created_at >= $2 and created_at < $3
    and not exists (
        select from call_recordings as recording
        where recording.organization_id = $1 and recording.call_id = calls.id
            and recording.call_created_at = calls.created_at
    );

-- name: alarmed_calls
-- Calls first seen in [$2, $3), wherever they are now, about which an alarm was raised.
select distinct call_id
from incidents
where organization_id = $1 and exists (
    select from call_keys
    where call_keys.organization_id = $1 and call_keys.provider_call_id = incidents.call_id
        and call_keys.created_at >= $2 and call_keys.created_at < $3
);
