-- name: usage_keep_day
-- Put an organization's day in the place of what was kept of it; $4 holds the columns by their names.
insert into daily_usage
select day.*
from jsonb_populate_record(
    null::daily_usage,
    $4::jsonb || jsonb_build_object(
        'organization_id', $1::uuid, 'date', $2::date, 'time_zone', $3::text, 'computed_at', now(), 'ended_classes', (
            select coalesce(jsonb_object_agg(coalesce(ended_class, 'unknown'), n), '{}')
            from (
                select ended_class, count(*) as n
                from calls
                where organization_id = $1 and status = 'ended'
                    and created_at >= $2::date::timestamp at time zone $3::text
                    and created_at < ($2::date + 1)::timestamp at time zone $3::text
                group by ended_class
            ) as classes
        )
    ) || (
        select jsonb_build_object(
            'total_seconds', coalesce(sum(seconds), 0), 'charged_micros', coalesce(sum(amount_micros), 0)
        )
        from usage_ledger
        where organization_id = $1
            and charged_at >= $2::date::timestamp at time zone $3::text
            and charged_at < ($2::date + 1)::timestamp at time zone $3::text
    )
) as day
on conflict (date, organization_id) do update set
    time_zone = excluded.time_zone, total_calls = excluded.total_calls, total_seconds = excluded.total_seconds,
    charged_micros = excluded.charged_micros, offered = excluded.offered, refused = excluded.refused,
    answered = excluded.answered, answered_waits = excluded.answered_waits,
    answered_in_time = excluded.answered_in_time, answer_wait_ms = excluded.answer_wait_ms,
    abandoned = excluded.abandoned, short_abandoned = excluded.short_abandoned, ended = excluded.ended,
    handled = excluded.handled, handle_ms = excluded.handle_ms, talk_ms = excluded.talk_ms,
    cost_micros = excluded.cost_micros, listened_ms = excluded.listened_ms, silence_ms = excluded.silence_ms,
    tools_called = excluded.tools_called, tools_failed = excluded.tools_failed,
    interruptions = excluded.interruptions, reports_missing = excluded.reports_missing,
    webhooks = excluded.webhooks, clock_skewed = excluded.clock_skewed, reorders = excluded.reorders,
    duplicates = excluded.duplicates, repairs = excluded.repairs, peak_concurrency = excluded.peak_concurrency,
    peak_at = excluded.peak_at, level_ms = excluded.level_ms, first_word_ms = excluded.first_word_ms,
    turn_latency_ms = excluded.turn_latency_ms, webhook_lag_ms = excluded.webhook_lag_ms,
    attempted = excluded.attempted, connected = excluded.connected, voicemails = excluded.voicemails,
    concluded = excluded.concluded, contained = excluded.contained, evaluated = excluded.evaluated,
    succeeded = excluded.succeeded, report_delay_ms = excluded.report_delay_ms,
    tool_latency_ms = excluded.tool_latency_ms, attempted_outcomes = excluded.attempted_outcomes, capacity_ms = excluded.capacity_ms,
    capacity_used_ms = excluded.capacity_used_ms, saturated_ms = excluded.saturated_ms,
    ended_classes = excluded.ended_classes, computed_at = excluded.computed_at;

-- name: usage_due
-- At most $1 of the last three closed days of every organization, from two in the morning where it is: not kept, or kept
-- before reports could be late no more.
select organization.id as organization_id, organization.time_zone, closed.date
from organizations as organization
cross join lateral (
    select (now() at time zone organization.time_zone)::date - back as date from generate_series(1, 3) as back
) as closed
left join daily_usage as kept on kept.organization_id = organization.id and kept.date = closed.date
where organization.deleted_at is null
    and organization.created_at < (closed.date + 1)::timestamp at time zone organization.time_zone
    and now() >= (closed.date + 1 + time '02:00') at time zone organization.time_zone
    and (
        kept.date is null
        or kept.computed_at < (closed.date + 2)::timestamp at time zone organization.time_zone
            and kept.computed_at < now() - interval '6 hours'
    )
