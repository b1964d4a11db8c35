-- What an organization permits, what was decided of each request, and who did what.
-- Locks: organizations, assistants, calls and webhook_inbox, each for a moment: new columns, nothing is rewritten.

-- migrate:up
alter table organizations
    -- {"campaign id": calls at once}
    add column campaign_limits jsonb not null default '{}',
    -- Minutes of the plan per calendar month; null means unlimited.
    add column minutes_cap integer,
    -- Once they are used up: 'notify' refuses nothing, 'block' refuses new calls.
    add column minutes_policy text not null default 'notify',
    -- [{"day": "monday", "opens": "09:00", "closes": "17:30"}, …] by the wall clock; empty means always open.
    add column opening_hours jsonb not null default '[]',
    -- What a refused caller hears, or where the call goes instead: a destination object of VAPI's.
    add column refusal_message text,
    add column refusal_destination jsonb,
    add column api_requests_per_second integer not null default 200;
alter table organizations
    add constraint organizations_minutes_cap check (minutes_cap > 0) not valid,
    add constraint organizations_minutes_policy check (minutes_policy in ('notify', 'block')) not valid,
    add constraint organizations_api_requests check (api_requests_per_second > 0) not valid;

-- Calls at once; null means no limit beside the organization's.
alter table assistants add column concurrency_limit integer;
alter table assistants add constraint assistants_concurrency_limit check (concurrency_limit > 0) not valid;

-- What the owner decided of a request when it applied the row: a replay reads it instead of deciding anew.
alter table webhook_inbox add column outcome text;

-- 'accepted', 'accepted:unchecked' or 'refused:<reason>'; null for calls that never asked.
alter table calls add column admission text;
-- When an operator freed the call's slot.
alter table calls add column released_at timestamptz;

-- What people did, kept for ever: nobody may change it.
create table audit_log (
    id bigint generated always as identity primary key,
    organization_id uuid not null,
    at timestamptz not null default now(),
    -- The credential, never its secret.
    actor text not null,
    action text not null,
    target text not null,
    reason text not null,
    result text not null
);
create index idx_audit_log_organization on audit_log (organization_id, id desc);

create function private.refuse_change() returns trigger
language plpgsql set search_path = '' as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;
create trigger append_only before update or delete on audit_log
    for each row execute function private.refuse_change();
create trigger append_only_whole before truncate on audit_log
    for each statement execute function private.refuse_change();

alter table audit_log enable row level security;
create policy own on audit_log for select to authenticated
    using (organization_id in (select private.organization_ids()));
grant select on audit_log to authenticated;
grant select, insert on audit_log to service_role;

-- migrate:down
