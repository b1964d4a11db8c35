-- name: resend_organizations
-- Organizations with a message made since $1 that is to be sent again by now ($2), or with one that is being sent again.
-- A rule is a vendor ($3) with a reason that passes ($4), how many were sent before ($5), and the pause after it ($6).
select distinct failed.organization_id
from notifications as failed
join unnest($3::text[], $4::text[], $5::smallint[], $6::interval[]) as rule (provider, reason, generation, pause)
    on rule.provider = failed.provider and rule.reason = lower(split_part(failed.error, ':', 1))
    and rule.generation = failed.generation
where failed.vendor_id is not null and failed.status in ('undelivered', 'failed', 'bounced')
    and failed.created_at > $1 and failed.body is not null and failed.updated_at + rule.pause <= $2
    and not exists (
        select from notifications as again
        where again.resend_of = failed.id and again.created_at = failed.created_at
    )
union
select organization_id
from notifications
where resend_of is not null and vendor_id is null and status in ('pending', 'sending') and created_at > $1
order by 1;

-- name: resends_due
-- At most $8 messages of the organization $7 that failed as above, the longest ago first.
select failed.id, failed.created_at
from notifications as failed
join unnest($3::text[], $4::text[], $5::smallint[], $6::interval[]) as rule (provider, reason, generation, pause)
    on rule.provider = failed.provider and rule.reason = lower(split_part(failed.error, ':', 1))
    and rule.generation = failed.generation
where failed.organization_id = $7 and failed.vendor_id is not null
    and failed.status in ('undelivered', 'failed', 'bounced')
    and failed.created_at > $1 and failed.body is not null and failed.updated_at + rule.pause <= $2
    and not exists (
        select from notifications as again
        where again.resend_of = failed.id and again.created_at = failed.created_at
    )
order by failed.updated_at, failed.id
limit $8;

-- name: resend_add
-- The message $2 said again under the id $4, written once.
insert into notifications (
    id, created_at, organization_id, call_id, kind, channel, recipient, provider, subject, body, resend_of, generation
)
select $4, created_at, organization_id, call_id, kind, channel, recipient, provider, subject, body, id, generation + 1
from notifications
where organization_id = $1 and id = $2 and created_at = $3
on conflict (id, created_at) do nothing;

-- name: resends_open
-- At most $3 messages of the organization $1 that are being sent again, made since $2.
select id, created_at, kind
from notifications
where organization_id = $1 and resend_of is not null and vendor_id is null and status in ('pending', 'sending')
    and created_at > $2
order by created_at, id
limit $3;
