-- name: tag_call
-- Set ($5) a tag of a call or take it away, and tell the owner of slot $3; no row when there is no such call.
select result, tags, inbox_id, inbox_key, inbox_facts, told_at
from private.tag_call($1, $2, $3, $4, $5, $6);

-- name: tags_of_call
-- The tags of a call, wherever its row is now; no row when there is no such call.
select array(
    select tag from call_tags where call_tags.organization_id = $1 and call_tags.call_id = key.id order by tag
) as tags
from call_keys as key
where key.organization_id = $1 and key.provider_call_id = $2;

-- name: tags_of_calls
-- The tags of some calls by their row's id, of those that have any.
select call_id, array_agg(tag order by tag) as tags
from call_tags
where organization_id = $1 and call_id = any ($2::uuid[])
group by call_id;

-- name: calls_tagged
-- Calls first seen in [$2, $3), wherever they are now, that have the tag $4.
select call_id
from call_tags
where organization_id = $1 and tag = $4 and call_created_at >= $2 and call_created_at < $3;
