-- name: call_control
-- The sealed control address of a call.
select sealed from call_controls where organization_id = $1 and call_id = $2;

-- name: put_call_control
-- Keep the sealed control address of a call, unless it has one.
insert into call_controls (organization_id, call_id, sealed, received_at) values ($1, $2, $3, now())
on conflict (organization_id, call_id) do nothing;

-- name: upkeep_drop_old_controls
-- A control address is of no use once its call is over: none goes on for so long.
delete from call_controls where received_at < now() - interval '48 hours';
