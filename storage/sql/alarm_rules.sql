-- name: alarm_rules_of_organization
-- The organization's own alarm rules; no row when it never set any.
select rules from alarm_rules where organization_id = $1;

-- name: alarm_rules_lock
-- Let no other change of this organization's settings in until the transaction is over.
select true from organizations where id = $1 and deleted_at is null for no key update;

-- name: alarm_rules_replace
-- Have $3 in the place of the own rules of $1, tell its owner, of slot $2, by the inbox row of key $4, and the audit log,
-- who ($6) set them at $5 and to what ($7).
with ruled as (
    insert into alarm_rules (organization_id, rules, configured_at)
    values ($1, $3, $5)
    on conflict (organization_id) do update set rules = excluded.rules, configured_at = excluded.configured_at
), told as (
    insert into webhook_inbox (organization_id, provider, event_key, slot, type, facts, occurred_at, received_at)
    values ($1, 'internal', $4, $2, 'alarm-rules-configured', jsonb_build_object('rules', $3::jsonb, 'by', $6::text), $5, $5)
    returning id, provider, event_key, type, call_id, facts, occurred_at, received_at, apply_sequence, outcome
), logged as (
    insert into audit_log (organization_id, at, actor, action, target, reason, result)
    values ($1, $5, $6, 'alarm-rules-configured', $7, '', 'done')
)
select * from told;
