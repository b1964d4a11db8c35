-- name: notice_of_call
-- What people are told of a call once it is processed.
select
    calls.id, calls.created_at, organizations.name as organization_name, organizations.time_zone,
    calls.direction, calls.from_number, calls.to_number, calls.assistant_name, calls.ended_reason, calls.duration_ms,
    calls.summary,
    array(
        select actions.text from call_actions as actions
        where actions.organization_id = $1 and actions.call_id = calls.id
            and actions.call_created_at = calls.created_at
        order by actions.position
    ) as actions
from call_keys
join calls on calls.organization_id = call_keys.organization_id
    and calls.id = call_keys.id and calls.created_at = call_keys.created_at
join organizations on organizations.id = call_keys.organization_id
where call_keys.organization_id = $1 and call_keys.provider_call_id = $2;

-- name: notification_recipients_of
-- At most $3 people who want to be told of a kind of thing. `suppressed` ones must not be written to.
select recipient.id, recipient.channel, recipient.address, suppression.reason as suppressed
from notification_recipients as recipient
left join suppressions as suppression
    on suppression.organization_id = recipient.organization_id and suppression.channel = recipient.channel
    and suppression.address = recipient.address
where recipient.organization_id = $1 and recipient.disabled_at is null and $2 = any (recipient.kinds)
order by recipient.id
limit $3;

-- name: plan_notification
-- A message that is to be sent, written once.
insert into notifications (
    id, created_at, organization_id, call_id, kind, channel, recipient, provider, status, error, subject, body
)
values ($2, $3, $1, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (id, created_at) do nothing;

-- name: unsent_notifications
-- Messages about a call that are neither sent nor given up. What is said again is another's business.
select id, created_at
from notifications
where organization_id = $1 and call_id = $2 and created_at = $3 and kind = $4 and vendor_id is null
    and status in ('pending', 'sending') and resend_of is null
order by id;

-- name: notification
-- One message, as it stands; `suppressed` when its recipient must not be written to any more.
select message.channel, message.recipient, message.call_id, message.status, message.vendor_id, message.subject,
    message.body, message.attempted_at, suppression.reason as suppressed
from notifications as message
left join suppressions as suppression
    on suppression.organization_id = message.organization_id and suppression.channel = message.channel
    and suppression.address = message.recipient
where message.organization_id = $1 and message.id = $2 and message.created_at = $3;

-- name: attempt_notification
-- The message is about to be sent: from here the vendor may have it.
update notifications set status = 'sending', attempted_at = coalesce(attempted_at, $4), updated_at = $4
where organization_id = $1 and id = $2 and created_at = $3 and vendor_id is null;

-- name: postpone_notification
-- The vendor certainly has it not: it is as if no attempt had been made.
update notifications set status = 'pending', attempted_at = null, updated_at = $4
where organization_id = $1 and id = $2 and created_at = $3 and vendor_id is null and status = 'sending';

-- name: sent_notification
-- The vendor has it, under $4; what it tells of it later is kept.
update notifications set
    vendor_id = $4, status = $5, rank = greatest(rank, 1), sent_at = $6, attempted_at = null, error = null,
    updated_at = $6
where organization_id = $1 and id = $2 and created_at = $3 and vendor_id is null;

-- name: settle_notification
-- The message is not sent, and why.
update notifications set status = $4, error = $5, updated_at = $6
where organization_id = $1 and id = $2 and created_at = $3 and vendor_id is null and status in ('pending', 'sending')
returning id;

-- name: suppress_address
-- The organization must not write to this address any more.
insert into suppressions (organization_id, channel, address, reason) values ($1, $2, $3, $4)
on conflict (organization_id, channel, address) do nothing;

-- name: notifications_page
-- Messages about what happened in [$4, $5), about a call and of a channel if told, newest first, after ($2, $3) in that
-- order. To be planned for its arguments.
select id, call_id, kind, channel, recipient, provider, status, error, resend_of, sent_at, updated_at, created_at
from notifications
where organization_id = $1 and created_at >= $4 and created_at < $5
    and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
    and ($6::text is null or call_id = $6)
    and ($7::text is null or channel = $7)
order by created_at desc, id desc
limit $8;
