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
