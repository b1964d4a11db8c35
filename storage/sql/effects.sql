-- name: effects_due
-- Unconfirmed effects whose time to retry has come: of each slot an equal part of the page, then of those that have more
-- what room is left, always by the slot's index. A page costs the same of any backlog.
with share as (
    select ceil($3::numeric / greatest(1, cardinality($1::smallint[])))::bigint as size
), parts as (
    select wanted.slot, part.*
    from unnest($1::smallint[]) as wanted (slot)
    cross join lateral (
        select organization_id, call_id, effect, attempts, retry_at, created_at
        from effects
        where effects.slot = wanted.slot and confirmed_at is null and retry_at <= $2
        order by retry_at, created_at, organization_id, call_id, effect
        limit (select size from share)
    ) as part
), longer as (
    select slot from parts group by slot having count(*) = (select size from share)
), page as (
    select * from parts
    union all
    select longer.slot, more.*
    from longer
    cross join lateral (
        select organization_id, call_id, effect, attempts, retry_at, created_at
        from effects
        where effects.slot = longer.slot and confirmed_at is null and retry_at <= $2
        order by retry_at, created_at, organization_id, call_id, effect
        limit greatest(0, $3 - (select count(*) from parts))
        offset (select size from share)
    ) as more
    order by retry_at, created_at
    limit $3
)
select organization_id, call_id, effect, attempts
from page
order by retry_at, created_at;

-- name: effects_confirm
-- The world has them; a confirmed one keeps its first time.
update effects
set confirmed_at = $4
from unnest($2::text[], $3::text[]) as told (call_id, effect)
where effects.organization_id = $1
  and effects.call_id = told.call_id
  and effects.effect = told.effect
  and effects.confirmed_at is null;

-- name: effects_delay
-- Another attempt failed; the next is not before $4.
update effects
set attempts = attempts + 1, retry_at = $4
from unnest($2::text[], $3::text[]) as told (call_id, effect)
where effects.organization_id = $1
  and effects.call_id = told.call_id
  and effects.effect = told.effect
  and effects.confirmed_at is null;
