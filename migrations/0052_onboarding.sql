-- How an organization is set up at its vendors, run by run and step by step. Locks: new tables only.

-- migrate:up
create table onboardings (
    id uuid primary key,
    organization_id uuid not null references organizations (id),
    -- 'pending' until a workflow takes it up, 'running', 'undoing' after a step failed for good; then 'completed', or
    -- 'failed' once everything that was made is undone.
    state text not null default 'pending' check (state in ('pending', 'running', 'undoing', 'completed', 'failed')),
    -- The assistant to make: a template's, filled in.
    template_id uuid not null references templates (id),
    assistant_name text not null check (length(assistant_name) between 1 and 200),
    assistant_config jsonb not null check (jsonb_typeof(assistant_config) = 'object'),
    -- Where the number is to be from.
    country text not null check (country ~ '^[A-Z]{2}$'),
    area_code text check (area_code ~ '^[0-9]{3}$'),
    -- The plan to subscribe to; null: the organization's own.
    plan_id text references plans (id),
    -- Whom the test call goes to, in E.164; null: nobody is called.
    test_number text check (test_number ~ '^\+[1-9][0-9]{6,14}$'),
    requested_by text not null default private.actor(),
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    unique (organization_id, id),
    check ((state in ('completed', 'failed')) = (finished_at is not null))
);
-- One at a time.
create unique index idx_onboardings_open on onboardings (organization_id) where finished_at is null;
create index idx_onboardings_newest on onboardings (organization_id, created_at desc, id desc);

create table onboarding_steps (
    onboarding_id uuid not null,
    organization_id uuid not null,
    step text not null,
    -- 'running' (again and again while `detail` tells what is in the way), 'done', 'skipped', 'failed'; 'undoing' and
    -- 'undone' when the onboarding as a whole failed. A step without a row was not begun.
    state text not null check (state in ('running', 'done', 'skipped', 'failed', 'undoing', 'undone')),
    -- For people: what was found, what was left out and why, what failed.
    detail text,
    -- What the vendor calls it, and what else later steps go by: {"id", …}.
    facts jsonb not null default '{}' check (jsonb_typeof(facts) = 'object'),
    -- Whether it was made by this onboarding, or there before it.
    made boolean not null default false,
    updated_at timestamptz not null default now(),
    primary key (onboarding_id, step),
    foreign key (organization_id, onboarding_id) references onboardings (organization_id, id)
);

select private.isolate('onboardings'), private.isolate('onboarding_steps');
grant all on onboardings, onboarding_steps to service_role;

create policy own on onboardings for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
-- It buys things.
create policy added on onboardings for insert to authenticated
    with check (
        organization_id = any (array(select private.organization_ids('owner')))
        and requested_by = (select private.actor())
    );
grant select, insert (
        id, organization_id, template_id, assistant_name, assistant_config, country, area_code, plan_id, test_number
    ) on onboardings to authenticated;

create policy own on onboarding_steps for select to authenticated
    using (organization_id = any (array(select private.organization_ids())));
grant select on onboarding_steps to authenticated;

-- migrate:down
