-- name: upkeep_alone
-- Whether this transaction may do the upkeep: one at a time. It waits for locks no longer than a webhook can wait for it.
select pg_try_advisory_xact_lock(hashtext('call-supervisor upkeep'))
from set_config('lock_timeout', '500ms', true);

-- name: upkeep_ensure_partitions
-- Create the partitions of the months and days ahead that are missing.
select private.ensure_all_partitions(now());

-- name: upkeep_drop_old_bodies
-- Bodies are for replay and audit, and kept for 30 days.
select private.drop_old_bodies(now() - interval '30 days');
