-- A replay is of an integration of its own organization; naming another's tells nothing of it.
-- Locks: integrations and delivery_replays for moments; both are few, and read through under them.

-- migrate:up
-- squawk-ignore disallowed-unique-constraint, constraint-missing-not-valid
alter table integrations add constraint integrations_of_organization unique (organization_id, id);
-- squawk-ignore ban-drop-constraint
alter table delivery_replays drop constraint delivery_replays_integration_id_fkey;
alter table delivery_replays
    -- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
    add constraint delivery_replays_integration
        foreign key (organization_id, integration_id) references integrations (organization_id, id);

-- migrate:down
