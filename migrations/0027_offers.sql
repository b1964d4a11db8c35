-- What a new installation offers: plans to begin with, industries, and templates of assistants for each. An operator
-- changes them as rows; what has the same name already stays. Locks: plans for a moment, for its policy.

-- migrate:up
insert into plans (
    id, name, monthly_price_micros, included_minutes, minute_price_micros, concurrency_limit, features
)
values
    ('metered', 'Pay as you go', 0, 0, 150000, 10, '{live-board,alarms}'),
    ('starter', 'Starter', 49000000, 400, 140000, 10, '{live-board,alarms}'),
    ('growth', 'Growth', 249000000, 2500, 120000, 50, '{live-board,alarms,integrations,outbound-calls}'),
    ('scale', 'Scale', 999000000, 12000, 100000, null, '{live-board,alarms,integrations,outbound-calls,dedicated-shard}')
on conflict do nothing;

insert into industries (id, slug, name, position)
values
    ('5fdf7f1f-a5e8-5b11-827b-333d64a851b7', 'general', 'Any business', 1),
    ('c0882bdd-6bc2-5b26-aef8-47b8850505ea', 'healthcare', 'Healthcare', 2),
    ('2791f8cc-f862-5c06-b68c-2a167dbb4df1', 'home-services', 'Home services', 3),
    ('dd3d9bf0-c753-5deb-82cd-7c40886d0f79', 'legal', 'Legal', 4),
    ('6b2a2a11-ae11-59f2-b359-7c37d64cf722', 'real-estate', 'Real estate', 5),
    ('b950f5cb-c46a-5ac4-a949-a26af35f4553', 'hospitality', 'Restaurants and hotels', 6)
on conflict do nothing;

insert into templates (id, industry_id, slug, name, description, is_featured, variables, config)
select told.id::uuid, industry.id, told.slug, told.name, told.description, told.is_featured,
    jsonb_build_array(
        jsonb_build_object('name', 'business_name', 'label', 'Name of the business', 'default', null),
        jsonb_build_object('name', 'opening_hours', 'label', 'Opening hours', 'default', 'Monday to Friday, 9 to 5')
    ) || told.variables::jsonb,
    jsonb_build_object(
        'name', told.name,
        'firstMessage', told.first_message,
        'model', jsonb_build_object(
            'provider', 'openai',
            'model', 'gpt-4o-mini',
            'messages', jsonb_build_array(jsonb_build_object(
                'role', 'system',
                'content', told.task || ' You speak for {{business_name}}, open {{opening_hours}}. Ask one question at a'
                    ' time, be brief, and repeat names, numbers and dates back. Say that you are an assistant when'
                    ' asked. Never invent an answer: offer that somebody calls back.'
            ))
        ),
        'voice', jsonb_build_object('provider', 'vapi', 'voiceId', 'Elliot'),
        'transcriber', jsonb_build_object('provider', 'deepgram', 'model', 'nova-3', 'language', 'en'),
        'maxDurationSeconds', 900
    )
from (values
    (
        '116d7db4-8443-5cff-9687-8ca72c44929a', 'general', 'front-desk', 'Front desk',
        'Answers, finds out what a caller wants, and takes a message.', true, '[]',
        'Thank you for calling {{business_name}}. How can I help?',
        'You answer the phone. Find out who calls and why, answer what you know, and take a message with a number to'
            ' call back.'
    ),
    (
        '9a239db0-088d-5e6a-92a2-74d965240caf', 'general', 'after-hours-answering', 'After hours',
        'Takes messages while nobody is there, and tells what is urgent apart.', false, '[]',
        'You have reached {{business_name}} outside our opening hours. May I take a message?',
        'You answer the phone while the business is closed. Take the name, the number, what it is about, and whether it'
            ' can wait until the business opens.'
    ),
    (
        '1548bb78-284e-5313-bb7f-bc1d8aba6eae', 'healthcare', 'dental-reception', 'Dental reception',
        'Asks for appointments and knows what cannot wait.', true,
        '[{"name": "emergency_number", "label": "Number for emergencies", "default": null}]',
        '{{business_name}}, good day. Would you like an appointment?',
        'You are the reception of a dental practice. Ask for the name, the date of birth, the reason and three times'
            ' that suit. Give no medical advice. For bleeding, swelling or an accident give {{emergency_number}} at once.'
    ),
    (
        '8864240d-4fb2-5b4d-a66a-4c975d4129bc', 'home-services', 'home-service-dispatch', 'Service dispatch',
        'Takes a job: what, where, and how urgent.', true,
        '[{"name": "trade", "label": "Trade", "default": "plumbing"}]',
        '{{business_name}}. What has happened?',
        'You take jobs for a {{trade}} company. Ask for the address, what is broken, since when, and whether there is'
            ' danger. When there is, tell the caller to leave and to call the emergency services.'
    ),
    (
        '230893b0-8c97-5964-8ae5-a1730d0f0d2a', 'legal', 'law-firm-intake', 'Client intake',
        'Takes down a matter without advising on it.', true,
        '[{"name": "practice_areas", "label": "Practice areas", "default": "family and employment law"}]',
        'Thank you for calling {{business_name}}. What is your matter about?',
        'You take down new matters of a law firm for {{practice_areas}}. Ask for the name of the caller and of the other'
            ' side, what happened, and deadlines. Give no legal advice and promise nothing.'
    ),
    (
        'cf5eea2c-5fc8-5e41-8b31-805aeb63de78', 'real-estate', 'property-enquiries', 'Property enquiries',
        'Answers enquiries and finds times for viewings.', true, '[]',
        '{{business_name}}, which property are you calling about?',
        'You take enquiries for an estate agency. Ask which property, whether to rent or to buy, by when, the budget, and'
            ' times for a viewing. Negotiate nothing.'
    ),
    (
        '9ab7b0a6-e797-55cb-b624-2e521d2b99e4', 'hospitality', 'table-reservations', 'Table reservations',
        'Takes reservations and special wishes.', true,
        '[{"name": "largest_party", "label": "Largest party without asking", "default": "8"}]',
        '{{business_name}}, would you like to reserve a table?',
        'You take reservations of a restaurant. Ask for the day, the time, the number of people, the name, a number, and'
            ' allergies. For more than {{largest_party}} people somebody calls back.'
    )
) as told (id, industry, slug, name, description, is_featured, variables, first_message, task)
join industries as industry on industry.slug = told.industry
on conflict do nothing;

-- A plan that is offered no more is still its organizations' plan.
create policy own on plans for select to authenticated
    using (id = any (array(
        select plan_id from organizations where organizations.id = any (array(select private.organization_ids()))
    )));

-- migrate:down
