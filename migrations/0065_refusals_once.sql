-- Which writes of refused messages were taken, so that one whose answer was lost is not counted twice; and an index by
-- which old hours are found. Locks: webhook_refusals, a row for each hour and organization, for a moment.

-- migrate:up
create table webhook_refusal_writes (
    id uuid primary key,
    written_at timestamptz not null default now()
);
select private.isolate('webhook_refusal_writes');
grant all on webhook_refusal_writes to service_role;
-- squawk-ignore require-concurrent-index-creation
create index idx_webhook_refusals_hour on webhook_refusals (hour);

-- migrate:down
