-- What became of the outbound calls of a closed day. Locks: daily_usage for a moment, nothing is rewritten.

-- migrate:up
-- {"class of the ended reason, or voicemail": count}; null of a day that an older release kept: not known.
alter table daily_usage add column attempted_outcomes jsonb;

-- migrate:down
