-- name: call_progress
-- How far a call is: its end, its reports, what of it was processed and stored.
select k.id,
       k.created_at,
       c.status = 'ended' as ended,
       coalesce(i.ended_at, c.last_event_at) as ended_at,
       coalesce(i.evidence_at, k.created_at) as evidence_at,
       coalesce(i.reports, 0) as reports,
       coalesce(i.report_missing, false) as report_missing,
       i.processed,
       exists (
           select from call_recordings r
           where r.organization_id = $1 and r.call_id = k.id and r.call_created_at = k.created_at
       ) as recording_stored
from call_keys k
join calls c on c.organization_id = k.organization_id and c.id = k.id and c.created_at = k.created_at
left join lateral (
    select min(w.received_at) filter (
               where w.facts ->> 'status' = 'ended' or w.type in ('end-of-call-report', 'call-end')
           ) as ended_at,
           max(w.received_at) filter (where w.provider <> 'internal') as evidence_at,
           count(*) filter (where w.type in ('end-of-call-report', 'call-end')) as reports,
           bool_or(w.provider = 'internal' and w.type = 'report-missing') as report_missing,
           max((w.facts #>> '{details,reports}')::integer) filter (
               where w.provider = 'internal' and w.type = 'call-processed'
           ) as processed
    from webhook_inbox w
    where w.organization_id = $1 and w.call_id = $2
) i on true
where k.organization_id = $1 and k.provider_call_id = $2

-- name: call_report_bodies
-- Bodies that tell what a call left behind, the most trusted first, in the order the call's record is merged by.
select b.body, b.packed
from webhook_inbox i
join webhook_bodies b
    on b.inbox_id = i.id and b.received_at = i.received_at and b.organization_id = i.organization_id
where i.organization_id = $1
  and i.call_id = $2
  and (i.type in ('end-of-call-report', 'call-end') or (i.provider = 'internal' and i.type = 'provider-record'))
order by (i.type <> 'provider-record') desc,
         i.occurred_at desc nulls last,
         (i.provider || ':' || i.event_key) collate "C" desc
limit 8

-- name: store_call_transcript
-- Keeps the newest reading of what was said in a call.
insert into call_transcripts (call_id, call_created_at, organization_id, transcript_text, messages, analysis)
select k.id, k.created_at, k.organization_id, $3, $4, $5
from call_keys k
where k.organization_id = $1 and k.provider_call_id = $2
on conflict (call_id, call_created_at) do update
set transcript_text = excluded.transcript_text, messages = excluded.messages, analysis = excluded.analysis,
    stored_at = now()
where call_transcripts.organization_id = excluded.organization_id

-- name: store_call_costs
-- Keeps the newest statement of what a call cost.
insert into call_costs (call_id, call_created_at, organization_id, cost_micros, breakdown)
select k.id, k.created_at, k.organization_id, $3, $4
from call_keys k
where k.organization_id = $1 and k.provider_call_id = $2
on conflict (call_id, call_created_at) do update
set cost_micros = excluded.cost_micros, breakdown = excluded.breakdown
where call_costs.organization_id = excluded.organization_id

-- name: clear_call_actions
-- Makes room for a newer set of a call's action items.
delete from call_actions a
using call_keys k
where k.organization_id = $1 and k.provider_call_id = $2
  and a.organization_id = k.organization_id and a.call_id = k.id and a.call_created_at = k.created_at

-- name: insert_call_actions
-- Writes a call's action items in their order.
insert into call_actions (call_id, call_created_at, organization_id, position, text, source)
select k.id, k.created_at, k.organization_id, item.position, item.text, $3
from call_keys k, unnest($4::text[]) with ordinality as item (text, position)
where k.organization_id = $1 and k.provider_call_id = $2

-- name: store_call_recording
-- Keeps where the copy of a call's recording lies and what it weighs.
insert into call_recordings (call_id, call_created_at, organization_id, path, bytes, sha256, content_type)
select k.id, k.created_at, k.organization_id, $3, $4, $5, $6
from call_keys k
where k.organization_id = $1 and k.provider_call_id = $2
on conflict (call_id, call_created_at) do update
set path = excluded.path, bytes = excluded.bytes, sha256 = excluded.sha256, content_type = excluded.content_type,
    stored_at = now()
where call_recordings.organization_id = excluded.organization_id

-- name: call_recording
-- Whether and since when a call exists, and whether its recording is stored.
select k.created_at, r.path
from call_keys k
left join call_recordings r
    on r.organization_id = k.organization_id and r.call_id = k.id and r.call_created_at = k.created_at
where k.organization_id = $1 and k.provider_call_id = $2
