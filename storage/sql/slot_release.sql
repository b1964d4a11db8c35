-- name: release_slot
-- Tells the owner of $1 that the slot of the call $2 is free, and the audit log who ($6) freed it and why ($7).
with held as (
    select calls.status
    from call_keys
    join calls on calls.id = call_keys.id and calls.created_at = call_keys.created_at
    where call_keys.organization_id = $1 and call_keys.provider_call_id = $2
), told as (
    insert into webhook_inbox (
        organization_id, provider, event_key, slot, call_id, type, facts, occurred_at, received_at
    )
    select $1, 'internal', $4, $3, $2, 'slot-released', '{}', $5, $5
    from held
    where held.status <> 'ended'
    returning id, provider, event_key, type, call_id, facts, occurred_at, received_at, apply_sequence, outcome
), logged as (
    insert into audit_log (organization_id, at, actor, action, target, reason, result)
    select $1, $5, $6, 'slot-released', $2, $7, case when held.status = 'ended' then 'already-ended' else 'released' end
    from held
    returning result
)
select logged.result, told.*
from logged
left join told on true;
