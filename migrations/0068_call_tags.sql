-- What people sort calls by: a few short words on each, kept whole where the call's month is archived too.
-- Locks: new tables only.

-- migrate:up
create table call_tags (
    organization_id uuid not null,
    -- In the one form that actors.domain.tags gives it.
    tag text not null check (length(tag) between 1 and 32),
    call_created_at timestamptz not null,
    call_id uuid not null,
    -- The credential that set it, as in the audit log.
    author text not null default private.actor(),
    created_at timestamptz not null default now(),
    primary key (call_id, tag)
);
-- An organization's calls with a tag, newest first.
create index idx_call_tags_found on call_tags (organization_id, tag, call_created_at desc, call_id desc);

select private.isolate('call_tags');
grant all on call_tags to service_role;
create policy own on call_tags for select to authenticated
    using (organization_id = any ((select private.readable_organizations())::uuid []));
grant select on call_tags to authenticated;

-- Sets or takes away (`present`) a tag of a call, and tells the organization's live owner by the inbox what its tags are
-- now: the row with the greatest id tells it last, because a call is tagged by one transaction at a time. No row for a
-- call that there is not; else `result` is 'done', 'unchanged', 'full' (it has `most` already) or 'archived' (its month
-- was moved out, where nothing changes). Of what was not changed nobody is told.
create function private.tag_call(
    organization uuid, provider_id text, inbox_slot smallint, word text, present boolean, most integer
) returns table (result text, tags text[], inbox_id bigint, inbox_key text, inbox_facts jsonb, told_at timestamptz)
language plpgsql security definer set search_path = '' as $$
declare
    place public.call_keys;
begin
    if organization is null or organization not in (select private.organization_ids('supervisor')) then
        raise exception 'not an organization whose calls this credential tags' using errcode = 'insufficient_privilege';
    end if;
    select * into place from public.call_keys as key
    where key.organization_id = organization and key.provider_call_id = provider_id
    for no key update;
    if not found then
        return;
    end if;
    select coalesce(array_agg(held.tag order by held.tag), '{}') into tags
    from public.call_tags as held where held.call_id = place.id;
    if (word = any (tags)) = present then
        result := 'unchanged';
    elsif not exists (
        select from public.calls where calls.id = place.id and calls.created_at = place.created_at
    ) then
        result := 'archived';
    elsif present and cardinality(tags) >= most then
        result := 'full';
    else
        result := 'done';
        if present then
            insert into public.call_tags (organization_id, tag, call_created_at, call_id)
            values (organization, word, place.created_at, place.id);
        else
            delete from public.call_tags as held where held.call_id = place.id and held.tag = word;
        end if;
        select coalesce(array_agg(held.tag order by held.tag), '{}') into tags
        from public.call_tags as held where held.call_id = place.id;
        inbox_key := 'call-tagged:' || gen_random_uuid();
        inbox_facts := jsonb_build_object(
            'tags', tags,
            'details', jsonb_build_object('tag', word, 'set', present, 'by', private.actor())
        );
        insert into public.webhook_inbox as told (
            organization_id, provider, event_key, slot, call_id, type, facts, occurred_at, received_at
        )
        values (
            organization, 'internal', inbox_key, inbox_slot, provider_id, 'call-tagged', inbox_facts, now(), now()
        )
        returning told.id, told.received_at into inbox_id, told_at;
    end if;
    return next;
end
$$;
revoke all on function private.tag_call(uuid, text, smallint, text, boolean, integer) from public;
grant execute on function private.tag_call(uuid, text, smallint, text, boolean, integer) to authenticated, service_role;

-- migrate:down
