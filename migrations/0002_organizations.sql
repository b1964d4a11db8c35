-- Organizations, their credentials and what VAPI reaches them by. Locks: new tables only.

-- migrate:up
create table organizations (
    id uuid primary key,
    name text not null check (length(name) between 1 and 200),
    slug text not null,
    -- IANA name; "today" and the daily figures follow it.
    time_zone text not null default 'UTC',
    -- Calls at once; null means unlimited.
    concurrency_limit integer check (concurrency_limit > 0),
    -- Where tool calls are forwarded to; null answers each with an error the assistant can speak.
    tool_url text,
    -- Where transfer and handoff requests are answered from: a destination object of VAPI's.
    transfer_destination jsonb,
    handoff_destination jsonb,
    -- A slot of its own on a shard of its own.
    dedicated boolean not null default false,
    created_at timestamptz not null default now(),
    deleted_at timestamptz
);
create unique index idx_org_slug on organizations (slug) where deleted_at is null;

-- Secrets VAPI's webhooks are checked against. Two may live at once, so that a rotation refuses nothing.
create table webhook_secrets (
    id uuid primary key,
    organization_id uuid not null references organizations (id),
    provider text not null,
    -- AES-256-GCM under ENCRYPTION_KEY, bound to the organization.
    sealed bytea not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz
);
create index idx_webhook_secrets_organization on webhook_secrets (organization_id, provider);

-- API keys: `sup_<id>_<secret>_<checksum>`; only the hash of the secret is kept.
create table api_keys (
    id text primary key,
    organization_id uuid not null references organizations (id),
    name text not null,
    secret_hash bytea not null,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz
);
create index idx_api_keys_organization on api_keys (organization_id);

create table assistants (
    id uuid primary key,
    organization_id uuid not null references organizations (id),
    -- VAPI's id, when VAPI keeps the assistant; null when `config` is sent with each answer.
    provider_assistant_id text,
    name text not null,
    config jsonb,
    created_at timestamptz not null default now(),
    deleted_at timestamptz,
    check (provider_assistant_id is not null or config is not null)
);
create index idx_assistants_organization on assistants (organization_id) where deleted_at is null;
create unique index idx_assistants_provider on assistants (organization_id, provider_assistant_id);

create table phone_numbers (
    id uuid primary key,
    organization_id uuid not null references organizations (id),
    provider_phone_number_id text,
    number text not null,
    assistant_id uuid references assistants (id),
    created_at timestamptz not null default now(),
    deleted_at timestamptz
);
create index idx_phone_numbers_organization on phone_numbers (organization_id) where deleted_at is null;
create unique index idx_phone_numbers_provider on phone_numbers (organization_id, provider_phone_number_id);
create unique index idx_phone_numbers_number on phone_numbers (organization_id, number) where deleted_at is null;

alter table organizations enable row level security;
alter table webhook_secrets enable row level security;
alter table api_keys enable row level security;
alter table assistants enable row level security;
alter table phone_numbers enable row level security;

create policy own on organizations for select to authenticated
    using (id in (select private.organization_ids()));
create policy own on assistants for select to authenticated
    using (organization_id in (select private.organization_ids()));
create policy own on phone_numbers for select to authenticated
    using (organization_id in (select private.organization_ids()));

grant select on organizations, assistants, phone_numbers to authenticated;
grant all on organizations, webhook_secrets, api_keys, assistants, phone_numbers to service_role;

-- migrate:down
