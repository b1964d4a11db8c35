-- What was used, what it costs, what the payment provider was told. Locks: new tables only.

-- migrate:up
-- A day of an organization in its own time zone, added up once the day is over: ranges are read from here and never from
-- calls. Written anew when a late report changes the day. Each figure is the one of its name in actors/domain/metrics.py.
create table daily_usage (
    organization_id uuid not null references organizations (id),
    date date not null,
    -- The zone the day was cut by.
    time_zone text not null,
    total_calls bigint not null default 0,
    -- Of the ledger: whole seconds, each call's rounded up.
    total_seconds bigint not null default 0,
    charged_micros bigint not null default 0,
    offered bigint not null default 0,
    refused bigint not null default 0,
    answered bigint not null default 0,
    answered_waits bigint not null default 0,
    answered_in_time bigint not null default 0,
    answer_wait_ms bigint not null default 0,
    abandoned bigint not null default 0,
    short_abandoned bigint not null default 0,
    ended bigint not null default 0,
    handled bigint not null default 0,
    handle_ms bigint not null default 0,
    talk_ms bigint not null default 0,
    cost_micros bigint not null default 0,
    listened_ms bigint not null default 0,
    silence_ms bigint not null default 0,
    tools_called bigint not null default 0,
    tools_failed bigint not null default 0,
    interruptions bigint not null default 0,
    reports_missing bigint not null default 0,
    webhooks bigint not null default 0,
    clock_skewed bigint not null default 0,
    reorders bigint not null default 0,
    duplicates bigint not null default 0,
    repairs bigint not null default 0,
    peak_concurrency integer not null default 0,
    peak_at timestamptz,
    -- {"calls at once": ms}: the average and the saturation over any range follow from it.
    level_ms jsonb not null default '{}',
    -- {"least ms of the bucket": count}: these add up over days, percentiles do not.
    first_word_ms jsonb not null default '{}',
    turn_latency_ms jsonb not null default '{}',
    webhook_lag_ms jsonb not null default '{}',
    -- {"class": calls}
    ended_classes jsonb not null default '{}',
    computed_at timestamptz not null default now(),
    -- By date first: the aggregation looks for a date's missing organizations, an organization's own index is below.
    primary key (date, organization_id),
    check (total_calls >= 0 and total_seconds >= 0 and peak_concurrency >= 0)
);
create index idx_usage_org_date on daily_usage (organization_id, date desc);

-- What calls cost, for ever: entry 1 is the call's charge, further ones correct it, nothing is changed. Not partitioned,
-- because that a call is charged once must hold over all time.
create table usage_ledger (
    organization_id uuid not null references organizations (id),
    -- The provider's call id.
    call_id text not null,
    entry integer not null check (entry >= 1),
    kind text not null generated always as (case entry when 1 then 'charge' else 'correction' end) stored,
    -- What this entry adds: whole seconds and millionths of the currency; negative only in a correction.
    seconds bigint not null,
    amount_micros bigint not null,
    currency text not null check (currency ~ '^[a-z]{3}$'),
    -- 'call', or why it is corrected.
    reason text not null,
    -- The moment that decides the billing period and the day: the call's end.
    charged_at timestamptz not null,
    booked_at timestamptz not null default now(),
    primary key (organization_id, call_id, entry),
    check (entry > 1 or (seconds >= 0 and amount_micros >= 0)),
    check (entry = 1 or seconds <> 0 or amount_micros <> 0)
);
create index idx_ledger_period on usage_ledger (organization_id, charged_at) include (seconds, amount_micros);

-- Corrections follow each other without a gap, so two of the same moment cannot both count.
create function private.next_ledger_entry() returns trigger
language plpgsql set search_path = '' as $$
begin
    if new.entry > 1 and not exists (
        select from public.usage_ledger
        where organization_id = new.organization_id and call_id = new.call_id and entry = new.entry - 1
    ) then
        raise exception 'entry % of a call needs the one before it', new.entry
            using errcode = 'check_violation', constraint = 'usage_ledger_gapless';
    end if;
    return new;
end
$$;
create trigger gapless before insert on usage_ledger for each row execute function private.next_ledger_entry();
create trigger append_only before update or delete on usage_ledger
    for each row execute function private.refuse_change();
create trigger append_only_whole before truncate on usage_ledger
    for each statement execute function private.refuse_change();

-- What of the ledger the payment provider was told: each entry once.
create table meter_events (
    organization_id uuid not null,
    call_id text not null,
    entry integer not null,
    -- Follows from the entry: the provider refuses a second event of the same identifier.
    identifier text not null unique,
    quantity bigint not null,
    status text not null default 'pending' check (status in ('pending', 'sent', 'confirmed', 'compared', 'refused')),
    attempts integer not null default 0 check (attempts >= 0),
    retry_at timestamptz not null default now(),
    error text,
    -- The first attempt whose answer is not known to be a refusal: from here the provider's memory of identifiers runs out.
    sent_at timestamptz,
    settled_at timestamptz,
    primary key (organization_id, call_id, entry),
    foreign key (organization_id, call_id, entry) references usage_ledger (organization_id, call_id, entry),
    check (status in ('pending', 'sent') = (settled_at is null))
);
create index idx_meter_events_unsettled on meter_events (organization_id, retry_at) where settled_at is null;

-- What happened to an organization's account, kept for ever.
create table billing_events (
    id bigint generated always as identity primary key,
    organization_id uuid not null references organizations (id),
    -- 'period-reset', 'overage-reported', 'invoice-paid', 'payment-failed', …
    event text not null,
    -- Tells the same event twice apart from two: the provider's event id, or what ours follows from.
    event_key text not null,
    occurred_at timestamptz not null,
    period_start timestamptz,
    period_end timestamptz,
    seconds bigint,
    amount_micros bigint,
    currency text check (currency ~ '^[a-z]{3}$'),
    details jsonb not null default '{}',
    recorded_at timestamptz not null default now(),
    unique (organization_id, event_key)
);
create index idx_billing_events_page on billing_events (organization_id, occurred_at desc, id desc);
create trigger append_only before update or delete on billing_events
    for each row execute function private.refuse_change();
create trigger append_only_whole before truncate on billing_events
    for each statement execute function private.refuse_change();

-- Warnings given, once each period and threshold.
create table usage_alerts (
    organization_id uuid not null references organizations (id),
    period_start timestamptz not null,
    threshold_percent smallint not null check (threshold_percent > 0),
    used_seconds bigint not null,
    limit_seconds bigint not null,
    raised_at timestamptz not null default now(),
    primary key (organization_id, period_start, threshold_percent)
);

select private.isolate(name::regclass)
from unnest(array['daily_usage', 'usage_ledger', 'meter_events', 'billing_events', 'usage_alerts']) as name;
grant all on daily_usage, meter_events, usage_alerts to service_role;
grant select, insert on usage_ledger, billing_events to service_role;

create policy own on daily_usage for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy own on usage_ledger for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy own on meter_events for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy own on billing_events for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
create policy own on usage_alerts for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
grant select on daily_usage, usage_ledger, meter_events, billing_events, usage_alerts to authenticated;

-- migrate:down
