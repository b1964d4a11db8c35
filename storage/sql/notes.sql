-- name: notes_of_call
-- What was written down about the call, oldest first.
select note.id, note.author, note.text, note.created_at
from call_keys as key
join call_notes as note on note.call_id = key.id and note.call_created_at = key.created_at
where key.organization_id = $1 and key.provider_call_id = $2 and note.organization_id = $1
order by note.created_at, note.id
limit 500;

-- name: note_add
-- Write something down about a call; no row when there is no such call.
insert into call_notes (organization_id, id, call_id, call_created_at, text)
select $1, $3, key.id, key.created_at, $4
from call_keys as key
where key.organization_id = $1 and key.provider_call_id = $2
returning id, author, text, created_at;

-- name: note_remove
-- Take back a note of one's own; no row when there is none such.
delete from call_notes as note
using call_keys as key
where key.organization_id = $1 and key.provider_call_id = $2
    and note.call_id = key.id and note.call_created_at = key.created_at and note.id = $3
returning note.id;

-- name: call_known
-- Whether the organization has the call, and how it stands.
select calls.status
from call_keys as key
join calls on calls.id = key.id and calls.created_at = key.created_at
where key.organization_id = $1 and key.provider_call_id = $2;
