-- name: word_lock
-- Wait for whoever else tells or notes something of this message: until the transaction is over nobody else does.
select pg_advisory_xact_lock(hashtextextended($1 || ':' || $2, 30));

-- name: word_message
-- The message that a vendor has under this id.
select organization_id, id, created_at, channel, recipient
from notifications
where vendor_id = $2 and provider = $1
order by created_at desc
limit 1;

-- name: word_keep
-- What a vendor told an organization, once by its key; how often it came is counted. It is applied as it is kept: it
-- changes no call, so no owner has to see it. Its body ($9) is kept with it the first time.
with kept as (
    insert into webhook_inbox as held (
        organization_id, provider, event_key, slot, type, facts, occurred_at, received_at, applied_at
    )
    select $1, $2, $3, $4, $5, $6, $7, $8, $8
    from organizations where id = $1 and deleted_at is null
    on conflict (organization_id, provider, event_key) do update set deliveries = held.deliveries + 1
    -- A row this statement inserted has no updater.
    returning id, received_at, xmax = 0 as is_new
), body as (
    insert into webhook_bodies (inbox_id, organization_id, received_at, packed)
    select id, $1, received_at, $9::bytea from kept where is_new and $9 is not null
)
select is_new from kept;

-- name: word_apply
-- What became of a message, if it is further than what is known.
update notifications set status = $4, rank = $5, error = $6, updated_at = now()
where organization_id = $1 and id = $2 and created_at = $3 and rank < $5
returning true;

-- name: word_early
-- What was told of a message that we do not know yet; what was told a week ago of none that came is forgotten.
with forgotten as (
    delete from early_words where told_at < now() - interval '7 days' and (provider, vendor_id) <> ($1, $2)
)
insert into early_words as held (provider, vendor_id, status, rank, error, suppression)
values ($1, $2, $3, $4, $5, $6)
on conflict (provider, vendor_id) do update set
    status = case when excluded.rank > held.rank then excluded.status else held.status end,
    error = case when excluded.rank > held.rank then excluded.error else held.error end,
    rank = greatest(held.rank, excluded.rank),
    suppression = coalesce(excluded.suppression, held.suppression),
    told_at = now();

-- name: word_suppress
-- The organization must not write to this address any more.
insert into suppressions (organization_id, channel, address, reason) values ($1, $2, $3, $4)
on conflict (organization_id, channel, address) do nothing;

-- name: word_opt_out
-- Nobody must write to this address any more who has it as a recipient: they share the number it answered to.
insert into suppressions (organization_id, channel, address, reason)
select organization_id, channel, address, 'opt-out'
from notification_recipients
where channel = $1 and address = $2
order by organization_id
on conflict (organization_id, channel, address) do nothing
returning organization_id;

-- name: word_opt_in
-- The address may be written to again, where it was its own word alone that forbade it.
delete from suppressions where channel = $1 and address = $2 and reason = 'opt-out' returning organization_id;

-- name: word_customer
-- The organization that is one of these: by its id, else by what the payment provider calls it.
select id
from organizations
where deleted_at is null and (id = $1 or stripe_customer_id = $2 or stripe_subscription_id = $3)
order by id = $1 desc nulls last, stripe_customer_id = $2 desc nulls last
limit 1;
