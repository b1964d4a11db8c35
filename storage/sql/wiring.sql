-- name: wiring_organizations
-- At most $2 organizations that gave a key of VAPI, after $1.
select provider_keys.organization_id
from provider_keys
join organizations on organizations.id = provider_keys.organization_id
where provider_keys.provider = 'vapi' and organizations.deleted_at is null
    and ($1::uuid is null or provider_keys.organization_id > $1)
order by provider_keys.organization_id
limit $2;

-- name: wiring_secrets
-- What proves to us that an event of the organization's is VAPI's: those for good first, of these the newest.
select sealed, expires_at is null as is_lasting
from webhook_secrets
where organization_id = $1 and provider = 'vapi' and (expires_at is null or expires_at > now())
order by expires_at is not null, created_at desc
limit 2;

-- name: wiring_lines
-- What of an organization VAPI keeps, at most $2 of it.
select 'assistant' as kind, id as subject_id, provider_assistant_id as provider_id
from assistants
where organization_id = $1 and deleted_at is null and provider_assistant_id is not null
union all
select 'phone-number', id, provider_phone_number_id
from phone_numbers
where organization_id = $1 and deleted_at is null and provider_phone_number_id is not null
order by 1, 2
limit $2;

-- name: wiring_lock
-- Let no other change of the organization's findings in until the transaction is over.
select pg_advisory_xact_lock(hashtextextended('wiring:' || $1::text, 55));

-- name: wiring_open_count
-- How much at the provider is not as it must be.
select count(*) from wiring_findings where organization_id = $1 and closed_at is null;

-- name: wiring_differs
-- A record ($3 of kind $2, ours is $4) that was read at $7 is not as it must be ($5), unless it was mended since. $6 is
-- the id of a new finding.
insert into wiring_findings as held (id, organization_id, kind, subject_id, provider_id, aspects, found_at, seen_at)
select $6, $1, $2, $4, $3, $5, $7, $7
where not exists (
    select from wiring_findings
    where organization_id = $1 and kind = $2 and provider_id = $3 and closed_at > $7
)
on conflict (organization_id, kind, provider_id) where closed_at is null do update
set subject_id = excluded.subject_id, aspects = excluded.aspects, seen_at = greatest(held.seen_at, excluded.seen_at);

-- name: wiring_agrees
-- The same record is as it must be.
update wiring_findings
set closed_at = greatest($4, found_at), seen_at = greatest($4, seen_at),
    closed_as = case when repair_asked_at is null then 'agrees' else 'repaired' end
where organization_id = $1 and kind = $2 and provider_id = $3 and closed_at is null;

-- name: wiring_removed
-- What is open of records that are none of the organization's any more.
update wiring_findings as finding
set closed_at = greatest($2, found_at), closed_as = 'removed'
where organization_id = $1 and closed_at is null
    and not exists (
        select from assistants
        where finding.kind = 'assistant' and assistants.organization_id = $1 and assistants.deleted_at is null
            and assistants.provider_assistant_id = finding.provider_id
    )
    and not exists (
        select from phone_numbers
        where finding.kind = 'phone-number' and phone_numbers.organization_id = $1 and phone_numbers.deleted_at is null
            and phone_numbers.provider_phone_number_id = finding.provider_id
    );

-- name: wiring_checked
-- All $3 of the organization's were looked at, at $2.
insert into wiring_checks (organization_id, attempted_at, checked_at, records)
values ($1, $2, $2, $3)
on conflict (organization_id) do update
set attempted_at = excluded.attempted_at, checked_at = excluded.checked_at, records = excluded.records,
    error = null, failing_since = null;

-- name: wiring_failed
-- The look at $2 failed for the reason $3.
insert into wiring_checks as held (organization_id, attempted_at, error, failing_since)
values ($1, $2, $3, $2)
on conflict (organization_id) do update
set attempted_at = excluded.attempted_at, error = excluded.error,
    failing_since = coalesce(held.failing_since, excluded.failing_since);

-- name: wiring_tell
-- Tell the organization's owner, of slot $2, to read anew how much is not as it must be.
insert into webhook_inbox (organization_id, provider, event_key, slot, type, facts, occurred_at, received_at)
select $1, 'internal', 'organization-configured:' || gen_random_uuid(), $2, 'organization-configured', '{}', now(), now();

-- name: wiring_repair_organizations
-- Organizations with something that somebody wanted repaired before $1.
select distinct organization_id
from wiring_findings
where closed_at is null and repair_asked_at < $1
order by organization_id;

-- name: wiring_to_repair
-- What of an organization somebody wants repaired: all of it, or the finding $2.
select id, kind, provider_id, repair_asked_by
from wiring_findings
where organization_id = $1 and closed_at is null and repair_asked_at is not null and ($2::uuid is null or id = $2)
order by repair_asked_at, id;

-- name: wiring_repaired
-- The record of the finding $2 was read back at $3 and is as it must be: $4 of it were brought back. Noted once.
with closed as (
    update wiring_findings
    set closed_at = $3, closed_as = 'repaired', seen_at = $3, repair_attempted_at = $3, repair_error = null
    where organization_id = $1 and id = $2 and closed_at is null
    returning kind, provider_id, repair_asked_by
)
insert into audit_log (organization_id, at, actor, action, target, reason, result)
select $1, $3, coalesce(repair_asked_by, 'system'), 'provider-wiring-repaired', $2::text, kind || ' ' || provider_id, $4
from closed
returning true;

-- name: wiring_not_repaired
-- An attempt at $3 came to nothing for the reason $4: it is tried again, or ($5) no more. Told to the audit log if so.
with failed as (
    update wiring_findings
    set repair_attempted_at = $3, repair_error = $4,
        repair_asked_at = case when $5 then null else repair_asked_at end,
        aspects = coalesce($6, aspects)
    where organization_id = $1 and id = $2 and closed_at is null and repair_asked_at is not null
    returning kind, provider_id, repair_asked_by
)
insert into audit_log (organization_id, at, actor, action, target, reason, result)
select $1, $3, coalesce(repair_asked_by, 'system'), 'provider-wiring-not-repaired', $2::text,
    kind || ' ' || provider_id, $4
from failed
where $5;

-- name: wiring_check
-- When the organization's assistants and numbers at the provider were last looked at.
select attempted_at, checked_at, records, error, failing_since from wiring_checks where organization_id = $1;

-- name: wiring_findings_page
-- Findings, newest first, after ($2, $3) in that order; only open ones where $4.
select id, kind, subject_id, provider_id, aspects, found_at, found_at as created_at, seen_at, closed_at, closed_as,
    repair_asked_at, repair_asked_by, repair_attempted_at, repair_error
from wiring_findings
where organization_id = $1 and ($2::timestamptz is null or (found_at, id) < ($2, $3::uuid))
    and (not $4 or closed_at is null)
order by found_at desc, id desc
limit $5;

-- name: wiring_finding
-- One finding.
select id, kind, subject_id, provider_id, aspects, found_at, seen_at, closed_at, closed_as, repair_asked_at,
    repair_asked_by, repair_attempted_at, repair_error
from wiring_findings
where organization_id = $1 and id = $2;

-- name: wiring_repair_ask
-- Somebody wants the finding repaired, at $3; no row where that is wanted already, or it is closed.
update wiring_findings
set repair_asked_at = $3, repair_asked_by = private.actor(), repair_error = null
where organization_id = $1 and id = $2 and closed_at is null and repair_asked_at is null
returning id;
