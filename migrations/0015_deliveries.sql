-- What goes out: customers' webhooks, messages to people, notes. Locks: new tables only.

-- migrate:up
-- Endpoints that customers want to be told at.
create table integrations (
    id uuid primary key,
    organization_id uuid not null references organizations (id),
    name text not null check (length(name) between 1 and 200),
    url text not null check (url ~ '^https?://[^\s]+$' and length(url) <= 2000),
    -- 'call.completed', …; whoever delivers knows them all.
    events text[] not null check (cardinality(events) between 1 and 50 and array_position(events, null) is null),
    -- Signing secrets, AES-256-GCM under ENCRYPTION_KEY, bound to the organization. The former signs beside the current one
    -- until it expires, so that a rotation refuses nothing.
    sealed_secret bytea not null,
    previous_sealed_secret bytea,
    previous_secret_expires_at timestamptz,
    -- Since when every attempt failed; null while they succeed.
    failing_since timestamptz,
    disabled_at timestamptz,
    -- 'gone' (it answered 410), 'failing' (for five days) or 'manual'.
    disabled_reason text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    constraint integrations_previous_secret
        check ((previous_sealed_secret is null) = (previous_secret_expires_at is null)),
    constraint integrations_disabled check ((disabled_at is null) = (disabled_reason is null))
);
create index idx_integrations_organization on integrations (organization_id) where deleted_at is null;

-- One event for one endpoint. `id` follows from endpoint and event, and `created_at` is the event's own moment, so the
-- same delivery written again is the same row.
create table webhook_deliveries (
    id uuid not null,
    created_at timestamptz not null,
    organization_id uuid not null,
    integration_id uuid not null,
    event text not null,
    -- The provider's call id; null for events without a call.
    call_id text,
    -- The body as it is signed and sent: the same bytes at each attempt.
    payload text not null check (octet_length(payload) <= 1048576),
    status text not null default 'pending' check (status in ('pending', 'delivered', 'exhausted', 'cancelled')),
    attempts integer not null default 0 check (attempts >= 0),
    -- When the next attempt is due; null when there is none.
    next_attempt_at timestamptz,
    settled_at timestamptz,
    primary key (id, created_at),
    check ((status = 'pending') = (settled_at is null)),
    check (next_attempt_at is null or status = 'pending')
) partition by range (created_at);
create index idx_deliveries_page on webhook_deliveries (organization_id, created_at desc, id desc);
create index idx_deliveries_integration on webhook_deliveries (integration_id, created_at desc);
create index idx_deliveries_due on webhook_deliveries (next_attempt_at) where status = 'pending';

create table webhook_delivery_attempts (
    delivery_id uuid not null,
    delivery_created_at timestamptz not null,
    attempt integer not null check (attempt >= 1),
    organization_id uuid not null,
    integration_id uuid not null,
    attempted_at timestamptz not null,
    duration_ms integer not null check (duration_ms >= 0),
    -- Null when no answer came: then `error` says why.
    response_status smallint check (response_status between 100 and 999),
    -- The beginning of the answer.
    response_excerpt text check (octet_length(response_excerpt) <= 16384),
    error text,
    primary key (delivery_id, delivery_created_at, attempt),
    check (response_status is not null or error is not null)
) partition by range (delivery_created_at);
create index idx_attempts_integration on webhook_delivery_attempts (integration_id, attempted_at desc);

-- People an organization wants told.
create table notification_recipients (
    id uuid primary key,
    organization_id uuid not null references organizations (id),
    channel text not null check (channel in ('sms', 'email')),
    address text not null,
    -- 'call-completed', 'usage', 'alarm', …
    kinds text[] not null check (cardinality(kinds) between 1 and 50 and array_position(kinds, null) is null),
    created_at timestamptz not null default now(),
    disabled_at timestamptz,
    check (channel <> 'sms' or address ~ '^\+[1-9][0-9]{6,14}$'),
    check (channel <> 'email' or address ~ '^[^@\s]+@[^@\s]+$'),
    unique (organization_id, channel, address)
);

