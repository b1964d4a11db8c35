-- name: audit_note
-- Note what the credential did.
select private.audit($1, $2, $3, $4, $5);

-- name: audit_page
-- What was done, newest first, below the id $2; of an actor ($3), an action ($4), a target ($5), and in [$6, $7) if told.
-- To be planned for its arguments.
select id, at, actor, action, target, reason, result
from audit_log
where organization_id = $1
    and ($2::bigint is null or id < $2)
    and ($3::text is null or actor = $3)
    and ($4::text is null or action = $4)
    and ($5::text is null or target = $5)
    and ($6::timestamptz is null or at >= $6)
    and ($7::timestamptz is null or at < $7)
order by id desc
limit $8;
