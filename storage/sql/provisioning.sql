-- name: add_organization
-- Create an organization; answers whether it was new.
insert into organizations (id, name, slug, time_zone, plan_id)
values ($1, $2, $3, $4, $5)
on conflict (id) do nothing
returning true;

-- name: organization_exists
-- Whether an organization exists and was not deleted.
select exists (select from organizations where id = $1 and deleted_at is null);

-- name: deleted_among
-- Those of some organizations that do not exist, or were deleted.
select asked.id from unnest($1::uuid[]) as asked (id)
where not exists (select from organizations where organizations.id = asked.id and deleted_at is null);

-- name: put_webhook_secret
-- Keep a sealed webhook secret under its own id, in place of what had that id.
insert into webhook_secrets (id, organization_id, provider, sealed)
values ($1, $2, $3, $4)
on conflict (id) do update set sealed = excluded.sealed;

-- name: put_assistant
-- Keep an assistant whose configuration is sent with each answer.
insert into assistants (id, organization_id, name, config)
values ($1, $2, $3, $4)
on conflict (id) do update set name = excluded.name, config = excluded.config;

-- name: put_phone_number
-- Keep a phone number and the assistant that answers it.
insert into phone_numbers (id, organization_id, provider_phone_number_id, number, assistant_id)
values ($1, $2, $3, $4, $5)
on conflict (id) do update set
    provider_phone_number_id = excluded.provider_phone_number_id,
    number = excluded.number,
    assistant_id = excluded.assistant_id;

-- name: put_recipient
-- Have somebody told, once by address; whoever is known already stays as they are.
insert into notification_recipients (id, organization_id, channel, address, kinds)
values ($1, $2, $3, $4, $5)
on conflict do nothing;

-- name: put_integration
-- Keep an endpoint. Of one that is there the address alone changes: what it is told, and by which secret, is its owner's.
insert into integrations (id, organization_id, name, url, events, sealed_secret)
values ($1, $2, $3, $4, $5, $6)
on conflict (id) do update set url = excluded.url
where integrations.url <> excluded.url and integrations.deleted_at is null;

-- name: put_simulated_prices
-- Prices of the simulated payment provider, for plans that have none.
update plans
set stripe_price_id = coalesce(
        stripe_price_id, case when monthly_price_micros > 0 then 'price_simulated_' || id end
    ),
    stripe_metered_price_id = coalesce(stripe_metered_price_id, 'price_simulated_' || id || '_metered')
where stripe_metered_price_id is null or (stripe_price_id is null and monthly_price_micros > 0);

-- name: put_simulated_subscription
-- A subscription of the simulated payment provider, for an organization that has none.
update organizations
set stripe_customer_id = 'cus_simulated_' || $2::text,
    stripe_subscription_id = 'sub_simulated_' || $2,
    stripe_subscription_item_id = 'si_simulated_' || $2,
    subscription_status = 'active'
where id = $1 and stripe_customer_id is null;

-- name: remove_simulated_subscriptions
-- What the simulated payment provider is no longer there to tell of.
update organizations
set stripe_customer_id = null, stripe_subscription_id = null, stripe_subscription_item_id = null,
    subscription_status = null, billing_period_start = null, billing_period_end = null
where starts_with(stripe_customer_id, 'cus_simulated_');

-- name: remove_simulated_prices
-- The same of its prices.
update plans
set stripe_price_id = case when starts_with(stripe_price_id, 'price_simulated_') then null else stripe_price_id end,
    stripe_metered_price_id = case
        when starts_with(stripe_metered_price_id, 'price_simulated_') then null else stripe_metered_price_id
    end
where starts_with(stripe_price_id, 'price_simulated_') or starts_with(stripe_metered_price_id, 'price_simulated_');
