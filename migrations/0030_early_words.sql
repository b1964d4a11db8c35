-- What a vendor told of a message before we had noted the vendor's id of it: a callback may overtake the answer to the
-- request that it is about. Locks: notifications for a moment, for its triggers.

-- migrate:up
create table early_words (
    provider text not null,
    vendor_id text not null,
    -- The highest rank heard so far, as in notifications.
    status text not null,
    rank smallint not null,
    error text,
    -- Why the recipient must not be written to any more, if that is what was told.
    suppression text,
    told_at timestamptz not null default now(),
    primary key (provider, vendor_id)
);
create index idx_early_words_old on early_words (told_at);

select private.isolate('early_words');
grant all on early_words to service_role;

-- Once a message has its vendor's id, what was told of that id is the message's. Whoever tells holds the same lock, so
-- that of the two the later one always sees the earlier.
create function private.hear_early_word() returns trigger
language plpgsql set search_path = '' as $$
declare
    early public.early_words;
begin
    if new.vendor_id is null or tg_op = 'UPDATE' and old.vendor_id is not distinct from new.vendor_id then
        return new;
    end if;
    perform pg_advisory_xact_lock(hashtextextended(new.provider || ':' || new.vendor_id, 30));
    delete from public.early_words where provider = new.provider and vendor_id = new.vendor_id returning * into early;
    if found then
        if early.rank > new.rank then
            new.status := early.status;
            new.rank := early.rank;
            new.error := early.error;
        end if;
        if early.suppression is not null then
            insert into public.suppressions (organization_id, channel, address, reason)
            values (new.organization_id, new.channel, new.recipient, early.suppression)
            on conflict do nothing;
        end if;
    end if;
    return new;
end
$$;
revoke all on function private.hear_early_word() from public;
create trigger hear_early_word before insert or update of vendor_id on notifications
    for each row execute function private.hear_early_word();

-- migrate:down
