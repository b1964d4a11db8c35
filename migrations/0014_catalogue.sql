-- What can be bought, what an assistant can be made from, and an organization's own settings.
-- Locks: organizations and assistants for a moment: new columns, nothing is rewritten.

-- migrate:up
create table plans (
    -- 'starter', …
    id text primary key,
    name text not null,
    monthly_price_micros bigint not null default 0 check (monthly_price_micros >= 0),
    -- In each billing period; beyond them a minute costs `minute_price_micros`.
    included_minutes integer not null default 0 check (included_minutes >= 0),
    minute_price_micros bigint not null default 0 check (minute_price_micros >= 0),
    currency text not null default 'usd' check (currency ~ '^[a-z]{3}$'),
    -- Calls at once; null means unlimited.
    concurrency_limit integer check (concurrency_limit > 0),
    features text[] not null default '{}',
    stripe_price_id text unique,
    stripe_metered_price_id text unique,
    is_active boolean not null default true,
    created_at timestamptz not null default now()
);

create table industries (
    id uuid primary key,
    slug text not null unique check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    name text not null check (length(name) between 1 and 200),
    position integer not null default 0
);

create table templates (
    id uuid primary key,
    industry_id uuid not null references industries (id),
    slug text not null unique check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    name text not null check (length(name) between 1 and 200),
    description text not null default '',
    -- The assistant it makes, in VAPI's words; {{name}} stands for what the organization fills in.
    config jsonb not null check (jsonb_typeof(config) = 'object'),
    -- [{"name", "label", "default"}, …]: what there is to fill in.
    variables jsonb not null default '[]' check (jsonb_typeof(variables) = 'array'),
    is_featured boolean not null default false,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index idx_templates_browse on templates (industry_id, is_featured, is_active);

alter table organizations
    add column plan_id text,
    -- What the page and the workflows remember and no column holds: {"summary_language": "en", …}.
    add column settings jsonb not null default '{}',
    add column billing_email text,
    add column stripe_customer_id text,
    add column stripe_subscription_id text,
    -- The subscription's metered item: the billing period is its own.
    add column stripe_subscription_item_id text,
    -- As Stripe last told; open set.
    add column subscription_status text,
    add column billing_period_start timestamptz,
    add column billing_period_end timestamptz;
alter table organizations
    -- The few organizations are read through once.
    -- squawk-ignore adding-foreign-key-constraint
    add constraint organizations_plan foreign key (plan_id) references plans (id) not valid,
    add constraint organizations_settings check (jsonb_typeof(settings) = 'object') not valid,
    add constraint organizations_billing_period check (billing_period_start < billing_period_end) not valid,
    add constraint organizations_billing_period_whole
        check ((billing_period_start is null) = (billing_period_end is null)) not valid;
-- Organizations are few: the index is there at once.
-- squawk-ignore require-concurrent-index-creation
create unique index idx_organizations_stripe_customer on organizations (stripe_customer_id);

alter table assistants add column template_id uuid;
alter table assistants
    -- squawk-ignore adding-foreign-key-constraint
    add constraint assistants_template foreign key (template_id) references templates (id) not valid;

select private.isolate('plans'), private.isolate('industries'), private.isolate('templates');
grant all on plans, industries, templates to service_role;

-- The same for everybody who is somebody.
create policy offered on plans for select to authenticated using (is_active);
create policy offered on industries for select to authenticated using (true);
create policy offered on templates for select to authenticated using (is_active);
grant select on plans, industries, templates to authenticated;

-- migrate:down
