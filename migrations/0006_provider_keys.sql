-- Keys an organization lets us ask its providers with. Locks: new table only.

-- migrate:up
-- One provider account may serve many organizations; a key of one must never fetch a call for another.
create table provider_keys (
    organization_id uuid not null references organizations (id),
    provider text not null,
    -- AES-256-GCM under ENCRYPTION_KEY, bound to the organization.
    sealed bytea not null,
    created_at timestamptz not null default now(),
    primary key (organization_id, provider)
);

alter table provider_keys enable row level security;
grant all on provider_keys to service_role;

-- migrate:down
