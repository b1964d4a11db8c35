-- Whose an archived call was: what stays of it in Postgres beside its key, so that usage of long ago is told by assistant
-- and number. Eight bytes for each call, and one row for all calls of one assistant at one number. Calls that were
-- archived before this know none. Locks: call_keys, for as long as a column without a default takes.

-- migrate:up
create table call_sources (
    id bigint generated always as identity primary key,
    organization_id uuid not null,
    -- Of the three columns below, which may be long, or null.
    fingerprint uuid not null,
    assistant_id text,
    assistant_name text,
    -- The organization's: called, or, of outbound calls, called from.
    number text,
    unique (organization_id, fingerprint)
);
select private.isolate('call_sources');
grant all on call_sources to service_role;
grant select on call_sources to authenticated;
create policy own on call_sources to authenticated
    using (organization_id = any ((select private.readable_organizations())::uuid []));

-- No row of call_sources ever goes, so nothing has to refer to it.
alter table call_keys add column source_id bigint;

-- migrate:down
