-- What endpoints are to be told beside a call's end: written with the change itself, in its transaction, so that neither
-- is there without the other. Locks: calls, its partitions and incidents for a moment each: new triggers.

-- migrate:up
-- An event that no delivery was written of yet. A row that comes again after it was taken up is known by its deliveries.
create table endpoint_events (
    organization_id uuid not null references organizations (id),
    -- 'call.started', 'incident.opened' or 'incident.closed'.
    event text not null,
    -- The provider's call id, or the incident's.
    subject text not null,
    occurred_at timestamptz not null default now(),
    primary key (organization_id, event, subject)
);
create index idx_endpoint_events_oldest on endpoint_events (occurred_at);
select private.isolate('endpoint_events');
grant all on endpoint_events to service_role;

-- Costs one look at the organization's few endpoints; nothing is written where none of them wants the event.
create function private.tell_endpoints(organization uuid, told text, about text) returns void
language sql set search_path = '' as $$
    insert into public.endpoint_events (organization_id, event, subject)
    select organization, told, about
    where exists (
        select from public.integrations
        where organization_id = organization and deleted_at is null and told = any (events)
            and (disabled_at is null or disabled_reason = 'failing')
    )
    on conflict do nothing
$$;
create function private.tell_call_started() returns trigger
language plpgsql set search_path = '' as $$
begin
    perform private.tell_endpoints(new.organization_id, 'call.started', new.provider_call_id);
    return null;
end
$$;
create function private.tell_incident() returns trigger
language plpgsql set search_path = '' as $$
begin
    if tg_op = 'INSERT' then
        perform private.tell_endpoints(new.organization_id, 'incident.opened', new.incident_id::text);
    end if;
    if new.closed_at is not null then
        perform private.tell_endpoints(new.organization_id, 'incident.closed', new.incident_id::text);
    end if;
    return null;
end
$$;
revoke all on function private.tell_endpoints(uuid, text, text), private.tell_call_started(), private.tell_incident()
    from public;
grant execute on function private.tell_endpoints(uuid, text, text), private.tell_call_started(), private.tell_incident()
    to service_role;

-- A scheduled call has not started: it does when it is seen as anything else.
create trigger tell_call_started after insert on calls
    for each row when (new.status <> 'scheduled') execute function private.tell_call_started();
create trigger tell_call_started_later after update of status on calls
    for each row when (old.status = 'scheduled' and new.status <> 'scheduled')
    execute function private.tell_call_started();
create trigger tell_incident_opened after insert on incidents
    for each row execute function private.tell_incident();
create trigger tell_incident_closed after update on incidents
    for each row when (old.closed_at is null and new.closed_at is not null) execute function private.tell_incident();

-- migrate:down
