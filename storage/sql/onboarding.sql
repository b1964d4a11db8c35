-- name: onboarding_add
-- Ask for an onboarding, unless one is under way.
insert into onboardings (
    organization_id, id, template_id, assistant_name, assistant_config, country, area_code, plan_id, test_number
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (organization_id) where finished_at is null do nothing
returning id;

-- name: onboarding_newest
-- The onboarding that is under way, else the last one.
select id, state, template_id, assistant_name, country, area_code, plan_id, test_number, requested_by, created_at,
    finished_at
from onboardings
where organization_id = $1
order by created_at desc, id desc
limit 1;

-- name: onboarding_steps
-- What came of each step of an onboarding so far.
select step, state, detail, facts, made, updated_at
from onboarding_steps
where organization_id = $1 and onboarding_id = $2;

-- name: onboardings_open
-- At most $2 onboardings that are not finished, the oldest first: those that no workflow took up ($1), or all.
select organization_id, id
from onboardings
where finished_at is null and (not $1::boolean or state = 'pending')
order by created_at
limit $2;

-- name: onboarding_begin
-- Take an onboarding up; where it stands then.
with begun as (
    update onboardings set state = 'running'
    where organization_id = $1 and id = $2 and state = 'pending'
    returning state
)
select state from begun
union all
select state from onboardings where organization_id = $1 and id = $2 and not exists (select from begun)
limit 1;

-- name: onboarding_asked
-- An onboarding as it was asked for, and as whom its organization is known, were it deleted.
select asked.id, asked.state, asked.assistant_name, asked.assistant_config, asked.template_id, asked.country,
    asked.area_code, asked.test_number, asked.created_at, organization.name as organization_name,
    organization.plan_id as own_plan, coalesce(asked.plan_id, organization.plan_id) as plan_id,
    plan.stripe_price_id as price, plan.stripe_metered_price_id as metered_price,
    organization.deleted_at is not null as is_deleted
from onboardings as asked
join organizations as organization on organization.id = asked.organization_id
left join plans as plan on plan.id = coalesce(asked.plan_id, organization.plan_id)
where asked.organization_id = $1 and asked.id = $2;

-- name: onboarding_step
-- What came of one step.
select state, detail, facts, made from onboarding_steps
where organization_id = $1 and onboarding_id = $2 and step = $3;

-- name: onboarding_kept
-- What a step of an earlier onboarding made or found that is still the organization's.
select step.facts
from onboarding_steps as step
join onboardings as earlier on earlier.id = step.onboarding_id and earlier.organization_id = step.organization_id
where step.organization_id = $1 and step.step = $2 and step.state = 'done' and earlier.state = 'completed'
    and (
        step.facts ->> 'row' is null
        or exists (
            select from assistants
            where organization_id = $1 and id = (step.facts ->> 'row')::uuid and deleted_at is null
        )
        or exists (
            select from phone_numbers
            where organization_id = $1 and id = (step.facts ->> 'row')::uuid and deleted_at is null
        )
    )
order by earlier.created_at desc
limit 1;

-- name: onboarding_step_begin
-- A step is begun; one that was begun before stays as it is.
insert into onboarding_steps (organization_id, onboarding_id, step, state)
values ($1, $2, $3, 'running')
on conflict (onboarding_id, step) do nothing;

-- name: onboarding_settle
-- What came of a step. One that is done, left out or taken back stays so.
insert into onboarding_steps (organization_id, onboarding_id, step, state, detail, facts, made)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (onboarding_id, step) do update
set state = excluded.state, detail = excluded.detail, facts = excluded.facts, made = excluded.made, updated_at = now()
where onboarding_steps.organization_id = $1 and onboarding_steps.state in ('running', 'failed', 'undoing')
    or onboarding_steps.state = 'done' and excluded.state in ('undoing', 'undone');

-- name: onboarding_hinder
-- What is in the way of a step, or of taking it back.
update onboarding_steps set detail = $4, updated_at = now()
where organization_id = $1 and onboarding_id = $2 and step = $3 and state in ('running', 'failed', 'undoing');

-- name: onboarding_fail
-- A step was given up; its `detail` is what was in the way.
update onboarding_steps set state = 'failed', updated_at = now()
where organization_id = $1 and onboarding_id = $2 and step = $3 and state = 'running';

-- name: onboarding_undo
-- What was made is taken back from here on.
update onboardings set state = 'undoing' where organization_id = $1 and id = $2 and state = 'running';

-- name: onboarding_finish
-- An onboarding ends, with an audit entry.
with finished as (
    update onboardings set state = $3, finished_at = now()
    where organization_id = $1 and id = $2 and finished_at is null
    returning id
)
insert into audit_log (organization_id, actor, action, target, reason, result)
select $1, 'system:onboarding', 'onboarding-' || $3, id::text,
    coalesce((
        select step || ': ' || coalesce(detail, '') from onboarding_steps
        where organization_id = $1 and onboarding_id = $2 and state = 'failed'
        order by updated_at limit 1
    ), ''),
    coalesce((
        select string_agg(step || ' ' || state, ', ' order by updated_at, step) from onboarding_steps
        where organization_id = $1 and onboarding_id = $2
    ), '')
from finished;

-- name: onboarding_secret
-- The newest secret that VAPI's webhooks to the organization are checked against.
select sealed from webhook_secrets
where organization_id = $1 and provider = 'vapi' and expires_at is null
order by created_at desc
limit 1;

-- name: onboarding_customer
-- As whom the payment provider knows the organization.
update organizations set stripe_customer_id = $2 where id = $1;

-- name: onboarding_customer_gone
-- The payment provider knows the organization no more.
update organizations set stripe_customer_id = null where id = $1 and stripe_customer_id = $2;

-- name: onboarding_plan
-- The plan that the organization has from now on.
update organizations set plan_id = $2 where id = $1;

-- name: onboarding_unsubscribe
-- The subscription is no longer, as if it had never been; the plan is the one before.
update organizations
set stripe_subscription_id = null, stripe_subscription_item_id = null, subscription_status = null,
    billing_period_start = null, billing_period_end = null, plan_id = $3
where id = $1 and stripe_subscription_id = $2;

-- name: onboarding_assistant
-- The assistant that VAPI keeps under an id.
insert into assistants (organization_id, id, provider_assistant_id, name, template_id)
values ($1, $2, $3, $4, $5)
on conflict (id) do update set provider_assistant_id = excluded.provider_assistant_id
where assistants.organization_id = $1;

-- name: onboarding_number
-- A number that VAPI keeps under an id, answered by the assistant.
insert into phone_numbers (organization_id, id, provider_phone_number_id, number, assistant_id)
values ($1, $2, $3, $4, $5)
on conflict (organization_id, number) where deleted_at is null do update
set provider_phone_number_id = excluded.provider_phone_number_id, assistant_id = excluded.assistant_id;

-- name: onboarding_assistant_gone
-- VAPI keeps the assistant no more.
update assistants set deleted_at = now()
where organization_id = $1 and provider_assistant_id = $2 and deleted_at is null;

-- name: onboarding_number_gone
-- VAPI knows the number no more.
update phone_numbers set deleted_at = now()
where organization_id = $1 and provider_phone_number_id = $2 and deleted_at is null;

-- name: onboarding_call_seen
-- Whether a call stands on the board by what the provider's own webhooks told of it.
select exists (select from call_keys where organization_id = $1 and provider_call_id = $2) and exists (
    select from webhook_inbox
    where organization_id = $1 and call_id = $2 and provider = 'vapi' and applied_at is not null
) as is_seen;

-- name: onboarding_probe_seen
-- Whether a webhook of the provider's came in under this key.
select exists (
    select from webhook_inbox where organization_id = $1 and provider = 'vapi' and event_key = $2
) as is_seen;

-- name: onboarding_addresses
-- Whom an organization's welcome goes to: its owners, or where its bills go if it has none. At most $2.
with owners as (
    select users.email as address
    from organization_members as member
    join users on users.id = member.user_id
    where member.organization_id = $1 and member.role = 'owner'
), told as (
    select address from owners
    union all
    select billing_email from organizations
    where id = $1 and billing_email is not null and not exists (select from owners)
)
select distinct on (lower(address)) address from told order by lower(address), address limit $2;

-- name: onboarding_message_add
-- The welcome to an address, written once.
insert into notifications (id, created_at, organization_id, kind, channel, recipient, provider, subject, body)
values ($2, $3, $1, 'welcome', 'email', $4, 'resend', $5, $6)
on conflict (id, created_at) do nothing;
