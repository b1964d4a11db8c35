-- name: organization_reception
-- What VAPI's messages to an organization are checked against and answered with; no row when there is none.
select
    tool_url,
    transfer_destination,
    handoff_destination,
    refusal_message,
    refusal_destination,
    array(
        select sealed
        from webhook_secrets
        where webhook_secrets.organization_id = organizations.id
            and provider = 'vapi'
            and (expires_at is null or expires_at > now())
        order by created_at desc
        limit 2
    ) as secrets,
    (
        select coalesce(jsonb_object_agg(id, jsonb_build_array(provider_assistant_id, config::text)), '{}')
        from assistants
        where assistants.organization_id = organizations.id and deleted_at is null
    ) as assistants,
    (
        select coalesce(jsonb_agg(jsonb_build_array(provider_phone_number_id, number, assistant_id)), '[]')
        from phone_numbers
        where phone_numbers.organization_id = organizations.id and deleted_at is null and assistant_id is not null
    ) as phone_numbers
from organizations
where id = $1 and deleted_at is null
