-- name: usage_alert_organizations
-- Organizations with a warning that not everybody was told of.
select distinct organization_id from usage_alerts where told_at is null order by organization_id;

-- name: usage_alert_next
-- The oldest warning that not everybody was told of, and what it is about.
select alert.period_start, alert.threshold_percent, alert.used_seconds, alert.limit_seconds, alert.raised_at,
    organization.name, organization.time_zone
from usage_alerts as alert
join organizations as organization on organization.id = alert.organization_id
where alert.organization_id = $1 and alert.told_at is null
order by alert.raised_at, alert.threshold_percent
limit 1;

-- name: usage_alert_recipients
-- Who wants to be told of usage. `suppressed` ones must not be written to.
select recipient.id, recipient.channel, recipient.address, suppression.reason as suppressed
from notification_recipients as recipient
left join suppressions as suppression
    on suppression.organization_id = recipient.organization_id and suppression.channel = recipient.channel
    and suppression.address = recipient.address
where recipient.organization_id = $1 and recipient.disabled_at is null and 'usage' = any (recipient.kinds)
order by recipient.id;

-- name: usage_alert_message
-- The message of a warning to a recipient, written once; as it stands.
with written as (
    insert into notifications (id, created_at, organization_id, kind, channel, recipient, provider, subject, body)
    values ($2, $3, $1, 'usage', $4, $5, $6, $7, $8)
    on conflict (id, created_at) do nothing
    returning status, vendor_id
)
select status, vendor_id from written
union all
select status, vendor_id from notifications where id = $2 and created_at = $3 and organization_id = $1
limit 1;

-- name: usage_alert_attempt
-- The message is about to be sent: from here the vendor may have it.
update notifications set status = 'sending', updated_at = $4
where organization_id = $1 and id = $2 and created_at = $3 and vendor_id is null;

-- name: usage_alert_sent
-- The vendor has it, under $4; what it tells of it later is kept.
update notifications set vendor_id = $4, status = $5, rank = greatest(rank, 1), sent_at = $6, updated_at = $6
where organization_id = $1 and id = $2 and created_at = $3 and vendor_id is null;

-- name: usage_alert_settle
-- It is not sent, and why.
update notifications set status = $4, error = $5, updated_at = $6
where organization_id = $1 and id = $2 and created_at = $3 and vendor_id is null;

-- name: usage_alert_told
-- Everybody was told.
update usage_alerts set told_at = $4
where organization_id = $1 and period_start = $2 and threshold_percent = $3 and told_at is null;