order by closed.date, organization.id
limit $1;

-- name: usage_range
-- At most $6 closed days of [$1, $2] of the organization $3, or of all, after the day $5 of the organization $4.
select organization.id as organization_id, organization.time_zone, day::date as date
from organizations as organization
cross join generate_series($1::date, $2::date, interval '1 day') as day
where organization.deleted_at is null
    and ($3::uuid is null or organization.id = $3)
    and day::date < (now() at time zone organization.time_zone)::date
    and ($4::uuid is null or (organization.id, day::date) > ($4, $5::date))
order by organization.id, day
limit $6;

-- name: usage_days
-- The kept days of [$2, $3], oldest first, each with the limit of calls at once that held at its end.
select daily_usage.*, held.concurrency_limit
from daily_usage
left join lateral (
    select concurrency_limit
    from concurrency_limits
    where organization_id = $1
        and since < (daily_usage.date + 1)::timestamp at time zone daily_usage.time_zone
    order by since desc
    limit 1
) as held on true
where daily_usage.organization_id = $1 and daily_usage.date >= $2 and daily_usage.date <= $3
order by daily_usage.date;

-- name: usage_account
-- By what an organization's usage is billed: its zone, its plan, the subscription's period, its own cap of minutes.
select organization.time_zone, organization.minutes_cap, organization.billing_period_start,
    organization.billing_period_end, plan.id as plan_id, plan.name as plan_name, plan.monthly_price_micros,
    plan.included_minutes, plan.minute_price_micros, plan.currency
from organizations as organization
left join plans as plan on plan.id = organization.plan_id
where organization.id = $1 and organization.deleted_at is null;

-- name: usage_total
-- What the ledger holds of [$2, $3).
select coalesce(sum(seconds), 0)::bigint as seconds, coalesce(sum(amount_micros), 0)::bigint as cost_micros
from usage_ledger
where organization_id = $1 and charged_at >= $2 and charged_at < $3;

-- name: usage_shares
-- What the ledger holds of [$2, $3) by the assistant of each call (where it has no id by its name) and, in rows of their own
-- (`is_number`), by the organization's number that it went over. `calls` are those whose charge is here: what corrects a
-- call adds none. Of a call whose record lies elsewhere by now it was kept with its key, or is not known (`unrecorded`).
with charged as (
    select call_id, sum(seconds) as seconds, sum(amount_micros) as cost_micros,
        count(*) filter (where entry = 1) as calls
    from usage_ledger
    where organization_id = $1 and charged_at >= $2 and charged_at < $3
    group by call_id
)
select grouping(whose.number) = 0 as is_number, whose.assistant_id, whose.only_name, whose.number,
    (array_agg(whose.assistant_name order by place.created_at desc)
        filter (where whose.assistant_name is not null))[1] as assistant_name,
    sum(charged.calls)::bigint as calls, sum(charged.seconds)::bigint as seconds,
    sum(charged.cost_micros)::bigint as cost_micros,
    coalesce(sum(charged.calls) filter (where whose.is_known is null), 0)::bigint as unrecorded
from charged
-- One by one, each in its own month: joined at once, all calls of the organization would be gone through.
left join lateral (
    select id, created_at, source_id from call_keys
    where organization_id = $1 and provider_call_id = charged.call_id
    limit 1
) as place on true
left join lateral (
    select true as is_known, assistant_id, assistant_name,
        case direction when 'outbound' then from_number else to_number end as number
    from calls
    where organization_id = $1 and id = place.id and created_at = place.created_at
    limit 1
) as call on true
left join lateral (
    select true as is_known, assistant_id, assistant_name, number
    from call_sources
    where organization_id = $1 and id = place.source_id and call.is_known is null
    limit 1
) as kept on true
cross join lateral (
    select coalesce(call.is_known, kept.is_known) as is_known, coalesce(call.assistant_id, kept.assistant_id) as assistant_id,
        coalesce(call.assistant_name, kept.assistant_name) as assistant_name,
        case when coalesce(call.assistant_id, kept.assistant_id) is null
            then coalesce(call.assistant_name, kept.assistant_name) end as only_name,
        coalesce(call.number, kept.number) as number
) as whose
group by grouping sets ((whose.assistant_id, whose.only_name), (whose.number));

