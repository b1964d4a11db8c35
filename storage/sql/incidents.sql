-- name: incidents_page
-- Incidents that come after ($2, $3) in the order, or from the newest when those are null; $4 true: open, false: ended.
select
    incident_id, rule, metric, severity, threshold, call_id, evidence, opened_at, acknowledged_at, acknowledged_by,
    muted_until, recovered_at, resolved_at, resolved_by, closed_at
from incidents
where organization_id = $1
  and ($2::timestamptz is null or (opened_at, incident_id) < ($2, $3::uuid))
  and ($4::boolean is null or (closed_at is null) = $4)
order by opened_at desc, incident_id desc
limit $5;

-- name: incident
-- One incident.
select
    incident_id, rule, metric, severity, threshold, call_id, evidence, opened_at, acknowledged_at, acknowledged_by,
    muted_until, recovered_at, resolved_at, resolved_by, closed_at
from incidents
where organization_id = $1 and incident_id = $2;

-- name: act_on_incident
-- Tells the owner of $1, of slot $3, what ($4) is done about the open incident $2, by the inbox row of key $5, and the
-- audit log who ($7) did it at $6. No row when that was told before, or the incident has ended.
with told as (
    insert into webhook_inbox (organization_id, provider, event_key, slot, type, facts, occurred_at, received_at)
    select $1, 'internal', $5, $3, $4, jsonb_build_object('incident_id', $2::text, 'by', $7::text), $6, $6
    from incidents
    where organization_id = $1 and incident_id = $2::uuid and closed_at is null
    on conflict (organization_id, provider, event_key) do nothing
    returning id, provider, event_key, type, call_id, facts, occurred_at, received_at, apply_sequence, outcome
), logged as (
    insert into audit_log (organization_id, at, actor, action, target, reason, result)
    select $1, $6, $7, $4, incidents.rule || coalesce(' ' || incidents.call_id, ''), '', 'done'
    from told
    join incidents on incidents.organization_id = $1 and incidents.incident_id = $2::uuid
)
select * from told;
