-- name: endpoint_events_next
-- The oldest events that no deliveries were written of, for this transaction alone.
select organization_id, event, subject, occurred_at
from endpoint_events
order by occurred_at, organization_id, event, subject
limit $1
for update skip locked;

-- name: endpoint_events_told
-- Deliveries of these are written.
delete from endpoint_events
using unnest($1::uuid[], $2::text[], $3::text[]) as told (organization_id, event, subject)
where endpoint_events.organization_id = told.organization_id and endpoint_events.event = told.event
    and endpoint_events.subject = told.subject;

-- name: endpoint_event_call
-- What a customer is told of a call that began.
select c.created_at, c.provider_call_id as call_id, c.type, c.direction, c.status, c.assistant_id, c.assistant_name,
    c.from_number, c.to_number, c.customer_name
from call_keys k
join calls c on c.organization_id = k.organization_id and c.id = k.id and c.created_at = k.created_at
where k.organization_id = $1 and k.provider_call_id = $2;

-- name: endpoint_event_incident
-- An incident that a customer is told of.
select
    incident_id, rule, metric, severity, threshold, call_id, evidence, opened_at, acknowledged_at, acknowledged_by,
    muted_until, recovered_at, resolved_at, resolved_by, opened_at as created_at
from incidents
where organization_id = $1 and incident_id = $2;
