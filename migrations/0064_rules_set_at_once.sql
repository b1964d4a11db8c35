-- Who sets alarm rules writes them, and tells their owner. Those that were taken and not applied yet are written here:
-- from now on their owner reads them.

-- migrate:up
insert into alarm_rules (organization_id, rules, configured_at)
select distinct on (organization_id) organization_id, facts -> 'rules', received_at
from webhook_inbox
where applied_at is null
  and provider = 'internal'
  and type = 'alarm-rules-configured'
  and jsonb_typeof(facts -> 'rules') = 'array'
order by organization_id, id desc
on conflict (organization_id) do update set rules = excluded.rules, configured_at = excluded.configured_at;

-- migrate:down
