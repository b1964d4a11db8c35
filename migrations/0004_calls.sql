-- Calls and what they left behind, partitioned by the month a call was first seen. Locks: new tables only.

-- migrate:up
-- A partitioned table can neither keep the provider's id unique nor find it without a date.
create table call_keys (
    organization_id uuid not null,
    provider_call_id text not null,
    id uuid not null,
    created_at timestamptz not null,
    primary key (organization_id, provider_call_id)
);

create table calls (
    id uuid not null,
    created_at timestamptz not null,
    organization_id uuid not null,
    provider_call_id text not null,
    type text,
    direction text,
    -- VAPI's statuses; a call ends as `ended`.
    status text not null,
    ended_reason text,
    ended_class text,
    fault_owner text,
    assistant_id text,
    assistant_name text,
    phone_number_id text,
    from_number text,
    to_number text,
    customer_name text,
    campaign_id text,
    transferred_to text,
    -- Provider's clock.
    queued_at timestamptz,
    ringing_at timestamptz,
    answered_at timestamptz,
    ended_at timestamptz,
    duration_ms bigint,
    cost_micros bigint,
    summary text,
    success_evaluation text,
    tool_calls integer not null default 0,
    hangs integer not null default 0,
    -- 'pending', 'received' or 'missing' (the provider was asked and had none).
    report text not null default 'pending',
    -- Our clock: the last durable sign of the call, and what it was.
    last_event_at timestamptz not null,
    last_event_kind text not null,
    processed_at timestamptz,
    -- The organization's apply_sequence that wrote this row last.
    version bigint not null,
    primary key (id, created_at)
) partition by range (created_at);
create index idx_calls_org_date on calls (organization_id, created_at desc, id desc);
create index idx_calls_assistant on calls (assistant_id, created_at desc);
create index idx_calls_from on calls (from_number, created_at desc);
create index idx_calls_status on calls (organization_id, status) where status = 'in-progress';
-- Live and recently ended calls, which a starting actor holds in memory.
create index idx_calls_open on calls (organization_id) where status <> 'ended';

create table call_transcripts (
    call_id uuid not null,
    call_created_at timestamptz not null,
    organization_id uuid not null,
    transcript_text text not null,
    -- Turns in order: [{"role", "text", "at", "seconds_from_start", "duration_ms", …}].
    messages jsonb not null,
    analysis jsonb not null,
    search_vector tsvector generated always as (to_tsvector('simple', transcript_text)) stored,
    stored_at timestamptz not null default now(),
    primary key (call_id, call_created_at)
) partition by range (call_created_at);
create index idx_transcripts_search on call_transcripts using gin (search_vector);
create index idx_transcripts_call on call_transcripts (call_id, call_created_at);

create table call_costs (
    call_id uuid not null,
    call_created_at timestamptz not null,
    organization_id uuid not null,
    cost_micros bigint not null,
    -- The provider's breakdown as it came, for display only.
    breakdown jsonb not null,
    primary key (call_id, call_created_at)
) partition by range (call_created_at);

create table call_actions (
    call_id uuid not null,
    call_created_at timestamptz not null,
    organization_id uuid not null,
    position smallint not null,
    text text not null,
    -- 'provider' (VAPI's structured data), 'model' or 'rules'.
    source text not null,
    primary key (call_id, call_created_at, position)
) partition by range (call_created_at);

create table call_recordings (
    call_id uuid not null,
    call_created_at timestamptz not null,
    organization_id uuid not null,
    -- Path in the object store: {organization}/{year}/{month}/{call}.wav.
    path text not null,
    bytes bigint not null,
    sha256 bytea not null,
    content_type text not null,
    stored_at timestamptz not null default now(),
    primary key (call_id, call_created_at)
) partition by range (call_created_at);

alter table call_keys enable row level security;
alter table calls enable row level security;
alter table call_transcripts enable row level security;
alter table call_costs enable row level security;
alter table call_actions enable row level security;
alter table call_recordings enable row level security;

create policy own on call_keys for select to authenticated using (organization_id in (select private.organization_ids()));
create policy own on calls for select to authenticated using (organization_id in (select private.organization_ids()));
create policy own on call_transcripts for select to authenticated
    using (organization_id in (select private.organization_ids()));
create policy own on call_costs for select to authenticated using (organization_id in (select private.organization_ids()));
create policy own on call_actions for select to authenticated
    using (organization_id in (select private.organization_ids()));
create policy own on call_recordings for select to authenticated
    using (organization_id in (select private.organization_ids()));

grant select on call_keys, calls, call_transcripts, call_costs, call_actions, call_recordings to authenticated;
grant all on call_keys, calls, call_transcripts, call_costs, call_actions, call_recordings to service_role;

-- migrate:down
