-- name: inbox_accept
-- Takes a group of events, once each by key, with the bodies of those that are new; answers in the order given.
with told as (
    select *
    from unnest(
        $1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[],
        $8::bigint[], $9::bigint[], $10::integer[], $11::bytea[], $12::bytea[]
    ) with ordinality as told (
        organization_id, provider, event_key, slot, call_id, type, facts,
        occurred_ms, received_ms, deliveries, packed, control, position
    )
), accepted as (
    insert into webhook_inbox as held (
        organization_id, provider, event_key, slot, call_id, type, facts, occurred_at, received_at, deliveries
    )
    select
        organization_id, provider, event_key, slot, call_id, type, facts::jsonb,
        to_timestamp(occurred_ms / 1000.0), to_timestamp(received_ms / 1000.0), deliveries
    from told
    -- One order of locks for all: groups of two replicas that share events cannot deadlock.
    order by organization_id, provider, event_key
    on conflict (organization_id, provider, event_key) do update
        -- The first sign of a call is taken by each replica once: that is no duplicate.
        set deliveries = held.deliveries + case when held.type = 'call-seen' then 0 else excluded.deliveries end
    returning
        held.id, held.organization_id, held.provider, held.event_key, held.type, held.call_id, held.facts,
        held.occurred_at, held.received_at, held.apply_sequence, held.outcome,
        -- A row this statement inserted has no updater.
        held.xmax = 0 as is_new
), kept as (
    insert into webhook_bodies (inbox_id, organization_id, received_at, packed)
    select accepted.id, accepted.organization_id, accepted.received_at, told.packed
    from accepted
    join told using (organization_id, provider, event_key)
    where accepted.is_new and told.packed is not null
), controlled as (
    -- Of a call alone that this process has not seen before: most groups bring none.
    insert into call_controls (organization_id, call_id, sealed, received_at)
    select distinct on (organization_id, accepted.call_id)
        organization_id, accepted.call_id, told.control, accepted.received_at
    from accepted
    join told using (organization_id, provider, event_key)
    where told.control is not null and accepted.call_id is not null
    -- After all rows of the inbox, and in one order for all, as above.
    order by organization_id, accepted.call_id
    on conflict (organization_id, call_id) do nothing
)
select
    accepted.id,
    accepted.is_new,
    accepted.apply_sequence,
    accepted.outcome,
    case when not accepted.is_new then accepted.type end as held_type,
    case when not accepted.is_new then accepted.facts end as held_facts,
    case when not accepted.is_new then (extract(epoch from accepted.occurred_at) * 1000)::bigint end as held_occurred_ms,
    (extract(epoch from accepted.received_at) * 1000)::bigint as received_ms
from told
join accepted using (organization_id, provider, event_key)
order by told.position
