-- Row level security of what pages of calls are made of asks for an array in one call: a set, gathered into an array by
-- the query, costs three times as much, and is gathered for each table.
-- Locks: calls and the tables about calls for a moment, exclusively.

-- migrate:up
-- Where a credential may read: private.organization_ids() at once.
create function private.readable_organizations() returns uuid[]
language plpgsql stable security definer set search_path = '' as $$
declare
    claims jsonb := auth.jwt();
begin
    if claims ? 'organization_id' then
        return case
            when private.role_rank(coalesce(claims ->> 'organization_role', 'viewer')) >= 1
                then array[(claims ->> 'organization_id')::uuid]
            else '{}'
        end;
    end if;
    return array(select membership.organization_id from private.memberships() as membership where membership.rank >= 1);
end
$$;
revoke all on function private.readable_organizations() from public;
grant execute on function private.readable_organizations() to authenticated, service_role;

alter policy own on calls using (organization_id = any ((select private.readable_organizations())::uuid []));
alter policy own on call_keys using (organization_id = any ((select private.readable_organizations())::uuid []));
alter policy own on call_transcripts using (organization_id = any ((select private.readable_organizations())::uuid []));
alter policy own on call_costs using (organization_id = any ((select private.readable_organizations())::uuid []));
alter policy own on call_actions using (organization_id = any ((select private.readable_organizations())::uuid []));
alter policy own on call_recordings using (organization_id = any ((select private.readable_organizations())::uuid []));
alter policy own on incidents using (organization_id = any ((select private.readable_organizations())::uuid []));

-- migrate:down
