-- Transcripts of any length. Locks: call_transcripts and its partitions are rewritten under an exclusive lock.

-- migrate:up
-- A tsvector holds 1 MB, and a word of four-byte characters may be kept twice (`a-b` is two words and one): the first
-- 100,000 characters, some two hours of talk, always fit and are what can be searched. What was said is kept whole.
-- PostgreSQL 15 and 16 cannot change a generated column's expression, so it is made anew, and its index with it.
-- Nothing reads the column yet, and the rewrite and the index are of what a young product holds.
-- squawk-ignore ban-drop-column
alter table call_transcripts drop column search_vector;
alter table call_transcripts add column search_vector tsvector
    -- squawk-ignore adding-field-with-default
    generated always as (to_tsvector('simple', left(transcript_text, 100000))) stored;
-- squawk-ignore require-concurrent-index-creation
create index idx_transcripts_search on call_transcripts using gin (search_vector);

-- migrate:down
