-- name: add_organization
-- Create an organization; answers whether it was new.
insert into organizations (id, name, slug, time_zone, plan_id)
values ($1, $2, $3, $4, $5)
on conflict (id) do nothing
returning true;

-- name: organization_exists
-- Whether an organization exists and was not deleted.
select exists (select from organizations where id = $1 and deleted_at is null);

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
