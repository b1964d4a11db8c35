-- name: account_event_keep
-- The provider told of its account: kept once, how often is counted; whether it is new.
insert into account_events as held (provider, event_key, type, occurred_at, received_at, retry_at)
values ($1, $2, $3, $4, $5, $5)
on conflict (provider, event_key) do update set deliveries = held.deliveries + 1
-- A row this statement inserted has no updater.
returning xmax = 0 as is_new;

-- name: account_events_due
-- At most $3 events of the provider $1 whose contents nobody has read, and that are to be asked for at $2.
select event_key, type, occurred_at, received_at, attempts
from account_events
where provider = $1 and settled_at is null and retry_at <= $2
order by retry_at, event_key
limit $3;

-- name: account_event_delay
-- The contents could not be had for the reason $4; the next attempt is not before $3.
update account_events set attempts = attempts + 1, retry_at = $3, error = $4
where provider = $1 and event_key = $2 and settled_at is null;

-- name: account_event_settle
-- So many organizations ($4) were told of it at $3; $5 says why not one.
update account_events set settled_at = $3, organizations = $4, error = $5
where provider = $1 and event_key = $2 and settled_at is null
returning true;

-- name: account_event_owners
-- Whose meter events these identifiers are; those of nobody here are left out.
select organization_id, array_agg(identifier order by identifier) as identifiers
from meter_events
where identifier = any ($1::text[])
group by organization_id
order by organization_id;
