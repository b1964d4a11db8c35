-- Search in what was said, for one organization. Locks: call_transcripts and its partitions are rewritten under an
-- exclusive lock.

-- migrate:up
-- The organization is a word of each transcript, so that the index finds its own alone: a word that everybody says would
-- otherwise be looked up in everybody's calls.
-- PostgreSQL 15 and 16 cannot change a generated column's expression. Nothing reads the column yet, and the rewrite and the
-- index are of what a young product holds.
-- squawk-ignore ban-drop-column
alter table call_transcripts drop column search_vector;
alter table call_transcripts add column search_vector tsvector
    -- squawk-ignore adding-field-with-default
    generated always as (
        to_tsvector('simple', left(transcript_text, 100000)) || array_to_tsvector(array[organization_id::text])
    ) stored;
-- squawk-ignore require-concurrent-index-creation
create index idx_transcripts_search on call_transcripts using gin (search_vector);

-- Calls of the credential's organization, first seen in [since, until), in whose transcript the words occur, newest first,
-- after `before` and `before_id` in that order. The words are what people type: "exact words", or, -without.
-- Row level security lets no index look at a transcript before it knows whose it is, so this answers in its place: it
-- shows nothing but the organizations of the credential that asks.
create function private.search_calls(
    organization_id uuid, words text, since timestamptz, until timestamptz, before timestamptz, before_id uuid, most integer
) returns table (call_id uuid, call_created_at timestamptz)
language sql stable security definer set search_path = '' as $$
    select said.call_id, said.call_created_at
    from public.call_transcripts as said
    where said.search_vector @@ (
            websearch_to_tsquery('simple', words) && quote_literal(search_calls.organization_id)::tsquery
        )
        and said.organization_id = search_calls.organization_id
        and search_calls.organization_id = any (array(select private.organization_ids()))
        and said.call_created_at >= since
        and said.call_created_at < until
        and (said.call_created_at, said.call_id) < (before, before_id)
    order by said.call_created_at desc, said.call_id desc
    limit most
$$;
revoke all on function
    private.search_calls(uuid, text, timestamptz, timestamptz, timestamptz, uuid, integer) from public;
grant execute on function
    private.search_calls(uuid, text, timestamptz, timestamptz, timestamptz, uuid, integer) to authenticated, service_role;

-- migrate:down
