-- Login links of people. Locks: api_keys for a moment: a new column, nothing is rewritten.

-- migrate:up
-- Whose session a login link opens; null for a link that stands for nobody.
alter table api_keys add column user_id uuid;
alter table api_keys
    add constraint api_keys_user foreign key (user_id) references users (id) on delete cascade not valid;

-- Keys made before roles were kept: what they may change follows from what they permit.
update api_keys set role = 'owner' where scopes @> '{slots:release}';

-- migrate:down
