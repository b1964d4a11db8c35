-- name: assistants_page
-- The organization's assistants with the numbers they answer, newest first, after ($2, $3) in that order.
select assistant.id, assistant.provider_assistant_id, assistant.name, assistant.config, assistant.concurrency_limit,
    assistant.template_id, assistant.created_at,
    array(
        select number from phone_numbers
        where phone_numbers.organization_id = assistant.organization_id
            and phone_numbers.assistant_id = assistant.id
            and phone_numbers.deleted_at is null
        order by number
    ) as numbers
from assistants as assistant
where assistant.organization_id = $1 and assistant.deleted_at is null
    and ($2::timestamptz is null or (assistant.created_at, assistant.id) < ($2, $3::uuid))
order by assistant.created_at desc, assistant.id desc
limit $4;

-- name: assistant
-- One assistant with the numbers it answers.
select assistant.id, assistant.provider_assistant_id, assistant.name, assistant.config, assistant.concurrency_limit,
    assistant.template_id, assistant.created_at,
    array(
        select number from phone_numbers
        where phone_numbers.organization_id = assistant.organization_id
            and phone_numbers.assistant_id = assistant.id
            and phone_numbers.deleted_at is null
        order by number
    ) as numbers
from assistants as assistant
where assistant.organization_id = $1 and assistant.id = $2 and assistant.deleted_at is null;

-- name: assistant_lock
-- Let nobody else change the assistant until the transaction is over.
select id from assistants where organization_id = $1 and id = $2 and deleted_at is null for no key update;

-- name: assistant_add
-- A new assistant.
insert into assistants (
    organization_id, id, provider_assistant_id, name, config, concurrency_limit, template_id
)
values ($1, $2, $3, $4, $5, $6, $7)
returning id;

-- name: assistant_change
-- Replace what can be changed of an assistant.
update assistants
set provider_assistant_id = $3, name = $4, config = $5, concurrency_limit = $6
where organization_id = $1 and id = $2 and deleted_at is null
returning id;

-- name: assistant_remove
-- Take an assistant away; calls keep its name.
update assistants set deleted_at = now()
where organization_id = $1 and id = $2 and deleted_at is null
returning id;

-- name: configured_tell
-- Tell the organization's owner, of slot $2, to read its settings anew.
select private.tell_configured($1, $2);

-- name: phone_numbers_page
-- The organization's numbers, newest first, after ($2, $3) in that order.
select id, provider_phone_number_id, number, assistant_id, created_at
from phone_numbers
where organization_id = $1 and deleted_at is null
    and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
order by created_at desc, id desc
limit $4;

-- name: phone_number
-- One number.
select id, provider_phone_number_id, number, assistant_id, created_at
from phone_numbers
where organization_id = $1 and id = $2 and deleted_at is null;

-- name: phone_number_lock
-- Let nobody else change the number until the transaction is over.
select id from phone_numbers where organization_id = $1 and id = $2 and deleted_at is null for no key update;

-- name: phone_number_add
-- A new number.
insert into phone_numbers (organization_id, id, provider_phone_number_id, number, assistant_id)
values ($1, $2, $3, $4, $5)
returning id;

-- name: phone_number_change
-- Replace what can be changed of a number.
update phone_numbers set provider_phone_number_id = $3, number = $4, assistant_id = $5
where organization_id = $1 and id = $2 and deleted_at is null
returning id;

-- name: phone_number_remove
-- Take a number away.
update phone_numbers set deleted_at = now()
where organization_id = $1 and id = $2 and deleted_at is null
returning id;

-- name: templates_page
-- Templates of an industry ($4; null for all), only featured ones if told ($5), after ($2, $3) in order. $1 is whoever asks.
select template.id, template.slug, template.name, template.description, template.variables, template.is_featured,
    template.created_at, industry.slug as industry_slug, industry.name as industry_name
from templates as template
join industries as industry on industry.id = template.industry_id
where $1::uuid is not null and template.is_active
    and ($2::timestamptz is null or (template.created_at, template.id) < ($2, $3::uuid))
    and ($4::text is null or industry.slug = $4)
    and ($5::boolean is null or template.is_featured = $5)
order by template.created_at desc, template.id desc
limit $6;

-- name: template
-- One template, by its slug or its id, with the assistant it makes. $1 is whoever asks.
select template.id, template.slug, template.name, template.description, template.variables, template.is_featured,
    template.created_at, template.config, industry.slug as industry_slug, industry.name as industry_name
from templates as template
join industries as industry on industry.id = template.industry_id
where $1::uuid is not null and (template.slug = $2 or template.id::text = $2) and template.is_active;

-- name: industries
-- The industries templates are of, in their order. $1 is whoever asks.
select slug, name from industries where $1::uuid is not null order by position, slug;

-- name: plans_offered
-- The plans there are to choose from, the cheapest first. $1 is whoever asks.
select id, name, monthly_price_micros, included_minutes, minute_price_micros, currency, concurrency_limit, features
from plans
where $1::uuid is not null and is_active
order by monthly_price_micros, id;