-- One message to one recipient. `id` follows from recipient, kind and what it is about, and `created_at` is that one's own
-- moment (a call's is when it was first seen), so the same message written again is the same row.
create table notifications (
    id uuid not null,
    created_at timestamptz not null,
    organization_id uuid not null,
    -- The provider's call id; null for messages without a call.
    call_id text,
    kind text not null,
    channel text not null check (channel in ('sms', 'email')),
    recipient text not null,
    provider text not null,
    -- The vendor's id of the message: what its callbacks name.
    vendor_id text,
    -- The vendor's word, and its rank: of callbacks out of order the highest stays.
    status text not null default 'pending',
    rank smallint not null default 0 check (rank >= 0),
    error text,
    sent_at timestamptz,
    updated_at timestamptz not null default now(),
    primary key (id, created_at)
) partition by range (created_at);
create index idx_notifications_page on notifications (organization_id, created_at desc, id desc);
create index idx_notifications_vendor on notifications (vendor_id) where vendor_id is not null;

create function private.keep_the_highest_rank() returns trigger
language plpgsql set search_path = '' as $$
begin
    if new.rank < old.rank then
        raise exception 'a notification of rank % cannot fall to %', old.rank, new.rank using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger keep_the_highest_rank before update of rank on notifications
    for each row execute function private.keep_the_highest_rank();

-- Addresses an organization must not write to any more.
create table suppressions (
    organization_id uuid not null references organizations (id),
    channel text not null check (channel in ('sms', 'email')),
    address text not null,
    -- 'opt-out', 'bounce' or 'complaint'.
    reason text not null,
    created_at timestamptz not null default now(),
    primary key (organization_id, channel, address)
);

-- What a supervisor wrote down about a call.
create table call_notes (
    id uuid not null,
    call_id uuid not null,
    call_created_at timestamptz not null,
    organization_id uuid not null,
    -- The credential that wrote it, as in the audit log.
    author text not null default private.actor(),
    text text not null check (length(text) between 1 and 10000),
    created_at timestamptz not null default now(),
    primary key (call_id, call_created_at, id)
) partition by range (call_created_at);

select private.isolate(name::regclass) from unnest(array[
    'integrations', 'webhook_deliveries', 'webhook_delivery_attempts', 'notification_recipients', 'notifications',
    'suppressions', 'call_notes'
]) as name;
grant all on integrations, webhook_deliveries, webhook_delivery_attempts, notification_recipients, notifications,
    suppressions, call_notes to service_role;

create policy own on integrations for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy added on integrations for insert to authenticated
    with check (organization_id = any (array(select private.organization_ids('admin'))));
create policy changed on integrations for update to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))));
grant select (
        id, organization_id, name, url, events, previous_secret_expires_at, failing_since, disabled_at, disabled_reason,
        created_at, updated_at, deleted_at
    ),
    insert (id, organization_id, name, url, events, sealed_secret),
    update (
        name, url, events, sealed_secret, previous_sealed_secret, previous_secret_expires_at, failing_since, disabled_at,
        disabled_reason, updated_at, deleted_at
    ) on integrations to authenticated;

create policy own on webhook_deliveries for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy own on webhook_delivery_attempts for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy own on notifications for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
grant select on webhook_deliveries, webhook_delivery_attempts, notifications to authenticated;

create policy own on notification_recipients for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy changed on notification_recipients to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))));
grant select, insert, update (kinds, disabled_at), delete on notification_recipients to authenticated;

-- An address leaves the list by an admin's hand, and comes onto it by the vendors' word.
create policy own on suppressions for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy removed on suppressions for delete to authenticated
    using (organization_id = any (array(select private.organization_ids('admin'))));
grant select, delete on suppressions to authenticated;

create policy own on call_notes for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy added on call_notes for insert to authenticated
    with check (
        organization_id = any (array(select private.organization_ids('supervisor')))
        and author = (select private.actor())
        and exists (
            select from calls
            where calls.id = call_id and calls.created_at = call_created_at
                and calls.organization_id = call_notes.organization_id
        )
    );
create policy removed on call_notes for delete to authenticated
    using (
        organization_id = any (array(select private.organization_ids('supervisor')))
        and author = (select private.actor())
    );
grant select, insert (id, call_id, call_created_at, organization_id, text), delete on call_notes to authenticated;

-- migrate:down
