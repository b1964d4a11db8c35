/** By what the table is sorted: what the address says, and the order of two rows. */

import type { BoardCall } from "../live/protocol.ts";
import { ageMs, callerOf, silenceMs, stateWords } from "./facts.ts";

export const SORTS = ["severity", "state", "caller", "assistant", "age", "silence", "latency", "tools", "cost", "evidence"] as const;
export type SortKey = (typeof SORTS)[number];

export interface Sort {
  key: SortKey;
  /** The most, or the last of the alphabet, first. */
  isDescending: boolean;
}

export const WORST_FIRST: Sort = { key: "severity", isDescending: true };

/** `age` is ascending, `-age` descending; what is not known is the default. */
export function sortOf(params: URLSearchParams): Sort {
  const text = params.get("sort") ?? "";
  const isDescending = text.startsWith("-");
  const key = SORTS.find((each) => each === text.slice(isDescending ? 1 : 0));
  return key === undefined ? WORST_FIRST : { key, isDescending };
}

/** What the address says of a sort; null for the default. */
export function sortText({ key, isDescending }: Sort): string | null {
  return key === "severity" ? null : (isDescending ? "-" : "") + key;
}

/** The sort after a click on a column: its most first, then its least, then the default. */
export function nextSort(held: Sort, key: SortKey): Sort {
  if (held.key !== key) return { key, isDescending: true };
  return held.isDescending ? { key, isDescending: false } : WORST_FIRST;
}

/** A call's value of a column; null, which stands last either way, where there is none. */
export function sortValue(call: BoardCall, key: SortKey, rank: number, now: number): number | string | null {
  switch (key) {
    case "severity":
      return rank;
    case "age":
      return ageMs(call, now);
    case "silence":
      return silenceMs(call, now);
    case "latency":
      return call.conversation.turn_latency_p95_ms;
    case "tools":
      return call.tool_calls;
    case "cost":
      return call.cost_usd;
    case "evidence":
      return now - Date.parse(call.evidence_at);
    case "state":
      return stateWords(call);
    case "caller":
      return callerOf(call).toLowerCase();
    default:
      return call.assistant_name?.toLowerCase() ?? null;
  }
}

export function compared(a: number | string | null, b: number | string | null, isDescending: boolean): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  return (a < b ? -1 : 1) * (isDescending ? -1 : 1);
}
