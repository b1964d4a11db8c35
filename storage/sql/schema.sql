-- name: schema_description
-- The schema, a line for each thing, without what the clock makes (partitions, unless one differs from its siblings), what
-- the server makes of itself and what ties to Supabase's own tables.
with relation as (
    select oid, relname as name, relkind, relrowsecurity, relforcerowsecurity, relacl, relnamespace
    from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') and not relispartition
),
member as (
    -- Partitions, by what must be the same for all of a parent.
    select parent.name, partition.oid, partition.relname as partition_name,
        concat_ws(
            ', ',
            case when partition.relrowsecurity then 'row security' else 'no row security' end,
            case when partition.relforcerowsecurity then 'forced' end,
            (
                select string_agg(polname, ' ' order by polname) from pg_policy where polrelid = partition.oid
            ),
            (
                select 'granted to ' || string_agg(distinct coalesce(role.rolname, 'public'), ' ')
                from aclexplode(partition.relacl) as granted
                left join pg_roles as role on role.oid = granted.grantee
                where granted.grantee <> partition.relowner
            )
        ) as text
    from relation as parent
    join pg_inherits on inhparent = parent.oid
    join pg_class as partition on partition.oid = inhrelid
),
usual as (
    select name, mode() within group (order by text) as text from member group by name
)
select regexp_replace(line, '\s+', ' ', 'g') as line from (
    select 'table ' || name
        || case when relkind = 'p' then ' partitioned by ' || pg_get_partkeydef(oid) else '' end
        || case when relrowsecurity then ', row security' else '' end
        || case when relforcerowsecurity then ' forced' else '' end as line
    from relation

    union all
    select 'partitions of ' || name || ': ' || text from usual
    union all
    select 'partition ' || member.partition_name || ': ' || member.text
    from member join usual using (name) where member.text <> usual.text

    union all
    select 'column ' || name || '.' || attname || ' ' || format_type(atttypid, atttypmod)
        || case when attnotnull then ' not null' else '' end
        || case when attidentity <> '' then ' identity' else '' end
        || case
            when attgenerated <> '' then ' generated ' || pg_get_expr(adbin, adrelid)
            when adbin is not null then ' default ' || pg_get_expr(adbin, adrelid)
            else ''
        end
    from relation
    join pg_attribute on attrelid = relation.oid and attnum > 0 and not attisdropped
    left join pg_attrdef on adrelid = relation.oid and adnum = attnum

    union all
    select 'constraint ' || relation.name || '.' || conname || ' ' || pg_get_constraintdef(constrained.oid)
    from relation
    join pg_constraint as constrained on conrelid = relation.oid and contype in ('p', 'u', 'f', 'c', 'x')
    left join pg_class as referred on referred.oid = confrelid
    where referred.oid is null or referred.relnamespace = 'public'::regnamespace

    union all
    select 'index ' || relation.name || '.' || index_class.relname || ' '
        || regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', case when indisunique then 'unique ' else '' end)
    from relation
    join pg_index on indrelid = relation.oid
    join pg_class as index_class on index_class.oid = indexrelid
    where not exists (select from pg_constraint where conindid = indexrelid and conrelid = relation.oid and contype <> 'f')

    union all
    select 'policy ' || tablename || '.' || policyname || ' ' || lower(cmd) || ' to ' || array_to_string(roles, ' ')
        || coalesce(' using ' || qual, '')
        || coalesce(' check ' || with_check, '')
    from pg_policies join relation on relation.name = tablename
    where schemaname = 'public'

    union all
    select 'grant ' || lower(string_agg(privilege_type, ' ' order by privilege_type)) || ' on ' || name || ' to '
        || coalesce(rolname, 'public')
    from relation
    cross join aclexplode(relacl) as granted
    left join pg_roles on pg_roles.oid = grantee
    where privilege_type <> 'MAINTAIN' and (grantee = 0 or rolname in ('anon', 'authenticated', 'service_role'))
    group by name, rolname

    union all
    select 'grant ' || lower(privilege_type) || ' (' || string_agg(attname, ', ' order by attname) || ') on ' || name
        || ' to ' || coalesce(rolname, 'public')
    from relation
    join pg_attribute on attrelid = relation.oid and not attisdropped
    cross join aclexplode(attacl) as granted
    left join pg_roles on pg_roles.oid = grantee
    group by name, rolname, privilege_type

    union all
    select 'trigger ' || relation.name || '.' || tgname || ' '
        || regexp_replace(pg_get_triggerdef(pg_trigger.oid), '^CREATE TRIGGER \S+ ', '')
    from relation
    join pg_trigger on tgrelid = relation.oid and not tgisinternal

    union all
    select 'function ' || replace(pg_proc.oid::regprocedure::text, 'private.', '') || ' '
        || concat_ws(
            ', ',
            lanname,
            'returns ' || pg_get_function_result(pg_proc.oid),
            case provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
            case when prosecdef then 'security definer' end,
            array_to_string(proconfig, ' '),
            (
                select 'to ' || string_agg(coalesce(rolname, 'public'), ' ' order by rolname)
                from aclexplode(coalesce(proacl, acldefault('f', proowner))) as granted
                left join pg_roles on pg_roles.oid = grantee
                where grantee <> proowner and (grantee = 0 or rolname in ('anon', 'authenticated', 'service_role'))
            ),
            'body ' || md5(prosrc)
        )
    from pg_proc
    join pg_language on pg_language.oid = prolang
    where pronamespace = 'private'::regnamespace
) as described
order by line collate "C";
