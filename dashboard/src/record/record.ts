/** One call with everything known of it, as the API tells it. */

import type { CallDetail, CallNote, TimelineEntry } from "../call/detail.ts";
import type { Turn } from "../call/lines.ts";
import { clock, dollars, NOTHING, words } from "../calls/format.ts";
import { dayAndTime } from "../calls/days.ts";
import type { PastCall } from "../history/call-pages.ts";

export interface CallRecord extends PastCall, CallDetail {
  campaign_id: string | null;
  transferred_to: string | null;
  answered_at: string | null;
  ended_at: string | null;
  tool_calls: number;
  hangs: number;
  admission: string | null;
  evidence_at: string;
  transcript: string | null;
  messages: Turn[];
  analysis: unknown;
  costs: unknown;
  recording: { url: string; bytes: number; content_type: string } | null;
  actions: { text: string; source: string }[];
  notes: CallNote[];
  timeline: TimelineEntry[];
}

export function factsOf(call: CallRecord, timeZone: string): [string, string][] {
  const when = (time: string | null): string => (time === null ? NOTHING : `${dayAndTime(time, timeZone)}`);
  return [
    ["Call", call.call_id],
    ["Direction", call.direction ?? NOTHING],
    ["From", call.from_number ?? NOTHING],
    ["To", call.to_number ?? NOTHING],
    ["Assistant", call.assistant_name ?? NOTHING],
    ["Campaign", call.campaign_id ?? NOTHING],
    ["First seen", when(call.created_at)],
    ["Answered", when(call.answered_at)],
    ["Ended", when(call.ended_at)],
    ["Lasted", call.duration_seconds !== null ? `${clock(call.duration_seconds * 1000)} (${call.duration_seconds.toFixed(1)} s)` : call.status === "ended" ? "not known" : NOTHING],
    ["How it ended", call.ended_reason ? words(call.ended_reason) : NOTHING],
    ["Class and fault", call.ended_class ? `${words(call.ended_class)}, fault: ${words(call.fault_owner ?? "unknown")}` : NOTHING],
    ["Transferred to", call.transferred_to ?? NOTHING],
    ["Admission", call.admission ? words(call.admission) : "never asked"],
    ["Tool calls, hangs", `${call.tool_calls}, ${call.hangs}`],
    ["Evaluation", call.success_evaluation ?? NOTHING],
  ];
}

/** What of the whole each part cost, the dearest first. */
export function costParts(costs: unknown): [string, number][] {
  const parts = objectOf(objectOf(costs)["breakdown"]);
  return Object.entries(parts)
    .flatMap(([name, value]): [string, number][] => (typeof value === "number" && value > 0 && name !== "total" ? [[COSTS[name] ?? words(name), value]] : []))
    .toSorted((a, b) => b[1] - a[1]);
}

const COSTS: Readonly<Record<string, string>> = { llm: "Language model", stt: "Transcriber", tts: "Voice", vapi: "VAPI", transport: "Telephone line", chat: "Chat", knowledgeBaseCost: "Knowledge base" };

export const costWords = (value: number | null): string => dollars(value);

/** The structured data of the analysis, as name and value. */
export function structuredData(analysis: unknown): [string, string][] {
  return Object.entries(objectOf(objectOf(analysis)["structuredData"])).map(([name, value]) => [
    words(name.replaceAll("_", " ")),
    value === null || value === "" ? NOTHING : typeof value === "string" ? value : JSON.stringify(value),
  ]);
}

/** Why there is no recording to hear, for whoever looks for it. */
export function whyNoRecording(call: CallRecord): string {
  if (call.status !== "ended") return "The call goes on: its recording comes with the report.";
  if (call.timeline.some((entry) => entry.type === "recording-missing")) return "Recording missing: the provider told of one and it could not be copied for days.";
  if (call.timeline.some((entry) => entry.type === "recording-stored")) return "The recording is kept no more.";
  if (call.answered_at === null && call.duration_seconds === null) return "Nobody answered: there is nothing to hear.";
  if (call.report === "missing") return "Recording missing: it comes with the report, which never arrived.";
  if (call.processed_at === null) return "The recording comes with the report.";
  return "No recording: the report told of none, or it is still being copied.";
}

export function whyNoTranscript(call: CallRecord): string {
  if (call.status !== "ended") return "Nothing was said yet.";
  if (call.report === "missing") return "The report never arrived: what was said is not known beyond what was heard live.";
  if (call.report === "pending") return "The report with the transcript is not here yet; it comes within a minute or two of the end.";
  return "Nobody said a word.";
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
