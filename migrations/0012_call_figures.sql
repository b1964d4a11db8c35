-- What the figures need of each call, in its row. Locks: `calls` and `webhook_inbox` while rows are rewritten and indexed.

-- migrate:up
alter table calls
    -- Provider's clock: the hand-over, and the span in which the call was live (open while it may go on).
    add column forwarded_at timestamptz,
    add column live_from timestamptz,
    add column live_until timestamptz,
    -- As the report tells; null until one does.
    add column first_word_at timestamptz,
    add column turn_latencies_ms integer[],
    add column silence_ms bigint,
    add column tools_called integer,
    add column tools_failed integer,
    add column interruptions integer,
    -- Received minus occurred of each webhook that told its time, and how many were overtaken.
    add column webhook_lags_ms bigint[] not null default '{}',
    add column reorders integer not null default 0;
update calls
set live_from = least(ringing_at, answered_at),
    live_until = case when status = 'ended' then coalesce(ended_at, last_event_at) end
where least(ringing_at, answered_at) < coalesce(ended_at, 'infinity');
-- Calls over midnight: those begun before a day and still live in it.
-- A partitioned table takes no index concurrently.
-- squawk-ignore require-concurrent-index-creation
create index idx_calls_live_until on calls (organization_id, live_until) where live_until is not null;
-- Duplicates of a day; few rows have any. Senders repeat what is refused while it is built.
-- squawk-ignore require-concurrent-index-creation
create index idx_inbox_duplicates on webhook_inbox (organization_id, received_at) where deliveries > 1;

-- migrate:down
