-- A call that was refused has not begun: no endpoint is told that it did.
-- Locks: calls and its partitions for a moment: triggers are made anew.

-- migrate:up
drop trigger tell_call_started on calls;
drop trigger tell_call_started_later on calls;
create trigger tell_call_started after insert on calls
    for each row when (new.status <> 'scheduled' and coalesce(new.admission, '') not like 'refused:%')
    execute function private.tell_call_started();
create trigger tell_call_started_later after update of status on calls
    for each row when (
        old.status = 'scheduled' and new.status <> 'scheduled' and coalesce(new.admission, '') not like 'refused:%'
    )
    execute function private.tell_call_started();

-- migrate:down
