-- Row level security asks once for each statement whose organizations a credential reads. A key or a session that chose
-- one states it, and is answered from its claims alone; a function whose plan a session keeps answers in half the time.
-- Locks: none.

-- migrate:up
create or replace function private.organization_ids() returns setof uuid
language plpgsql stable security definer rows 1 set search_path = '' as $$
declare
    claims jsonb := auth.jwt();
begin
    if claims ? 'organization_id' then
        if private.role_rank(coalesce(claims ->> 'organization_role', 'viewer')) >= 1 then
            return next (claims ->> 'organization_id')::uuid;
        end if;
    else
        return query select membership.organization_id from private.memberships() as membership where membership.rank >= 1;
    end if;
end
$$;

-- migrate:down
