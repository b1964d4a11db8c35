/** What a call tells at a moment: pure functions of its record and the server's time. */

import type { BoardCall, CallStatus } from "../live/protocol.ts";
import { clock, words } from "./format.ts";

const CONFIRMED_MS = 60_000;
const STALE_MS = 15 * 60_000;
export const SILENT_MS = 15_000;

export type Evidence = "confirmed" | "quiet" | "unconfirmed";

const LIVE: ReadonlySet<CallStatus> = new Set(["ringing", "in-progress", "forwarding"]);
const WAITING: ReadonlySet<CallStatus> = new Set(["scheduled", "queued"]);

/** A refused call rings until it is told so: it is shown with its reason, and is neither live nor waiting. */
export const isRefused = (call: BoardCall): boolean => call.status !== "ended" && (call.admission ?? "").startsWith("refused:");
export const isLive = (call: BoardCall): boolean => LIVE.has(call.status) && !isRefused(call);
export const isWaiting = (call: BoardCall): boolean => WAITING.has(call.status) && !isRefused(call);
export const isTalking = (call: BoardCall): boolean => call.status === "in-progress" || call.status === "forwarding";

export function evidenceOf(call: BoardCall, now: number): Evidence {
  if (call.absent_at !== null && call.absent_at >= call.evidence_at) return "unconfirmed";
  return now - Date.parse(call.evidence_at) <= CONFIRMED_MS ? "confirmed" : "quiet";
}

/** Live, and without any sign for a quarter of an hour or unknown to its provider. */
export function isStale(call: BoardCall, now: number): boolean {
  return isLive(call) && (evidenceOf(call, now) === "unconfirmed" || now - Date.parse(call.evidence_at) >= STALE_MS);
}

export function ageMs(call: BoardCall, now: number): number {
  return now - Date.parse(call.answered_at ?? call.created_at);
}

/** Since the last words, of a call that is talked; null of any other. */
export function silenceMs(call: BoardCall, now: number): number | null {
  if (!isTalking(call)) return null;
  const since = call.utterances.at(-1)?.at ?? call.answered_at;
  return since === null ? null : Math.max(0, now - Date.parse(since));
}

/** What of a call, live or past, tells who calls. */
export type Caller = Readonly<Record<"customer_name" | "direction" | "from_number" | "to_number" | "type", string | null>> & { readonly call_id: string };

export function callerOf(call: Caller): string {
  return call.customer_name ?? (call.direction === "outbound" ? call.to_number : call.from_number) ?? (call.type ? words(call.type) : call.call_id);
}

/** The number the caller reached, or that reached them. */
export function lineOf(call: BoardCall): string | null {
  return call.direction === "outbound" ? call.from_number : call.to_number;
}

/** Which way a call goes and over which of our lines, as briefly as a row tells it: `in to +15550300000`. */
export function wayWords(call: BoardCall): string {
  const line = lineOf(call);
  if (call.direction === "outbound") return line === null ? "out" : `out from ${line}`;
  if (call.direction === "inbound") return line === null ? "in" : `in to ${line}`;
  return [call.direction, line].filter(Boolean).join(" ");
}

/** How long a call lasted that is over. One whose answer or end was never told lasted nobody knows how long: not 0:00. */
export function lastedWords({ duration_seconds }: { readonly duration_seconds: number | null }): string {
  return duration_seconds === null ? "length not known" : `lasted ${clock(duration_seconds * 1000)}`;
}

export function stateWords(call: BoardCall): string {
  return isRefused(call) ? words(call.admission ?? "") : words(call.status);
}

const SPEAKERS: Readonly<Record<string, string>> = { user: "Caller", customer: "Caller", assistant: "Assistant", bot: "Assistant" };

export const speakerOf = (role: string): string => SPEAKERS[role] ?? words(role);

export const endedAt = (call: BoardCall): string => call.ended_at ?? call.evidence_at;
