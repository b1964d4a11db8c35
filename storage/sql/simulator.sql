-- name: organizations_with_call
-- The organizations that have a call under the provider's id: several may, each a call of its own.
select call_keys.organization_id
from organizations
join call_keys on call_keys.organization_id = organizations.id and call_keys.provider_call_id = $1;

-- name: simulator_number
-- Whose number the provider knows under an id: several may, the newest counts.
select organization_id, number
from phone_numbers
where provider_phone_number_id = $1 and deleted_at is null
order by created_at desc
limit 1;

-- name: simulator_organizations_named
-- Whom a request is about that holds these words: who is named by id, else by what the payment provider calls them, else
-- who has a call of that id.
with named as (
    select id as organization_id, 1 as place from organizations where id = any ($1::uuid[])
    union all
    select id, 2 from organizations
    where stripe_customer_id = any ($2::text[]) or stripe_subscription_id = any ($2::text[])
    union all
    select call_keys.organization_id, 3
    from organizations
    join call_keys on call_keys.organization_id = organizations.id and call_keys.provider_call_id = any ($2::text[])
)
select distinct organization_id
from named
where place = (select min(place) from named);

-- name: simulator_subscription
-- The subscription an organization has by its row alone, as the local stack's own have.
select
    organizations.id as organization_id, organizations.stripe_customer_id, organizations.stripe_subscription_item_id,
    plans.stripe_price_id, plans.stripe_metered_price_id, plans.currency, organizations.created_at
from organizations
left join plans on plans.id = organizations.plan_id
where organizations.stripe_subscription_id = $1;
