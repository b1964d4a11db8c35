-- name: organizations_with_call
-- The organizations that have a call under the provider's id: several may, each a call of its own.
select call_keys.organization_id
from organizations
join call_keys on call_keys.organization_id = organizations.id and call_keys.provider_call_id = $1;

-- name: simulator_number
-- Whose number the provider knows under an id: several may, the newest counts.
select organization_id, number
from phone_numbers
where provider_phone_number_id = $1 and deleted_at is null
order by created_at desc
limit 1;
