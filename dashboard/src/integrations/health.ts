/** How an endpoint fares, in words. */

import type { Tone } from "../admin/parts.tsx";
import { ago, roughly } from "../admin/times.ts";
import { counted } from "../calls/format.ts";
import type { Delivery, EndpointHealth, Integration } from "./api.ts";

export interface Condition {
  tone: Tone;
  word: string;
  detail: string | null;
}

const SWITCHED_OFF: Readonly<Record<string, string>> = {
  manual: "Somebody switched it off.",
  gone: "It answered 410: it wants nothing any more.",
  failing: "It failed for days. Deliveries it misses are kept for a replay.",
};

export function conditionOf(endpoint: Integration, health: EndpointHealth | undefined, now: number): Condition {
  if (!endpoint.enabled) {
    const why = SWITCHED_OFF[endpoint.disabled_reason ?? ""] ?? `Reason: ${endpoint.disabled_reason}.`;
    return { tone: "off", word: "switched off", detail: `${why} ${ago(endpoint.disabled_at, now)}.` };
  }
  const failures = health?.consecutive_failures ?? 0;
  const failing = endpoint.failing_since === null ? null : `failing for ${roughly(now - Date.parse(endpoint.failing_since))}`;
  if (health?.circuit === "open" && health.open_until !== null && Date.parse(health.open_until) > now) {
    return {
      tone: "bad",
      word: "circuit open",
      detail: `${counted(failures, "failure")} in a row${failing ? `, ${failing}` : ""}: nothing is tried for ${roughly(Date.parse(health.open_until) - now)}.`,
    };
  }
  if (health !== undefined && health.circuit !== "closed") {
    return { tone: "wait", word: "circuit half open", detail: "One attempt decides whether the others follow." };
  }
  if (failing !== null) return { tone: "bad", word: "failing", detail: `${failing}, ${counted(failures, "failure")} in a row.` };
  if (failures > 0) return { tone: "wait", word: "stumbling", detail: `${counted(failures, "failure")} in a row.` };
  return { tone: "good", word: "healthy", detail: null };
}

/** How the last attempt ended, in words; null before the first. */
export function lastAnswer({ last_attempt_at, last_response_status, last_error }: Pick<Delivery, "last_attempt_at" | "last_response_status" | "last_error">): { isGood: boolean; words: string } | null {
  if (last_attempt_at === null) return null;
  // So it is noted before it is made, and stays if whoever made it died.
  if (last_error === "interrupted") return { isGood: false, words: "no answer yet" };
  if (last_response_status === null) return { isGood: false, words: `no answer: ${last_error ?? "unknown"}` };
  return { isGood: last_response_status < 300, words: `answered ${last_response_status}` };
}

export function deliveryState({ status, attempts, next_attempt_at }: Pick<Delivery, "status" | "attempts" | "next_attempt_at">, now: number): { tone: Tone; words: string } {
  switch (status) {
    case "delivered":
      return { tone: "good", words: "delivered" };
    case "exhausted":
      return { tone: "bad", words: "given up" };
    case "cancelled":
      return { tone: "off", words: "not sent" };
    case "pending":
      if (next_attempt_at === null || Date.parse(next_attempt_at) < now + 1_000) return { tone: "wait", words: attempts ? "trying again" : "on its way" };
      return { tone: "wait", words: `next try in ${roughly(Date.parse(next_attempt_at) - now)}` };
  }
}
