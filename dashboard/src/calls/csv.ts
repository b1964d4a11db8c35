/** The calls of the table as a file (RFC 4180): the same calls in the same order, times in ISO, seconds as integers. */

import { field } from "../audit/csv.ts";
import { tagsOf } from "../call/tags.ts";
import { ageMs, evidenceOf, silenceMs } from "./facts.ts";
import type { CallRow } from "./rows.ts";

type Value = string | number | null;

const wholeSeconds = (ms: number | null): number | null => (ms === null ? null : Math.max(0, Math.floor(ms / 1000)));

const COLUMNS: readonly [string, (row: CallRow, now: number) => Value][] = [
  ["call_id", ({ call }) => call.call_id],
  ["status", ({ call }) => call.status],
  ["admission", ({ call }) => call.admission],
  ["direction", ({ call }) => call.direction],
  ["from_number", ({ call }) => call.from_number],
  ["to_number", ({ call }) => call.to_number],
  ["customer_name", ({ call }) => call.customer_name],
  ["assistant_name", ({ call }) => call.assistant_name],
  ["campaign_id", ({ call }) => call.campaign_id],
  ["tags", ({ call }) => tagsOf(call).join(" ") || null],
  ["created_at", ({ call }) => call.created_at],
  ["answered_at", ({ call }) => call.answered_at],
  ["age_seconds", ({ call }, now) => wholeSeconds(ageMs(call, now))],
  ["silence_seconds", ({ call }, now) => wholeSeconds(silenceMs(call, now))],
  ["turn_latency_p95_ms", ({ call }) => call.conversation.turn_latency_p95_ms],
  ["tool_calls", ({ call }) => call.tool_calls],
  ["tools_failed", ({ call }) => call.conversation.tools_failed],
  ["cost_usd", ({ call }) => call.cost_usd],
  ["evidence", ({ call }, now) => evidenceOf(call, now)],
  ["evidence_at", ({ call }) => call.evidence_at],
  ["last_said_by", ({ call }) => call.utterances.at(-1)?.role ?? null],
  ["last_said", ({ call }) => call.utterances.at(-1)?.text ?? null],
  ["alarms", ({ incidents }) => incidents.map((each) => `${each.severity}: ${each.rule}`).join("; ") || null],
];

/** `now` is the board's time, which stands still while it is stale. */
export function callsCsv(rows: readonly CallRow[], now: number): string {
  const lines = rows.map((row) => COLUMNS.map(([, of]) => field(of(row, now) ?? "")).join(","));
  return [COLUMNS.map(([name]) => name).join(","), ...lines].join("\r\n").concat("\r\n");
}
