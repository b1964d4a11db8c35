-- What people do beside reading: place calls, act on those that go on, ask for deliveries again.
-- Locks: assistants and phone_numbers while an index of the few rows is made anew; new tables otherwise.

-- migrate:up
-- What was deleted leaves its provider's id to be used again.
-- squawk-ignore require-concurrent-index-deletion
drop index idx_assistants_provider;
-- squawk-ignore require-concurrent-index-creation
create unique index idx_assistants_provider on assistants (organization_id, provider_assistant_id)
    where deleted_at is null;
-- squawk-ignore require-concurrent-index-deletion
drop index idx_phone_numbers_provider;
-- squawk-ignore require-concurrent-index-creation
create unique index idx_phone_numbers_provider on phone_numbers (organization_id, provider_phone_number_id)
    where deleted_at is null;

-- A key that is a day old may be used for something else.
grant delete on idempotency_keys to authenticated;

-- Gives an integration a new signing secret; the former signs beside it until `until`. False when there is none such.
-- Nobody who may rotate a secret may read it, hence not a plain update.
create function private.rotate_integration_secret(
    organization_id uuid, integration_id uuid, sealed bytea, until timestamptz
) returns boolean
language sql security definer set search_path = '' as $$
    update public.integrations as held
    set previous_sealed_secret = held.sealed_secret, previous_secret_expires_at = rotate_integration_secret.until,
        sealed_secret = rotate_integration_secret.sealed, updated_at = now()
    where held.id = integration_id
        and held.organization_id = rotate_integration_secret.organization_id
        and held.organization_id = any (array(select private.organization_ids('admin')))
        and held.deleted_at is null
    returning true
$$;

-- Tells an organization's live owner, by the inbox, to read its settings anew.
create function private.tell_configured(organization_id uuid, slot smallint) returns void
language plpgsql security definer set search_path = '' as $$
begin
    if organization_id is null or organization_id not in (select private.organization_ids('admin')) then
        raise exception 'not an organization this credential administers' using errcode = 'insufficient_privilege';
    end if;
    insert into public.webhook_inbox (organization_id, provider, event_key, slot, type, facts, occurred_at, received_at)
    values (
        organization_id, 'internal', 'organization-configured:' || gen_random_uuid(), slot, 'organization-configured',
        '{}', now(), now()
    );
end
$$;

revoke all on function private.rotate_integration_secret(uuid, uuid, bytea, timestamptz),
    private.tell_configured(uuid, smallint) from public;
grant execute on function private.rotate_integration_secret(uuid, uuid, bytea, timestamptz),
    private.tell_configured(uuid, smallint) to authenticated, service_role;

-- Deliveries that somebody wants sent again: one, or those of an integration made in [since, until).
create table delivery_replays (
    id uuid primary key,
    organization_id uuid not null references organizations (id),
    integration_id uuid not null references integrations (id),
    delivery_id uuid,
    since timestamptz not null,
    until timestamptz not null,
    -- Only deliveries of this status; null means any.
    only_status text check (only_status in ('pending', 'delivered', 'exhausted', 'cancelled')),
    -- 'pending' until whoever delivers has taken it up.
    status text not null default 'pending' check (status in ('pending', 'done')),
    -- How many deliveries were sent again; null while pending.
    deliveries integer check (deliveries >= 0),
    requested_by text not null default private.actor(),
    created_at timestamptz not null default now(),
    done_at timestamptz,
    check (since < until),
    check ((status = 'done') = (done_at is not null))
);
create index idx_delivery_replays_page on delivery_replays (organization_id, created_at desc, id desc);
create index idx_delivery_replays_pending on delivery_replays (created_at) where status = 'pending';

-- Where the provider takes commands for a call that goes on: whoever holds the address commands the call.
create table call_controls (
    organization_id uuid not null,
    call_id text not null,
    -- AES-256-GCM under ENCRYPTION_KEY, bound to the organization.
    sealed bytea not null,
    received_at timestamptz not null,
    primary key (organization_id, call_id)
);
create index idx_call_controls_age on call_controls (received_at);

-- Calls that somebody asked us to place. The row is there before the provider is asked, which happens once.
create table outbound_calls (
    -- Also the call's `name` at the provider, by which one whose answer was lost is found there.
    id uuid primary key,
    organization_id uuid not null references organizations (id),
    requested_by text not null default private.actor(),
    idempotency_key text not null check (length(idempotency_key) between 1 and 255),
    -- SHA-256 of the request: the same key for another one is refused.
    request_hash bytea not null check (length(request_hash) = 32),
    -- As asked, without secrets.
    request jsonb not null,
    assistant_id text,
    -- 'requested', 'refused' (by the organization's limits), 'dialing' (the provider was asked), 'placed', 'failed'
    -- (there is no call), 'unknown' (the provider was asked and did not answer).
    status text not null default 'requested'
        check (status in ('requested', 'refused', 'dialing', 'placed', 'failed', 'unknown')),
    reason text,
    -- The provider's id, once placed.
    call_id text,
    provider_status smallint,
    -- What the provider told of its own limits, and how many slots the organization held then.
    subscription_limits jsonb,
    held_slots integer,
    created_at timestamptz not null default now(),
    asked_at timestamptz,
    updated_at timestamptz not null default now(),
    unique (organization_id, requested_by, idempotency_key),
    check ((status = 'placed') = (call_id is not null))
);
create index idx_outbound_calls_page on outbound_calls (organization_id, created_at desc, id desc);
create index idx_outbound_calls_open on outbound_calls (organization_id, updated_at)
    where status in ('requested', 'dialing', 'unknown');

select private.isolate('delivery_replays'), private.isolate('call_controls'), private.isolate('outbound_calls');
grant all on delivery_replays, call_controls, outbound_calls to service_role;

create policy own on delivery_replays for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy added on delivery_replays for insert to authenticated
    with check (
        organization_id = any (array(select private.organization_ids('supervisor')))
        and requested_by = (select private.actor())
    );
grant select, insert (id, organization_id, integration_id, delivery_id, since, until, only_status)
    on delivery_replays to authenticated;

create policy own on outbound_calls for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy added on outbound_calls for insert to authenticated
    with check (
        organization_id = any (array(select private.organization_ids('supervisor')))
        and requested_by = (select private.actor())
    );
grant select, insert (id, organization_id, idempotency_key, request_hash, request, assistant_id)
    on outbound_calls to authenticated;

-- migrate:down