-- name: usage_totals
-- What the ledger holds of each period [$2[n], $3[n]), in that order.
select period.start, period.end, total.seconds, total.cost_micros
from unnest($2::timestamptz[], $3::timestamptz[]) with ordinality as period (start, "end", place)
cross join lateral (
    select coalesce(sum(seconds), 0)::bigint as seconds, coalesce(sum(amount_micros), 0)::bigint as cost_micros
    from usage_ledger
    where organization_id = $1 and charged_at >= period.start and charged_at < period.end
) as total
order by period.place;

-- name: usage_by_day
-- The days of [$2, $3] in the zone $4: as they were kept, or out of the ledger, calls untold, from the first that is not.
with kept as (
    select date, total_calls as calls, total_seconds as seconds, charged_micros as cost_micros
    from daily_usage
    where organization_id = $1 and date >= $2 and date <= $3
), missing as (
    select min(day)::date as first
    from generate_series($2::date, $3::date, interval '1 day') as day
    where day::date not in (select date from kept)
), charged as (
    select (charged_at at time zone $4)::date as date, sum(seconds)::bigint as seconds,
        sum(amount_micros)::bigint as cost_micros
    from usage_ledger
    where organization_id = $1
        and charged_at >= (select first::timestamp at time zone $4::text from missing)
        and charged_at < ($3::date + 1)::timestamp at time zone $4::text
    group by 1
)
select date, calls, seconds, cost_micros from kept
union all
select date, null, seconds, cost_micros from charged where date not in (select date from kept)
order by date;

-- name: usage_history
-- What the kept days of [$2, $3] brought.
select date, total_seconds as seconds, charged_micros as cost_micros
from daily_usage
where organization_id = $1 and date >= $2 and date <= $3;

-- name: usage_warnings
-- The marks of the period that begins at $2 of which somebody was told.
select threshold_percent as percent, raised_at from usage_alerts where organization_id = $1 and period_start = $2;

-- name: usage_entries
-- At most $8 entries of [$2, $3) booked by $4, after the call $6 and its entry $7 at $5, in their order.
select charged_at, call_id, entry, kind, seconds, amount_micros, currency, reason, booked_at
from usage_ledger
where organization_id = $1 and charged_at >= $2 and charged_at < $3 and booked_at <= $4
    and ($5::timestamptz is null or (charged_at, call_id, entry) > ($5, $6::text, $7::integer))
order by charged_at, call_id, entry
limit $8;

-- name: usage_entries_page
-- Entries of [$2, $3), the latest charge first, after the call $5 and its entry $6 at $4 in that order.
select charged_at, call_id, entry, kind, seconds, amount_micros, currency, reason, booked_at
from usage_ledger
where organization_id = $1 and charged_at >= $2 and charged_at < $3
    and charged_at <= coalesce($4::timestamptz, $3)
    and ($4::timestamptz is null or (charged_at, call_id, entry) < ($4, $5::text, $6::integer))
order by charged_at desc, call_id desc, entry desc
limit $7;

-- name: minutes_grant
-- Minutes beyond the cap in the month that goes on where the organization is; the month.
insert into minute_grants (id, organization_id, month, minutes, reason)
select $2, id, date_trunc('month', $3::timestamptz at time zone time_zone)::date, $4, $5
from organizations
where id = $1 and deleted_at is null
returning month;

-- name: minutes_of_month
-- The cap of a month and what was granted beside it.
select organization.minutes_cap,
    (
        select coalesce(sum(minutes), 0)::integer from minute_grants where organization_id = $1 and month = $2
    ) as extra_minutes
from organizations as organization
where id = $1;
