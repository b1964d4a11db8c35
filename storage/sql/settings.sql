-- name: settings
-- Everything an organization's settings say; no row when there is no such organization.
select
    name, time_zone, concurrency_limit, campaign_limits, minutes_cap, minutes_policy, opening_hours, refusal_message,
    refusal_destination, api_requests_per_second, tool_url, transfer_destination, handoff_destination,
    (
        select coalesce(
            jsonb_object_agg(coalesce(assistants.provider_assistant_id, assistants.id::text), assistants.concurrency_limit),
            '{}'
        )
        from assistants
        where assistants.organization_id = organizations.id
            and assistants.deleted_at is null
            and assistants.concurrency_limit is not null
    ) as assistant_limits
from organizations
where id = $1 and deleted_at is null;

-- name: settings_lock
-- Let no other change of this organization's settings in until the transaction is over.
select true from organizations where id = $1 and deleted_at is null for no key update;

-- name: settings_write
-- Replace the settings of $1 by those of $2.
update organizations
set name = told.name,
    time_zone = told.time_zone,
    concurrency_limit = told.concurrency_limit,
    campaign_limits = told.campaign_limits,
    minutes_cap = told.minutes_cap,
    minutes_policy = told.minutes_policy,
    opening_hours = told.opening_hours,
    refusal_message = told.refusal_message,
    refusal_destination = told.refusal_destination,
    api_requests_per_second = told.api_requests_per_second,
    tool_url = told.tool_url,
    transfer_destination = told.transfer_destination,
    handoff_destination = told.handoff_destination
from jsonb_populate_record(null::organizations, $2) as told
where organizations.id = $1;

-- name: settings_write_assistants
-- Give the assistants of $1 the limits of $2, {"assistant": calls at once}, and the others none; answers who is known.
update assistants
set concurrency_limit = ($2::jsonb ->> coalesce(provider_assistant_id, id::text))::integer
where organization_id = $1 and deleted_at is null
returning coalesce(provider_assistant_id, id::text) as assistant_id, id;

-- name: settings_tell
-- Tell the owner of $1, of slot $2, by the inbox, and the audit log, who ($5) changed what ($6) from what to what ($7).
with told as (
    insert into webhook_inbox (organization_id, provider, event_key, slot, type, facts, occurred_at, received_at)
    values ($1, 'internal', $3, $2, 'organization-configured', '{}', $4, $4)
    returning id, provider, event_key, type, call_id, facts, occurred_at, received_at, apply_sequence, outcome
), logged as (
    insert into audit_log (organization_id, at, actor, action, target, reason, result)
    values ($1, $4, $5, 'organization-configured', $6, '', $7)
)
select * from told;
