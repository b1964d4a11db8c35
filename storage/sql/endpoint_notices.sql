-- name: endpoint_notice_organizations
-- Organizations with an endpoint that was disabled for them, of which they were not told.
select distinct organization_id
from integrations
where disabled_reason in ('gone', 'failing') and deleted_at is null and disabled_told_at is distinct from disabled_at
order by organization_id;

-- name: endpoint_notice_next
-- The endpoint that was disabled first and that its organization was not told of.
select integration.id, integration.name, integration.disabled_at, integration.disabled_reason as reason,
    integration.failing_since, integration.missed_since, organization.name as organization_name
from integrations as integration
join organizations as organization on organization.id = integration.organization_id
where integration.organization_id = $1 and integration.disabled_reason in ('gone', 'failing')
    and integration.deleted_at is null and integration.disabled_told_at is distinct from integration.disabled_at
order by integration.disabled_at, integration.id
limit 1;

-- name: endpoint_notice_addresses
-- Where an organization's notices go: to those who may enable an endpoint, to whoever wants to hear of alarms, and to
-- where its bills go if there is nobody else. At most $2.
with people as (
    select users.email as address
    from organization_members as member
    join users on users.id = member.user_id
    where member.organization_id = $1 and member.role in ('owner', 'admin')
    union all
    select address from notification_recipients
    where organization_id = $1 and channel = 'email' and disabled_at is null and 'alarm' = any (kinds)
), told as (
    select address from people
    union all
    select billing_email from organizations
    where id = $1 and billing_email is not null and not exists (select from people)
)
select distinct on (lower(address)) address from told order by lower(address), address limit $2;

-- name: endpoint_notice_add
-- The message that tells an address, written once.
insert into notifications (id, created_at, organization_id, kind, channel, recipient, provider, subject, body)
values ($2, $3, $1, 'integration-disabled', 'email', $4, 'resend', $5, $6)
on conflict (id, created_at) do nothing;

-- name: endpoint_notice_told
-- Everybody was told of it, as far as they can be.
update integrations set disabled_told_at = $3 where organization_id = $1 and id = $2;
